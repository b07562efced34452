//! Repairs a database in memory: where a killed writer left one and the repair cannot be written down, on
//! a full disk, what is there can be read all the same.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::ops::Bound;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;
use redb::{BackendError, StorageBackend};

use super::backend::Checked;
use super::pages::Pages;

const BLOCK_BYTES: u64 = 4096;

/// What would be in a file, if all that was written to it had been.
#[derive(Debug)]
struct Overlay {
    file: File,
    file_bytes: u64,
    len: u64,
    /// By number. What was written, with what else is there.
    blocks: HashMap<u64, Box<[u8]>, RandomState>,
}

impl Overlay {
    fn block_of_file(&self, number: u64) -> io::Result<Box<[u8]>> {
        let mut block = vec![0; BLOCK_BYTES as usize].into_boxed_slice();
        let start = number * BLOCK_BYTES;
        let there = self.file_bytes.min(self.len).saturating_sub(start).min(BLOCK_BYTES) as usize;
        self.file.read_exact_at(&mut block[..there], start)?;
        Ok(block)
    }

    /// Calls `each` with the parts of blocks between `offset` and `end`, and where they lie in between.
    fn parts(offset: u64, end: u64) -> impl Iterator<Item = (u64, std::ops::Range<usize>, usize)> {
        (offset / BLOCK_BYTES..end.div_ceil(BLOCK_BYTES)).map(move |number| {
            let start = number * BLOCK_BYTES;
            let (from, to) = (offset.max(start), end.min(start + BLOCK_BYTES));
            (number, (from - start) as usize..(to - start) as usize, (from - offset) as usize)
        })
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        for (number, part, at) in Self::parts(offset, offset + out.len() as u64) {
            let to = &mut out[at..at + part.len()];
            match self.blocks.get(&number) {
                Some(block) => to.copy_from_slice(&block[part]),
                None => to.copy_from_slice(&self.block_of_file(number)?[part]),
            }
        }
        Ok(())
    }

    fn write(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        for (number, part, at) in Self::parts(offset, offset + data.len() as u64) {
            let mut block = match self.blocks.remove(&number) {
                Some(block) => block,
                None => self.block_of_file(number)?,
            };
            let length = part.len();
            block[part].copy_from_slice(&data[at..at + length]);
            self.blocks.insert(number, block);
        }
        self.len = self.len.max(offset + data.len() as u64);
        Ok(())
    }
}

/// A file that is read and locked, and written to in memory only; clones share what was written.
#[derive(Debug)]
pub(super) struct Unwritten {
    overlay: Arc<Mutex<Overlay>>,
    /// For its locks.
    file: Checked,
    pages: Arc<Pages>,
}

impl Unwritten {
    /// Over two handles of one open file.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn over(file: File, locked: Checked, pages: &Arc<Pages>) -> io::Result<Self> {
        let file_bytes = file.metadata()?.len();
        let overlay = Overlay { file, file_bytes, len: file_bytes, blocks: HashMap::default() };
        Ok(Self { overlay: Arc::new(Mutex::new(overlay)), file: locked, pages: Arc::clone(pages) })
    }

    /// What was written so far, for another to read.
    pub(super) fn again(&self, locked: Checked, pages: &Arc<Pages>) -> Self {
        Self { overlay: Arc::clone(&self.overlay), file: locked, pages: Arc::clone(pages) }
    }

    fn overlay(&self) -> MutexGuard<'_, Overlay> {
        self.overlay.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Locked<T> = Result<T, BackendError>;

impl StorageBackend for Unwritten {
    fn len(&self) -> io::Result<u64> {
        Ok(self.overlay().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.overlay().read(offset, out)?;
        self.pages.check(offset, out).map_err(|bad| io::Error::new(io::ErrorKind::InvalidData, bad))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut overlay = self.overlay();
        overlay.blocks.retain(|number, _| number * BLOCK_BYTES < len);
        if let Some(last) = overlay.blocks.get_mut(&(len / BLOCK_BYTES)) {
            last[(len % BLOCK_BYTES) as usize..].fill(0);
        }
        overlay.file_bytes = overlay.file_bytes.min(len);
        overlay.len = len;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.pages.forget(offset, data.len());
        self.overlay().write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Locked<bool> {
        self.file.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Locked<bool> {
        self.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Locked<()> {
        self.file.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Locked<()> {
        self.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Locked<()> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Locked<bool> {
        self.file.query_lock_range(start, end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tier::pages::AtBadPage;

    #[test]
    fn what_is_written_is_read_and_not_in_the_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), [1; 10_000]).unwrap();
        let pages = Arc::new(Pages::new(AtBadPage::Refuse));
        let open = || File::options().read(true).write(true).open(file.path()).unwrap();
        let one = Unwritten::over(open(), Checked::over(open(), &pages).unwrap(), &pages).unwrap();
        one.write(4000, &[2; 200]).unwrap();
        one.write(12_000, &[3; 10]).unwrap();
        let read = |of: &Unwritten, offset, len| {
            let mut out = vec![9; len];
            of.read(offset, &mut out).unwrap();
            out
        };
        let other = one.again(Checked::over(open(), &pages).unwrap(), &pages);
        assert_eq!(read(&other, 3999, 202), [&[1][..], &[2; 200], &[1]].concat());
        assert_eq!(
            (read(&other, 9999, 2), read(&other, 12_009, 1), other.len().unwrap()),
            (vec![1, 0], vec![3], 12_010)
        );
        one.set_len(5000).unwrap();
        one.set_len(9000).unwrap();
        assert_eq!(read(&other, 4999, 2), [1, 0], "what was cut off is gone");
        assert_eq!(std::fs::read(file.path()).unwrap(), [1; 10_000]);
    }
}
