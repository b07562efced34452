//! The events that tiers hold already: sealed segments, and journals up to their checkpoints.

use redb::{ReadTransaction, WriteTransaction};

use super::Store;
use crate::journal::{JournalError, Reader, list};
use crate::query::QueryError;
use crate::raw::Scratch;
use crate::row::{Batch, Names, PART_ROWS, Row};
use crate::tier::db::DbError;
use crate::tier::schema::{CHECKPOINTS, Checkpoint, SEGMENTS};
use crate::tier::{JournalKey, Manifest, ManifestWriter};
use crate::time::{TimeRange, Timestamp};

/// Receives names and rows.
pub(crate) type EachRows<'a, E> = dyn FnMut(&Names, &[Row]) -> Result<(), E> + 'a;

impl Store {
    /// The journals in the directory but for those whose events are sealed, and what is wrong with
    /// the others that could not be opened.
    ///
    /// # Errors
    /// When there is no telling what is in the directory, or a later version writes there.
    pub(crate) fn journals(
        &self,
        manifest: &Manifest,
        problems: &mut Vec<String>,
    ) -> Result<Vec<Reader>, JournalError> {
        let mut journals = Vec::new();
        let dir = self.paths().journal_dir();
        for path in list(&dir).map_err(|cause| JournalError::Io { path: dir, cause })? {
            match Reader::open(&path) {
                Ok(journal) if !journal.belongs_to(self.uuid()) => {
                    problems.push(format!("{} belongs to another store", path.display()));
                }
                Ok(journal) if manifest.checkpoint(journal_key(&journal)).retired => {}
                Ok(journal) => journals.push(journal),
                // Sealed and removed since the directory was listed.
                Err(JournalError::Io { cause, .. }) if cause.kind() == std::io::ErrorKind::NotFound => {}
                Err(error @ JournalError::TooNew { .. }) => return Err(error),
                Err(error) => problems.push(error.to_string()),
            }
        }
        Ok(journals)
    }

    /// Manifest and checkpoints as last committed.
    pub(crate) fn manifest(&self) -> Result<Manifest, DbError> {
        self.db().read(|transaction| self.manifest_in(transaction))
    }

    /// Manifest and checkpoints of a snapshot.
    pub(crate) fn manifest_in(&self, transaction: &ReadTransaction) -> Result<Manifest, DbError> {
        let segments = transaction.open_table(SEGMENTS).map_err(|e| self.db().error(e))?;
        let checkpoints = transaction.open_table(CHECKPOINTS).map_err(|e| self.db().error(e))?;
        Manifest::load(self.db(), &segments, &checkpoints)
    }
}

/// Key of a journal in the database.
pub(crate) fn journal_key(journal: &Reader) -> JournalKey {
    (journal.id().recorder, journal.id().sequence)
}

/// The events in the tiers at one moment: what a bucket folded from events must hold.
pub(crate) struct RolledUp<'s> {
    store: &'s Store,
    manifest: Manifest,
    /// Of files whose last event is before this what can be read is enough.
    given_up: Timestamp,
}

impl<'s> RolledUp<'s> {
    /// As a write transaction sees them.
    pub(crate) fn within(store: &'s Store, transaction: &WriteTransaction) -> Result<Self, DbError> {
        Ok(Self::of(store, ManifestWriter::open(store.db(), transaction)?.load()?))
    }

    /// The same, for which damage in files whose last event is before `given_up` is no error.
    pub(crate) fn giving_up(self, given_up: Timestamp) -> Self {
        Self { given_up, ..self }
    }

    /// As `manifest` lists them. Journals are looked up anew: beside a view read those that it opened.
    pub(crate) fn of(store: &'s Store, manifest: Manifest) -> Self {
        Self { store, manifest, given_up: Timestamp::MIN }
    }

    /// Hands all events of `range` to `each` in chunks sorted by time: whether some were given up.
    ///
    /// # Errors
    /// Damaged or unreadable files: a sum without their events would be wrong.
    pub(crate) fn each(&self, range: TimeRange, each: &mut EachRows<'_, DbError>) -> Result<bool, DbError> {
        let sealed = self.each_sealed(range, each)?;
        Ok(self.each_in_journals(range, each)? || sealed)
    }

    /// Nothing, where a file with events up to `max_ts` is past saving and given up.
    fn give_up(&self, max_ts: u64, error: DbError) -> Result<(), DbError> {
        match error {
            DbError::Damaged { .. } if max_ts < self.given_up.millis() => Ok(()),
            DbError::Io { ref cause, .. }
                if cause.kind() == std::io::ErrorKind::NotFound && max_ts < self.given_up.millis() =>
            {
                Ok(())
            }
            other => Err(other),
        }
    }

    /// The part of them that segments hold.
    pub(crate) fn each_sealed(&self, range: TimeRange, each: &mut EachRows<'_, DbError>) -> Result<bool, DbError> {
        let mut lost = false;
        for listed in self.manifest.segments.iter().filter(|s| s.meets(range)) {
            let segment = match self.store.segment(listed).map_err(unreadable) {
                Ok(segment) => segment,
                Err(error) => {
                    self.give_up(listed.entry.max_ts, error)?;
                    lost = true;
                    continue;
                }
            };
            let mut batch = Batch::default();
            let mut scratch = Scratch::default();
            for (index, block) in segment.blocks().iter().enumerate() {
                if block.min_ts >= range.end || block.max_ts < range.start {
                    continue;
                }
                let whole = batch.rows.len();
                if let Err(error) = segment.rows(index, &mut scratch, &mut batch) {
                    self.give_up(listed.entry.max_ts, unreadable(error.into()))?;
                    batch.rows.truncate(whole);
                    lost = true;
                }
                if batch.is_full() {
                    hand_on(&mut batch, range, each)?;
                }
            }
            hand_on(&mut batch, range, each)?;
        }
        Ok(lost)
    }

    fn each_in_journals(&self, range: TimeRange, each: &mut EachRows<'_, DbError>) -> Result<bool, DbError> {
        let mut lost = false;
        let (dir, mut problems) = (self.store.paths().journal_dir(), Vec::new());
        let mut journals = self.store.journals(&self.manifest, &mut problems).map_err(|e| unreadable(e.into()))?;
        for (key, checkpoint) in &self.manifest.checkpoints {
            if checkpoint.retired || checkpoint.events == 0 || !checkpoint.meets(range) {
                continue;
            }
            let Some(journal) = journals.iter_mut().find(|journal| journal_key(journal) == *key) else {
                let (name, why) = (format!("{:032x}-{:06}", key.0, key.1), problems.join("; "));
                let what = if why.is_empty() { "the journal is gone".into() } else { why };
                let error = DbError::Damaged { path: dir.display().to_string(), place: name, what };
                self.give_up(checkpoint.max_ts, error)?;
                lost = true;
                continue;
            };
            let mut batch = Batch::default();
            let complete = rolled_up(journal, *checkpoint, PART_ROWS, &mut batch, &mut |batch| {
                if batch.is_full() { hand_on(batch, range, each) } else { Ok(()) }
            })?;
            hand_on(&mut batch, range, each)?;
            if let Err(error) = complete {
                // What could be read was handed on.
                self.give_up(checkpoint.max_ts, unreadable(error))?;
                lost = true;
            }
        }
        Ok(lost)
    }
}

/// Reads the events of a journal that the tiers hold, into `batch`, and hands this to `each` after at most
/// `rows_max` of them and at the end; `each` may empty it. The answer says whether all of them were there:
/// what could be read was handed on.
///
/// # Errors
/// What `each` says.
pub(crate) fn rolled_up<E>(
    journal: &mut Reader,
    checkpoint: Checkpoint,
    rows_max: usize,
    batch: &mut Batch,
    each: &mut dyn FnMut(&mut Batch) -> Result<(), E>,
) -> Result<Result<(), QueryError>, E> {
    let (mut from, mut events, mut bad) = (0, 0, None);
    loop {
        let most = (checkpoint.events - events).min(rows_max as u64);
        let read = journal.read_until(from, checkpoint.offset, most, batch);
        each(batch)?;
        let progress = match read {
            Ok(progress) => progress,
            Err(error) => return Ok(Err(error.into())),
        };
        events += progress.events;
        bad = bad.or(progress.damaged.first().map(|d| d.offset));
        from = progress.next;
        if !progress.more || events == checkpoint.events {
            break;
        }
    }
    if events == checkpoint.events {
        return Ok(Ok(()));
    }
    Ok(Err(QueryError::Damaged {
        file: journal.path().display().to_string(),
        offset: bad.unwrap_or(from).to_string(),
        what: format!("{events} of the {} events that were rolled up can be read", checkpoint.events),
    }))
}

fn unreadable(error: QueryError) -> DbError {
    match error {
        QueryError::Io { file, cause } => DbError::Io { path: file, cause },
        QueryError::Damaged { file, offset, what } => DbError::Damaged { path: file, place: offset, what },
        QueryError::TooNew(what) => DbError::NewerFile(what),
        other => {
            DbError::Damaged { path: "a file of events".into(), place: "its head".into(), what: other.to_string() }
        }
    }
}

fn hand_on(batch: &mut Batch, range: TimeRange, each: &mut EachRows<'_, DbError>) -> Result<(), DbError> {
    batch.rows.retain(|row| range.contains(row.ts));
    batch.rows.sort_by_key(|row| row.ts);
    if !batch.rows.is_empty() {
        each(&batch.names, &batch.rows)?;
    }
    // The names too: those of all chunks together have no bound.
    *batch = Batch::default();
    Ok(())
}
