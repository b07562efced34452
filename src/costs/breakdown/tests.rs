//! Rows sum to the whole, whatever they are told apart by.

use ax_storage::bucket::Stat;
use ax_storage::query::series::{Counters, Group, StepRange};
use ax_storage::time::{DAY_MS, Timestamp, Zone};
use proptest::prelude::*;

use super::*;

fn stat(sum: u128) -> Stat {
    Stat { sum, ..Stat::default() }
}

fn aggregate(cost: u128, requests: u64) -> Aggregate {
    Aggregate {
        counts: Counters { requests, unpriced: requests / 3, ..Counters::default() },
        stats: vec![stat(cost), stat(cost / 7)],
        ..Aggregate::default()
    }
}

fn add(a: &mut Aggregate, b: &Aggregate) {
    a.counts.requests += b.counts.requests;
    a.counts.unpriced += b.counts.unpriced;
    a.stats.resize_with(2, Stat::default);
    for (a, b) in a.stats.iter_mut().zip(&b.stats) {
        a.sum += b.sum;
    }
}

/// A series of `points` (cost in nano-dollars, calls) by provider and model, in days from `start`.
fn series(start: Timestamp, zone: &Zone, points: &[Vec<(u64, u8)>]) -> Series {
    let days = points.iter().map(Vec::len).max().unwrap_or(0);
    let mut steps = Vec::new();
    let mut t = start;
    for _ in 0..days {
        let day = zone.day(t);
        steps.push(StepRange { range: day, partial: false });
        t = day.end;
    }
    let mut all = Aggregate::default();
    let group = |(i, costs): (usize, &Vec<(u64, u8)>)| {
        let mut points: Vec<Aggregate> = costs.iter().map(|(cost, n)| aggregate((*cost).into(), (*n).into())).collect();
        points.resize_with(days, || aggregate(0, 0));
        let mut total = Aggregate::default();
        points.iter().for_each(|p| add(&mut total, p));
        Group { labels: vec![["a", "b"][i % 2].into(), ["x", "y", "z"][i % 3].into()], total, points }
    };
    let groups: Vec<Group> = points.iter().enumerate().take(6).map(group).collect();
    groups.iter().for_each(|g| add(&mut all, &g.total));
    Series { steps, groups, all, ..Series::default() }
}

const GROUPED: [Label; 2] = [Label::Provider, Label::Model];

proptest! {
    /// What it guards: no row is lost or counted twice, for every way of telling rows apart, with and
    /// without a cut, in a zone whose clocks change within the window.
    #[test]
    fn groups_sum_to_the_total(
        points in prop::collection::vec(prop::collection::vec((0..10_u64.pow(12), 0..5_u8), 1..80), 1..7),
        most in 1..6_usize,
    ) {
        let zone = Zone::load("America/New_York").unwrap();
        let calendar = Calendar::new(&zone);
        let start = Timestamp::from_jiff("2026-02-10T05:00:00Z".parse().unwrap());
        // Cost without a call does not exist.
        let points: Vec<Vec<(u64, u8)>> =
            points.iter().map(|p| p.iter().map(|(c, n)| (if *n == 0 { 0 } else { *c }, *n)).collect()).collect();
        let series = series(start, &zone, &points);
        let whole = total(&series);
        let label = By::Label;
        for by in [
            vec![label(Label::Provider)],
            vec![label(Label::Model)],
            vec![label(Label::Provider), label(Label::Model)],
            vec![By::Time(Span::Day)],
            vec![By::Time(Span::Week), label(Label::Model)],
            vec![By::Time(Span::Month), label(Label::Provider)],
            vec![By::Time(Span::Month)],
        ] {
            let rows = rows(&series, &GROUPED, &by, &calendar);
            let sum = |rows: &[Row]| {
                let n = |f: fn(&Row) -> i128| rows.iter().map(f).sum::<i128>();
                (n(|r| r.cost.0), n(|r| r.requests.into()), n(|r| r.unpriced.into()), n(|r| r.tokens as i128))
            };
            prop_assert_eq!(sum(&rows), sum(std::slice::from_ref(&whole)), "{:?}", by);
            if By::span(&by).is_none() {
                prop_assert!(rows.is_sorted_by(|a, b| a.cost >= b.cost));
            }
            let (mut cut, other) = top(rows.clone(), most, None);
            prop_assert!(cut.len() <= most);
            cut.extend(other.map(|(row, _)| row));
            prop_assert_eq!(sum(&cut), sum(&rows));
        }
    }
}

#[test]
fn months_and_weeks_are_sums_of_their_days() {
    let zone = Zone::load("Europe/Berlin").unwrap();
    let calendar = Calendar::new(&zone).week_from(jiff::civil::Weekday::Sunday);
    // From Thu 26 March 2026, over the night of the 29th that has 23 hours, into April.
    let start = Timestamp::from_jiff("2026-03-25T23:00:00Z".parse().unwrap());
    let series = series(start, &zone, &[(1..=8).map(|day| (day, 1)).collect()]);
    let costs = |span| {
        let rows = rows(&series, &GROUPED, &[By::Time(span)], &calendar);
        rows.iter().map(|r| (r.time.unwrap().start.to_string(), r.cost.0)).collect::<Vec<_>>()
    };
    let row = |t: &str, cost| (t.to_owned(), cost);
    assert_eq!(costs(Span::Month), [row("2026-03-25T23:00:00.000Z", 21), row("2026-03-31T22:00:00.000Z", 15)]);
    assert_eq!(costs(Span::Week), [row("2026-03-25T23:00:00.000Z", 6), row("2026-03-28T23:00:00.000Z", 30)]);
    let days = rows(&series, &GROUPED, &[By::Time(Span::Day)], &calendar);
    assert_eq!(days[3].time.unwrap().millis(), 23 * 3_600_000);
    assert_eq!(days[4].time.unwrap().millis(), DAY_MS);
}
