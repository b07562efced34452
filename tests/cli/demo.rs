//! Made-up traffic: every screen says so, and what it proposes works.

use insta::assert_snapshot;

use crate::world::World;

#[test]
fn the_demo_is_a_status_screen_at_any_width() {
    for columns in ["60", "80", "120"] {
        let world = World::new().with("COLUMNS", columns);
        let screen = world.run("demo --days 2").good();
        assert!(screen.starts_with("DEMO DATA"), "{screen}");
        for word in ["claude", "openai", "gemini", "degraded", "CACHE", "0 dropped"] {
            assert!(screen.contains(word), "{word} at {columns}: {screen}");
        }
        let most = columns.parse().unwrap();
        assert!(screen.lines().all(|l| l.chars().count() <= most), "{columns}: {screen}");
    }
}

#[test]
fn the_next_steps_it_prints_work() {
    let world = World::new();
    let screen = world.run("demo --days 2").good();
    let (_, next) = screen.split_once("Next: ").unwrap();
    let steps: Vec<&str> = next.split(['·', '\n']).map(str::trim).filter(|s| !s.is_empty()).collect();
    assert!(!steps.is_empty(), "{screen}");
    for step in steps {
        let args = step.strip_prefix("ax monitor ").unwrap_or_else(|| panic!("{step}"));
        assert!(args.starts_with("demo -- "), "{step}");
        let shown = world.run(&args.replacen("demo", "demo --days 2", 1)).good();
        assert!(shown.starts_with("DEMO DATA") && shown.lines().count() > 3, "{step}: {shown}");
    }
}

#[test]
fn the_same_seed_and_time_give_the_same_traffic() {
    let world = World::new();
    let ask = |args: &str| {
        world.run(&format!("demo --days 2 {args} -- metrics requests --by model --range 2d --json")).json()["data"]
            .clone()
    };
    assert_eq!(ask(""), ask("--seed 1"));
    assert_ne!(ask(""), ask("--seed 2"));
    assert!(!world.path(".local/share/ax").exists(), "the user's own store is left alone");
}

#[test]
fn flags_count_on_both_sides_and_nonsense_is_refused() {
    let world = World::new();
    for args in ["demo --days 1 --json", "demo --days 1 -- status --json", "demo --days 1 -- --json"] {
        let json = world.run(args).json();
        assert_eq!(
            (&json["schema"], &json["warnings"][0]["code"]),
            (&"ax.monitor.status/1".into(), &"demo".into()),
            "{args}"
        );
    }
    let old = world.run("demo --days 1 -- status --at 2024-02-29T12:00:00Z --tz Asia/Tokyo").good();
    assert!(old.contains("Thu 29 Feb 21:00"), "{old}");
    assert!(world.run("demo -- metrics --help").good().starts_with("One metric"));
    assert_snapshot!(world.run("demo -- stats"), @"
    exit 2
    --- stderr
    error: unrecognized subcommand 'stats'

      tip: some similar subcommands exist: 'alerts', 'status'

    Usage: ax monitor [COMMAND] [OPTIONS]

    For more information, try '--help'.
    ");
    assert_snapshot!(world.run("demo --store here"), @"
    exit 2
    --- stderr
    error: demo has a store of its own: --store makes no sense with it
    hint: leave out demo to ask a store that exists
    ");
    assert_snapshot!(world.run("demo -- demo"), @"
    exit 2
    --- stderr
    error: a demo of demo is no use
    hint: ax monitor demo -- status
    ");
    let export = world.run("demo --days 1 -- export");
    assert!(
        export.out.starts_with("{\"type\":") && export.err.starts_with("DEMO DATA"),
        "data is not mixed with words"
    );
}
