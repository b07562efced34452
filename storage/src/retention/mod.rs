//! How long each part of a store is kept: the settings, what expires by them, and its removal.
//!
//! Every part goes by the age of its own data. Single events go by whole UTC days, buckets one by
//! one. What is gone is noted as `complete_from`, which never moves back and which questions go by;
//! the settings only say how it moves.

mod clocks;
mod expiry;
mod removal;

use redb::ReadableTable;

pub use removal::{Clocks, Removed, RetentionError};

use crate::bucket::Table;
use crate::store::Store;
use crate::tier::db::DbError;
use crate::tier::schema::META;
use crate::time::{DAY_MS, Tier, Timestamp};

/// A part of a store that is kept for a time of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Single events.
    Raw,
    /// Buckets of a minute.
    Minute,
    /// Buckets of five minutes.
    FiveMinutes,
    /// Buckets of an hour, and distributions of tokens and cost by hour.
    Hour,
    /// Buckets of a day, and distributions of tokens and cost by day.
    Day,
    /// Counters by user and day.
    Detail,
}

impl Part {
    /// All of them, as they are listed.
    pub const ALL: [Self; 6] = [Self::Raw, Self::Minute, Self::FiveMinutes, Self::Hour, Self::Day, Self::Detail];

    /// `raw`, `1m` … as people write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Minute => Tier::Minute.name(),
            Self::FiveMinutes => Tier::FiveMinutes.name(),
            Self::Hour => Tier::Hour.name(),
            Self::Day => Tier::Day.name(),
            Self::Detail => "detail",
        }
    }

    /// The part that `table` belongs to.
    pub const fn of(table: Table) -> Self {
        match table {
            Table::Tier(Tier::Minute) => Self::Minute,
            Table::Tier(Tier::FiveMinutes) => Self::FiveMinutes,
            Table::Tier(Tier::Hour) | Table::DistHour => Self::Hour,
            Table::Tier(Tier::Day) | Table::DistDay => Self::Day,
            Table::DetailDay => Self::Detail,
        }
    }

    /// How long it is kept when nobody says otherwise.
    const fn default_ms(self) -> u64 {
        DAY_MS
            * match self {
                Self::Raw => 7,
                Self::Minute => 30,
                Self::FiveMinutes => 35,
                Self::Hour => 90,
                Self::Day | Self::Detail => 365,
            }
    }

    fn key(self) -> String {
        format!("keep.{}", self.name())
    }
}

/// How long each part is kept, in milliseconds; [`Retention::FOREVER`] for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention([u64; Part::ALL.len()]);

impl Default for Retention {
    fn default() -> Self {
        Self(Part::ALL.map(Part::default_ms))
    }
}

/// Why a retention makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RetentionRule {
    /// Shorter than [`Retention::MIN_MS`].
    #[error("{} is kept for at least a day", .0.name())]
    TooShort(Part),
    /// A coarser tier would be gone before the finer one it is made from.
    #[error("{} is kept at least as long as {}", .0.name(), .1.name())]
    CoarserShorter(Part, Part),
}

impl Retention {
    /// Kept for ever.
    pub const FOREVER: u64 = u64::MAX;
    /// The shortest time: a day must be over before its buckets are made.
    pub const MIN_MS: u64 = DAY_MS;

    /// How long `part` is kept.
    pub const fn get(&self, part: Part) -> u64 {
        self.0[part as usize]
    }

    /// The same with another time for `part`.
    #[must_use]
    pub const fn with(mut self, part: Part, ms: u64) -> Self {
        self.0[part as usize] = ms;
        self
    }

    /// Whether it makes sense.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check(&self) -> Result<(), RetentionRule> {
        if let Some(part) = Part::ALL.into_iter().find(|part| self.get(*part) < Self::MIN_MS) {
            return Err(RetentionRule::TooShort(part));
        }
        let tiers = [Part::Minute, Part::FiveMinutes, Part::Hour, Part::Day];
        match tiers.windows(2).find(|pair| self.get(pair[0]) > self.get(pair[1])) {
            Some(pair) => Err(RetentionRule::CoarserShorter(pair[1], pair[0])),
            None => Ok(()),
        }
    }

    /// Events before this are kept by nothing.
    pub fn oldest(&self, now: Timestamp) -> Timestamp {
        now.minus_ms(self.0.into_iter().max().unwrap_or(Self::FOREVER))
    }

    fn load(db: &crate::tier::db::Db, meta: &impl ReadableTable<&'static str, u128>) -> Result<Self, DbError> {
        let mut retention = Self::default();
        for part in Part::ALL {
            if let Some(ms) = meta.get(part.key().as_str()).map_err(|e| db.error(e))? {
                retention.0[part as usize] = u64::try_from(ms.value()).unwrap_or(Self::FOREVER);
            }
        }
        Ok(retention)
    }
}

impl Store {
    /// How long each part is kept.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn retention(&self) -> Result<Retention, DbError> {
        let db = self.db();
        match db.read(|t| Retention::load(db, &t.open_table(META).map_err(|e| db.error(e))?)) {
            Err(DbError::Missing { .. }) => Ok(Retention::default()),
            other => other,
        }
    }

    /// Sets how long each part is kept. What is older goes with the next pass that looks for it.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn set_retention(&self, retention: &Retention) -> Result<(), DbError> {
        let db = self.db();
        db.write(|transaction| {
            let mut meta = transaction.open_table(META).map_err(|e| db.error(e))?;
            for part in Part::ALL {
                let key = part.key();
                if retention.get(part) == part.default_ms() {
                    meta.remove(key.as_str()).map_err(|e| db.error(e))?;
                } else {
                    meta.insert(key.as_str(), u128::from(retention.get(part))).map_err(|e| db.error(e))?;
                }
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_those_of_the_design_until_they_are_set() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open_or_create(dir.path(), &crate::time::Zone::utc(), Timestamp::YEAR_2000).unwrap();
        let days = |r: Retention| Part::ALL.map(|part| r.get(part) / DAY_MS);
        assert_eq!(days(store.retention().unwrap()), [7, 30, 35, 90, 365, 365]);
        let changed = Retention::default().with(Part::Raw, Retention::FOREVER).with(Part::Minute, 2 * DAY_MS);
        store.set_retention(&changed).unwrap();
        assert_eq!(store.retention().unwrap(), changed);
        assert_eq!(changed.oldest(Timestamp::YEAR_2000), Timestamp::MIN);
        store.set_retention(&Retention::default()).unwrap();
        assert_eq!(store.retention().unwrap(), Retention::default());
    }

    #[test]
    fn a_retention_without_sense_is_refused() {
        let day = Retention::default();
        for (retention, rule) in [
            (day.with(Part::Raw, DAY_MS - 1), Err(RetentionRule::TooShort(Part::Raw))),
            (day.with(Part::Minute, 36 * DAY_MS), Err(RetentionRule::CoarserShorter(Part::FiveMinutes, Part::Minute))),
            (day.with(Part::Day, Retention::FOREVER), Ok(())),
            (day.with(Part::Raw, Retention::FOREVER), Ok(())),
        ] {
            assert_eq!(retention.check(), rule);
        }
    }
}
