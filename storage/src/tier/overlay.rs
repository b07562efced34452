//! Repairs a database in memory: where a killed writer left one and the repair cannot be written down, on
//! a full disk, what is there can be read all the same.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;

const BLOCK_BYTES: u64 = 4096;

/// What would be in a file, if all that was written to it had been.
#[derive(Debug)]
struct Overlay {
    file: File,
    file_bytes: u64,
    len: u64,
    /// The file's first block when this began.
    header: Box<[u8]>,
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

    fn set_len(&mut self, len: u64) {
        self.blocks.retain(|number, _| number * BLOCK_BYTES < len);
        if let Some(last) = self.blocks.get_mut(&(len / BLOCK_BYTES)) {
            last[(len % BLOCK_BYTES) as usize..].fill(0);
        }
        self.file_bytes = self.file_bytes.min(len);
        self.len = len;
    }
}

/// What was written in memory; clones share it.
#[derive(Clone, Debug)]
pub(super) struct Unwritten(Arc<Mutex<Overlay>>);

impl Unwritten {
    /// Nothing yet, over an open file.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn over(file: File) -> io::Result<Self> {
        let file_bytes = file.metadata()?.len();
        let mut overlay =
            Overlay { file, file_bytes, len: file_bytes, header: Box::default(), blocks: HashMap::default() };
        overlay.header = overlay.block_of_file(0)?;
        Ok(Self(Arc::new(Mutex::new(overlay))))
    }

    /// Whether somebody has committed to the file since.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn is_stale(&self) -> io::Result<bool> {
        let overlay = self.overlay();
        Ok(overlay.block_of_file(0)? != overlay.header)
    }

    /// Bytes of the file as it would be.
    pub(super) fn len(&self) -> u64 {
        self.overlay().len
    }

    /// Fills `out` from `offset` on.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.overlay().read(offset, out)
    }

    /// Keeps `data` as what is at `offset`.
    ///
    /// # Errors
    /// When what else is there cannot be read.
    pub(super) fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.overlay().write(offset, data)
    }

    /// Cuts or lengthens.
    pub(super) fn set_len(&self, len: u64) {
        self.overlay().set_len(len);
    }

    fn overlay(&self) -> MutexGuard<'_, Overlay> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_not_in_the_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), [1; 10_000]).unwrap();
        let one = Unwritten::over(File::open(file.path()).unwrap()).unwrap();
        one.write(4000, &[2; 200]).unwrap();
        one.write(12_000, &[3; 10]).unwrap();
        let read = |of: &Unwritten, offset, len| {
            let mut out = vec![9; len];
            of.read(offset, &mut out).unwrap();
            out
        };
        let other = one.clone();
        assert_eq!(read(&other, 3999, 202), [&[1][..], &[2; 200], &[1]].concat());
        assert_eq!((read(&other, 9999, 2), read(&other, 12_009, 1), other.len()), (vec![1, 0], vec![3], 12_010));
        one.set_len(5000);
        one.set_len(9000);
        assert_eq!(read(&other, 4999, 2), [1, 0], "what was cut off is gone");
        assert_eq!(std::fs::read(file.path()).unwrap(), [1; 10_000]);
        assert!(!other.is_stale().unwrap());
        std::fs::write(file.path(), [4; 10_000]).unwrap();
        assert!(other.is_stale().unwrap());
    }
}
