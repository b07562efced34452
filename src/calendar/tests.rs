//! Midnights where clocks change, periods that tile time.

use ax_storage::time::HOUR_MS;
use proptest::prelude::*;

use super::*;

fn at(text: &str) -> Timestamp {
    Timestamp::from_jiff(text.parse().unwrap())
}

const ZONES: [&str; 8] = [
    "UTC",
    "America/New_York",
    "Europe/Berlin",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "America/Havana",
    "America/Sao_Paulo",
];

#[test]
fn local_times_are_moments_even_where_clocks_change() {
    for (zone, local, expected) in [
        ("UTC", "2025-11-16T10:00:00", "2025-11-16T10:00:00Z"),
        // Put forward: the moment of the change.
        ("America/New_York", "2025-03-09T01:59:59", "2025-03-09T06:59:59Z"),
        ("America/New_York", "2025-03-09T02:30:00", "2025-03-09T07:00:00Z"),
        ("America/New_York", "2025-03-09T03:00:00", "2025-03-09T07:00:00Z"),
        // Put back: the first of two.
        ("America/New_York", "2025-11-02T01:30:00", "2025-11-02T05:30:00Z"),
        ("America/New_York", "2025-11-02T02:00:00", "2025-11-02T07:00:00Z"),
        // By half an hour.
        ("Australia/Lord_Howe", "2025-10-05T02:15:00", "2025-10-04T15:30:00Z"),
        ("Australia/Lord_Howe", "2025-04-06T01:45:00", "2025-04-05T14:45:00Z"),
        ("Asia/Kathmandu", "2025-11-16T00:00:00", "2025-11-15T18:15:00Z"),
        // No midnight, two midnights, no day.
        ("America/Sao_Paulo", "2018-11-04T00:00:00", "2018-11-04T03:00:00Z"),
        ("America/Havana", "2025-11-02T00:00:00", "2025-11-02T04:00:00Z"),
        ("Pacific/Apia", "2011-12-30T00:00:00", "2011-12-30T10:00:00Z"),
        ("Pacific/Apia", "2011-12-30T15:00:00", "2011-12-30T10:00:00Z"),
        ("Pacific/Apia", "2011-12-31T00:00:00", "2011-12-30T10:00:00Z"),
        // Beyond what is kept.
        ("UTC", "1969-12-31T00:00:00", "1970-01-01T00:00:00Z"),
        ("Pacific/Apia", "9999-12-31T23:59:59", "9999-12-30T00:00:00Z"),
    ] {
        let zone = Zone::load(zone).unwrap();
        let moment = Calendar::new(&zone).moment(local.parse().unwrap());
        assert_eq!(moment, at(expected), "{} {local}", zone.name());
    }
}

#[test]
fn a_week_starts_where_it_is_told_to() {
    let zone = Zone::utc();
    let calendar = Calendar::new(&zone);
    let sunday = at("2025-11-16T19:15:00Z");
    for (start, first) in [
        (Weekday::Monday, "2025-11-10T00:00:00Z"),
        (Weekday::Sunday, "2025-11-16T00:00:00Z"),
        (Weekday::Saturday, "2025-11-15T00:00:00Z"),
    ] {
        let week = calendar.week_from(start).period(Period::Week, sunday);
        assert_eq!((week.start, week.millis()), (at(first), 7 * 24 * HOUR_MS));
    }
}

#[test]
fn a_period_that_has_just_begun_is_not_nothing() {
    let zone = Zone::utc();
    let midnight = at("2025-11-01T00:00:00Z");
    let range = Calendar::new(&zone).so_far(Period::Month, midnight);
    assert_eq!((range.start, range.millis()), (midnight, 1));
}

proptest! {
    #[test]
    fn periods_hold_their_moment_and_tile_time(ms in 86_400_000_000..4_102_444_800_000_u64, zone in 0..ZONES.len(), period in 0..4_usize) {
        let zone = Zone::load(ZONES[zone]).unwrap();
        let (calendar, period) = (Calendar::new(&zone), Period::ALL[period]);
        let t = Timestamp::from_millis(ms);
        let this = calendar.period(period, t);
        prop_assert!(this.contains(t));
        let before = calendar.period_before(period, t);
        prop_assert!(!before.is_empty());
        prop_assert_eq!(before.end, this.start);
        prop_assert_eq!(calendar.period(period, before.start).start, before.start);
        prop_assert_eq!(calendar.period(period, this.end).start, this.end);
        if period == Period::Day {
            prop_assert_eq!(this, zone.day(t));
        }
    }

    #[test]
    fn later_local_times_are_never_earlier_moments(a in 0..40_000_000_u64, apart in 0..200_u64, zone in 0..ZONES.len()) {
        let zone = Zone::load(ZONES[zone]).unwrap();
        let calendar = Calendar::new(&zone);
        let local = |minutes: u64| Timestamp::from_millis(minutes * 60_000).to_jiff().to_zoned_datetime(jiff::tz::TimeZone::UTC).datetime();
        prop_assert!(calendar.moment(local(a)) <= calendar.moment(local(a + apart)));
    }
}
