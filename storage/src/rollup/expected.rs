//! What the tables should hold for given events: the same folds, into memory, for verification.

use std::collections::BTreeMap;
use std::convert::Infallible;

use super::detail::{fold_detail, fold_dist};
use super::fold::{ClosedTo, StoreIds, fold};
use crate::bucket::{Bucket, Detail, Dist, Table};
use crate::row::{NameId, Names, Row};
use crate::time::{Tier, TimeRange, Timestamp, Zone};

/// Provider and start of a row.
pub(crate) type Place = (Box<str>, Timestamp);

/// Cells that are held for a provider's sake before the later providers are left for another time: 170 MiB of them,
/// and of the small ones of other tables.
const CELLS_MAX: usize = 200_000;

/// Rows by table and place.
#[derive(Default)]
pub(crate) struct Expected {
    /// By position in [`Table::ALL`]: of the four tiers.
    pub(crate) buckets: [BTreeMap<Place, Bucket>; 4],
    /// Of `dist_1h` and `dist_1d`.
    pub(crate) dists: [BTreeMap<Place, Dist>; 2],
    /// Of `detail_1d`.
    pub(crate) details: BTreeMap<Place, Detail>,
}

impl Expected {
    /// How many providers of `all`, which are sorted, it has room for; the rows of the others are thrown away. At least
    /// one: what that has in a day has to fit.
    pub(crate) fn fit(&mut self, all: &[Box<str>]) -> usize {
        let mut fitting = all.len();
        while fitting > 1 && self.cells() > CELLS_MAX {
            fitting /= 2;
            let first = (all[fitting].clone(), Timestamp::MIN);
            self.buckets.iter_mut().for_each(|rows| drop(rows.split_off(&first)));
            self.dists.iter_mut().for_each(|rows| drop(rows.split_off(&first)));
            drop(self.details.split_off(&first));
        }
        fitting
    }

    /// Request cells, and those of other tables as what they take of one.
    fn cells(&self) -> usize {
        let buckets: usize = self.buckets.iter().flat_map(BTreeMap::values).map(|row| row.requests.len()).sum();
        let dists: usize = self.dists.iter().flat_map(BTreeMap::values).map(|row| row.cells.len()).sum();
        let details: usize = self.details.values().map(|row| row.cells.len()).sum();
        buckets + dists / 6 + details / 4
    }

    /// Adds `rows`, sorted by time. `ids` has the store's id of every name of the batch.
    pub(crate) fn add(&mut self, names: &Names, rows: &[Row], ids: &[NameId], other: NameId, zone: &Zone) {
        let ids = StoreIds { ids, other };
        let place = |provider: NameId, range: TimeRange| (Box::from(names.get(provider)), range.start);
        let all = ClosedTo { five_minutes: Timestamp::MAX, hour: Timestamp::MAX, day: Timestamp::MAX };
        let Ok(()) = fold::<Infallible>(rows, &ids, zone, &all, &mut |tier, provider, range, bucket| {
            let rows = &mut self.buckets[Table::Tier(tier).position()];
            rows.entry(place(provider, range)).or_default().merge(bucket);
            Ok(())
        });
        let Ok(()) = fold_dist::<Infallible>(rows, &ids, zone, &|_, _| true, &mut |tier, provider, range, dist| {
            let rows = &mut self.dists[usize::from(tier == Tier::Day)];
            rows.entry(place(provider, range)).or_default().merge(&dist);
            Ok(())
        });
        let Ok(()) = fold_detail::<Infallible>(rows, &ids, zone, &|_| true, &mut |provider, range, detail| {
            self.details.entry(place(provider, range)).or_default().merge(&detail);
            Ok(())
        });
    }
}
