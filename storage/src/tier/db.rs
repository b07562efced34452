//! The one way to open `monitor.redb`.
//!
//! Writers open late and close early: open, one transaction, close. Readers open read-only, which
//! any number may do beside a writer. A writer that was killed leaves a file that refuses new
//! readers until somebody opens it for writing once; [`read`] does that.
//!
//! redb can panic on a damaged file, so everything inside runs under `catch_unwind`.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redb::{
    Builder, ConcurrencyMode, Database, DatabaseError, ReadOnlyDatabase, ReadTransaction, ReadableDatabase,
    ReadableTable, StorageError, WriteTransaction,
};

use super::backend::Checked;
use super::overlay::Unwritten;
use super::pages::{AtBadPage, BadPage, Pages};
use super::schema::{META, META_UUID, META_VERSION};
use crate::clock::Stopwatch;
use crate::fs;
use crate::identity::FORMAT_VERSION;

/// The default of 1 GiB would make any command as big as the store.
const CACHE_BYTES: usize = 24 << 20;
/// How long somebody else's transaction is waited for.
const BUSY_WAIT: Duration = Duration::from_secs(2);

/// Why the database did not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DbError {
    /// Another process has been writing for longer than one waits.
    #[error("{path} is busy: another process is writing")]
    Busy {
        /// The file.
        path: String,
    },
    /// There is no file yet.
    #[error("{path} does not exist")]
    Missing {
        /// The file.
        path: String,
    },
    /// Bytes are wrong.
    #[error("{path} is damaged at {place}: {what}")]
    Damaged {
        /// The file.
        path: String,
        /// Table and key.
        place: String,
        /// What is wrong.
        what: String,
    },
    /// A later version made it.
    #[error("{path} has format {version}, this program reads up to {FORMAT_VERSION}")]
    TooNew {
        /// The file.
        path: String,
        /// What it says.
        version: u128,
    },
    /// A later version made a file of events that is needed for the tables.
    #[error("{0}")]
    NewerFile(String),
    /// The system refused.
    #[error("cannot use {path}: {cause}")]
    Io {
        /// The file.
        path: String,
        /// What the system said.
        cause: std::io::Error,
    },
    /// Anything else redb says.
    #[error("{path}: {cause}")]
    Other {
        /// The file.
        path: String,
        /// What redb said.
        cause: redb::Error,
    },
}

/// What became of a rewriting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rewrite {
    /// The file is smaller now.
    Smaller,
    /// It would not have been by much, and was left as it is.
    NotWorthIt,
    /// Another process was writing: it was left as it is.
    Busy,
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

/// A copy takes the place of the database when it has at most so much of its size.
const WORTH_PERCENT: u64 = 95;
/// How the name of a file begins that is going to replace the database.
const COPY_PREFIX: &str = ".compact.redb.";

fn is_copy(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(COPY_PREFIX.as_bytes()))
}

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

    /// An error of redb's with the file's name.
    pub fn error(&self, error: impl Into<redb::Error>) -> DbError {
        let path = self.path.display().to_string();
        match error.into() {
            redb::Error::Io(cause) if cause.kind() == std::io::ErrorKind::NotFound => DbError::Missing { path },
            // Bytes that are no database at all: the medium did what it was asked.
            redb::Error::Io(cause) if cause.kind() == std::io::ErrorKind::InvalidData => {
                let page = cause.get_ref().and_then(|cause| cause.downcast_ref::<BadPage>());
                let place = page.map_or_else(|| "its header".into(), |page| format!("byte {}", page.offset));
                DbError::Damaged { path, place, what: cause.to_string() }
            }
            redb::Error::Io(cause) => DbError::Io { path, cause },
            redb::Error::Corrupted(what) => DbError::Damaged { path, place: "a page".into(), what },
            redb::Error::DatabaseAlreadyOpen => DbError::Busy { path },
            cause => DbError::Other { path, cause },
        }
    }

    /// Damage in a row.
    pub fn damaged(&self, place: impl Into<String>, what: impl Into<String>) -> DbError {
        DbError::Damaged { path: self.path.display().to_string(), place: place.into(), what: what.into() }
    }

    fn builder() -> Builder {
        let mut builder = Builder::new();
        builder.set_concurrency_mode(ConcurrencyMode::SingleWriter).set_cache_size(CACHE_BYTES);
        builder
    }

    fn open_writable(&self) -> Result<Database, DbError> {
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

    /// Writes the database anew, without holes, and puts it in place of the old file if it is smaller.
    /// Writers wait meanwhile; readers go on with the file they have open. Whoever is killed in it leaves
    /// a hidden file, which the next rewriting removes; the caller sees to it that there is one at a time.
    ///
    /// A copy was chosen over redb's compaction in place: that refuses while anybody reads, keeps new
    /// readers out, leaves pages as empty as they are, and asks for a repair of the whole file when it is killed.
    ///
    /// # Errors
    /// When the database cannot be read, or the copy not written; the old file stays in place.
    pub fn rewrite(&self) -> Result<Rewrite, DbError> {
        let io = |cause| DbError::Io { path: self.path.display().to_string(), cause };
        let dir = self.path.parent().unwrap_or(Path::new("."));
        for path in fs::list_root(dir).map_err(io)?.into_iter().filter(|path| is_copy(path)) {
            fs::remove_file(&path).map_err(io)?;
        }
        let random = crate::identity::random_u128().map_err(io)?;
        let temporary = dir.join(format!("{COPY_PREFIX}{random:032x}"));
        let done = self.guard(|| {
            let database = self.open_writable()?;
            let snapshot = database.begin_read().map_err(|e| self.error(e))?;
            self.check_meta(&snapshot.open_table(META).map_err(|e| self.error(e))?)?;
            self.copy_to(&snapshot, &temporary)?;
            let size = |path: &Path| fs::blocks(path).map_err(io);
            let smaller = size(&temporary)? * 100 < size(&self.path)? * WORTH_PERCENT;
            if smaller {
                fs::rename(&temporary, &self.path).map_err(io)?;
                fs::sync_dir(dir).map_err(io)?;
            }
            // The lock is given back only now that the new file has the name.
            drop(snapshot);
            database.close().map_err(|e| self.error(e))?;
            Ok(if smaller { Rewrite::Smaller } else { Rewrite::NotWorthIt })
        });
        // Gone when it was renamed; useless when it was not.
        let _ = fs::remove_file(&temporary);
        match done {
            Err(DbError::Busy { .. }) => Ok(Rewrite::Busy),
            other => other,
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

    /// Writes all tables of `snapshot` to a new database at `path`, which needs no repair.
    ///
    /// # Errors
    /// When something cannot be read or written.
    pub fn copy_to(&self, snapshot: &ReadTransaction, path: &Path) -> Result<(), DbError> {
        self.make_at(path, |transaction| super::copy::copy_tables(snapshot, transaction).map_err(|e| self.error(e)))
    }

    fn open_read_only(&self, pages: &Arc<Pages>) -> Result<ReadOnlyDatabase, DbError> {
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
        repair(Self::builder().create_with_backend(Checked::over(file, &pages)?)?, &pages)
    }

    fn open_file_read_only(&self, pages: &Arc<Pages>) -> Result<ReadOnlyDatabase, DatabaseError> {
        Self::builder().open_read_only_with_backend(Checked::over(fs::open_read(&self.path)?, pages)?)
    }

    /// What a repair would make of the file, without writing to it.
    fn open_repaired_in_memory(&self, pages: &Arc<Pages>) -> Result<ReadOnlyDatabase, DatabaseError> {
        let unwritten = Unwritten::over(fs::open_read(&self.path)?)?;
        let over =
            |pages| Ok::<_, DatabaseError>(Checked::over(fs::open_write(&self.path)?, pages)?.writing_to(&unwritten));
        let first = Arc::new(Pages::new(AtBadPage::Refuse));
        repair(Self::builder().create_with_backend(over(&first)?)?, &first)?.close()?;
        let repaired = Self::builder().open_read_only_with_backend(over(pages)?)?;
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

    /// Makes the file under another name first: a `create` that is killed leaves one that never
    /// opens again.
    fn create(&self) -> Result<(), DbError> {
        let io = |cause| DbError::Io { path: self.path.display().to_string(), cause };
        let dir = self.path.parent().unwrap_or(Path::new("."));
        let random = crate::identity::random_u128().map_err(io)?;
        let temporary = dir.join(format!(".monitor.redb.{random:032x}"));
        let made = self.create_at(&temporary).and_then(|()| fs::rename_noreplace(&temporary, &self.path).map_err(io));
        // Gone when it was renamed; useless when it was not.
        let _ = fs::remove_file(&temporary);
        // Another maker was first, and upkeep may even have taken ours away.
        if !self.exists() {
            made?;
        }
        fs::sync_dir(dir).map_err(io)
    }

    fn create_at(&self, path: &Path) -> Result<(), DbError> {
        self.make_at(path, |transaction| {
            {
                let mut meta = transaction.open_table(META).map_err(|e| self.error(e))?;
                meta.insert(META_UUID, self.uuid).map_err(|e| self.error(e))?;
                meta.insert(META_VERSION, u128::from(FORMAT_VERSION)).map_err(|e| self.error(e))?;
            }
            super::create_tables(transaction).map_err(|e| self.error(e))
        })
    }

    /// A new file at `path` with what `fill` puts into it, durable.
    fn make_at(&self, path: &Path, fill: impl FnOnce(&WriteTransaction) -> Result<(), DbError>) -> Result<(), DbError> {
        let io = |cause| DbError::Io { path: path.display().to_string(), cause };
        let file = fs::create_new(path).map_err(io)?;
        let pages = Arc::new(Pages::new(AtBadPage::Refuse));
        let backend = Checked::over(file, &pages).map_err(|e| self.error(e))?;
        let mut builder = Builder::new();
        let database = builder.set_cache_size(CACHE_BYTES).create_with_backend(backend).map_err(|e| self.error(e))?;
        let transaction = database.begin_write().map_err(|e| self.error(e))?;
        fill(&transaction)?;
        transaction.commit().map_err(|e| self.error(e))?;
        database.close().map_err(|e| self.error(e))?;
        fs::open_read(path).and_then(|f| fs::sync_all(&f)).map_err(io)
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
mod tests {
    use super::super::schema::{NAMES, PROVIDERS};
    use super::*;

    fn db() -> (tempfile::TempDir, Db) {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::new(dir.path().join("monitor.redb"), 7);
        (dir, db)
    }

    fn put(db: &Db, name: &str) -> Result<(), DbError> {
        db.write(|t| {
            t.open_table(PROVIDERS).map_err(|e| db.error(e))?.insert(name, (1, 2)).map_err(|e| db.error(e))?;
            Ok(())
        })
    }

    fn count(db: &Db) -> u64 {
        use redb::ReadableTableMetadata;
        db.read(|t| t.open_table(PROVIDERS).map_err(|e| db.error(e))?.len().map_err(|e| db.error(e))).unwrap()
    }

    #[test]
    fn a_missing_file_is_made_by_the_first_writer_only() {
        let (_dir, db) = db();
        assert!(matches!(db.snapshot(), Err(DbError::Missing { .. })));
        put(&db, "claude").unwrap();
        assert_eq!(count(&db), 1);
    }

    #[test]
    fn a_failed_piece_of_work_changes_nothing() {
        let (_dir, db) = db();
        put(&db, "claude").unwrap();
        let failed: Result<(), DbError> = db.write(|t| {
            t.open_table(PROVIDERS).map_err(|e| db.error(e))?.insert("x", (0, 0)).map_err(|e| db.error(e))?;
            Err(db.damaged("here", "a test"))
        });
        assert!(failed.is_err());
        assert_eq!(count(&db), 1);
    }

    #[test]
    fn readers_and_a_writer_work_side_by_side() {
        let (_dir, db) = db();
        put(&db, "claude").unwrap();
        let snapshot = db.snapshot().unwrap();
        put(&db, "openai").unwrap();
        use redb::ReadableTableMetadata;
        assert_eq!(snapshot.open_table(PROVIDERS).unwrap().len().unwrap(), 1);
        assert_eq!(count(&db), 2);
    }

    #[test]
    fn a_database_that_is_kept_open_follows_what_is_committed_and_what_is_put_in_its_place() {
        let (_dir, db) = db();
        let kept = db.clone().kept_open();
        assert!(matches!(kept.snapshot(), Err(DbError::Missing { .. })));
        (0..200).for_each(|i| put(&db, &format!("provider {i}")).unwrap());
        let before = kept.snapshot().unwrap();
        assert_eq!(count(&kept), 200);
        put(&db, "claude").unwrap();
        assert_eq!(count(&kept), 201);
        let file = || fs::identity(db.path()).unwrap();
        let old = file();
        db.rewrite().unwrap();
        assert_ne!(file(), old, "it has another file now");
        put(&db, "openai").unwrap();
        assert_eq!(count(&kept), 202);
        use redb::ReadableTableMetadata;
        assert_eq!(before.open_table(PROVIDERS).unwrap().len().unwrap(), 200);
    }

    /// Each answer names what is damaged, and what is not can be read.
    #[test]
    fn a_bad_page_of_one_table_leaves_the_others_of_a_database_that_is_kept_open() {
        let (_dir, db) = db();
        put(&db, "claude").unwrap();
        db.write(|t| {
            t.open_table(NAMES).map_err(|e| db.error(e))?.insert(1, "a-name-to-find").map_err(|e| db.error(e))?;
            Ok::<_, DbError>(())
        })
        .unwrap();
        let mut bytes = std::fs::read(db.path()).unwrap();
        let at: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(b"a-name-to-find")).collect();
        at.iter().for_each(|at| bytes[*at] = b'A');
        std::fs::write(db.path(), bytes).unwrap();
        let kept = db.kept_open();
        for _ in 0..2 {
            let name = kept.read(|t| {
                let names = t.open_table(NAMES).map_err(|e| kept.error(e))?;
                names.get(1).map(|name| name.is_some()).map_err(|e| kept.error(e))
            });
            let said = name.unwrap_err().to_string();
            assert!(said.contains("a page of names does not fit"), "{said}");
            assert_eq!(count(&kept), 1);
        }
    }

    #[test]
    fn a_file_of_another_store_is_refused() {
        let (_dir, db) = db();
        put(&db, "claude").unwrap();
        let other = Db::new(db.path().to_owned(), 8);
        assert!(matches!(other.snapshot(), Err(DbError::Damaged { .. })));
        assert!(matches!(put(&other, "x"), Err(DbError::Damaged { .. })));
    }

    #[test]
    fn a_file_that_is_no_database_is_damage() {
        let (_dir, db) = db();
        for bytes in [vec![0x5a; 300_000], b"dear diary".to_vec(), Vec::new()] {
            std::fs::write(db.path(), &bytes).unwrap();
            let read = db.snapshot().err();
            assert!(matches!(read, Some(DbError::Damaged { .. })), "{} bytes: {read:?}", bytes.len());
        }
    }

    #[test]
    fn a_page_of_zeros_is_damage_and_not_a_panic() {
        let (_dir, db) = db();
        for i in 0..2000 {
            if i % 500 == 0 {
                put(&db, &format!("provider {i}")).unwrap();
            }
        }
        let good = std::fs::read(db.path()).unwrap();
        std::panic::set_hook(Box::new(|info| {
            if !in_database() {
                eprintln!("{info}");
            }
        }));
        for page in 0..good.len() / 4096 {
            let mut bad = good.clone();
            bad[page * 4096..(page + 1) * 4096].fill(0);
            std::fs::write(db.path(), &bad).unwrap();
            let read: Result<u64, DbError> = db.read(|t| {
                let table = t.open_table(PROVIDERS).map_err(|e| db.error(e))?;
                let mut n = 0;
                for row in table.iter().map_err(|e| db.error(e))? {
                    row.map_err(|e| db.error(e))?;
                    n += 1;
                }
                Ok(n)
            });
            assert!(read.is_err() || read.is_ok_and(|n| n <= 4), "page {page}");
        }
    }
}
