//! What the database library reads and writes through: a file, and in tests each of its steps is seen.

use std::fs::File;

use redb::backends::FileBackend;
use redb::{DatabaseError, StorageBackend};

/// A backend over an open file.
///
/// # Errors
/// What the system says.
pub(super) fn over(file: File) -> Result<impl StorageBackend, DatabaseError> {
    #[cfg(feature = "faults")]
    return watched::Watched::over(file);
    #[cfg(not(feature = "faults"))]
    FileBackend::new(file)
}

#[cfg(feature = "faults")]
mod watched {
    use std::fs::File;
    use std::io;
    use std::ops::Bound;
    use std::os::fd::{AsRawFd, RawFd};

    use redb::{BackendError, DatabaseError, StorageBackend};

    use super::FileBackend;
    use crate::fs::{Step, step};

    /// Locks are no steps: they change nothing on the medium.
    #[derive(Debug)]
    pub(super) struct Watched {
        /// Of the file that `inner` holds open.
        fd: RawFd,
        inner: FileBackend,
    }

    impl Watched {
        pub(super) fn over(file: File) -> Result<Self, DatabaseError> {
            Ok(Self { fd: file.as_raw_fd(), inner: FileBackend::new(file)? })
        }
    }

    type Locked<T> = Result<T, BackendError>;

    impl StorageBackend for Watched {
        fn len(&self) -> io::Result<u64> {
            self.inner.len()
        }

        fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
            step(Step::Read(self.fd))?;
            self.inner.read(offset, out)
        }

        fn set_len(&self, len: u64) -> io::Result<()> {
            step(Step::Resize(self.fd))?;
            self.inner.set_len(len)
        }

        fn sync_data(&self) -> io::Result<()> {
            step(Step::Sync(self.fd))?;
            self.inner.sync_data()
        }

        fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
            step(Step::Write(self.fd))?;
            self.inner.write(offset, data)
        }

        fn close(&self) -> io::Result<()> {
            self.inner.close()
        }

        fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Locked<bool> {
            self.inner.try_lock_range(start, end)
        }

        fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Locked<bool> {
            self.inner.try_lock_shared_range(start, end)
        }

        fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Locked<()> {
            self.inner.lock_range(start, end)
        }

        fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Locked<()> {
            self.inner.lock_shared_range(start, end)
        }

        fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Locked<()> {
            self.inner.unlock_range(start, end)
        }

        fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Locked<bool> {
            self.inner.query_lock_range(start, end)
        }
    }
}
