//! One consistent view of a store for one question.
//!
//! Journals are listed and opened first, then one snapshot of the database is taken, then the
//! segments it names are opened. A journal that the snapshot knows as sealed is skipped; the others
//! are read from its checkpoint. A segment that is gone when it is opened ends the question with
//! "not found", and [`Store::run`] asks it again; one that is still gone the last time, and one that
//! cannot be read, is named as missing.

use std::cell::{OnceCell, Ref, RefCell};

use redb::{ReadOnlyTable, ReadTransaction, ReadableTable};

use super::Store;
use super::events::journal_key;
use crate::bucket::Table;
use crate::bucket::codec::{RowKey, check_row, previous_row};
use crate::journal::{JournalError, Progress, Reader};
use crate::query::QueryError;
use crate::query::source::{EachBucket, EachRows, EachSegment, Lost, Source, Span};
use crate::row::{Batch, NameId};
use crate::tier::db::{DbError, Snapshot};
use crate::tier::schema::{META, NAMES, PROVIDERS, bucket_table};
use crate::tier::{Listed, Manifest, place};
use crate::time::{TimeRange, Timestamp, Zone};

/// Events of a journal read at once.
const CHUNK_EVENTS: u64 = 65_536;

/// A view of a store.
pub(crate) struct View<'s> {
    store: &'s Store,
    journals: RefCell<Vec<Reader>>,
    /// `None` when the database was never made.
    snapshot: Option<Snapshot>,
    manifest: Manifest,
    heads: Heads,
    names: OnceCell<ReadOnlyTable<NameId, &'static str>>,
    backlog: OnceCell<Backlog>,
    problems: RefCell<Vec<String>>,
    last_try: bool,
}

impl<'s> View<'s> {
    /// Takes a view. On the `last_try` a file that is gone is one that is lost.
    pub(crate) fn open(store: &'s Store, last_try: bool) -> Result<Self, QueryError> {
        let mut problems = Vec::new();
        // The manifest is not known yet: sealed journals are dropped below.
        let journals = store.journals(&Manifest::default(), &mut problems)?;
        Self::over(store, journals, problems, last_try)
    }

    /// The view over journals that were opened before.
    fn over(
        store: &'s Store,
        mut journals: Vec<Reader>,
        problems: Vec<String>,
        last_try: bool,
    ) -> Result<Self, QueryError> {
        let snapshot = match store.db().snapshot_with_bad_pages() {
            Ok(snapshot) => Some(snapshot),
            Err(DbError::Missing { .. }) => None,
            Err(e) => return Err(e.into()),
        };
        let manifest = match &snapshot {
            Some(snapshot) => store.db().guard(|| store.manifest_in(snapshot))?,
            None => Manifest::default(),
        };
        journals.retain(|journal| !manifest.checkpoint(journal_key(journal)).retired);
        forgotten(&journals, &manifest)?;
        let heads = match &snapshot {
            Some(snapshot) => store.db().guard(|| heads(store, snapshot))?,
            None => Heads::default(),
        };
        let (journals, problems) = (RefCell::new(journals), RefCell::new(problems));
        let (names, backlog) = (OnceCell::new(), OnceCell::new());
        Ok(Self { store, journals, snapshot, manifest, heads, names, backlog, problems, last_try })
    }

    /// What could not be read so far.
    pub(crate) fn problems(self) -> Vec<String> {
        let mut problems = self.problems.into_inner();
        let file = self.store.db().path().display();
        let bad = self.snapshot.iter().flat_map(Snapshot::bad_pages);
        problems.extend(bad.map(|bad| format!("{file} is damaged at byte {}: {bad}", bad.offset)));
        problems
    }

    /// The journals it reads.
    pub(crate) fn journals(&self) -> Ref<'_, Vec<Reader>> {
        self.journals.borrow()
    }

    /// Whether a file that is gone is one that is lost.
    pub(crate) fn is_last_try(&self) -> bool {
        self.last_try
    }

    /// What the database lists.
    pub(crate) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The snapshot, if there is a database.
    pub(crate) fn snapshot(&self) -> Option<&Snapshot> {
        self.snapshot.as_ref()
    }

    /// Events that no tier holds, read once when they are few.
    fn backlog(&self) -> Result<&Backlog, QueryError> {
        if let Some(backlog) = self.backlog.get() {
            return Ok(backlog);
        }
        let mut backlog = Backlog { kept: Some(Vec::new()), ..Backlog::default() };
        self.read_journals(TimeRange::ALL, false, &mut |batch| {
            backlog.add(batch);
            Ok(())
        })?;
        Ok(self.backlog.get_or_init(|| backlog))
    }

    fn read_journals(
        &self,
        range: TimeRange,
        rolled_up: bool,
        each: &mut dyn FnMut(&mut Batch) -> Result<(), QueryError>,
    ) -> Result<(), QueryError> {
        for journal in self.journals.borrow_mut().iter_mut() {
            let checkpoint = self.manifest.checkpoint(journal_key(journal));
            if rolled_up && !checkpoint.meets(range) {
                continue;
            }
            let (mut from, until) = if rolled_up { (0, checkpoint.offset) } else { (checkpoint.offset, u64::MAX) };
            while from < until {
                let mut batch = Batch::default();
                let progress = journal.read_until(from, until, CHUNK_EVENTS, &mut batch)?;
                self.note(journal, &progress);
                each(&mut batch)?;
                from = progress.next;
                if !progress.more {
                    break;
                }
            }
        }
        Ok(())
    }

    fn note(&self, journal: &Reader, progress: &Progress) {
        let mut problems = self.problems.borrow_mut();
        for problem in journal_problems(journal, progress) {
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        }
    }
}

/// A journal may have been sealed, unlinked and forgotten since it was opened: then nothing in the
/// snapshot says that its events are in segments, and they would count twice. It is forgotten only
/// after its name is gone, so a name that is still there after the snapshot proves the contrary.
fn forgotten(journals: &[Reader], manifest: &Manifest) -> Result<(), QueryError> {
    let unknown = journals.iter().filter(|journal| !manifest.checkpoints.contains_key(&journal_key(journal)));
    for journal in unknown {
        let file = || journal.path().display().to_string();
        std::fs::symlink_metadata(journal.path()).map_err(|cause| QueryError::Io { file: file(), cause })?;
    }
    Ok(())
}

/// Most events of a backlog that a view keeps in memory; a longer one is read again when needed.
const KEPT_ROWS: usize = 200_000;

#[derive(Default)]
struct Backlog {
    /// `None` when there are too many.
    kept: Option<Vec<Batch>>,
    extent: Option<TimeRange>,
}

impl Backlog {
    fn add(&mut self, batch: &mut Batch) {
        let times = || batch.rows.iter().map(|row| row.ts);
        if let Some((first, last)) = times().min().zip(times().max()) {
            let range = TimeRange { start: first, end: last.plus_ms(1) };
            self.extent = Some(self.extent.map_or(range, |e| both(e, range)));
        }
        if let Some(kept) = &mut self.kept {
            kept.push(std::mem::take(batch));
            if kept.iter().map(|b| b.rows.len()).sum::<usize>() > KEPT_ROWS {
                self.kept = None;
            }
        }
    }
}

fn both(a: TimeRange, b: TimeRange) -> TimeRange {
    TimeRange { start: a.start.min(b.start), end: a.end.max(b.end) }
}

/// Gaps and damage in words.
pub(crate) fn journal_problems(journal: &Reader, progress: &Progress) -> Vec<String> {
    let name = journal.path().display();
    let gaps = progress.gaps.iter().map(|g| format!("{name}: {} bytes at {} were never published", g.bytes, g.offset));
    let damage = progress.damaged.iter().map(|d| format!("{name} is damaged at {}: {}", d.offset, d.what));
    gaps.chain(damage).collect()
}

/// From where to where each table and the single events reach, and the providers with their first and
/// last event. The default is that of a store in which nothing was ever rolled up: every table is open
/// from the beginning and empty.
#[derive(Default)]
struct Heads {
    /// By position in [`Table::ALL`].
    complete_from: [Timestamp; Table::ALL.len()],
    /// Likewise.
    closed_to: [Timestamp; Table::ALL.len()],
    raw_from: Timestamp,
    providers: Vec<(Box<str>, TimeRange)>,
}

impl Heads {
    /// Nothing is left of anything before this.
    fn first(&self) -> Timestamp {
        self.complete_from.into_iter().fold(self.raw_from, Timestamp::min)
    }
}

fn heads(store: &Store, snapshot: &ReadTransaction) -> Result<Heads, DbError> {
    let db = store.db();
    let meta = snapshot.open_table(META).map_err(|e| db.error(e))?;
    let mut heads = Heads { raw_from: store.closing().raw_from(&meta)?, ..Heads::default() };
    for (at, table) in Table::ALL.into_iter().enumerate() {
        heads.complete_from[at] = store.closing().complete_from(&meta, table)?;
        heads.closed_to[at] = store.closing().closed_to(&meta, table)?;
    }
    let rows = snapshot.open_table(PROVIDERS).map_err(|e| db.error(e))?;
    for row in rows.iter().map_err(|e| db.error(e))? {
        let (name, span) = row.map_err(|e| db.error(e))?;
        let (first, last) = span.value();
        let range = TimeRange::new(Timestamp::from_millis(first), Timestamp::from_millis(last).plus_ms(1));
        heads.providers.push((name.value().into(), range));
    }
    Ok(heads)
}

impl From<DbError> for QueryError {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Damaged { path, place, what } => Self::Damaged { file: path, offset: place, what },
            DbError::Io { path, cause } => Self::Io { file: path, cause },
            error @ (DbError::TooNew { .. } | DbError::NewerFile(_)) => Self::TooNew(error.to_string()),
            error => Self::Database(error.to_string()),
        }
    }
}

impl From<JournalError> for QueryError {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Io { path, cause } => Self::Io { file: path.display().to_string(), cause },
            JournalError::Damaged { path, offset, what } => {
                Self::Damaged { file: path.display().to_string(), offset: offset.to_string(), what }
            }
            error @ JournalError::TooNew { .. } => Self::TooNew(error.to_string()),
        }
    }
}

/// Whether a file is not there: upkeep may have replaced it since the view was taken.
pub(crate) fn is_gone(error: &QueryError) -> bool {
    matches!(error, QueryError::Io { cause, .. } if cause.kind() == std::io::ErrorKind::NotFound)
}

fn lost(listed: &Listed, error: QueryError) -> Lost {
    let (first, last) = (listed.entry.min_ts, listed.entry.max_ts);
    let range = TimeRange::new(Timestamp::from_millis(first), Timestamp::from_millis(last).plus_ms(1));
    Lost { events: listed.entry.rows, range, error }
}

impl Source for View<'_> {
    fn zone(&self) -> &Zone {
        self.store.zone()
    }

    fn span(&self, table: Table) -> Span {
        let at = table.position();
        Span { complete_from: self.heads.complete_from[at], closed_to: self.heads.closed_to[at] }
    }

    fn raw_complete_from(&self) -> Timestamp {
        self.heads.raw_from
    }

    fn extent(&self) -> Result<Option<TimeRange>, QueryError> {
        let span = |first, last| TimeRange::new(Timestamp::from_millis(first), Timestamp::from_millis(last).plus_ms(1));
        let tiers = self.heads.providers.iter().map(|(_, span)| *span);
        let sealed = self.manifest.segments.iter().map(|s| span(s.entry.min_ts, s.entry.max_ts));
        let rolled_up = self.manifest.checkpoints.values().filter(|c| c.events > 0).map(|c| span(c.min_ts, c.max_ts));
        let all = tiers.chain(sealed).chain(rolled_up).chain(self.backlog()?.extent).reduce(both);
        // Whose first event is gone keeps its time; late events may be older than everything.
        let left = |range: TimeRange| range.intersect(&TimeRange { start: self.heads.first(), end: Timestamp::MAX });
        Ok(all.map(left).filter(|range| !range.is_empty()))
    }

    fn providers(&self) -> Result<Vec<Box<str>>, QueryError> {
        Ok(self.heads.providers.iter().map(|(name, _)| name.clone()).collect())
    }

    fn name(&self, id: NameId) -> Result<Box<str>, QueryError> {
        let Some(snapshot) = self.snapshot.as_ref().filter(|_| id != 0) else { return Ok("".into()) };
        let db = self.store.db();
        db.guard(|| {
            // Opened once: an answer by user asks for thousands of names.
            let names = match self.names.get() {
                Some(names) => names,
                None => {
                    let opened = snapshot.open_table(NAMES).map_err(|e| db.error(e))?;
                    self.names.get_or_init(|| opened)
                }
            };
            let name = names.get(id).map_err(|e| db.error(e))?;
            let name = name.ok_or_else(|| db.damaged("names", format!("there is no name {id}")))?;
            Ok::<_, DbError>(name.value().into())
        })
        .map_err(QueryError::from)
    }

    fn buckets(
        &self,
        table: Table,
        provider: &str,
        range: TimeRange,
        each: &mut EachBucket<'_>,
    ) -> Result<(), QueryError> {
        let Some(snapshot) = &self.snapshot else { return Ok(()) };
        let db = self.store.db();
        // What is before this is gone, and the first row that is left still points to it.
        let from = range.start.max(self.span(table).complete_from);
        db.guard(|| {
            let rows = snapshot.open_table(bucket_table(table)).map_err(|e| db.error(e))?;
            // One row more than was asked for: it says whether the last one is there.
            let keys = (provider, range.start.millis())..=(provider, u64::MAX);
            let mut last = None;
            for row in rows.range(keys).map_err(|e| db.error(e))? {
                let (key, value) = row.map_err(|e| db.error(e))?;
                let start = Timestamp::from_millis(key.value().1);
                let asked = start < range.end;
                if asked {
                    each(start, value.value())?;
                } else {
                    let key = RowKey { table, provider, start };
                    check_row(value.value(), &key)
                        .map_err(|e| db.damaged(place(table, provider, start), e.to_string()))?;
                }
                let link = previous_row(value.value(), start);
                // A link to a row that nobody asked for says nothing.
                let within = link.is_none_or(|link| link < range.end);
                if within && link.filter(|link| *link >= from) != last {
                    let what = "the row before it is not the one it was written after";
                    return Err(db.damaged(place(table, provider, start), what).into());
                }
                if !asked {
                    break;
                }
                last = Some(start);
            }
            Ok(())
        })
    }

    fn segments(&self, range: TimeRange, each: &mut EachSegment<'_>) -> Result<(), QueryError> {
        for listed in self.manifest.segments.iter().filter(|s| s.meets(range)) {
            let segment = match self.store.segment(listed) {
                Err(error) if is_gone(&error) && !self.last_try => return Err(error),
                // A later version of the program would answer.
                Err(error @ QueryError::TooNew(_)) => return Err(error),
                other => other.map_err(|error| lost(listed, error)),
            };
            each(segment)?;
        }
        Ok(())
    }

    fn journal_rows(&self, range: TimeRange, rolled_up: bool, each: &mut EachRows<'_>) -> Result<(), QueryError> {
        if !rolled_up {
            let backlog = self.backlog()?;
            if let Some(kept) = &backlog.kept {
                return kept.iter().try_for_each(|batch| each(&batch.names, &batch.rows));
            }
        }
        self.read_journals(range, rolled_up, &mut |batch| each(&batch.names, &batch.rows))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, Request};
    use crate::journal::{JournalKind, Recorder, RecorderOptions};

    /// Upkeep seals, unlinks and forgets a journal between a reader's two looks: the reader has to
    /// begin anew, or it would count the journal's events beside those of the segment.
    #[test]
    fn a_journal_sealed_after_it_was_opened_is_not_counted_beside_its_segment() {
        let dir = tempfile::tempdir().unwrap();
        let start = Timestamp::from_millis(1_762_768_800_000);
        let store = Store::open_or_create(dir.path(), &Zone::utc(), start).unwrap();
        record(&store, start);
        let journals = store.journals(&Manifest::default(), &mut Vec::new()).unwrap();
        assert_eq!(journals.len(), 1);
        let report = store.tick(start.plus_ms(400 * 24 * 3_600_000)).unwrap();
        assert_eq!((report.events, report.sealed_events), (1, 1));

        let stale = View::over(&store, journals, Vec::new(), false).err();
        assert!(matches!(stale, Some(QueryError::Io { cause, .. }) if cause.kind() == std::io::ErrorKind::NotFound));
        let plan = crate::query::plan::Plan::new(TimeRange::ALL, Zone::utc());
        assert_eq!(store.run(&plan).unwrap().all.counts.requests, 1);
    }

    /// Bits in a key can hide a row: what was asked for looks complete then, and is not.
    #[test]
    fn a_row_that_vanished_is_damage_even_to_those_who_ask_for_it_alone() {
        let dir = tempfile::tempdir().unwrap();
        let start = Timestamp::from_millis(1_762_768_800_000);
        let store = Store::open_or_create(dir.path(), &Zone::utc(), start).unwrap();
        let minute = |n: u64| start.plus_ms(n * 60_000);
        (0..5).for_each(|n| record(&store, minute(n)));
        store.tick(minute(6)).unwrap();
        let table = Table::Tier(crate::time::Tier::Minute);
        let rows = |from, to| {
            let (mut rows, range) = (0, TimeRange::new(minute(from), minute(to)));
            let counted = View::open(&store, true).unwrap().buckets(table, "claude", range, &mut |_, _| {
                rows += 1;
                Ok(())
            });
            counted.map(|()| rows).map_err(|e| e.to_string())
        };
        assert_eq!([rows(0, 9), rows(2, 3), rows(3, 9)], [Ok(5), Ok(1), Ok(2)]);
        let db = store.db();
        db.write(|transaction| {
            let mut rows = transaction.open_table(bucket_table(table)).map_err(|e| db.error(e))?;
            rows.remove(("claude", minute(2).millis())).map_err(|e| db.error(e))?;
            Ok::<_, DbError>(())
        })
        .unwrap();
        for (from, to) in [(0, 9), (2, 3), (1, 3), (0, 3)] {
            let error = rows(from, to).unwrap_err();
            assert!(error.contains("not the one it was written after"), "{from} to {to}: {error}");
        }
        assert_eq!([rows(0, 2), rows(3, 9)], [Ok(2), Ok(2)], "what is not missed is answered");
    }

    fn record(store: &Store, ts: Timestamp) {
        let recorder = Recorder::open(RecorderOptions {
            kind: JournalKind::Written,
            clock: std::sync::Arc::new(crate::clock::ManualClock::at(ts)),
            ..RecorderOptions::new(store.paths().journal_dir(), store.uuid())
        });
        let event = Event::Request(Request { provider: "claude", ..Request::default() });
        recorder.record(&event, ts, crate::event::CostSource::Recorded);
    }
}
