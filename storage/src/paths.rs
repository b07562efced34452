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
