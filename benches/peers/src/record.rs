//! Cost of recording one call: a week's calls in turn, in several ways, round by round.

use std::collections::BTreeMap;
use std::fs::File;
use std::hint::black_box;
use std::io::Write as _;

use ax_monitor::{Collector, Event, Measurement, Outcome, Request};
use ax_storage::clock::{Clock as _, Stopwatch, SystemClock};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use rusqlite::{Connection, params};

use crate::common::Traffic;
use crate::{prometheus, sqlite};

const ROUNDS: usize = 7;
/// Different calls, enough that no branch is learnt by heart.
const DIFFERENT: usize = 1024;
const CALLS: usize = 200_000;
/// An insert takes microseconds: fewer are enough.
const INSERTS: usize = 20_000;
/// Calls before the clock starts, for caches and names.
const WARM: usize = 10_000;

/// Nanoseconds a call in each round, by name, as JSON.
pub(crate) fn all() -> serde_json::Value {
    let calls: Vec<_> = Traffic::week(DIFFERENT as u64, 7).map(|call| Request { ts: None, ..call }).collect();
    type Way = fn(&[Request<'static>]) -> f64;
    let ways: [(&str, Way); 6] = [
        ("clock", clock),
        ("handle", by_handle),
        ("event", by_event),
        ("prometheus", observed),
        ("json line", json_lines),
        ("sqlite", inserted),
    ];
    let mut times: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    // Round by round, so that a slow moment meets all of them.
    for _ in 0..ROUNDS {
        for (name, way) in ways {
            times.entry(name).or_default().push(way(&calls));
        }
    }
    serde_json::json!(times)
}

/// Nanoseconds each of `n` calls took.
fn each(n: usize, mut one: impl FnMut(usize)) -> f64 {
    let watch = Stopwatch::start();
    (0..n).for_each(|i| one(i % DIFFERENT));
    watch.elapsed().as_nanos() as f64 / n as f64
}

/// The same once it is warm.
fn warm(n: usize, mut one: impl FnMut(usize)) -> f64 {
    each(WARM, &mut one);
    each(n, one)
}

fn clock(_: &[Request<'static>]) -> f64 {
    warm(CALLS, |_| {
        black_box(SystemClock.now());
    })
}

fn by_handle(calls: &[Request<'static>]) -> f64 {
    let dir = tempfile::tempdir().expect("a folder");
    let collector = Collector::open(dir.path()).expect("a store");
    let measurement = |call: &Request<'static>| Measurement {
        latency: call.latency,
        tokens: call.tokens,
        cost: call.cost,
        outcome: call.outcome,
        ..Measurement::default()
    };
    let handles: Vec<_> =
        calls.iter().map(|call| (collector.series(call.provider, call.model, call.user), measurement(call))).collect();
    let ns = warm(CALLS, |i| handles[i].0.record(&handles[i].1));
    assert!(collector.health().dropped_by_reason.is_empty());
    ns
}

fn by_event(calls: &[Request<'static>]) -> f64 {
    let dir = tempfile::tempdir().expect("a folder");
    let collector = Collector::open(dir.path()).expect("a store");
    let ns = warm(CALLS, |i| collector.record(&Event::Request(calls[i])));
    assert!(collector.health().dropped_by_reason.is_empty());
    ns
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Labels {
    provider: &'static str,
    model: &'static str,
}

/// The latency alone, by provider and model, in memory: neither tokens, cost, user nor outcome.
fn observed(calls: &[Request<'static>]) -> f64 {
    let new = || prometheus::histogram(prometheus::LAYOUTS[1].1);
    let family = Family::<Labels, Histogram, fn() -> Histogram>::new_with_constructor(new);
    warm(CALLS, |i| {
        let call = &calls[i];
        let labels = Labels { provider: call.provider, model: call.model };
        family.get_or_create(&labels).observe(call.latency.map_or(0.0, |latency| latency.as_secs_f64()));
    })
}

fn json_lines(calls: &[Request<'static>]) -> f64 {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("calls.ndjson");
    let mut file = File::options().append(true).create(true).open(path).expect("a file");
    let mut line = Vec::with_capacity(512);
    warm(CALLS, |i| {
        let call = &calls[i];
        line.clear();
        let event = serde_json::json!({
            "ts": millis(), "provider": call.provider, "model": call.model, "user": call.user,
            "latency_ms": call.latency.map(|d| d.as_millis() as u64),
            "input_tokens": call.tokens.input, "output_tokens": call.tokens.output,
            "cost_usd": call.cost.map(|c| c.to_string()), "ok": call.outcome == Outcome::Ok,
        });
        serde_json::to_writer(&mut line, &event).expect("JSON");
        line.push(b'\n');
        file.write_all(&line).expect("room");
    })
}

/// A row a call, each a transaction, with three indexes.
fn inserted(calls: &[Request<'static>]) -> f64 {
    let dir = tempfile::tempdir().expect("a folder");
    let db = Connection::open(dir.path().join("calls.sqlite")).expect("a database");
    db.execute_batch("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL").expect("settings");
    db.execute_batch(&format!("{}; {}", sqlite::TABLE, sqlite::INDEXES)).expect("a table");
    let mut insert = db.prepare(sqlite::INSERT).expect("a statement");
    each(INSERTS, |i| {
        let call = &calls[i];
        let latency = call.latency.map(|d| d.as_millis() as i64);
        let cost = call.cost.map(|c| c.nanos() as i64);
        let (input, output) = (call.tokens.input as i64, call.tokens.output as i64);
        let row = params![
            millis(),
            call.provider,
            call.model,
            call.user,
            latency,
            input,
            output,
            cost,
            call.outcome == Outcome::Ok
        ];
        insert.execute(row).expect("a row");
    })
}

fn millis() -> i64 {
    SystemClock.now().millis() as i64
}
