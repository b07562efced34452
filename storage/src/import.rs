//! Bulk import: batches go straight into sealed segments and tiers, never through a journal.
//!
//! Each batch is one transaction with its segments' manifest entries, its event ids and how much of
//! the input it consumed: after a crash an import continues where the last batch ended.

use std::sync::mpsc::sync_channel;

use redb::{ReadableTable, WriteTransaction};

use crate::raw::{self, Sources};
use crate::rollup::{Tiers, listed, seal_days};
use crate::row::{Batch, Row};
use crate::store::Store;
use crate::tier::ManifestWriter;
use crate::tier::db::{Db, DbError};
use crate::tier::schema::{CONSUMED, META, SEEN_DAYS, SEEN_IDS};
use crate::time::{DAY_MS, Timestamp};

/// What an import read of an input: its length and the 128-bit hash of that much of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Consumed {
    /// Bytes, decompressed.
    pub len: u64,
    /// Hash of the first `len` bytes.
    pub hash: u128,
}

/// How much of an input is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Note {
    /// What the input is looked up by.
    pub head: u128,
    /// How much of it.
    pub consumed: Consumed,
}

/// Something else than an event's id that an import remembers as long as ids: a name that several events share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mark {
    /// Of provider and name, as of an event's id.
    fingerprint: u128,
    /// The event's day.
    day: u32,
}

impl Mark {
    /// The mark of an event at `at`. `name` must be none that an event's id can be.
    pub fn new(provider: &str, name: &str, at: Timestamp) -> Self {
        Self { fingerprint: fingerprint(provider, name), day: day_number(at) }
    }
}

/// What became of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Added {
    /// Events that are in the store now.
    pub imported: u64,
    /// Events left out because their id is there already.
    pub duplicates: u64,
    /// Their positions in the batch.
    pub duplicate_rows: Vec<u32>,
}

/// Why a batch was not taken. Nothing of it is in the store then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The database.
    #[error(transparent)]
    Database(#[from] DbError),
    /// A segment could not be written.
    #[error(transparent)]
    Seal(#[from] raw::SealError),
}

/// A running import: input after input, batch after batch.
#[derive(Debug)]
pub struct Import<'s> {
    store: &'s Store,
    /// What the last batch of the current input noted; the next one replaces it.
    noted: Option<(u128, u128)>,
}

impl Store {
    /// Begins an import.
    pub fn import(&self) -> Import<'_> {
        Import { store: self, noted: None }
    }
}

impl Import<'_> {
    /// Begins an input: what earlier imports consumed of inputs that begin like it. `head` names
    /// kind, format and first bytes of the input. Shortest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn remembered(&mut self, head: u128) -> Result<Vec<Consumed>, ImportError> {
        self.noted = None;
        let db = self.store.db();
        let read = db.read(|transaction| {
            let table = transaction.open_table(CONSUMED).map_err(|e| db.error(e))?;
            let rows = table.range((head, 0)..=(head, u128::MAX)).map_err(|e| db.error(e))?;
            rows.map(|row| {
                let (key, len) = row.map_err(|e| db.error(e))?;
                Ok(Consumed { len: len.value(), hash: key.value().1 })
            })
            .collect()
        });
        let mut remembered: Vec<Consumed> = match read {
            Err(DbError::Missing { .. }) => Vec::new(),
            other => other?,
        };
        remembered.sort_unstable_by_key(|c| c.len);
        Ok(remembered)
    }

    /// Takes the events of `batch` but for those whose id is there already, and notes that so much
    /// of the input is done. All of it in one transaction, or nothing. The batch is left sorted by
    /// time and without the duplicates.
    ///
    /// # Errors
    /// When the medium or the database refuses; the store is as it was then.
    pub fn add(&mut self, batch: &mut Batch, head: u128, consumed: Option<Consumed>) -> Result<Added, ImportError> {
        let note = consumed.map(|consumed| Note { head, consumed });
        let added = self.take(batch, head, note.as_slice(), &[])?;
        if let Some(consumed) = consumed {
            self.noted = Some((head, consumed.hash));
        }
        Ok(added)
    }

    /// The same for events of many inputs, each with what is done of it, and marks to remember.
    ///
    /// # Errors
    /// As [`Import::add`].
    pub fn add_many(&mut self, batch: &mut Batch, notes: &[Note], marks: &[Mark]) -> Result<Added, ImportError> {
        self.noted = None;
        self.take(batch, notes.first().map_or(0, |n| n.head), notes, marks)
    }

    /// Which of the marks are remembered.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn marked(&self, marks: &[Mark]) -> Result<Vec<bool>, ImportError> {
        let db = self.store.db();
        let read = db.read(|transaction| {
            let seen = transaction.open_table(SEEN_IDS).map_err(|e| db.error(e))?;
            let known = |mark: &Mark| {
                let day = seen.get(mark.fingerprint).map_err(|e| db.error(e))?.map(|d| d.value());
                Ok(is_seen(day, mark.day))
            };
            marks.iter().map(known).collect::<Result<Vec<bool>, DbError>>()
        });
        match read {
            Err(DbError::Missing { .. }) => Ok(vec![false; marks.len()]),
            other => Ok(other?),
        }
    }

    /// How many events of the batch would be left out because their id is there already.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn known(&self, batch: &Batch) -> Result<Vec<u32>, ImportError> {
        let (store, mut duplicates) = (self.store, Vec::new());
        let db = store.db();
        let read = db.read(|transaction| {
            let seen = transaction.open_table(SEEN_IDS).map_err(|e| db.error(e))?;
            let mut before = None;
            for (id, position) in ids(batch) {
                let day = day_number(batch.rows[position as usize].ts);
                let known = seen.get(id).map_err(|e| db.error(e))?.map(|d| d.value());
                if before == Some(id) || is_seen(known, day) {
                    duplicates.push(position);
                }
                before = Some(id);
            }
            Ok::<_, DbError>(())
        });
        match read {
            Err(DbError::Missing { .. }) => {}
            other => other?,
        }
        duplicates.sort_unstable();
        Ok(duplicates)
    }

    fn take(&mut self, batch: &mut Batch, head: u128, notes: &[Note], marks: &[Mark]) -> Result<Added, ImportError> {
        let store = self.store;
        let (added, sealed) = store.db().write(|transaction| {
            let duplicate_rows = self.note_ids(transaction, batch)?;
            note_marks(store.db(), transaction, marks)?;
            remove(batch, &duplicate_rows);
            let raw_from = {
                let meta = transaction.open_table(META).map_err(|e| store.db().error(e))?;
                store.closing().raw_from(&meta)?
            };
            let sources = || Sources { import: Some(head), ..Sources::default() };
            let batch = &*batch;
            let mut tiers = Tiers::open(store, transaction)?;
            let plan = tiers.plan(&batch.names, &batch.rows)?;
            // Buckets, which take longest, on one core; rows of the other tables and then columns on the other.
            let (sealed, applied) = std::thread::scope(|scope| {
                let (to_tiers, ahead) = sync_channel(1);
                let plan = &plan;
                let other = scope.spawn(move || {
                    // Nobody takes them when the buckets failed.
                    let _ = to_tiers.send(plan.fold_ahead(&batch.rows, store.closing().zone));
                    seal_days(store, batch, raw_from, sources)
                });
                let ahead = || ahead.recv().ok().flatten();
                let applied = tiers.apply_planned(plan, &batch.names, &batch.rows, ahead);
                let applied = applied.and_then(|()| tiers.finish());
                (other.join(), applied)
            });
            applied?;
            let sealed = sealed.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            let mut manifest = ManifestWriter::open(store.db(), transaction)?;
            sealed.iter().try_for_each(|s| manifest.list(&listed(s)))?;
            note_consumed(store.db(), transaction, notes, self.noted)?;
            let (imported, duplicates) = (batch.rows.len() as u64, duplicate_rows.len() as u64);
            Ok::<_, ImportError>((Added { imported, duplicates, duplicate_rows }, sealed))
        })?;
        // Their locks were held until now, so that nobody took them for left-overs.
        drop(sealed);
        Ok(added)
    }

    /// Remembers the event ids of the batch: the positions of rows whose id was known.
    fn note_ids(&self, transaction: &WriteTransaction, batch: &Batch) -> Result<Vec<u32>, DbError> {
        let ids = ids(batch);
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let db = self.store.db();
        let mut seen = transaction.open_table(SEEN_IDS).map_err(|e| db.error(e))?;
        let mut duplicates = Vec::new();
        for (id, position) in ids {
            let day = day_number(batch.rows[position as usize].ts);
            let known = seen.get(id).map_err(|e| db.error(e))?.map(|d| d.value());
            if is_seen(known, day) {
                duplicates.push(position);
            } else {
                seen.insert(id, day).map_err(|e| db.error(e))?;
            }
        }
        duplicates.sort_unstable();
        Ok(duplicates)
    }
}

fn note_marks(db: &Db, transaction: &WriteTransaction, marks: &[Mark]) -> Result<(), DbError> {
    let mut sorted: Vec<(u128, u32)> = marks.iter().map(|m| (m.fingerprint, m.day)).collect();
    sorted.sort_unstable();
    let mut seen = transaction.open_table(SEEN_IDS).map_err(|e| db.error(e))?;
    for (fingerprint, day) in sorted {
        seen.insert(fingerprint, day).map_err(|e| db.error(e))?;
    }
    Ok(())
}

/// The ids of the batch with the rows that have them. Sorted, they touch few pages of the table; of two in
/// the batch the first counts.
fn ids(batch: &Batch) -> Vec<(u128, u32)> {
    let rows = (0u32..).zip(&batch.rows).filter(|(_, row)| row.event_id != 0);
    let id = |row: &Row| fingerprint(batch.names.get(row.provider), batch.names.get(row.event_id));
    let mut ids: Vec<(u128, u32)> = rows.map(|(at, row)| (id(row), at)).collect();
    ids.sort_unstable();
    ids
}

fn is_seen(known: Option<u32>, day: u32) -> bool {
    known.is_some_and(|d| d.abs_diff(day) < SEEN_DAYS)
}

/// Removes the rows at the sorted `positions` and sorts the rest by time.
fn remove(batch: &mut Batch, positions: &[u32]) {
    if !positions.is_empty() {
        let mut gone = positions.iter().peekable();
        let mut position = 0;
        batch.rows.retain(|_| {
            position += 1;
            gone.next_if_eq(&&(position - 1)).is_none()
        });
    }
    // Sorting takes room for half of them first, however sorted they are.
    if !batch.rows.is_sorted_by_key(|row| row.ts) {
        batch.rows.sort_by_key(|row| row.ts);
    }
}

/// Notes what was consumed of inputs, in place of what the last batch of the same one noted.
fn note_consumed(
    db: &Db,
    transaction: &WriteTransaction,
    notes: &[Note],
    before: Option<(u128, u128)>,
) -> Result<(), DbError> {
    if notes.is_empty() {
        return Ok(());
    }
    let mut table = transaction.open_table(CONSUMED).map_err(|e| db.error(e))?;
    for note in notes {
        if let Some(before) = before.filter(|(same, _)| *same == note.head) {
            table.remove(before).map_err(|e| db.error(e))?;
        }
        table.insert((note.head, note.consumed.hash), note.consumed.len).map_err(|e| db.error(e))?;
    }
    Ok(())
}

fn fingerprint(provider: &str, event_id: &str) -> u128 {
    let mut hasher = xxhash_rust::xxh3::Xxh3::new();
    hasher.update(provider.as_bytes());
    hasher.update(&[0]);
    hasher.update(event_id.as_bytes());
    hasher.digest128()
}

fn day_number(t: Timestamp) -> u32 {
    u32::try_from(t.millis() / DAY_MS).expect("days until the year 9999 fit")
}

#[cfg(test)]
mod tests;
