//! Compaction: everything rolled up and sealed, the small segments of a day merged into one, the
//! database written anew without its holes.
//!
//! It runs under the lock of the upkeep pass, beside recorders, readers and imports. Each step is
//! one that upkeep could do as well, is kept once it is done, and may be cut short at any point.

mod merge;
mod plan;
mod rebuild;
mod salvage;

use std::collections::HashSet;

pub use rebuild::Rebuilt;

use crate::journal::JournalError;
use crate::query::QueryError;
use crate::raw::{SealError, Segment, SegmentError};
use crate::retention::Removed;
use crate::rollup::{Sealing, TickError, TickReport};
use crate::store::{Backlog, Bytes, Store};
use crate::tier::db::{DbError, Rewrite};
use crate::tier::{Listed, Manifest};
use crate::time::Timestamp;

/// Why a compaction stopped. What it did before stays, the next one goes on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompactError {
    /// The upkeep pass at the beginning.
    #[error(transparent)]
    Pass(#[from] TickError),
    /// The database.
    #[error(transparent)]
    Database(#[from] DbError),
    /// The figures before and after.
    #[error(transparent)]
    Figures(#[from] QueryError),
    /// Merging.
    #[error("cannot merge: {0}")]
    Merge(#[from] SealError),
    /// A merged segment does not hold what it should; the old ones are kept.
    #[error("{path} holds {found} events where {events} were merged; the segments it was made from are kept")]
    Wrong {
        /// The new segment.
        path: String,
        /// What it should hold.
        events: u64,
        /// What it holds.
        found: u64,
    },
    /// The system refused.
    #[error("cannot use {path}: {cause}")]
    Io {
        /// File or folder.
        path: String,
        /// What the system said.
        cause: std::io::Error,
    },
}

/// What a store takes up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Sealed segments.
    pub segments: u64,
    /// Single events: in segments and in journals.
    pub events: u64,
    /// Blocks on the medium, in bytes.
    pub bytes: Bytes,
}

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Waiting for another process's pass.
    Waiting,
    /// Rolling up, closing, sealing, retention.
    Upkeep,
    /// Merging segments.
    Merging {
        /// Events merged so far.
        done: u64,
        /// Of how many.
        of: u64,
    },
    /// Writing the database anew.
    Shrinking,
}

/// What a compaction did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compaction {
    /// Before it.
    pub before: Figures,
    /// After it. Of a plan: events as they would be, bytes unknown and as before.
    pub after: Figures,
    /// Events rolled up.
    pub rolled_up: u64,
    /// Events sealed.
    pub sealed: u64,
    /// Segments merged, and into how many.
    pub merged: (u64, u64),
    /// What retention removed.
    pub removed: Removed,
    /// The database was written anew.
    pub shrunk: bool,
    /// What stands in the way of a part of it; the rest was done.
    pub problems: Vec<String>,
}

impl Store {
    /// Does all of it. `progress` hears what is being done.
    ///
    /// # Errors
    /// See [`CompactError`].
    pub fn compact(&self, now: Timestamp, progress: &mut dyn FnMut(Step)) -> Result<Compaction, CompactError> {
        let lock = self.wait_for_pass(&mut || progress(Step::Waiting))?;
        progress(Step::Upkeep);
        self.refuse_newer()?;
        let before = self.figures()?;
        let TickReport { events, sealed_events, removed, problems, .. } = self.pass(&lock, now, Sealing::Everything)?;
        let mut done =
            Compaction { before, rolled_up: events, sealed: sealed_events, removed, problems, ..Default::default() };
        if self.db().exists() {
            self.merge_all(&mut done, progress)?;
            progress(Step::Shrinking);
            match self.db().rewrite()? {
                Rewrite::Smaller => done.shrunk = true,
                Rewrite::NotWorthIt => {}
                Rewrite::Busy => done.problems.push("not shrunk: another process was writing to the database".into()),
            }
        }
        done.after = self.figures()?;
        Ok(done)
    }

    /// What [`Store::compact`] would do at `now`; writes nothing.
    ///
    /// # Errors
    /// See [`CompactError`].
    pub fn compaction_plan(&self, now: Timestamp) -> Result<Compaction, CompactError> {
        let before = self.figures()?;
        let Backlog { events: rolled_up, .. } = self.backlog()?;
        let manifest = self.manifest_or_none()?;
        let in_segments: u64 = manifest.segments.iter().map(|s| s.entry.rows).sum();
        let removed = self.expiring(&self.retention()?, now)?;
        let mut plan = Compaction {
            before,
            after: before,
            rolled_up,
            sealed: before.events.saturating_sub(in_segments),
            removed,
            ..Default::default()
        };
        for group in plan::merges(&manifest.segments) {
            plan.merged.0 += group.len() as u64;
            plan.merged.1 += 1;
        }
        plan.after.segments -= plan.merged.0 - plan.merged.1;
        plan.after.events -= plan.removed.events;
        Ok(plan)
    }

    /// Before anything is changed: what a later version made is not for this one to take apart.
    fn refuse_newer(&self) -> Result<(), CompactError> {
        if let Err(error @ DbError::TooNew { .. }) = self.db().snapshot() {
            return Err(error.into());
        }
        if let Err(error @ JournalError::TooNew { .. }) = self.journals(&Manifest::default(), &mut Vec::new()) {
            return Err(TickError::from(error).into());
        }
        for path in self.segment_files().unwrap_or_default() {
            if let Err(error @ SegmentError::TooNew { .. }) = Segment::open(&path, self.uuid()) {
                return Err(QueryError::from(error).into());
            }
        }
        Ok(())
    }

    fn merge_all(&self, done: &mut Compaction, progress: &mut dyn FnMut(Step)) -> Result<(), CompactError> {
        let mut unreadable: HashSet<u128> = HashSet::new();
        let mut merged = 0;
        loop {
            let manifest = self.manifest()?;
            let readable = manifest.segments.iter().filter(|s| !unreadable.contains(&s.uuid));
            let groups = plan::merges(readable);
            if groups.is_empty() {
                return Ok(());
            }
            let events = |group: &[Listed]| group.iter().map(|s| s.entry.rows).sum::<u64>();
            let of = merged + groups.iter().map(|g| events(g)).sum::<u64>();
            for group in groups {
                progress(Step::Merging { done: merged, of });
                match self.merge_segments(&group) {
                    // Damage of one day is no reason to leave the others as they are.
                    Err(CompactError::Merge(SealError::Source(error))) => {
                        unreadable.extend(group.iter().map(|s| s.uuid));
                        done.problems.push(format!("not merged: {error}"));
                        continue;
                    }
                    other => other?,
                }
                merged += events(&group);
                done.merged.0 += group.len() as u64;
                done.merged.1 += 1;
            }
        }
    }

    fn figures(&self) -> Result<Figures, CompactError> {
        let info = self.info()?;
        let segments = self.manifest_or_none()?.segments.len() as u64;
        Ok(Figures { segments, events: info.events_raw, bytes: info.bytes })
    }

    fn manifest_or_none(&self) -> Result<Manifest, DbError> {
        match self.manifest() {
            Err(DbError::Missing { .. }) => Ok(Manifest::default()),
            other => other,
        }
    }
}
