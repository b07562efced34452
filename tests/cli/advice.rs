//! Advice on spending less: the screen, the line on the costs screen, and what a script reads.

use std::fmt::Write;

use insta::assert_snapshot;

use crate::world::World;

/// 28 days of calls at list price up to [`crate::world::NOW`]: an old model that a newer one undercuts, a model that a
/// cheaper provider served too, failures that cost money, a user who grew, and look-ups that came again too late.
fn history() -> String {
    let mut out = String::new();
    let now: jiff::Timestamp = crate::world::NOW.parse().unwrap();
    for back in (1..=28_i64).rev() {
        let day = now - jiff::SignedDuration::from_hours(24 * back);
        for call in 0..20_i64 {
            let t = (day + jiff::SignedDuration::from_mins(call * 3)).as_millisecond();
            let mut line = |provider: &str, model: &str, user: &str, more: &str| {
                let _ = writeln!(
                    out,
                    r#"{{"ts":{t},"provider":"{provider}","model":"{model}","user":"{user}","input_tokens":2000,"output_tokens":500{more}}}"#
                );
            };
            line("openai", "gpt-4-turbo", "alice", "");
            line("claude", "claude-sonnet-4-5", "bob", "");
            line("reseller", "anthropic/claude-sonnet-4.5", "bob", r#","cost_usd":"0.02""#);
            for _ in 0..if back <= 7 { 4 } else { 1 } {
                line("local", "tuned", "carol", r#","cost_usd":"0.01""#);
            }
            if call % 5 == 0 {
                line("openai", "gpt-4-turbo", "alice", r#","error":"timeout""#);
            }
            let (event, saved) = if call % 4 == 0 { ("hit", r#","saved_cost_usd":"0.03""#) } else { ("miss", "") };
            let _ = writeln!(
                out,
                r#"{{"type":"cache","ts":{t},"provider":"openai","event":"{event}","key":"k{call}"{saved}}}"#
            );
        }
    }
    out
}

fn world() -> World {
    let world = World::new().with("COLUMNS", "80");
    let done = world.feed("import ndjson -", history().as_bytes());
    assert_eq!(done.code, Some(0), "{done}");
    world
}

#[test]
fn advice_shows_its_arithmetic() {
    let world = world();
    assert_snapshot!(world.run("costs advise"), @"
    exit 0
    --- stdout
    ADVICE  28 days to Sun 16 Nov 00:00 UTC, $52.08 spent                        UTC

     1  gpt-4-turbo → gpt-4.1                                   saves $16.20 a month
        560 calls cost $19.60 in 28 days; the same tokens there: $4.48
        of the calls 10 % $1.62, 30 % $4.86, all $16.20 less a month
        calculated from these calls; if gpt-4.1 does the same work with as many
        tokens, as many of them cached

     2  keep cached answers for 24 h                            saves $13.02 a month
        25.0 % of look-ups hit; by life of an entry: 5 min 25.0 % · 1 h 25.0 % · 6 h
        25.0 % · 24 h 97.3 % · 7 d 97.3 %
        405 more hits would have saved $12.15
        not sure; if an older answer serves as well, and a hit saves what hits saved
        so far

     3  failed calls of gpt-4-turbo                              saves $4.20 a month
        112 calls failed and cost $3.92 in 28 days
        calculated from these calls; if none of them fails, or none is paid for

     4  anthropic/claude-sonnet-4.5: reseller → claude           saves $3.90 a month
        560 calls cost $11.20 in 28 days; the same tokens there: $7.56; claude
        served 560 calls
        of the calls 10 % $0.39, 30 % $1.17, all $3.90 less a month
        calculated from these calls; if claude takes all calls, counts the same
        tokens and caches as much

     5  claude-sonnet-4-5 → claude-haiku-4-5, smaller            saves $1.62 a month
        560 calls cost $7.56 in 28 days; the same tokens there: $2.52
        of the calls 10 % $0.54, 30 % $1.62, all $5.40 less a month
        calculated from these calls; if claude-haiku-4-5, a smaller model, does for
        30 % of the calls with as many tokens, as many of them cached

     6  user carol costs more than usual                         $18.00 a month more
        $5.60 in the last 7 days, usually $1.40 (at most $1.40 in the 3 weeks
        before)
        not sure; if it goes back to what was usual

     7  tuned costs more than usual                              $18.00 a month more
        $5.60 in the last 7 days, usually $1.40 (at most $1.40 in the 3 weeks
        before)
        not sure; if it goes back to what was usual

    Up to $25.92 a month less in all, cached answers apart: of several for the same
    calls only the greatest counts.
    ");
    let world = world.with("COLUMNS", "40");
    let narrow = world.run("costs advise --ascii").good();
    assert!(narrow.is_ascii() && narrow.lines().all(|line| line.len() <= 40), "{narrow}");
}

#[test]
fn the_costs_screen_and_its_json_say_what_could_be_saved() {
    let world = world();
    let screen = world.run("costs").good();
    assert_snapshot!(screen.lines().rfind(|line| line.contains("Save")).unwrap_or_default(), @"Save       up to $25.92 a month: ax monitor costs advise");
    let costs = world.run("costs --json").json();
    let advise = world.run("costs advise --json").json();
    assert_eq!(advise["schema"], "ax.monitor.advice/1");
    let list = advise["advice"].as_array().unwrap();
    // What takes more to find out is left to the command that is asked for it.
    let quick: Vec<_> = list.iter().filter(|a| a["user"].is_null() && a["kind"] != "response_cache").cloned().collect();
    assert_eq!(costs["advice"].as_array().unwrap(), &quick);
    let kinds: Vec<&str> = list.iter().map(|a| a["kind"].as_str().unwrap()).collect();
    assert_snapshot!(kinds.join(" "), @"cheaper_model response_cache paid_failures other_provider cheaper_model growth growth");
    let turbo = list.iter().find(|a| a["model"] == "gpt-4-turbo" && a["kind"] == "cheaper_model").unwrap();
    assert_snapshot!(turbo, @r#"{"assumption":"gpt-4.1 does the same work with as many tokens, as many of them cached","calls":560,"class":"same","instead":{"model":"gpt-4.1","provider":"openai"},"kind":"cheaper_model","marked_up":false,"model":"gpt-4-turbo","provider":"openai","saving_month_usd":16.2,"shares":[{"saving_month_usd":1.62,"share":0.1},{"saving_month_usd":4.86,"share":0.3},{"saving_month_usd":16.2,"share":1.0}],"spent_usd":19.6,"sure":"calculated","user":null,"would_be_usd":4.48}"#);
}

#[test]
fn little_is_no_ground_for_advice() {
    assert_snapshot!(World::new().run("costs advise"), @"
    exit 0
    --- stdout
    ADVICE                                                                       UTC

    Nothing is said of less than 7 complete days with calls; there are 0.
    ");
    let world = World::new();
    let line = r#"{"ts":"2025-11-15T10:00:00Z","provider":"openai","model":"gpt-4-turbo","input_tokens":9000,"output_tokens":9}"#;
    assert_eq!(world.feed("import ndjson -", format!("{line}\n").as_bytes()).code, Some(0));
    assert_snapshot!(world.run("costs advise"), @"
    exit 0
    --- stdout
    ADVICE  1 day to Sun 16 Nov 00:00 UTC, $0.09 spent                           UTC

    Nothing is said of less than 7 complete days with calls; there are 1.
    ");
    let json = world.run("costs advise --json").json();
    assert_eq!((json["advice"].as_array().map(Vec::len), json["days"].as_u64()), (Some(0), Some(1)));
}
