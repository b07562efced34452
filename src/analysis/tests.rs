//! Baselines, anomalies and trends of made-up series whose answers are known.

use ax_storage::time::{DAY_MS, HOUR_MS, TimeRange, Zone};
use proptest::prelude::*;

use super::robust::{median, quantile};
use super::*;
use crate::calendar::Calendar;

/// Monday 2025-11-03T00:00Z.
const MONDAY: u64 = 1_762_128_000_000;

/// Points an hour apart from Monday on.
fn hours(count: u64, value: impl Fn(u64) -> f64) -> Vec<Point> {
    (0..count)
        .map(|h| Point { t: Timestamp::from_millis(MONDAY + h * HOUR_MS), value: Some(value(h)), count: 50 })
        .collect()
}

fn end(points: &[Point]) -> Timestamp {
    points.last().unwrap().t.plus_ms(HOUR_MS)
}

/// Noise of at most 1, the same for the same hour.
fn noise(h: u64) -> f64 {
    (h.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as f64 / f64::from(u32::MAX) * 2.0 - 1.0
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * b.abs().max(1.0)
}

#[test]
fn a_baseline_is_the_usual_value_of_the_hour() {
    let zone = Zone::utc();
    let calendar = Calendar::new(&zone);
    let points = hours(7 * 24, |h| 100.0 + 10.0 * (h % 24) as f64);
    for hour in [0, 9, 23] {
        let at = end(&points).plus_ms(hour * HOUR_MS);
        // The profile ends where the points do; only the hour asked for differs.
        let found = Profile::new(&points, end(&points), &calendar).unwrap().at(at, &calendar);
        assert!(close(found.level, 100.0 + 10.0 * hour as f64), "{hour}: {found:?}");
        assert!(close(found.scale, 0.02 * found.level), "nothing ever strayed: {found:?}");
    }
}

#[test]
fn hours_are_those_of_the_zone() {
    let zone = Zone::load("Asia/Kathmandu").unwrap();
    let points = hours(7 * 24, |h| (h % 24) as f64);
    let calendar = Calendar::new(&zone);
    let profile = Profile::new(&points, end(&points), &calendar).unwrap();
    // 18:15Z and 19:00Z lie in the same local hour from 00:00, as do the points of 19:00Z.
    let at = |minutes: u64| profile.at(end(&points).plus_ms(minutes * 60_000), &calendar).level;
    assert!(close(at(18 * 60 + 15), 19.0) && close(at(19 * 60), 19.0) && close(at(18 * 60 + 14), 18.0));
}

#[test]
fn a_window_across_two_hours_is_usually_something_between_them() {
    let zone = Zone::utc();
    let calendar = Calendar::new(&zone);
    let points = hours(7 * 24, |h| 100.0 + 10.0 * (h % 24) as f64);
    let profile = Profile::new(&points, end(&points), &calendar).unwrap();
    let start = end(&points).plus_ms(9 * HOUR_MS);
    for (minute, minutes, level) in
        [(0, 60, 190.0), (15, 60, 192.5), (45, 15, 190.0), (50, 20, 195.0), (50, 120, 190.0)]
    {
        let from = start.plus_ms(minute * 60_000);
        let found = profile.over(TimeRange::new(from, from.plus_ms(minutes * 60_000)), &calendar).level;
        assert!(close(found, level), "{minutes} minutes from :{minute} on: {found}");
    }
}

#[test]
fn weekdays_count_after_three_weeks() {
    let zone = Zone::utc();
    let calendar = Calendar::new(&zone);
    let weekend = |h: u64| (h / 24) % 7 >= 5;
    for (weeks, saturday) in [(2, 100.0), (4, 10.0)] {
        let points = hours(weeks * 7 * 24 - 24, |h| if weekend(h) { 10.0 } else { 100.0 });
        let profile = Profile::new(&points, end(&points), &calendar).unwrap();
        let noon = Timestamp::from_millis(MONDAY + (weeks * 7 - 2) * DAY_MS + 12 * HOUR_MS);
        let found = profile.at(noon, &calendar).level - profile.shift();
        assert!(close(found, saturday), "{weeks} weeks: {found}");
    }
}

#[test]
fn a_baseline_goes_half_way_towards_the_last_day() {
    let zone = Zone::utc();
    let points = hours(7 * 24, |h| if h >= 6 * 24 { 200.0 } else { 100.0 });
    let found = baseline(&points, end(&points), &Calendar::new(&zone)).unwrap();
    assert!(close(found.level, 150.0), "{found:?}");
}

#[test]
fn too_little_past_is_unknown_and_says_so() {
    let zone = Zone::utc();
    let calendar = Calendar::new(&zone);
    let of = |points: &[Point]| baseline(points, end(points), &calendar).map(|b| b.events);
    assert_eq!(of(&hours(23, |_| 1.0)), Err(Unknown::ShortHistory { have_ms: 23 * HOUR_MS, need_ms: DAY_MS }));
    assert_eq!(of(&hours(24, |_| 1.0)), Ok(24 * 50));
    let mut few = hours(48, |_| 1.0);
    few.iter_mut().for_each(|p| p.count = 2);
    assert_eq!(of(&few), Err(Unknown::FewEvents { have: 96, need: 100 }));
    // Hours before the first event are no history, and their zeros no values.
    let mut late = hours(72, |_| 7.0);
    late[..60].iter_mut().for_each(|p| (p.value, p.count) = (Some(0.0), 0));
    assert_eq!(of(&late), Err(Unknown::ShortHistory { have_ms: 12 * HOUR_MS, need_ms: DAY_MS }));
    late[40].count = 50;
    late[40].value = Some(7.0);
    assert!(of(&late).is_ok());
    let nothing = baseline(&[], Timestamp::from_millis(MONDAY), &calendar);
    assert_eq!(nothing, Err(Unknown::NoData));
}

#[test]
fn an_anomaly_is_off_by_more_than_the_usual() {
    let zone = Zone::utc();
    let calendar = Calendar::new(&zone);
    let judge = |points: &[Point], k: f64| {
        let (past, judged) = points.split_at(points.len() - JUDGED_POINTS);
        anomaly(judged, HOUR_MS, &Profile::new(past, judged[0].t, &calendar)?, k, &calendar)
    };
    let day = |h: u64| 100.0 + 40.0 * (h as f64 / 24.0 * std::f64::consts::TAU).sin() + 5.0 * noise(h);
    for (lift, found) in [(0.0, false), (10.0, false), (60.0, true), (-60.0, true)] {
        let points = hours(10 * 24, |h| day(h) + if h >= 10 * 24 - 3 { lift } else { 0.0 });
        let judged = judge(&points, DEVIATIONS_DEFAULT).unwrap();
        assert_eq!(judged.found, found, "{lift}: {judged:?}");
    }
    // A single wild point is not yet one, and no data in the newest point is no judgement.
    let mut points = hours(10 * 24, day);
    points.last_mut().unwrap().value = Some(130.0);
    assert!(!judge(&points, DEVIATIONS_DEFAULT).unwrap().found);
    points.last_mut().unwrap().value = None;
    assert_eq!(judge(&points, DEVIATIONS_DEFAULT), Err(Unknown::NoData));
}

#[test]
fn a_trend_is_the_change_over_the_range() {
    let six_hours = 6 * HOUR_MS;
    for (points, expected) in [
        (hours(24, |h| 100.0 + h as f64), Ok(24.0 / 111.5)),
        (hours(24, |h| 100.0 - h as f64), Ok(-24.0 / 88.5)),
        (hours(24, |h| if h % 5 == 0 { 9000.0 } else { 100.0 + h as f64 }), Ok(24.0 / 114.5)),
        (hours(24, |_| 0.0), Ok(0.0)),
        (hours(24, |_| 5.0), Ok(0.0)),
        (hours(24, |h| h as f64 - 11.5), Err(Unknown::LevelZero)),
        (hours(11, |h| h as f64), Err(Unknown::FewPoints { have: 11, need: 12 })),
        (hours(4000, |h| 100.0 + h as f64), Ok(4000.0 / 2099.5)),
    ] {
        let range_ms = points.len() as u64 * HOUR_MS;
        match (trend(&points, range_ms), expected) {
            (Ok(found), Ok(expected)) => {
                assert!((found - expected).abs() < 0.02 * expected.abs() + 1e-12, "{found} {expected}")
            }
            (found, expected) => assert_eq!(found, expected),
        }
    }
    let points = hours(24, |h| 100.0 + h as f64);
    assert!(close(trend(&points, six_hours).unwrap(), 6.0 / 111.5), "as much as the range is long");
}

proptest! {
    #[test]
    fn medians_and_quantiles_are_those_of_sorted_values(values in prop::collection::vec(-1e9..1e9_f64, 1..60), share in 0.0..=1.0_f64) {
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        let n = sorted.len();
        let expected = if n % 2 == 1 { sorted[n / 2] } else { (sorted[n / 2 - 1] + sorted[n / 2]) / 2.0 };
        prop_assert!(close(median(&mut values.clone()).unwrap(), expected));
        let below = sorted[((n - 1) as f64 * share).round() as usize];
        prop_assert_eq!(quantile(&mut values.clone(), share), Some(below));
    }

    #[test]
    fn whatever_the_series_answers_are_numbers(
        values in prop::collection::vec((prop::option::of(any::<f64>()), 0..1000_u64, 0..3_u64), 0..400),
        k in any::<f64>(),
        step_ms in prop::sample::select(vec![60_000, HOUR_MS, DAY_MS, 13 * HOUR_MS]),
    ) {
        let zone = Zone::load("Australia/Lord_Howe").unwrap();
        let calendar = Calendar::new(&zone);
        let mut t = MONDAY;
        let points: Vec<_> = values.into_iter().map(|(value, count, steps)| {
            t += steps * step_ms;
            Point { t: Timestamp::from_millis(t), value, count }
        }).collect();
        let (past, judged) = points.split_at(points.len().saturating_sub(JUDGED_POINTS));
        let first = judged.first().map_or(Timestamp::MIN, |p| p.t);
        let profile = Profile::new(past, first, &calendar);
        if let Ok(a) = profile.and_then(|past| anomaly(judged, step_ms, &past, k, &calendar)) {
            prop_assert!([a.value, a.baseline, a.scale].iter().all(|x| x.is_finite()) && a.scale >= 0.0, "{a:?}");
        }
        if let Ok(change) = trend(&points, 6 * HOUR_MS) {
            prop_assert!(change.is_finite());
        }
        if let Ok(b) = baseline(&points, Timestamp::from_millis(t + step_ms), &calendar) {
            prop_assert!(b.level.is_finite() && b.scale.is_finite() && b.events >= EVENTS_MIN);
        }
    }
}
