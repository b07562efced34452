//! The demo's traffic from import to screen: what the views say is what the events say.
#![cfg(feature = "cli")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use ax_monitor::answer::answer;
use ax_monitor::calendar::Calendar;
use ax_monitor::dashboard::{MetricsView, Only, Shown, State, StatusQuestion, StatusSeries, Upkeep};
use ax_monitor::demo::Traffic;
use ax_monitor::metric::{Money, Number};
use ax_monitor::query;
use ax_monitor::query::ast::Query;
use ax_monitor::query::planner::{self, Ask, Nothing};
use ax_monitor::render::{Style, metrics_chart, metrics_table, status};
use ax_storage::Store;
use ax_storage::row::Body;
use ax_storage::time::{TimeRange, Timestamp, Zone};

const NOW: Timestamp = Timestamp::from_millis(1_795_511_220_000);
const HOUR: u64 = 3_600_000;
const STYLE: Style = Style { width: 80, color: false, unicode: true, demo: true };

#[derive(Default)]
struct Sums {
    requests: u64,
    errors: u64,
    cost: u128,
}

/// A store with `days` of demo traffic, and the sums of the last hour and of all of it by provider.
fn demo(days: u32) -> (tempfile::TempDir, Store, [BTreeMap<String, Sums>; 2]) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_or_create(&dir.path().join("store"), &Zone::utc(), NOW).unwrap();
    let mut sums = [BTreeMap::<String, Sums>::new(), BTreeMap::new()];
    for mut batch in Traffic::new(days, 1, NOW, &Zone::utc()) {
        for row in &batch.rows {
            let Body::Request(r) = &row.body else { continue };
            for (i, counts) in [NOW.since(row.ts) <= HOUR, true].into_iter().enumerate() {
                if counts {
                    let sum = sums[i].entry(batch.names.get(row.provider).to_owned()).or_default();
                    sum.requests += 1;
                    sum.errors += u64::from(!r.ok);
                    sum.cost += u128::from(r.cost_nanos);
                }
            }
        }
        store.import().add(&mut batch, 0, None).unwrap();
    }
    (dir, store, sums)
}

#[test]
fn the_status_of_the_demo_is_what_its_events_say() {
    let (_dir, store, [hour, _]) = demo(2);
    let question = StatusQuestion {
        range: TimeRange::new(NOW.minus_ms(HOUR), NOW),
        range_text: "1h".to_owned(),
        only: Only::default(),
        verbose: true,
        zone: Zone::utc(),
    };
    let plans = question.plans();
    let run = |plan| store.run(plan).unwrap();
    let series = StatusSeries {
        window: run(&plans.window),
        recent: run(&plans.recent),
        today: run(&plans.today),
        known: run(&plans.known),
        models: plans.models.as_ref().map(run),
    };
    let view = question.view(&series, Upkeep::default(), NOW, 1.0);
    assert_eq!(view.data.len(), 3);
    for row in &view.data {
        let truth = &hour[&*row.provider];
        assert_eq!((row.numbers.requests, row.numbers.errors), (truth.requests, truth.errors), "{}", row.provider);
        assert_eq!(row.numbers.cost, Some(Money::from(truth.cost)));
        let expected = if &*row.provider == "openai" { State::Degraded } else { State::Healthy };
        assert_eq!(row.state, expected, "{}", row.provider);
    }
    let text = status(&view, &STYLE);
    assert!(text.contains("DEMO DATA") && text.contains("▲ openai"), "{text}");
    let json: serde_json::Value = serde_json::from_str(&serde_json::to_string(&view).unwrap()).unwrap();
    assert_eq!(json["schema"], "ax.monitor.status/1");
    for row in json["data"].as_array().unwrap() {
        assert_eq!(row["requests"], hour[row["provider"].as_str().unwrap()].requests);
        assert!(row["latency_ms"]["p95"].as_f64().unwrap() > 100.0);
    }
    println!("{text}");
}

#[test]
fn metrics_of_the_demo_are_ordered_and_exact() {
    let (_dir, store, [_, all]) = demo(2);
    let ask = |text: &str| {
        let Ok(Query::Expr(expr)) = query::parse(text) else { panic!("{text}") };
        let zone = Zone::utc();
        let ask = Ask {
            now: NOW,
            calendar: Calendar::new(&zone),
            window: TimeRange::new(NOW.minus_ms(HOUR), NOW),
            raw_from: Timestamp::MIN,
            outside: &Nothing,
        };
        let question = planner::plan(&expr, &ask).unwrap();
        let answer = answer(&question, &mut |plans| store.run_all(plans)).unwrap();
        MetricsView::of(&question, &answer, Shown { now: NOW, elapsed_ms: 1.0, range_text: Some("2d".to_owned()) })
    };
    let view = ask("cost [2d] sum by(provider)");
    assert_eq!(view.query, "cost [2d] sum by(provider)");
    for row in &view.data {
        assert_eq!(row.value, Some(Number::Money(all[&*row.labels.0[0].1].cost.into()).into()));
    }
    assert!(view.data.is_sorted_by(|a, b| a.value.unwrap().order(b.value.unwrap()).is_ge()));
    println!("{}", metrics_table(&view, &STYLE));

    // The JSON number is the integer's text, digit by digit.
    let text = serde_json::to_string(&view).unwrap();
    let first = Money::from(all[&*view.data[0].labels.0[0].1].cost);
    assert!(text.contains(&format!("\"value\":{first},")), "{text}");

    let view = ask(r#"latency{provider="openai"} [2d] p95 every 1h"#);
    assert_eq!(view.data.len(), 1);
    assert_eq!(view.count, all["openai"].requests);
    let points = view.data[0].points.as_ref().unwrap();
    assert!((48..=49).contains(&points.len()), "{}", points.len());
    assert_eq!(points.iter().map(|p| p.count).sum::<u64>(), view.count);
    let drawn = metrics_chart(&view, &STYLE);
    assert!(drawn.contains("peak") && drawn.contains("[2d] p95 every 1h"), "{drawn}");
    println!("{drawn}");

    let view = ask(r#"latency{provider="nobody"} [2d] p95"#);
    assert_eq!((view.data.len(), view.data[0].value, view.data[0].count), (1, None, 0));
}
