//! What of an input was imported before.
//!
//! ```text
//!  |<------ consumed 1 ------>|                                 remembered by an earlier import: (length, hash)
//!  |<---------------- consumed 2 ---------------->|
//!  |head|.........................................|new lines     the same input, grown
//! ```
//! The head (the first lines that are not empty, with format, map and zone) finds what is remembered; it
//! does not decide. The input is read up to the longest remembered length, and at each remembered length
//! its hash so far is compared. The longest that agrees is where reading goes on. Where the search went
//! past that, the file is opened again, and standard input, which can't be, is replayed from a spool.
//!
//! A remembered length may end in the middle of a line: an unterminated last line that was taken. What
//! then follows up to the next line end is blank, or refused.

use std::collections::hash_map::RandomState;
use std::fs::{File, OpenOptions};
use std::hash::BuildHasher;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ax_storage::time::Zone;
use xxhash_rust::xxh3::Xxh3;

use super::logs::begins_with_a_value;
use super::source::{Record, Source};
use super::{Consumed, Format, Refusal, Refusals};

/// Bytes looked at for the head.
pub(crate) const HEAD_BYTES_MAX: usize = 64 << 10;
/// Of each line of the head so many bytes count.
const HEAD_LINE_BYTES_MAX: usize = 4 << 10;

/// What an input is looked up by. It must not change when the input grows behind a line that was taken.
pub(crate) fn head(format: Format, map: &[(String, String)], zone: Option<&Zone>, first: &[u8]) -> u128 {
    let mut hash = Xxh3::new();
    let mut part = |bytes: &[u8]| {
        hash.update(&(bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    // A CSV file's first line is shared by all files of that kind.
    let lines = if format == Format::Csv { 2 } else { 1 };
    part(format.name().as_bytes());
    // Logs know neither.
    let (map, zone) = if format.is_log() { (&[][..], None) } else { (map, zone) };
    for (theirs, ours) in map {
        part(theirs.as_bytes());
        part(ours.as_bytes());
    }
    part(zone.map_or("", Zone::name).as_bytes());
    if format.is_log() && !begins_with_a_value(first) {
        // The first line of a document is shared by all of them; one that is written anew is a new one.
        part(&first[..first.len().min(HEAD_LINE_BYTES_MAX)]);
        return hash.digest128();
    }
    let filled = first.split(|b| *b == b'\n').map(|line| line.trim_ascii()).filter(|line| !line.is_empty());
    for line in filled.take(lines) {
        part(&line[..line.len().min(HEAD_LINE_BYTES_MAX)]);
    }
    hash.digest128()
}

/// Where the search for the remembered part ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Length of the longest part that was consumed before; 0 = none.
    pub(crate) len: u64,
    /// Records in it that are not empty.
    pub(crate) records: u64,
    /// Of these, refused.
    pub(crate) refused: Refusals,
    /// Whether it ends within a line.
    pub(crate) within_line: bool,
}

/// Reads `source` to the longest remembered length and compares on the way. Afterwards the source stands
/// behind what it read, which is not before `Found::len`. `refuse` takes a record that is not empty, and
/// says why it is refused, if it is.
///
/// # Errors
/// Those of the input.
pub(crate) fn search(
    source: &mut Source,
    remembered: &[Consumed],
    refuse: &mut dyn FnMut(&[u8], &Record) -> Option<Refusal>,
) -> io::Result<Found> {
    let mut lengths: Vec<Consumed> = remembered.iter().copied().filter(|c| c.len > 0).collect();
    lengths.sort_unstable_by_key(|c| c.len);
    let mut found = Found::default();
    let (mut records, mut refused) = (0, Refusals::default());
    for wanted in lengths {
        while source.position() < wanted.len {
            let Some(record) = source.next_until(wanted.len)? else { return Ok(found) };
            let bytes = source.bytes(&record);
            if record.fault.is_some() || !bytes.trim_ascii().is_empty() {
                records += 1;
                if let Some(refusal) = refuse(bytes, &record) {
                    refused.push(refusal);
                }
            }
        }
        if source.position() == wanted.len && source.consumed() == wanted {
            // Those behind it are met again by whoever reads on from there.
            let refused = refused.clone();
            found = Found { len: wanted.len, records, refused, within_line: source.within_line() };
        }
    }
    Ok(found)
}

/// Brings a fresh source of the same input to `found`.
///
/// # Errors
/// Those of the input.
pub(crate) fn advance(source: &mut Source, found: &Found) -> io::Result<()> {
    while source.position() < found.len && source.next_until(found.len)?.is_some() {}
    Ok(())
}

/// Standard input that can be read a second time from the beginning.
pub(crate) struct Spool {
    inner: Arc<Mutex<Box<dyn Read + Send>>>,
    kept: File,
    keeping: Arc<AtomicBool>,
}

impl Spool {
    /// What is read through the returned reader is kept, in a file without a name that ends with the process,
    /// until [`Spool::stop`] or [`Spool::again`].
    ///
    /// # Errors
    /// When that file can't be made.
    pub(crate) fn new(inner: Box<dyn Read + Send>) -> io::Result<(Self, Box<dyn Read + Send>)> {
        let kept = unnamed_file()?;
        let inner = Arc::new(Mutex::new(inner));
        let keeping = Arc::new(AtomicBool::new(true));
        let tee = Tee { inner: Arc::clone(&inner), kept: kept.try_clone()?, keeping: Arc::clone(&keeping) };
        Ok((Self { inner, kept, keeping }, Box::new(tee)))
    }

    /// Keeps no more.
    pub(crate) fn stop(self) {
        self.keeping.store(false, Ordering::Relaxed);
    }

    /// Everything from the beginning again.
    ///
    /// # Errors
    /// When the kept file can't be rewound.
    pub(crate) fn again(mut self) -> io::Result<Box<dyn Read + Send>> {
        self.kept.seek(SeekFrom::Start(0))?;
        self.keeping.store(false, Ordering::Relaxed);
        let rest = Tee { inner: self.inner, kept: self.kept.try_clone()?, keeping: self.keeping };
        Ok(Box::new(self.kept.chain(rest)))
    }
}

struct Tee {
    inner: Arc<Mutex<Box<dyn Read + Send>>>,
    kept: File,
    keeping: Arc<AtomicBool>,
}

impl Read for Tee {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.lock().unwrap_or_else(PoisonError::into_inner).read(buf)?;
        if self.keeping.load(Ordering::Relaxed) {
            self.kept.write_all(&buf[..n])?;
        }
        Ok(n)
    }
}

/// A new file in the folder for temporary files, readable by its owner only and unlinked at once.
fn unnamed_file() -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut tries = 0;
    loop {
        // A fresh RandomState is seeded by the system: nobody can plant a file under the name.
        let random = RandomState::new().hash_one(tries);
        let path = std::env::temp_dir().join(format!("ax-monitor-{random:016x}.spool"));
        match options.open(&path) {
            Ok(file) => {
                std::fs::remove_file(&path)?;
                return Ok(file);
            }
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && tries < 100 => tries += 1,
            Err(e) => return Err(e),
        }
    }
}
