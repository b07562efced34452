//! Why an event was not written: reasons with stable names, counted.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

/// Why an event was dropped. The number is the counter's place in a journal's header and never
/// changes its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum DropReason {
    /// The disk or the quota is full.
    DiskFull = 0,
    /// The process may not make files that large (`ulimit -f`).
    FileLimit = 1,
    /// No file handles are left.
    NoHandles = 2,
    /// The medium or the directory may not be written.
    ReadOnly = 3,
    /// Any other answer of the system.
    Io = 4,
    /// The event breaks a rule of [`crate::event::Event::check`], or its time is out of bounds.
    Invalid = 5,
    /// The system's clock says it is before the year 2000.
    Clock = 6,
    /// Space was being prepared by somebody for longer than a recorder may wait.
    Stalled = 7,
}

impl DropReason {
    /// How many reasons there are.
    pub const COUNT: usize = 8;
    /// All of them in the order of their counters.
    pub const ALL: [Self; Self::COUNT] = [
        Self::DiskFull,
        Self::FileLimit,
        Self::NoHandles,
        Self::ReadOnly,
        Self::Io,
        Self::Invalid,
        Self::Clock,
        Self::Stalled,
    ];

    /// The stable name, as it is shown and exported.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DiskFull => "disk_full",
            Self::FileLimit => "file_size_limit",
            Self::NoHandles => "no_file_handles",
            Self::ReadOnly => "read_only",
            Self::Io => "io_error",
            Self::Invalid => "invalid",
            Self::Clock => "clock",
            Self::Stalled => "stalled",
        }
    }

    /// The reason behind an error of the system.
    pub fn of(error: &io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::ENOSPC | libc::EDQUOT) => Self::DiskFull,
            Some(libc::EFBIG) => Self::FileLimit,
            Some(libc::EMFILE | libc::ENFILE) => Self::NoHandles,
            Some(libc::EROFS | libc::EACCES | libc::EPERM) => Self::ReadOnly,
            _ => Self::Io,
        }
    }
}

impl std::fmt::Display for DropReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Dropped events by reason; every thread of a recorder adds, anyone reads, no order is implied.
#[derive(Debug, Default)]
pub struct Drops([AtomicU64; DropReason::COUNT]);

impl Drops {
    /// Counts dropped events.
    pub fn add(&self, reason: DropReason, count: u64) {
        self.0[reason as usize].fetch_add(count, Ordering::Relaxed);
    }

    /// The count of every reason, zeros included, in the order of [`DropReason::ALL`].
    pub fn counts(&self) -> [u64; DropReason::COUNT] {
        std::array::from_fn(|i| self.0[i].load(Ordering::Relaxed))
    }

    /// The reasons that occurred.
    pub fn list(&self) -> Vec<(DropReason, u64)> {
        DropReason::ALL.into_iter().zip(self.counts()).filter(|&(_, n)| n > 0).collect()
    }
}
