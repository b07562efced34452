//! Times, spans and steps as flags write them: `15m`, `month`, `2025-11-10..2025-11-12`.

use ax_storage::time::{DAY_MS, HOUR_MS, MINUTE_MS, TimeRange, Timestamp};
use jiff::ToSpan;
use jiff::civil::{Date, DateTime};

use crate::calendar::{Calendar, Period};
use crate::error::{Failure, Result};

/// Longest span of time: a hundred years of days.
const DURATION_DAYS_MAX: u64 = 36_500;

/// Reads a point in time: RFC 3339, a local date or date and time, `now`, or epoch milliseconds.
///
/// # Errors
/// A usage error that shows a right form.
pub(crate) fn moment(text: &str, now: Timestamp, calendar: &Calendar<'_>) -> Result<Timestamp> {
    Ok(point(text, now, calendar)?.start)
}

/// Reads the end of a span: as [`moment`], but a date includes its whole day.
///
/// # Errors
/// As [`moment`].
pub(crate) fn end_moment(text: &str, now: Timestamp, calendar: &Calendar<'_>) -> Result<Timestamp> {
    Ok(point(text, now, calendar)?.end)
}

/// Whether a time can be read without knowing the zone, which is then not looked up.
pub(crate) fn needs_zone(text: &str) -> bool {
    !(is_integer(text) || text.trim().parse::<jiff::Timestamp>().is_ok())
}

/// Reads a span: a duration up to now, a calendar word, a date, a month, or `FROM..TO`.
///
/// # Errors
/// A usage error that shows a right form.
pub(crate) fn range(text: &str, now: Timestamp, calendar: &Calendar<'_>) -> Result<TimeRange> {
    let text = text.trim();
    if let Some((from, to)) = text.split_once("..") {
        let start = moment(from, now, calendar)?;
        let end = if to.trim().is_empty() { now } else { end_moment(to, now, calendar)? };
        return between(start, end);
    }
    if let Some(range) = calendar_word(text, now, calendar) {
        return Ok(range);
    }
    if text.len() == 7
        && text.as_bytes()[4] == b'-'
        && let Ok(first) = format!("{text}-01").parse::<Date>()
    {
        return Ok(days(first, first.saturating_add(1.month()), calendar));
    }
    if text.contains('-') {
        let p = point(text, now, calendar)?;
        return if p.end > p.start { Ok(p) } else { between(p.start, now) };
    }
    Ok(TimeRange::new(now.minus_ms(duration(text, "1h")?), now))
}

/// A span with its ends the right way round.
///
/// # Errors
/// A usage error when it is empty.
pub(crate) fn between(start: Timestamp, end: Timestamp) -> Result<TimeRange> {
    if start >= end {
        return Err(Failure::usage(format!("the time span is empty: it starts at {start} and ends at {end}")));
    }
    Ok(TimeRange::new(start, end))
}

/// Reads a duration of at least a millisecond: `90s`, `1h30m`, `1.5h`.
///
/// # Errors
/// A usage error that names what is missing; `example` is a form that fits the flag.
pub(crate) fn duration(text: &str, example: &str) -> Result<u64> {
    let wrong = || Failure::usage(format!("'{text}' is not a duration"));
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(wrong().hint(format!("write {example}")));
    }
    let (mut total_ms, mut last_unit_ms) = (0_u64, u64::MAX);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        if number.is_empty() {
            return Err(
                wrong().hint(format!("write a number with a unit, such as {example}; units are ms s m h d w y"))
            );
        }
        let Some(unit_ms) = unit_ms(unit) else {
            return Err(wrong().hint(match unit {
                "" => format!("a unit is missing: {number}m is minutes, {number}h hours, {number}d days"),
                "M" => "M is no unit of time: write m for minutes, 30d or month for a month".to_owned(),
                "mo" | "mon" | "month" | "months" => "write 30d, or the calendar word month".to_owned(),
                _ => format!("units are ms s m h d w y, as in {example}"),
            }));
        };
        if unit_ms >= last_unit_ms {
            return Err(wrong().hint("write each unit once, the large ones first, as in 1d12h"));
        }
        last_unit_ms = unit_ms;
        let part = scaled(number, unit_ms).ok_or_else(wrong)?;
        total_ms = total_ms.saturating_add(part);
        rest = tail;
    }
    match total_ms {
        0 => Err(Failure::usage(format!("the duration '{text}' is shorter than a millisecond"))),
        ms if ms > DURATION_DAYS_MAX * DAY_MS => {
            Err(Failure::usage(format!("the duration '{text}' is longer than {DURATION_DAYS_MAX} days")))
        }
        ms => Ok(ms),
    }
}

fn unit_ms(unit: &str) -> Option<u64> {
    Some(match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => MINUTE_MS,
        "h" => HOUR_MS,
        "d" => DAY_MS,
        "w" => 7 * DAY_MS,
        "y" => 365 * DAY_MS,
        _ => return None,
    })
}

/// `number` times `unit_ms` in integers, for at most three decimals; saturating.
fn scaled(number: &str, unit_ms: u64) -> Option<u64> {
    let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
    let whole: u64 = if whole.len() > 15 { u64::MAX } else { whole.parse().ok()? };
    if decimals.len() > 3 || (number.contains('.') && decimals.is_empty()) {
        return None;
    }
    let thousandths: u64 = if decimals.is_empty() { 0 } else { format!("{decimals:0<3}").parse().ok()? };
    Some(whole.saturating_mul(unit_ms).saturating_add(thousandths * unit_ms / 1000))
}

/// A point as a range: a date is its whole day, anything else is empty.
fn point(text: &str, now: Timestamp, calendar: &Calendar<'_>) -> Result<TimeRange> {
    let text = text.trim();
    let at = |t: Timestamp| {
        if t < Timestamp::YEAR_2000 {
            let hint = "epoch times are in milliseconds: 1763300000000";
            return Err(Failure::usage(format!("the time '{text}' lies before the year 2000")).hint(hint));
        }
        Ok(TimeRange { start: t, end: t })
    };
    if text == "now" {
        return at(now);
    }
    if is_integer(text) {
        return at(Timestamp::from_millis(text.parse().unwrap_or(u64::MAX)));
    }
    if let Ok(t) = text.parse::<jiff::Timestamp>() {
        return at(Timestamp::from_jiff(t));
    }
    if text.len() == 10 {
        if let Ok(date) = text.parse::<Date>() {
            let day = days(date, date.saturating_add(1.day()), calendar);
            return at(day.start).map(|_| day);
        }
    } else if let Ok(local) = text.parse::<DateTime>() {
        return at(calendar.moment(local));
    }
    Err(Failure::usage(format!("'{text}' is not a time"))
        .hint("write 2025-11-16T19:15:00Z, 2025-11-16, or milliseconds since 1970"))
}

fn is_integer(text: &str) -> bool {
    let text = text.trim();
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// `today`, `yesterday`, `week`, `month`, `year`, with `this` or `last` before the latter three.
fn calendar_word(text: &str, now: Timestamp, calendar: &Calendar<'_>) -> Option<TimeRange> {
    let words: Vec<String> = text.split_whitespace().map(str::to_ascii_lowercase).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (last, word) = match *words.as_slice() {
        ["today"] => return Some(calendar.so_far(Period::Day, now)),
        ["yesterday"] => return Some(calendar.period_before(Period::Day, now)),
        [word] | ["this", word] => (false, word),
        ["last", word] => (true, word),
        _ => return None,
    };
    let period = [Period::Week, Period::Month, Period::Year].into_iter().find(|p| p.name() == word)?;
    Some(if last { calendar.period_before(period, now) } else { calendar.so_far(period, now) })
}

fn days(first: Date, end: Date, calendar: &Calendar<'_>) -> TimeRange {
    TimeRange::new(calendar.midnight(first), calendar.midnight(end))
}

#[cfg(test)]
mod tests {
    use ax_storage::time::Zone;

    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::from_jiff(text.parse().unwrap())
    }

    fn now() -> Timestamp {
        at("2025-11-16T19:15:00Z")
    }

    #[test]
    fn spans_read_as_people_write_them() {
        let zone = Zone::load("Europe/Berlin").unwrap();
        for (text, start, end) in [
            ("1h", "2025-11-16T18:15:00Z", "2025-11-16T19:15:00Z"),
            ("1d12h", "2025-11-15T07:15:00Z", "2025-11-16T19:15:00Z"),
            ("1.5h", "2025-11-16T17:45:00Z", "2025-11-16T19:15:00Z"),
            ("today", "2025-11-15T23:00:00Z", "2025-11-16T19:15:00Z"),
            ("yesterday", "2025-11-14T23:00:00Z", "2025-11-15T23:00:00Z"),
            ("week", "2025-11-09T23:00:00Z", "2025-11-16T19:15:00Z"),
            ("last week", "2025-11-02T23:00:00Z", "2025-11-09T23:00:00Z"),
            ("month", "2025-10-31T23:00:00Z", "2025-11-16T19:15:00Z"),
            ("Last Month", "2025-09-30T22:00:00Z", "2025-10-31T23:00:00Z"),
            ("year", "2024-12-31T23:00:00Z", "2025-11-16T19:15:00Z"),
            ("2025-10", "2025-09-30T22:00:00Z", "2025-10-31T23:00:00Z"),
            ("2025-10-26", "2025-10-25T22:00:00Z", "2025-10-26T23:00:00Z"),
            ("2025-11-10..2025-11-12", "2025-11-09T23:00:00Z", "2025-11-12T23:00:00Z"),
            ("2025-11-10..", "2025-11-09T23:00:00Z", "2025-11-16T19:15:00Z"),
            ("2025-11-10T12:00..2025-11-10T13:00:00Z", "2025-11-10T11:00:00Z", "2025-11-10T13:00:00Z"),
            ("1762776000000..now", "2025-11-10T12:00:00Z", "2025-11-16T19:15:00Z"),
        ] {
            let range = range(text, now(), &Calendar::new(&zone)).unwrap();
            assert_eq!((range.start, range.end), (at(start), at(end)), "{text}");
        }
    }

    #[test]
    fn what_is_no_span_says_what_would_be() {
        let zone = Zone::utc();
        for (text, expected) in [
            ("5", "'5' is not a duration | a unit is missing: 5m is minutes, 5h hours, 5d days"),
            ("1M", "'1M' is not a duration | M is no unit of time: write m for minutes, 30d or month for a month"),
            ("5x", "'5x' is not a duration | units are ms s m h d w y, as in 1h"),
            ("1h1h", "'1h1h' is not a duration | write each unit once, the large ones first, as in 1d12h"),
            ("0h", "the duration '0h' is shorter than a millisecond | "),
            ("999999999999999999y", "the duration '999999999999999999y' is longer than 36500 days | "),
            ("1h99999999999m", "the duration '1h99999999999m' is longer than 36500 days | "),
            ("", "'' is not a duration | write 1h"),
            ("1.h", "'1.h' is not a duration | "),
            ("é", "'é' is not a duration | write a number with a unit, such as 1h; units are ms s m h d w y"),
            (
                "2025-02-30",
                "'2025-02-30' is not a time | write 2025-11-16T19:15:00Z, 2025-11-16, or milliseconds since 1970",
            ),
            (
                "2025-11-12..2025-11-10",
                "the time span is empty: it starts at 2025-11-12T00:00:00.000Z and ends at 2025-11-11T00:00:00.000Z | ",
            ),
            (
                "1763300000..now",
                "the time '1763300000' lies before the year 2000 | epoch times are in milliseconds: 1763300000000",
            ),
        ] {
            let failure = range(text, now(), &Calendar::new(&zone)).unwrap_err();
            assert_eq!(format!("{} | {}", failure.message, failure.hint.unwrap_or_default()), expected);
        }
    }
}
