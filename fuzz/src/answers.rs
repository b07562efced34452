//! Queries over a small store: whatever is asked, the answer is bounded and has no NaN in it.

use std::time::Duration;

use ax_monitor::answer::{Answer, Value, answer};
use ax_monitor::calendar::Calendar;
use ax_monitor::metric::{Money, Number};
use ax_monitor::query::ast::{Expr, Filter, Period, Query};
use ax_monitor::query::planner::{self, Ask, Budget, Outside};
use ax_monitor::query::{parse, parse_condition};
use ax_monitor::{Cache, Collector, Event, NanoUsd, Outcome, RateLimit, Request, Store, Timestamp, Tokens};
use ax_storage::query::plan::STEPS_MAX;
use ax_storage::time::{HOUR_MS, TimeRange, Zone};

use super::grammar::Choices;

/// 2025-11-10T12:00:00Z.
const NOW: Timestamp = Timestamp::from_millis(1_762_776_000_000);
/// Events of the store: no answer has more groups.
const EVENTS: u64 = 400;

/// A store of made-up events of some days.
pub struct Stage {
    folder: tempfile::TempDir,
    zones: [Zone; 3],
}

impl Stage {
    /// Its events still lie in a journal.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let zone = |name| Zone::load(name).expect("a zone everybody has");
        let zones = [Zone::utc(), zone("America/New_York"), zone("Asia/Kathmandu")];
        drop(ax_storage::Store::open_or_create(folder.path(), &zones[0], NOW).expect("a store"));
        let collector = Collector::open(folder.path()).expect("a collector");
        (0..EVENTS).for_each(|i| record(&collector, i));
        Self { folder, zones }
    }

    /// Rolls them up.
    pub fn pass(&self) {
        self.store().tick(NOW).expect("a pass");
    }

    /// The store.
    pub fn store(&self) -> Store {
        Store::open(self.folder.path()).expect("it was just made")
    }

    /// The text of the query that the bytes mean.
    pub fn text(data: &[u8]) -> String {
        match std::str::from_utf8(data) {
            Ok(text) if tree(text).is_some() => text.to_owned(),
            _ => Choices::new(data).query(),
        }
    }

    /// The answer to a text, checked; `None` when it is refused. What decides the zone is `data`.
    pub fn ask(&self, store: &Store, text: &str, data: &[u8]) -> Option<Answer> {
        let expr = tree(text)?;
        let zone = &self.zones[data.len() % self.zones.len()];
        let ask = Ask {
            now: NOW,
            calendar: Calendar::new(zone),
            window: TimeRange::new(NOW.minus_ms(HOUR_MS), NOW),
            raw_from: Timestamp::MIN,
            outside: &Budgets,
        };
        let question = planner::plan(&expr, &ask).ok()?;
        let answer = answer(&question, &mut |plans| store.run_all(plans)).ok()?;
        check(text, &answer);
        Some(answer)
    }
}

fn tree(text: &str) -> Option<Expr> {
    match parse(text) {
        Ok(Query::Expr(expr)) => Some(expr),
        _ => parse_condition(text).ok().map(|c| c.expr),
    }
}

fn check(text: &str, answer: &Answer) {
    assert!(answer.steps.len() <= STEPS_MAX, "{text}");
    assert!(answer.rows.len() as u64 <= EVENTS + 1, "{text}");
    for row in &answer.rows {
        assert!(row.points.is_empty() || row.points.len() == answer.steps.len(), "{text}");
        let mut all = vec![row.value];
        all.extend(row.points.iter().map(|p| p.value));
        if let Some((value, points)) = &row.previous {
            all.push(*value);
            all.extend(points);
        }
        all.extend(row.evidence.iter().flat_map(|e| [e.value, e.threshold]).map(Value::Number));
        for value in all {
            let number = value.number().map_or(0.0, Number::to_f64);
            assert!(number.is_finite(), "{text}: {value:?}");
        }
    }
}

fn record(collector: &Collector, i: u64) {
    // Dense at the end, sparse before: six weeks in all.
    let ts = Some(NOW.minus_ms((EVENTS - i).pow(3) * 57 + 1));
    let pick = |list: &[&'static str]| list[(i * 7919 / 3) as usize % list.len()];
    let (provider, model, user) = (pick(&["a", "b", ""]), pick(&["m0", "m1"]), pick(&["", "u", "v", "w"]));
    let event = match i % 8 {
        0 => Event::Cache(Cache {
            ts,
            provider,
            model,
            hit: i.is_multiple_of(3),
            saved_cost: Some(NanoUsd::from_nanos(i * 1000)),
            saved_tokens: Some(i),
            ..Cache::default()
        }),
        1 => Event::RateLimit(RateLimit {
            ts,
            provider,
            allowed: i % 5 != 1,
            key: "k",
            limit_type: pick(&["minute", "day"]),
            remaining: Some(i % 10),
            limit: (!i.is_multiple_of(3)).then_some(i % 11),
            ..RateLimit::default()
        }),
        _ => Event::Request(Request {
            ts,
            provider,
            model,
            user,
            latency: (i % 9 != 2).then(|| Duration::from_micros(1000 + i * i * 37 % 900_000)),
            ttft: (i % 4 == 2).then(|| Duration::from_micros(i * 100)),
            tokens: Tokens { input: i * 3, output: i % 50, cached: i, reasoning: i % 7, ..Tokens::default() },
            cost: (i % 10 != 3).then(|| NanoUsd::from_nanos(i * 12_345)),
            outcome: if i % 6 == 5 { Outcome::Error(pick(&["rate_limited", "overloaded"])) } else { Outcome::Ok },
            service_tier: pick(&["", "batch"]),
        }),
    };
    collector.record(&event);
}

struct Budgets;

impl Outside for Budgets {
    fn budget(&self, name: Option<&str>, period: Option<Period>, _: Timestamp) -> Result<Option<Budget>, String> {
        let fits = name.is_none_or(|n| n == "all") && period.is_none_or(|p| p == Period::Month);
        let since = NOW.minus_ms(9 * 24 * HOUR_MS);
        Ok(fits.then(|| Budget { limit: Money(5_000_000), period: Period::Month, since, scope: None }))
    }

    fn forecast(&self, period: Period, _: Option<&Filter>, _: Timestamp) -> Option<Money> {
        (period != Period::Year).then_some(Money(7_000_000))
    }
}
