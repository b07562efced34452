//! Alerts over a week of traffic: a pass over a thousand rules, and replays of seven days.
//!
//! `cargo bench --bench alerts [-- EVENTS [NAME]]` measures what has NAME in it; under `cargo test` it runs once over
//! tiny input.

mod common;

use std::hint::black_box;

use ax_monitor::aggregator::Config;
use ax_monitor::alerts::table::States;
use ax_monitor::alerts::{self, Rule};
use ax_storage::Store;
use ax_storage::time::{DAY_MS, HOUR_MS, MINUTE_MS, TimeRange, Timestamp};
use common::traffic::MODELS;
use common::{END_MS, fill, rounds, time, time_of};

/// Conditions of each model, with a threshold that differs from rule to rule.
const KINDS: [&str; 5] = [
    "error_rate{model=\"M\"} > baseline * N",
    "p95(latency{model=\"M\"} [15m]) > Ns",
    "avg(latency{model=\"M\"} [15m]) > baseline * N",
    "cost{model=\"M\"} [1h] > $N",
    "anomaly(requests{model=\"M\"}, N)",
];

const REPLAYED: [&str; 7] = [
    "avg(latency) > 2000 for 5m",
    "error_rate by(provider) > baseline * 3 for 1m",
    "p50(latency{provider=\"openai\"}) > baseline * 1.5",
    "avg(latency [5m]) > baseline * 2",
    "anomaly(latency)",
    "anomaly(latency avg [15m] by(model))",
    "forecast(month) > $100",
];

fn main() {
    let measuring = std::env::args().any(|arg| arg == "--bench");
    let asked = std::env::args().find_map(|arg| arg.parse().ok());
    let (events, rules, hours) =
        if measuring { (asked.unwrap_or(1_000_000), 1000, 7 * 24) } else { (asked.unwrap_or(2000), 100, 1) };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = fill(folder.path(), events);
    println!("{events} events in a week; milliseconds");
    let wanted = std::env::args().skip(1).find(|arg| !arg.starts_with('-') && arg.parse::<u64>().is_err());
    let is_wanted = |name: &str| wanted.as_ref().is_none_or(|w| name.contains(w));
    if is_wanted("pass") {
        pass(&store, rules, measuring);
    }
    let config = Config::default();
    let range = TimeRange::new(Timestamp::from_millis(END_MS - hours * HOUR_MS), Timestamp::from_millis(END_MS));
    for condition in REPLAYED.into_iter().filter(|c| is_wanted(c)) {
        let rule = Rule::new("replayed", condition).expect("a rule");
        let (mut fired, outside) = (0, config.outside(&store));
        let once = || {
            let around = config.around(&store, &outside);
            let replay = alerts::replay(&store, &rule, &around, range, &States::default()).expect("it replays");
            fired = black_box(replay).episodes.len();
        };
        let taken = time_of(rounds(measuring), once);
        println!("{:60} {taken:8.1}   fired {fired} times", format!("replay of {hours} h: {condition}"));
    }
}

/// Judges `count` rules minute after minute.
fn pass(store: &Store, count: usize, measuring: bool) {
    let rule = |i: usize| {
        let (model, kind, part) = (MODELS[i % MODELS.len()].name, KINDS[i / 20 % KINDS.len()], i / 100 + 2);
        let condition = kind.replace('M', model).replace('N', &part.to_string());
        Rule::new(&format!("r{i}"), &condition).expect("a rule")
    };
    let all: Vec<Rule> = (0..count).map(rule).collect();
    alerts::sync(store, &all).expect("they are kept");
    let config = Config::default();
    let outside = config.outside(store);
    let mut now = Timestamp::from_millis(END_MS - DAY_MS + 5_000);
    let once = || {
        let report = alerts::evaluate(store, &config.around(store, &outside), now).expect("it judges");
        assert!(report.minutes == 1 && report.problems.is_empty(), "{report:?}");
        now = now.plus_ms(MINUTE_MS);
    };
    let taken = time(measuring, once);
    println!("{:60} {taken:8.1}", format!("a pass over {count} rules of 20 models"));
}
