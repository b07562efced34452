//! What stands in `[ ]`: a duration, a word of the calendar, a point, or two points.

use super::ast::{Calendar, Clock, Num, Period, Point, Range};
use super::error::{ParseError, Span, did_you_mean, quoted};
use super::number::{self, Wrong};

/// Ranges, steps and offsets are whole milliseconds of at least one.
pub(crate) const NANOS_IN_MS: u64 = 1_000_000;

/// Reads the text between the brackets.
pub(crate) fn parse(text: &str, span: Span) -> Result<Range, ParseError> {
    let bad = |hint: &str| ParseError::new(span, format!("bad time range {}", quoted(text))).hint(hint);
    if text.is_empty() {
        return Err(ParseError::new(span, "the time range is empty").hint("write [1h]"));
    }
    if let Some((from, to)) = text.split_once("..") {
        return between(from.trim(), to.trim(), text, span);
    }
    let looks_like_date = text.len() > 4 && text.as_bytes().get(4) == Some(&b'-');
    if looks_like_date {
        return point(text, span).map(Range::One);
    }
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        if let Some((range, step)) = text.split_once(':') {
            let (range, step) = (range.trim(), step.trim());
            if number::duration(range).is_ok() && number::duration(step).is_ok() {
                return Err(bad(&format!("write [{range}] every {step}")));
            }
        }
        return last(text, span);
    }
    calendar(text).ok_or_else(|| {
        let word = text.rsplit(' ').next().unwrap_or(text);
        let known = ["today", "yesterday", "week", "month", "year"];
        bad("write [1h], [today], [last month] or [2025-11-01..2025-11-15]").maybe(did_you_mean(word, known))
    })
}

fn last(text: &str, span: Span) -> Result<Range, ParseError> {
    match number::duration(text) {
        Ok(nanos) => whole_ms(nanos, span, "the time range").map(Range::Last),
        Err(Wrong::DurationTooLarge) => Err(Wrong::DurationTooLarge.at(span, text)),
        Err(wrong) => match number::parse(text) {
            Ok(Num::Plain(_)) => {
                let hint = if text.ends_with('M') {
                    let n = text.trim_end_matches('M');
                    let days = n.parse::<u64>().ok().and_then(|n| n.checked_mul(30)).filter(|d| *d <= number::DAYS_MAX);
                    format!("M means million; write [{}d] or [month]", days.unwrap_or(30))
                } else if text.len() <= 6 && text.bytes().all(|b| b.is_ascii_digit()) {
                    format!("did you mean [{text}m] or [{text}h]?")
                } else {
                    "write [5m] or [1h]".to_owned()
                };
                Err(ParseError::new(span, format!("the time range {} has no time unit", quoted(text))).hint(hint))
            }
            _ => {
                let hint = wrong.at(span, text).hint.unwrap_or_default();
                Err(ParseError::new(span, format!("bad time range {}", quoted(text))).hint(hint))
            }
        },
    }
}

/// `nanos`, when they are whole milliseconds.
pub(crate) fn whole_ms(nanos: u64, span: Span, what: &str) -> Result<u64, ParseError> {
    if nanos == 0 || !nanos.is_multiple_of(NANOS_IN_MS) {
        return Err(ParseError::new(span, format!("{what} is not a number of milliseconds above 0")).hint("write 5m"));
    }
    Ok(nanos)
}

fn calendar(text: &str) -> Option<Range> {
    let mut words = text.split_ascii_whitespace();
    let (first, second) = (words.next()?, words.next());
    if words.next().is_some() {
        return None;
    }
    let is = |word: &str, name: &str| word.eq_ignore_ascii_case(name);
    let period = |word: &str| [Period::Week, Period::Month, Period::Year].into_iter().find(|p| is(word, p.name()));
    let calendar = match second {
        None if is(first, "today") => Calendar::Today,
        None if is(first, "yesterday") => Calendar::Yesterday,
        None => Calendar::This(period(first)?),
        Some(second) if is(first, "this") => Calendar::This(period(second)?),
        Some(second) if is(first, "last") => Calendar::Last(period(second)?),
        Some(_) => return None,
    };
    Some(Range::Calendar(calendar))
}

fn between(from: &str, to: &str, text: &str, span: Span) -> Result<Range, ParseError> {
    let from = point(from, span)?;
    if to.is_empty() || to.eq_ignore_ascii_case("now") {
        return Ok(Range::Between(from, None));
    }
    let to = point(to, span)?;
    if ends_first(&from, &to) {
        return Err(ParseError::new(span, format!("the time range {} ends before it starts", quoted(text)))
            .hint("write the earlier time first"));
    }
    Ok(Range::Between(from, Some(to)))
}

/// Whether `to` is surely not after `from`, whatever the zone.
fn ends_first(from: &Point, to: &Point) -> bool {
    let zone = |p: &Point| p.clock.and_then(|c| c.offset);
    if zone(from) != zone(to) {
        return false;
    }
    let key = |p: &Point, low: bool| {
        let end = if low { 0 } else { 99 };
        let clock = p.clock.map_or((end, end, end), |c| (c.hour, c.minute, c.second.unwrap_or(0)));
        (p.year, p.month, p.day.unwrap_or(end), clock)
    };
    let (start, end) = (key(from, true), key(to, false));
    end < start || (end == start && to.clock.is_some())
}

/// Reads `2025-11`, `2025-11-01`, `2025-11-01T10:00`, with seconds and offset or without.
fn point(text: &str, span: Span) -> Result<Point, ParseError> {
    let bad = || {
        ParseError::new(span, format!("bad time {}", quoted(text)))
            .hint("write 2025-11, 2025-11-01 or 2025-11-01T10:00Z")
    };
    let bytes = text.as_bytes();
    let figure = |from: usize, length: usize| -> Option<u16> {
        let digits = text.get(from..from + length)?;
        digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
    };
    let small = |from: usize| figure(from, 2).and_then(|n| u8::try_from(n).ok());
    let (Some(year), Some(b'-'), Some(month)) = (figure(0, 4), bytes.get(4), small(5)) else { return Err(bad()) };
    let year = i16::try_from(year).map_err(|_| bad())?;
    if !(1970..=9999).contains(&year) {
        return Err(ParseError::new(span, format!("the year of {} is out of range", quoted(text)))
            .hint("years go from 1970 to 9999"));
    }
    if !(1..=12).contains(&month) {
        return Err(ParseError::new(span, format!("there is no month {month} in {}", quoted(text)))
            .hint("months go from 01 to 12"));
    }
    if bytes.len() == 7 {
        return Ok(Point { year, month, day: None, clock: None });
    }
    let (Some(b'-'), Some(day)) = (bytes.get(7), small(8)) else { return Err(bad()) };
    let days = days_in(year, month);
    if day == 0 || day > days {
        return Err(ParseError::new(span, format!("there is no day {day} in {}", quoted(text)))
            .hint(format!("{} {year} has {days} days", MONTHS[usize::from(month) - 1])));
    }
    if bytes.len() == 10 {
        return Ok(Point { year, month, day: Some(day), clock: None });
    }
    let (Some(b'T' | b't' | b' '), Some(hour), Some(b':'), Some(minute)) =
        (bytes.get(10), small(11), bytes.get(13), small(14))
    else {
        return Err(bad());
    };
    let (second, rest) = match (bytes.get(16), small(17)) {
        (Some(b':'), Some(second)) => (Some(second), text.get(19..)),
        _ => (None, text.get(16..)),
    };
    let offset = rest.and_then(offset).ok_or_else(bad)?;
    if hour > 23 || minute > 59 || second.is_some_and(|s| s > 59) {
        return Err(bad().hint("times of day go from 00:00:00 to 23:59:59"));
    }
    Ok(Point { year, month, day: Some(day), clock: Some(Clock { hour, minute, second, offset }) })
}

/// Minutes east of UTC; the outer `None` = malformed.
#[expect(clippy::option_option, reason = "absent and malformed differ")]
fn offset(text: &str) -> Option<Option<i16>> {
    if text.is_empty() {
        return Some(None);
    }
    if text.eq_ignore_ascii_case("z") {
        return Some(Some(0));
    }
    let sign = match text.as_bytes() {
        [b'+', _, _, b':', _, _] => 1,
        [b'-', _, _, b':', _, _] => -1,
        _ => return None,
    };
    let part = |from: usize| {
        let digits = text.get(from..from + 2)?;
        digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<i16>().ok()).flatten()
    };
    let (hours, minutes) = (part(1)?, part(4)?);
    (hours <= 18 && minutes <= 59).then(|| Some(sign * (hours * 60 + minutes)))
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

fn days_in(year: i16, month: u8) -> u8 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}
