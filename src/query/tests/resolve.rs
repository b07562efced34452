//! Ranges as text, with the time they mean and the time before.

use ax_storage::time::{TimeRange, Timestamp, Zone};
use proptest::prelude::*;

use crate::calendar::Calendar;
use crate::query::ast::Range;
use crate::query::{RangeError, Span, previous, range, resolve};

fn at(text: &str) -> Timestamp {
    Timestamp::from_jiff(text.parse().unwrap())
}

fn read(text: &str) -> Range {
    range::parse(text, Span { start: 0, end: 0 }).unwrap()
}

/// `2025-11-16T19:15..2025-11-17T00:00` in UTC, seconds only where there are some.
fn show(range: Result<TimeRange, RangeError>) -> String {
    let short = |t: Timestamp| t.to_string().replace("T00:00:00.000Z", "").replace(":00.000Z", "").replace(".000Z", "");
    match range {
        Ok(range) => format!("{}..{}", short(range.start), short(range.end)),
        Err(RangeError::Future(_)) => "future".into(),
        Err(RangeError::Empty { .. }) => "empty".into(),
    }
}

#[test]
fn ranges_mean_time_and_the_time_before() {
    const SUNDAY: &str = "2025-11-16T19:15:00Z";
    for (zone, now, text, expected, before) in [
        ("UTC", SUNDAY, "1h", "2025-11-16T18:15..2025-11-16T19:15", "2025-11-16T17:15..2025-11-16T18:15"),
        ("UTC", SUNDAY, "1d12h", "2025-11-15T07:15..2025-11-16T19:15", "2025-11-13T19:15..2025-11-15T07:15"),
        ("UTC", SUNDAY, "today", "2025-11-16..2025-11-16T19:15", "2025-11-15..2025-11-15T19:15"),
        ("UTC", SUNDAY, "yesterday", "2025-11-15..2025-11-16", "2025-11-14..2025-11-15"),
        ("UTC", SUNDAY, "week", "2025-11-10..2025-11-16T19:15", "2025-11-03..2025-11-09T19:15"),
        ("UTC", SUNDAY, "last week", "2025-11-03..2025-11-10", "2025-10-27..2025-11-03"),
        ("UTC", SUNDAY, "month", "2025-11-01..2025-11-16T19:15", "2025-10-01..2025-10-16T19:15"),
        ("UTC", SUNDAY, "last month", "2025-10-01..2025-11-01", "2025-09-01..2025-10-01"),
        ("UTC", SUNDAY, "this year", "2025-01-01..2025-11-16T19:15", "2024-01-01..2024-11-15T19:15"),
        ("UTC", SUNDAY, "last year", "2024-01-01..2025-01-01", "2023-01-01..2024-01-01"),
        // A month before may be shorter than what has passed of this one.
        ("UTC", "2025-03-31T12:00:00Z", "month", "2025-03-01..2025-03-31T12:00", "2025-02-01..2025-03-01"),
        (
            "UTC",
            "2025-12-01T00:00:00Z",
            "month",
            "2025-12-01..2025-12-01T00:00:00.001Z",
            "2025-11-01..2025-11-01T00:00:00.001Z",
        ),
        ("UTC", SUNDAY, "2025-10", "2025-10-01..2025-11-01", "2025-09-01..2025-10-01"),
        ("UTC", SUNDAY, "2025-11", "2025-11-01..2025-11-16T19:15", "2025-10-01..2025-10-16T19:15"),
        ("UTC", SUNDAY, "2025-12", "future", "future"),
        ("UTC", SUNDAY, "2025-11-16", "2025-11-16..2025-11-16T19:15", "2025-11-15..2025-11-15T19:15"),
        ("UTC", SUNDAY, "2025-11-01T10:00", "2025-11-01T10:00..2025-11-01T10:01", "2025-11-01T09:59..2025-11-01T10:00"),
        (
            "UTC",
            SUNDAY,
            "2025-11-01T10:00:05",
            "2025-11-01T10:00:05..2025-11-01T10:00:06",
            "2025-11-01T10:00:04..2025-11-01T10:00:05",
        ),
        ("UTC", SUNDAY, "2025-11-10..2025-11-12", "2025-11-10..2025-11-13", "2025-11-07..2025-11-10"),
        ("UTC", SUNDAY, "2025-11-10..2025-11-20", "2025-11-10..2025-11-16T19:15", "2025-10-30..2025-11-05T19:15"),
        ("UTC", SUNDAY, "2025-01..2025-03", "2025-01-01..2025-04-01", "2024-10-01..2025-01-01"),
        ("UTC", SUNDAY, "2025-10..2025-11-02", "2025-10-01..2025-11-03", "2025-08-29..2025-10-01"),
        ("UTC", SUNDAY, "2025-11-10..", "2025-11-10..2025-11-16T19:15", "2025-11-03T04:45..2025-11-10"),
        (
            "UTC",
            SUNDAY,
            "2025-11-16T18:00..now",
            "2025-11-16T18:00..2025-11-16T19:15",
            "2025-11-16T16:45..2025-11-16T18:00",
        ),
        (
            "UTC",
            SUNDAY,
            "2025-11-10T10:00..2025-11-10T12:00",
            "2025-11-10T10:00..2025-11-10T12:00",
            "2025-11-10T08:00..2025-11-10T10:00",
        ),
        (
            "UTC",
            SUNDAY,
            "2025-11-10T10:00..2025-11-10",
            "2025-11-10T10:00..2025-11-11",
            "2025-11-09T20:00..2025-11-10T10:00",
        ),
        (
            "UTC",
            SUNDAY,
            "2025-11-10T10:00+02:00..2025-11-10T10:00Z",
            "2025-11-10T08:00..2025-11-10T10:00",
            "2025-11-10T06:00..2025-11-10T08:00",
        ),
        ("UTC", SUNDAY, "2025-11-10T10:00Z..2025-11-10T10:00+02:00", "empty", "empty"),
        ("UTC", SUNDAY, "1970-01", "1970-01-01..1970-02-01", "empty"),
        (
            "Europe/Berlin",
            SUNDAY,
            "2025-10-26",
            "2025-10-25T22:00..2025-10-26T23:00",
            "2025-10-24T22:00..2025-10-25T22:00",
        ),
        (
            "Europe/Berlin",
            SUNDAY,
            "2025-10-26T02:30",
            "2025-10-26T00:30..2025-10-26T00:31",
            "2025-10-26T00:29..2025-10-26T00:30",
        ),
        ("Asia/Kathmandu", SUNDAY, "today", "2025-11-16T18:15..2025-11-16T19:15", "2025-11-15T18:15..2025-11-15T19:15"),
        (
            "America/New_York",
            "2025-11-02T17:00:00Z",
            "today",
            "2025-11-02T04:00..2025-11-02T17:00",
            "2025-11-01T04:00..2025-11-01T17:00",
        ),
        (
            "America/New_York",
            SUNDAY,
            "2025-03-09T02:30..2025-03-09T03:30",
            "2025-03-09T07:00..2025-03-09T07:30",
            "2025-03-09T06:30..2025-03-09T07:00",
        ),
        (
            "Australia/Lord_Howe",
            SUNDAY,
            "2025-10-05",
            "2025-10-04T13:30..2025-10-05T13:00",
            "2025-10-03T13:30..2025-10-04T13:30",
        ),
        // Apia left out the 30th of December 2011.
        ("Pacific/Apia", SUNDAY, "2011-12-30", "empty", "empty"),
        (
            "Pacific/Apia",
            SUNDAY,
            "2011-12-31",
            "2011-12-30T10:00..2011-12-31T10:00",
            "2011-12-29T10:00..2011-12-30T10:00",
        ),
        (
            "Pacific/Apia",
            "2011-12-31T09:00:00Z",
            "yesterday",
            "2011-12-29T10:00..2011-12-30T10:00",
            "2011-12-28T10:00..2011-12-29T10:00",
        ),
    ] {
        let zone = Zone::load(zone).unwrap();
        let (calendar, now) = (Calendar::new(&zone), at(now));
        let range = read(text);
        assert_eq!(show(resolve(&range, now, &calendar)), expected, "{text} in {}", zone.name());
        assert_eq!(show(previous(&range, now, &calendar)), before, "before {text} in {}", zone.name());
    }
}

fn text() -> impl Strategy<Value = String> {
    let date = (1971..2040_u16, 1..=12_u8, 1..=28_u8).prop_map(|(y, m, d)| format!("{y}-{m:02}-{d:02}"));
    let month = (1971..2040_u16, 1..=12_u8).prop_map(|(y, m)| format!("{y}-{m:02}"));
    let time = (date.clone(), 0..24_u8, 0..60_u8, prop::sample::select(vec!["", "Z", "+05:45", ":59-11:00"]))
        .prop_map(|(d, h, m, z)| format!("{d}T{h:02}:{m:02}{z}"));
    let point = prop_oneof![date, month, time];
    let words =
        ["today", "yesterday", "week", "month", "year", "last week", "last month", "last year", "1ms", "90s", "36500d"];
    prop_oneof![
        prop::sample::select(words.to_vec()).prop_map(str::to_owned),
        point.clone(),
        (point.clone(), point.clone()).prop_map(|(a, b)| format!("{a}..{b}")),
        point.prop_map(|a| format!("{a}..")),
    ]
}

proptest! {
    #[test]
    fn a_range_has_time_in_it_and_the_one_before_ends_before(
        text in text(),
        now in 946_684_800_000..2_200_000_000_000_u64,
        zone in prop::sample::select(vec!["UTC", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia"]),
    ) {
        let zone = Zone::load(zone).unwrap();
        let (calendar, now) = (Calendar::new(&zone), Timestamp::from_millis(now));
        let Ok(range) = range::parse(&text, Span { start: 0, end: 0 }) else { return Ok(()) };
        match resolve(&range, now, &calendar) {
            Ok(this) => {
                prop_assert!(this.start < this.end);
                prop_assert!(this.end <= now.max(this.start.plus_ms(1)));
                if let Ok(before) = previous(&range, now, &calendar) {
                    prop_assert!(before.start < before.end);
                    prop_assert!(before.end <= this.start);
                    prop_assert!(before.millis() <= this.millis() + 3 * 86_400_000 || this.end < now);
                }
            }
            Err(RangeError::Future(start)) => prop_assert!(start > now),
            Err(RangeError::Empty { start, end }) => prop_assert!(end <= start),
        }
    }
}
