//! A short life of a store with everything in it that writes, and what must be there after it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ax_storage::Store;
use ax_storage::bucket::Measure;
use ax_storage::clock::ManualClock;
use ax_storage::event::{CostSource, Event, NanoUsd, Outcome, Request, Tokens};
use ax_storage::import::Consumed;
use ax_storage::journal::{JournalKind, Recorder, RecorderOptions, list};
use ax_storage::query::plan::{Filter, Kinds, Label, Plan};
use ax_storage::retention::{Clocks, Part, Retention};
use ax_storage::row::Batch;
use ax_storage::time::{DAY_MS, HOUR_MS, TimeRange, Timestamp, Zone};

/// 2025-11-10T10:00:00Z.
pub(crate) const START: u64 = 1_762_768_800_000;
const HEAD: u128 = 7;
/// Events of one batch of the import.
pub(crate) const BATCH: u64 = 30;
const BATCHES: u64 = 2;
/// Events the first recorder records, and the second.
const RECORDED: [u64; 2] = [40, 25];
/// Long after everything.
pub(crate) const LATE: u64 = START + 40 * DAY_MS;

pub(crate) fn at(ms: u64) -> Timestamp {
    Timestamp::from_millis(ms)
}

/// The cost of event `n`, in nano-dollars: sums tell which events are there.
pub(crate) fn cost(n: u64) -> u64 {
    1_000_000 + n * n
}

pub(crate) fn request(n: u64) -> Request<'static> {
    Request {
        provider: ["claude", "openai", "gemini"][(n % 3) as usize],
        model: if n.is_multiple_of(2) { "small" } else { "large" },
        user: if n.is_multiple_of(5) { "alice" } else { "bob" },
        latency: Some(Duration::from_micros(1000 + n * 7919 % 90_000)),
        tokens: Tokens { input: n % 1000, output: n % 77, ..Tokens::default() },
        cost: Some(NanoUsd::from_nanos(cost(n))),
        outcome: if n.is_multiple_of(10) { Outcome::Error("overloaded") } else { Outcome::Ok },
        ..Request::default()
    }
}

/// How many events there are, and what they cost together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) events: u64,
    pub(crate) cost: u128,
}

impl Totals {
    pub(crate) fn add(&mut self, n: u64) {
        self.events += 1;
        self.cost += u128::from(cost(n));
    }

    pub(crate) fn of(numbers: impl IntoIterator<Item = u64>) -> Self {
        let mut totals = Self::default();
        numbers.into_iter().for_each(|n| totals.add(n));
        totals
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        Self { events: self.events + other.events, cost: self.cost + other.cost }
    }
}

/// What the store answers: from tiers, and the same by user, which other files know.
pub(crate) fn ask(store: &Store) -> Totals {
    let (measures, kinds) = (vec![Measure::Cost], Kinds::REQUESTS);
    let plan = Plan { measures, kinds, ..Plan::new(TimeRange::ALL, Zone::utc()) };
    let series = store.run(&plan).unwrap();
    assert_eq!(series.missing, Vec::<String>::new());
    let by_model = store.run(&Plan { group: vec![Label::Provider, Label::Model], ..plan.clone() }).unwrap();
    let bob = store.run(&Plan { filter: Filter::In(Label::Model, vec!["small".into()]), ..plan }).unwrap();
    let whole = Totals { events: series.all.counts.requests, cost: series.all.stats[0].sum };
    let groups = by_model.groups.iter().fold(Totals::default(), |sum, group| {
        sum.plus(Totals { events: group.total.counts.requests, cost: group.total.stats[0].sum })
    });
    assert_eq!(whole, groups, "the groups are the whole");
    assert!(bob.all.counts.requests <= whole.events);
    whole
}

/// Numbers of events that were recorded for certain: `record` returned and nothing was dropped.
pub(crate) struct Life<'a> {
    dir: PathBuf,
    kind: JournalKind,
    /// Events acknowledged by each of the two recorders.
    acknowledged: &'a [AtomicU64],
}

/// Why it did not go on.
pub(crate) type Refused = Box<dyn std::error::Error>;

impl<'a> Life<'a> {
    pub(crate) fn new(dir: &Path, kind: JournalKind, acknowledged: &'a [AtomicU64]) -> Self {
        Self { dir: dir.to_owned(), kind, acknowledged }
    }

    pub(crate) fn open(&self) -> Result<Store, Refused> {
        Ok(Store::open_or_create(&self.dir, &Zone::utc(), at(START))?)
    }

    /// A recorder in the time of its events.
    fn record(&self, store: &Store, which: usize, from: u64) -> Recorder {
        let recorder = Recorder::open(RecorderOptions {
            kind: self.kind,
            file_bytes_max: 16 << 10,
            clock: Arc::new(ManualClock::at(at(from))),
            ..RecorderOptions::new(store.paths().journal_dir(), store.uuid())
        });
        let first = which as u64 * 1000;
        for n in first..first + RECORDED[which] {
            let before = recorder.health().recorded;
            let request = request(n);
            recorder.record(&Event::Request(request), at(from + (n - first) * 61_000), CostSource::Recorded);
            if recorder.health().recorded > before {
                // A bit for each: which of them are there.
                self.acknowledged[which].fetch_or(1 << (n - first), Ordering::SeqCst);
            }
        }
        recorder
    }

    /// Takes what is left of the input, as an importer does.
    pub(crate) fn import(&self, store: &Store, batches: u64) -> Result<(), Refused> {
        let mut import = store.import();
        let done = import.remembered(HEAD)?.last().map_or(0, |c| c.len);
        for batch in done..batches {
            let mut rows = Batch::default();
            for n in (10_000 + batch * BATCH)..(10_000 + (batch + 1) * BATCH) {
                let ts = at(START - DAY_MS + (n - 10_000) * HOUR_MS / 2);
                rows.push(&Event::Request(request(n)), ts, CostSource::Recorded, if n % 2 == 0 { "id" } else { "" });
            }
            let consumed = Consumed { len: batch + 1, hash: u128::from(batch) };
            import.add(&mut rows, HEAD, Some(consumed))?;
        }
        Ok(())
    }

    /// Everything that writes, one after the other.
    pub(crate) fn live(&self) -> Result<(), Refused> {
        let store = self.open()?;
        let first = self.record(&store, 0, START);
        first.flush()?;
        store.tick(at(START + 10 * 60_000))?;
        self.import(&store, 1)?;
        let second = self.record(&store, 1, START + HOUR_MS);
        drop(first);
        store.tick(at(START + 3 * HOUR_MS))?;
        drop(second);
        self.import(&store, BATCHES)?;
        store.tick(at(START + 2 * DAY_MS))?;
        store.compact(at(START + 2 * DAY_MS + HOUR_MS), &mut |_| ())?;
        store.set_retention(&self.retention())?;
        store.retain(at(LATE), Clocks::Trusted)?;
        store.tick(at(LATE))?;
        Ok(())
    }

    /// Single events and fine buckets go soon, days stay.
    fn retention(&self) -> Retention {
        Retention::default().with(Part::Raw, DAY_MS).with(Part::Minute, DAY_MS).with(Part::FiveMinutes, DAY_MS)
    }

    /// What was recorded for certain.
    pub(crate) fn sure(&self) -> Totals {
        let of = |which: usize| {
            let bits = self.acknowledged[which].load(Ordering::SeqCst);
            Totals::of((0..64).filter(|bit| bits >> bit & 1 == 1).map(|bit| which as u64 * 1000 + bit))
        };
        of(0).plus(of(1))
    }

    /// The event that may have been under way when the process ended.
    fn under_way(&self) -> Option<u64> {
        (0..2).find_map(|which| {
            let done = u64::from(self.acknowledged[which].load(Ordering::SeqCst).count_ones());
            (done < RECORDED[which]).then_some(which as u64 * 1000 + done)
        })
    }

    fn imported(&self, store: &Store) -> Totals {
        let done = store.import().remembered(HEAD).unwrap().last().map_or(0, |c| c.len);
        Totals::of((0..done * BATCH).filter(|n| self.counts(*n)).map(|n| 10_000 + n))
    }

    /// Of the events with the one id, the first of each provider counts.
    fn counts(&self, n: u64) -> bool {
        n % 2 == 1 || n < 6
    }

    /// After whatever happened, without any repair by hand: the next pass, and everything is there,
    /// once; then the rest of the life goes on as if nothing had been.
    pub(crate) fn check(&self, killed: bool) {
        let store = self.open().unwrap();
        let now = ask(&store);
        let sure = self.sure().plus(self.imported(&store));
        let more = self.under_way().filter(|_| killed).map(|n| sure.plus(Totals::of([n])));
        assert!(now == sure || Some(now) == more, "at once: {now:?}, sure {sure:?}, with the one under way {more:?}");
        let problems = store.verify(&mut |_| ()).unwrap().problems;
        assert_eq!(problems, []);
        store.tick(at(LATE + DAY_MS)).unwrap();
        self.import(&store, BATCHES).unwrap();
        store.tick(at(LATE + 2 * DAY_MS)).unwrap();
        let all = Totals::of((0..BATCHES * BATCH).filter(|n| self.counts(*n)).map(|n| 10_000 + n));
        let extra = if Some(now) == more && now != sure { self.under_way() } else { None };
        assert_eq!(ask(&store), self.sure().plus(all).plus(Totals::of(extra)), "after the next pass");
        assert_eq!(store.verify(&mut |_| ()).unwrap().problems, []);
        assert_eq!(store.info().unwrap().backlog_events, 0);
        assert_eq!(list(&store.paths().journal_dir()).unwrap(), Vec::<PathBuf>::new(), "everything is sealed");
    }
}
