//! How often rules that compare with `baseline` are wrong, and how soon they are right: the very code that judges,
//! over made-up traffic.
//!
//! Calls arrive at random at a steady rate; one in a hundred fails; latencies are log-normal. `AX_SOAK=1` simulates
//! thirty weeks of each rate instead of one.

use ax_storage::bucket::{Measure, Stat};
use ax_storage::histogram::index_of;
use ax_storage::query::plan::Plan;
use ax_storage::query::series::{Aggregate, Group, Series};
use ax_storage::query::{QueryError, steps_of};
use ax_storage::time::{DAY_MS, MINUTE_MS, TimeRange, Timestamp, Zone};
use jiff::civil::Weekday;

use crate::alerts::judge::{Ready, Surroundings};
use crate::alerts::table::States;
use crate::alerts::{Fired, Rule, replay};
use crate::query::planner::Nothing;

/// Monday 2025-11-03T00:00Z.
const START: Timestamp = Timestamp::from_millis(1_762_128_000_000);

/// Minutes of traffic.
struct Traffic(Vec<Aggregate>);

impl Traffic {
    /// So many calls a minute on average, of which a share fails that may change with the minute.
    fn new(minutes: u64, rate: f64, failing: impl Fn(u64) -> f64, seed: u64) -> Self {
        let mut random = Random(seed);
        let one = |minute: u64| {
            let mut point = Aggregate::default();
            let (mut latency, mut values) = (Stat::default(), Vec::new());
            for _ in 0..random.poisson(rate) {
                point.counts.requests += 1;
                point.counts.errors += u64::from(random.unit() < failing(minute));
                let us = (800_000.0 * (0.6 * random.normal()).exp()) as u64;
                latency.add(us);
                values.push((index_of(us), 1));
            }
            values.sort_unstable();
            point.values = values;
            point.stats = vec![latency];
            point
        };
        Self((0..minutes).map(one).collect())
    }

    fn end(&self) -> Timestamp {
        START.plus_ms(self.0.len() as u64 * MINUTE_MS)
    }

    /// The minutes of a plan, as the store would have them.
    fn ask(&self, plan: &Plan) -> Result<Series, QueryError> {
        let steps = plan.step.map(|step| steps_of(plan.range, step, &plan.zone)).transpose()?.unwrap_or_default();
        let has_latency = plan.measures.as_slice() == [Measure::Latency];
        let point = |start: Timestamp| {
            let minute = start.since(START) / MINUTE_MS;
            let known = self.0.get(usize::try_from(minute).unwrap()).filter(|_| start >= START);
            let mut point = known.cloned().unwrap_or_default();
            if !has_latency {
                (point.stats, point.values) = (Vec::new(), Vec::new());
            }
            point
        };
        let points = steps.iter().map(|step| point(step.range.start)).collect();
        let groups = vec![Group { points, ..Group::default() }];
        Ok(Series { range: Some(plan.range), steps, groups, ..Series::default() })
    }

    /// What a rule does from `from` on.
    fn episodes(&self, condition: &str, from: Timestamp) -> Vec<Fired> {
        let rule = Rule::new("simulated", condition).unwrap();
        let zone = Zone::utc();
        let around = Surroundings { zone: &zone, week_start: Weekday::Monday, outside: &Nothing };
        let range = TimeRange::new(from, self.end());
        let ready = Ready::new(&rule).unwrap();
        replay::over(&ready, &around, range, &States::default(), Timestamp::MIN, &|plan| self.ask(plan))
            .unwrap()
            .episodes
    }
}

/// A small generator (splitmix64): the same seed gives the same traffic.
struct Random(u64);

impl Random {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// How many of what happens `mean` times on average, by the waits between them.
    fn poisson(&mut self, mean: f64) -> u64 {
        let (mut count, mut waited) = (0, -self.unit().max(f64::MIN_POSITIVE).ln());
        while waited < mean {
            count += 1;
            waited -= self.unit().max(f64::MIN_POSITIVE).ln();
        }
        count
    }

    /// About normal: the sum of twelve.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }
}

fn soaking() -> bool {
    std::env::var_os("AX_SOAK").is_some()
}

/// False alarms a simulated week are what makes people switch alerts off.
#[test]
fn healthy_weeks_are_quiet() {
    let weeks = if soaking() { 30 } else { 1 };
    for rate in [1.0, 5.0, 20.0, 60.0] {
        let mut fired = Vec::new();
        for seed in 0..weeks {
            // The first day is the past that there must be.
            let traffic = Traffic::new(8 * 1440, rate, |_| 0.01, seed);
            for rule in ["error_rate > baseline * 3", "p50(latency) > baseline * 1.5", "p95(latency) > baseline * 1.5"]
            {
                let episodes = traffic.episodes(rule, START.plus_ms(DAY_MS));
                fired.extend(episodes.into_iter().map(|e| (rule, seed, e.fired, e.evidence)));
            }
        }
        println!("{rate} a minute: {} false alarms in {weeks} weeks", fired.len());
        assert!(fired.is_empty(), "{rate} a minute: {fired:#?}");
    }
}

/// A month of judged minutes on a manual clock: what was made to go wrong is found, once each, and nothing else.
#[test]
fn a_month_has_the_alerts_it_should_have() {
    let minute = |day: u64, hour: u64| day * 1440 + hour * 60;
    let (outage, silence) = (minute(10, 14)..minute(10, 15), minute(20, 3)..minute(20, 6));
    let mut traffic = Traffic::new(30 * 1440, 10.0, |at| if outage.contains(&at) { 0.2 } else { 0.01 }, 11);
    for at in silence.clone() {
        traffic.0[usize::try_from(at).unwrap()] = Aggregate { stats: vec![Stat::default()], ..Aggregate::default() };
    }
    let found = |condition: &str| -> Vec<(u64, u64)> {
        let minutes = |t: Timestamp| t.since(START) / MINUTE_MS;
        let episodes = traffic.episodes(condition, START.plus_ms(MINUTE_MS));
        episodes.into_iter().map(|e| (minutes(e.fired), minutes(e.end.unwrap()))).collect()
    };
    let errors = found("error_rate > baseline * 3");
    let [(fired, over)] = errors[..] else { panic!("{errors:?}") };
    assert!((outage.start + 1..outage.start + 15).contains(&fired), "{errors:?}");
    // The window of an hour remembers for an hour.
    assert!((outage.end..outage.end + 61).contains(&over), "{errors:?}");
    assert_eq!(found("requests [15m] < 1 for 5m"), [(silence.start + 20, silence.end + 1)]);
    assert_eq!(found("latency [15m] p99 > 20s"), []);
}

/// One in five fails from a minute on: found in how many minutes, by the median?
#[test]
fn an_outage_is_found_in_minutes() {
    const BEFORE: u64 = 3 * 1440;
    let seeds = if soaking() { 2000 } else { 200 };
    for (rate, within) in [(5.0, 8), (20.0, 3)] {
        let found = |seed: u64| {
            let failing = |minute: u64| if minute < BEFORE { 0.01 } else { 0.2 };
            let traffic = Traffic::new(BEFORE + 60, rate, failing, seed);
            let began = START.plus_ms(BEFORE * MINUTE_MS);
            let first = traffic.episodes("error_rate > baseline * 3", began).first().map(|e| e.fired);
            first.map_or(u64::MAX, |fired| fired.since(began) / MINUTE_MS)
        };
        let mut minutes: Vec<u64> = (1..=seeds).map(found).collect();
        minutes.sort_unstable();
        let of = |percent: usize| minutes[minutes.len() * percent / 100];
        println!("{rate} a minute: found after {} minutes, 90 of 100 times within {}", of(50), of(90));
        assert!(of(50) <= within, "{rate} a minute: {}", of(50));
    }
}
