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
            rows.entry(place(provider, range)).or_default().merge(dist);
            Ok(())
        });
        let Ok(()) = fold_detail::<Infallible>(rows, &ids, zone, &|_| true, &mut |provider, range, detail| {
            self.details.entry(place(provider, range)).or_default().merge(&detail);
            Ok(())
        });
    }
}
