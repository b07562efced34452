//! Exact answers to the eight questions, from the calls themselves.
//!
//! An answer is a map: the group's labels, and the hour or five minutes in epoch milliseconds, joined by `|`; then
//! numbers: percentiles in ms by nearest rank, money in nano-dollars, errors and calls.

use std::collections::BTreeMap;

use ax_monitor::{Outcome, Request};
use ax_storage::time::HOUR_MS;
use serde_json::{Value, json};

use crate::common::{END_MS, START_MS, Traffic};
use crate::prometheus;

const FIVE_MINUTES: u64 = 300_000;
const THREE: &[u32] = &[500, 950, 990];
const P95: &[u32] = &[950];

/// Shares, in thousandths, of sorted latencies.
type Percentiles = dyn Fn(&[u32], &[u32]) -> Vec<f64>;

/// What is kept of the calls: enough for all questions.
#[derive(Default)]
struct Calls {
    latencies: BTreeMap<(&'static str, &'static str, u64), Vec<u32>>,
    cost_by_model: BTreeMap<&'static str, Vec<u64>>,
    cost_by_user: BTreeMap<&'static str, Vec<u64>>,
    errors: BTreeMap<String, Vec<u64>>,
    slow: u64,
}

/// The answers, and those of Prometheus's buckets where it has any.
pub(crate) fn answers(week: Traffic) -> Value {
    let mut calls = Calls::default();
    let mut events = 0u64;
    for call in week {
        calls.add(&call);
        events += 1;
    }
    calls.latencies.values_mut().for_each(|values| values.sort_unstable());
    let buckets: BTreeMap<&str, Value> = prometheus::LAYOUTS
        .iter()
        .map(|(name, bounds)| {
            (*name, calls.percentiles(&|values, shares| prometheus::quantiles(bounds, values, shares)))
        })
        .collect();
    let mut exact = calls.percentiles(&nearest);
    let mut dearest: Vec<_> = calls.cost_by_user.iter().collect();
    dearest.sort_by_key(|(_, cost)| std::cmp::Reverse(cost[0]));
    exact["cost by model"] = json!(calls.cost_by_model);
    exact["errors"] = json!(calls.errors);
    exact["slow calls"] = json!({ "": [calls.slow] });
    exact["dearest users"] = json!(dearest.into_iter().take(10).collect::<BTreeMap<_, _>>());
    json!({ "events": events, "end_ms": END_MS, "answers": exact, "buckets": buckets })
}

impl Calls {
    fn add(&mut self, call: &Request<'static>) {
        let ts = call.ts.expect("it has a time").millis();
        let latency = call.latency.map_or(0, |latency| latency.as_millis() as u32);
        let hour = (ts - START_MS) / HOUR_MS;
        self.latencies.entry((call.provider, call.model, hour)).or_default().push(latency);
        let cost = call.cost.unwrap_or_default().nanos();
        self.cost_by_model.entry(call.model).or_insert_with(|| vec![0])[0] += cost;
        self.cost_by_user.entry(call.user).or_insert_with(|| vec![0])[0] += cost;
        self.slow += u64::from(call.provider == "claude" && latency > 1000);
        if ts >= END_MS - 24 * HOUR_MS {
            let key = format!("{}|{}", call.provider, ts / FIVE_MINUTES * FIVE_MINUTES);
            let counts = self.errors.entry(key).or_insert_with(|| vec![0, 0]);
            counts[0] += u64::from(call.outcome != Outcome::Ok);
            counts[1] += 1;
        }
    }

    /// The questions that ask for percentiles, `of` sorted latencies.
    fn percentiles(&self, of: &Percentiles) -> Value {
        let gathered = |part: &dyn Fn(&str, u64) -> bool| {
            let parts = self.latencies.iter().filter(|((provider, _, hour), _)| part(provider, *hour));
            let mut all: Vec<u32> = parts.flat_map(|(_, values)| values).copied().collect();
            all.sort_unstable();
            all
        };
        let providers = ["claude", "gemini", "local", "mistral", "openai"];
        let by_provider: BTreeMap<_, _> =
            providers.iter().map(|name| (*name, of(&gathered(&|p, _| p == *name), P95))).collect();
        let by_hour: BTreeMap<_, _> = self
            .latencies
            .iter()
            .map(|((_, model, hour), values)| (format!("{model}|{}", START_MS + hour * HOUR_MS), of(values, P95)))
            .collect();
        json!({
            "percentiles, 1 h": { "": of(&gathered(&|p, hour| p == "claude" && hour == 167), THREE) },
            "percentiles, 7 d": { "": of(&gathered(&|p, _| p == "claude"), THREE) },
            "p95 by provider": by_provider,
            "p95 by hour and model": by_hour,
        })
    }
}

/// The value at the rank that is the share of all, rounded up.
fn nearest(sorted: &[u32], permille: &[u32]) -> Vec<f64> {
    let rank = |share: u32| (sorted.len() * share as usize).div_ceil(1000).max(1);
    permille.iter().map(|&share| f64::from(sorted[rank(share) - 1])).collect()
}
