//! Cost of recording one call: ax monitor by series handle and by event, a JSON line by write(2), an
//! SQLite insert (WAL, synchronous=NORMAL, three indexes, one a transaction). Same events, same run.
//!
//! `cargo run --release` here.

use std::fs::File;
use std::hint::black_box;
use std::io::Write;
use std::time::{Duration, Instant, SystemTime};

use ax_monitor::{Collector, Event, Measurement, NanoUsd, Outcome, Request, Tokens};
use rusqlite::{Connection, params};

const ROUNDS: usize = 7;
const EVENTS: usize = 200_000;
/// An insert takes microseconds: fewer are enough.
const INSERTS: usize = 20_000;

const MODELS: [(&str, &str); 5] = [
    ("claude", "claude-sonnet-4-5"),
    ("openai", "gpt-4o"),
    ("gemini", "gemini-2.5-flash"),
    ("claude", "claude-haiku-4-5"),
    ("mistral", "mistral-small"),
];
const USERS: [&str; 4] = ["alice", "bob", "carol", "dave"];

fn request(i: usize) -> Request<'static> {
    let (provider, model) = MODELS[i % MODELS.len()];
    Request {
        provider,
        model,
        user: USERS[i / 3 % USERS.len()],
        latency: Some(Duration::from_micros(300_000 + (i as u64 * 7919) % 2_000_000)),
        tokens: Tokens { input: 200 + i as u64 % 3000, output: 50 + i as u64 % 700, ..Tokens::default() },
        cost: Some(NanoUsd::from_nanos(1_000_000 + i as u64 * 17 % 9_000_000)),
        outcome: if i % 50 == 0 { Outcome::Error("overloaded") } else { Outcome::Ok },
        ..Request::default()
    }
}

fn main() {
    let requests: Vec<Request<'_>> = (0..EVENTS).map(request).collect();
    type Peer<'a> = (&'a str, Box<dyn FnMut() -> f64 + 'a>);
    let peers: Vec<Peer<'_>> = vec![
        ("reading the clock", Box::new(clock)),
        ("ax monitor, series handle", Box::new(|| by_handle(&requests))),
        ("ax monitor, record(&Event)", Box::new(|| by_event(&requests))),
        ("JSON line, write(2)", Box::new(|| json_lines(&requests))),
        ("SQLite insert", Box::new(|| sqlite(&requests[..INSERTS]))),
    ];
    let (names, mut runs): (Vec<_>, Vec<_>) = peers.into_iter().unzip();
    let mut times = vec![Vec::new(); names.len()];
    // Round by round, so that a slow moment of the machine meets all of them.
    for _ in 0..ROUNDS {
        for (times, run) in times.iter_mut().zip(&mut runs) {
            times.push(run());
        }
    }
    let middle: Vec<f64> = times.iter_mut().map(|t| { t.sort_by(f64::total_cmp); t[t.len() / 2] }).collect();
    println!("{:<28} {:>12} {:>22} {:>12} {:>12}", "a call", "median ns", "spread", "x handle", "x event");
    for ((name, times), ns) in names.iter().zip(&times).zip(&middle) {
        let spread = format!("{:.0} .. {:.0}", times[0], times[times.len() - 1]);
        println!("{name:<28} {ns:>12.1} {spread:>22} {:>12.1} {:>12.1}", ns / middle[1], ns / middle[2]);
    }
}

/// Nanoseconds each of `n` calls took.
fn each(n: usize, run: impl FnOnce()) -> f64 {
    let start = Instant::now();
    run();
    start.elapsed().as_nanos() as f64 / n as f64
}

fn clock() -> f64 {
    each(EVENTS, || (0..EVENTS).for_each(|_| {
            black_box(SystemTime::now());
        }))
}

fn by_handle(requests: &[Request<'_>]) -> f64 {
    let dir = tempfile::tempdir().unwrap();
    let collector = Collector::open(dir.path()).unwrap();
    let series: Vec<_> = (0..MODELS.len() * 12).map(|i| (i, request(i))).map(|(_, r)| collector.series(r.provider, r.model, r.user)).collect();
    let measurements: Vec<Measurement<'_>> = requests.iter().map(|r| Measurement {
        latency: r.latency, tokens: r.tokens, cost: r.cost, outcome: r.outcome, ..Measurement::default()
    }).collect();
    let warm = |n: usize| (0..n).for_each(|i| series[i % series.len()].record(&measurements[i]));
    warm(10_000);
    let ns = each(requests.len(), || warm(requests.len()));
    assert_eq!(collector.health().dropped_by_reason, []);
    ns
}

fn by_event(requests: &[Request<'_>]) -> f64 {
    let dir = tempfile::tempdir().unwrap();
    let collector = Collector::open(dir.path()).unwrap();
    let events: Vec<Event<'_>> = requests.iter().map(|r| Event::Request(*r)).collect();
    events[..10_000].iter().for_each(|e| collector.record(e));
    let ns = each(events.len(), || events.iter().for_each(|e| collector.record(e)));
    assert_eq!(collector.health().dropped_by_reason, []);
    ns
}

fn json_lines(requests: &[Request<'_>]) -> f64 {
    let dir = tempfile::tempdir().unwrap();
    let mut file = File::options().append(true).create(true).open(dir.path().join("calls.ndjson")).unwrap();
    let mut line = Vec::with_capacity(512);
    each(requests.len(), || {
        for r in requests {
            line.clear();
            let event = serde_json::json!({
                "ts": millis(), "provider": r.provider, "model": r.model, "user": r.user,
                "latency_ms": r.latency.map(|d| d.as_secs_f64() * 1000.0),
                "input_tokens": r.tokens.input, "output_tokens": r.tokens.output,
                "cost_usd": r.cost.map(|c| c.to_string()), "ok": r.outcome == Outcome::Ok,
            });
            serde_json::to_writer(&mut line, &event).unwrap();
            line.push(b'\n');
            file.write_all(&line).unwrap();
        }
    })
}

fn sqlite(requests: &[Request<'_>]) -> f64 {
    let dir = tempfile::tempdir().unwrap();
    let db = Connection::open(dir.path().join("calls.sqlite")).unwrap();
    db.execute_batch(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;
         CREATE TABLE calls (ts INTEGER, provider TEXT, model TEXT, user TEXT, latency_us INTEGER,
                             input INTEGER, output INTEGER, cost_nanos INTEGER, ok INTEGER);
         CREATE INDEX by_time ON calls (provider, ts);
         CREATE INDEX by_model ON calls (model, ts);
         CREATE INDEX by_user ON calls (user, ts);",
    )
    .unwrap();
    let mut insert = db.prepare("INSERT INTO calls VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9)").unwrap();
    each(requests.len(), || {
        for r in requests {
            let latency = r.latency.map(|d| d.as_micros() as i64);
            let cost = r.cost.map(|c| c.nanos() as i64);
            let (input, output) = (r.tokens.input as i64, r.tokens.output as i64);
            insert
                .execute(params![millis() as i64, r.provider, r.model, r.user, latency, input, output, cost, r.outcome == Outcome::Ok])
                .unwrap();
        }
    })
}

fn millis() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis() as u64
}
