//! Events that were rolled up and are damaged before they are in every table: they keep what is folded
//! from them waiting only as long as single events are kept.

use std::fs;

use ax_storage::Store;
use ax_storage::bucket::Measure;
use ax_storage::clock::ManualClock;
use ax_storage::event::{CostSource, Event, NanoUsd, Request};
use ax_storage::journal::{JournalKind, Recorder, RecorderOptions, list};
use ax_storage::query::plan::{Kinds, Label, Plan, Quantiles};
use ax_storage::query::series::Series;
use ax_storage::retention::Clocks;
use ax_storage::time::{DAY_MS, HOUR_MS, MINUTE_MS, TimeRange, Timestamp, Zone};

/// 2025-11-10T10:00:00Z.
const START: u64 = 1_762_768_800_000;

fn at(ms: u64) -> Timestamp {
    Timestamp::from_millis(START + ms)
}

/// A call a minute from `start` on, in a journal of its own.
fn record(store: &Store, start: u64, count: u64) {
    let recorder = Recorder::open(RecorderOptions {
        kind: JournalKind::Written,
        clock: std::sync::Arc::new(ManualClock::at(at(start))),
        ..RecorderOptions::new(store.paths().journal_dir(), store.uuid())
    });
    for n in 0..count {
        let cost = Some(NanoUsd::from_nanos(1000 + n));
        let event = Event::Request(Request { provider: "claude", user: "alice", cost, ..Request::default() });
        recorder.record(&event, at(start + n * MINUTE_MS), CostSource::Recorded);
    }
}

/// Ten calls of which one is damaged after the tiers have counted it, and five that are whole.
fn store(dir: &std::path::Path) -> Store {
    let store = Store::open_or_create(dir, &Zone::utc(), at(0)).unwrap();
    record(&store, 0, 10);
    store.tick(at(30 * MINUTE_MS)).unwrap();
    let journal = list(&store.paths().journal_dir()).unwrap().remove(0);
    let mut bytes = fs::read(&journal).unwrap();
    let last = bytes.len() - 40;
    bytes[last] ^= 1;
    fs::write(journal, bytes).unwrap();
    record(&store, 2 * HOUR_MS, 5);
    store
}

fn of_all() -> Plan {
    let whole = TimeRange::new(at(0).utc_day(), at(DAY_MS).utc_day());
    Plan { kinds: Kinds::REQUESTS, ..Plan::new(whole, Zone::utc()) }
}

fn median_cost(store: &Store) -> Series {
    let quantiles = Some(Quantiles { of: Measure::Cost, ppm: vec![500_000] });
    store.run(&Plan { quantiles, ..of_all() }).unwrap()
}

fn by_user(store: &Store) -> Series {
    store.run(&Plan { group: vec![Label::User], sums_only: true, measures: vec![Measure::Cost], ..of_all() }).unwrap()
}

#[test]
fn what_cannot_be_read_is_waited_for_as_long_as_single_events_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let report = store.tick(at(2 * DAY_MS)).unwrap();
    assert!(!report.problems.is_empty());
    store.retain(at(2 * DAY_MS), Clocks::Trusted).unwrap();
    assert_eq!(list(&store.paths().journal_dir()).unwrap().len(), 1, "it may come back from a backup");
    assert_eq!(store.run(&of_all()).unwrap().all.counts.requests, 15, "tiers know them all");
    assert!(!median_cost(&store).missing.is_empty());

    store.tick(at(9 * DAY_MS)).unwrap();
    store.retain(at(9 * DAY_MS), Clocks::Trusted).unwrap();
    let report = store.tick(at(9 * DAY_MS + HOUR_MS)).unwrap();
    assert_eq!(report.problems, Vec::<String>::new(), "upkeep has made its peace with it");
    assert!(store.info().unwrap().raw_from > at(0), "days of single events go again");
    assert!(list(&store.paths().journal_dir()).unwrap().is_empty());
    for answer in [median_cost(&store), by_user(&store)] {
        let missing = answer.missing.join("\n");
        assert!(missing.contains("is without 1 damaged events"), "{missing}");
    }
    let series = store.run(&of_all()).unwrap();
    assert_eq!((series.all.counts.requests, series.missing), (15, vec![]));
    assert_eq!(store.verify(&mut |_| ()).unwrap().problems, []);
}
