//! Screens of the real program: at three widths, with and without Unicode and colour, and empty.

use insta::assert_snapshot;

use crate::traffic::{steady, world};
use crate::world::World;

/// Shows what a command prints in so many columns, and checks that it keeps to them.
fn at(world: World, columns: &str, args: &str) -> (World, String) {
    let world = world.with("COLUMNS", columns);
    let out = world.run(args).good();
    let most = columns.parse().unwrap();
    for line in out.lines() {
        assert!(line.chars().count() <= most, "{args} at {columns}: {line}");
    }
    (world, steady(&out))
}

#[test]
fn status_at_three_widths() {
    let (world, narrow) = at(world(), "60", "status");
    assert_snapshot!(narrow, @"
    AX MONITOR   last 1h · Sun 16 Nov 20:15 CET

      PROVIDER          REQ    p95  ERRORS  COST TODAY TREND
    ● claude   healthy  240 1.24 s    0 %  $1.94 $1.94 ██████
    ▲ openai   degraded 120 3.46 s 16.7 %! $1.25 $1.25 ▄▄▄▄██
    ● gemini   healthy   60 256 ms    0 %  $0.04 $0.04 ██████
      all               420 3.18 s  4.8 %  $3.23 $3.23

    WHY       ▲ openai: 20 of 120 calls failed
    CACHE     66.7 % hit, saved $0.16 today
    LIMITS    10.0 % denied (6 of 60)
    DATA      540 events in range · newest 10 s ago · 0 dropped

    Next: ax monitor metrics error_rate --provider openai
          ax monitor costs
    ");
    let (world, usual) = at(world, "80", "");
    assert_snapshot!(usual, @"
    AX MONITOR   last 1h · Sun 16 Nov 20:15 CET

      PROVIDER          REQ    p50    p95    p99  ERRORS  COST TODAY TREND
    ● claude   healthy  240 844 ms 1.24 s 1.29 s    0 %  $1.94 $1.94 ██████
    ▲ openai   degraded 120 1.42 s 3.46 s 3.51 s 16.7 %! $1.25 $1.25 ▄▄▄▄██
    ● gemini   healthy   60 253 ms 256 ms 256 ms    0 %  $0.04 $0.04 ██████
      all               420 940 ms 3.18 s 3.48 s  4.8 %  $3.23 $3.23

    WHY       ▲ openai: 20 of 120 calls failed
    CACHE     66.7 % hit, saved $0.16 today
    LIMITS    10.0 % denied (6 of 60)
    DATA      540 events in range · newest 10 s ago · 0 dropped

    Next: ax monitor metrics error_rate --provider openai · ax monitor costs
    ");
    let (world, wide) = at(world, "120", "status --verbose");
    assert_snapshot!(wide, @"
    AX MONITOR   last 1h · Sun 16 Nov 20:15 CET

       PROVIDER            REQ     p50     p95     p99   ERRORS   COST  TODAY  TREND
    ●  claude    healthy   240  844 ms  1.24 s  1.29 s     0 %   $1.94  $1.94  ████████████
    ▲  openai    degraded  120  1.42 s  3.46 s  3.51 s  16.7 %!  $1.25  $1.25  ▃▄▄▄▄▄▄▄████
    ●  gemini    healthy    60  253 ms  256 ms  256 ms     0 %   $0.04  $0.04  ████████████
       all                 420  940 ms  3.18 s  3.48 s   4.8 %   $3.23  $3.23

    MODEL              PROVIDER  REQ  REQ/S     p50     p95    TTFT  ERRORS   TOKENS   COST   CACHE
    claude-sonnet-4-5  claude    180   0.05  833 ms  1.24 s  279 ms     0 %  234,180  $1.46       –
    gpt-5              openai    120   0.03  1.42 s  3.46 s       –  16.7 %  103,200  $1.25       –
    claude-haiku-4-5   claude     60   0.02  873 ms  1.25 s  288 ms     0 %   78,180  $0.49       –
    gemini-2.5-flash   gemini     60   0.02  253 ms  256 ms       –     0 %        0  $0.04       –
    (none)             claude      0      0       –       –       –       –        0  $0.00  66.7 %

    WHY       ▲ openai: 20 of 120 calls failed
    CACHE     66.7 % hit, saved $0.16 today
    LIMITS    10.0 % denied (6 of 60)
    DATA      540 events in range · newest 10 s ago · 0 dropped

    Next: ax monitor metrics error_rate --provider openai · ax monitor costs
    ");
    let (_, line) = at(world, "80", "status --format line --provider openai");
    assert_snapshot!(line, @"
    ax monitor, last 1h
    Sun 16 Nov 20:15 CET

    openai
      state degraded
      20 of 120 calls failed
      requests 120
      p50 1.42 s
      p95 3.46 s
      p99 3.51 s
      errors 16.7 %
      cost $1.25
      today $1.25

    rate limit denied 10.0 %
    recorders 0
    events 180
    dropped events 0
    ");
}

#[test]
fn metrics_at_three_widths() {
    let (world, narrow) = at(world(), "60", "metrics latency --agg p95 --by provider,model");
    assert_snapshot!(narrow, @"
    latency p95 · last 1h                           420 requests

    PROVIDER  MODEL                 P95  REQUESTS
    openai    gpt-5              3.46 s       120  █████████████
    claude    claude-haiku-4-5   1.25 s        60  ████▊
    claude    claude-sonnet-4-5  1.24 s       180  ████▋
    gemini    gemini-2.5-flash   256 ms        60  █

    p50 940 ms   p95 3.18 s   p99 3.48 s   avg 1.07 s
    min 250 ms   max 3.52 s
    query …
    ");
    let (world, usual) = at(world, "80", "metrics cost --by model");
    assert_snapshot!(usual, @"
    cost · last 1h                                                      420 requests

    MODEL                SUM   SHARE  REQUESTS
    claude-sonnet-4-5  $1.46  45.1 %       180  ██████████████████████████████
    gpt-5              $1.25  38.7 %       120  █████████████████████████▊
    claude-haiku-4-5   $0.49  15.0 %        60  ██████████
    gemini-2.5-flash   $0.04   1.1 %        60  ▊

    avg $0.0077   min $0.00   max $0.01
    query …
    ");
    let (world, wide) = at(world, "120", "metrics requests --by provider --step 5m");
    assert_snapshot!(wide, @"
    requests · last 1h, step 5m                                                                                 420 requests

    PROVIDER  SUM   SHARE  REQUESTS  TREND
    claude    240  57.1 %       240  ████████████
    openai    120  28.6 %       120  ████████████
    gemini     60  14.3 %        60  ████████████

    query …
    ");
    let (world, steps) = at(world, "80", "metrics error_rate --provider openai --step 10m");
    assert_snapshot!(steps, @r#"
    error_rate · provider="openai" · last 1h, step 10m                  120 requests

    TIME       AVG  REQUESTS
    19:15*     0 %        10
    19:20      0 %        20
    19:30      0 %        20
    19:40      0 %        20
    19:50   50.0 %        20  ██████████████████████████████
    20:00   50.0 %        20  ██████████████████████████████
    20:10*     0 %        10
    * cut short by the window

    per-step error_rate: low 0 % · median 0 % · high 50.0 %
    query …
    "#);
    let (_, line) = at(world, "80", "metrics hit_rate --format line");
    assert_snapshot!(line, @"
    hit_rate, last 1h
    66.7 %, 60 look-ups
    ");
}

/// Every screen that people read, in narrow and wide terminals: no line goes over the edge, and none ends in spaces.
#[test]
fn no_line_is_wider_than_the_terminal() {
    let mut world = world();
    let long = "a-rule-with-quite-a-long-name";
    for args in [
        &["alerts", "create", "--name", "slow", "--when", "avg(latency) by(provider) > 500 for 5m"][..],
        &["alerts", "create", "--name", long, "--when", "error_rate by(provider, model) > baseline * 3"],
        &["alerts", "silence", "--rule", "slow", "--for", "2h", "--comment", "maintenance until the evening"],
        &["budgets", "set", "team", "--limit", "1.5", "--period", "monthly"],
        &["budgets", "set", "openai", "--limit", "2000", "--period", "daily", "--scope", "provider=openai"],
        &["tick"],
    ] {
        assert_eq!(world.run_args(args).code, Some(0), "{args:?}");
    }
    let conjunction = "p95(latency{provider=\"openai\"}) > 2s AND requests [5m] > 20";
    let condition = "latency{provider=\"claude\", user=~\"u0.*\"} [7d] p95 every 1h by(model, user) topk(5)";
    let screens = [
        &["status"][..],
        &["status", "--verbose"],
        &["metrics", "latency", "--by", "model"],
        &["metrics", "latency", "--by", "provider,model,user", "--compare", "30m", "--range", "30m"],
        &["metrics", "latency", "--by", "provider", "--step", "5m", "--format", "chart"],
        &["metrics", "cost", "--step", "5m"],
        &["metrics", "--list"],
        &["metrics", "-q", conjunction],
        &["metrics", "-q", "error_rate by(provider) > baseline * 3"],
        &["events"],
        &["events", "-q", "status=error"],
        &["alerts"],
        &["alerts", "check"],
        &["alerts", "rules"],
        &["alerts", "history"],
        &["alerts", "channels"],
        &["alerts", "test", "slow"],
        &["costs", "--by", "provider,model", "--budget", "--projection", "--compare"],
        &["costs", "advise"],
        &["budgets"],
        &["explain", condition],
        &["explain", "provider=claude AND latency>1000"],
        &["prices", "list", "claude-sonnet-4-5"],
        &["store", "info"],
        &["demo", "--", "costs", "advise"],
    ];
    for columns in ["40", "60", "80", "120"] {
        world = world.with("COLUMNS", columns);
        let room: usize = columns.parse().unwrap();
        for args in screens {
            let done = world.run_args(args);
            assert_eq!(done.code, Some(0), "{args:?}: {done}");
            for line in done.out.lines() {
                let wide = ax_monitor::render::width(line) > room && !line.contains('~');
                assert!(!wide && line == line.trim_end(), "{args:?} at {columns}: {line:?}\n{}", done.out);
            }
        }
    }
    // What tells alerts apart, and what they say, goes last.
    world = world.with("COLUMNS", "40");
    assert_snapshot!(world.run("alerts").good(), @r#"
    2 pending               judged 1 min ago

    ID  RULE      STATE   VALUE
    661 slow: cl… pending avg latency 854 ms
         silenced until 22:15: "maintenance…
    f0f slow: op… pending avg latency 3.33 s
         silenced until 22:15: "maintenance…

    2 rules: 2 on, 0 off
    "#);
    assert_snapshot!(world.run("prices list claude-sonnet-4-5").good(), @"
    PRICES  US dollars a million tokens

    MODEL       INPUT OUTPUT HOLDS
    claude-son…     3     15
    claude-son…     6   22.5 input > 200,000
    ");
}

#[test]
fn charts_choose_their_step() {
    let (world, usual) = at(world(), "80", "metrics latency --agg p95 --provider openai --format chart");
    assert_snapshot!(usual, @r#"
    latency p95 · provider="openai" · last 1h, step 1m                  120 requests

    3.60 s ┤                                                ⢀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⡠⠤⠤⠤⠤⠤⠤⠤⠤⠤
    3.00 s ┤                                                ⡸
    2.40 s ┤                                                ⡇
    1.80 s ┤                                ⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣰⠁
    1.20 s ┤⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉
    600 ms ┤
         0 ┤
           └──────┬───────────┬───────────┬───────────┬───────────┬───────────┬─────
                19:20       19:30       19:40       19:50       20:00       20:10
                                                              peak 3.52 s at 20:14 ▲

    p50 1.42 s   p95 3.46 s   p99 3.51 s   avg 1.93 s   min 900 ms   max 3.52 s
    per-step p95: low 1.23 s · median 1.53 s · high 3.52 s
    query …
    "#);
    let (world, ascii) = at(world, "60", "metrics latency --provider openai --format chart --step 5m --ascii");
    assert!(ascii.replace('…', "").is_ascii(), "{ascii}");
    assert_snapshot!(ascii, @r#"
    latency avg, provider="openai", last 1h, step 5m
    120 requests

    3.50 s |                                            ********
    3.00 s |                                     *******
    2.50 s |                                   **
    2.00 s |                                 **
    1.50 s |                 ****************
    1.00 s |*****************
    500 ms |
         0 |
           +-----+--------+--------+--------+---------+--------+
               19:20    19:30    19:40    19:50     20:00  20:10
                                          peak 3.34 s at 20:10 ^

    p50 1.42 s   p95 3.46 s   p99 3.51 s   avg 1.93 s
    min 900 ms   max 3.52 s
    per-step avg: low 1.09 s, median 1.39 s, high 3.34 s
    query …
    "#);
    let (_, wide) = at(world, "120", "metrics errors --format chart");
    assert_snapshot!(wide, @"
    errors · last 1h, step 1m                                                                                      20 errors

    1 ┤                                                                    ⡠⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⢄
    0 ┤⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠊                                        ⠑⠒⠒⠒⠒⠒⠒⠒⠒
      └┬─────────┬─────────┬────────┬─────────┬─────────┬─────────┬─────────┬─────────┬────────┬─────────┬─────────┬────────
     19:15     19:20     19:25    19:30     19:35     19:40     19:45     19:50     19:55    20:00     20:05     20:10
                                                                            ▲ peak 1 at 19:50

    per-step sum: low 0 · median 0 · high 1
    query …
    ");
}

#[test]
fn events_at_three_widths() {
    let (world, narrow) = at(world(), "60", "events -n 4");
    assert_snapshot!(narrow, @"
    540 events, the newest 4       Sun 16 Nov 19:15 to 20:15 CET

    TIME         PROVIDER MODEL        LATENCY RESULT
    20:14:31.000 gemini   gemini-2.5-…  253 ms ok
    20:14:35.000 claude   claude-haik…  516 ms ok
    20:14:40.000 claude   –                  – cache hit, saved…
    20:14:50.000 openai   –                  – let through
    ");
    let (world, usual) = at(world, "80", "events -n 3 --provider openai");
    assert_snapshot!(usual, @"
    180 events, the newest 3                           Sun 16 Nov 19:15 to 20:15 CET

    TIME         PROVIDER MODEL USER    LATENCY TTFT  IN OUT  COST RESULT
    20:14:07.000 openai   gpt-5 batch-7  3.19 s    – 800  60 $0.01 ok
    20:14:27.000 openai   gpt-5 batch-7  3.52 s    – 800  60 $0.01 ok
    20:14:50.000 openai   –     –             –    –   –   –     – let through
    ");
    let (_, wide) = at(world, "120", "events -n 9");
    assert_snapshot!(wide, @"
    540 events, the newest 9                                                                   Sun 16 Nov 19:15 to 20:15 CET

    TIME          PROVIDER  MODEL              USER     LATENCY    TTFT     IN  OUT      COST  RESULT
    20:14:05.000  claude    claude-sonnet-4-5  alice     783 ms  261 ms  1,200  100   $0.0081  ok
    20:14:07.000  openai    gpt-5              batch-7   3.19 s       –    800   60     $0.01  ok
    20:14:15.000  claude    claude-sonnet-4-5  bob       994 ms  331 ms  1,200  101   $0.0081  ok
    20:14:25.000  claude    claude-sonnet-4-5  alice     1.21 s  401 ms  1,200  102   $0.0081  ok
    20:14:27.000  openai    gpt-5              batch-7   3.52 s       –    800   60     $0.01  ok
    20:14:31.000  gemini    gemini-2.5-flash   –         253 ms       –      0    0  $0.00060  ok
    20:14:35.000  claude    claude-haiku-4-5   bob       516 ms  172 ms  1,200  103   $0.0081  ok
    20:14:40.000  claude    –                  –              –       –      –    –         –  cache hit, saved $0.0040
    20:14:50.000  openai    –                  –              –       –      –    –         –  let through
    ");
}

#[test]
fn colour_only_where_it_is_wanted() {
    let world = world();
    for args in ["status", "metrics latency --by model", "metrics errors --format chart", "events -n 3"] {
        let plain = world.run(args).good();
        assert!(!plain.contains('\u{1b}'), "{args}");
        let colored = world.run(&format!("{args} --color always")).good();
        assert!(colored.contains('\u{1b}'), "{args}");
        assert_eq!(steady(&without_colour(&colored)), steady(&plain), "{args}");
    }
}

fn without_colour(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |out, part| out + part.split_once('m').map_or("", |(_, rest)| rest))
}

#[test]
fn screens_and_json_say_the_same() {
    let world = world();
    let status = world.run("status --json").json();
    assert_eq!(status["data"][0]["provider"], "claude");
    assert_eq!(status["data"][0]["requests"], 240);
    assert_eq!(status["data"][1]["state"], "degraded");
    assert_eq!(status["alerts"], serde_json::json!([]));
    let exact = world.run("status --json").good();
    assert!(exact.contains(r#""cost_usd":3.230000000"#), "money is printed from the integer: {exact}");
    let metrics = world.run("metrics errors --by provider --format json").json();
    assert_eq!(metrics["schema"], "ax.monitor.metrics/1");
    assert_eq!(metrics["data"][0]["labels"]["provider"], "openai");
    assert_eq!(metrics["data"][0]["value"], 20);
    assert_eq!(metrics["data"][0]["points"], serde_json::Value::Null, "points only with a step");
    let events = world.run("events -n 2 --json").json();
    assert_eq!((events["count"].as_u64(), events["events"].as_array().unwrap().len()), (Some(540), 2));
}

#[test]
fn an_empty_answer_says_why() {
    assert_snapshot!(World::new().run("status"), @"
    exit 0
    --- stdout
    No events yet in ~/.local/share/ax/monitor.

    Get data in one of these ways:
      1. ax monitor import FILE   NDJSON or CSV, also .gz
      2. ax monitor record        NDJSON on stdin, from any language
      3. cargo add ax-monitor     3 lines in a Rust program
    Just looking?  ax monitor demo
    ");
    assert_snapshot!(World::new().run("status --json").json()["data"], @"[]");
    let world = world();
    assert_snapshot!(world.run("metrics latency --provider opnai"), @r#"
    exit 0
    --- stdout
    No events with provider "opnai" in this range.
    Did you mean "openai"?
    Known: claude, openai, gemini
    "#);
    assert_snapshot!(world.run("metrics latency --user nobody --provider claude"), @r#"
    exit 0
    --- stdout
    No events with user "nobody" in this range.
    Known: alice, batch-7, bob
    "#);
    assert_snapshot!(world.run("metrics latency --provider openai --model claude-haiku-4-5"), @"
    exit 0
    --- stdout
    Nothing in this range matches.
    ");
    assert_snapshot!(world.run("events --since 2025-11-16T12:00:00 --until 2025-11-16T12:10:00"), @"
    exit 0
    --- stdout
    Nothing in this range: the newest event is 10 s old (Sun 16 Nov 20:14 CET).

    Try  --range 1h
    ");
    assert_snapshot!(world.run("status --range 1h --at 2025-11-20T00:00:00Z --provider nobody"), @"
    exit 0
    --- stdout
    Nothing in this range: the newest event is 3 d old (Sun 16 Nov 20:14 CET).

    Try  --range 5d
    ");
    assert_snapshot!(world.run("metrics latency --at 2025-11-15T00:00:00Z"), @"
    exit 0
    --- stdout
    Nothing in this range: the newest event is of Sun 16 Nov 20:14 CET.
    ");
    let bare = World::new();
    bare.feed("import ndjson -", b"{\"ts\":1763320000000,\"provider\":\"claude\",\"latency_ms\":850}\n");
    assert_snapshot!(bare.run("metrics hit_rate"), @r#"
    exit 0
    --- stdout
    This needs cache events, and nobody has sent any.

    Send them with  ax monitor record
      {"type":"cache","event":"hit","provider":"claude","saved_cost_usd":0.01}
    "#);
    assert_snapshot!(bare.run("status --range 1m"), @"
    exit 0
    --- stdout
    AX MONITOR   last 1m · Sun 16 Nov 19:15 UTC

       PROVIDER        REQ  p50  p95  p99  ERRORS   COST  TODAY  TREND
    ○  claude    idle    0    –    –    –       –  $0.00      –

    DATA      0 events in range · newest 8 min ago · 0 dropped

    Next: ax monitor metrics latency --provider claude · ax monitor costs
    ");
}

#[test]
fn an_unknown_name_is_a_warning() {
    let world = world();
    let done = world.run("metrics requests --provider claude --provider opnai --format line");
    assert_snapshot!(done, @r#"
    exit 0
    --- stdout
    requests, last 1h
    240, 240 requests
    --- stderr
    warning: no events with provider="opnai" in the last hour; did you mean "openai"? known: claude, openai, gemini
    "#);
    let json = world.run("events --provider opnai --json").json();
    assert_eq!(json["events"], serde_json::json!([]));
    assert_eq!(json["warnings"][0]["code"], "no_match");
}

#[test]
fn a_backlog_that_nobody_rolls_up_is_a_warning() {
    let world = World::new();
    let line = b"{\"provider\":\"claude\",\"latency_ms\":850}\n{\"provider\":\"claude\"}\n";
    world.feed("record --at 2025-11-16T18:00:00Z", line).good();
    // The first record did the pass; what comes within its minute waits.
    world.feed("record --at 2025-11-16T18:00:20Z", line).good();
    let quiet = world.run("status --at 2025-11-16T18:05:00Z");
    assert_eq!((quiet.code, quiet.err.as_str()), (Some(0), ""), "{quiet}");
    for command in ["status", "events", "metrics requests", "store info"] {
        let done = world.run(&format!("{command} --at 2025-11-16T18:30:00Z"));
        assert_eq!(done.code, Some(0), "{done}");
        let expected = "warning: events of the last 29 min wait to be rolled up and nobody does it: \
            run `ax monitor tick`, or keep `ax monitor serve` running\n";
        assert_eq!(done.err, expected, "{command}");
    }
    let json = world.run("status --json --at 2025-11-16T18:30:00Z").json();
    assert_eq!(json["warnings"][0]["code"], "backlog");
    assert_eq!(json["total"]["requests"], 4, "but every event is in the answer");
    world.run("tick --at 2025-11-16T18:30:00Z").good();
    assert_eq!(world.run("status --at 2025-11-16T18:30:00Z").err, "");
}

#[test]
fn a_watched_status_is_shown_again_and_again() {
    use std::io::BufRead;
    let world = World::new().with("AX_MONITOR_NOW", "");
    world.run("record --provider a --latency-ms 5").good();
    let mut command = world.command(&["monitor", "status", "--watch=50ms", "--format", "line"]);
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
    let shown = lines.map(|l| l.unwrap()).filter(|l| l == "a").take(3).count();
    assert_eq!(shown, 3);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(World::new().run("status --watch").code, Some(2), "the clock stands still");
}
