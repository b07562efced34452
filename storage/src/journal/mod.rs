//! The live log: every recording process appends to files of its own, anybody reads them.

mod core;
mod crc;
mod drops;
mod file;
mod fork;
pub mod format;
mod frame;
mod hold;
mod learn;
mod log;
mod look;
mod mapped;
mod names;
mod pass;
mod pending;
mod reader;
mod recorder;
mod usual;
mod written;

use std::io;
use std::path::PathBuf;

pub use drops::{DropReason, Drops};
pub(crate) use file::is_unfinished;
pub use log::{Chore, JournalKind, RecorderOptions};
pub use pass::{Damage, Gap, Progress};
pub use reader::{Reader, list};
pub use recorder::{Measurement, Recorder, RecorderHealth, Series};

/// The identity of one journal file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JournalId {
    /// The random number of the recorder that wrote it.
    pub recorder: u128,
    /// Which of the recorder's files it is, from 1.
    pub sequence: u32,
}

/// Why a journal cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The system refused.
    #[error("cannot read {path}: {cause}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said; `NotFound` when it was removed meanwhile.
        cause: io::Error,
    },
    /// The header is not that of a journal.
    #[error("{path} is damaged at {offset}: {what}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Byte offset of what is wrong.
        offset: u64,
        /// What was expected and what was found.
        what: String,
    },
    /// A newer version of the program wrote it.
    #[error("{path} has format version {version}; this program reads up to {}", format::VERSION)]
    TooNew {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
}
