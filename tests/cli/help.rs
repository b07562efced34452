//! Help, versions, and what a mistyped command line gets.

use insta::assert_snapshot;

use crate::world::World;

#[test]
fn the_overview_fits_a_screen() {
    let help = World::new().run("--help").good();
    assert_snapshot!(help, @"
    Latency, errors and cost of every LLM provider you call, on your own machine

    Usage: ax monitor [COMMAND] [OPTIONS]

    Ask
      status       How every provider is doing now; what `ax monitor` alone shows
      metrics      One metric, such as latency or cost, as table, chart or JSON
      events       The newest single events
      explain      What a query means, and what it would read
      costs        What calls cost, on what, and what it will come to
      budgets      Limits of spending: how each stands, set, delete
      forecast     What a series of days or hours will add up to
      alerts       What fires and by which rules; would one have fired (test)

    Feed
      record       Take events as they happen, from flags or NDJSON on stdin
      import       Take files, or the logs of Claude Code, Codex, Gemini CLI
      export       Give events back as NDJSON or CSV
      prices       What tokens cost: list, set, import a list, see what has no price

    Keep
      serve        Do the upkeep every minute until stopped
      tick         Do the upkeep once, now
      compact      Make the store small: merge, seal, shrink; beside recorders
      store        Size (info), proof (verify), backup, set-retention

    Set up
      demo         Any command on made-up traffic, in a store that goes away again
      config       The settings file: path, show, init, validate
      completions  Completion script for a shell
      man          Manual page
      help         The query language (help query)

    Everywhere
      --store DIR  --config FILE Where the store and the settings are
      --tz ZONE                  Zone of days and printed times, such as Europe/Berlin
      --at TIME                  Answer as if it were then: RFC 3339, a date, or epoch ms
      --json                     The numbers of the screen, for programs
      --color WHEN  --ascii      auto, always or never; plain signs only
      --quiet  --no-input        No hints and progress; no questions
      --help  --version          Help, also behind each command; the version

    Examples
      ax monitor demo                                    see it work
      ax monitor import calls.ndjson.gz                  your own events
      ax monitor metrics latency --by model --range 7d
      ax monitor metrics error_rate --provider openai --step 5m --format chart
    ");
    assert!(World::new().run("-h").good().lines().count() < 52);
}

#[test]
fn help_of_a_command_is_short_with_h() {
    assert_snapshot!(World::new().run("metrics -h").good(), @r#"
    One metric over a time span: a number, a table by group, or a chart

    Usage: ax monitor metrics [OPTIONS] [METRIC]

    Arguments:
      [METRIC]  What to show: latency, error_rate, cost …

    Options:
      -q, --query <QUERY>           A query: 'latency{provider="claude"} [1h] p95'; `-` reads it from
                                    stdin
          --provider <P>            Only this provider; may be repeated
          --model <M>               Only this model; may be repeated
          --user <U>                Only this user; may be repeated
          --range <RANGE>           Time span up to now: 15m, 1h, 7d, today, month … or FROM..TO
          --since <TIME>            From this time on: RFC 3339, a date, or epoch ms
          --until <TIME>            Up to, not including, this time; a date includes its whole day
                                    [default: now]
          --agg <AGG>               How to sum up: avg sum min max count rate stddev p50 p95 p99 p99.9 …
                                    [default: the metric's own]
          --by <LABELS>             One row for each value of these labels [possible values: provider,
                                    model, user, status, error, key, kind, service_tier]
          --step <WIDTH>            One point for each such stretch of time: 1m, 5m, 1h, 1d …
          --compare <previous|AGO>  The same of the time before beside it: previous, or so long ago (7d)
          --where <FILTER>          Only events that match: 'model=~"gpt.*" AND latency > 2s'
          --fail-on <BOUND>         Exit with 3 when a value is such: '> 2s'; with 4 when there is none
          --format <FORMAT>         Layout [default: chart on a terminal when there is one group, else
                                    table] [possible values: table, chart, line, json, ndjson, csv,
                                    markdown]
          --list                    The metrics there are: unit, meaning, aggregations, how far back
      -h, --help                    Print help (see more with '--help')

    Metrics
      latency ttft · requests throughput errors error_rate success_rate
      tokens input_tokens output_tokens cached_tokens reasoning_tokens
      cost cost_per_request · cache_hits cache_misses hit_rate miss_rate
      saved_cost saved_tokens · allowed denied violations utilization

    Examples
      ax monitor metrics latency --provider claude --range 7d
      ax monitor metrics latency --agg p99 --by model
      ax monitor metrics cost --by provider,model --range month
      ax monitor metrics error_rate --step 5m --format chart
      ax monitor metrics requests --since 2025-11-10 --until 2025-11-12T12:00:00Z
    "#);
    assert_snapshot!(World::new().run("status -h").good(), @r#"
    How every provider is doing: requests, latency, errors, cost

    Usage: ax monitor status [OPTIONS]

    Options:
          --provider <P>        Only this provider; may be repeated
          --range <RANGE>       Time span up to now: 15m, 1h, 7d, today, month … [default: 1h]
          --verbose             One row a model as well
          --format <FORMAT>     Layout; `line` has no drawing signs [default: table] [possible values:
                                table, line, json]
          --watch[=<EVERY>]     Show it anew, every 2s or as often as said, until Ctrl-C
          --fail-on <SEVERITY>  Exit with 3 when a provider is degraded or down (warning), or down
                                (critical), or an alert of that severity fires; with 4 when there were
                                no calls to judge [possible values: warning, critical]
      -h, --help                Print help (see more with '--help')

    Examples
      ax monitor status --provider claude --provider openai --range 24h
      ax monitor status --json | jq '.data[] | select(.state != "healthy")'
    "#);
}

#[test]
fn every_command_has_help_with_an_exit_code_of_0() {
    let world = World::new();
    for command in [
        "status",
        "metrics",
        "events",
        "record",
        "import",
        "export",
        "serve",
        "tick",
        "store",
        "store info",
        "store verify",
        "demo",
        "config",
        "config init",
        "completions",
        "man",
    ] {
        let help = world.run(&format!("{command} -h")).good();
        assert!(help.contains("Usage: ax monitor"), "{help}");
        assert!(help.lines().all(|l| l.chars().count() <= 100), "{help}");
    }
}

#[test]
fn versions() {
    let world = World::new();
    assert_eq!(world.run("--version").good(), format!("ax-monitor {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn mistyped_words_get_the_right_ones() {
    let world = World::new();
    assert_snapshot!(world.run("metrcs latency"), @"
    exit 2
    --- stderr
    error: unrecognized subcommand 'metrcs'

      tip: a similar subcommand exists: 'metrics'

    Usage: ax monitor [COMMAND] [OPTIONS]

    For more information, try '--help'.
    ");
    assert_snapshot!(world.run("metrics latency --formt chart"), @"
    exit 2
    --- stderr
    error: unexpected argument '--formt' found

      tip: a similar argument exists: '--format'

    Usage: ax monitor metrics --format <FORMAT> <METRIC>

    For more information, try '--help'.
    ");
    assert_snapshot!(world.run("metrics latency --format pie"), @"
    exit 2
    --- stderr
    error: invalid value 'pie' for '--format <FORMAT>'
      [possible values: table, chart, line, json, ndjson, csv, markdown]

      tip: a similar value exists: 'line'

    For more information, try '--help'.
    ");
    assert_snapshot!(world.run("metrics latency --by modle"), @"
    exit 2
    --- stderr
    error: invalid value 'modle' for '--by <LABELS>'
      [possible values: provider, model, user, status, error, key, kind, service_tier]

      tip: a similar value exists: 'model'

    For more information, try '--help'.
    ");
}

#[test]
fn a_wrong_command_line_is_json_when_json_was_asked_for() {
    let world = World::new();
    assert_snapshot!(world.run("metrcs latency --json"), @r#"
    exit 2
    --- stdout
    {"error":{"kind":"usage","message":"unrecognized subcommand 'metrcs'","hint":"a similar subcommand exists: 'metrics'","start":null,"end":null}}
    "#);
}

#[test]
fn completions_and_manual_come_out_whole() {
    let world = World::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(world.run(&format!("completions {shell}")).good().contains("metrics"), "{shell}");
    }
    let man = world.run("man").good();
    for section in [".TH AX-MONITOR 1", ".SH METRICS", ".SH RECORD", ".SH STORE"] {
        assert!(man.contains(section), "{section}");
    }
    assert!(!man.contains('\u{1b}'));
}

/// Flags of a list were refused where its verb was left out.
#[test]
fn a_group_without_a_verb_is_its_list_with_its_flags_too() {
    let world = crate::costs::world();
    for (short, long) in [
        ("budgets --fail-on budget", "budgets list --fail-on budget"),
        ("alerts --all --json", "alerts list --all --json"),
        ("prices --provider claude", "prices list --provider claude"),
        ("prices sonnet", "prices list sonnet"),
        ("prices sonnet --provider anthropic", "prices list sonnet --provider anthropic"),
    ] {
        let (short, long) = (world.run(short), world.run(long));
        assert_eq!((short.code, short.out, short.err), (long.code, long.out, long.err));
    }
    assert_eq!(world.run("budgets --fail-on budget").code, Some(4));
    assert_eq!(world.run("alerts --all list").code, Some(2));
}
