//! Recording from flags and from a stream.

use insta::assert_snapshot;

use crate::world::World;

#[test]
fn flags_make_an_event() {
    let world = World::new();
    let args = "record --provider claude --model claude-sonnet-4-5 --latency-ms 850.25 --input-tokens 1200 \
                --output-tokens 300 --cost-usd 0.0123 --ts 2025-11-16T19:00:00Z";
    assert_snapshot!(world.run(args), @"
    exit 0
    --- stdout
    Recorded 1 event.
    ");
    world.run("record --type cache --event hit --saved-cost-usd 0.5 --ts 1763319700000 --quiet").good();
    world.run("record --type rate_limit --event denied --key team --limit 60 --ts 1763319800000 --quiet").good();
    world.run("record --provider openai --error timeout --ts 1763319900000 --quiet").good();
    assert_snapshot!(world.run("export").good(), @r#"
    {"type":"request","ts":"2025-11-16T19:00:00.000Z","provider":"claude","model":"claude-sonnet-4-5","latency_ms":850.250,"input_tokens":1200,"output_tokens":300,"cost_usd":0.012300000,"cost_source":"recorded","ok":true}
    {"type":"cache","ts":"2025-11-16T19:01:40.000Z","event":"hit","saved_cost_usd":0.500000000}
    {"type":"rate_limit","ts":"2025-11-16T19:03:20.000Z","event":"denied","key":"team","limit":60}
    {"type":"request","ts":"2025-11-16T19:05:00.000Z","provider":"openai","input_tokens":0,"output_tokens":0,"cost_source":"unpriced","ok":false,"error":"timeout"}
    "#);
}

#[test]
fn a_wrong_event_from_flags_is_a_usage_error_and_makes_no_store() {
    let world = World::new();
    for (args, expected) in [
        ("--provider claude --latency-ms -3", "error: latency_ms is negative"),
        ("--provider claude --latency-ms fast", "error: --latency-ms 'fast' is not a number"),
        ("--provider claude --latency-ms 1e300", "error: latency_ms is longer than 7 days"),
        ("--provider claude --cost-usd 1e10", "error: cost_usd is above 1e9 dollars"),
        ("--provider claude --input-tokens 1.5", "error: input_tokens must be a whole number, not 1.5"),
        ("--latency-ms 3", "error: a request needs a provider"),
        (
            "--provider claude --ts 1763319700",
            "error: ts 1763319700 is before the year 2000; it looks like seconds, ts is in milliseconds",
        ),
        (
            "--provider claude --ts 2027-01-01T00:00:00Z",
            "error: ts 2027-01-01T00:00:00.000Z is more than 1 day in the future",
        ),
        ("--type cache --event maybe", "error: event must be hit or miss, not \"maybe\""),
    ] {
        let done = world.run(&format!("record {args}"));
        assert_eq!((done.code, done.err.trim_end()), (Some(2), expected), "{args}");
    }
    assert!(!world.path(".local/share/ax").exists());
}

#[test]
fn a_stream_keeps_what_is_right_and_names_what_is_wrong() {
    let world = World::new();
    let lines = b"{\"provider\":\"claude\",\"latency_ms\":850,\"event_id\":\"x\",\"foo\":1}\n\
        not json\n\
        \n\
        {\"type\":\"cache\",\"event\":\"hit\",\"ts\":1763319700000}\r\n\
        {\"provider\":\"claude\",\"latency_ms\":-1}\n\
        {\"provider\":\"clau\xffde\"}\n\
        {\"provider\":\"claude\",\"ts\":1763319700000,\"cost_usd\":\"0.5\"}";
    assert_snapshot!(world.feed("record", lines), @"
    exit 0
    --- stdout
    Recorded 3 events.
    Refused 3 lines.
    1 request came without a cost.
    --- stderr
    error: line 2: not a JSON object: expected ident at column 2
    error: line 5: latency_ms is negative
    error: line 6: not valid UTF-8
    warning: event_id is not kept by record (1 line); import keeps it
    warning: unknown keys, left out: foo (1)
    ");
    assert_snapshot!(world.run("metrics requests --format line --since 2025-11-16 --until 2025-11-17").good(), @"
    requests, Sun 16 Nov 00:00 to Tue 18 Nov 00:00 UTC
    2, 2 requests
    ");
    let json = world.feed("record --json", lines).json();
    assert_eq!(json["schema"], "ax.monitor.record/1");
    assert_eq!(
        (json["read"].as_u64(), json["recorded"].as_u64(), json["refused_count"].as_u64()),
        (Some(6), Some(3), Some(3))
    );
    assert_eq!(json["refused"][0]["line"], 2);
    assert_eq!(json["warnings"].as_array().unwrap().len(), 2);
}

#[test]
fn a_stream_in_which_everything_is_wrong_fails_and_an_empty_one_does_not() {
    let world = World::new();
    assert_snapshot!(world.feed("record", b"{}\n"), @"
    exit 1
    --- stdout
    Recorded 0 events.
    Refused 1 line.
    --- stderr
    error: line 1: a request needs a provider
    ");
    assert_eq!(world.feed("record", b"").code, Some(0));
    assert_eq!(world.feed("record", b"\n \n").code, Some(0));
    let long =
        [&b"{\"provider\":\"a\",\"model\":\""[..], &vec![b'x'; 2 << 20], b"\"}\n{\"provider\":\"a\"}\n"].concat();
    let done = world.feed("record --quiet", &long);
    assert_eq!((done.code, done.err.as_str()), (Some(0), "error: line 1: longer than 1 MiB\n"), "{done}");
}

/// A source that is wrong from its first line on would fill a disk with what is said about it.
#[test]
fn of_many_refused_lines_the_first_are_told_and_all_are_counted_by_cause() {
    let world = World::new();
    let mut lines = String::new();
    for i in 0..20_000 {
        lines += match i % 1000 {
            0 => "{\"provider\":\"p\",\"ts\":1763319700000,\"cost_usd\":1}\n",
            1 => "not json\n",
            2 => "{\"provider\":\"p\",\"latency_ms\":-1}\n",
            _ => "{\"provider\":\"p\",\"ts\":1000000000000}\n",
        };
    }
    let done = world.feed("record", lines.as_bytes());
    assert_snapshot!(done.out, @"
    Recorded 20 events.
    Refused 19,980 lines:
      19,940  ts is older than the longest retention; see `ax monitor store set-retention`
          20  latency_ms is negative
          20  not a JSON object
    ");
    let told: Vec<&str> = done.err.lines().collect();
    assert_eq!(
        (told.len(), told[1], told[10]),
        (11, "error: line 3: latency_ms is negative", "further refused lines are only counted")
    );
    let quiet = world.feed("record --quiet", lines.as_bytes());
    assert_snapshot!(quiet.err.lines().skip(10).collect::<Vec<_>>().join("\n"), @"
    error: 20 refused lines: latency_ms is negative
    error: 20 refused lines: not a JSON object
    error: 19,940 refused lines: ts is older than the longest retention; see `ax monitor store set-retention`
    ");
    let json = world.feed("record --json", lines.as_bytes()).json();
    assert_eq!((json["refused_count"].as_u64(), json["refused"].as_array().unwrap().len()), (Some(19_980), 1000));
    assert_eq!(json["refused_causes"]["latency_ms is negative"], 20);
    let imported = world.feed("import ndjson -", lines.as_bytes()).good();
    let lines: Vec<&str> = imported.lines().filter(|line| !line.contains("which keeps")).collect();
    assert_snapshot!(lines.join("\n"), @"
    Imported 20 events from 2025-11-16 19:01 to 2025-11-16 19:01 UTC.
    Refused 19,980 lines:
      -:2  not a JSON object: expected ident at column 2
      -:3  latency_ms is negative
      and 19,970 more; --json lists the first 1,000
    By cause:
      19,940  ts is older than the longest retention; see `ax monitor store set-retention`
          20  latency_ms is negative
          20  not a JSON object

    Next: ax monitor · ax monitor costs --range 30d
    ");
}

#[test]
fn what_the_medium_refuses_is_told_once() {
    let world = World::new();
    world.feed("record --quiet", b"{\"provider\":\"p\"}\n").good();
    let bin = std::path::Path::new(env!("CARGO_BIN_EXE_ax")).parent().unwrap().display();
    let line = "(echo '{\"provider\":\"p\"}'; echo '{\"provider\":\"q\"}') | prlimit --fsize=0 ax monitor record";
    assert_snapshot!(world.shell(line, &format!("{bin}:/usr/bin:/bin")), @"
    exit 1
    --- stdout
    Recorded 0 events.
    2 requests came without a cost.
    --- stderr
    error: 2 events could not be recorded in ~/.local/share/ax/monitor: file size limit
    hint: this process may not make files that large; see `ulimit -f`
    ");
}

#[test]
fn recording_ends_with_a_pass_and_leaves_no_live_writer() {
    let world = World::new();
    let many: String =
        (0..5000).map(|i| format!("{{\"ts\":{},\"provider\":\"p{}\"}}\n", 1_763_310_000_000_u64 + i, i % 7)).collect();
    world.feed("record --quiet", many.as_bytes()).good();
    let info = world.run("store info --json").json();
    assert_eq!((info["events_raw"].as_u64(), info["backlog_events"].as_u64()), (Some(5000), Some(0)));
    assert_eq!(info["recorders"], 0);
    assert_eq!(info["buckets"]["1m"], 7);
    assert_snapshot!(world.run("store verify").good(), @"The store is fine: 5,000 events read, 14 buckets compared.");
}
