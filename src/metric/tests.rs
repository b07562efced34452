//! Each metric computed by hand from a few numbers.

use ax_storage::bucket::{Measure, Stat};
use ax_storage::query::plan::{Kinds, Quantiles};
use ax_storage::query::series::{Aggregate, Counters};

use super::*;

fn needs() -> Needs {
    Needs {
        kinds: Kinds::ALL,
        outcomes: true,
        violations: true,
        measures: vec![Measure::Latency, Measure::Cost, Measure::Utilization],
        quantiles: Some(Quantiles { of: Measure::Latency, ppm: vec![950_000] }),
    }
}

fn stat(values: &[u64]) -> Stat {
    let mut stat = Stat::default();
    values.iter().for_each(|v| stat.add(*v));
    stat
}

fn answer() -> Aggregate {
    Aggregate {
        counts: Counters {
            requests: 4,
            errors: 1,
            unpriced: 1,
            hits: 3,
            misses: 1,
            allowed: 9,
            denied: 3,
            violations: 1,
        },
        stats: vec![stat(&[1_000_500, 2_000_000]), stat(&[1, 130_473_128_199]), stat(&[500_000_000, 900_000_000])],
        quantiles: vec![Some(1_999_750)],
        above: Vec::new(),
        values: Vec::new(),
    }
}

fn named(text: &str) -> Aggregation {
    text.strip_prefix('p').and_then(|n| n.parse::<u32>().ok()).map_or_else(
        || Aggregation::NAMED.into_iter().find(|a| a.name() == text).unwrap(),
        |n| Aggregation::Quantile(n * 10_000),
    )
}

fn ask(metric: Metric, aggregation: &str, aggregate: &Aggregate) -> String {
    let needs = needs();
    let numbers = Numbers { needs: &needs, aggregate, millis: 2000 };
    let aggregation = if aggregation.is_empty() { metric.info().default } else { named(aggregation) };
    assert!(aggregation == metric.info().default || metric.info().allowed.has(aggregation));
    serde_json::to_string(&value(metric, aggregation, &numbers)).unwrap()
}

#[test]
fn what_calls_without_a_price_cost_is_no_data() {
    let mut unpriced = answer();
    (unpriced.counts.unpriced, unpriced.stats[1]) = (4, Stat::default());
    let none = Aggregate { stats: vec![Stat::default(); 3], ..Aggregate::default() };
    for (metric, aggregation) in [(Metric::Cost, "sum"), (Metric::Cost, "rate"), (Metric::CostPerRequest, "")] {
        assert_eq!(ask(metric, aggregation, &unpriced), "null", "{aggregation}");
        assert_ne!(ask(metric, aggregation, &answer()), "null", "{aggregation}");
    }
    assert_eq!(ask(Metric::Cost, "sum", &none), "0.000000000", "no calls cost nothing");
}

#[test]
fn numbers_are_what_a_calculator_says() {
    let full = answer();
    for (metric, aggregation, expected) in [
        (Metric::Latency, "", "1500.25"),
        (Metric::Latency, "p95", "1999.75"),
        (Metric::Latency, "p0", "1000.5"),
        (Metric::Latency, "p100", "2000.0"),
        (Metric::Latency, "count", "2"),
        (Metric::Latency, "rate", "1.0"),
        (Metric::Latency, "stddev", "499.75"),
        (Metric::Cost, "", "130.473128200"),
        (Metric::Cost, "min", "0.000000001"),
        (Metric::CostPerRequest, "", "32.61828205"),
        (Metric::Requests, "", "4"),
        (Metric::Requests, "rate", "2.0"),
        (Metric::Throughput, "", "2.0"),
        (Metric::Errors, "", "1"),
        (Metric::ErrorRate, "", "0.25"),
        (Metric::ErrorRate, "sum", "0.25"),
        (Metric::ErrorRate, "count", "4"),
        (Metric::SuccessRate, "avg", "0.75"),
        (Metric::HitRate, "", "0.75"),
        (Metric::MissRate, "", "0.25"),
        (Metric::Allowed, "", "9"),
        (Metric::Denied, "", "3"),
        (Metric::Violations, "", "1"),
        (Metric::MonthlySpend, "", "130.473128200"),
        (Metric::Cost, "rate", "65.2365641"),
        (Metric::Utilization, "", "0.9"),
        (Metric::Utilization, "avg", "0.7"),
    ] {
        assert_eq!(ask(metric, aggregation, &full), expected, "{} {aggregation}", metric.name());
    }
}

#[test]
fn nothing_is_null_but_for_counts_and_sums() {
    let empty = Aggregate { stats: vec![Stat::default(); 3], quantiles: vec![None], ..Aggregate::default() };
    for (metric, aggregation, expected) in [
        (Metric::Latency, "", "null"),
        (Metric::Latency, "p95", "null"),
        (Metric::Latency, "count", "0"),
        (Metric::Cost, "", "0.000000000"),
        (Metric::CostPerRequest, "", "null"),
        (Metric::Requests, "", "0"),
        (Metric::Throughput, "", "0.0"),
        (Metric::ErrorRate, "", "null"),
        (Metric::HitRate, "", "null"),
        (Metric::Utilization, "", "null"),
    ] {
        assert_eq!(ask(metric, aggregation, &empty), expected, "{} {aggregation}", metric.name());
    }
}

#[test]
fn extremes_of_a_ratio_are_taken_over_steps_that_had_events() {
    let needs = needs();
    let step = |requests, errors| Aggregate {
        counts: Counters { requests, errors, ..Counters::default() },
        stats: vec![Stat::default(); 3],
        quantiles: vec![None],
        above: Vec::new(),
        values: Vec::new(),
    };
    let steps = [step(1, 1), step(0, 0), step(99, 0)];
    let numbers = || steps.iter().map(|aggregate| Numbers { needs: &needs, aggregate, millis: 60_000 });
    assert_eq!(extreme(Metric::ErrorRate, Aggregation::Max, numbers()), Some(Number::Float(1.0)));
    assert_eq!(extreme(Metric::ErrorRate, Aggregation::Min, numbers()), Some(Number::Float(0.0)));
    assert_eq!(extreme(Metric::Requests, Aggregation::Min, numbers()), Some(Number::Whole(0)));
    assert_eq!(extreme(Metric::Requests, Aggregation::Max, numbers()), Some(Number::Whole(99)));
}
