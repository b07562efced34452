//! What stands in `[ ]` becomes a half-open range of time, given now and a calendar.
//!
//! A day, month or minute written as one point is all of it; `A..B` includes all of a date B and
//! ends before a time B. What still runs ends now. [`previous`] is the stretch before: for a
//! calendar period the one before it, up to the same time after its start when this one still
//! runs; for anything else as long a stretch.

use ax_storage::time::{MINUTE_MS, TimeRange, Timestamp};
use jiff::ToSpan;
use jiff::civil::{Date, DateTime, time};

use super::ast::{Calendar as Word, Clock, Period, Point, Range};
use super::range::NANOS_IN_MS;
use crate::calendar::{Calendar, up_to};

/// A range that has no time in it yet, or at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// Starts after now.
    #[error("the time range starts in the future, at {0}")]
    Future(Timestamp),
    /// Ends where it starts or before: offsets of unlike zones, or a day that a zone left out.
    #[error("the time range ends at {end}, not after its start at {start}")]
    Empty {
        /// Its start.
        start: Timestamp,
        /// Its end.
        end: Timestamp,
    },
}

/// The time that `range` means. Its start lies before its end and, like its end, not after `now`
/// but for the first millisecond of a period that starts right now.
///
/// # Errors
/// When no time is in it.
pub fn resolve(range: &Range, now: Timestamp, calendar: &Calendar<'_>) -> Result<TimeRange, RangeError> {
    let span = Span::of(range, now, calendar);
    span.checked(now)?;
    Ok(up_to(span.whole, now))
}

/// The stretch that `vs previous` compares `range` with. It ends where `range` starts or before.
///
/// # Errors
/// When no time is in `range`, or nothing lies before it.
pub fn previous(range: &Range, now: Timestamp, calendar: &Calendar<'_>) -> Result<TimeRange, RangeError> {
    let span = Span::of(range, now, calendar);
    span.checked(now)?;
    let this = up_to(span.whole, now);
    let before = match span.before {
        Some(before) if this.end < span.whole.end => up_to(before, before.start.plus_ms(this.millis())),
        Some(before) => before,
        None => TimeRange::new(this.start.minus_ms(this.millis()), this.start),
    };
    if before.is_empty() { Err(RangeError::Empty { start: before.start, end: before.end }) } else { Ok(before) }
}

/// A range as written, whatever now is.
struct Span {
    whole: TimeRange,
    /// End before start, which a [`TimeRange`] cannot say.
    end: Timestamp,
    /// The whole one before in the calendar; `None` = as long a stretch.
    before: Option<TimeRange>,
}

impl Span {
    fn of(range: &Range, now: Timestamp, calendar: &Calendar<'_>) -> Self {
        match *range {
            Range::Last(nanos) => Self::plain(now.minus_ms(nanos / NANOS_IN_MS), now),
            Range::Calendar(Word::Today) => Self::this(Period::Day, now, calendar),
            Range::Calendar(Word::Yesterday) => Self::last(Period::Day, now, calendar),
            Range::Calendar(Word::This(period)) => Self::this(period, now, calendar),
            Range::Calendar(Word::Last(period)) => Self::last(period, now, calendar),
            Range::One(point) => match (point.day, point.clock) {
                (_, Some(clock)) => {
                    let start = moment(&point, clock, calendar);
                    Self::plain(start, start.plus_ms(if clock.second.is_some() { 1000 } else { MINUTE_MS }))
                }
                (_, None) => Self::dates(&point, &point, calendar),
            },
            Range::Between(from, None) => Self::plain(start(&from, calendar), now),
            Range::Between(from, Some(to)) => match (from.clock, to.clock) {
                (None, None) => Self::dates(&from, &to, calendar),
                (_, Some(clock)) => Self::plain(start(&from, calendar), moment(&to, clock, calendar)),
                (Some(_), None) => Self::plain(start(&from, calendar), calendar.midnight(next_day(&to))),
            },
        }
    }

    fn plain(start: Timestamp, end: Timestamp) -> Self {
        Self { whole: TimeRange::new(start, end), end, before: None }
    }

    fn this(period: Period, now: Timestamp, calendar: &Calendar<'_>) -> Self {
        let whole = calendar.period(period, now);
        Self { whole, end: whole.end, before: Some(calendar.period_before(period, now)) }
    }

    fn last(period: Period, now: Timestamp, calendar: &Calendar<'_>) -> Self {
        let whole = calendar.period_before(period, now);
        Self { whole, end: whole.end, before: Some(calendar.period_before(period, whole.start)) }
    }

    /// From one date or month to another; before them as many months, else as many days.
    fn dates(from: &Point, to: &Point, calendar: &Calendar<'_>) -> Self {
        let (first, next) = (date(from), next_day(to));
        let (start, end) = (calendar.midnight(first), calendar.midnight(next));
        let whole = TimeRange::new(start, end);
        let mut earlier = if from.day.is_none() && to.day.is_none() {
            let months = 12 * (i32::from(next.year()) - i32::from(first.year())) + i32::from(next.month())
                - i32::from(first.month());
            first.saturating_sub(months.months())
        } else {
            first.saturating_sub((next - first).get_days().days())
        };
        // The date before may be one that never was.
        if calendar.midnight(earlier) == start {
            earlier = earlier.saturating_sub(1.day());
        }
        Self { whole, end, before: Some(TimeRange::new(calendar.midnight(earlier), start)) }
    }

    fn checked(&self, now: Timestamp) -> Result<(), RangeError> {
        if self.whole.start > now {
            return Err(RangeError::Future(self.whole.start));
        }
        if self.whole.is_empty() {
            return Err(RangeError::Empty { start: self.whole.start, end: self.end });
        }
        Ok(())
    }
}

fn start(point: &Point, calendar: &Calendar<'_>) -> Timestamp {
    match point.clock {
        Some(clock) => moment(point, clock, calendar),
        None => calendar.midnight(date(point)),
    }
}

fn moment(point: &Point, clock: Clock, calendar: &Calendar<'_>) -> Timestamp {
    let [hour, minute, second] = [clock.hour, clock.minute, clock.second.unwrap_or(0)].map(u8::cast_signed);
    let local = DateTime::from_parts(date(point), time(hour, minute, second, 0));
    let Some(offset) = clock.offset else { return calendar.moment(local) };
    let utc = local.saturating_sub(i64::from(offset).minutes());
    jiff::tz::TimeZone::UTC.to_timestamp(utc).map_or(Timestamp::MAX, Timestamp::from_jiff)
}

/// The point's day, or its month's first. The parser refuses days that no month has.
fn date(point: &Point) -> Date {
    let (month, day) = (point.month.cast_signed(), point.day.unwrap_or(1).cast_signed());
    Date::new(point.year, month, day).unwrap_or(Date::MAX)
}

/// The first day after the point's day or month.
fn next_day(point: &Point) -> Date {
    let first = date(point);
    if point.day.is_some() { first.saturating_add(1.day()) } else { first.saturating_add(1.month()) }
}
