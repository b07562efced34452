//! Events that tell by their cost which of them a store counts, and what must be there of them after
//! the power went.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ax_storage::Store;
use ax_storage::bucket::Measure;
use ax_storage::clock::ManualClock;
use ax_storage::event::{CostSource, Event, NanoUsd, Request};
use ax_storage::import::{Consumed, ImportError};
use ax_storage::journal::{JournalKind, Recorder, RecorderOptions, list};
use ax_storage::query::plan::{Kinds, Label, Plan};
use ax_storage::row::Batch;
use ax_storage::time::{DAY_MS, HOUR_MS, TimeRange, Zone};
use ax_storage::verify::Depth;

use crate::scenario::{LATE, START, at, request};
use crate::support::Page;

const HEAD: u128 = 7;
/// Events of one batch of the import.
pub(crate) const BATCH: u64 = 12;
pub(crate) const MINUTE: u64 = 60_000;
/// Events whose costs tell them apart within one sum.
const BITS: u64 = 50;
/// Longer than a sector, so that the frame with the names can be torn.
const LONG: &str = "a-model-with-a-name-that-goes-on-and-on-and-on-and-on-and-on-and-on-and-on-and-on-and-on-and-on-and-on-and-on-\
                    and-on-and-on-and-on-and-on-and-on-and-on-and-on-and-on-and-on-and-on-and-on-and-on-and-on-and-on";

/// Who an event is from: the first recorder, the second, the import.
const SOURCES: [&str; 3] = ["first", "second", "import"];

/// What must survive: of each source, so many of its events; the backup with what it was said to hold.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Claim {
    pub(crate) store: bool,
    pub(crate) events: [u64; 3],
    pub(crate) backup: Option<[u64; 3]>,
}

/// Event `n` of a source: the costs of those of a provider are powers of two, so a sum says which are in it.
fn event(provider: &str, n: u64) -> Request<'_> {
    let model = if n % 7 == 3 { &LONG[..LONG.len() - (n as usize % 50)] } else { request(n).model };
    Request { provider, model, cost: Some(NanoUsd::from_nanos(1 << (n % BITS))), ..request(n) }
}

fn provider(source: usize, n: u64) -> String {
    format!("{}{}", SOURCES[source], n / BITS)
}

impl Claim {
    /// As a process noted it: whether the store is there, events of the first recorder, batches.
    pub(crate) fn of(page: &Page) -> Self {
        let noted = |n: usize| page[n].load(Ordering::SeqCst);
        Self { store: noted(0) > 0, events: [noted(1), 0, noted(2) * BATCH], backup: None }
    }
}

/// Records and imports such events.
#[derive(Clone, Copy)]
pub(crate) struct Writer {
    pub(crate) kind: JournalKind,
}

impl Writer {
    /// A recorder in the time of its events, with small files.
    pub(crate) fn recorder(self, store: &Store, from: u64) -> Recorder {
        Recorder::open(RecorderOptions {
            kind: self.kind,
            file_bytes_max: 16 << 10,
            clock: Arc::new(ManualClock::at(at(from))),
            ..RecorderOptions::new(store.paths().journal_dir(), store.uuid())
        })
    }

    /// Records events of a source, two a minute from `from` on.
    pub(crate) fn record(self, recorder: &Recorder, source: usize, numbers: std::ops::Range<u64>, from: u64) {
        for n in numbers {
            let provider = provider(source, n);
            recorder.record(&Event::Request(event(&provider, n)), at(from + n * MINUTE / 2), CostSource::Recorded);
        }
    }

    /// Imports a batch.
    pub(crate) fn import(self, store: &Store, batch: u64) -> Result<(), ImportError> {
        let mut rows = Batch::default();
        for n in batch * BATCH..(batch + 1) * BATCH {
            let (provider, id) = (provider(2, n), format!("id{n}"));
            let ts = at(START - DAY_MS + n * HOUR_MS / 2);
            rows.push(&Event::Request(event(&provider, n)), ts, CostSource::Recorded, &id);
        }
        let consumed = Consumed { len: batch + 1, hash: u128::from(batch) };
        store.import().add(&mut rows, HEAD, Some(consumed)).map(drop)
    }
}

pub(crate) type Checked<T> = Result<T, String>;

fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Which events the store counts, by provider, each as a bit.
fn counted(store: &Store) -> Checked<BTreeMap<String, u128>> {
    let plan = Plan {
        measures: vec![Measure::Cost],
        kinds: Kinds::REQUESTS,
        group: vec![Label::Provider],
        ..Plan::new(TimeRange::ALL, Zone::utc())
    };
    let series = store.run(&plan).map_err(said)?;
    if let Some(what) = series.missing.iter().find(|what| !what.contains(".axj")) {
        return Err(format!("missing: {what}"));
    }
    let mut found = BTreeMap::new();
    for group in series.groups.iter().filter(|group| group.total.counts.requests > 0) {
        let (bits, events) = (group.total.stats[0].sum, group.total.counts.requests);
        if u64::from(bits.count_ones()) != events {
            return Err(format!("{:?}: {events} events with a sum of {bits:b}", group.labels));
        }
        found.insert(group.labels[0].to_string(), bits);
    }
    Ok(found)
}

fn has(found: &BTreeMap<String, u128>, source: usize, n: u64) -> bool {
    found.get(&provider(source, n)).is_some_and(|bits| bits >> (n % BITS) & 1 == 1)
}

/// What was claimed is there, and of an import whole batches.
fn holds(found: &BTreeMap<String, u128>, claimed: [u64; 3]) -> Checked<()> {
    for (source, claimed) in claimed.into_iter().enumerate() {
        if let Some(n) = (0..claimed).find(|n| !has(found, source, *n)) {
            return Err(format!("event {n} of {} is lost, {claimed} were said to be safe", SOURCES[source]));
        }
    }
    let batches: Vec<u64> =
        (0..3).map(|b| (0..BATCH).filter(|n| has(found, 2, b * BATCH + n)).count() as u64).collect();
    if batches.iter().any(|n| ![0, BATCH].contains(n)) {
        return Err(format!("batches are there in part: {batches:?}"));
    }
    Ok(())
}

/// Journals may have holes where nothing was promised, until the next pass: before it, nothing else is
/// verified than what it reads; after it, everything.
fn verified(store: &Store, when: &str, holes: bool) -> Checked<()> {
    let depth = if holes { Depth::Checksums } else { Depth::Events };
    let mut problems = store.verify_to(depth, &mut |_| ()).map_err(said)?.problems;
    problems.retain(|problem| !(holes && problem.file.ends_with(".axj")));
    if problems.is_empty() { Ok(()) } else { Err(format!("{when}: {problems:?}")) }
}

/// Opens what is left, looks, lets the next pass run, and looks again.
pub(crate) fn check(folder: &Path, claim: &Claim) -> Checked<()> {
    let dir = folder.join("store");
    let store = if claim.store { Store::open(&dir) } else { Store::open_or_create(&dir, &Zone::utc(), at(START)) };
    let store = store.map_err(said)?;
    let found = counted(&store)?;
    holds(&found, claim.events)?;
    verified(&store, "at once", true)?;
    let report = store.tick(at(LATE + DAY_MS)).map_err(said)?;
    if let Some(what) = report.problems.iter().find(|what| !what.contains(".axj")) {
        return Err(format!("the next pass: {what}"));
    }
    let later = counted(&store)?;
    if later != found {
        return Err(format!("after the next pass: {later:?}, before {found:?}"));
    }
    verified(&store, "after the next pass", false)?;
    let left = list(&store.paths().journal_dir()).map_err(said)?;
    if left != Vec::<PathBuf>::new() {
        return Err(format!("not sealed: {left:?}"));
    }
    if let Some(claimed) = claim.backup {
        let backup = Store::open(&folder.join("backup")).map_err(|e| format!("backup: {e}"))?;
        holds(&counted(&backup)?, claimed).map_err(|e| format!("backup: {e}"))?;
        verified(&backup, "backup", false)?;
    }
    Ok(())
}
