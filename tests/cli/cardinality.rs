//! More names than anybody reads: memory stays within bounds, sums stay exact, and the user is told.

use std::fmt::Write;
use std::process::Stdio;
use std::time::Duration;

use crate::world::World;

/// Most memory a command that reads may take, and one that records, in KiB.
const READER_KIB_MAX: u64 = 500 << 10;
const RECORDER_KIB_MAX: u64 = 64 << 10;
/// The same for an answer by a hundred thousand names, which has ten thousand rows.
const ANSWER_KIB_MAX: u64 = 64 << 10;

/// An event a user, whose number is also the latency in ms. Each model has one provider.
fn events(count: u64, models: u64, providers: u64) -> String {
    events_of(count, models, 1, |n| n % models % providers)
}

/// The last of them is at the same time whatever time lies between two.
fn events_of(count: u64, models: u64, apart_ms: u64, provider: impl Fn(u64) -> u64) -> String {
    let mut text = String::new();
    for n in 0..count {
        let (ts, model, provider) = (1_763_319_100_000 - (count - n) * apart_ms, n % models, provider(n));
        writeln!(
            text,
            r#"{{"ts":{ts},"provider":"p{provider}","model":"m{model}","user":"user-{n}","latency_ms":{n},"cost_usd":0.000001}}"#,
        )
        .unwrap();
    }
    text
}

#[test]
fn groups_beyond_ten_thousand_are_gathered_and_nothing_is_lost() {
    let world = World::new();
    assert_eq!(world.feed("import ndjson - --quiet", events(12_000, 300, 40).as_bytes()).code, Some(0));
    for (query, rest) in [
        ("metrics requests --by user --json", 2000.0),
        // The slowest 10,000 have a row, so the rest are those below 2 s.
        ("metrics latency --by user --agg max --json", 1999.0),
        ("metrics latency --by user --agg p50 --json", 999.0),
        ("metrics latency --by user,model --agg p50 --json", 999.0),
    ] {
        let done = world.run(query);
        let json = done.json();
        let rows = json["data"].as_array().unwrap();
        assert_eq!(rows.len(), 10_001, "{query}");
        let counted: u64 = rows.iter().map(|row| row["count"].as_u64().unwrap()).sum();
        assert_eq!(counted, 12_000, "{query}");
        let last = rows.last().unwrap();
        assert_eq!(last["labels"]["user"], "(other)", "{query}");
        let value = last["value"].as_f64().unwrap();
        assert!((value - rest).abs() <= rest / 1000.0, "{query}: {last}");
        assert_eq!(json["warnings"][0]["code"], "groups", "{query}");
    }
    let told = world.run("metrics requests --by user --format csv").err;
    assert_eq!(told, "warning: the first 10000 of 12000 groups have a row, and (other) is all the rest\n");
    let json = world.run("costs --by user --json").json();
    let costs: f64 = json["groups"].as_array().unwrap().iter().map(|row| row["cost_usd"].as_f64().unwrap()).sum();
    assert!((costs - 0.012).abs() < 1e-9, "{costs}");
    assert_eq!(json["total_usd"].as_f64(), Some(0.012));
}

/// Runs a command to its end: its exit code and the most memory it took but for its last moments, in KiB.
///
/// What the system tells of an ended child begins with the memory of the process that started it, and
/// other tests run in this one.
fn measured(world: &World, args: &[&str], input: Option<&str>) -> (Option<i32>, u64) {
    let stdin = input.map_or_else(Stdio::null, |name| std::fs::File::open(world.path(name)).unwrap().into());
    let mut child = world.command(args).stdin(stdin).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let (about, mut peak) = (format!("/proc/{}/status", child.id()), 0);
    loop {
        peak = peak.max(peak_kib(&std::fs::read_to_string(&about).unwrap_or_default()));
        if let Some(status) = child.try_wait().unwrap() {
            assert!(peak > 0, "{args:?}: it was never seen running");
            return (status.code(), peak);
        }
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// The most memory a process had so far; 0 when it has ended.
fn peak_kib(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or(0, |rest| rest.trim().trim_end_matches(" kB").parse().unwrap())
}

/// A hundred thousand users and as many pairs of models and providers, each event a cell of its own in every table:
/// within two minutes, and in six days, so that the upkeep that recording does at its end closes all but the last.
#[test]
fn memory_does_not_grow_with_the_number_of_names() {
    let any_provider = |n| (n + n / 10_000 * 37) % 1000;
    for text in [events(100_000, 10_000, 1000), events_of(100_000, 10_000, 5184, any_provider)] {
        within_bounds(&text);
    }
}

fn within_bounds(events: &str) {
    let world = World::new();
    world.write("events", events);
    let (code, kib) = measured(&world, &["monitor", "record", "--quiet"], Some("events"));
    assert!(code == Some(0) && kib < RECORDER_KIB_MAX, "record: exit {code:?}, {kib} KiB");
    for args in [&["monitor", "status"][..], &["monitor", "status", "--verbose", "--json"], &["monitor", "costs"]] {
        let (code, kib) = measured(&world, args, None);
        assert!(code == Some(0) && kib < READER_KIB_MAX, "{args:?}: exit {code:?}, {kib} KiB");
    }
    for [metric, by] in [["requests", "user"], ["cost", "provider,model"]] {
        let (code, kib) = measured(&world, &["monitor", "metrics", metric, "--by", by, "--range", "7d"], None);
        assert!(code == Some(0) && kib < ANSWER_KIB_MAX, "{metric} by {by}: exit {code:?}, {kib} KiB");
    }
}

/// An hour in which a user costs the more the higher his number is, and the hour before, in which he cost the less.
#[test]
fn the_dearest_of_very_many_rows_are_compared_with_what_they_cost_before() {
    let world = World::new();
    let mut text = String::new();
    for n in 0..12_000_u64 {
        for (ts, cost) in [(1_763_312_400_000 + n, 12_000 - n), (1_763_316_000_000 + n, n + 1)] {
            let (model, provider) = (n % 11_000, n % 3);
            writeln!(
                text,
                r#"{{"ts":{ts},"provider":"p{provider}","model":"m{model}","user":"user-{n}","cost_usd":0.0000{cost:05}}}"#
            )
            .unwrap();
        }
    }
    assert_eq!(world.feed("import ndjson - --quiet", text.as_bytes()).code, Some(0));
    let hour = "--range 2025-11-16T18:00:00Z..2025-11-16T19:00:00Z --json";
    let json = world.run(&format!("costs --by user {hour}")).json();
    let rows = json["groups"].as_array().unwrap();
    assert_eq!((rows.len(), json["warnings"][0]["code"].as_str()), (10_001, Some("groups")));
    let number = |row: &serde_json::Value, name: &str| (row[name].as_f64().unwrap() * 1e9).round() as u64;
    for (row, n) in rows[..10_000].iter().zip((0..12_000).rev()) {
        assert_eq!(row["labels"]["user"], format!("user-{n}"));
        assert_eq!((number(row, "cost_usd"), number(row, "previous_usd")), (n + 1, 12_000 - n), "user {n}");
    }
    let all: u64 = (1..=12_000).sum();
    for name in ["cost_usd", "previous_usd"] {
        assert_eq!(rows.iter().map(|row| number(row, name)).sum::<u64>(), all, "{name}");
    }
    // By provider, and by model, each pair of which is one of more than there is a number of.
    let json = world.run(&format!("costs {hour}")).json();
    let sum = |rows: &str, name: &str| json[rows].as_array().unwrap().iter().map(|row| number(row, name)).sum::<u64>();
    assert_eq!(json["groups"].as_array().unwrap().len(), 3);
    assert_eq!(json["models"].as_array().unwrap().len(), 10_001);
    for rows in ["groups", "models"] {
        assert_eq!((sum(rows, "cost_usd"), sum(rows, "previous_usd")), (all, all), "{rows}");
    }
}

/// Every model at many providers: more pairs of names than an answer could hold a number of each day of.
#[test]
fn costs_of_very_many_models_and_providers_are_told() {
    let world = World::new();
    let text = events_of(80_000, 10_000, 1, |n| (n + n / 10_000 * 37) % 1000);
    assert_eq!(world.feed("import ndjson - --quiet", text.as_bytes()).code, Some(0));
    for by in ["", "--by user", "--by provider"] {
        let done = world.run(&format!("costs --json --top 5 {by}"));
        assert_eq!((done.code, done.json()["total_usd"].as_f64()), (Some(0), Some(0.08)), "{by}");
    }
    // Their cells are more than are compared at a time.
    assert_eq!(world.run("store verify --deep").code, Some(0));
}
