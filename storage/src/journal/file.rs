//! One journal file of a recorder: made under a temporary name, locked, renamed, given space.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;

use crate::fs::{self, Step};
use crate::journal::fork::Owned;
use crate::journal::format::{DROPS_AT, END_AT, HEADER_BYTES, Header, pair};
use crate::journal::{DropReason, JournalId};
use crate::paths::{parse_utc_day, utc_day_name};
use crate::time::Timestamp;

/// What a recorder sets aside for a file at first, and what a recording thread sets aside.
pub(crate) const FIRST_PIECE_BYTES: u32 = 256 << 10;
/// The largest piece that is written at once, ahead of what writes by `pwrite`.
const PIECE_BYTES_MAX: u32 = 4 << 20;

/// A journal file that this process owns.
#[derive(Debug)]
pub(crate) struct OwnFile {
    pub(crate) file: Owned,
    pub(crate) path: PathBuf,
    pub(crate) header: Header,
}

impl OwnFile {
    /// Makes a file with a header and nothing else. Nobody sees it before it is locked.
    ///
    /// # Errors
    /// What the system says; nothing is left behind then.
    pub(crate) fn create(dir: &Path, header: Header, drops: &[u64; DropReason::COUNT]) -> io::Result<Self> {
        match Self::try_create(dir, header, drops) {
            // Upkeep may have taken it for one that a killed process left, before it was locked.
            Err(e) if e.kind() == io::ErrorKind::NotFound => Self::try_create(dir, header, drops),
            other => other,
        }
    }

    fn try_create(dir: &Path, header: Header, drops: &[u64; DropReason::COUNT]) -> io::Result<Self> {
        allowed(u64::from(HEADER_BYTES))?;
        // A store that was removed as a whole is not begun anew without its identity.
        if dir.parent().is_none_or(|store| store == Path::new("") || store.is_dir()) {
            fs::create_dir(dir)?;
        }
        let name = file_name(&header);
        let (temporary, path) = (dir.join(format!(".{name}.new")), dir.join(name));
        let made = fs::create_new(&temporary).and_then(|file| {
            let file = Owned::new(file);
            fs::write_all_at(&file, &header.encode(drops), 0)?;
            // A file system without locks: then readers take the owner for alive until `end`.
            let _ = fs::try_lock(&file);
            fs::rename_noreplace(&temporary, &path)?;
            Ok(file)
        });
        match made {
            Ok(file) => Ok(Self { file, path, header }),
            Err(e) => {
                let _ = fs::remove_file(&temporary);
                Err(e)
            }
        }
    }

    /// Its descriptor, open as long as `self` is there.
    pub(crate) fn raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    /// Whether somebody removed the file, put another in its place, or cut it, so that what was at `at`
    /// is zeros: what goes there now reaches no reader, or without its names.
    pub(crate) fn is_lost(&self, at: u32) -> bool {
        let Ok(own) = self.file.metadata() else { return false };
        let gone = match fs::identity(&self.path) {
            Ok(named) => named != (own.dev(), own.ino()),
            Err(e) => matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory),
        };
        let mut there = [0; 4];
        gone || matches!(fs::read_exact_at(&self.file, &mut there, u64::from(at)), Ok(()) if there == [0; 4])
    }

    /// Notes the recorder's drop counters in the header. A header that cannot be written keeps the
    /// former ones; the next file has the sum.
    pub(crate) fn note_drops(&self, drops: &[u64; DropReason::COUNT]) {
        let mut bytes = [0; DropReason::COUNT * 16];
        for (place, &count) in bytes.chunks_exact_mut(16).zip(drops) {
            place.copy_from_slice(&pair(count));
        }
        let _ = fs::write_all_at(&self.file, &bytes, DROPS_AT as u64);
    }

    /// Says that frames end at `end`, and gives back the space behind it. A file without frames is
    /// removed: false. If the header cannot be written the owner's death says the same.
    pub(crate) fn finish(&self, end: u32) -> bool {
        if end <= HEADER_BYTES {
            let _ = fs::remove_file(&self.path);
            return false;
        }
        let _ = fs::write_all_at(&self.file, &pair(u64::from(end)), END_AT as u64);
        // Behind `end` nothing was ever published.
        let _ = fs::set_len(&self.file, u64::from(end));
        true
    }
}

/// The name of a journal.
fn file_name(header: &Header) -> String {
    let JournalId { recorder, sequence } = header.id;
    format!("{}-{recorder:032x}-{sequence:06}.axj", utc_day_name(header.created))
}

/// Whether the file was going to be a journal.
pub(crate) fn is_unfinished(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    name.starts_with(b".") && name.ends_with(b".axj.new")
}

/// What a journal's name says: its identity and the day on which it was made.
pub(crate) fn parse_file_name(path: &Path) -> Option<(JournalId, Timestamp)> {
    let name = path.file_name()?.to_str()?;
    let (rest, sequence) = name.strip_suffix(".axj")?.rsplit_once('-')?;
    let (day, recorder) = rest.rsplit_once('-')?;
    let id = JournalId { recorder: u128::from_str_radix(recorder, 16).ok()?, sequence: sequence.parse().ok()? };
    let created = parse_utc_day(day)?;
    (file_name(&Header { id, store_uuid: 0, created }) == name).then_some((id, created))
}

/// Sets space aside in an open file, so that the medium refuses now and not when a page is written.
///
/// # Errors
/// `EFBIG` without a signal where the process may not write that far, else what the system says.
pub(crate) fn set_aside(fd: RawFd, from: u32, to: u32) -> io::Result<()> {
    allowed(u64::from(to))?;
    fs::step(Step::Resize(fd))?;
    let bytes = libc::off_t::from(to.saturating_sub(from));
    loop {
        // Not `posix_fallocate`, which writes zeros where the file system cannot do it.
        // SAFETY: a system call; a descriptor that is none is an error.
        if unsafe { libc::fallocate(fd, 0, libc::off_t::from(from), bytes) } == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Sets space aside as [`set_aside`] does, and fills it with zeros: pages that come into memory by a
/// long write are large ones, and cost a quarter of those that come one by one when they are touched.
/// Nobody else may write there meanwhile.
///
/// # Errors
/// As [`set_aside`].
pub(crate) fn fill(fd: RawFd, from: u32, to: u32) -> io::Result<()> {
    /// Never written to, so it has no memory of its own.
    static ZEROS: [AtomicU64; FIRST_PIECE_BYTES as usize / 8] =
        [const { AtomicU64::new(0) }; FIRST_PIECE_BYTES as usize / 8];
    set_aside(fd, from, to)?;
    let mut at = from;
    while at < to {
        fs::step(Step::Write(fd))?;
        let bytes = (to - at).min(FIRST_PIECE_BYTES) as usize;
        // SAFETY: so many bytes are there, which nobody changes; a descriptor that is none is an error.
        let done = unsafe { libc::pwrite(fd, ZEROS.as_ptr().cast(), bytes, libc::off_t::from(at)) };
        match u32::try_from(done) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(done) => at += done,
            Err(_) => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    }
    Ok(())
}

/// The end of the piece that follows `room` bytes set aside so far.
pub(crate) fn next_piece(room: u32, file_bytes_max: u32) -> u32 {
    let step = room.clamp(FIRST_PIECE_BYTES, PIECE_BYTES_MAX);
    // The header is in the first piece, so that the pieces end at round offsets.
    (room / FIRST_PIECE_BYTES * FIRST_PIECE_BYTES).saturating_add(step).min(file_bytes_max)
}

/// Whether the process may write files up to `bytes`: to exceed the limit would be a deadly signal.
fn allowed(bytes: u64) -> io::Result<()> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a local of the right type.
    let known = unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, &raw mut limit) } == 0;
    if known && bytes > limit.rlim_cur { Err(io::Error::from_raw_os_error(libc::EFBIG)) } else { Ok(()) }
}

/// Whether files of the directory can be written through a mapping without surprises: where set
/// aside space is really there. Not where blocks are copied on write, nor over a network.
pub(crate) fn can_be_mapped(dir: &Path) -> bool {
    let Ok(path) = std::ffi::CString::new(dir.as_os_str().as_bytes()) else { return false };
    // SAFETY: all-zero bytes are a valid `statfs`.
    let mut about: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: a NUL-terminated path and a local of the right type.
    let known = unsafe { libc::statfs(path.as_ptr(), &raw mut about) } == 0;
    known && [libc::EXT4_SUPER_MAGIC, libc::XFS_SUPER_MAGIC, libc::TMPFS_MAGIC].contains(&about.f_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_whose_file_it_is() {
        let id = JournalId { recorder: 0xabc, sequence: 1_234_567 };
        let created = Timestamp::from_millis(1_762_768_800_000);
        let name = file_name(&Header { id, store_uuid: 7, created });
        assert_eq!(name, "2025-11-10-00000000000000000000000000000abc-1234567.axj");
        assert_eq!(parse_file_name(&Path::new("journal").join(&name)), Some((id, created.utc_day())));
        for other in
            ["2025-11-10-abc-1234567.axj", "2025-11-10-00000000000000000000000000000abc-+23456.axj", "x.axj", ""]
        {
            assert_eq!(parse_file_name(Path::new(other)), None, "{other}");
        }
    }

    #[test]
    fn pieces_double_and_fill_the_file() {
        let mut ends = vec![next_piece(0, 16 << 20)];
        while let Some(&last) = ends.last()
            && last < 16 << 20
        {
            ends.push(next_piece(last, 16 << 20));
        }
        let kib: Vec<u32> = ends.iter().map(|e| e >> 10).collect();
        assert_eq!(kib, [256, 512, 1024, 2048, 4096, 8192, 12288, 16384]);
        assert_eq!(next_piece(0, 64 << 10), 64 << 10, "small files in tests");
    }
}
