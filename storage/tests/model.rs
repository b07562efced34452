//! A store on disk against a list of events.
//!
//! Guards what every answer rests on: whatever the order in which events were recorded, imported,
//! rolled up, closed and sealed, and whoever was restarted in between, a random plan gives the numbers
//! that counting the events one by one gives. `AX_MODEL_CASES` sets how many histories are tried.

mod common;

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;

use ax_storage::Store;
use ax_storage::clock::ManualClock;
use ax_storage::journal::{JournalKind, Recorder, RecorderOptions};
use ax_storage::retention::{Clocks, Part, Removed, Retention};
use ax_storage::row::Batch;
use ax_storage::time::{Timestamp, Zone};
use common::model::{Outcome, check_answer, check_listing};
use common::random::{Event, RandomPlan, event, moment, place, plan};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// Applications that record beside each other.
const RECORDERS: usize = 2;

/// Something that happens to a store.
#[derive(Clone, Debug)]
enum Deed {
    /// An application records events, those with `true` as they happen and the others late.
    Record { recorder: usize, events: Vec<(bool, Event)> },
    /// Events come in bulk.
    Import { events: Vec<Event> },
    /// Time moves on and a pass runs.
    Tick { after: u64 },
    /// Time moves on, what is kept how long changes, and what is too old goes.
    Retain { after: u64, keep: [u64; 6] },
    /// The clock is set, to the past or the future, and a pass runs.
    Jump { to: u64 },
    /// Everything is rolled up, sealed, merged and shrunk.
    Compact,
    /// An application ends and starts again.
    Restart { recorder: usize },
    /// Everybody ends, the store is opened anew.
    Reopen,
    /// A question, and a list of so many events.
    Ask { plan: Box<RandomPlan>, newest: usize },
}

fn deed() -> impl Strategy<Value = Deed> {
    let recorder = 0..RECORDERS;
    prop_oneof![
        4 => (recorder.clone(), prop::collection::vec((prop::bool::weighted(0.8), event()), 1..60))
            .prop_map(|(recorder, events)| Deed::Record { recorder, events }),
        2 => prop::collection::vec(event(), 1..80).prop_map(|events| Deed::Import { events }),
        2 => (0..20 * MINUTE).prop_map(|after| Deed::Tick { after }),
        3 => (0..20 * HOUR).prop_map(|after| Deed::Tick { after }),
        1 => (0..3 * DAY, prop::array::uniform6(DAY..6 * DAY)).prop_map(|(after, keep)| Deed::Retain { after, keep }),
        1 => moment().prop_map(|to| Deed::Jump { to }),
        1 => Just(Deed::Compact),
        1 => recorder.prop_map(|recorder| Deed::Restart { recorder }),
        1 => Just(Deed::Reopen),
        4 => asked(),
    ]
}

fn asked() -> impl Strategy<Value = Deed> {
    (plan(), prop_oneof![0..30_usize, Just(usize::MAX)])
        .prop_map(|(plan, newest)| Deed::Ask { plan: Box::new(plan), newest })
}

/// How many plans were compared, and how many have no answer.
#[derive(Default)]
struct Tally {
    compared: Cell<u64>,
    skipped: Cell<u64>,
    /// Segments that compaction merged.
    merged: Cell<u64>,
}

/// A store, those who use it, and what it should hold.
struct World<'t> {
    dir: tempfile::TempDir,
    base: u64,
    now: Timestamp,
    clock: Arc<ManualClock>,
    store: Store,
    recorders: Vec<Recorder>,
    events: Vec<Event>,
    /// Something was removed.
    retained: bool,
    tally: &'t Tally,
}

fn recorder(store: &Store, clock: &Arc<ManualClock>) -> Recorder {
    Recorder::open(RecorderOptions {
        kind: JournalKind::Written,
        // So small that histories have several files.
        file_bytes_max: 16 << 10,
        clock: Arc::<ManualClock>::clone(clock),
        ..RecorderOptions::new(store.paths().journal_dir(), store.uuid())
    })
}

fn open(dir: &Path, zone: &Zone, now: Timestamp) -> Store {
    Store::open_or_create(dir, zone, now).unwrap()
}

impl<'t> World<'t> {
    fn new(zone: &Zone, base: u64, tally: &'t Tally) -> Self {
        // In memory where there is such a folder: a history syncs dozens of times.
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let now = Timestamp::from_millis(base);
        let clock = Arc::new(ManualClock::at(now));
        let store = open(dir.path(), zone, now);
        let recorders = (0..RECORDERS).map(|_| recorder(&store, &clock)).collect();
        Self { dir, base, now, clock, store, recorders, events: Vec::new(), retained: false, tally }
    }

    fn at(&self, after_base: Timestamp) -> Timestamp {
        after_base.plus_ms(self.base)
    }

    fn act(&mut self, deed: &Deed) -> Result<(), TestCaseError> {
        match deed {
            Deed::Record { recorder, events } => self.record(*recorder, events)?,
            Deed::Import { events } => self.import(events)?,
            Deed::Tick { after } => self.tick(self.now.plus_ms(*after))?,
            Deed::Retain { after, keep } => self.retain(self.now.plus_ms(*after), keep)?,
            Deed::Jump { to } => self.tick(Timestamp::from_millis(self.base + to))?,
            Deed::Compact => self.compact()?,
            Deed::Restart { recorder } => self.restart(*recorder),
            Deed::Reopen => {
                (0..RECORDERS).for_each(|r| self.restart(r));
                self.store = Store::open(self.dir.path()).unwrap();
            }
            Deed::Ask { plan, newest } => self.ask(plan, *newest)?,
        }
        Ok(())
    }

    fn record(&mut self, recorder: usize, events: &[(bool, Event)]) -> Result<(), TestCaseError> {
        for (happens_now, event) in events {
            let ts = if *happens_now { self.now.minus_ms(event.ts.millis() % MINUTE) } else { self.at(event.ts) };
            self.recorders[recorder].record(&event.as_input(), ts, event.source());
            self.events.push(Event { ts, ..event.clone() });
        }
        prop_assert_eq!(self.recorders[recorder].health().dropped, vec![]);
        Ok(())
    }

    fn import(&mut self, events: &[Event]) -> Result<(), TestCaseError> {
        let mut batch = Batch::default();
        for event in events {
            let ts = self.at(event.ts);
            batch.push(&event.as_input(), ts, event.source(), "");
            self.events.push(Event { ts, ..event.clone() });
        }
        let added = self.store.import().add(&mut batch, 1, None).unwrap();
        prop_assert_eq!(added.imported, events.len() as u64);
        Ok(())
    }

    fn tick(&mut self, now: Timestamp) -> Result<(), TestCaseError> {
        self.now = now;
        self.clock.set(now);
        let report = self.store.tick(now).map_err(|e| TestCaseError::fail(e.to_string()))?;
        prop_assert_eq!((report.skipped, report.problems), (false, vec![]));
        Ok(())
    }

    fn retain(&mut self, now: Timestamp, keep: &[u64; 6]) -> Result<(), TestCaseError> {
        self.tick(now)?;
        let parts = Part::ALL.into_iter().zip(keep);
        let retention = parts.fold(Retention::default(), |all, (part, ms)| all.with(part, *ms));
        self.store.set_retention(&retention).unwrap();
        let removed = self.store.retain(now, Clocks::Trusted).map_err(|e| TestCaseError::fail(e.to_string()))?.unwrap();
        self.retained |= removed != Removed::default();
        prop_assert_eq!(self.store.verify(&mut |_| ()).unwrap().problems, vec![]);
        Ok(())
    }

    fn compact(&mut self) -> Result<(), TestCaseError> {
        let plan = self.store.compaction_plan(self.now).unwrap();
        let done = self.store.compact(self.now, &mut |_| ()).map_err(|e| TestCaseError::fail(e.to_string()))?;
        prop_assert_eq!(&done.problems, &Vec::<String>::new());
        prop_assert_eq!((done.before, done.rolled_up), (plan.before, plan.rolled_up));
        let kept = done.after.events + done.removed.events;
        // Late events of days whose single events are gone are in the tiers; no segment is made of them.
        prop_assert!(kept == done.before.events || (self.retained && kept < done.before.events), "{done:?}");
        self.tally.merged.set(self.tally.merged.get() + done.merged.0);
        prop_assert_eq!(self.store.verify(&mut |_| ()).unwrap().problems, vec![]);
        Ok(())
    }

    fn restart(&mut self, at: usize) {
        // The former one ends its file before the next begins.
        self.recorders.remove(at);
        self.recorders.insert(at, recorder(&self.store, &self.clock));
    }

    fn ask(&self, plan: &RandomPlan, newest: usize) -> Result<(), TestCaseError> {
        let plan = plan.against(self.base, self.store.zone());
        let tally = match check_answer(&self.events, &plan, self.retained, self.store.run(&plan))? {
            Outcome::Compared => &self.tally.compared,
            Outcome::Skipped => &self.tally.skipped,
        };
        tally.set(tally.get() + 1);
        let raw_from = self.store.info().unwrap().raw_from;
        check_listing(self.events.iter().filter(|e| e.ts >= raw_from), &plan, newest, &mut |each| {
            self.store.events(plan.range, &plan.filter, newest, each)
        })
    }
}

#[test]
fn a_store_answers_as_a_list_of_events_would() {
    let cases = std::env::var("AX_MODEL_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000);
    let config =
        ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 500, ..ProptestConfig::default() };
    let tally = Tally::default();
    let questions = prop::collection::vec(asked(), 6);
    let histories = (place(), prop::collection::vec(deed(), 4..20), questions);
    TestRunner::new(config)
        .run(&histories, |((zone, base), deeds, questions)| {
            let mut world = World::new(&zone, base, &tally);
            deeds.iter().chain(&questions).try_for_each(|deed| world.act(deed))
        })
        .unwrap_or_else(|e| panic!("{e}"));
    let (compared, skipped) = (tally.compared.get(), tally.skipped.get());
    let merged = tally.merged.get();
    println!("{cases} histories: {compared} plans compared, {skipped} without an answer, {merged} segments merged");
    assert!(merged > 0 || cases < 50);
    assert!(compared > 4 * skipped, "{compared} plans compared, {skipped} without an answer");
}
