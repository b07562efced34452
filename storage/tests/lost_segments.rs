//! A sealed segment that is gone or damaged: what other data can answer is answered, and what is
//! missing is said.

use std::fs;
use std::path::PathBuf;

use ax_storage::Store;
use ax_storage::event::{CostSource, Event, Request};
use ax_storage::query::QueryError;
use ax_storage::query::plan::{Filter, Label, Plan};
use ax_storage::row::Batch;
use ax_storage::time::{DAY_MS, TimeRange, Timestamp, Zone};

/// 2025-11-10T00:00:00Z.
const START: u64 = 1_762_732_800_000;

fn at(days: f64) -> Timestamp {
    Timestamp::from_millis(START + (days * DAY_MS as f64) as u64)
}

/// A hundred calls in each of two days, and the paths of their segments.
fn store(dir: &std::path::Path) -> (Store, Vec<PathBuf>) {
    let store = Store::open_or_create(dir, &Zone::utc(), at(0.0)).unwrap();
    let mut batch = Batch::default();
    for n in 0..200 {
        let user = if n % 2 == 0 { "alice" } else { "bob" };
        let event = Event::Request(Request { provider: "claude", user, ..Request::default() });
        batch.push(&event, at(f64::from(n) / 100.0), CostSource::Recorded, "");
    }
    store.import().add(&mut batch, 1, None).unwrap();
    store.tick(at(2.5)).unwrap();
    let mut paths = Vec::new();
    let mut folders = vec![store.paths().raw_dir()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
            if entry.is_dir() { folders.push(entry) } else { paths.push(entry) }
        }
    }
    paths.sort();
    assert_eq!(paths.len(), 2, "{paths:?}");
    (store, paths)
}

fn check(harm: impl Fn(&PathBuf)) {
    let dir = tempfile::tempdir().unwrap();
    let (store, paths) = store(dir.path());
    harm(&paths[0]);
    let all = Plan::new(TimeRange::new(at(0.0), at(2.0)), Zone::utc());
    let series = store.run(&all).unwrap();
    assert_eq!((series.all.counts.requests, series.missing), (200, vec![]), "buckets know everything");

    let off_edges = Plan { range: TimeRange::new(at(0.013), at(2.0)), ..all.clone() };
    let series = store.run(&off_edges).unwrap();
    assert!((195..=199).contains(&series.all.counts.requests), "{series:?}");
    assert!(series.missing[0].starts_with("100 events from 2025-11-10T00:00:00"), "{:?}", series.missing);

    let alice = Filter::In(Label::User, vec!["alice".into()]);
    let by_user = Plan { filter: alice.clone(), ..all.clone() };
    let series = store.run(&by_user).unwrap();
    assert_eq!((series.all.counts.requests, series.missing.len()), (50, 1), "the other day answers");

    let first_day = Plan { range: TimeRange::new(at(0.0), at(0.9)), ..by_user };
    let error = store.run(&first_day).unwrap_err();
    assert!(matches!(error, QueryError::Io { .. } | QueryError::Damaged { .. }), "there is nothing else: {error}");

    for newest in [150, usize::MAX] {
        let mut shown = 0;
        let mut each = |_: &_, _: &_| {
            shown += 1;
            std::ops::ControlFlow::Continue(())
        };
        let summary = store.events(all.range, &Filter::All, newest, &mut each).unwrap();
        assert_eq!((summary.matched, summary.missing.len(), shown), (100, 1, 100), "{:?}", summary.missing);
    }
}

#[test]
fn a_segment_that_is_gone_is_missing() {
    check(|path| fs::remove_file(path).unwrap());
}

#[test]
fn a_segment_with_a_damaged_end_is_missing() {
    check(|path| {
        let mut bytes = fs::read(path).unwrap();
        let end = bytes.len();
        bytes[end - 20] ^= 1;
        fs::write(path, bytes).unwrap();
    });
}

/// Whole, of the same store, and not what the manifest means.
#[test]
fn another_segment_under_its_name_is_missing() {
    check(|path| {
        let raw = path.parent().and_then(|day| day.parent()).unwrap();
        let days = fs::read_dir(raw).unwrap().map(|e| e.unwrap().path());
        let files = days.flat_map(|day| fs::read_dir(day).unwrap().map(|e| e.unwrap().path()));
        let other = files.into_iter().find(|file| file != path).unwrap();
        fs::copy(other, path).unwrap();
    });
}
