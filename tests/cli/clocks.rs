//! A system clock that is wrong: it leaps to the future and back between passes, it says the first or the
//! last moment that a program may be told.

use crate::world::{NOW, World};

/// The first second that 32 bits do not hold.
const LEAPT: &str = "2106-02-07T06:28:16Z";

fn requests(world: &World, range: &str) -> u64 {
    let done = world.run_args(&["metrics", "-q", &format!("requests [{range}]"), "--json"]);
    assert_eq!(done.code, Some(0), "{done}");
    done.json()["data"][0]["count"].as_u64().unwrap()
}

/// What was recorded under a wrong time is there under it, what comes later belongs to periods that are
/// closed already, and nothing is taken for old and removed.
#[test]
fn a_clock_that_leaps_to_the_future_and_back_costs_nothing() {
    let mut world = World::new();
    let times =
        [NOW, "2025-11-16T19:20:00Z", LEAPT, "2106-02-07T07:40:00Z", "2025-11-16T19:30:00Z", "2025-11-17T00:30:00Z"];
    for (passes, now) in (1..).zip(times) {
        world = world.with("AX_MONITOR_NOW", now);
        world.run("record --provider claude --latency-ms 100 --cost-usd 0.01 --quiet").good();
        let ticked = world.run("tick --json");
        assert_eq!(ticked.code, Some(0), "{now}: {ticked}");
        let verified = world.run("store verify --deep");
        assert_eq!(verified.code, Some(0), "{now}: {verified}");
        let listed = world.run("export").good().lines().count();
        assert_eq!(listed, passes, "{now}: all are there");
    }
    let world = world.with("AX_MONITOR_NOW", "2025-11-17T00:31:00Z");
    assert_eq!(["7d", "today", "yesterday"].map(|range| requests(&world, range)), [4, 1, 3]);
    let costs = world.run("costs --range 7d --json").json();
    assert_eq!(costs["total_usd"].as_f64(), Some(0.04));
    let world = world.with("AX_MONITOR_NOW", "2106-02-07T08:00:00Z");
    assert_eq!(requests(&world, "1d"), 2);
}

/// Long before anything was recorded, and long after: every answer is an answer, and nothing is removed.
#[test]
fn the_first_and_the_last_moment_are_moments_like_others() {
    let mut world = World::new();
    world.run("record --provider claude --latency-ms 100 --cost-usd 0.01 --quiet").good();
    for now in ["2000-01-01T00:00:00Z", "9999-12-29T23:59:59Z", NOW] {
        world = world.with("AX_MONITOR_NOW", now);
        for command in [
            "status",
            "metrics requests",
            "metrics requests --range 30d",
            "metrics -q cost[month]sum",
            "costs",
            "budgets",
            "alerts",
            "costs advise",
            "tick",
            "store info",
            "store verify --deep",
            "compact --dry-run",
            "export",
        ] {
            let done = world.run(command);
            assert!(matches!(done.code, Some(0 | 1)) && !done.err.contains("panicked"), "{command} at {now}: {done}");
        }
    }
    assert_eq!(world.run("export").good().lines().count(), 1);
}
