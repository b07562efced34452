//! The line that scripts load events with, and what it records:
//! `60 every 1m from 2025-11-10T10:00:00Z provider=a latency=100,200`, values going round.

use std::time::Duration;

use ax_monitor::{Cache, Collector, Event, NanoUsd, Outcome, RateLimit, Request, Timestamp, Tokens, query};

/// Records the events of a line.
pub(crate) fn load(collector: &Collector, text: &str) {
    let (head, fields) = text.split_once(" from ").unwrap();
    let (count, every) = head.split_once(" every ").unwrap();
    let (start, fields) = fields.split_once(' ').unwrap_or((fields, ""));
    let query::ast::Range::Last(every) = query::parse_range(every).unwrap() else { panic!("{every}") };
    for i in 0..count.parse::<u64>().unwrap() {
        let at = moment(start).plus_ms(i * (every / 1_000_000));
        record(collector, at, &Fields { text: fields, turn: i as usize });
    }
    assert_eq!(collector.health().dropped_by_reason, vec![]);
}

/// A time in RFC 3339.
pub(crate) fn moment(text: &str) -> Timestamp {
    Timestamp::from_jiff(text.parse().unwrap())
}

/// `latency=100,200 cost=0.5`: fields whose values go round.
struct Fields<'a> {
    text: &'a str,
    turn: usize,
}

impl<'a> Fields<'a> {
    fn get(&self, name: &str) -> Option<&'a str> {
        let value = self.text.split_whitespace().find_map(|f| f.strip_prefix(name)?.strip_prefix('='))?;
        let list: Vec<&str> = value.split(',').collect();
        Some(list[self.turn % list.len()]).filter(|v| *v != "-")
    }

    fn number(&self, name: &str) -> Option<f64> {
        self.get(name).map(|v| v.parse().unwrap())
    }

    fn whole(&self, name: &str) -> u64 {
        self.get(name).map_or(0, |v| v.parse().unwrap())
    }
}

fn record(collector: &Collector, ts: Timestamp, f: &Fields<'_>) {
    let name = |n| f.get(n).unwrap_or("");
    let millis = |n| f.number(n).map(|ms| Duration::from_secs_f64(ms / 1e3));
    let dollars = |n| f.number(n).map(|usd| NanoUsd::from_nanos((usd * 1e9).round() as u64));
    let event = match f.get("event") {
        None => Event::Request(Request {
            ts: Some(ts),
            provider: name("provider"),
            model: name("model"),
            user: name("user"),
            latency: millis("latency"),
            ttft: millis("ttft"),
            cost: dollars("cost"),
            tokens: Tokens { input: f.whole("input"), output: f.whole("output"), ..Tokens::default() },
            outcome: f.get("error").map_or(Outcome::Ok, Outcome::Error),
            ..Request::default()
        }),
        Some(hit @ ("hit" | "miss")) => Event::Cache(Cache {
            ts: Some(ts),
            provider: name("provider"),
            hit: hit == "hit",
            saved_cost: dollars("saved"),
            ..Cache::default()
        }),
        Some(allowed) => Event::RateLimit(RateLimit {
            ts: Some(ts),
            provider: name("provider"),
            key: name("key"),
            allowed: allowed == "allowed",
            ..RateLimit::default()
        }),
    };
    collector.record(&event);
}
