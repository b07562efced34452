//! Costs: screens at four widths, rows by everything, projections, and what a script reads.

use std::fmt::Write;

use insta::assert_snapshot;
use serde_json::json;

use crate::world::World;

/// 75 days of two providers up to [`crate::world::NOW`], more on weekdays; one model has no price.
pub(crate) fn history() -> String {
    let mut out = String::new();
    let now: jiff::Timestamp = crate::world::NOW.parse().unwrap();
    for back in (0..75_i64).rev() {
        // From 08:15 to 18:15 UTC each day.
        let day = now - jiff::SignedDuration::from_hours(24 * back + 1);
        let weekend = [6, 7].contains(&day.to_zoned_datetime(jiff::tz::TimeZone::UTC).weekday().to_monday_one_offset());
        for hour in 0..if weekend { 3 } else { 11_i64 } {
            let t = (day - jiff::SignedDuration::from_hours(hour)).as_millisecond();
            let cents = 30 + (75 - back) / 5 + hour;
            let user = ["alice", "bob", "batch-7"][usize::try_from(hour).unwrap() % 3];
            let _ = writeln!(
                out,
                r#"{{"ts":{t},"provider":"claude","model":"claude-sonnet-4-5","user":"{user}","input_tokens":1000,"output_tokens":200,"cost_usd":"0.{cents}"}}"#
            );
            let _ = writeln!(
                out,
                r#"{{"ts":{},"provider":"openai","model":"gpt-5","user":"{user}","input_tokens":500,"output_tokens":50,"cost_usd":"0.11"}}"#,
                t - 1000
            );
        }
        let t = day.as_millisecond() - 60_000;
        let _ = writeln!(out, r#"{{"type":"cache","ts":{t},"provider":"claude","event":"hit","saved_cost_usd":0.02}}"#);
        if back % 10 == 0 {
            let _ = writeln!(
                out,
                r#"{{"ts":{t},"provider":"claude","model":"my-finetune","user":"alice","input_tokens":9,"output_tokens":1}}"#
            );
        }
    }
    out
}

pub(crate) fn world() -> World {
    let world = World::new().with("AX_MONITOR_TZ", "Europe/Berlin");
    let done = world.feed("import ndjson -", history().as_bytes());
    assert_eq!(done.code, Some(0), "{done}");
    world
}

/// Shows what a command prints in so many columns, and checks that it keeps to them.
fn at(world: World, columns: &str, args: &str) -> (World, String) {
    let world = world.with("COLUMNS", columns);
    let out = world.run(args).good();
    let most = columns.parse().unwrap();
    for line in out.lines() {
        assert!(line.chars().count() <= most, "{args} at {columns}: {line}");
        // Names may be cut, figures never.
        let cut = line.split('…').next().filter(|before| before.len() < line.len());
        assert!(!cut.is_some_and(|b| b.ends_with(|c: char| c.is_ascii_digit())), "{args} at {columns} cuts: {line}");
    }
    (world, out)
}

#[test]
fn costs_at_four_widths() {
    let (world, narrow) = at(world(), "40", "costs --projection");
    assert_snapshot!(narrow, @"
    COSTS  November 2025       Europe/Berlin

    Spent      $74.94   258 calls · 224,020
                        tokens · cache saved
                        $0.32
    Forecast     $145   80 % range $136–$159
                        · at the end of the
                        month
    Today       $1.71   $1.72 by midnight,
                        80 % range
                        $1.72–$1.73

    PROVIDER   SPENT   SHARE   vs Oct
    claude    $60.86  81.2 %   +2.3 %  █████
    openai    $14.08  18.8 %  -11.1 %  █▏

    MODEL             SPENT   SHARE   vs Oct
    claude-sonnet-…  $60.86  81.2 %   +2.3 %
    gpt-5            $14.08  18.8 %  -11.1 %
    my-finetune           –       –        –
    Oct: as far as this one has come, to
      Thu 16 Oct 20:15 CEST

    PROJECTED        SEASONAL    80 % RANGE
    end of today        $1.72   $1.72–$1.73
    end of the month     $145     $136–$159
    next 365 days      $1,808 $1,263–$2,710
    The month's range would have held 57 of
    57 times on days past, looking as far
    ahead.

    Daily      ▂▂█████▂▂█████▃▃
    Last 7 d   $5.17 a day · +2.3 % to the 7
               days before
    Unpriced   2 calls of my-finetune
      ax monitor prices set my-finetune
    Save       up to $30.61 a month:
               ax monitor costs advise
    ");
    let (world, small) = at(world, "60", "costs");
    assert_snapshot!(small, @"
    COSTS  November 2025, to Sun 16 Nov 20:15 CET  Europe/Berlin

    Spent      $74.94   258 calls · 224,020 tokens · cache saved
                        $0.32
    Forecast     $145   80 % range $136–$159 · at the end of the
                        month
    Today       $1.71   $1.72 by midnight, 80 % range
                        $1.72–$1.73

    PROVIDER   SPENT   SHARE   vs Oct
    claude    $60.86  81.2 %   +2.3 %  █████████████████████████
    openai    $14.08  18.8 %  -11.1 %  █████▊

    MODEL               SPENT   SHARE   vs Oct
    claude-sonnet-4-5  $60.86  81.2 %   +2.3 %  ████████████████
    gpt-5              $14.08  18.8 %  -11.1 %  ███▊
    my-finetune             –       –        –
    Oct: as far as this one has come, to Thu 16 Oct 20:15 CEST

    Daily      ▂▂█████▂▂█████▃▃
    Last 7 d   $5.17 a day · +2.3 % to the 7 days before
    Unpriced   2 calls of my-finetune
               ax monitor prices set my-finetune
    Save       up to $30.61 a month: ax monitor costs advise
    ");
    let (world, usual) = at(world, "80", "costs --projection");
    assert_snapshot!(usual, @"
    COSTS  November 2025, to Sun 16 Nov 20:15 CET                      Europe/Berlin

    Spent      $74.94   258 calls · 224,020 tokens · cache saved $0.32
    Forecast     $145   80 % range $136–$159 · at the end of the month
    Today       $1.71   $1.72 by midnight, 80 % range $1.72–$1.73

    PROVIDER   SPENT   SHARE   vs Oct
    claude    $60.86  81.2 %   +2.3 %  ██████████████████████████████
    openai    $14.08  18.8 %  -11.1 %  ███████

    MODEL               SPENT   SHARE   vs Oct
    claude-sonnet-4-5  $60.86  81.2 %   +2.3 %  ██████████████████████████████
    gpt-5              $14.08  18.8 %  -11.1 %  ███████
    my-finetune             –       –        –
    Oct: as far as this one has come, to Thu 16 Oct 20:15 CEST

    PROJECTED         SEASONAL     80 % RANGE  LINEAR
    end of today         $1.72    $1.72–$1.73   $2.52
    end of the month      $145      $136–$159    $140
    next 365 days       $1,808  $1,263–$2,710  $1,675
    The month's range would have held 57 of 57 times on days past, looking as far
    ahead.

    Daily      ▂▂█████▂▂█████▃▃
    Last 7 d   $5.17 a day · +2.3 % to the 7 days before
    Unpriced   2 calls of my-finetune
               ax monitor prices set my-finetune
    Save       up to $30.61 a month: ax monitor costs advise
    ");
    let (_, wide) = at(world, "120", "costs --compare --range 30d --by user,provider --top 3");
    assert_snapshot!(wide, @"
    COSTS  last 30d, to Sun 16 Nov 20:15 CET                                                                   Europe/Berlin

    Spent      $143.05   503 calls · 437,530 tokens · cache saved $0.60
    Month       $74.94   so far
    Forecast      $145   80 % range $136–$159 · at the end of the month
    Today        $1.71   $1.72 by midnight, 80 % range $1.72–$1.73

    USER     PROVIDER     SPENT   SHARE  30D BEFORE  vs 30d before
    bob      claude      $42.03  29.4 %      $39.27         +7.0 %  ██████████████████████████████
    alice    claude      $41.13  28.8 %      $38.31         +7.4 %  █████████████████████████████▍
    batch-7  claude      $32.39  22.6 %      $29.93         +8.2 %  ███████████████████████▏
    (other)  (3 others)  $27.50  19.2 %      $29.26         -6.0 %  ███████████████████▋

    Daily      ▁▂▂█████▂▂█████▂▂█████▂▂█████▃▃
    Last 7 d   $5.17 a day · +2.3 % to the 7 days before
    Unpriced   3 calls of my-finetune
               ax monitor prices set my-finetune
    Save       up to $30.61 a month: ax monitor costs advise
    ");
}

#[test]
fn rows_by_time_keep_to_the_zone() {
    let world = world().with("COLUMNS", "80");
    assert_snapshot!(world.run("costs --by week --range 2025-10-13..2025-11-02"), @"
    exit 0
    --- stdout
    COSTS  Mon 13 Oct 00:00 to Mon 3 Nov 00:00 CET                     Europe/Berlin

    Spent      $101.16   368 calls · 320,270 tokens · cache saved $0.42
    Month       $74.94   so far
    Forecast      $145   80 % range $136–$159 · at the end of the month
    Today        $1.71   $1.72 by midnight, 80 % range $1.72–$1.73

    WEEK               SPENT   SHARE
    from 13 Oct 2025  $32.87  32.5 %  ████████████████████████████▌
    from 20 Oct 2025  $33.70  33.3 %  █████████████████████████████▎
    from 27 Oct 2025  $34.59  34.2 %  ██████████████████████████████

    Daily      █████▂▂█████▂▂█████▃▃
    Last 7 d   $5.17 a day · +2.3 % to the 7 days before
    Unpriced   2 calls of my-finetune
               ax monitor prices set my-finetune
    Save       up to $30.61 a month: ax monitor costs advise
    ");
    assert_snapshot!(world.run("costs --by month,provider --range 2025-09-01..2025-10-31"), @"
    exit 0
    --- stdout
    COSTS  Mon 1 Sep 00:00 to Sat 1 Nov 00:00 CET                      Europe/Berlin

    Spent      $267.16   1,048 calls · 911,810 tokens · cache saved $1.18
    Month       $74.94   so far
    Forecast      $145   80 % range $136–$159 · at the end of the month
    Today        $1.71   $1.72 by midnight, 80 % range $1.72–$1.73

    MONTH     PROVIDER    SPENT   SHARE
    Sep 2025  claude     $90.46  33.9 %  ██████████████████████▊
    Sep 2025  openai     $26.84  10.0 %  ██████▊
    Oct 2025  claude    $119.39  44.7 %  ██████████████████████████████
    Oct 2025  openai     $30.47  11.4 %  ███████▋

    Daily      ▁▁▇▇▇▂▂▇▇▇▇▇▂▂▇▇▇▇▇▂▂█████▂▂█████▂▂█████▂▂█████▂▂█████▂▂█████
    Last 7 d   $5.17 a day · +2.3 % to the 7 days before
    Unpriced   6 calls of my-finetune
               ax monitor prices set my-finetune
    Save       up to $30.61 a month: ax monitor costs advise
    ");
    // The night in which clocks were put back: an hour comes twice.
    assert_snapshot!(world.run("costs --by hour --range 2025-10-26"), @"
    exit 0
    --- stdout
    COSTS  Sun 26 Oct 00:00 to Mon 27 Oct 00:00 CET                    Europe/Berlin

    Spent       $1.56   6 calls · 5,250 tokens · cache saved $0.02
    Month      $74.94   so far
    Forecast     $145   80 % range $136–$159 · at the end of the month
    Today       $1.71   $1.72 by midnight, 80 % range $1.72–$1.73

    HOUR                   SPENT   SHARE
    Sun 26 Oct 00:00 CEST  $0.00     0 %
    Sun 26 Oct 01:00 CEST  $0.00     0 %
    Sun 26 Oct 02:00 CEST  $0.00     0 %
    Sun 26 Oct 02:00 CET   $0.00     0 %
    Sun 26 Oct 03:00 CET   $0.00     0 %
    Sun 26 Oct 04:00 CET   $0.00     0 %
    Sun 26 Oct 05:00 CET   $0.00     0 %
    Sun 26 Oct 06:00 CET   $0.00     0 %
    Sun 26 Oct 07:00 CET   $0.00     0 %
    Sun 26 Oct 08:00 CET   $0.00     0 %
    Sun 26 Oct 09:00 CET   $0.00     0 %
    Sun 26 Oct 10:00 CET   $0.00     0 %
    Sun 26 Oct 11:00 CET   $0.00     0 %
    Sun 26 Oct 12:00 CET   $0.00     0 %
    Sun 26 Oct 13:00 CET   $0.00     0 %
    Sun 26 Oct 14:00 CET   $0.00     0 %
    Sun 26 Oct 15:00 CET   $0.00     0 %
    Sun 26 Oct 16:00 CET   $0.00     0 %
    Sun 26 Oct 17:00 CET   $0.53  34.0 %  ██████████████████████████████
    Sun 26 Oct 18:00 CET   $0.52  33.3 %  █████████████████████████████▍
    Sun 26 Oct 19:00 CET   $0.51  32.7 %  ████████████████████████████▉
    Sun 26 Oct 20:00 CET   $0.00     0 %
    Sun 26 Oct 21:00 CET   $0.00     0 %
    Sun 26 Oct 22:00 CET   $0.00     0 %
    Sun 26 Oct 23:00 CET   $0.00     0 %

    Hourly     ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁███▁▁▁▁
    Last 7 d   $5.17 a day · +2.3 % to the 7 days before
    Save       up to $30.61 a month: ax monitor costs advise
    ");
}

#[test]
fn the_json_is_that_of_the_contract() {
    let world = world();
    let json = world.run("costs --json --projection --by model").json();
    let keys: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    for key in ["total_usd", "unpriced_requests", "groups", "trend", "projection", "budgets", "advice", "warnings"] {
        assert!(keys.contains(&key), "{key} is missing: {keys:?}");
    }
    let sum = |list: &serde_json::Value| {
        let known = list.as_array().unwrap().iter().filter(|g| !g["cost_usd"].is_null());
        known.map(|g| (g["cost_usd"].as_f64().unwrap() * 1e9).round() as i64).sum::<i64>()
    };
    let total = (json["total_usd"].as_f64().unwrap() * 1e9).round() as i64;
    assert_eq!((sum(&json["groups"]), sum(&json["trend"])), (total, total));
    let month = &json["projection"]["month"];
    assert_eq!(month["confidence"], 0.8);
    assert_eq!(month["status"], "ok");
    assert!(month["low_usd"].as_f64() < month["estimate_usd"].as_f64(), "{month}");
    assert!(json["projection"]["held"]["of"].as_u64() > Some(20), "{}", json["projection"]);
    assert_snapshot!(json["groups"][0], @r#"
    {"change_pct":2.320107599193006,"change_usd":1.38,"cost_usd":60.86,"labels":{"model":"claude-sonnet-4-5"},"previous_usd":59.48,"requests":128,"share":0.8121163597544703,"tokens":153600,"unpriced_requests":0}
    "#);
    assert_eq!(json["unpriced_models"][0]["model"], "my-finetune");
    // Nobody knows what its calls cost: that is not nothing.
    let groups = json["groups"].as_array().unwrap();
    let unknown: Vec<_> = groups.iter().filter(|g| g["cost_usd"].is_null()).map(|g| &g["labels"]["model"]).collect();
    assert_eq!(unknown, ["my-finetune"]);
}

#[test]
fn nothing_to_show_says_why() {
    let empty = World::new();
    assert_snapshot!(empty.run("costs"), @"
    exit 0
    --- stdout
    No events yet in ~/.local/share/ax/monitor.

    Get data in one of these ways:
      1. ax monitor import FILE   NDJSON or CSV, also .gz
      2. ax monitor record        NDJSON on stdin, from any language
      3. cargo add ax-monitor     3 lines in a Rust program
    Just looking?  ax monitor demo
    ");
    let json = empty.run("costs --json").json();
    assert_eq!((json["total_usd"].as_f64(), json["groups"].as_array().map(Vec::len)), (Some(0.0), Some(0)));
    assert_snapshot!(world().run("costs --range 5m"), @"
    exit 0
    --- stdout
    Nothing in this range: the newest event is 1 h old (Sun 16 Nov 19:15 CET).

    Try  --range 2h
    ");
    assert_snapshot!(empty.run("costs --by day,week"), @"
    exit 2
    --- stderr
    error: rows cannot be by day and by week
    hint: choose one of hour, day, week and month
    ");
}

/// What it guards: the projections that the upkeep keeps are shown, and compared with what came.
#[test]
fn projections_of_days_past_are_kept_and_compared() {
    let world = World::new();
    assert_eq!(world.feed("import ndjson -", history().as_bytes()).code, Some(0));
    assert!(world.run("costs --projection --json").json()["projection"]["kept"]["this_month"] == serde_json::json!([]));
    for day in ["2025-10-20", "2025-10-30", "2025-11-03", "2025-11-10", "2025-11-14"] {
        assert_eq!(world.run(&format!("tick --at {day}T06:00:00Z")).code, Some(0));
        // Once a day.
        assert_eq!(world.run(&format!("tick --at {day}T07:00:00Z")).code, Some(0));
    }
    let kept = world.run("costs --projection --json").json()["projection"]["kept"].clone();
    // Each day has ended, of the months only October.
    assert_eq!((&kept["day"]["of"], &kept["month"]["of"]), (&5.into(), &2.into()), "{kept}");
    let told = kept["this_month"].as_array().unwrap();
    assert_eq!(
        told.iter().map(|t| t["t"].as_str().unwrap()).collect::<Vec<_>>(),
        ["2025-11-03T06:00:00.000Z", "2025-11-10T06:00:00.000Z", "2025-11-14T06:00:00.000Z"]
    );
    let then = world.run("costs --projection --json --at 2025-11-10T06:00:00Z").json();
    assert_eq!(told[1]["estimate_usd"], then["projection"]["month"]["estimate_usd"]);
    let screen = world.with("COLUMNS", "80").run("costs --projection").good();
    let lines: Vec<&str> = screen.lines().skip_while(|line| !line.starts_with("This month")).take(3).collect();
    assert_snapshot!(lines.join("\n"), @"
    This month's end, as projected on 3 Nov $134 ($114–$166), 10 Nov $139
    ($125–$162), 14 Nov $143 ($132–$159).
    Ranges kept on days past that held: 2 of 5 of a day's end, 1 of 2 of a month's
    ");
}

#[test]
fn lines_hold_the_same_without_a_drawing() {
    let world = world().with("COLUMNS", "60");
    assert_eq!(world.run("budgets set team --limit 140").code, Some(0));
    let screen = world.run("costs --budget --format line").good();
    assert!(!screen.contains(['█', '▂', '░']), "{screen}");
    let lines: Vec<&str> = screen.lines().skip_while(|line| *line != "claude").take(4).collect();
    assert_snapshot!(lines.join("\n"), @"
    claude
      $60.86 · 81.2 % · +2.3 % vs Oct
    openai
      $14.08 · 18.8 % · -11.1 % vs Oct
    ");
    assert_eq!(world.run("costs --format json").json()["schema"], "ax.monitor.costs/1");
}

/// On the first day there is nothing to draw out, and so nothing is said of the year.
#[test]
fn of_a_first_day_nothing_is_projected() {
    let world = World::new();
    world
        .feed(
            "record --quiet",
            b"{\"provider\":\"claude\",\"model\":\"m\",\"cost_usd\":1.5,\"ts\":\"2025-11-16T18:30:00Z\"}\n",
        )
        .good();
    world.run("budgets set all --limit 100 --period monthly --quiet").good();
    assert_snapshot!(world.run("costs --projection --budget").good(), @"
    COSTS  November 2025, to Sun 16 Nov 19:15 UTC                                UTC

    Spent      $1.50   1.5 % of $100.00 · 1 call · 0 tokens
    Forecast       –   takes a complete day of calls
    Today      $1.50

    PROVIDER  SPENT  SHARE
    claude    $1.50  100 %  ██████████████████████████████

    MODEL  SPENT  SHARE
    m      $1.50  100 %  ██████████████████████████████
    not compared with Oct: records begin 16 Nov

    all  $1.50 of $100.00 monthly  ░░░░░░░░░░░░░░░░░░░░  1.5 %
      $98.50 left for 14.2 days · spent 0.03 × as fast as even spending
      no forecast yet: too short a history
      next alert at 50 %
      all calls · days of UTC

    PROJECTED         SEASONAL  80 % RANGE  LINEAR
    end of today             –           –   $8.63
    end of the month         –           –       –
    next 365 days            –           –       –
    Too short a history to say how well such ranges have held.

    Daily      ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁█
    ");
    let json = world.run("costs --projection --json").json();
    let year = &json["projection"]["year"];
    assert_eq!((&year["estimate_usd"], &year["linear_usd"]), (&json!(null), &json!(null)));
    assert_eq!(year["status"], "insufficient_history");
}

/// The row of the rest had no name where rows are times.
#[test]
fn what_is_left_of_times_has_a_name() {
    let world = world();
    let last = |by: &str| {
        let costs = world.run(&format!("costs --range 30d --by {by} --top 1 --json")).json();
        costs["groups"].as_array().unwrap().last().unwrap()["labels"].clone()
    };
    assert_eq!(last("week"), json!({"week": "(other)"}));
    assert_eq!(last("day,provider"), json!({"day": "(other)", "provider": "(other)"}));
    let shown = world.run("costs --range 30d --by week --top 1").good();
    assert!(shown.contains("others)"), "{shown}");
}

/// Guards "a call whose price is unknown is never $0", on every screen that says what something cost.
#[test]
fn what_has_no_price_has_no_cost_anywhere() {
    let world = World::new().with("COLUMNS", "80");
    let event = r#"{"ts":"2025-11-16T19:10:00Z","provider":"local","model":"my-finetune","input_tokens":9}"#;
    assert_eq!(world.feed("import ndjson -", event.as_bytes()).code, Some(0));
    for query in
        ["cost [1h]", "cost [1h] by(model)", "cost [1h] / requests [1h]", "rate(cost [1h])", "cost_per_request [1h]"]
    {
        let json = world.run_args(&["metrics", "-q", query, "--json"]).json();
        assert_eq!(json["data"][0]["value"], json!(null), "{query}: {json}");
        assert_eq!(json["warnings"][0]["message"], "1 request has no known price and is not in the cost");
    }
    let json = world.run("status --verbose --json").json();
    let all = [&json["data"][0], &json["total"], &json["models"][0]];
    assert!(all.iter().all(|of| of["cost_usd"] == json!(null) && of["requests"] == 1), "{json}");
    assert_eq!(world.run("costs --json").json()["groups"][0]["cost_usd"], json!(null));
    let screen = world.run("status").good();
    assert!(!screen.contains('$'), "{screen}");
}
