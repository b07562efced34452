//! Times as people and programs write them.

use ax_storage::time::{Timestamp, Zone};
use jiff::civil::DateTime;

/// A text that is no time, or only half of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotATime {
    /// Neither RFC 3339 nor whole milliseconds.
    Syntax,
    /// A local time, and no zone was named to read it in.
    NoOffset,
}

/// Reads RFC 3339. A time without an offset is one of `zone`'s clock: the earlier of two
/// where the clock is set back, the later side of a gap where it is set forward. Before 1970 is 1970.
///
/// # Errors
/// [`NotATime`].
pub(crate) fn rfc3339(text: &str, zone: Option<&Zone>) -> Result<Timestamp, NotATime> {
    if let Some(t) = utc(text.as_bytes()) {
        return Ok(t);
    }
    // Longer texts are no times, and jiff's annotations in brackets are none of ours.
    if text.len() > 64 || text.contains('[') {
        return Err(NotATime::Syntax);
    }
    if let Ok(t) = text.parse::<jiff::Timestamp>() {
        return Ok(Timestamp::from_jiff(t));
    }
    // A bare date is too little: whoever writes one seldom means midnight.
    let local: DateTime = text.parse().map_err(|_| NotATime::Syntax)?;
    if !text.contains(':') {
        return Err(NotATime::Syntax);
    }
    let zone = zone.ok_or(NotATime::NoOffset)?;
    let zoned = zone.tz().to_zoned_datetime(local).map_err(|_| NotATime::Syntax)?;
    Ok(Timestamp::from_jiff(zoned.timestamp()))
}

/// `2025-11-03T00:00:06Z` with up to nine decimals, the form nearly every program writes, read in a few
/// nanoseconds. `None` = ask the long way, which also judges what is wrong.
pub(crate) fn utc(text: &[u8]) -> Option<Timestamp> {
    let (head, tail) = text.split_at_checked(19)?;
    let shape = head[4] == b'-' && head[7] == b'-' && head[10] == b'T' && head[13] == b':' && head[16] == b':';
    let fraction = tail.strip_suffix(b"Z")?;
    if !shape {
        return None;
    }
    let (year, month, day) = (number(&head[..4])?, number(&head[5..7])?, number(&head[8..10])?);
    let (hour, minute, second) = (number(&head[11..13])?, number(&head[14..16])?, number(&head[17..])?);
    if year < 1970 || !(1..=12).contains(&month) || !(1..=28).contains(&day) || hour > 23 || minute > 59 || second > 59
    {
        return None;
    }
    let ms = match fraction.split_first() {
        None => 0,
        Some((b'.', decimals)) if (1..=9).contains(&decimals.len()) => {
            number(decimals)?;
            decimals.iter().chain(b"00").take(3).fold(0, |ms, d| ms * 10 + u64::from(d - b'0'))
        }
        Some(_) => return None,
    };
    let seconds = ((days_from_1970(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
    Some(Timestamp::from_millis(seconds * 1000 + ms))
}

fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |n, d| d.is_ascii_digit().then(|| n * 10 + u64::from(d - b'0')))
}

/// Days of the Gregorian calendar since 1970-01-01, counted in years that begin in March so that the
/// leap day is the last one.
fn days_from_1970(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_with_an_offset_need_no_zone() {
        for (text, ms) in [
            ("2025-11-03T00:00:06Z", 1_762_128_006_000),
            ("2025-11-03t00:00:06.615z", 1_762_128_006_615),
            ("2025-11-03 00:00:06.6159Z", 1_762_128_006_615),
            ("2025-11-03T01:00:06.615+01:00", 1_762_128_006_615),
            ("2025-11-02T19:00:06.615-05:00", 1_762_128_006_615),
            ("2024-02-29T12:00:00Z", 1_709_208_000_000),
            ("2000-01-01T00:00:00Z", 946_684_800_000),
            ("1969-07-20T20:17:40Z", 0),
        ] {
            assert_eq!(rfc3339(text, None), Ok(Timestamp::from_millis(ms)), "{text}");
        }
    }

    #[test]
    fn local_times_are_read_on_the_named_zones_clock() {
        let berlin = Zone::load("Europe/Berlin").unwrap();
        for (text, utc) in [
            ("2025-07-01T12:00:00", "2025-07-01T10:00:00Z"),
            ("2025-01-01 12:00:00.250", "2025-01-01T11:00:00.25Z"),
            ("2025-10-26T02:30:00", "2025-10-26T00:30:00Z"),
            ("2025-03-30T02:30:00", "2025-03-30T01:30:00Z"),
        ] {
            assert_eq!(rfc3339(text, Some(&berlin)), rfc3339(utc, None), "{text}");
            assert_eq!(rfc3339(text, None), Err(NotATime::NoOffset), "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_times() {
        for text in [
            "",
            "yesterday",
            "2025-11-03",
            "2025-13-01T00:00:00Z",
            "2025-02-29T00:00:00Z",
            "2025-11-03T24:00:00Z",
            "2025-11-03T00:00:00.Z",
            "2025-11-03T00:00:00Z ",
            "2025-11-03T00:00:00+01:00[Europe/Berlin]",
            "20251103",
            "12:00:00",
        ] {
            assert_eq!(rfc3339(text, None), Err(NotATime::Syntax), "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_short_way_agrees_with_the_calendar(ms in 0u64..4_102_444_800_000, decimals in 0usize..=9) {
            let t = Timestamp::from_millis(ms);
            let text = format!("{:.decimals$}", t.to_jiff());
            let expected = Timestamp::from_jiff(text.parse().unwrap());
            prop_assert_eq!(rfc3339(&text, None), Ok(expected), "{}", text);
            if let Some(short) = utc(text.as_bytes()) {
                prop_assert_eq!(short, expected);
            }
        }
    }
}
