//! Literals: plain figures, money, shares and durations, as one token each.
//!
//! Case matters: `5m` is five minutes, `5M` five million. Durations are integers of nanoseconds,
//! computed with checks; `1d2h` lists its units from large to small, each once.

use super::ast::Num;
use super::error::{ParseError, Span, quoted};

/// Longest duration in days.
pub const DAYS_MAX: u64 = 36_500;

const SECOND: u64 = 1_000_000_000;
const DAY: u64 = 86_400 * SECOND;

/// Units of durations, from large to small, in nanoseconds. A year is 365 days.
const UNITS: [(&str, u64); 9] = [
    ("y", 365 * DAY),
    ("w", 7 * DAY),
    ("d", DAY),
    ("h", 3600 * SECOND),
    ("m", 60 * SECOND),
    ("s", SECOND),
    ("ms", 1_000_000),
    ("us", 1000),
    ("ns", 1),
];

/// Units that durations are printed in.
pub(crate) const PRINTED: [(&str, u64); 7] =
    [("d", DAY), ("h", 3600 * SECOND), ("m", 60 * SECOND), ("s", SECOND), ("ms", 1_000_000), ("us", 1000), ("ns", 1)];

/// Reads the literal that begins at byte `start`, a digit or `$`.
pub(crate) fn scan(source: &str, start: usize) -> Result<(Num, Span), ParseError> {
    let bytes = source.as_bytes();
    let money = bytes.get(start) == Some(&b'$');
    let mut end = start + usize::from(money);
    while bytes.get(end).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_')
        || (bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit))
        || (matches!(bytes.get(end), Some(b'+' | b'-')) && is_exponent(source, start, end))
    {
        end += 1;
    }
    if bytes.get(end) == Some(&b'%') {
        end += 1;
    }
    let span = Span::new(start, end);
    let text = source.get(start..end).unwrap_or_default();
    parse(text).map(|num| (num, span)).map_err(|what| what.at(span, text))
}

/// Whether the sign at `at` belongs to an exponent: `1e-5`.
fn is_exponent(source: &str, start: usize, at: usize) -> bool {
    let before = source.get(start..at).unwrap_or_default();
    let mantissa = before.trim_start_matches('$').strip_suffix(['e', 'E']);
    mantissa.is_some_and(|m| !m.is_empty() && m.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
        && source.as_bytes().get(at + 1).is_some_and(u8::is_ascii_digit)
}

/// Why a text is not a literal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    TooLarge,
    DurationTooLarge,
    DurationTooFine,
    UnitOrder,
    Unit,
}

impl Wrong {
    pub(crate) fn at(self, span: Span, text: &str) -> ParseError {
        match self {
            Self::TooLarge => ParseError::new(span, format!("the number {} is too large", quoted(text))),
            Self::DurationTooLarge => {
                ParseError::new(span, "duration is too large").hint(format!("the longest is {DAYS_MAX}d"))
            }
            Self::DurationTooFine => {
                ParseError::new(span, format!("the duration {} is too fine", quoted(text))).hint("the finest is 1ns")
            }
            Self::UnitOrder => ParseError::new(span, format!("bad duration {}", quoted(text)))
                .hint("units go from large to small, each once: 1d2h30m"),
            Self::Unit => {
                let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '$');
                let hint = match unit {
                    "sec" | "secs" | "second" | "seconds" | "S" => "write s for seconds",
                    "min" | "mins" | "minute" | "minutes" => "write m for minutes",
                    "H" | "hr" | "hrs" | "hour" | "hours" => "write h for hours",
                    "D" | "day" | "days" => "write d for days",
                    "W" | "week" | "weeks" => "write w for weeks",
                    "Y" | "year" | "years" => "write y for years",
                    "mo" | "month" | "months" => "write 30d, or [month] as a range",
                    "MS" | "Ms" | "msec" => "write ms for milliseconds",
                    "b" | "bn" => "write B for billion",
                    "mil" | "mio" => "write M for million",
                    _ => "units are ns us ms s m h d w y, and k M B for large numbers",
                };
                ParseError::new(span, format!("unexpected {}", quoted(text))).hint(hint)
            }
        }
    }
}

/// Reads a whole text as a literal.
pub(crate) fn parse(text: &str) -> Result<Num, Wrong> {
    if let Some(amount) = text.strip_prefix('$') {
        return plain(amount).map(Num::Money);
    }
    if let Some(share) = text.strip_suffix('%') {
        return match decimal(share) {
            Some((_, "")) => finite(share).map(Num::Percent),
            _ => Err(Wrong::Unit),
        };
    }
    match decimal(text) {
        Some((_, unit)) if unit.starts_with(|c: char| c.is_ascii_lowercase() && c != 'k' && c != 'e') => {
            duration(text).map(Num::Duration)
        }
        _ => plain(text).map(Num::Plain),
    }
}

/// Digits, and a point with digits, then the rest.
fn decimal(text: &str) -> Option<(&str, &str)> {
    let digits = |s: &str| s.bytes().take_while(u8::is_ascii_digit).count();
    let whole = digits(text);
    let rest = text.get(whole..)?;
    let fraction = rest.strip_prefix('.').map_or(0, digits);
    let length = whole + if fraction > 0 { fraction + 1 } else { 0 };
    (whole > 0).then(|| text.split_at(length))
}

fn plain(text: &str) -> Result<f64, Wrong> {
    let (figure, unit) = decimal(text).ok_or(Wrong::Unit)?;
    let factor = match unit {
        "" => "",
        "k" | "K" => "e3",
        "M" => "e6",
        "B" => "e9",
        exponent => {
            let digits = exponent.strip_prefix(['e', 'E']).ok_or(Wrong::Unit)?;
            let digits = digits.strip_prefix(['+', '-']).unwrap_or(digits);
            if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                return Err(Wrong::Unit);
            }
            return finite(text);
        }
    };
    if factor.is_empty() { finite(figure) } else { finite(&format!("{figure}{factor}")) }
}

fn finite(text: &str) -> Result<f64, Wrong> {
    text.parse::<f64>().ok().filter(|v| v.is_finite()).ok_or(Wrong::TooLarge)
}

/// A duration in nanoseconds: `1d2h` or `1.5h`.
pub(crate) fn duration(text: &str) -> Result<u64, Wrong> {
    let (mut total, mut rest, mut last) = (0_u64, text, u64::MAX);
    let mut parts = 0;
    while !rest.is_empty() {
        let (figure, after) = decimal(rest).ok_or(Wrong::Unit)?;
        let length = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (name, next) = after.split_at(length);
        let (_, unit) = UNITS.iter().find(|(n, _)| *n == name).ok_or(Wrong::Unit)?;
        if *unit >= last {
            return Err(Wrong::UnitOrder);
        }
        if figure.contains('.') && (parts > 0 || !next.is_empty()) {
            return Err(Wrong::UnitOrder);
        }
        total = total.checked_add(scaled(figure, *unit)?).ok_or(Wrong::DurationTooLarge)?;
        if total > DAYS_MAX * DAY {
            return Err(Wrong::DurationTooLarge);
        }
        (rest, last, parts) = (next, *unit, parts + 1);
    }
    Ok(total)
}

/// `figure` × `unit` in integers.
fn scaled(figure: &str, unit: u64) -> Result<u64, Wrong> {
    let (whole, fraction) = figure.split_once('.').unwrap_or((figure, ""));
    let whole: u64 = whole.parse().map_err(|_| Wrong::DurationTooLarge)?;
    let mut value = whole.checked_mul(unit).ok_or(Wrong::DurationTooLarge)?;
    let fraction = fraction.trim_end_matches('0');
    if !fraction.is_empty() {
        // 19 digits are finer than a nanosecond of any unit and still fit.
        let scale = (fraction.len() <= 19).then(|| 10_u128.pow(u32::try_from(fraction.len()).unwrap_or(0)));
        let scale = scale.ok_or(Wrong::DurationTooFine)?;
        let part = fraction.parse::<u128>().map_err(|_| Wrong::DurationTooFine)? * u128::from(unit);
        if part % scale != 0 {
            return Err(Wrong::DurationTooFine);
        }
        let part = u64::try_from(part / scale).map_err(|_| Wrong::DurationTooLarge)?;
        value = value.checked_add(part).ok_or(Wrong::DurationTooLarge)?;
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_mean_what_they_say() {
        for (text, num) in [
            ("5", Num::Plain(5.0)),
            ("10k", Num::Plain(10_000.0)),
            ("5M", Num::Plain(5e6)),
            ("1e-7", Num::Plain(1e-7)),
            ("$1.50", Num::Money(1.5)),
            ("$2k", Num::Money(2000.0)),
            ("80%", Num::Percent(80.0)),
            ("5m", Num::Duration(300 * SECOND)),
            ("1.5h", Num::Duration(5400 * SECOND)),
            ("1d2h3m4s5ms6us7ns", Num::Duration(DAY + 7384 * SECOND + 5_006_007)),
            ("36500d", Num::Duration(36_500 * DAY)),
        ] {
            assert_eq!(parse(text), Ok(num), "{text}");
        }
    }

    #[test]
    fn wrong_literals_say_why() {
        for (text, wrong) in [
            ("1e999", Wrong::TooLarge),
            ("36501d", Wrong::DurationTooLarge),
            ("999999999999y", Wrong::DurationTooLarge),
            ("99999999999999999999999d", Wrong::DurationTooLarge),
            ("0.5ns", Wrong::DurationTooFine),
            ("1h2d", Wrong::UnitOrder),
            ("1h1h", Wrong::UnitOrder),
            ("1.5h3m", Wrong::UnitOrder),
            ("5x", Wrong::Unit),
            ("5k5", Wrong::Unit),
            ("1e", Wrong::Unit),
            ("5H", Wrong::Unit),
        ] {
            assert_eq!(parse(text), Err(wrong), "{text}");
        }
    }
}
