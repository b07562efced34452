//! The rows that only few questions read, folded ahead of their turn: on another thread, while the buckets of the
//! same events go into their tables.

use super::detail::{fold_detail, fold_dist};
use super::fold::StoreIds;
use crate::bucket::{Detail, Dist, Table};
use crate::row::{NameId, Row};
use crate::time::{Tier, TimeRange, Timestamp, Zone};

/// Cells that are held. Traffic of that many users and models in a few days is rare, and folded in its turn.
const CELLS_MAX: usize = 65_536;

/// Where the rows begin that events go into.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) dist_hours: TimeRange,
    pub(super) dist_days: TimeRange,
    pub(super) detail_days: TimeRange,
}

impl Wanted {
    /// Those of `table` in `range`; none of a tier.
    pub(super) fn only(table: Table, range: TimeRange) -> Self {
        let nothing = TimeRange { start: Timestamp::MIN, end: Timestamp::MIN };
        let of = |one: Table| if one == table { range } else { nothing };
        Self { dist_hours: of(Table::DistHour), dist_days: of(Table::DistDay), detail_days: of(Table::DetailDay) }
    }

    pub(super) fn dist(&self, tier: Tier, range: TimeRange) -> bool {
        let wanted = if tier == Tier::Day { &self.dist_days } else { &self.dist_hours };
        wanted.contains(range.start)
    }

    pub(super) fn detail(&self, day: TimeRange) -> bool {
        self.detail_days.contains(day.start)
    }
}

/// Distributions and counters by user, in the order in which they are written. Names are the batch's ids.
#[derive(Default)]
pub(crate) struct Ahead {
    pub(super) dists: Vec<(Tier, NameId, TimeRange, Dist)>,
    pub(super) details: Vec<(NameId, TimeRange, Detail)>,
}

/// There are more cells than [`CELLS_MAX`].
struct TooMany;

impl Ahead {
    /// Of `rows`, which are sorted by time; `None` when that takes very many cells.
    pub(super) fn fold(rows: &[Row], names: &StoreIds<'_>, zone: &Zone, wanted: &Wanted) -> Option<Self> {
        let mut ahead = Self::default();
        let mut held = 0;
        let mut hold = |cells: usize| {
            held += cells;
            if held > CELLS_MAX { Err(TooMany) } else { Ok(()) }
        };
        let dists = &mut ahead.dists;
        fold_dist::<TooMany>(
            rows,
            names,
            zone,
            &|tier, range| wanted.dist(tier, range),
            &mut |tier, provider, range, dist| {
                hold(dist.cells.len())?;
                dists.push((tier, provider, range, dist));
                Ok(())
            },
        )
        .ok()?;
        let details = &mut ahead.details;
        fold_detail::<TooMany>(rows, names, zone, &|day| wanted.detail(day), &mut |provider, day, detail| {
            hold(detail.cells.len())?;
            details.push((provider, day, detail));
            Ok(())
        })
        .ok()?;
        Some(ahead)
    }
}
