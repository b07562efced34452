//! The engine's file operations: private, never through a symlink, durable where they say so.
//!
//! Everything that changes a store goes through here, so that tests can stop it at any step: see
//! `faults`, which other builds do not have.

#[cfg(feature = "faults")]
pub mod faults;

use std::fs::{DirBuilder, File, FileTimes, OpenOptions, TryLockError};
use std::io;
use std::io::Write;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// What is about to be done. Descriptors are open, and those of files.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Step<'a> {
    /// Makes a directory.
    MakeDir(&'a Path),
    /// Makes a file.
    Create(&'a Path),
    /// Opens a file, or lists a directory.
    Open(&'a Path),
    /// Gives a file another name.
    Rename(&'a Path, &'a Path),
    /// Removes a file or an empty directory.
    Remove(&'a Path),
    /// Makes the entries of a directory durable.
    SyncDir(&'a Path),
    /// Reads.
    Read(RawFd),
    /// Writes.
    Write(RawFd),
    /// Cuts, lengthens, or sets space aside.
    Resize(RawFd),
    /// Makes the contents durable.
    Sync(RawFd),
    /// Sets times.
    Touch(RawFd),
}

#[cfg(not(feature = "faults"))]
#[inline(always)]
pub(crate) fn step(_: Step<'_>) -> io::Result<()> {
    Ok(())
}

#[cfg(feature = "faults")]
pub(crate) use faults::step;

/// Creates a directory that only its owner may enter, with its parents. One that exists is kept. What
/// was made survives a power loss.
///
/// # Errors
/// What the system says.
pub fn create_dir(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    create_dir(parent)?;
    step(Step::MakeDir(path))?;
    match DirBuilder::new().mode(0o700).create(path) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => return Ok(()),
        made => made?,
    }
    // A hostile umask could have taken more than group and other.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))?;
    match sync_dir(parent) {
        // Outside of the store, a directory may be one that we can write to and not read.
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        synced => synced,
    }
}

/// Creates a file for reading and writing that only its owner may open; it must not exist.
///
/// # Errors
/// What the system says.
pub fn create_new(path: &Path) -> io::Result<File> {
    step(Step::Create(path))?;
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
        .open(path)?;
    file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    Ok(file)
}

/// Opens a file for reading; a symlink is an error.
///
/// # Errors
/// What the system says.
pub fn open_read(path: &Path) -> io::Result<File> {
    open(path, false)
}

/// Opens a file that exists for reading and writing; a symlink is an error.
///
/// # Errors
/// What the system says.
pub fn open_write(path: &Path) -> io::Result<File> {
    open(path, true)
}

fn open(path: &Path, write: bool) -> io::Result<File> {
    step(Step::Open(path))?;
    OpenOptions::new().read(true).write(write).custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC).open(path)
}

/// Writes all of `bytes` where the file stands.
///
/// # Errors
/// What the system says.
pub fn write_all(mut file: &File, bytes: &[u8]) -> io::Result<()> {
    step(Step::Write(file.as_raw_fd()))?;
    file.write_all(bytes)
}

/// Writes all of `bytes` at `offset`.
///
/// # Errors
/// What the system says.
#[inline]
pub fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    step(Step::Write(file.as_raw_fd()))?;
    file.write_all_at(bytes, offset)
}

/// Fills `bytes` from `offset`; less than that is an error.
///
/// # Errors
/// What the system says.
pub fn read_exact_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    step(Step::Read(file.as_raw_fd()))?;
    file.read_exact_at(bytes, offset)
}

/// Cuts a file or lengthens it with zeros.
///
/// # Errors
/// What the system says.
pub fn set_len(file: &File, len: u64) -> io::Result<()> {
    step(Step::Resize(file.as_raw_fd()))?;
    file.set_len(len)
}

/// Makes contents and length of a file durable.
///
/// # Errors
/// What the system says; what was written may be lost then, whatever a later call says.
pub fn sync_data(file: &File) -> io::Result<()> {
    step(Step::Sync(file.as_raw_fd()))?;
    file.sync_data()
}

/// Makes a file durable with its times.
///
/// # Errors
/// As [`sync_data`].
pub fn sync_all(file: &File) -> io::Result<()> {
    step(Step::Sync(file.as_raw_fd()))?;
    file.sync_all()
}

/// Sets a file's times.
///
/// # Errors
/// What the system says.
pub fn set_times(file: &File, times: FileTimes) -> io::Result<()> {
    step(Step::Touch(file.as_raw_fd()))?;
    file.set_times(times)
}

/// Renames without ever replacing: `AlreadyExists` when `to` is there.
///
/// # Errors
/// What the system says.
pub fn rename_noreplace(from: &Path, to: &Path) -> io::Result<()> {
    step(Step::Rename(from, to))?;
    let c = |p: &Path| std::ffi::CString::new(p.as_os_str().as_bytes()).map_err(io::Error::other);
    let (from_c, to_c) = (c(from)?, c(to)?);
    // SAFETY: both pointers are NUL-terminated strings that outlive the call.
    let done = unsafe {
        libc::renameat2(libc::AT_FDCWD, from_c.as_ptr(), libc::AT_FDCWD, to_c.as_ptr(), libc::RENAME_NOREPLACE)
    };
    if done == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    if error.raw_os_error() != Some(libc::EINVAL) {
        return Err(error);
    }
    // A file system without the flag: a hard link refuses to replace as well.
    std::fs::hard_link(from, to)?;
    std::fs::remove_file(from)
}

/// What lies in a directory; nothing where there is none.
///
/// # Errors
/// What the system says.
pub fn list_dir(path: &Path) -> io::Result<Vec<PathBuf>> {
    step(Step::Open(path))?;
    match std::fs::read_dir(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        entries => entries?.map(|e| e.map(|e| e.path())).collect(),
    }
}

/// Removes a file; one that is gone already is fine.
///
/// # Errors
/// What the system says.
pub fn remove_file(path: &Path) -> io::Result<()> {
    step(Step::Remove(path))?;
    gone(std::fs::remove_file(path))
}

/// Removes an empty directory; one that is gone already is fine.
///
/// # Errors
/// What the system says.
pub fn remove_dir(path: &Path) -> io::Result<()> {
    step(Step::Remove(path))?;
    gone(std::fs::remove_dir(path))
}

fn gone(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Makes the entries of a directory durable.
///
/// # Errors
/// What the system says.
pub fn sync_dir(path: &Path) -> io::Result<()> {
    step(Step::SyncDir(path))?;
    File::open(path)?.sync_all()
}

/// Takes an exclusive lock on an open file without waiting: whether it was got.
///
/// # Errors
/// What the system says, but for "somebody has it".
pub fn try_lock(file: &File) -> io::Result<bool> {
    answer(file.try_lock())
}

/// Takes a shared lock on an open file without waiting: whether it was got.
///
/// # Errors
/// What the system says, but for "somebody has it".
pub fn try_lock_shared(file: &File) -> io::Result<bool> {
    answer(file.try_lock_shared())
}

fn answer(result: Result<(), TryLockError>) -> io::Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(e)) => Err(e),
    }
}

/// Renames over what is there.
///
/// # Errors
/// What the system says.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    step(Step::Rename(from, to))?;
    std::fs::rename(from, to)
}

/// Which file a name stands for: device and number.
///
/// # Errors
/// What the system says.
pub fn identity(path: &Path) -> io::Result<(u64, u64)> {
    std::fs::symlink_metadata(path).map(|m| (m.dev(), m.ino()))
}

/// Number and name of a process that holds a `flock` on a file, as far as the system tells.
pub fn lock_holder(path: &Path) -> Option<String> {
    let (_, inode) = identity(path).ok()?;
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    // `1: FLOCK  ADVISORY  WRITE 4711 08:01:1234 0 EOF`
    let pid = locks.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let place = words.iter().position(|word| *word == "FLOCK")?;
        let same = words.get(place + 4)?.rsplit(':').next()?.parse() == Ok(inode);
        same.then(|| words.get(place + 3).copied())?
    })?;
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    Some(format!("{pid} {}", name.trim()).trim().to_owned())
}

/// Gives a file a second name, which must not be there.
///
/// # Errors
/// What the system says.
pub fn link(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::hard_link(from, to)
}

/// Blocks of a file on the medium, in bytes.
///
/// # Errors
/// What the system says.
pub fn blocks(path: &Path) -> io::Result<u64> {
    std::fs::symlink_metadata(path).map(|m| m.blocks() * 512)
}
