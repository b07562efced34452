//! `Store`: the one handle over a directory.

mod ask;
mod events;
mod info;
mod view;

use std::path::Path;

pub use ask::Backlog;
pub(crate) use events::{RolledUp, journal_key, rolled_up};
pub use info::{Bytes, Info, Recorders};
pub(crate) use view::{View, is_gone, journal_problems};

use crate::identity::{Identity, OpenError};
use crate::query::QueryError;
use crate::raw::Segment;
use crate::tier::Listed;

use crate::paths::Paths;
use crate::tier::Closing;
use crate::tier::db::Db;
use crate::time::{Timestamp, Zone};

/// A store on disk. Opening it reads `store.id` and nothing else; every call opens what it needs.
#[derive(Clone, Debug)]
pub struct Store {
    paths: Paths,
    identity: Identity,
    db: Db,
}

impl Store {
    /// Opens a store that exists.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        let paths = Paths::new(dir);
        let identity = Identity::read(&paths)?;
        Ok(Self::over(paths, identity))
    }

    /// Opens a store, or makes one whose days are those of `zone` where there is nothing yet.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_or_create(dir: &Path, zone: &Zone, now: Timestamp) -> Result<Self, OpenError> {
        let paths = Paths::new(dir);
        let identity = Identity::read_or_create(&paths, zone, now)?;
        Ok(Self::over(paths, identity))
    }

    /// The same store for one command that asks several questions: see [`Db::kept_open`].
    #[must_use]
    pub fn kept_open(self) -> Self {
        Self { db: self.db.kept_open(), ..self }
    }

    fn over(paths: Paths, identity: Identity) -> Self {
        let db = Db::new(paths.database(), identity.uuid);
        Self { paths, identity, db }
    }

    /// The same store over another database file.
    pub(crate) fn with_database(&self, path: std::path::PathBuf) -> Self {
        Self { db: Db::new(path, self.identity.uuid), ..self.clone() }
    }

    /// Where its files are.
    pub fn paths(&self) -> &Paths {
        &self.paths
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        self.paths.root()
    }

    /// The zone that cuts its days.
    pub fn zone(&self) -> &Zone {
        &self.identity.zone
    }

    /// Its identity.
    pub fn uuid(&self) -> u128 {
        self.identity.uuid
    }

    /// When it was made.
    pub fn created(&self) -> Timestamp {
        self.identity.created
    }

    /// Its database, for the typed tables of layers above.
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// What closing needs to know.
    pub(crate) fn closing(&self) -> Closing<'_> {
        Closing { db: &self.db, created: self.identity.created, zone: &self.identity.zone }
    }

    /// Opens a listed segment. Another one under its name, however whole, is damage.
    pub(crate) fn segment(&self, listed: &Listed) -> Result<Segment, QueryError> {
        let path = self.paths.segment(listed.day, listed.uuid);
        let segment = Segment::open(&path, self.uuid())?;
        let found = segment.meta();
        if (found.uuid, found.day) == (listed.uuid, listed.day) {
            return Ok(segment);
        }
        Err(QueryError::Damaged {
            file: path.display().to_string(),
            offset: "its header".into(),
            what: format!("it is segment {:032x} of {}", found.uuid, found.day),
        })
    }
}
