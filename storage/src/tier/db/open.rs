//! Opening: patiently, only what still has the name, and repaired where a writer was killed.
//!
//! A writer that was killed leaves a file that refuses new readers until somebody opens it for writing once.
//! A reader does that, or reads a copy repaired in memory where the disk is full.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use redb::{Builder, ConcurrencyMode, Database, DatabaseError, ReadOnlyDatabase, StorageError};

use super::{AtBadPage, Db, DbError, Pages};
use crate::clock::Stopwatch;
use crate::fs;
use crate::tier::backend::Checked;
use crate::tier::overlay::Unwritten;

/// The default of 1 GiB would make any command as big as the store.
pub(super) const CACHE_BYTES: usize = 24 << 20;
/// A question reads most pages once. Keeping them would take fresh memory for each, which costs more
/// than to read again, from memory of the system, the few that it needs twice.
const READ_CACHE_BYTES: usize = 1 << 20;
/// Less where one transaction writes: it changes the ends of tables, and a recorder may be the one that runs the pass.
const WRITER_CACHE_BYTES: usize = 12 << 20;
/// How long somebody else's transaction is waited for.
const BUSY_WAIT: Duration = Duration::from_secs(2);

impl Db {
    pub(super) fn open_writable(&self) -> Result<Database, DbError> {
        match self.patiently(|| self.open_current()) {
            Err(DbError::Missing { .. }) => {
                self.create()?;
                self.patiently(|| self.open_current())
            }
            result => result,
        }
    }

    /// Opens for writing, and makes sure that what was opened still has the name: [`Db::rewrite`] may
    /// have put another file there between the opening and the locking. While it is open nobody can.
    fn open_current(&self) -> Result<Database, DatabaseError> {
        loop {
            let before = fs::identity(&self.path).map_err(StorageError::from)?;
            let database = self.open_file()?;
            if fs::identity(&self.path).map_err(StorageError::from)? == before {
                return Ok(database);
            }
        }
    }

    /// Keeps other writers out for as long as the answer lives; nothing when the file is gone or so
    /// damaged that nobody can write to it.
    ///
    /// # Errors
    /// When another process is writing and does not end.
    pub(crate) fn hold(&self) -> Result<Option<Database>, DbError> {
        match self.guard(|| self.patiently(|| self.open_current())) {
            Ok(database) => Ok(Some(database)),
            Err(error @ DbError::Busy { .. }) => Err(error),
            Err(_) => Ok(None),
        }
    }

    pub(super) fn open_read_only(&self, pages: &Arc<Pages>) -> Result<ReadOnlyDatabase, DbError> {
        self.patiently(|| match self.open_file_read_only(pages) {
            Err(DatabaseError::RepairAborted) => match self.open_file().and_then(Database::close) {
                Ok(()) => self.open_file_read_only(pages),
                Err(DatabaseError::Storage(StorageError::Io(cause))) if has_no_room(&cause) => {
                    self.open_repaired_in_memory(pages)
                }
                Err(other) => Err(other),
            },
            result => result,
        })
    }

    /// An empty file is no database: redb would make it one.
    fn open_file(&self) -> Result<Database, DatabaseError> {
        let file = fs::open_write(&self.path)?;
        if file.metadata()?.len() == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is empty").into());
        }
        let pages = Arc::new(Pages::new(AtBadPage::Refuse));
        repair(builder().set_cache_size(WRITER_CACHE_BYTES).create_with_backend(Checked::over(file, &pages)?)?, &pages)
    }

    fn open_file_read_only(&self, pages: &Arc<Pages>) -> Result<ReadOnlyDatabase, DatabaseError> {
        let mut builder = builder();
        builder.set_cache_size(READ_CACHE_BYTES);
        builder.open_read_only_with_backend(Checked::over(fs::open_read(&self.path)?, pages)?)
    }

    /// What a repair would make of the file, without writing to it.
    fn open_repaired_in_memory(&self, pages: &Arc<Pages>) -> Result<ReadOnlyDatabase, DatabaseError> {
        let unwritten = Unwritten::over(fs::open_read(&self.path)?)?;
        let over =
            |pages| Ok::<_, DatabaseError>(Checked::over(fs::open_write(&self.path)?, pages)?.writing_to(&unwritten));
        let first = Arc::new(Pages::new(AtBadPage::Refuse));
        repair(builder().create_with_backend(over(&first)?)?, &first)?.close()?;
        let repaired = builder().open_read_only_with_backend(over(pages)?)?;
        // Between the two a writer may have found room.
        if unwritten.is_stale()? { Err(DatabaseError::DatabaseAlreadyOpen) } else { Ok(repaired) }
    }

    /// Waits with growing pauses while another process has the file.
    fn patiently<T>(&self, open: impl Fn() -> Result<T, DatabaseError>) -> Result<T, DbError> {
        let waiting = Stopwatch::start();
        let mut pause = Duration::from_micros(200);
        loop {
            match open() {
                Err(DatabaseError::DatabaseAlreadyOpen) if waiting.elapsed() < BUSY_WAIT => {
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(Duration::from_millis(50));
                }
                Err(DatabaseError::Storage(StorageError::Io(cause)))
                    if cause.kind() == std::io::ErrorKind::NotFound =>
                {
                    return Err(DbError::Missing { path: self.path.display().to_string() });
                }
                result => return result.map_err(|e| self.error(e)),
            }
        }
    }
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_concurrency_mode(ConcurrencyMode::SingleWriter).set_cache_size(CACHE_BYTES);
    builder
}

/// A killed writer may have left a commit that does not count, newer than the one that does. Another
/// one takes its place, so that in a closed file the last commit is the one that counts.
fn repair(database: Database, pages: &Pages) -> Result<Database, DatabaseError> {
    if pages.overtaken() {
        let failed = |e: redb::Error| match e {
            redb::Error::Io(cause) => StorageError::Io(cause),
            other => StorageError::Corrupted(other.to_string()),
        };
        let mut transaction = database.begin_write().map_err(|e| failed(e.into()))?;
        transaction.set_quick_repair(true);
        transaction.commit().map_err(|e| failed(e.into()))?;
    }
    Ok(database)
}

fn has_no_room(cause: &io::Error) -> bool {
    matches!(cause.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
}
