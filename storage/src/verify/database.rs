//! The database library's own check of every page, meant for a process of its own: on a damaged
//! file the library may panic, or abort.
//!
//! The check repairs what it finds, so it gets a file of which it can only change the memory: what
//! it writes stays in memory, over what is read from the disk. The real file is never written, and needs
//! no second one beside it.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redb::{Builder, StorageBackend};

use crate::fs;

/// Memory of the check beside what it writes.
const CACHE_BYTES: usize = 16 << 20;
/// A writer that commits during the check makes it worthless: it is begun anew so often.
const TRIES: u32 = 5;
/// Pause before it is.
const PAUSE: Duration = Duration::from_millis(300);
/// What is written is kept in pieces of this size.
const PIECE_BYTES: u64 = 4096;

/// What the check says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every page is as it was written.
    Clean,
    /// It is not.
    Damaged(String),
    /// It was written all the time: nothing can be said.
    Busy,
}

/// Checks the database at `path` page by page. Writes nothing.
///
/// # Errors
/// When the file cannot be read.
pub fn check(path: &Path) -> io::Result<Verdict> {
    for _ in 0..TRIES {
        let file = fs::open_read(path)?;
        let before = stamp(&file)?;
        let checked = check_file(file.try_clone()?);
        // What was replaced is still whole; what was written meanwhile may have been read in between.
        if checked.is_ok() {
            return Ok(Verdict::Clean);
        }
        if stamp(&file)? == before {
            return Ok(Verdict::Damaged(checked.err().unwrap_or_default()));
        }
        std::thread::sleep(PAUSE);
    }
    Ok(Verdict::Busy)
}

/// Length and time of the last change.
fn stamp(file: &File) -> io::Result<(u64, i64, i64)> {
    file.metadata().map(|m| (m.len(), m.mtime(), m.mtime_nsec()))
}

fn check_file(file: File) -> Result<(), String> {
    let length = file.metadata().map_err(|e| e.to_string())?.len();
    let overlay = Overlay { file, state: Mutex::new(State { length, on_disk: length, pieces: HashMap::new() }) };
    let mut builder = Builder::new();
    // A writer that was killed leaves a file to repair, which the opening does and the check then proves.
    let opened = builder.set_cache_size(CACHE_BYTES).create_with_backend(overlay);
    let mut database = opened.map_err(|e| e.to_string())?;
    match database.check_integrity() {
        Ok(true) => Ok(()),
        Ok(false) => Err("its pages do not fit each other".to_owned()),
        Err(e) => Err(e.to_string()),
    }
}

/// A file whose changes stay in memory.
#[derive(Debug)]
struct Overlay {
    file: File,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    length: u64,
    /// Bytes behind this are not those of the file any more.
    on_disk: u64,
    pieces: HashMap<u64, Box<[u8]>>,
}

impl Overlay {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read_disk(&self, state: &State, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let there = state.on_disk.saturating_sub(offset).min(out.len() as u64) as usize;
        self.file.read_exact_at(&mut out[..there], offset)?;
        out[there..].fill(0);
        Ok(())
    }
}

/// The pieces that a range touches: number, where in the piece, where in the range.
fn pieces(offset: u64, length: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let at = offset + done as u64;
        let inside = (at % PIECE_BYTES) as usize;
        let take = (length - done).min(PIECE_BYTES as usize - inside);
        let range = done..done + take;
        done += take;
        (take > 0).then_some((at / PIECE_BYTES, inside, range))
    })
}

fn within(state: &State, offset: u64, length: usize) -> io::Result<()> {
    match offset.checked_add(length as u64) {
        Some(end) if end <= state.length => Ok(()),
        _ => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a page is behind the end of the file")),
    }
}

impl StorageBackend for Overlay {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().length)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.state();
        within(&state, offset, out.len())?;
        self.read_disk(&state, offset, out)?;
        for (number, inside, range) in pieces(offset, out.len()) {
            if let Some(piece) = state.pieces.get(&number) {
                let length = range.len();
                out[range].copy_from_slice(&piece[inside..inside + length]);
            }
        }
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut state = self.state();
        state.length = length;
        state.on_disk = state.on_disk.min(length);
        state.pieces.retain(|number, _| number * PIECE_BYTES < length);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        within(&state, offset, data.len())?;
        for (number, inside, range) in pieces(offset, data.len()) {
            if !state.pieces.contains_key(&number) {
                let mut piece = vec![0; PIECE_BYTES as usize].into_boxed_slice();
                self.read_disk(&state, number * PIECE_BYTES, &mut piece)?;
                state.pieces.insert(number, piece);
            }
            if let Some(piece) = state.pieces.get_mut(&number) {
                let length = range.len();
                piece[inside..inside + length].copy_from_slice(&data[range]);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;
    use crate::table::Table;
    use crate::time::{Timestamp, Zone};

    const NOTES: Table<String> = Table::new("notes");

    #[test]
    fn a_flipped_bit_anywhere_in_a_used_page_is_found_and_the_file_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open_or_create(dir.path(), &Zone::utc(), Timestamp::YEAR_2000).unwrap();
        for n in 0..200 {
            store.write_tables::<_, crate::tier::db::DbError>(|t| t.put(&NOTES, "x", n, &"y".repeat(300))).unwrap();
        }
        let path = store.db().path().to_owned();
        let good = std::fs::read(&path).unwrap();
        assert_eq!(check(&path).unwrap(), Verdict::Clean);
        assert_eq!(std::fs::read(&path).unwrap(), good);
        // Find the text in pages that are in use: those a copy of the tables would miss.
        let mut found = 0;
        for at in (4096..good.len()).step_by(997) {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            std::fs::write(&path, &bad).unwrap();
            let verdict = std::panic::catch_unwind(|| check(&path).unwrap());
            found += usize::from(!matches!(verdict, Ok(Verdict::Clean)));
            assert_eq!(std::fs::read(&path).unwrap(), bad);
        }
        // Most of the file is free: half-full pages of former commits.
        assert!(found > 5, "{found}");
    }

    #[test]
    fn what_is_no_database_is_damage() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        std::fs::write(&path, vec![7; 20_000]).unwrap();
        assert!(matches!(check(&path).unwrap(), Verdict::Damaged(_)));
    }
}
