//! Removes what expires: buckets and manifest entries in one transaction, then the day folders.
//!
//! A folder whose entries are gone and that is still there, because the process was killed in
//! between, goes with the next pass: from [`crate::tier::Closing::raw_from`] on the manifest alone
//! says what is left, and nobody writes a segment of an earlier day any more.

use std::io;
use std::path::{Path, PathBuf};

use redb::{ReadableTable, WriteTransaction};

use super::clocks::{self, Noted, Verdict};
use super::expiry::{Expiry, Held, expired};
use super::{Part, Retention};
use crate::bucket::Table;
use crate::clock::Steady;
use crate::fs;
use crate::paths::parse_utc_day;
use crate::store::Store;
use crate::tier::db::{Db, DbError};
use crate::tier::schema::{META, PROVIDERS, RAW_FROM, SEEN_DAYS, SEEN_IDS, SEGMENTS, bucket_table, complete_from_key};
use crate::tier::{Manifest, ManifestWriter};
use crate::time::{DAY_MS, HOUR_MS, Timestamp};

/// [`META`]: when something was removed last.
const RETAINED_AT: &str = "retained_at";
/// Minutes expire all the time; removing them costs a transaction.
const EVERY_MS: u64 = HOUR_MS;

/// Why retention stopped. What is gone is gone, the rest goes the next time.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RetentionError {
    /// The database.
    #[error(transparent)]
    Database(#[from] DbError),
    /// A file.
    #[error("cannot use {path}: {cause}")]
    Io {
        /// The file.
        path: String,
        /// What the system said.
        cause: io::Error,
    },
}

/// How the clocks are judged before data are removed by them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clocks {
    /// The system's steady clock has to confirm the time, see [`Removed::waits`].
    Checked,
    /// The time is right: somebody says so.
    Trusted,
}

/// What was removed, or would be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Single events.
    pub events: u64,
    /// Bytes of their files.
    pub bytes: u64,
    /// Rows of each part's tables, by position in [`Part::ALL`].
    pub rows: [u64; Part::ALL.len()],
    /// Something expires, but the clock was set or the system started not long ago: it has to run
    /// evenly for ten minutes first.
    pub waits: bool,
}

impl Removed {
    /// Rows of all tables.
    pub fn buckets(&self) -> u64 {
        self.rows.iter().sum()
    }
}

/// What a decision needs, from one snapshot.
struct State {
    retention: Retention,
    held: Held,
    raw_from: Timestamp,
    retained_at: Timestamp,
    noted: Option<Noted>,
}

impl Store {
    /// Removes what expires at `now`, at most once an hour and only while the clocks can be believed.
    /// The caller holds the pass's lock.
    pub(crate) fn retain_if_due(&self, now: Timestamp, clocks: Clocks) -> Result<Removed, RetentionError> {
        let state = self.state()?;
        self.remove_day_folders(state.raw_from)?;
        if clocks == Clocks::Checked && state.retained_at <= now && now.since(state.retained_at) < EVERY_MS {
            return Ok(Removed::default());
        }
        let expiry = expired(&state.retention, &state.held, now, self.zone());
        if expiry.is_empty() {
            return Ok(Removed::default());
        }
        let reading = Noted { wall: now, steady: Steady::now() };
        if clocks == Clocks::Checked {
            let verdict = clocks::judge(state.noted, reading);
            if verdict == Verdict::Unknown {
                self.note_clocks(reading)?;
            }
            if verdict != Verdict::Believed {
                return Ok(Removed { waits: true, ..Removed::default() });
            }
        }
        let removed = self.db().write(|transaction| remove(self.db(), transaction, &expiry, reading))?;
        self.remove_day_folders(expiry.raw.unwrap_or(state.raw_from))?;
        Ok(removed)
    }

    /// What [`Store::retain_if_due`] would remove, whatever the clocks say.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn expiring(&self, retention: &Retention, now: Timestamp) -> Result<Removed, DbError> {
        let db = self.db();
        let counted = db.read(|transaction| {
            let (state, manifest) = self.state_in(transaction)?;
            let expiry = expired(retention, &state.held, now, self.zone());
            let mut removed = Removed::default();
            removed.add_segments(&manifest, expiry.raw);
            for (table, from) in with_cut(&expiry) {
                let rows = transaction.open_table(bucket_table(table)).map_err(|e| db.error(e))?;
                for provider in providers(db, &transaction.open_table(PROVIDERS).map_err(|e| db.error(e))?)? {
                    let keys = (provider.as_str(), 0)..(provider.as_str(), from.millis());
                    removed.rows[Part::of(table) as usize] += rows.range(keys).map_err(|e| db.error(e))?.count() as u64;
                }
            }
            Ok(removed)
        });
        match counted {
            Err(DbError::Missing { .. }) => Ok(Removed::default()),
            other => other,
        }
    }

    fn state(&self) -> Result<State, DbError> {
        self.db().read(|transaction| Ok(self.state_in(transaction)?.0))
    }

    fn state_in(&self, transaction: &redb::ReadTransaction) -> Result<(State, Manifest), DbError> {
        let db = self.db();
        let meta = transaction.open_table(META).map_err(|e| db.error(e))?;
        let manifest = self.manifest_in(transaction)?;
        let mut held = Held {
            first_day: manifest.segments.iter().map(|s| s.day).min(),
            first_row: [None; Table::ALL.len()],
            closed_to: [Timestamp::MIN; Table::ALL.len()],
        };
        let providers = providers(db, &transaction.open_table(PROVIDERS).map_err(|e| db.error(e))?)?;
        for table in Table::ALL {
            held.closed_to[table.position()] = self.closing().closed_to(&meta, table)?;
            let rows = transaction.open_table(bucket_table(table)).map_err(|e| db.error(e))?;
            for provider in &providers {
                let keys = (provider.as_str(), 0)..=(provider.as_str(), u64::MAX);
                let first = rows.range(keys).map_err(|e| db.error(e))?.next().transpose().map_err(|e| db.error(e))?;
                let first = first.map(|(key, _)| Timestamp::from_millis(key.value().1));
                let earliest = &mut held.first_row[table.position()];
                *earliest = (*earliest).into_iter().chain(first).min();
            }
        }
        let retained_at = meta.get(RETAINED_AT).map_err(|e| db.error(e))?;
        let state = State {
            retention: Retention::load(db, &meta)?,
            held,
            raw_from: self.closing().raw_from(&meta)?,
            retained_at: retained_at.map_or(Timestamp::MIN, |v| Timestamp::from_millis(v.value() as u64)),
            noted: clocks::noted(db, &meta)?,
        };
        Ok((state, manifest))
    }

    fn note_clocks(&self, reading: Noted) -> Result<(), DbError> {
        let db = self.db();
        db.write(|t| clocks::note(db, &mut t.open_table(META).map_err(|e| db.error(e))?, reading))
    }

    /// Removes the folders of days before `raw_from`, which nothing lists any more.
    fn remove_day_folders(&self, raw_from: Timestamp) -> Result<(), RetentionError> {
        let dir = self.paths().raw_dir();
        let error = |path: &Path| {
            let path = path.display().to_string();
            move |cause| RetentionError::Io { path, cause }
        };
        let folders = expired_folders(&dir, raw_from).map_err(error(&dir))?;
        for folder in &folders {
            // What somebody else put there stays, and the folder with it.
            for path in fs::list_dir(folder).map_err(error(folder))?.into_iter().filter(|p| is_ours(p)) {
                fs::remove_file(&path).map_err(error(&path))?;
            }
            match fs::remove_dir(folder) {
                Err(e) if e.kind() == io::ErrorKind::DirectoryNotEmpty => {}
                other => other.map_err(error(folder))?,
            }
        }
        if !folders.is_empty() {
            fs::sync_dir(&dir).map_err(error(&dir))?;
        }
        Ok(())
    }
}

/// Real folders below `raw` that are named after a UTC day before `raw_from`.
fn expired_folders(raw: &Path, raw_from: Timestamp) -> io::Result<Vec<PathBuf>> {
    let mut folders = fs::list_dir(raw)?;
    let day = |path: &PathBuf| path.file_name().and_then(|n| n.to_str()).and_then(parse_utc_day);
    folders.retain(|path| {
        day(path).is_some_and(|day| day < raw_from) && std::fs::symlink_metadata(path).is_ok_and(|m| m.is_dir())
    });
    folders.sort();
    Ok(folders)
}

/// Segments, and what was going to be one.
fn is_ours(path: &Path) -> bool {
    let hidden = path.file_name().is_some_and(|n| n.as_encoded_bytes().starts_with(b"."));
    (hidden || path.extension().is_some_and(|e| e == "axs")) && !path.is_dir()
}

impl Removed {
    fn add_segments(&mut self, manifest: &Manifest, raw_from: Option<Timestamp>) {
        for listed in manifest.segments.iter().filter(|s| raw_from.is_some_and(|from| s.day < from)) {
            self.events += listed.entry.rows;
            self.bytes += listed.entry.bytes;
        }
    }
}

fn with_cut(expiry: &Expiry) -> impl Iterator<Item = (Table, Timestamp)> {
    Table::ALL.into_iter().zip(expiry.tables).filter_map(|(table, from)| Some((table, from?)))
}

fn providers(db: &Db, table: &impl ReadableTable<&'static str, (u64, u64)>) -> Result<Vec<String>, DbError> {
    let rows = table.iter().map_err(|e| db.error(e))?;
    rows.map(|row| row.map(|(name, _)| name.value().to_owned()).map_err(|e| db.error(e))).collect()
}

/// Everything that the database knows of it.
fn remove(db: &Db, transaction: &WriteTransaction, expiry: &Expiry, now: Noted) -> Result<Removed, DbError> {
    let mut removed = Removed::default();
    let mut meta = transaction.open_table(META).map_err(|e| db.error(e))?;
    let mut spans = transaction.open_table(PROVIDERS).map_err(|e| db.error(e))?;
    let providers = providers(db, &spans)?;
    for (table, from) in with_cut(expiry) {
        let mut rows = transaction.open_table(bucket_table(table)).map_err(|e| db.error(e))?;
        let count = &mut removed.rows[Part::of(table) as usize];
        for provider in &providers {
            let keys = (provider.as_str(), 0)..(provider.as_str(), from.millis());
            let gone = |_: (&str, u64), _: &[u8]| {
                *count += 1;
                false
            };
            rows.retain_in(keys, gone).map_err(|e| db.error(e))?;
        }
        let key = complete_from_key(table);
        meta.insert(key.as_str(), u128::from(from.millis())).map_err(|e| db.error(e))?;
    }
    if let Some(from) = expiry.raw {
        removed.add_segments(&ManifestWriter::open(db, transaction)?.load()?, expiry.raw);
        let mut segments = transaction.open_table(SEGMENTS).map_err(|e| db.error(e))?;
        segments.retain_in((0, 0)..(from.millis(), 0), |_, _| false).map_err(|e| db.error(e))?;
        meta.insert(RAW_FROM, u128::from(from.millis())).map_err(|e| db.error(e))?;
        // Days of events go once a day, and so do the ids seen a year before.
        let today = now.wall.millis() / DAY_MS;
        let mut seen = transaction.open_table(SEEN_IDS).map_err(|e| db.error(e))?;
        seen.retain(|_, day| u64::from(day) + u64::from(SEEN_DAYS) >= today).map_err(|e| db.error(e))?;
    }
    forget_providers(db, &mut spans, &meta)?;
    meta.insert(RETAINED_AT, u128::from(now.wall.millis())).map_err(|e| db.error(e))?;
    clocks::note(db, &mut meta, now)?;
    Ok(removed)
}

/// Removes the providers that nothing is left of. A provider's last time may be an hour behind.
fn forget_providers(
    db: &Db,
    spans: &mut redb::Table<'_, &'static str, (u64, u64)>,
    meta: &impl ReadableTable<&'static str, u128>,
) -> Result<(), DbError> {
    let keys = Table::ALL.map(complete_from_key);
    let mut left_from = u128::MAX;
    for key in keys.iter().map(String::as_str).chain([RAW_FROM]) {
        left_from = left_from.min(meta.get(key).map_err(|e| db.error(e))?.map_or(0, |v| v.value()));
    }
    spans.retain(|_, (_, last)| u128::from(last) + 2 * u128::from(DAY_MS) >= left_from).map_err(|e| db.error(e))
}
