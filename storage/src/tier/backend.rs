//! What the database library reads and writes through: a file whose pages are checked as they are
//! read, and whose steps tests can see.

use std::fs::File;
use std::io;
use std::ops::Bound;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;

use redb::backends::FileBackend;
use redb::{BackendError, DatabaseError, StorageBackend};

use super::overlay::Unwritten;
use super::pages::{Pages, unclean_header};
use crate::fs::{Step, step};

/// A file, and what is known of its pages. Locks are no steps: they change nothing on the medium.
#[derive(Debug)]
pub(super) struct Checked {
    /// Of the file that `file` holds open.
    fd: RawFd,
    file: FileBackend,
    pages: Arc<Pages>,
    /// Where writes go instead of the file, if not there.
    unwritten: Option<Unwritten>,
}

impl Checked {
    /// A backend over an open file.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn over(file: File, pages: &Arc<Pages>) -> Result<Self, DatabaseError> {
        Ok(Self { fd: file.as_raw_fd(), file: FileBackend::new(file)?, pages: Arc::clone(pages), unwritten: None })
    }

    /// The same, which leaves the file alone.
    pub(super) fn writing_to(self, unwritten: &Unwritten) -> Self {
        Self { unwritten: Some(unwritten.clone()), ..self }
    }
}

impl Checked {
    fn read_checked(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        step(Step::Read(self.fd))?;
        match &self.unwritten {
            None => self.file.read(offset, out)?,
            Some(unwritten) => unwritten.read(offset, out)?,
        }
        self.pages.check(offset, out).map_err(|bad| io::Error::new(io::ErrorKind::InvalidData, bad))
    }
}

type Locked<T> = Result<T, BackendError>;

impl StorageBackend for Checked {
    fn len(&self) -> io::Result<u64> {
        self.unwritten.as_ref().map_or_else(|| self.file.len(), |unwritten| Ok(unwritten.len()))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.read_checked(offset, out).inspect_err(|_| self.pages.note_failure())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        if let Some(unwritten) = &self.unwritten {
            unwritten.set_len(len);
            return Ok(());
        }
        step(Step::Resize(self.fd))?;
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        if self.unwritten.is_some() {
            return Ok(());
        }
        step(Step::Sync(self.fd))?;
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.pages.forget(offset, data.len());
        if let Some(unwritten) = &self.unwritten {
            return unwritten.write(offset, data);
        }
        step(Step::Write(self.fd))?;
        match unclean_header(data).filter(|_| offset == 0) {
            Some(header) => self.file.write(0, &header),
            None => self.file.write(offset, data),
        }
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
