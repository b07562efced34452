//! What expires: pure arithmetic on settings, on what is there, and on the time.

use super::{Part, Retention};
use crate::bucket::Table;
use crate::time::{Tier, Timestamp, Zone};

/// What a store holds, as far as expiry has to know.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    /// First UTC day that a segment is listed for.
    pub(super) first_day: Option<Timestamp>,
    /// Start of the first row of any provider, by position in [`Table::ALL`].
    pub(super) first_row: [Option<Timestamp>; Table::ALL.len()],
    /// Up to where each table is closed, likewise.
    pub(super) closed_to: [Timestamp; Table::ALL.len()],
}

/// From when on each part is left; `None` = nothing of it goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Expiry {
    pub(super) raw: Option<Timestamp>,
    /// By position in [`Table::ALL`].
    pub(super) tables: [Option<Timestamp>; Table::ALL.len()],
}

impl Expiry {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What goes at `now`. Nothing goes before what is made of it is made: a finer bucket stays until the
/// coarser one around it is closed, and a day of single events until all that is folded from them is.
pub(super) fn expired(retention: &Retention, held: &Held, now: Timestamp, zone: &Zone) -> Expiry {
    let closed = |table: Table| held.closed_to[table.position()];
    let cut = |part: Part| match retention.get(part) {
        Retention::FOREVER => Timestamp::MIN,
        ms => now.minus_ms(ms),
    };
    let events_closed = [Table::DistHour, Table::DistDay, Table::DetailDay].map(closed);
    let raw = events_closed.into_iter().fold(cut(Part::Raw), Timestamp::min).utc_day();
    let tables = Table::ALL.map(|table| {
        let made = match table {
            Table::Tier(Tier::Minute) => closed(Table::Tier(Tier::FiveMinutes)),
            Table::Tier(Tier::FiveMinutes) => closed(Table::Tier(Tier::Hour)),
            Table::Tier(Tier::Hour) => closed(Table::Tier(Tier::Day)),
            _ => closed(table),
        };
        let from = table.tier().bucket(cut(Part::of(table)).min(made), zone).start;
        held.first_row[table.position()].filter(|first| *first < from).map(|_| from)
    });
    Expiry { raw: held.first_day.filter(|first| *first < raw).map(|_| raw), tables }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS};

    fn at(day: u64, hour: u64, minute: u64) -> Timestamp {
        Timestamp::YEAR_2000.plus_ms(day * DAY_MS + hour * HOUR_MS + minute * MINUTE_MS)
    }

    /// Everything since 2000-01-01, closed as far as a pass at `now` closes it.
    fn all(now: Timestamp, zone: &Zone) -> Held {
        Held {
            first_day: Some(at(0, 0, 0)),
            first_row: [Some(at(0, 0, 0)); Table::ALL.len()],
            closed_to: Table::ALL.map(|t| t.tier().bucket(now, zone).start),
        }
    }

    #[test]
    fn every_part_goes_by_its_own_age_at_its_own_edges() {
        let (now, zone) = (at(400, 13, 37), Zone::load("Asia/Kathmandu").unwrap());
        let expiry = expired(&Retention::default(), &all(now, &zone), now, &zone);
        assert_eq!(expiry.raw, Some(at(393, 0, 0)));
        let local_midnight = at(34, 18, 15);
        let expected = [
            at(370, 13, 37),
            at(365, 13, 35),
            at(310, 13, 15),
            local_midnight,
            at(310, 13, 15),
            local_midnight,
            local_midnight,
        ];
        assert_eq!(expiry.tables, expected.map(Some));
    }

    #[test]
    fn nothing_goes_that_is_young_or_kept_for_ever_or_not_there() {
        let (now, zone) = (at(400, 0, 0), Zone::utc());
        let forever = Part::ALL.into_iter().fold(Retention::default(), |r, p| r.with(p, Retention::FOREVER));
        assert!(expired(&forever, &all(now, &zone), now, &zone).is_empty());
        let young = Held { first_day: Some(at(393, 0, 0)), first_row: [Some(at(399, 0, 0)); 7], ..all(now, &zone) };
        assert!(expired(&Retention::default(), &young, now, &zone).is_empty());
        let nothing = Held { first_day: None, first_row: [None; 7], ..all(now, &zone) };
        assert!(expired(&Retention::default(), &nothing, now, &zone).is_empty());
        assert!(expired(&Retention::default(), &all(now, &zone), at(5, 0, 0), &zone).is_empty(), "a clock in the past");
    }

    #[test]
    fn what_is_not_closed_yet_holds_back_what_it_is_made_of() {
        let (now, zone) = (at(400, 0, 0), Zone::utc());
        let mut held = all(now, &zone);
        held.closed_to[Table::DetailDay.position()] = at(100, 0, 0);
        held.closed_to[Table::Tier(Tier::Hour).position()] = at(7, 5, 0);
        let expiry = expired(&Retention::default(), &held, now, &zone);
        assert_eq!(expiry.raw, Some(at(100, 0, 0)));
        assert_eq!(expiry.tables[Table::Tier(Tier::Minute).position()], Some(at(370, 0, 0)));
        assert_eq!(expiry.tables[Table::Tier(Tier::FiveMinutes).position()], Some(at(7, 5, 0)));
    }
}
