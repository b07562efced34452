//! Lines of `ts,value` to a series without gaps.

use std::fmt;

use ax_storage::time::Zone;
use jiff::civil::{Date, DateTime};
use jiff::{Timestamp, ToSpan};

use crate::error::Failure;
use crate::projection::{Future, Past, Step};

/// A series and where it goes on. Its times may lie before 1970, which those of events never do.
#[derive(Debug)]
pub(super) struct Series<'a> {
    zone: &'a Zone,
    step: Step,
    last: Timestamp,
    pub past: Vec<Past>,
}

/// A line that cannot be taken.
#[derive(Debug)]
pub(super) struct Bad {
    /// From 1; 0 = the file as a whole.
    line: usize,
    why: String,
    hint: String,
}

impl Bad {
    /// The failure as a user meets it.
    pub(super) fn in_file(self, name: &str) -> Failure {
        let place = if self.line == 0 { name.to_owned() } else { format!("{name}, line {}", self.line) };
        Failure::usage(format!("{place}: {}", self.why)).hint(self.hint)
    }
}

/// Reads lines of time and value, oldest first, one for each step. A first line of words is a
/// heading; empty lines are nothing.
pub(super) fn series<'a>(text: &str, step: Step, zone: &'a Zone) -> Result<Series<'a>, Bad> {
    let mut series = Series { zone, step, last: Timestamp::MIN, past: Vec::new() };
    let mut heading = true;
    for (i, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let bad = |why: String, hint: &str| Bad { line: i + 1, why, hint: hint.to_owned() };
        let fields: Vec<&str> = line.split(',').map(|f| f.trim().trim_matches('"')).collect();
        if line.trim().is_empty() {
            continue;
        }
        let [ts, value] = fields.as_slice() else {
            let why = format!("a time and a value are two fields, not {}", fields.len());
            return Err(bad(why, "write ts,value as in 2025-11-16T00:00:00Z,12.5"));
        };
        let is_heading = std::mem::take(&mut heading) && value.starts_with(|c: char| c.is_ascii_alphabetic());
        if is_heading && ts.starts_with(|c: char| c.is_ascii_alphabetic()) {
            continue;
        }
        let t = time(ts, zone).ok_or_else(|| {
            bad(
                format!("'{}' is not a time", short(ts)),
                "write 2025-11-16T00:00:00Z, 2025-11-16, or milliseconds since 1970",
            )
        })?;
        let value = amount(value).map_err(|(why, hint)| bad(why, hint))?;
        if !series.past.is_empty() && t != series.time(1) {
            return Err(series.off(t, i + 1));
        }
        series.last = t;
        let phase = series.phase(t);
        series.past.push(Past { value, phase });
    }
    if series.past.is_empty() {
        let hint = "write a line of ts,value for each day or hour, such as 2025-11-16T00:00:00Z,12.5";
        return Err(Bad { line: 0, why: "there is no line with a time and a value".to_owned(), hint: hint.to_owned() });
    }
    Ok(series)
}

impl Series<'_> {
    /// The steps that follow, and when each starts.
    pub(super) fn ahead(&self, count: usize) -> (Vec<Timestamp>, Vec<Future>) {
        let times: Vec<Timestamp> = (1..=count).map(|i| self.time(i)).collect();
        let steps = times.iter().map(|t| Future { phase: self.phase(*t), part: 1.0 }).collect();
        (times, steps)
    }

    /// The start of the step so many after the last. Days that start at local midnight go on so,
    /// whatever the clocks do; others are 24 hours.
    fn time(&self, steps: usize) -> Timestamp {
        let steps = i64::try_from(steps).unwrap_or(i64::MAX);
        let hours = match self.step {
            Step::Hour => steps,
            Step::Day => {
                let last = self.last.to_zoned_datetime(self.zone.tz().clone());
                if last.start_of_day().is_ok_and(|midnight| midnight == last) {
                    let day = last.date().saturating_add(steps.days()).to_zoned_datetime(self.zone.tz().clone());
                    return day.map_or(Timestamp::MAX, |z| z.timestamp());
                }
                steps.saturating_mul(24)
            }
        };
        self.last.saturating_add(hours.hours()).unwrap_or(Timestamp::MAX)
    }

    fn phase(&self, t: Timestamp) -> u8 {
        let local = self.zone.tz().to_datetime(t);
        match self.step {
            Step::Day => local.weekday().to_monday_zero_offset().unsigned_abs(),
            Step::Hour => local.hour().unsigned_abs(),
        }
    }

    /// What is wrong with a line at `t`, which is not when the next step starts.
    fn off(&self, t: Timestamp, line: usize) -> Bad {
        let (name, other, other_ms) = match self.step {
            Step::Day => ("day", "1h", 3_600_000),
            Step::Hour => ("hour", "1d", 86_400_000),
        };
        let bad = |why: String, hint: String| Bad { line, why, hint };
        let apart_ms = t.as_millisecond().saturating_sub(self.last.as_millisecond());
        if apart_ms <= 0 {
            let what = if apart_ms == 0 { "the same time as" } else { "earlier than" };
            return bad(format!("{t} is {what} the line before"), format!("write one line a {name}, the oldest first"));
        }
        if apart_ms == other_ms && self.past.len() == 1 {
            return bad(
                format!("{t} is not one {name} after the line before"),
                format!("did you mean --step {other}?"),
            );
        }
        let expected = self.time(1);
        bad(
            format!("{t} is not one {name} after the line before: {expected} is missing"),
            format!("write one line for each {name}, with 0 where there was nothing"),
        )
    }
}

/// RFC 3339, a local date or date and time, or epoch milliseconds.
fn time(text: &str, zone: &Zone) -> Option<Timestamp> {
    if let Ok(t) = text.parse::<Timestamp>() {
        return Some(t);
    }
    if let Ok(ms) = text.parse::<i64>() {
        return Timestamp::from_millisecond(ms).ok();
    }
    let local = match text.len() {
        10 => text.parse::<Date>().ok()?.into(),
        _ => text.parse::<DateTime>().ok()?,
    };
    zone.tz().to_timestamp(local).ok()
}

/// A value as a number that is not negative.
fn amount(text: &str) -> Result<f64, (String, &'static str)> {
    let plain = text.bytes().all(|b| b.is_ascii_digit() || b".eE+-".contains(&b));
    match text.parse::<f64>() {
        Ok(value) if value < 0.0 => {
            Err((format!("'{}' is negative", short(text)), "spend and counts are never below 0"))
        }
        Ok(value) if plain && value.is_finite() => Ok(value),
        _ if text.is_empty() => Err(("the value is missing".to_owned(), "write 0 where there was nothing")),
        _ => Err((format!("'{}' is not a number", short(text)), "write plain figures such as 1234.5")),
    }
}

/// At most 40 characters of it.
fn short(text: &str) -> impl fmt::Display {
    text.chars().take(40).collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, step: Step, zone: &str) -> Result<Vec<String>, String> {
        let zone = Zone::load(zone).unwrap();
        let series = series(text, step, &zone).map_err(|e| {
            let failure = e.in_file("f");
            format!("{} | {}", failure.message, failure.hint.unwrap())
        })?;
        let (times, steps) = series.ahead(2);
        let past = series.past.iter().map(|p| format!("{} of phase {}", p.value, p.phase));
        Ok(past.chain(times.iter().zip(steps).map(|(t, s)| format!("{t} phase {}", s.phase))).collect())
    }

    #[test]
    fn series_go_on_where_they_end() {
        for (text, step, zone, expected) in [
            (
                "\u{feff}ts,value\r\n2025-11-15T00:00:00Z,1.5\r\n\r\n2025-11-16T00:00:00Z,2e3\r\n",
                Step::Day,
                "UTC",
                ["1.5 of phase 5", "2000 of phase 6", "2025-11-17T00:00:00Z phase 0", "2025-11-18T00:00:00Z phase 1"],
            ),
            // Local days are 23 hours long where clocks go forward; days of UTC never are.
            (
                "2025-03-29,1\n2025-03-30,2",
                Step::Day,
                "Europe/Berlin",
                ["1 of phase 5", "2 of phase 6", "2025-03-30T22:00:00Z phase 0", "2025-03-31T22:00:00Z phase 1"],
            ),
            (
                "2025-03-29T00:00Z,1\n\"2025-03-30T00:00Z\", \"2\"",
                Step::Day,
                "Europe/Berlin",
                ["1 of phase 5", "2 of phase 6", "2025-03-31T00:00:00Z phase 0", "2025-04-01T00:00:00Z phase 1"],
            ),
            (
                "-3600000,1\n0,2\n",
                Step::Hour,
                "UTC",
                ["1 of phase 23", "2 of phase 0", "1970-01-01T01:00:00Z phase 1", "1970-01-01T02:00:00Z phase 2"],
            ),
        ] {
            assert_eq!(read(text, step, zone).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_series_says_where_and_why() {
        for (text, step, expected) in [
            (
                "",
                Step::Day,
                "f: there is no line with a time and a value | write a line of ts,value for each day or hour, such as 2025-11-16T00:00:00Z,12.5",
            ),
            (
                "ts,value\n",
                Step::Day,
                "f: there is no line with a time and a value | write a line of ts,value for each day or hour, such as 2025-11-16T00:00:00Z,12.5",
            ),
            (
                "ts,value\n2025-11-16",
                Step::Day,
                "f, line 2: a time and a value are two fields, not 1 | write ts,value as in 2025-11-16T00:00:00Z,12.5",
            ),
            (
                "ts,value\nts,value",
                Step::Day,
                "f, line 2: 'ts' is not a time | write 2025-11-16T00:00:00Z, 2025-11-16, or milliseconds since 1970",
            ),
            (
                "2025-13-01,1",
                Step::Day,
                "f, line 1: '2025-13-01' is not a time | write 2025-11-16T00:00:00Z, 2025-11-16, or milliseconds since 1970",
            ),
            ("2025-11-16,-1", Step::Day, "f, line 1: '-1' is negative | spend and counts are never below 0"),
            ("2025-11-16,NaN", Step::Day, "f, line 1: 'NaN' is not a number | write plain figures such as 1234.5"),
            ("2025-11-16,1e999", Step::Day, "f, line 1: '1e999' is not a number | write plain figures such as 1234.5"),
            ("2025-11-16,$5", Step::Day, "f, line 1: '$5' is not a number | write plain figures such as 1234.5"),
            ("2025-11-16,", Step::Day, "f, line 1: the value is missing | write 0 where there was nothing"),
            (
                "2025-11-16,1\n2025-11-16,1",
                Step::Day,
                "f, line 2: 2025-11-16T00:00:00Z is the same time as the line before | write one line a day, the oldest first",
            ),
            (
                "2025-11-16,1\n2025-11-15,1",
                Step::Day,
                "f, line 2: 2025-11-15T00:00:00Z is earlier than the line before | write one line a day, the oldest first",
            ),
            (
                "2025-11-14,1\n2025-11-16,1",
                Step::Day,
                "f, line 2: 2025-11-16T00:00:00Z is not one day after the line before: 2025-11-15T00:00:00Z is missing | write one line for each day, with 0 where there was nothing",
            ),
            (
                "2025-11-14,1\n2025-11-15,1",
                Step::Hour,
                "f, line 2: 2025-11-15T00:00:00Z is not one hour after the line before | did you mean --step 1d?",
            ),
        ] {
            assert_eq!(read(text, step, "UTC").unwrap_err(), expected);
        }
    }
}
