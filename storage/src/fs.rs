//! The engine's file operations: private, never through a symlink, durable where they say so.
//!
//! Everything that changes a store goes through here, so that tests can stop it at any step: see
//! `faults`, which other builds do not have.

#[cfg(feature = "faults")]
pub mod faults;

use std::fs::{DirBuilder, File, FileTimes, Metadata, OpenOptions, TryLockError};
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

/// Creates a directory that only its owner may enter, with its parents. One that exists is kept; a
/// symlink to one is an error. What was made survives a power loss.
///
/// # Errors
/// What the system says.
pub fn create_dir(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(about) if about.is_dir() => return Ok(()),
        Ok(about) => return Err(unexpected(&about)),
        Err(_) => {}
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // On the way to a store, symlinks are its user's own.
    if !parent.is_dir() {
        create_dir(parent)?;
    }
    step(Step::MakeDir(path))?;
    // Not the recursive way of the library: the umask would decide about the parents.
    match DirBuilder::new().mode(0o700).create(path) {
        // Somebody was faster, and has perhaps not done with it yet.
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && is_dir(path) => {}
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

fn is_dir(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|about| about.is_dir())
}

/// The same for the directory of a store, which its user names: here a symlink is followed. One that
/// is there already is closed to others, and must not belong to somebody else: its owner could put
/// anything in place of what is in it. Root may have files anywhere, and anybody below root's.
///
/// # Errors
/// What the system says, or who owns it.
pub fn create_root(path: &Path) -> io::Result<()> {
    let Ok(about) = std::fs::metadata(path) else { return create_dir(path) };
    // SAFETY: a system call that cannot fail.
    let me = unsafe { libc::geteuid() };
    match about.uid() {
        _ if !about.is_dir() => Err(unexpected(&about)),
        owner if owner == me && about.mode() & 0o077 == 0 => Ok(()),
        owner if owner == me => std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)),
        owner if owner == 0 || me == 0 => Ok(()),
        owner => {
            let what = format!("the directory belongs to another user, number {owner}; a store needs one of your own");
            Err(io::Error::new(io::ErrorKind::Unsupported, what))
        }
    }
}

/// What is in the place of something of ours.
fn unexpected(found: &Metadata) -> io::Error {
    let what = found.file_type();
    let what = match () {
        () if what.is_symlink() => "it is a symlink, and those are not followed here",
        () if what.is_dir() => "it is a directory, where a file should be",
        () if what.is_file() => "it is a file, where a directory should be",
        () => "it is a pipe, a socket or a device",
    };
    io::Error::new(io::ErrorKind::Unsupported, what)
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

/// Opens a file for reading; a symlink is an error, and so is anything else that is no plain file.
///
/// # Errors
/// What the system says.
pub fn open_read(path: &Path) -> io::Result<File> {
    open(path, false)
}

/// Opens a file that exists for reading and writing, as [`open_read`] does.
///
/// # Errors
/// What the system says.
pub fn open_write(path: &Path) -> io::Result<File> {
    open(path, true)
}

fn open(path: &Path, write: bool) -> io::Result<File> {
    step(Step::Open(path))?;
    // A pipe would keep us waiting for somebody at its other end.
    let flags = libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK;
    let opened = OpenOptions::new().read(true).write(write).custom_flags(flags).open(path);
    let about = match &opened {
        Ok(file) => file.metadata()?,
        // Only what is there can be of another sort than we thought.
        Err(_) => std::fs::symlink_metadata(path)?,
    };
    if about.is_file() { opened } else { Err(unexpected(&about)) }
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

/// What lies in a directory that a store has made; nothing where there is none. A symlink is an error.
///
/// # Errors
/// What the system says.
pub fn list_dir(path: &Path) -> io::Result<Vec<PathBuf>> {
    if let Some(about) = std::fs::symlink_metadata(path).ok().filter(Metadata::is_symlink) {
        return Err(unexpected(&about));
    }
    list_root(path)
}

/// The same for the directory of a store, which its user names: here a symlink is followed.
///
/// # Errors
/// What the system says.
pub fn list_root(path: &Path) -> io::Result<Vec<PathBuf>> {
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

/// From now on a file that would exceed the limit of this thread's process (`ulimit -f`) is an error to
/// this thread and those it starts, and no deadly signal.
pub fn outlive_file_size_limit() {
    // SAFETY: calls on a local set, for the calling thread.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGXFSZ);
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
    }
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
