//! Questions to a store of a week: opening it and asking, as a process does, and asking again.
//!
//! `cargo bench --bench query [-- EVENTS [NAME]]` asks those whose name has NAME in it; under `cargo test` it runs once over tiny input.

mod common;

use std::hint::black_box;

use ax_storage::bucket::Measure;
use ax_storage::query::plan::{Compare, Filter, Kinds, Label, Plan, Quantiles, Step};
use ax_storage::store::Store;
use ax_storage::time::{TimeRange, Timestamp, Zone};
use common::{END_MS, START_MS, fill, time};

const HOUR_MS: u64 = 3_600_000;

fn main() {
    let measuring = std::env::args().any(|arg| arg == "--bench");
    let asked = std::env::args().find_map(|arg| arg.parse().ok());
    let events = asked.unwrap_or(if measuring { 1_000_000 } else { 2_000 });
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = fill(folder.path(), events);
    println!("{events} events in a week; medians in ms: store opened and asked | asked again");
    let wanted = std::env::args().skip(1).find(|arg| !arg.starts_with('-') && arg.parse::<u64>().is_err());
    for (name, plan) in plans().into_iter().filter(|(name, _)| wanted.as_ref().is_none_or(|w| name.contains(w))) {
        let fresh = time(measuring, || {
            let store = Store::open(folder.path()).expect("it was just made");
            black_box(store.run(&plan).expect("it answers"));
        });
        let again = time(measuring, || {
            black_box(store.run(&plan).expect("it answers"));
        });
        let series = store.run(&plan).expect("it answers");
        let cells = series.groups.len() * series.steps.len().max(1);
        println!("{name:42} {fresh:8.2} | {again:8.2}   {cells} cells, {:?}", series.source);
    }
    let mut shown = 0;
    let listed = time(measuring, || {
        let summary = store.events(week(), &Filter::All, 20, &mut |_, _| {
            shown += 1;
            std::ops::ControlFlow::Continue(())
        });
        black_box(summary.expect("it lists"));
    });
    println!("{:42} {listed:8.2}", "newest 20 events");
}

fn week() -> TimeRange {
    TimeRange::new(Timestamp::from_millis(START_MS), Timestamp::from_millis(END_MS))
}

fn plans() -> Vec<(&'static str, Plan)> {
    let base = Plan { kinds: Kinds::REQUESTS, ..Plan::new(week(), Zone::utc()) };
    let claude = Filter::In(Label::Provider, vec!["claude".into()]);
    let of = |of, ppm: &[u32]| Some(Quantiles { of, ppm: ppm.to_vec() });
    let latency = Plan {
        measures: vec![Measure::Latency],
        quantiles: of(Measure::Latency, &[500_000, 950_000, 990_000]),
        ..base.clone()
    };
    let edges =
        TimeRange::new(Timestamp::from_millis(START_MS + 1_234_567), Timestamp::from_millis(END_MS - 7_654_321));
    let p95 = of(Measure::Latency, &[950_000]);
    vec![
        ("latency of one provider", Plan { filter: claude.clone(), ..latency.clone() }),
        ("the same off bucket edges", Plan { filter: claude, range: edges, ..latency.clone() }),
        ("latency of all", latency.clone()),
        ("p95 by model", Plan { group: vec![Label::Model], quantiles: p95.clone(), ..base.clone() }),
        (
            "p95 by hour and model",
            Plan {
                group: vec![Label::Model],
                quantiles: p95.clone(),
                step: Some(Step::Millis(HOUR_MS)),
                ..base.clone()
            },
        ),
        (
            "cost by provider and model",
            Plan { group: vec![Label::Provider, Label::Model], measures: vec![Measure::Cost], ..base.clone() },
        ),
        (
            "p99 of cost by model",
            Plan { group: vec![Label::Model], quantiles: of(Measure::Cost, &[990_000]), ..base.clone() },
        ),
        (
            "calls over 10 s (raw)",
            Plan { filter: Filter::Number(Measure::Latency, Compare::Greater, 10_000_000), ..base.clone() },
        ),
        ("calls of one user (raw)", Plan { filter: Filter::In(Label::User, vec!["u0007".into()]), ..base.clone() }),
        (
            "cost by user (raw)",
            Plan { group: vec![Label::User], measures: vec![Measure::Cost], sums_only: true, ..base.clone() },
        ),
        ("p95 by user (raw)", Plan { group: vec![Label::User], quantiles: p95, ..base }),
    ]
}
