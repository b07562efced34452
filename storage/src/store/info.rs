//! What a store holds and what it takes on the medium.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata};

use super::Store;
use super::events::journal_key;
use super::view::View;
use crate::bucket::Table;
use crate::journal::DropReason;
use crate::query::QueryError;
use crate::query::source::Source;
use crate::tier::db::{Db, DbError};
use crate::tier::schema::{DROPS, bucket_table};
use crate::time::{TimeRange, Timestamp};

/// Figures of a store.
#[derive(Clone, Debug, Default)]
pub struct Info {
    /// Single events: in segments and in journals.
    pub events_raw: u64,
    /// Rows of each table.
    pub buckets: Vec<(&'static str, u64)>,
    /// Blocks on the medium, in bytes.
    pub bytes: Bytes,
    /// Lengths of the same files, in bytes.
    pub lengths: Bytes,
    /// Time of the earliest event.
    pub oldest: Option<Timestamp>,
    /// Time of the latest event.
    pub newest: Option<Timestamp>,
    /// Events in journals that no tier holds yet.
    pub backlog_events: u64,
    /// Time of the earliest of these.
    pub backlog_oldest: Option<Timestamp>,
    /// Recorders that are alive.
    pub writers_live: u64,
    /// Events that recorders could not write, by reason; those without any are left out.
    pub dropped: Vec<(DropReason, u64)>,
    /// Single events before this were removed; the beginning of time = none were.
    pub raw_from: Timestamp,
    /// Buckets before this were removed, by table.
    pub complete_from: Vec<(&'static str, Timestamp)>,
    /// What could not be read.
    pub problems: Vec<String>,
}

/// Bytes on the medium.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bytes {
    /// The database.
    pub redb: u64,
    /// Journals.
    pub journal: u64,
    /// Sealed segments.
    pub raw: u64,
}

impl Bytes {
    /// All of it.
    pub const fn all(&self) -> u64 {
        self.redb + self.journal + self.raw
    }
}

impl Store {
    /// Counts everything.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub fn info(&self) -> Result<Info, QueryError> {
        self.ask(|view| {
            let mut info = Info { buckets: table_rows(self, &view)?, ..Info::default() };
            info.events_raw = view.manifest().segments.iter().map(|s| s.entry.rows).sum();
            count_journals(self, &view, &mut info)?;
            let extent = view.extent()?;
            (info.oldest, info.newest) = (extent.map(|r| r.start), extent.map(|r| r.end.minus_ms(1)));
            info.raw_from = view.raw_complete_from();
            info.complete_from = Table::ALL.map(|t| (t.name(), view.span(t).complete_from)).to_vec();
            let paths = self.paths();
            let measure = |size: fn(&Metadata) -> u64| Bytes {
                redb: size_of(&paths.database(), size),
                journal: size_below(&paths.journal_dir(), size),
                raw: size_below(&paths.raw_dir(), size),
            };
            info.bytes = measure(|m| m.blocks() * 512);
            info.lengths = measure(Metadata::len);
            info.problems = view.problems();
            Ok(info)
        })
    }

    /// What recorders are doing, without counting events.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub fn recorders(&self) -> Result<Recorders, QueryError> {
        self.ask(|view| recorders(self, &view))
    }
}

/// The recorders of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recorders {
    /// How many are alive.
    pub live: u64,
    /// Events they could not write, by reason; those without any are left out.
    pub dropped: Vec<(DropReason, u64)>,
}

fn table_rows(store: &Store, view: &View<'_>) -> Result<Vec<(&'static str, u64)>, QueryError> {
    let Some(snapshot) = view.snapshot() else { return Ok(Table::ALL.map(|t| (t.name(), 0)).to_vec()) };
    let db = store.db();
    db.guard(|| {
        let rows = |table: Table| {
            let open = snapshot.open_table(bucket_table(table)).map_err(|e| db.error(e))?;
            Ok((table.name(), open.len().map_err(|e| db.error(e))?))
        };
        Table::ALL.into_iter().map(rows).collect()
    })
}

fn count_journals(store: &Store, view: &View<'_>, info: &mut Info) -> Result<(), QueryError> {
    info.events_raw += view.journals().iter().map(|j| view.manifest().checkpoint(journal_key(j)).events).sum::<u64>();
    view.journal_rows(TimeRange::ALL, false, &mut |_, rows| {
        info.backlog_events += rows.len() as u64;
        info.backlog_oldest = info.backlog_oldest.into_iter().chain(rows.iter().map(|r| r.ts)).min();
        Ok(())
    })?;
    info.events_raw += info.backlog_events;
    let recorders = recorders(store, view)?;
    (info.writers_live, info.dropped) = (recorders.live, recorders.dropped);
    Ok(())
}

/// Drop counters only grow in a recorder's life: of its files, removed ones too, the largest counts.
fn recorders(store: &Store, view: &View<'_>) -> Result<Recorders, QueryError> {
    let mut live = BTreeSet::new();
    let mut counts: BTreeMap<(u128, u8), u64> = match view.snapshot() {
        Some(snapshot) => store.db().guard(|| removed_drops(store.db(), snapshot))?,
        None => BTreeMap::new(),
    };
    for journal in view.journals().iter() {
        let recorder = journal.id().recorder;
        if journal.is_live()? {
            live.insert(recorder);
        }
        for (reason, count) in journal.drops()? {
            let known = counts.entry((recorder, reason as u8)).or_default();
            *known = (*known).max(count.unwrap_or(0));
        }
    }
    let sum = |reason: DropReason| {
        let of_reason = counts.iter().filter(|((_, number), _)| *number == reason as u8);
        (reason, of_reason.map(|(_, count)| count).sum::<u64>())
    };
    let dropped = DropReason::ALL.into_iter().map(sum).filter(|(_, count)| *count > 0).collect();
    Ok(Recorders { live: live.len() as u64, dropped })
}

fn removed_drops(db: &Db, snapshot: &ReadTransaction) -> Result<BTreeMap<(u128, u8), u64>, DbError> {
    let table = snapshot.open_table(DROPS).map_err(|e| db.error(e))?;
    let rows = table.iter().map_err(|e| db.error(e))?;
    rows.map(|row| row.map(|(key, count)| (key.value(), count.value())).map_err(|e| db.error(e))).collect()
}

/// What `size` says of one file; 0 when it is not there.
fn size_of(path: &Path, size: fn(&Metadata) -> u64) -> u64 {
    std::fs::symlink_metadata(path).map_or(0, |m| size(&m))
}

/// What it says of all files below a directory.
fn size_below(dir: &Path, size: fn(&Metadata) -> u64) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    let one = |path: std::path::PathBuf| if path.is_dir() { size_below(&path, size) } else { size_of(&path, size) };
    entries.flatten().map(|entry| one(entry.path())).sum()
}
