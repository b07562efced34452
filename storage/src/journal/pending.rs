//! What of a recorder's files is not known to survive a power failure.
//!
//! A system that could not write a page says so once, to the next `fsync`, and takes the page for clean
//! from then on: another `fsync` of the same file succeeds, and means nothing. So a file that was refused
//! once stays refused, until upkeep has made a durable segment of its events and removed it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::fs;
use crate::journal::file::OwnFile;
use crate::journal::log::Setup;

/// Files and entries that no flush has covered.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    /// Finished files.
    finished: Vec<PathBuf>,
    /// The directory has entries that may not survive.
    entries: bool,
    /// Files that the medium did not take in whole.
    refused: Vec<PathBuf>,
}

impl Pending {
    /// A file was made.
    pub(crate) fn add_entry(&mut self) {
        self.entries = true;
    }

    /// Nobody writes to this file any more.
    pub(crate) fn add_finished(&mut self, path: PathBuf) {
        self.finished.push(path);
    }

    /// Puts back what a flush had taken.
    pub(crate) fn put_back(&mut self, mut taken: Self) {
        self.finished.append(&mut taken.finished);
        self.refused.append(&mut taken.refused);
        self.entries |= taken.entries;
    }

    /// Makes everything durable, the files that are `open` too; what is, is pending no more.
    ///
    /// # Errors
    /// What the system says, or that it has refused a file before.
    pub(crate) fn sync(&mut self, open: &[Arc<OwnFile>], setup: &Setup) -> io::Result<()> {
        // One that is gone was sealed, and its segment is durable.
        self.refused.retain(|path| path.try_exists().unwrap_or(true));
        for own in open {
            self.sync_file(&own.path, fs::sync_data(&own.file))?;
        }
        while let Some(path) = self.finished.last().cloned() {
            match fs::open_read(&path) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                opened => self.sync_file(&path, fs::sync_data(&opened?))?,
            }
            self.finished.pop();
        }
        if self.entries {
            setup.sync_names()?;
            self.entries = false;
        }
        match self.refused.first() {
            None => Ok(()),
            Some(path) => Err(io::Error::other(format!("the system could not write all of {}", path.display()))),
        }
    }

    fn sync_file(&mut self, path: &Path, done: io::Result<()>) -> io::Result<()> {
        if done.is_err() && !self.refused.iter().any(|refused| refused == path) {
            self.refused.push(path.to_owned());
        }
        done
    }
}
