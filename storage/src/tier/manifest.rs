//! What the database says exists beside it: sealed segments, and how far each journal is in the tiers.

use std::collections::BTreeMap;

use redb::ReadableTable;

use super::db::{Db, DbError};
use super::schema::{self, CHECKPOINTS, Checkpoint, SEGMENTS, SegmentEntry};
use crate::time::{TimeRange, Timestamp};

/// A journal: its recorder and its number in that recorder's life.
pub(crate) type JournalKey = (u128, u32);

/// A segment of the manifest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listed {
    /// Its UTC day.
    pub(crate) day: Timestamp,
    /// Its own id.
    pub(crate) uuid: u128,
    /// What it holds.
    pub(crate) entry: SegmentEntry,
}

impl Listed {
    /// Whether it may hold events of `range`.
    pub(crate) fn meets(&self, range: TimeRange) -> bool {
        self.entry.min_ts < range.end.millis() && self.entry.max_ts >= range.start.millis()
    }
}

/// Both lists, from one transaction.
#[derive(Clone, Debug, Default)]
pub(crate) struct Manifest {
    pub(crate) segments: Vec<Listed>,
    pub(crate) checkpoints: BTreeMap<JournalKey, Checkpoint>,
}

impl Manifest {
    /// Reads both tables.
    pub(crate) fn load(
        db: &Db,
        segments: &impl ReadableTable<(u64, u128), &'static [u8]>,
        checkpoints: &impl ReadableTable<JournalKey, &'static [u8]>,
    ) -> Result<Self, DbError> {
        let mut manifest = Self::default();
        for row in segments.iter().map_err(|e| db.error(e))? {
            let (key, value) = row.map_err(|e| db.error(e))?;
            let (day, uuid) = key.value();
            let entry = schema::decode("segments", &segment_key(day, uuid), value.value())
                .map_err(|what| db.damaged(format!("segments {uuid:032x}"), what))?;
            manifest.segments.push(Listed { day: Timestamp::from_millis(day), uuid, entry });
        }
        for row in checkpoints.iter().map_err(|e| db.error(e))? {
            let (key, value) = row.map_err(|e| db.error(e))?;
            let key = key.value();
            let checkpoint = schema::decode("checkpoints", &checkpoint_key(key), value.value())
                .map_err(|what| db.damaged(format!("checkpoints {:032x}-{}", key.0, key.1), what))?;
            manifest.checkpoints.insert(key, checkpoint);
        }
        Ok(manifest)
    }

    /// How far `journal` is in the tiers.
    pub(crate) fn checkpoint(&self, journal: JournalKey) -> Checkpoint {
        self.checkpoints.get(&journal).copied().unwrap_or_default()
    }
}

/// Writes both tables.
pub(crate) struct ManifestWriter<'t> {
    db: &'t Db,
    segments: redb::Table<'t, (u64, u128), &'static [u8]>,
    checkpoints: redb::Table<'t, JournalKey, &'static [u8]>,
}

impl<'t> ManifestWriter<'t> {
    /// Opens the tables of `transaction`.
    pub(crate) fn open(db: &'t Db, transaction: &'t redb::WriteTransaction) -> Result<Self, DbError> {
        let segments = transaction.open_table(SEGMENTS).map_err(|e| db.error(e))?;
        let checkpoints = transaction.open_table(CHECKPOINTS).map_err(|e| db.error(e))?;
        Ok(Self { db, segments, checkpoints })
    }

    /// What is in them now.
    pub(crate) fn load(&self) -> Result<Manifest, DbError> {
        Manifest::load(self.db, &self.segments, &self.checkpoints)
    }

    /// Enters a segment.
    pub(crate) fn list(&mut self, segment: &Listed) -> Result<(), DbError> {
        let key = (segment.day.millis(), segment.uuid);
        let value = schema::encode("segments", &segment_key(key.0, key.1), &segment.entry);
        self.segments.insert(key, value.as_slice()).map_err(|e| self.db.error(e))?;
        Ok(())
    }

    /// Takes out a segment that is listed as it is given.
    pub(crate) fn unlist(&mut self, segment: &Listed) -> Result<(), DbError> {
        match self.segments.remove((segment.day.millis(), segment.uuid)).map_err(|e| self.db.error(e))? {
            Some(_) => Ok(()),
            None => Err(self.db.damaged(format!("segments {:032x}", segment.uuid), "it went away during a merge")),
        }
    }

    /// Moves a journal's checkpoint on from where it was when the events were read.
    pub(crate) fn advance(&mut self, journal: JournalKey, from: Checkpoint, to: &Checkpoint) -> Result<(), DbError> {
        let now = self.load()?.checkpoint(journal);
        if now != from {
            return Err(self.db.damaged(
                format!("checkpoints {:032x}-{}", journal.0, journal.1),
                "it moved while the pass's lock was held",
            ));
        }
        self.set(journal, to)
    }

    /// Sets a journal's checkpoint.
    pub(crate) fn set(&mut self, journal: JournalKey, checkpoint: &Checkpoint) -> Result<(), DbError> {
        let value = schema::encode("checkpoints", &checkpoint_key(journal), checkpoint);
        self.checkpoints.insert(journal, value.as_slice()).map_err(|e| self.db.error(e))?;
        Ok(())
    }

    /// Forgets a journal whose file is gone for good.
    pub(crate) fn forget(&mut self, journal: JournalKey) -> Result<(), DbError> {
        self.checkpoints.remove(journal).map_err(|e| self.db.error(e))?;
        Ok(())
    }
}

fn segment_key(day: u64, uuid: u128) -> Vec<u8> {
    [day.to_le_bytes().as_slice(), &uuid.to_le_bytes()].concat()
}

fn checkpoint_key((recorder, sequence): JournalKey) -> Vec<u8> {
    [recorder.to_le_bytes().as_slice(), &sequence.to_le_bytes()].concat()
}
