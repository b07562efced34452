//! The upkeep pass: rolls up what journals hold beyond their checkpoints, closes what is over,
//! seals finished journals, removes what is too old. Any process may run it; the lock on `store.id` lets one do it.

use std::fs::{File, FileTimes};
use std::time::{Duration, SystemTime};

use super::apply::Tiers;
use crate::clock::Stopwatch;
use crate::fs;
use crate::journal::JournalError;
use crate::retention::{Clocks, Removed, RetentionError};
use crate::row::{Batch, PART_ROWS};
use crate::store::{Store, journal_key, journal_problems};
use crate::tier::db::DbError;
use crate::tier::schema::Checkpoint;
use crate::tier::{JournalKey, Manifest, ManifestWriter};
use crate::time::Timestamp;

/// A pass that ended less than this ago need not be repeated.
const FRESH_MS: u64 = 50_000;
/// How long another process's pass is waited for by those who need the lock.
const PASS_WAIT: Duration = Duration::from_secs(30);
/// How often it is looked after.
const PASS_POLL: Duration = Duration::from_millis(20);

/// Which finished journals a pass seals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sealing {
    /// Those that make a segment of a good size, or have waited long enough.
    WhenWorthIt,
    /// All of them.
    Everything,
}

/// What a pass did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TickReport {
    /// Nothing was done: another process is at it, or did it just now.
    pub skipped: bool,
    /// Events rolled up.
    pub events: u64,
    /// Bucket rows written.
    pub buckets: u64,
    /// Events sealed into segments.
    pub sealed_events: u64,
    /// What retention removed.
    pub removed: Removed,
    /// Time spent on rolling up, closing, sealing and retention.
    pub took: [Duration; 3],
    /// Damage in journals, each with file and offset; what could be read was taken.
    pub problems: Vec<String>,
}

/// Why a pass failed. The next one takes up where the last commit left.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TickError {
    /// The database.
    #[error(transparent)]
    Database(#[from] DbError),
    /// A file.
    #[error("cannot use {path}: {cause}")]
    Io {
        /// The file.
        path: String,
        /// What the system said.
        cause: std::io::Error,
    },
    /// A journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Sealing.
    #[error("cannot seal: {0}")]
    Seal(String),
    /// Another process is in a pass and does not end it.
    #[error("another process{} is at the upkeep of this store", .who.as_deref().map(|w| format!(", {w},")).unwrap_or_default())]
    Busy {
        /// Its number and name, if the system tells.
        who: Option<String>,
    },
}

impl From<RetentionError> for TickError {
    fn from(error: RetentionError) -> Self {
        match error {
            RetentionError::Database(error) => Self::Database(error),
            RetentionError::Io { path, cause } => Self::Io { path, cause },
        }
    }
}

impl Store {
    /// Runs one pass, unless another process is in one.
    ///
    /// # Errors
    /// What stopped it; everything committed before stays.
    pub fn tick(&self, now: Timestamp) -> Result<TickReport, TickError> {
        match self.lock_pass()? {
            Some(lock) => self.pass(&lock, now, Sealing::WhenWorthIt),
            None => Ok(TickReport { skipped: true, ..TickReport::default() }),
        }
    }

    /// The pass itself, whose lock the caller holds.
    pub(crate) fn pass(&self, lock: &File, now: Timestamp, sealing: Sealing) -> Result<TickReport, TickError> {
        let mut report = TickReport::default();
        let watch = Stopwatch::start();
        while self.roll_up(&mut report)? {}
        report.took[0] = watch.elapsed();
        if self.db().exists() {
            match self.close_due(now) {
                Ok(rows) => report.buckets += rows,
                // What is folded from these events stays open; all else goes on.
                Err(damaged @ DbError::Damaged { .. }) => report.problems.push(damaged.to_string()),
                Err(other) => return Err(other.into()),
            }
            report.took[1] = watch.elapsed() - report.took[0];
            self.seal_finished(now, sealing, &mut report)?;
            self.remove_unfinished()?;
            report.removed = self.retain_if_due(now, Clocks::Checked)?;
            report.took[2] = watch.elapsed() - report.took[0] - report.took[1];
        }
        self.note_pass(lock, now)?;
        Ok(report)
    }

    /// Runs one pass, unless another process is in one or ended one within the last 50 seconds.
    ///
    /// # Errors
    /// See [`Store::tick`].
    pub fn tick_if_due(&self, now: Timestamp) -> Result<TickReport, TickError> {
        match self.last_tick() {
            Some(last) if last <= now && now.since(last) < FRESH_MS => {
                Ok(TickReport { skipped: true, ..TickReport::default() })
            }
            _ => self.tick(now),
        }
    }

    /// Removes what is older than the settings allow; `None` when another process is in a pass.
    ///
    /// # Errors
    /// What stopped it. Nothing is removed in part: a question gets all of a time or is told that it
    /// is gone.
    pub fn retain(&self, now: Timestamp, clocks: Clocks) -> Result<Option<Removed>, TickError> {
        match self.lock_pass()? {
            Some(_lock) if self.db().exists() => Ok(Some(self.retain_if_due(now, clocks)?)),
            Some(_) => Ok(Some(Removed::default())),
            None => Ok(None),
        }
    }

    /// When the last pass ended, by the clock it was given.
    pub fn last_tick(&self) -> Option<Timestamp> {
        let modified = std::fs::metadata(self.paths().store_id()).and_then(|m| m.modified()).ok()?;
        let since = modified.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        let last = Timestamp::from_millis(u64::try_from(since.as_millis()).ok()?);
        // A new store's file is dated 1970.
        (last > Timestamp::MIN).then_some(last)
    }

    /// Takes the lock that lets one process at a time do the upkeep; `None` when another has it.
    pub(crate) fn lock_pass(&self) -> Result<Option<File>, TickError> {
        let path = self.paths().store_id();
        let file = fs::open_read(&path).map_err(|e| io(&path, e))?;
        Ok(fs::try_lock(&file).map_err(|e| io(&path, e))?.then_some(file))
    }

    /// The same, waiting for another process's pass to end; `waiting` hears of it.
    pub(crate) fn wait_for_pass(&self, waiting: &mut dyn FnMut()) -> Result<File, TickError> {
        let watch = Stopwatch::start();
        loop {
            if let Some(lock) = self.lock_pass()? {
                return Ok(lock);
            }
            if watch.elapsed() > PASS_WAIT {
                return Err(TickError::Busy { who: fs::lock_holder(&self.paths().store_id()) });
            }
            waiting();
            std::thread::sleep(PASS_POLL);
        }
    }

    /// The time goes into the modification time of `store.id`, so an idle pass writes no file.
    fn note_pass(&self, lock: &File, now: Timestamp) -> Result<(), TickError> {
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(now.millis());
        fs::set_times(lock, FileTimes::new().set_modified(at)).map_err(|e| io(&self.paths().store_id(), e))
    }

    /// Rolls up what journals hold beyond their checkpoints.
    pub(crate) fn roll_up_all(&self) -> Result<TickReport, TickError> {
        let mut report = TickReport::default();
        while self.roll_up(&mut report)? {}
        Ok(report)
    }

    /// Rolls up a batch of events in one transaction: whether there may be more.
    fn roll_up(&self, report: &mut TickReport) -> Result<bool, TickError> {
        let known = match self.manifest() {
            Err(DbError::Missing { .. }) => Manifest::default(),
            other => other?,
        };
        let mut batch = Batch::default();
        let mut moved: Vec<(JournalKey, Checkpoint)> = Vec::new();
        for mut journal in self.journals(&known, &mut report.problems)? {
            let before = known.checkpoint(journal_key(&journal));
            let first = batch.rows.len();
            let mut next = before.offset;
            loop {
                let progress = journal.read(next, PART_ROWS as u64, &mut batch)?;
                report.problems.extend(journal_problems(&journal, &progress));
                next = progress.next;
                if !progress.more || batch.is_full() {
                    break;
                }
            }
            if next == before.offset {
                continue;
            }
            // What the tiers hold must not be lost by the journal in a power failure: it would be
            // recorded anew at the same offsets and then skipped.
            journal.sync()?;
            moved.push((journal_key(&journal), advance(before, next, &batch.rows[first..])));
            if batch.is_full() {
                break;
            }
        }
        if moved.is_empty() {
            return Ok(false);
        }
        // Its name neither: who records need not have flushed.
        if moved.iter().any(|(key, _)| !known.checkpoints.contains_key(key)) {
            let dir = self.paths().journal_dir();
            fs::sync_dir(&dir).map_err(|e| io(&dir, e))?;
        }
        batch.rows.sort_by_key(|row| row.ts);
        let rows = self.db().write(|transaction| {
            let mut manifest = ManifestWriter::open(self.db(), transaction)?;
            for (journal, checkpoint) in &moved {
                manifest.advance(*journal, known.checkpoint(*journal), checkpoint)?;
            }
            let mut tiers = Tiers::open(self, transaction)?;
            tiers.apply(&batch.names, &batch.rows)?;
            tiers.finish()
        })?;
        report.buckets += rows;
        report.events += batch.rows.len() as u64;
        Ok(batch.is_full())
    }
}

fn advance(before: Checkpoint, offset: u64, rows: &[crate::row::Row]) -> Checkpoint {
    let times = rows.iter().map(|r| r.ts.millis());
    let (min, max) = times.fold((u64::MAX, 0), |(min, max), t| (min.min(t), max.max(t)));
    Checkpoint {
        offset,
        events: before.events + rows.len() as u64,
        min_ts: if before.events == 0 { min } else { before.min_ts.min(min) },
        max_ts: before.max_ts.max(max),
        retired: false,
    }
}

pub(super) fn io(path: &std::path::Path, cause: std::io::Error) -> TickError {
    TickError::Io { path: path.display().to_string(), cause }
}
