//! The projections that the upkeep keeps each day, and how they did.

use ax_storage::Store;
use ax_storage::query::series::Series;
use ax_storage::tier::db::DbError;
use ax_storage::time::{TimeRange, Timestamp};

use super::breakdown::cost;
use super::table::{self, StoredProjection};
use crate::metric::Money;
use crate::projection::Held;

/// Projections of all spend as they were made, by the day they were made on; the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    day: Vec<(Timestamp, StoredProjection)>,
    month: Vec<(Timestamp, StoredProjection)>,
}

/// A projection as it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// When.
    pub at: Timestamp,
    /// Spend at the end.
    pub estimate: Money,
    /// The bounds it was to stay within; `None` with too short a history.
    pub bounds: Option<(Money, Money)>,
}

impl Kept {
    /// Those of a store.
    ///
    /// # Errors
    /// The database.
    pub fn of(store: &Store) -> Result<Self, DbError> {
        store.read_tables(|t| Ok(Self { day: table::projections(t, "day")?, month: table::projections(t, "month")? }))
    }

    /// How often the bounds of a day's end held, as far as `days` (by day) tells what came.
    pub fn days_held(&self, days: &Series, now: Timestamp) -> Held {
        held(self.day.iter().map(|(start, stored)| (*start, stored)), days, now)
    }

    /// The same of a month's end; each day's projection of it counts. `first` gives the start of a month.
    pub fn months_held(&self, days: &Series, now: Timestamp, first: impl Fn(Timestamp) -> Timestamp) -> Held {
        held(self.month.iter().map(|(made, stored)| (first(*made), stored)), days, now)
    }

    /// What was told of the end of a month, the oldest first.
    pub fn told_of(&self, month: TimeRange) -> Vec<Told> {
        let of = self.month.iter().filter(|(_, s)| s.end_ms == month.end.millis());
        of.map(|(_, stored)| Told {
            at: Timestamp::from_millis(stored.at_ms),
            estimate: Money(stored.estimate_nanos),
            bounds: stored.low_nanos.zip(stored.high_nanos).map(|(low, high)| (Money(low), Money(high))),
        })
        .collect()
    }
}

/// Of projections that start at the given times and have ended, how many stayed within their bounds. Those whose days
/// are not all known, or not told apart as they were then, do not count.
fn held<'a>(stored: impl Iterator<Item = (Timestamp, &'a StoredProjection)>, days: &Series, now: Timestamp) -> Held {
    let mut result = Held::default();
    for (start, stored) in stored {
        let range = TimeRange::new(start, Timestamp::from_millis(stored.end_ms));
        let Some((low, high)) = stored.low_nanos.zip(stored.high_nanos).filter(|_| range.end <= now) else { continue };
        let Some(came) = spent_in(days, range) else { continue };
        result.of += 1;
        result.held += usize::from((low..=high).contains(&came.0));
    }
    result
}

/// What was spent in a range that whole days make up.
fn spent_in(days: &Series, range: TimeRange) -> Option<Money> {
    let points = days.groups.first()?.points.as_slice();
    let inside =
        || days.steps.iter().zip(points).filter(|(s, _)| s.range.start >= range.start && s.range.end <= range.end);
    let (first, last) = (inside().next()?.0, inside().next_back()?.0);
    let whole = first.range.start == range.start && last.range.end == range.end;
    whole.then(|| Money(inside().map(|(_, a)| cost(a).0).fold(0, i128::saturating_add)))
}

#[cfg(test)]
mod tests {
    use ax_storage::bucket::Stat;
    use ax_storage::query::series::{Aggregate, Group, StepRange};
    use ax_storage::time::DAY_MS;

    use super::*;

    fn day(n: u64) -> Timestamp {
        Timestamp::from_millis((20_000 + n) * DAY_MS)
    }

    fn stored(end: u64, bounds: Option<(i128, i128)>) -> StoredProjection {
        StoredProjection {
            at_ms: day(0).millis(),
            end_ms: day(end).millis(),
            spent_nanos: 0,
            estimate_nanos: 5,
            low_nanos: bounds.map(|b| b.0),
            high_nanos: bounds.map(|b| b.1),
            linear_nanos: 5,
        }
    }

    /// Ten days on which 1, 2, 3 … was spent.
    fn days() -> Series {
        let point = |n: u64| Aggregate {
            stats: vec![Stat { sum: u128::from(n + 1), ..Stat::default() }],
            ..Aggregate::default()
        };
        Series {
            steps: (0..10).map(|n| StepRange { range: TimeRange::new(day(n), day(n + 1)), partial: false }).collect(),
            groups: vec![Group { points: (0..10).map(point).collect(), ..Group::default() }],
            ..Series::default()
        }
    }

    #[test]
    fn projections_are_compared_with_what_came() {
        let kept = Kept {
            day: vec![
                (day(2), stored(3, Some((3, 9)))),
                (day(3), stored(4, Some((5, 9)))),
                // Nothing was promised; it has not ended; nobody knows what came.
                (day(4), stored(5, None)),
                (day(9), stored(10, Some((0, 99)))),
                (day(30), stored(31, Some((0, 99)))),
            ],
            month: vec![(day(1), stored(5, Some((15, 15)))), (day(3), stored(5, Some((16, 90))))],
        };
        assert_eq!(kept.days_held(&days(), day(9)), Held { held: 1, of: 2 });
        // Of a month that is the first five days: 1 + 2 + 3 + 4 + 5.
        assert_eq!(kept.months_held(&days(), day(9), |_| day(0)), Held { held: 1, of: 2 });
        assert_eq!(kept.months_held(&days(), day(4), |_| day(0)), Held::default(), "it has not ended");
        let told = kept.told_of(TimeRange::new(day(0), day(5)));
        assert_eq!(
            told.iter().map(|t| t.bounds).collect::<Vec<_>>(),
            [Some((Money(15), Money(15))), Some((Money(16), Money(90)))]
        );
        assert!(kept.told_of(TimeRange::new(day(0), day(6))).is_empty());
    }
}
