//! Why the database did not do it, in words that name the file.

use super::{BadPage, Db};
use crate::identity::FORMAT_VERSION;

/// Why the database did not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DbError {
    /// Another process has been writing for longer than one waits.
    #[error("{path} is busy: another process is writing")]
    Busy {
        /// The file.
        path: String,
    },
    /// There is no file yet.
    #[error("{path} does not exist")]
    Missing {
        /// The file.
        path: String,
    },
    /// Bytes are wrong.
    #[error("{path} is damaged at {place}: {what}")]
    Damaged {
        /// The file.
        path: String,
        /// Table and key.
        place: String,
        /// What is wrong.
        what: String,
    },
    /// A later version made it.
    #[error("{path} has format {version}, this program reads up to {FORMAT_VERSION}")]
    TooNew {
        /// The file.
        path: String,
        /// What it says.
        version: u128,
    },
    /// A later version made a file of events that is needed for the tables.
    #[error("{0}")]
    NewerFile(String),
    /// The system refused.
    #[error("cannot use {path}: {cause}")]
    Io {
        /// The file.
        path: String,
        /// What the system said.
        cause: std::io::Error,
    },
    /// Anything else redb says.
    #[error("{path}: {cause}")]
    Other {
        /// The file.
        path: String,
        /// What redb said.
        cause: redb::Error,
    },
}

impl Db {
    /// An error of redb's with the file's name.
    pub fn error(&self, error: impl Into<redb::Error>) -> DbError {
        let path = self.path.display().to_string();
        match error.into() {
            redb::Error::Io(cause) if cause.kind() == std::io::ErrorKind::NotFound => DbError::Missing { path },
            // Bytes that are no database at all: the medium did what it was asked.
            redb::Error::Io(cause) if cause.kind() == std::io::ErrorKind::InvalidData => {
                let page = cause.get_ref().and_then(|cause| cause.downcast_ref::<BadPage>());
                let place = page.map_or_else(|| "its header".into(), |page| format!("byte {}", page.offset));
                DbError::Damaged { path, place, what: cause.to_string() }
            }
            redb::Error::Io(cause) => DbError::Io { path, cause },
            redb::Error::Corrupted(what) => DbError::Damaged { path, place: "a page".into(), what },
            redb::Error::DatabaseAlreadyOpen => DbError::Busy { path },
            cause => DbError::Other { path, cause },
        }
    }

    /// Damage in a row.
    pub fn damaged(&self, place: impl Into<String>, what: impl Into<String>) -> DbError {
        DbError::Damaged { path: self.path.display().to_string(), place: place.into(), what: what.into() }
    }
}
