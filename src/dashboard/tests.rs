//! Views computed from made-up series.

use ax_storage::bucket::Stat;
use ax_storage::query::series::{Aggregate, Counters, Group, Series, StepRange};
use ax_storage::time::{TimeRange, Timestamp, Zone};

use super::*;
use crate::answer;
use crate::calendar::Calendar;
use crate::query;
use crate::query::ast::Query;
use crate::query::planner::{self, Ask, Nothing, Question};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn calls(requests: u64, errors: u64) -> Aggregate {
    Aggregate {
        counts: Counters { requests, errors, ..Counters::default() },
        stats: vec![Stat::default(); 4],
        quantiles: vec![None; 3],
        ..Aggregate::default()
    }
}

fn group(labels: &[&str], total: Aggregate, points: Vec<Aggregate>) -> Group {
    Group { labels: labels.iter().map(|l| (*l).into()).collect(), total, points }
}

/// The question of a text, two minutes long unless it says otherwise.
fn question(text: &str) -> Question {
    let Ok(Query::Expr(expr)) = query::parse(text) else { panic!("{text}") };
    let zone = Zone::utc();
    let ask = Ask {
        now: NOW,
        calendar: Calendar::new(&zone),
        window: TimeRange::new(NOW.minus_ms(120_000), NOW),
        raw_from: Timestamp::MIN,
        outside: &Nothing,
    };
    planner::plan(&expr, &ask).unwrap()
}

#[test]
fn the_metrics_view_is_the_json_of_the_contract() {
    let question = question("error_rate{provider=\"a\\\"b\\u{1b}\"} [2m] avg by(model) every 1m");
    let step = |from: u64, partial| StepRange {
        range: TimeRange::new(NOW.minus_ms(from), NOW.minus_ms(from - 60_000)),
        partial,
    };
    let series = Series {
        range: Some(question.range),
        steps: vec![step(120_000, true), step(60_000, false)],
        groups: vec![
            group(&["(other)"], calls(10, 10), vec![calls(5, 5), calls(5, 5)]),
            group(&["none"], calls(0, 0), vec![calls(0, 0), calls(0, 0)]),
            group(&["low"], calls(4, 1), vec![calls(4, 1), calls(0, 0)]),
            group(&["high"], calls(2, 1), vec![calls(1, 0), calls(1, 1)]),
        ],
        ..Series::default()
    };
    let answer = answer::answer(&question, &mut |_| Ok::<_, ()>(vec![series.clone()])).unwrap();
    let view = MetricsView::of(&question, &answer, Shown { now: NOW, elapsed_ms: 1.949, range_text: None });
    let point = |t: &str, value: &str, count: u64, partial: &str| {
        format!(r#"{{"t":"2023-11-14T22:{t}.000Z","value":{value},"count":{count}{partial}}}"#)
    };
    let partial = r#","partial":true"#;
    let row = |name: &str, value: &str, count: u64, points: [String; 2]| {
        format!(r#"{{"labels":{{"model":"{name}"}},"value":{value},"count":{count},"points":[{}]}}"#, points.join(","))
    };
    let expected = [
        row("high", "0.5", 2, [point("11:20", "0.0", 1, partial), point("12:20", "1.0", 1, "")]),
        row("low", "0.25", 4, [point("11:20", "0.25", 4, partial), point("12:20", "null", 0, "")]),
        row("none", "null", 0, [point("11:20", "null", 0, partial), point("12:20", "null", 0, "")]),
        row("(other)", "1.0", 10, [point("11:20", "1.0", 5, partial), point("12:20", "1.0", 5, "")]),
    ];
    let expected = format!(
        concat!(
            r#"{{"schema":"ax.monitor.metrics/1","generated_at":"2023-11-14T22:13:20.000Z","#,
            r#""query":"error_rate{{provider=\"a\\\"b\\u{{1b}}\"}} [2m] avg by(model) every 1m","metric":"error_rate","#,
            r#""aggregation":"avg","unit":"ratio","range":{{"start":"2023-11-14T22:11:20.000Z","#,
            r#""end":"2023-11-14T22:13:20.000Z","tz":"UTC"}},"step_ms":60000,"data":[{}],"#,
            r#""source":{{"buckets":{{}},"raw_events":0,"elapsed_ms":1.9}},"warnings":[]}}"#,
        ),
        expected.join(",")
    );
    assert_eq!(serde_json::to_string(&view).unwrap(), expected);
}

#[test]
fn what_a_plan_asks_is_what_the_view_needs() {
    use ax_storage::bucket::Measure;
    let plan = |text| question(text).asked.swap_remove(0).plan;
    assert_eq!(plan("latency").quantiles.unwrap().ppm, [500_000, 950_000, 990_000]);
    let cost = plan("cost");
    assert_eq!((cost.measures, cost.quantiles), (vec![Measure::Cost], None), "no distribution unless asked");
    assert_eq!(plan("cost p99.9").quantiles.unwrap().ppm, [999_000, 500_000, 950_000, 990_000]);
    let kinds = plan("hit_rate").kinds;
    assert!(kinds.caches && !kinds.requests && !kinds.rates);
}

#[test]
fn a_provider_is_judged_by_its_errors() {
    let question = StatusQuestion {
        range: TimeRange::new(NOW.minus_ms(3_600_000), NOW),
        range_text: "1h".to_owned(),
        only: Only::default(),
        verbose: false,
        zone: Zone::utc(),
    };
    for (window, recent, state, reasons) in [
        ((100, 4), (4, 4), State::Healthy, vec![]),
        ((100, 4), (5, 2), State::Healthy, vec![]),
        ((100, 4), (5, 3), State::Down, vec!["3 of 5 calls failed in the last 5m"]),
        ((100, 4), (6, 3), State::Down, vec!["3 of 6 calls failed in the last 5m"]),
        ((19, 19), (0, 0), State::Healthy, vec![]),
        ((20, 1), (0, 0), State::Degraded, vec!["1 of 20 calls failed"]),
        ((1000, 49), (0, 0), State::Healthy, vec![]),
        ((10_000, 500), (0, 0), State::Degraded, vec!["500 of 10,000 calls failed"]),
        ((0, 0), (0, 0), State::Idle, vec!["no calls"]),
    ] {
        let of = |(requests, errors)| Series {
            groups: vec![group(&["p"], calls(requests, errors), vec![])],
            all: calls(requests, errors),
            ..Series::default()
        };
        let series = StatusSeries {
            window: of(window),
            recent: of(recent),
            today: of(window),
            known: of((1000, 0)),
            models: None,
        };
        let view = question.view(&series, Upkeep::default(), NOW, 0.0);
        assert_eq!(
            (view.data[0].state, view.data[0].reasons.clone()),
            (state, reasons.into_iter().map(String::from).collect()),
            "{window:?} {recent:?}"
        );
    }
}

#[test]
fn the_reason_for_an_empty_answer_is_the_one_that_helps() {
    use ax_storage::query::plan::Kinds;
    let range = TimeRange::new(NOW.minus_ms(1000), NOW);
    let old = NOW.minus_ms(5000);
    let decide = |newest, in_range, of_kind| Emptiness::decide(newest, range, in_range, of_kind, Kinds::ALL, vec![]);
    assert_eq!(decide(None, 0, 0), Emptiness::NothingYet { logs: Vec::new() });
    assert_eq!(decide(Some(old), 0, 7), Emptiness::NothingInRange { newest: old, in_query: false });
    assert_eq!(decide(Some(NOW), 5, 7), Emptiness::NoMatch { known: vec![] });
    assert_eq!(decide(Some(NOW), 5, 0), Emptiness::KindMissing { kinds: Kinds::ALL });
}
