//! The tables of buckets.

use crate::time::Tier;

/// A table of buckets keyed by (provider, bucket start).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Table {
    /// Values are encoded [`super::Bucket`]s.
    Tier(Tier),
    /// Values are encoded [`super::Dist`]s of an hour.
    DistHour,
    /// Values are encoded [`super::Dist`]s of a day.
    DistDay,
    /// Values are encoded [`super::Detail`]s of a day.
    DetailDay,
}

impl Table {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Tier(Tier::Minute),
        Self::Tier(Tier::FiveMinutes),
        Self::Tier(Tier::Hour),
        Self::Tier(Tier::Day),
        Self::DistHour,
        Self::DistDay,
        Self::DetailDay,
    ];

    /// Its position in [`Table::ALL`].
    pub fn position(self) -> usize {
        Self::ALL.iter().position(|t| *t == self).unwrap_or(0)
    }

    /// Its name in the database, in messages and in checksums.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tier(Tier::Minute) => "tier_1m",
            Self::Tier(Tier::FiveMinutes) => "tier_5m",
            Self::Tier(Tier::Hour) => "tier_1h",
            Self::Tier(Tier::Day) => "tier_1d",
            Self::DistHour => "dist_1h",
            Self::DistDay => "dist_1d",
            Self::DetailDay => "detail_1d",
        }
    }

    /// How wide its buckets are.
    pub const fn tier(self) -> Tier {
        match self {
            Self::Tier(tier) => tier,
            Self::DistHour => Tier::Hour,
            Self::DistDay | Self::DetailDay => Tier::Day,
        }
    }
}
