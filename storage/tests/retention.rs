//! What is too old goes: the disk comes back, what is left answers, late events begin nothing anew,
//! and a pass that was killed halfway is finished by the next.

use std::fs;
use std::path::PathBuf;

use ax_storage::Store;
use ax_storage::bucket::Measure;
use ax_storage::event::{CostSource, Event, Request};
use ax_storage::query::QueryError;
use ax_storage::query::plan::{Filter, Kinds, Label, Plan};
use ax_storage::retention::{Clocks, Part, Removed, Retention};
use ax_storage::row::Batch;
use ax_storage::time::{DAY_MS, HOUR_MS, TimeRange, Timestamp, Zone};

/// 2025-11-10T00:00:00Z.
const START: u64 = 1_762_732_800_000;

fn at(hours: u64) -> Timestamp {
    Timestamp::from_millis(START + hours * HOUR_MS)
}

fn import(store: &Store, hours: impl Iterator<Item = u64>) {
    import_at(store, hours.map(at));
}

fn import_at(store: &Store, times: impl Iterator<Item = Timestamp>) {
    let mut batch = Batch::default();
    let event = Event::Request(Request { provider: "claude", ..Request::default() });
    times.for_each(|ts| batch.push(&event, ts, CostSource::Recorded, ""));
    store.import().add(&mut batch, 1, None).unwrap();
}

/// An event an hour in each of `days` days; the pass at their end has run.
fn store(dir: &std::path::Path, days: u64) -> Store {
    let store = Store::open_or_create(dir, &Zone::utc(), at(0)).unwrap();
    import(&store, 0..days * 24);
    store.tick(at(days * 24)).unwrap();
    store
}

fn folders(store: &Store) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = fs::read_dir(store.paths().raw_dir()).unwrap().map(|e| e.unwrap().path()).collect();
    all.sort();
    all
}

fn requests(store: &Store, range: TimeRange) -> (u64, Option<TimeRange>) {
    let series = store.run(&Plan::new(range, Zone::utc())).unwrap();
    assert_eq!(series.missing, Vec::<String>::new());
    (series.all.counts.requests, series.range)
}

#[test]
fn what_is_too_old_goes_and_the_rest_answers() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), 400);
    let now = at(400 * 24 + 1);
    let expected = store.expiring(&Retention::default(), now).unwrap();
    let removed = store.retain(now, Clocks::Trusted).unwrap().unwrap();
    assert_eq!(removed, expected);
    assert_eq!(removed.events, 393 * 24);
    assert_eq!(folders(&store).len(), 7);
    assert_eq!(store.verify(&mut |_| ()).unwrap().problems, []);

    let everything = requests(&store, TimeRange::ALL);
    assert_eq!(everything.0, 365 * 24, "the day 365 days ago and those after it");
    let edge = at(300 * 24).plus_ms(1);
    let (count, window) = requests(&store, TimeRange::new(edge, at(400 * 24)));
    assert_eq!((count, window.unwrap().start), (100 * 24, at(300 * 24)), "widened to the day that is left");
    let violations = Plan { violations: true, ..Plan::new(TimeRange::new(edge, at(400 * 24)), Zone::utc()) };
    assert!(matches!(store.run(&violations), Err(QueryError::NeedsRaw { .. })));
    let summary =
        store.events(TimeRange::ALL, &Filter::All, 1, &mut |_, _| std::ops::ControlFlow::Continue(())).unwrap();
    assert_eq!((summary.matched, summary.kept_from), (7 * 24, Some(at(393 * 24))));

    let again = store.retain(now, Clocks::Trusted).unwrap().unwrap();
    assert_eq!(again, Removed::default(), "nothing is left to do");
}

#[test]
fn late_events_go_where_their_time_is_still_kept() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), 400);
    let now = at(400 * 24 + 1);
    store.retain(now, Clocks::Trusted).unwrap().unwrap();
    // Too old for everything, for all but days, for single events, for nothing.
    import(&store, [5, 200 * 24, 390 * 24, 399 * 24].into_iter());
    store.tick(now.plus_ms(HOUR_MS)).unwrap();
    assert_eq!(folders(&store).len(), 7);
    assert_eq!(requests(&store, TimeRange::ALL).0, 365 * 24 + 3);
    assert_eq!(requests(&store, TimeRange::new(at(200 * 24), at(201 * 24))).0, 25);
    assert_eq!(store.verify(&mut |_| ()).unwrap().problems, []);
}

/// Days by user keep latency apart from everything else.
#[test]
fn a_measure_that_is_asked_for_twice_is_answered_twice() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), 0);
    let mut batch = Batch::default();
    let latency = Some(std::time::Duration::from_millis(3));
    let event = Event::Request(Request { provider: "claude", user: "alice", latency, ..Request::default() });
    batch.push(&event, at(1), CostSource::Recorded, "");
    store.import().add(&mut batch, 1, None).unwrap();
    store.tick(at(40 * 24)).unwrap();
    store.retain(at(40 * 24), Clocks::Trusted).unwrap().unwrap();

    let measures = vec![Measure::Latency, Measure::Cost, Measure::Latency];
    let filter = Filter::In(Label::User, vec!["alice".into()]);
    let day = Plan::new(TimeRange::new(at(0), at(24)), Zone::utc());
    let plan = Plan { kinds: Kinds::REQUESTS, measures, filter, sums_only: true, ..day };
    let all = store.run(&plan).unwrap().all;
    let [first, _, third] = all.stats.as_slice() else { panic!("{all:?}") };
    assert_eq!((first.count, first.sum, first), (1, 3_000, third));
}

/// No file is left that says when such an event was: the provider's own times have to.
#[test]
fn a_late_event_of_a_day_whose_events_are_gone_counts_where_it_belongs() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), 5);
    let now = at(20 * 24);
    store.tick(now).unwrap();
    store.retain(now, Clocks::Trusted).unwrap().unwrap();
    assert_eq!(folders(&store).len(), 0);
    let last = at(5 * 24 - 1);
    import_at(&store, [last.plus_ms(HOUR_MS / 2)].into_iter());
    let until = |minutes: u64| requests(&store, TimeRange::new(at(0), last.plus_ms(minutes * 60_000))).0;
    assert_eq!([until(0), until(10), until(30), until(31), until(90)], [119, 120, 120, 121, 121]);
}

#[test]
fn a_removal_that_was_cut_short_is_finished_by_the_next_pass() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), 20);
    let old = folders(&store)[0].clone();
    let kept: Vec<(PathBuf, Vec<u8>)> = fs::read_dir(&old)
        .unwrap()
        .map(|e| e.unwrap().path())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    store.retain(at(20 * 24), Clocks::Trusted).unwrap().unwrap();
    assert!(!old.exists());
    // Killed between the commit and the unlinking, or brought back by a power failure.
    fs::create_dir(&old).unwrap();
    kept.iter().for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
    fs::write(old.join("notes.txt"), "mine").unwrap();
    assert_eq!(requests(&store, TimeRange::ALL).0, 20 * 24);
    store.tick(at(20 * 24).plus_ms(60_000)).unwrap();
    assert!(kept.iter().all(|(path, _)| !path.exists()));
    assert!(old.join("notes.txt").exists(), "what is not ours stays");
    fs::remove_file(old.join("notes.txt")).unwrap();
    store.tick(at(20 * 24).plus_ms(120_000)).unwrap();
    assert!(!old.exists());
}

#[test]
fn a_pass_believes_no_clock_at_first_sight() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), 20);
    let ahead = at(3000 * 24);
    for _ in 0..2 {
        let report = store.tick(ahead).unwrap();
        assert!(report.removed.waits, "{:?}", report.removed);
    }
    assert_eq!(requests(&store, TimeRange::ALL).0, 20 * 24);
    let forever = Part::ALL.into_iter().fold(Retention::default(), |r, part| r.with(part, Retention::FOREVER));
    store.set_retention(&forever).unwrap();
    assert_eq!(store.retain(ahead, Clocks::Trusted).unwrap().unwrap(), Removed::default());
    assert_eq!(forever.oldest(ahead).plus_ms(DAY_MS), Timestamp::from_millis(DAY_MS));
}

/// The events of most days are gone: their buckets come from the old database, the rest is made anew.
#[test]
fn a_database_made_anew_keeps_the_buckets_of_events_that_are_gone() {
    for zone in ["UTC", "Europe/Berlin", "Asia/Kolkata"] {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open_or_create(dir.path(), &Zone::load(zone).unwrap(), at(0)).unwrap();
        import(&store, 0..400 * 24);
        let now = at(400 * 24 + 1);
        store.tick(now).unwrap();
        store.retain(now, Clocks::Trusted).unwrap().unwrap();
        let facts = |store: &Store| {
            let info = store.info().unwrap();
            (requests(store, TimeRange::ALL), info.buckets, info.complete_from, info.raw_from, info.events_raw)
        };
        let before = facts(&store);
        let rebuilt = store.rebuild(now, &mut |_, _| ()).unwrap();
        assert_eq!((rebuilt.problems, rebuilt.events), (vec![], 7 * 24));
        assert_eq!(facts(&store), before, "{zone}");
        assert_eq!(store.verify(&mut |_| ()).unwrap().problems, []);

        // Without the old one, what the events say is all there is, and nothing else is claimed.
        fs::remove_file(store.db().path()).unwrap();
        let rebuilt = store.rebuild(now, &mut |_, _| ()).unwrap();
        assert_eq!(rebuilt.raw_from, at(393 * 24));
        assert_eq!(store.verify(&mut |_| ()).unwrap().problems, []);
        let (count, range) = requests(&store, TimeRange::ALL);
        assert!(
            range.unwrap().start >= at(393 * 24) && (6 * 24..=7 * 24).contains(&count),
            "{zone}: {count} {range:?}"
        );
    }
}

/// `cargo test -p ax-storage --test retention -- --ignored --nocapture`: what removing most of a store costs.
#[test]
#[ignore = "prints how long it takes"]
fn removing_765_000_events_takes_milliseconds() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_or_create(dir.path(), &Zone::utc(), at(0)).unwrap();
    let events = 765_000;
    let mut batch = Batch::default();
    for n in 0..events {
        let event = Event::Request(Request { provider: "claude", ..Request::default() });
        batch.push(&event, at(0).plus_ms(n * 17 * DAY_MS / events), CostSource::Recorded, "");
    }
    for day in batch.rows.chunk_by(|a, b| a.ts.utc_day() == b.ts.utc_day()) {
        let mut one = Batch { names: batch.names.clone(), rows: day.to_vec() };
        store.import().add(&mut one, 1, None).unwrap();
    }
    let now = at(17 * 24 + 1);
    store.tick(now).unwrap();
    let later = now.plus_ms(7 * DAY_MS);
    store.tick(later).unwrap();
    let watch = ax_storage::clock::Stopwatch::start();
    let removed = store.retain(later, Clocks::Trusted).unwrap().unwrap();
    println!("removed {} events and {} buckets in {:?}", removed.events, removed.buckets(), watch.elapsed());
    assert_eq!(removed.events, events);
}
