//! Budgets: set, listed, removed, in the settings file, and how they fail a check.

use insta::assert_snapshot;

use crate::costs::world;
use crate::world::World;

#[test]
fn budgets_are_set_listed_and_removed() {
    let world = world().with("COLUMNS", "80");
    assert_snapshot!(world.run("budgets"), @"
    exit 0
    --- stdout
    BUDGETS                                                     Sun 16 Nov 20:15 CET

    There are none yet.

    Set one:  ax monitor budgets set team --limit 500 --period monthly
    ");
    assert_eq!(world.run("budgets list --fail-on budget").code, Some(4));
    assert_snapshot!(world.run("budgets set team --limit 140"), @"
    exit 0
    --- stdout
    Set budget team: $140.00 monthly, days of Europe/Berlin.
    ");
    assert_snapshot!(world.run("budgets set openai --limit $20.50 --period weekly --scope provider=openai --alert-at 100,90% --tz America/New_York"), @r#"
    exit 0
    --- stdout
    Set budget openai: $20.50 weekly of provider="openai", days of America/New_York.
    "#);
    assert_snapshot!(world.run("budgets set today --limit 1.5 --period daily"), @"
    exit 0
    --- stdout
    Set budget today: $1.50 daily, days of Europe/Berlin.
    ");
    assert_snapshot!(world.run("budgets"), @r#"
    exit 0
    --- stdout
    BUDGETS                                                     Sun 16 Nov 20:15 CET

    openai  $6.71 of $20.50 weekly  ██████░░░░░░░░░░░░░░  32.7 %
      $13.79 left for 9.8 hours · spent 0.35 × as fast as even spending
      forecast $6.85 · 80 % range $6.84–$6.87 · over budget in 0 of 100 runs
      next alert at 90 %
      provider="openai" · days of America/New_York

    team  $74.94 of $140.00 monthly  ██████████░░░░░░░░░░  53.5 %
      $65.06 left for 14.2 days · spent 1.01 × as fast as even spending
      forecast $145 · 80 % range $136–$159 · over budget in 76 of 100 runs · used up
      on Fri 28 Nov
      passed 50 % · next alert at 80 %
      all calls · days of Europe/Berlin
      2 calls have no price and are not in it

    today  $1.71 of $1.50 daily  ████████████████████  114 %
      $0.21 over, used up on Sun 16 Nov · 3.8 hours left · spent 1.35 × as fast as
      even spending
      forecast $1.72 · 80 % range $1.72–$1.73
      passed 50 %, 80 %, 95 %, 100 %
      all calls · days of Europe/Berlin
      1 call has no price and is not in it
    "#);
    let world = world.with("COLUMNS", "40");
    let narrow = world.run("budgets list").good();
    assert!(narrow.lines().all(|l| l.chars().count() <= 40), "{narrow}");
    assert_snapshot!(narrow, @r#"
    BUDGETS             Sun 16 Nov 20:15 CET

    openai  $6.71 of $20.50 weekly  32.7 %
      $13.79 left for 9.8 hours · spent 0.35
      × as fast as even spending
      forecast $6.85 · 80 % range
      $6.84–$6.87 · over budget in 0 of 100
      runs
      next alert at 90 %
      provider="openai" · days of
      America/New_York

    team
      $74.94 of $140.00 monthly · 53.5 %
      $65.06 left for 14.2 days · spent 1.01
      × as fast as even spending
      forecast $145 · 80 % range $136–$159 ·
      over budget in 76 of 100 runs · used
      up on Fri 28 Nov
      passed 50 % · next alert at 80 %
      all calls · days of Europe/Berlin
      2 calls have no price and are not in
      it

    today  $1.71 of $1.50 daily  114 %
      $0.21 over, used up on Sun 16 Nov ·
      3.8 hours left · spent 1.35 × as fast
      as even spending
      forecast $1.72 · 80 % range
      $1.72–$1.73
      passed 50 %, 80 %, 95 %, 100 %
      all calls · days of Europe/Berlin
      1 call has no price and is not in it
    "#);
    let world = world.with("COLUMNS", "120");
    assert_snapshot!(world.run("costs --budget --projection"), @r#"
    exit 0
    --- stdout
    COSTS  November 2025, to Sun 16 Nov 20:15 CET                                                              Europe/Berlin

    Spent      $74.94   53.5 % of $140.00 · 258 calls · 224,020 tokens · cache saved $0.32
    Forecast     $145   80 % range $136–$159 · at the end of the month · over by $4.76 · limit on Fri 28 Nov
    Today       $1.71   114 % of $1.50 · $1.72 by midnight, 80 % range $1.72–$1.73

    PROVIDER   SPENT   SHARE   vs Oct
    claude    $60.86  81.2 %   +2.3 %  ██████████████████████████████
    openai    $14.08  18.8 %  -11.1 %  ███████

    MODEL               SPENT   SHARE   vs Oct
    claude-sonnet-4-5  $60.86  81.2 %   +2.3 %  ██████████████████████████████
    gpt-5              $14.08  18.8 %  -11.1 %  ███████
    my-finetune             –       –        –
    Oct: as far as this one has come, to Thu 16 Oct 20:15 CEST

    openai  $6.71 of $20.50 weekly  ██████░░░░░░░░░░░░░░  32.7 %
      $13.79 left for 9.8 hours · spent 0.35 × as fast as even spending
      forecast $6.85 · 80 % range $6.84–$6.87 · over budget in 0 of 100 runs
      next alert at 90 %
      provider="openai" · days of America/New_York

    team  $74.94 of $140.00 monthly  ██████████░░░░░░░░░░  53.5 %
      $65.06 left for 14.2 days · spent 1.01 × as fast as even spending
      forecast $145 · 80 % range $136–$159 · over budget in 76 of 100 runs · used up on Fri 28 Nov
      passed 50 % · next alert at 80 %
      all calls · days of Europe/Berlin
      2 calls have no price and are not in it

    today  $1.71 of $1.50 daily  ████████████████████  114 %
      $0.21 over, used up on Sun 16 Nov · 3.8 hours left · spent 1.35 × as fast as even spending
      forecast $1.72 · 80 % range $1.72–$1.73
      passed 50 %, 80 %, 95 %, 100 %
      all calls · days of Europe/Berlin
      1 call has no price and is not in it

    PROJECTED         SEASONAL     80 % RANGE  LINEAR
    end of today         $1.72    $1.72–$1.73   $2.52
    end of the month      $145      $136–$159    $140
    next 365 days       $1,808  $1,263–$2,710  $1,675
    The month's range would have held 57 of 57 times on days past, looking as far ahead.

    Daily      ▂▂█████▂▂█████▃▃
    Last 7 d   $5.17 a day · +2.3 % to the 7 days before
    Unpriced   2 calls of my-finetune
               ax monitor prices set my-finetune
    Save       up to $30.61 a month: ax monitor costs advise
    "#);
    // What an existing budget has stays as it is.
    assert_snapshot!(world.run("budgets set openai --limit 30"), @r#"
    exit 0
    --- stdout
    Changed budget openai: $30.00 weekly of provider="openai", days of America/New_York.
    "#);
    assert_eq!(world.run("budgets list --fail-on budget").code, Some(3), "today is spent");
    assert_snapshot!(world.run("budgets delete today"), @"
    exit 2
    --- stderr
    error: that would remove budget 'today'
    hint: add --yes to do it
    ");
    assert_snapshot!(world.run("budgets delete today --yes"), @"
    exit 0
    --- stdout
    Removed budget today.
    ");
    assert_eq!(world.run("budgets list --fail-on budget").code, Some(0));
    assert_eq!(world.run("budgets list --fail-on projected").code, Some(3), "team will be exceeded");
    assert_eq!(world.run("costs --fail-on projected").code, Some(3));
    assert_snapshot!(world.run("budgets delete toady"), @"
    exit 1
    --- stderr
    error: there is no budget 'toady'
    hint: `ax monitor budgets` lists them
    ");
}

#[test]
fn what_is_no_budget_is_refused() {
    let world = World::new();
    for args in [
        "budgets set b",
        "budgets set b --limit five",
        "budgets set b --limit 0",
        "budgets set b --limit 5 --scope latency>1s",
        "budgets set b --limit 5 --scope modle=x",
        "budgets set b --limit 5 --alert-at 0",
        "budgets set b --limit 5 --alert-at 1.5",
        "budgets set b --limit 5 --period yearly",
    ] {
        let done = world.run(args);
        assert_eq!((done.code, done.out.as_str()), (Some(2), ""), "{args}: {done}");
    }
    assert_snapshot!(world.run("budgets set b --limit 5 --scope modle=x"), @"
    exit 2
    --- stderr
    error: the scope 'modle=x' is no filter: unknown label or field 'modle'
    hint: write provider=openai, or user=alice AND model=gpt-5
    ");
}

#[test]
fn budgets_of_the_settings_file_count_too() {
    let world = world();
    world.write(
        ".config/ax/monitor.toml",
        "[[budget]]\nname = \"team\"\nlimit = 140\n\n[[budget]]\nname = \"claude\"\nlimit = \"99.5\"\nperiod = \"weekly\"\nscope = \"provider=claude\"\nalert_at = [90]\ntz = \"UTC\"\n",
    );
    let json = world.run("budgets --json").json();
    let list = json["data"].as_array().unwrap();
    assert_eq!(list.len(), 2);
    assert_eq!((&list[0]["name"], &list[0]["set_in"]), (&"claude".into(), &"settings".into()));
    assert_eq!(list[1]["limit_usd"].as_f64(), Some(140.0));
    assert_snapshot!(world.run("budgets set team --limit 5"), @"
    exit 2
    --- stderr
    error: budget 'team' stands in the settings file
    hint: change it there
    ");
    world.write(".config/ax/monitor.toml", "[[budget]]\nname = \"team\"\nlimit = 140\nscop = \"x\"\n");
    assert_snapshot!(world.run("budgets"), @"
    exit 2
    --- stderr
    error: ~/.config/ax/monitor.toml, line 4: unknown setting 'scop'
    hint: did you mean scope?
    ");
    world.write(".config/ax/monitor.toml", "[[budget]]\nname = \"team\"\nlimit = -1\n");
    assert_snapshot!(world.run("budgets"), @"
    exit 2
    --- stderr
    error: ~/.config/ax/monitor.toml, line 3: '-1' is no amount of dollars
    ");
}

/// What it guards: the month's end is one number, whoever says it. How: at a local midnight, the
/// costs screen, the budget and `forecast` on the exported days are compared.
#[test]
fn the_month_ends_at_one_number_everywhere() {
    let world = world().with("AX_MONITOR_NOW", "2025-11-16T23:00:00Z");
    world.run("budgets set team --limit 140").good();
    let costs = world.run("costs --json").json();
    let budgets = world.run("budgets --json").json();
    let month = &costs["projection"]["month"];
    assert_eq!(month["estimate_usd"], budgets["data"][0]["projected_usd"]);
    assert_eq!(month["low_usd"], budgets["data"][0]["projected_low_usd"]);
    assert_eq!(month["exceeds_budget_probability"], budgets["data"][0]["exceeds_probability"]);
    assert_eq!(costs["budgets"][0]["spent_usd"], costs["total_usd"]);
    assert_eq!(costs["budgets"][0], budgets["data"][0]);

    let days = world.run("metrics cost --since 2025-09-03 --step 1d --json").json();
    let points = days["data"][0]["points"].as_array().unwrap();
    let csv: String = points.iter().map(|p| format!("{},{}\n", p["t"].as_str().unwrap(), p["value"])).collect();
    let forecast = world.feed("forecast --input - --horizon 14 --json", csv.as_bytes()).json();
    let (total, figure) = (costs["total_usd"].as_f64().unwrap(), |v: &serde_json::Value| v.as_f64().unwrap());
    for (name, end) in [("estimate", "estimate_usd"), ("low", "low_usd"), ("high", "high_usd")] {
        let (theirs, ours) = (total + figure(&forecast["total"][name]), figure(&month[end]));
        assert!((theirs - ours).abs() < 1e-6, "{name}: {theirs} and {ours}");
    }
    assert!((total + figure(&forecast["linear"]) - figure(&costs["projection"]["linear_month_usd"])).abs() < 1e-6);
}

/// Asks a query that is true, false or unknown.
fn ask(world: &World, query: &str) -> serde_json::Value {
    let done = world.run_args(&["metrics", "--json", "-q", query]);
    assert_eq!(done.code, Some(0), "{query}: {done}");
    done.json()["data"][0]["value"].clone()
}

#[test]
fn queries_know_budgets_and_forecasts() {
    let world = world();
    assert!(ask(&world, "monthly_spend >= budget * 0.5").is_null(), "there is none yet");
    world.run("budgets set team --limit 140").good();
    for (query, truth) in [
        ("monthly_spend >= budget * 0.5", true),
        ("monthly_spend >= budget * 0.55", false),
        ("forecast(month) > budget", true),
        ("forecast(month) > budget * 1.1", false),
        ("monthly_spend > budget(\"team\")", false),
        ("spend >= budget * 0.5", true),
        ("forecast > budget", true),
    ] {
        assert_eq!(ask(&world, query), truth, "{query}");
    }
    // Of a budget with a scope only what it lets through counts, in the days of its own zone.
    world.run("budgets set openai --limit 28 --scope provider=openai").good();
    for (query, truth) in [
        ("spend >= budget(\"openai\") * 0.5", true),
        ("monthly_spend >= budget(\"openai\") * 0.51", false),
        ("monthly_spend{provider=claude} >= budget(\"openai\") * 2", true),
        ("forecast(month) > budget(\"openai\") * 1.2", false),
    ] {
        assert_eq!(ask(&world, query), truth, "{query}");
    }
    assert_snapshot!(world.run_args(&["metrics", "-q", "monthly_spend > budget(\"none\")"]), @r#"
    exit 2
    --- stderr
    error: there is no budget 'none'; known: openai, team
      |
    1 | monthly_spend > budget("none")
      |                 ^^^^^^^^^^^^^^ name it: budget("name")
    "#);
    assert_snapshot!(world.run_args(&["metrics", "-q", "monthly_spend > budget"]), @r#"
    exit 2
    --- stderr
    error: several budgets fit: openai, team
      |
    1 | monthly_spend > budget
      |                 ^^^^^^ name it: budget("name")
    "#);
}

#[test]
fn the_status_screen_shows_budgets() {
    let world = world().with("COLUMNS", "80");
    world.run("budgets set team --limit 140").good();
    world.run("budgets set today --limit 1.5 --period daily").good();
    assert_snapshot!(world.run("status --range 24h"), @"
    exit 0
    --- stdout
    AX MONITOR   last 24h · Sun 16 Nov 20:15 CET

       PROVIDER           REQ  p50  p95  p99  ERRORS   COST  TODAY  TREND
    ●  claude    healthy    4    –    –    –     0 %  $1.38  $1.38
    ●  openai    healthy    3    –    –    –     0 %  $0.33  $0.33
       all                  7    –    –    –     0 %  $1.71  $1.71

    BUDGET    team  ██████████░░░░░░░░░░  53.5 % · forecast $145 ($136–$159)
              over budget in 76 of 100 runs · used up on Fri 28 Nov
              today  ████████████████████  114 % · forecast $1.72 ($1.72–$1.73)
              used up on Sun 16 Nov
    CACHE     100 % hit, saved $0.02 today
    DATA      8 events in range · newest 1 h ago · 0 dropped · 1 unpriced

    Next: ax monitor metrics latency --provider claude · ax monitor costs
    ");
    let world = world.with("COLUMNS", "60");
    let narrow = world.run("status --range 24h").good();
    assert!(narrow.lines().all(|l| l.chars().count() <= 60), "{narrow}");
    assert_snapshot!(world.run("status --range 24h --format line").good().lines().filter(|l| l.contains("budget")).collect::<Vec<_>>().join("\n"), @"
    budget team  53.5 %
      over budget in 76 of 100 runs
    budget today  114 %
    ");
    assert_eq!(world.run("status --json").json()["budgets"][0]["name"], "team");
}

#[test]
fn a_pass_says_once_which_part_is_reached_and_rules_refer_to_budgets() {
    let world = world().with("COLUMNS", "80");
    world.run("budgets set team --limit 140").good();
    let first = world.run("tick").good();
    assert!(first.contains("reached  budget team  50 % of $140.00: $74.94 spent"), "{first}");
    assert!(!world.run("tick").good().contains("reached"), "once a period");

    world.run("budgets set tight --limit 70").good();
    let told: serde_json::Value = serde_json::from_str(&world.run("tick --json").good()).unwrap();
    let parts: Vec<_> = told["budgets"].as_array().unwrap().iter().map(|b| b["percent"].as_u64().unwrap()).collect();
    assert_eq!(parts, [50, 80, 95, 100]);

    let rule = ["alerts", "create", "--name", "half", "--when", r#"monthly_spend >= budget("team") * 0.5"#];
    world.run_args(&rule).good();
    let listed = world.run("alerts check").good();
    assert!(listed.contains("half") && listed.contains("$74.94"), "{listed}");
    // A period of its own each: on the first days of the month nothing is spent yet.
    let episodes = |range: &str| {
        let json = world.run(&format!("alerts test half --range {range} --json")).good();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        json["episodes"].as_array().unwrap().iter().map(|e| e["start"].as_str().unwrap()[..10].to_owned()).collect()
    };
    let all: Vec<String> = episodes("30d");
    assert_eq!(all.len(), 2, "October's spend and November's, by their own months: {all:?}");
}

#[test]
fn a_budget_that_is_set_anew_tells_nothing_twice_in_its_period() {
    let world = world();
    let told = || world.run("tick --json").json()["budgets"].clone();
    assert_eq!(world.run("budgets set team --limit 140").code, Some(0));
    assert_eq!(told()[0]["percent"], 50);
    assert_eq!(world.run("budgets delete team --yes").code, Some(0));
    assert_eq!(world.run("budgets set team --limit 140").code, Some(0));
    assert_eq!(told(), serde_json::json!([]));
    // Another part of it is another thing.
    assert_eq!(world.run("budgets set team --limit 90").code, Some(0));
    assert_eq!(told()[0]["percent"], 80);
}
