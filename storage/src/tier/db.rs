//! The one way to `monitor.redb`.
//!
//! Writers open late and close early: open, one transaction, close. Readers open read-only, which
//! any number may do beside a writer.
//!
//! redb can panic on a damaged file, so everything inside runs under `catch_unwind`.

mod create;
mod error;
mod open;
mod rewrite;

use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use redb::{ReadOnlyDatabase, ReadTransaction, ReadableDatabase, ReadableTable, StorageError, WriteTransaction};

pub use error::DbError;
pub use rewrite::Rewrite;

use super::pages::{AtBadPage, BadPage, Pages};
use super::schema::{META, META_UUID, META_VERSION};
use crate::fs;
use crate::identity::FORMAT_VERSION;

/// One moment of the database.
pub struct Snapshot {
    transaction: ReadTransaction,
    pages: Arc<Pages>,
}

impl Snapshot {
    /// Pages that were read and are not what was written.
    pub fn bad_pages(&self) -> Vec<BadPage> {
        self.pages.bad()
    }
}

impl std::ops::Deref for Snapshot {
    type Target = ReadTransaction;

    fn deref(&self) -> &ReadTransaction {
        &self.transaction
    }
}

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is inside the database library: a panic now means damage, and is caught.
/// For panic hooks.
pub fn in_database() -> bool {
    INSIDE.get()
}

/// Where the database is and whom it belongs to.
#[derive(Clone, Debug)]
pub struct Db {
    path: PathBuf,
    uuid: u128,
    /// What stays open between two snapshots, if anything does; clones share it.
    kept: Option<Arc<Mutex<Kept>>>,
}

/// A database that is open to read, and what is known of its pages.
struct Opened {
    database: ReadOnlyDatabase,
    pages: Arc<Pages>,
}

/// What stays open, with the identity of its file; by what happens at a bad page.
#[derive(Default)]
struct Kept([Option<((u64, u64), Opened)>; 2]);

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().flatten().map(|(file, _)| file)).finish()
    }
}

impl Db {
    /// The database of the store `uuid` at `path`. Opens nothing.
    pub fn new(path: PathBuf, uuid: u128) -> Self {
        Self { path, uuid, kept: None }
    }

    /// The same, kept open once it was read: for a command that asks several questions one after the
    /// other. Opening costs dozens of system calls, and what was read stays at hand; a process that lives
    /// long would only hold memory.
    #[must_use]
    pub fn kept_open(self) -> Self {
        Self { kept: Some(Arc::default()), ..self }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file was ever made.
    pub fn exists(&self) -> bool {
        self.path.exists()
    }

    /// Runs `work` in one write transaction and commits it when it succeeds; nothing is changed
    /// when it fails. Makes the file when there is none.
    ///
    /// # Errors
    /// What `work` says, or why the transaction could not be begun or committed.
    pub fn write<T, E: From<DbError>>(&self, work: impl FnOnce(&WriteTransaction) -> Result<T, E>) -> Result<T, E> {
        self.guard(|| {
            // Opening for writing writes: not to what a later version made.
            if let Err(error @ DbError::TooNew { .. }) = self.begin_read(AtBadPage::Refuse) {
                return Err(error.into());
            }
            let database = self.open_writable()?;
            let transaction = database.begin_write().map_err(|e| self.error(e))?;
            self.check_meta(&transaction.open_table(META).map_err(|e| self.error(e))?)?;
            let value = work(&transaction)?;
            // Closing notes which pages are free, and dropping would hide its error. This commit does
            // not note it as well (redb's quick repair), which would be three pages more a minute: only
            // who is killed between the two leaves a file whose next writer has to walk all of it.
            transaction.commit().map_err(|e| self.error(e))?;
            // What is committed stays, also when the file cannot be closed: the next one repairs it.
            let _ = database.close();
            Ok(value)
        })
    }

    /// Runs `work` on one snapshot.
    ///
    /// # Errors
    /// What `work` says, or why there is no snapshot; `Missing` when the file was never made.
    pub fn read<T, E: From<DbError>>(&self, work: impl FnOnce(&ReadTransaction) -> Result<T, E>) -> Result<T, E> {
        self.guard(|| {
            let snapshot = self.begin_read(AtBadPage::Refuse)?;
            work(&snapshot)
        })
    }

    /// A snapshot that outlives the call; its uses belong inside [`Db::guard`].
    ///
    /// # Errors
    /// Why there is none.
    pub fn snapshot(&self) -> Result<ReadTransaction, DbError> {
        self.guard(|| Ok(self.begin_read(AtBadPage::Refuse)?.transaction))
    }

    /// A snapshot of which bad pages with rows can be read as far as their rows are whole. Who reads
    /// such rows asks [`Snapshot::bad_pages`] afterwards, and says so.
    ///
    /// # Errors
    /// Why there is none.
    pub fn snapshot_with_bad_pages(&self) -> Result<Snapshot, DbError> {
        self.guard(|| self.begin_read(AtBadPage::NoteRows))
    }

    fn begin_read(&self, at_bad_page: AtBadPage) -> Result<Snapshot, DbError> {
        let Some(kept) = &self.kept else { return self.begin_read_of(&self.open(at_bad_page)?) };
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        // [`Db::rewrite`] may have put another file in its place; and after one bad page the library gives no
        // other one, while another question may have nothing to do with it.
        let file = fs::identity(&self.path).map_err(|e| self.error(StorageError::from(e)))?;
        let place = &mut kept.0[at_bad_page as usize];
        place.take_if(|(of, opened)| *of != file || opened.pages.failed());
        match place {
            Some((_, opened)) => self.begin_read_of(opened),
            none => self.begin_read_of(&none.insert((file, self.open(at_bad_page)?)).1),
        }
    }

    fn begin_read_of(&self, opened: &Opened) -> Result<Snapshot, DbError> {
        let transaction = opened.database.begin_read().map_err(|e| self.error(e))?;
        self.check_meta(&transaction.open_table(META).map_err(|e| self.error(e))?)?;
        Ok(Snapshot { transaction, pages: Arc::clone(&opened.pages) })
    }

    fn open(&self, at_bad_page: AtBadPage) -> Result<Opened, DbError> {
        let pages = Arc::new(Pages::new(at_bad_page));
        Ok(Opened { database: self.open_read_only(&pages)?, pages })
    }

    /// Turns a panic inside the database library into [`DbError::Damaged`].
    ///
    /// # Errors
    /// What `work` says.
    pub fn guard<T, E: From<DbError>>(&self, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let outer = INSIDE.replace(true);
        let result = catch_unwind(AssertUnwindSafe(work));
        INSIDE.set(outer);
        result.unwrap_or_else(|_| Err(self.damaged("a page", "the database library gave up on it").into()))
    }

    /// Refuses a file of another store or of a later version.
    fn check_meta(&self, meta: &impl ReadableTable<&'static str, u128>) -> Result<(), DbError> {
        let get = |key| meta.get(key).map_err(|e| self.error(e)).map(|v| v.map(|v| v.value()));
        match get(META_VERSION)? {
            Some(version) if version > u128::from(FORMAT_VERSION) => {
                return Err(DbError::TooNew { path: self.path.display().to_string(), version });
            }
            Some(_) => {}
            None => return Err(self.damaged("meta", "it has no version")),
        }
        match get(META_UUID)? {
            Some(uuid) if uuid == self.uuid => Ok(()),
            _ => Err(self.damaged("meta", "it belongs to another store")),
        }
    }
}

#[cfg(test)]
mod tests;
