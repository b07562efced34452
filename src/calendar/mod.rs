//! Days, weeks, months and years of a time zone, as half-open ranges of time.
//!
//! A local time is not always one moment. Where clocks are put back it comes twice: the first of
//! the two counts. Where they are put forward it never comes: the moment of the change stands for
//! it, so that later local times are never earlier moments. Midnights follow the same rule; in a
//! zone that skipped a whole day (Apia left out 2011-12-30) that day is empty.

use ax_storage::time::{TimeRange, Timestamp, Zone};
use jiff::ToSpan;
use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::AmbiguousOffset;

#[cfg(test)]
mod tests;

/// Periods of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Period {
    Day,
    Week,
    Month,
    Year,
}

impl Period {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Day, Self::Week, Self::Month, Self::Year];

    /// As users write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }
}

/// The calendar of a zone, with weeks from Monday unless said otherwise.
#[derive(Clone, Copy, Debug)]
pub struct Calendar<'a> {
    zone: &'a Zone,
    week_start: Weekday,
}

impl<'a> Calendar<'a> {
    /// The calendar of `zone`.
    pub const fn new(zone: &'a Zone) -> Self {
        Self { zone, week_start: Weekday::Monday }
    }

    /// The same with weeks that start on another day.
    #[must_use]
    pub const fn week_from(self, week_start: Weekday) -> Self {
        Self { week_start, ..self }
    }

    /// The zone.
    pub const fn zone(&self) -> &'a Zone {
        self.zone
    }

    /// The local date at `t`.
    pub fn date(&self, t: Timestamp) -> Date {
        self.local(t).date()
    }

    /// The local date and time at `t`.
    pub fn local(&self, t: Timestamp) -> DateTime {
        self.zone.tz().to_datetime(t.to_jiff())
    }

    /// The moment of a local date and time, clamped to what a [`Timestamp`] holds.
    pub fn moment(&self, local: DateTime) -> Timestamp {
        let found = self.zone.tz().to_ambiguous_timestamp(local);
        let skipped = matches!(found.offset(), AmbiguousOffset::Gap { .. });
        let Ok(earlier) = found.earlier() else { return clamp(local) };
        let change = skipped.then(|| self.zone.tz().following(earlier).next()).flatten();
        Timestamp::from_jiff(change.map_or(earlier, |c| c.timestamp()))
    }

    /// The first moment of a local date.
    pub fn midnight(&self, date: Date) -> Timestamp {
        self.moment(date.into())
    }

    /// The first day of the period that `date` lies in.
    pub fn first_day(&self, period: Period, date: Date) -> Date {
        match period {
            Period::Day => date,
            Period::Week => date.saturating_sub(date.weekday().since(self.week_start).days()),
            Period::Month => date.first_of_month(),
            Period::Year => date.first_of_year(),
        }
    }

    /// The whole period that `t` lies in, to its end in the future.
    pub fn period(&self, period: Period, t: Timestamp) -> TimeRange {
        let first = self.first_day(period, self.date(t));
        let next = match period {
            Period::Day => first.saturating_add(1.day()),
            Period::Week => first.saturating_add(7.days()),
            Period::Month => first.saturating_add(1.month()),
            Period::Year => first.saturating_add(1.year()),
        };
        TimeRange::new(self.midnight(first), self.midnight(next))
    }

    /// The whole period before the one that `t` lies in. Empty when that one begins in 1970.
    pub fn period_before(&self, period: Period, t: Timestamp) -> TimeRange {
        let this = self.period(period, t);
        // The last moment before, not the date before: that day may never have been.
        let before = self.period(period, this.start.minus_ms(1));
        TimeRange::new(before.start, this.start)
    }

    /// The running period up to `now`, and at least a millisecond of it.
    pub fn so_far(&self, period: Period, now: Timestamp) -> TimeRange {
        up_to(self.period(period, now), now)
    }
}

/// The part of `range` that has passed at `now`, and at least its first millisecond: at the very
/// start of a day, today is not nothing.
pub(crate) fn up_to(range: TimeRange, now: Timestamp) -> TimeRange {
    TimeRange::new(range.start, range.end.min(now.max(range.start.plus_ms(1))))
}

/// For years that no clock of ours reaches.
fn clamp(local: DateTime) -> Timestamp {
    if local.year() < 2000 { Timestamp::MIN } else { Timestamp::MAX }
}
