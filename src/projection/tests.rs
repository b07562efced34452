//! Projections against figures computed once by an independent program, and what must hold of any.

use ax_storage::time::{DAY_MS, HOUR_MS, Timestamp, Zone};
use proptest::prelude::*;

use super::*;
use crate::calendar::{Calendar, Period};

/// Made-up spend: weekdays or hours that differ, growth, noise, now and then a spike.
fn series(seed: u64, count: u64, step: Step) -> Vec<Past> {
    let m = step.cycle() as u64;
    let mut state = seed;
    (0..count)
        .map(|i| {
            state = (state * 1_103_515_245 + 12_345) % (1 << 31);
            let noise = (state >> 8) % 1000;
            let usual = match step {
                Step::Day if seed % 2 == 1 => {
                    [120, 130, 125, 140, 110, 20, 0][((i + seed) % 7) as usize] + i * (seed % 5)
                }
                Step::Day => 100 + i * (seed % 5),
                Step::Hour if seed.is_multiple_of(3) && (i + seed) % 24 < 6 => 0,
                Step::Hour => 10 + (i + seed) % 24 * (24 - (i + seed) % 24),
            };
            let spike = if noise > 985 { 12 } else { 1 };
            let value = usual as f64 * (500 + noise) as f64 / 1000.0 * f64::from(spike);
            Past { value, phase: ((i + seed) % m) as u8 }
        })
        .collect()
}

fn after(past: &[Past], count: u64, step: Step) -> Vec<Future> {
    let m = step.cycle() as u64;
    let next = past.last().map_or(0, |p| u64::from(p.phase) + 1);
    (next..next + count).map(|i| Future { phase: (i % m) as u8, part: 1.0 }).collect()
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * b.abs()
}

/// Guards every constant and branch of the method: under a cycle of history, one to two, more,
/// with the last cycle blended in and without, zero weekends, spikes, a year ahead.
#[test]
fn figures_are_those_of_an_independent_program() {
    #[rustfmt::skip]
    let cases = [
        (1, 3, 5, Step::Day, [557.3266666666667, 426.4273959004733, 773.7467943334398], 111.46533333333333),
        (2, 5, 25, Step::Day, [2094.9099999999994, 1481.2629498691047, 3109.4731228830788], 83.79639999999999),
        (3, 7, 3, Step::Day, [305.3079316541381, 202.57539835432058, 475.15905337650304], 101.76931055137936),
        (4, 8, 20, Step::Day, [2062.655384227021, 1578.0119619444097, 2863.9325090676048], 112.24708614520883),
        (5, 14, 7, Step::Day, [734.5194489333444, 185.17241155943725, 1642.7732173915376], 73.57123577807647),
        (6, 20, 10, Step::Day, [1141.2865619227923, 930.1685528707958, 1490.3350035554265], 90.49700914972789),
        (7, 35, 25, Step::Day, [3805.4640873731005, 3081.8565170993256, 5001.8286035590745], 244.23792167490097),
        (8, 90, 28, Step::Day, [10485.323977228109, 2859.6879198806237, 23093.042258709283], 436.9079555523581),
        (9, 400, 365, Step::Day, [643548.4130807193, 451868.66984766047, 960458.92189271], 1848.571898106205),
        (1, 24, 24, Step::Hour, [2637.972185192147, 0.0, 10126.192018713777], 65.09190771633949),
        (2, 30, 24, Step::Hour, [3734.1930325104404, 2755.4044266962624, 5378.55789027826], 146.84298010617348),
        (3, 72, 72, Step::Hour, [4224.227266931889, 963.6208695254682, 9702.046014574677], 2.5753303910673027),
        (4, 168, 24, Step::Hour, [2582.386667478961, 1812.5126908601815, 3875.774948198511], 76.17580573881463),
        (5, 240, 72, Step::Hour, [11210.20971099107, 8522.166334999765, 15726.122582656462], 82.87250226771604),
        (6, 1000, 10, Step::Hour, [355.9599335057552, 147.89584615010023, 705.5076002632555], 136.1945565258967),
    ];
    for (seed, history, horizon, step, total, last) in cases {
        let past = series(seed, history, step);
        let projection = project(&past, &after(&past, horizon, step), step);
        let bounds = projection.total.bounds.unwrap();
        let found = [projection.total.estimate, bounds.low, bounds.high];
        assert!(found.iter().zip(total).all(|(a, b)| close(*a, b)), "{seed}: {found:?}, expected {total:?}");
        let point = projection.points.last().unwrap().estimate;
        assert!(close(point, last), "{seed}: {point}, expected {last}");
    }
}

#[test]
fn too_short_a_history_gives_the_average_without_bounds() {
    for (history, step, status) in [
        (0, Step::Day, Status::InsufficientHistory),
        (2, Step::Day, Status::InsufficientHistory),
        (3, Step::Day, Status::Ok),
        (23, Step::Hour, Status::InsufficientHistory),
        (24, Step::Hour, Status::Ok),
    ] {
        let past = vec![Past { value: 10.0, phase: 0 }; history];
        let projection = project(&past, &after(&past, 10, step), step);
        assert_eq!(projection.status, status, "{history}");
        assert_eq!(projection.total.bounds.is_some(), status == Status::Ok);
        assert_eq!(projection.points.len(), 10);
        let expected = if history == 0 { 0.0 } else { 100.0 };
        assert!((projection.total.estimate - expected).abs() < 1e-6, "{projection:?}");
    }
}

#[test]
fn nothing_spent_projects_nothing() {
    let past = vec![Past { value: 0.0, phase: 0 }; 40];
    let total = project(&past, &after(&past, 10, Step::Day), Step::Day).total;
    assert!(total.estimate == 0.0 && total.bounds.unwrap().high < 1e-6, "{total:?}");
}

#[test]
fn the_running_step_counts_for_what_is_left_of_it() {
    let zone = Zone::load("America/New_York").unwrap();
    let calendar = Calendar::new(&zone);
    let at = |text: &str| Timestamp::from_jiff(text.parse().unwrap());
    // Noon of the day on which clocks are put back: 12 of its 25 hours are left.
    let ahead = Ahead::rest_of(Period::Month, at("2025-11-02T17:00:00Z"), Step::Day, &calendar);
    assert_eq!(ahead.steps.len(), 29);
    assert!(close(ahead.steps[0].part, 12.0 / 25.0) && ahead.steps[1..].iter().all(|s| s.part >= 1.0));
    assert_eq!((ahead.steps[0].phase, ahead.steps[1].phase), (6, 0));
    assert_eq!(ahead.times[28].end, at("2025-12-01T05:00:00Z"));
    let hours = Ahead::rest_of(Period::Day, at("2025-11-02T17:15:00Z"), Step::Hour, &calendar);
    assert_eq!((hours.steps.len(), hours.steps[0].phase, hours.steps[11].phase), (12, 12, 23));
    assert!(close(hours.steps[0].part, 0.75));
    let past = vec![Past { value: 10.0, phase: 0 }; 3];
    let half = [Future { phase: 0, part: 0.5 }];
    assert!(close(project(&past, &half, Step::Day).total.estimate, 5.0));
}

#[test]
fn every_step_to_the_end_of_a_year_has_its_time() {
    for zone in ["Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu"] {
        let zone = Zone::load(zone).unwrap();
        let now = Timestamp::from_jiff("2011-03-02T03:04:05Z".parse().unwrap());
        let end = now.plus_ms(365 * DAY_MS);
        for step in [Step::Day, Step::Hour] {
            let ahead = Ahead::until(end, now, step, &Calendar::new(&zone));
            assert_eq!((ahead.times[0].start, ahead.times.last().unwrap().end), (now, end));
            assert!(ahead.times.windows(2).all(|w| w[0].end == w[1].start));
            assert!(ahead.steps.iter().all(|s| s.part > 0.0 && s.part <= 1.0));
        }
    }
}

#[test]
fn a_limit_is_exceeded_as_likely_as_the_bounds_say() {
    let rest = Estimate { estimate: 100.0, bounds: Some(Bounds { low: 80.0, high: 150.0 }) };
    for (spent, limit, expected) in [
        (50.0, 150.0, 0.5),
        (50.0, 200.0, 0.1),
        (50.0, 130.0, 0.9),
        (50.0, 49.0, 1.0),
        (0.0, 1e9, 0.0),
        (50.0, 50.0, 1.0),
    ] {
        let p = exceeds_probability(spent, &rest, limit).unwrap();
        assert!((p - expected).abs() < 1e-6, "{limit}: {p}");
    }
    let unsure = Estimate { estimate: 100.0, bounds: None };
    assert_eq!(exceeds_probability(0.0, &unsure, 50.0), None);
    assert_eq!(exceeds_probability(60.0, &unsure, 50.0), Some(1.0));
}

#[test]
fn a_limit_is_used_up_within_the_step_that_reaches_it() {
    let start = |h: u64| Timestamp::from_millis(1_762_128_000_000 + h * HOUR_MS);
    let times: Vec<_> = (0..3).map(|h| ax_storage::time::TimeRange::new(start(h), start(h + 1))).collect();
    let points = [Estimate { estimate: 10.0, bounds: None }; 3];
    for (spent, limit, expected) in [
        (0.0, 15.0, Some(start(1).plus_ms(HOUR_MS / 2))),
        (20.0, 15.0, Some(start(0))),
        (0.0, 30.0, Some(start(3))),
        (0.0, 31.0, None),
    ] {
        assert_eq!(exhausted_at(spent, limit, &points, &times), expected, "{spent} of {limit}");
    }
}

#[test]
fn a_steady_past_holds_and_a_jumpy_one_does_not() {
    let steady: Vec<_> = (0..60).map(|i| Past { value: 10.0, phase: i % 7 }).collect();
    assert_eq!(held(&steady, 7, 40, Step::Day), Held { held: 40, of: 40 });
    let jumpy: Vec<_> = (0..60).map(|i| Past { value: if i >= 50 { 100.0 } else { 10.0 }, phase: i % 7 }).collect();
    let result = held(&jumpy, 7, 40, Step::Day);
    assert!(result.of == 40 && result.held < 35, "{result:?}");
    assert_eq!(held(&steady[..5], 7, 40, Step::Day), Held::default());
}

proptest! {
    #[test]
    fn any_projection_is_of_numbers_in_order(
        values in prop::collection::vec((any::<f64>(), any::<u8>()), 0..120),
        ahead in prop::collection::vec((any::<u8>(), 0.0..=1.0_f64), 0..60),
        hourly in any::<bool>(),
    ) {
        let step = if hourly { Step::Hour } else { Step::Day };
        let past: Vec<_> = values.into_iter().map(|(value, phase)| Past { value, phase }).collect();
        let future: Vec<_> = ahead.into_iter().map(|(phase, part)| Future { phase, part }).collect();
        let projection = project(&past, &future, step);
        for e in projection.points.iter().chain([&projection.total]) {
            prop_assert!(e.estimate.is_finite() && e.estimate >= 0.0);
            if let Some(b) = e.bounds {
                prop_assert!(b.low.is_finite() && b.high.is_finite() && 0.0 <= b.low && b.low <= e.estimate && e.estimate <= b.high);
                if let Some(p) = exceeds_probability(0.0, e, 100.0) {
                    prop_assert!((0.0..=1.0).contains(&p));
                }
            }
        }
        let sum: f64 = projection.points.iter().map(|p| p.estimate).sum();
        prop_assert!((sum - projection.total.estimate).abs() <= 1e-9 * sum);
    }
}
