//! Queries from the command line: text, flags, files of stdin, exit codes.

use insta::assert_snapshot;
use serde_json::json;

use crate::traffic::world;
use crate::world::World;

#[test]
fn a_query_and_flags_give_the_same_answer() {
    let world = world();
    let data = |args: &[&str]| {
        let done = world.run_args(args);
        assert_eq!(done.code, Some(0), "{done}");
        let mut json = done.json();
        json["source"] = json!(null);
        json
    };
    let flags = data(&[
        "metrics",
        "latency",
        "--provider",
        "claude",
        "--agg",
        "p95",
        "--by",
        "model",
        "--step",
        "20m",
        "--range",
        "1h",
        "--json",
    ]);
    let text = r#"latency{provider="claude"} [1h] p95 by(model) every 20m"#;
    assert_eq!(flags["query"], text);
    assert_eq!(flags["data"].as_array().unwrap().len(), 2);
    assert_eq!(data(&["metrics", "-q", text, "--json"]), flags);
    // What the query leaves open flags fill.
    let mixed = [
        "metrics",
        "-q",
        "p95(latency)",
        "--provider",
        "claude",
        "--by",
        "model",
        "--step",
        "20m",
        "--range",
        "1h",
        "--json",
    ];
    assert_eq!(data(&mixed), flags);
    let filtered = ["metrics", "-q", "p95(latency) [1h] by(model) every 20m", "--where", "provider=claude", "--json"];
    assert_eq!(data(&filtered), flags);
    let fed = world.feed("metrics -q - --json", text.as_bytes());
    assert_eq!(fed.json()["data"], flags["data"]);
}

/// A heading names one window only where there is one, and a way out fits what was typed.
#[test]
fn headings_and_hints_tell_of_the_windows_that_were_asked() {
    let world = world();
    let first = |query: &str| {
        let out = world.run_args(&["metrics", "-q", query]).out;
        out.lines().next().unwrap_or_default().trim_end().to_owned()
    };
    let heads = [
        "p95(latency) > 2s AND requests [5m] > 20",
        "latency [30m] > 2s",
        "latency [30m] / latency [1h]",
        "forecast(month) > budget",
        "requests [1h] offset 1h",
        "daily_spend{provider=nobody}",
    ];
    assert_snapshot!(heads.map(first).join("\n"), @r#"
    p95(latency) > 2s AND requests [5m] > 20 · several windows            420 events
    latency [30m] > 2s · last 30m                                         210 events
    latency [30m] / latency [1h] · several windows                        210 events
    forecast(month) > budget · now                                          0 events
    Nothing in this range: the newest event is 10 s old (Sun 16 Nov 20:14 CET).
    daily_spend · provider="nobody" · Sun 16 Nov 00:00 to 20:15 CET       0 requests
    "#);
    assert_snapshot!(world.run_args(&["metrics", "-q", "latency [1m]", "--at", "2025-11-16T20:00:00Z"]), @"
    exit 0
    --- stdout
    Nothing in this range: the newest event is 45 min old (Sun 16 Nov 20:14 CET).

    Try  [1h] in the query
    ");
    assert_snapshot!(world.run_args(&["metrics", "latency", "--range", "1m", "--at", "2025-11-16T20:00:00Z"]), @"
    exit 0
    --- stdout
    Nothing in this range: the newest event is 45 min old (Sun 16 Nov 20:14 CET).

    Try  --range 1h
    ");
    // Nothing now is something to say where there was something before.
    let compared = world.run_args(&["metrics", "-q", "requests [1h] vs previous", "--at", "2025-11-16T20:20:00Z"]).out;
    assert_snapshot!(compared.lines().take(4).collect::<Vec<_>>().join("\n"), @"
    requests · last 1h                                                    0 requests

    requests  0
    the 1h before 385, -100 %
    ");
}

#[test]
fn a_condition_that_single_events_could_meet_says_how_to_ask_for_them() {
    let world = world();
    let told = |query: &str| world.run_args(&["metrics", "-q", query]).err;
    assert_snapshot!(told("latency > 1000"), @"note: all calls are judged together; single calls: ax monitor events -q 'latency > 1000'");
    assert_snapshot!(told("latency > 1s AND cost > $0.001"), @"note: all calls are judged together; single calls: ax monitor events -q 'latency > 1s AND cost > $0.001'");
    for other in ["avg(latency) > 1000", "latency", "requests > 5", "latency{provider=claude} > 1000"] {
        assert_eq!(told(other), "", "{other}");
    }
    assert_snapshot!(world.run_args(&["metrics", "-q", "provider=claude", "--format", "csv"]), @"
    exit 2
    --- stderr
    error: a filter lists single events, as a table or as JSON
    hint: ax monitor export -q gives all of them as NDJSON or CSV
    ");
}

#[test]
fn what_query_and_flags_both_give_is_refused() {
    let world = world();
    for (args, message) in [
        (
            ["-q", "latency [1h]", "--range", "2h"],
            "the time range is given by the query and by --range, --since or --until",
        ),
        (["-q", "latency by(model)", "--by", "user"], "the grouping is given by the query and by --by"),
        (["-q", "latency every 5m", "--step", "1m"], "the step is given by the query and by --step"),
        (["-q", "latency p95", "--agg", "avg"], "the aggregation is given by the query and by --agg"),
        (
            ["-q", "latency vs previous", "--compare", "7d"],
            "what to compare with is given by the query and by --compare",
        ),
        (["-q", "latency{provider=a}", "--provider", "b"], "the provider is given by the query and by --provider"),
        (["-q", "latency{model=a}", "--where", "provider=b AND"], "expected a value after 'AND', found end of query"),
    ] {
        let done = world.run_args(&[&["metrics", "--json"], args.as_slice()].concat());
        assert_eq!(done.code, Some(2), "{done}");
        let error = &done.json()["error"];
        if !args.contains(&"--where") {
            assert_eq!((&error["message"], &error["hint"]), (&json!(message), &json!("leave one out")), "{done}");
        }
    }
    let done = world.run_args(&["metrics", "latency", "-q", "cost"]);
    assert_eq!(done.code, Some(2), "{done}");
}

#[test]
fn a_refused_query_is_drawn_with_its_place() {
    let world = world();
    assert_snapshot!(world.run_args(&["metrics", "-q", r#"latncy{provider="claude"} [1h] p95"#]), @r#"
    exit 2
    --- stderr
    error: unknown metric 'latncy'
      |
    1 | latncy{provider="claude"} [1h] p95
      | ^^^^^^ did you mean latency?
    "#);
    assert_snapshot!(world.run_args(&["events", "-q", "provider=claude latency>1000"]), @"
    exit 2
    --- stderr
    error: unexpected 'latency' after the filter
      |
    1 | provider=claude latency>1000
      |                 ^^^^^^^ join conditions with AND or OR
    ");
    assert_snapshot!(world.run_args(&["metrics", "latency", "--fail-on", "> $5"]), @"
    exit 2
    --- stderr
    error: cannot compare a duration with money
      |
    1 | > $5
      |   ^^ write a duration such as 2s
    ");
    assert_snapshot!(world.run_args(&["metrics", "-q", "latency [1h] every 1ms"]), @"
    exit 2
    --- stderr
    error: 3600000 steps are more than 10000
      |
    1 | latency [1h] every 1ms
      |              ^^^^^^^^^ write every 1s, or a shorter time range
    ");
}

#[test]
fn a_bound_turns_the_answer_into_an_exit_code() {
    let world = world();
    for (query, bound, code) in [
        ("latency p95", "> 100ms", 3),
        ("latency p95", "> 1h", 0),
        ("latency p95 by(provider)", ">= 3s", 3),
        ("latency{provider=nobody} p95", "> 1ms", 4),
        ("requests{provider=nobody}", "< 1", 3),
        ("error_rate", "> 5%", 0),
        ("error_rate{provider=openai}", "> 5%", 3),
        ("cost", "> $0.5", 3),
        ("cost - $1000", "< -500", 3),
        ("error_rate > 5%", "true", 0),
        ("error_rate{provider=openai} > 5%", "true", 3),
        ("latency{provider=nobody} > 1s", "true", 4),
    ] {
        let done = world.run_args(&["metrics", "-q", query, "--fail-on", bound]);
        assert_eq!(done.code, Some(code), "{query} {bound}: {done}");
    }
    for bound in ["2s", "> ", "> latency", "> 1s AND", "~ 5"] {
        assert_eq!(world.run_args(&["metrics", "latency", "--fail-on", bound]).code, Some(2), "{bound}");
    }
}

#[test]
fn the_same_of_the_time_before_stands_beside_it() {
    let world = world();
    let row = |args: &[&str]| {
        let done = world.run_args(&[&["metrics", "--json"], args].concat());
        assert_eq!(done.code, Some(0), "{done}");
        done.json()["data"][0].clone()
    };
    let halves = row(&["-q", "requests [30m] vs previous"]);
    assert_eq!(
        (&halves["value"], &halves["previous"], &halves["change"], &halves["change_pct"]),
        (&json!(210), &json!(210), &json!(0), &json!(0.0))
    );
    let flags = row(&["errors", "--range", "30m", "--compare", "previous"]);
    assert_eq!((&flags["value"], &flags["previous"]), (&json!(20), &json!(0)));
    assert_eq!(flags["change_pct"], json!(null), "no per cent of 0");
}

#[test]
fn events_and_exports_take_filters() {
    let world = world();
    let done =
        world.run_args(&["events", "-q", "provider=openai AND status=error AND latency > 3.4s", "--json", "-n", "3"]);
    let json = done.json();
    assert_eq!(json["schema"], "ax.monitor.events/1", "{done}");
    assert_eq!((&json["count"], json["events"].as_array().unwrap().len()), (&json!(8), 3));
    assert_eq!(
        world.run_args(&["metrics", "-q", "provider=openai AND status=error AND latency > 3.4s", "--json"]).json()["count"],
        8
    );
    let lines = world.run_args(&["export", "-q", r#"user="" AND cost<$1"#]).good();
    assert_eq!(lines.lines().count(), 60);
    assert!(lines.lines().all(|l| l.contains("gemini")));
    let done = world.run_args(&["events", "-q", "error_rate > 5%"]);
    assert_eq!(done.code, Some(2), "{done}");
    let done = world.run_args(&["events", "--follow"]);
    assert_eq!(done.code, Some(2), "a clock that stands still has nothing to follow: {done}");
}

#[test]
fn events_are_followed_as_they_come() {
    use std::io::BufRead;
    let world = World::new().with("AX_MONITOR_NOW", "");
    world.run("record --provider a --latency-ms 5").good();
    let mut command = world.command(&["monitor", "events", "--follow", "-q", "provider in (a, b)", "--json"]);
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || lines.next().unwrap().unwrap();
    assert!(next().contains(r#""provider":"a""#));
    world.run("record --provider c --latency-ms 5").good();
    world.run("record --provider b --latency-ms 7").good();
    assert!(next().contains(r#""provider":"b""#), "c does not match, a was shown");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn an_explanation_needs_no_store() {
    let world = World::new();
    assert_snapshot!(world.run_args(&["explain", "(cost/requests)[7d] by(model)"]).good(), @"
    query     cost [7d] by(model) / requests [7d] by(model)
    gives     usd
    reads     cost sum, requests sum by model, Sun 9 Nov 19:15 to Sun 16 Nov 19:15
              UTC: 6 × 1d, 23 × 1h, 12 × 5m
    ");
    assert_snapshot!(world.run_args(&["explain", "--as", "condition", "error_rate>baseline*3 for 5m"]).good(), @"
    condition error_rate > baseline * 3 for 5m
    gives     bool
    for       5m
    reads     error_rate avg, Sun 9 Nov 18:15 to Sun 16 Nov 18:15 UTC: 161 × 1h,
              84 × 5m
    reads     error_rate avg, Sun 16 Nov 19:14 to 19:15 UTC: 1 × 1m
    reads     error_rate avg, Sun 16 Nov 19:10 to 19:15 UTC: 1 × 5m
    reads     error_rate avg, Sun 16 Nov 19:00 to 19:15 UTC: 3 × 5m
    reads     error_rate avg, Sun 16 Nov 18:15 to 19:15 UTC: 12 × 5m
    ");
    assert_snapshot!(world.feed("explain - --json", b"provider=claude AND latency>1000").good(), @r#"
    {"schema":"ax.monitor.explain/1","ok":true,"kind":"filter","canonical":"provider=\"claude\" AND latency > 1000","plan":[{"metrics":["events"],"start":"2025-11-16T18:15:00.000Z","end":"2025-11-16T19:15:00.000Z","buckets":{},"raw_ms":3600000,"raw_because_of":"a condition on latency"}]}
    "#);
    assert_snapshot!(world.run_args(&["explain", "latency [1h] mean", "--json"]), @r#"
    exit 2
    --- stdout
    {"schema":"ax.monitor.explain/1","ok":false,"error":{"start":13,"end":17,"message":"unknown aggregation 'mean'","hint":"did you mean avg?"}}
    "#);
    assert_eq!(world.run_args(&["explain", "--as", "condition", "avg(latency)"]).code, Some(2));
    assert!(!world.path(".local").exists(), "nothing was made");
    // A long query's plan stays short.
    let many = (0..40).map(|i| format!("requests [{}m]", i + 1)).collect::<Vec<_>>().join(" + ");
    let done = world.run_args(&["explain", &many, "--json"]);
    assert!(done.json()["plan"].to_string().len() < 2048, "{done}");
    assert_eq!(done.json()["more_plans"], 34);
}

#[test]
fn the_query_language_has_a_page() {
    let page = World::new().run("help query").good();
    assert!(page.lines().all(|l| l.chars().count() <= 80), "{page}");
    assert!(page.contains("latency{provider=\"claude\"} [1h] p95"));
}

#[test]
fn every_question_of_the_readme_is_answered() {
    let readme = include_str!("../../README.md");
    let section = readme.split("## Asking").nth(1).unwrap().split("\n## ").next().unwrap();
    let block = section.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    let world = world();
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_ax")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let mut asked = 0;
    for line in block.lines().filter(|l| !l.is_empty()) {
        let done = world.shell(line, &path);
        assert_eq!((done.code, done.err.as_str()), (Some(0), ""), "{line}: {done}");
        asked += 1;
    }
    assert!(asked >= 10, "only {asked} commands in the README");
}
