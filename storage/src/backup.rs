//! Backup: a copy of a store that is itself a store, taken while recorders go on.
//!
//! It is one moment: the database as one snapshot, the segments that lists, and of each journal what
//! is published when it is copied, which is at least what the snapshot says of it. The upkeep's lock keeps
//! files from going away meanwhile. To restore, copy the directory back; to look into it, name it with `--store`.

use std::fs::FileTimes;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::fs;
use crate::identity::random_u128;
use crate::journal::{JournalError, Reader, list};
use crate::paths::Paths;
use crate::query::QueryError;
use crate::rollup::TickError;
use crate::row::Batch;
use crate::store::{Store, journal_key};
use crate::tier::db::DbError;
use crate::tier::{Listed, Manifest};

/// Events of a journal looked at at once.
const CHUNK_EVENTS: u64 = 65_536;
/// Bytes of a journal copied at once.
const CHUNK_BYTES: usize = 1 << 20;

/// Why there is no backup. What was begun is removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The upkeep's lock.
    #[error(transparent)]
    Pass(#[from] TickError),
    /// The database.
    #[error(transparent)]
    Database(#[from] DbError),
    /// A journal.
    #[error(transparent)]
    Read(#[from] QueryError),
    /// There is something already.
    #[error("{path} is there already")]
    Exists {
        /// The path.
        path: String,
    },
    /// The system refused.
    #[error("cannot use {path}: {cause}")]
    Io {
        /// File or folder.
        path: String,
        /// What the system said.
        cause: io::Error,
    },
}

/// What was copied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backup {
    /// Sealed segments.
    pub segments: u64,
    /// Journals.
    pub journals: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// What could not be read; the rest is there.
    pub problems: Vec<String>,
}

impl Store {
    /// Copies the store to the directory `to`, which must not be there. `progress` hears how many
    /// segments are copied, of how many.
    ///
    /// # Errors
    /// See [`BackupError`].
    pub fn backup(&self, to: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<Backup, BackupError> {
        if to.symlink_metadata().is_ok() {
            return Err(BackupError::Exists { path: to.display().to_string() });
        }
        let _lock = self.wait_for_pass(&mut || ())?;
        let parent = match to.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let random = random_u128().map_err(|e| error(to)(e))?;
        let temporary = parent.join(format!(".backup-{random:032x}"));
        let done = self.copy_into(&temporary, progress).and_then(|backup| {
            fs::rename_noreplace(&temporary, to).map_err(|cause| match cause.kind() {
                io::ErrorKind::AlreadyExists => BackupError::Exists { path: to.display().to_string() },
                _ => error(to)(cause),
            })?;
            fs::sync_dir(parent).map_err(error(parent))?;
            Ok(backup)
        });
        if done.is_err() {
            // Half a copy is of no use; that it stays is no reason for another failure.
            let _ = std::fs::remove_dir_all(&temporary);
        }
        done
    }

    fn copy_into(&self, dir: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<Backup, BackupError> {
        let mut backup = Backup::default();
        let paths = Paths::new(dir);
        fs::create_dir(dir).map_err(error(dir))?;
        let manifest = self.copy_database(&paths, &mut backup)?;
        for (done, one) in (0..).zip(&manifest.segments) {
            progress(done, manifest.segments.len() as u64);
            self.copy_segment(one, &paths, &mut backup)?;
        }
        self.copy_journals(&manifest, &paths, &mut backup)?;
        self.copy_others(&paths, &mut backup)?;
        fs::sync_dir(dir).map_err(error(dir))?;
        Ok(backup)
    }

    fn copy_database(&self, paths: &Paths, backup: &mut Backup) -> Result<Manifest, BackupError> {
        let snapshot = match self.db().snapshot() {
            Err(DbError::Missing { .. }) => return Ok(Manifest::default()),
            other => other?,
        };
        let copy = paths.database();
        let manifest = self.db().guard(|| {
            self.db().copy_to(&snapshot, &copy)?;
            self.manifest_in(&snapshot)
        })?;
        backup.bytes += copy.metadata().map_err(error(&copy))?.len();
        Ok(manifest)
    }

    fn copy_segment(&self, one: &Listed, paths: &Paths, backup: &mut Backup) -> Result<(), BackupError> {
        let from = self.paths().segment(one.day, one.uuid);
        let folder = paths.raw_day(one.day);
        fs::create_dir(&folder).map_err(error(&folder))?;
        match copy_file(&from, &paths.segment(one.day, one.uuid), u64::MAX) {
            // Lost before: what else there is, is worth keeping all the more.
            Err(BackupError::Io { path, cause }) if cause.kind() == io::ErrorKind::NotFound => {
                backup.problems.push(format!("{path} is missing: {cause}"));
            }
            other => backup.bytes += other?,
        }
        backup.segments += 1;
        fs::sync_dir(&folder).map_err(error(&folder))
    }

    /// The published part of each journal that is not sealed.
    fn copy_journals(&self, manifest: &Manifest, paths: &Paths, backup: &mut Backup) -> Result<(), BackupError> {
        let (from, to) = (self.paths().journal_dir(), paths.journal_dir());
        fs::create_dir(&to).map_err(error(&to))?;
        for path in list(&from).map_err(error(&from))? {
            let mut journal = match Reader::open(&path) {
                Ok(journal) => journal,
                Err(JournalError::Io { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => continue,
                // What the system refuses now, it may give the next time: a copy without it would look whole.
                Err(error @ JournalError::Io { .. }) => return Err(QueryError::from(error).into()),
                Err(error) => {
                    backup.problems.push(error.to_string());
                    continue;
                }
            };
            let Some(name) = path.file_name() else { continue };
            if !journal.belongs_to(self.uuid()) || manifest.checkpoint(journal_key(&journal)).retired {
                continue;
            }
            let end = published(&mut journal).map_err(QueryError::from)?;
            backup.bytes += copy_file(&path, &to.join(name), end)?;
            backup.journals += 1;
        }
        fs::sync_dir(&to).map_err(error(&to))
    }

    /// `store.id`, and what layers above keep beside it.
    fn copy_others(&self, paths: &Paths, backup: &mut Backup) -> Result<(), BackupError> {
        let root = self.paths().root();
        // Also what a rebuilding kept of a database that was damaged.
        let database = self.paths().database();
        let is_known = |path: &PathBuf| {
            let starts = |name: &std::ffi::OsStr, with: &[u8]| name.as_encoded_bytes().starts_with(with);
            let old = database.file_name().unwrap_or_default().as_encoded_bytes();
            *path == self.paths().store_id() || path.file_name().is_none_or(|n| starts(n, b".") || starts(n, old))
        };
        let mut others = fs::list_root(root).map_err(error(root))?;
        others.retain(|path| !is_known(path));
        // The identity last: without it, a directory is no store.
        others.push(self.paths().store_id());
        for path in others {
            let (true, Some(name)) = (path.symlink_metadata().is_ok_and(|m| m.is_file()), path.file_name()) else {
                continue;
            };
            backup.bytes += copy_file(&path, &paths.root().join(name), u64::MAX)?;
        }
        // Its time says when the last upkeep ended.
        let id = paths.store_id();
        let modified = std::fs::metadata(self.paths().store_id()).and_then(|m| m.modified()).map_err(error(&id))?;
        let times = FileTimes::new().set_modified(modified);
        fs::open_write(&id).and_then(|f| fs::set_times(&f, times)).map_err(error(&id))
    }
}

/// Offset behind the last published frame.
fn published(journal: &mut Reader) -> Result<u64, JournalError> {
    let mut from = 0;
    loop {
        let mut batch = Batch::default();
        let progress = journal.read(from, CHUNK_EVENTS, &mut batch)?;
        from = progress.next;
        if !progress.more {
            return Ok(from);
        }
    }
}

/// Copies at most the first `end` bytes and makes them durable: bytes copied.
fn copy_file(from: &Path, to: &Path, end: u64) -> Result<u64, BackupError> {
    let source = fs::open_read(from).map_err(error(from))?;
    let copy = fs::create_new(to).map_err(error(to))?;
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut at = 0;
    while at < end {
        let want = usize::try_from(end - at).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
        let got = source.read_at(&mut buffer[..want], at).map_err(error(from))?;
        if got == 0 {
            break;
        }
        fs::write_all(&copy, &buffer[..got]).map_err(error(to))?;
        at += got as u64;
    }
    fs::sync_all(&copy).map_err(error(to))?;
    Ok(at)
}

fn error(path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.display().to_string();
    move |cause| BackupError::Io { path, cause }
}
