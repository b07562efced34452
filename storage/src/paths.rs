//! Names of things on disk.

use std::path::{Path, PathBuf};

use crate::time::Timestamp;

/// Where the parts of a store lie.
#[derive(Clone, Debug)]
pub struct Paths {
    root: PathBuf,
}

impl Paths {
    /// The parts of the store in `root`.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The store's directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The identity, whose lock is the upkeep pass's.
    pub fn store_id(&self) -> PathBuf {
        self.root.join("store.id")
    }

    /// Tiers, checkpoints, manifest, and the tables of the layers above.
    pub fn database(&self) -> PathBuf {
        self.root.join("monitor.redb")
    }

    /// Live journals.
    pub fn journal_dir(&self) -> PathBuf {
        self.root.join("journal")
    }

    /// Sealed segments, a folder a UTC day.
    pub fn raw_dir(&self) -> PathBuf {
        self.root.join("raw")
    }

    /// The folder of a UTC day: `raw/2025-11-10`.
    pub fn raw_day(&self, day: Timestamp) -> PathBuf {
        self.raw_dir().join(utc_day_name(day))
    }

    /// A sealed segment: `raw/2025-11-10/<uuid>.axs`.
    pub fn segment(&self, day: Timestamp, uuid: u128) -> PathBuf {
        self.raw_day(day).join(format!("{uuid:032x}.axs"))
    }
}

/// Files in a store's directory that get their name once they are finished. One that is left had a maker
/// who was killed, and upkeep removes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfinished {
    /// The identity.
    Identity,
    /// The first database.
    Database,
    /// The database without its holes.
    Smaller,
    /// The database made anew from the events.
    Rebuilt,
}

impl Unfinished {
    const ALL: [Self; 4] = [Self::Identity, Self::Database, Self::Smaller, Self::Rebuilt];

    const fn prefix(self) -> &'static str {
        match self {
            Self::Identity => ".store.id.",
            Self::Database => ".monitor.redb.",
            Self::Smaller => ".compact.redb.",
            Self::Rebuilt => ".rebuild.redb.",
        }
    }

    /// Where it is made in the store's directory; `random` is a number that nobody else draws.
    pub(crate) fn path(self, root: &Path, random: u128) -> PathBuf {
        root.join(format!("{}{random:032x}", self.prefix()))
    }

    /// What the file was going to be, if its name says that it was going to be something.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.as_encoded_bytes();
        Self::ALL.into_iter().find(|one| name.starts_with(one.prefix().as_bytes()))
    }
}

/// The start of the UTC day that [`utc_day_name`] calls `name`.
pub fn parse_utc_day(name: &str) -> Option<Timestamp> {
    let date: jiff::civil::Date = name.parse().ok()?;
    let day = Timestamp::from_jiff(date.to_zoned_datetime(jiff::tz::TimeZone::UTC).ok()?.timestamp());
    (utc_day_name(day) == name).then_some(day)
}

/// `2025-11-10`.
pub fn utc_day_name(t: Timestamp) -> String {
    t.to_string()[..10].to_owned()
}
