//! Size and speed of sealed segments: bytes an event by column, encoding, scanning. Times are those
//! of one processor, without waiting for the disk.
//!
//! `cargo bench -p ax-storage --bench segment` takes a million made-up events of one week; with
//! `SEGMENT_NDJSON=file` those of a plain NDJSON file. Under `cargo test` it takes a few thousand.

use std::time::Duration;

use ax_storage::event::{CostSource, Event, NanoUsd, Outcome, Request, Tokens};
use ax_storage::paths::Paths;
use ax_storage::raw::{Column, ColumnSet, Kind, Scratch, Segment, Sources, seal};
use ax_storage::row::Batch;
use ax_storage::time::{DAY_MS, Timestamp};

const STORE: u128 = 1;
const ROUNDS: usize = 7;

fn main() {
    let full = std::env::args().any(|a| a == "--bench");
    let batch = match std::env::var("SEGMENT_NDJSON") {
        Ok(path) => from_ndjson(&path),
        Err(_) => made_up(if full { 1_000_000 } else { 5_000 }),
    };
    let dir = tempfile::tempdir().expect("a temporary folder");
    let paths = Paths::new(dir.path());
    let days = by_day(&batch);
    let events = batch.rows.len() as f64;
    let mut sealed = Vec::new();
    let encode = fastest((0..if full { ROUNDS } else { 1 }).map(|_| {
        timed(|| {
            sealed = days
                .iter()
                .map(|(day, rows)| {
                    seal(&paths, STORE, *day, &batch, rows, Sources::default()).expect("it seals").keep()
                })
                .collect();
        })
    }));
    let segments: Vec<Segment> =
        sealed.iter().map(|m| Segment::open(&paths.segment(m.day, m.uuid), STORE).expect("it opens")).collect();
    let bytes: u64 = sealed.iter().map(|m| m.bytes).sum();
    println!("{events} events in {} segments: {:.2} bytes an event in all", sealed.len(), bytes as f64 / events);
    let mut chunks = 0;
    for column in Column::ALL {
        let size: usize = segments.iter().flat_map(|s| s.blocks()).map(|b| b.chunk_bytes(column)).sum();
        chunks += size;
        if size > 0 {
            println!("  {:18} {:.3}", format!("{column:?}"), size as f64 / events);
        }
    }
    println!("  {:18} {:.3}", "names, index", (bytes - chunks as u64) as f64 / events);
    println!("seal, processor time   {:6.1} ns an event", encode.as_nanos() as f64 / events);
    let open = fastest((0..ROUNDS).map(|_| {
        timed(|| {
            segments.iter().for_each(|s| drop(Segment::open(s.path(), STORE)));
        })
    }));
    println!("open                  {:6.1} us a segment", open.as_micros() as f64 / segments.len() as f64);
    let speed = |name: &str, work: &dyn Fn(&mut Scratch) -> u64| {
        let mut scratch = Scratch::default();
        let mut check = 0;
        let time = fastest((0..ROUNDS).map(|_| timed(|| check = std::hint::black_box(work(&mut scratch)))));
        println!("{name:36} {:7.1} M events/s  ({check})", events / time.as_secs_f64() / 1e6);
    };
    speed("sum of latency", &|scratch| scan(&segments, &[Column::Latency], scratch));
    speed("series, latency, user", &|scratch| {
        scan(&segments, &[Column::Series, Column::Latency, Column::User], scratch)
    });
    speed("ts, series, latency", &|scratch| scan(&segments, &[Column::Ts, Column::Series, Column::Latency], scratch));
    speed("cost", &|scratch| scan(&segments, &[Column::Cost], scratch));
    speed("cost where latency > 1 s, series 1", &|scratch| filtered(&segments, scratch));
    speed("whole rows", &|scratch| {
        let mut out = Batch::default();
        for segment in &segments {
            for block in 0..segment.blocks().len() {
                out.rows.clear();
                segment.rows(block, scratch, &mut out).expect("it reads");
            }
        }
        out.rows.len() as u64
    });
}

fn scan(segments: &[Segment], columns: &[Column], scratch: &mut Scratch) -> u64 {
    let set = ColumnSet::of(columns);
    let mut sum = 0u64;
    for segment in segments {
        for block in 0..segment.blocks().len() {
            let mut reader = segment.read(block, set, scratch).expect("it reads");
            for group in 0..reader.groups() {
                reader.decode(group, set);
                let rows = reader.rows(group);
                for &column in columns {
                    sum = reader.values(column)[..rows].iter().fold(sum, |s, v| s.wrapping_add(*v));
                }
            }
        }
    }
    sum
}

fn filtered(segments: &[Segment], scratch: &mut Scratch) -> u64 {
    let first = ColumnSet::of(&[Column::Series, Column::Latency]);
    let cost = ColumnSet::of(&[Column::Cost]);
    let mut sum = 0u64;
    for segment in segments {
        for (block, info) in segment.blocks().iter().enumerate() {
            if info.kind != Kind::Request || !info.bounds(Column::Latency).may_lie_in(1_000_001, u64::MAX - 1) {
                continue;
            }
            let mut reader = segment.read(block, first.and(cost), scratch).expect("it reads");
            for group in 0..reader.groups() {
                reader.decode(group, first);
                let rows = reader.rows(group);
                let (series, latency) = (reader.values(Column::Series), reader.values(Column::Latency));
                let mut hits = [false; ax_storage::raw::GROUP_ROWS];
                let mut any = false;
                for i in 0..rows {
                    hits[i] = series[i] == 1 && latency[i] > 1_000_000;
                    any |= hits[i];
                }
                if any {
                    reader.decode(group, cost);
                    let costs = reader.values(Column::Cost);
                    sum += costs.iter().zip(hits).filter(|(_, hit)| *hit).map(|(c, _)| *c).sum::<u64>();
                }
            }
        }
    }
    sum
}

fn by_day(batch: &Batch) -> Vec<(Timestamp, Vec<u32>)> {
    let mut days = std::collections::BTreeMap::<Timestamp, Vec<u32>>::new();
    for (i, row) in batch.rows.iter().enumerate() {
        days.entry(row.ts.utc_day()).or_default().push(i as u32);
    }
    days.into_iter().collect()
}

/// Poisson arrivals over a week, Zipf models and users, lognormal latencies and tokens, exact costs.
fn made_up(count: usize) -> Batch {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let providers = ["claude", "openai", "gemini", "mistral", "local"];
    let models: Vec<String> = (0..20).map(|i| format!("{}-model-{i}", providers[i % 5])).collect();
    let users: Vec<String> = (0..1000).map(|i| format!("u{i:04}")).collect();
    let (by_model, by_user) = (zipf(models.len(), 1.0), zipf(users.len(), 1.1));
    let mean = 7.0 * DAY_MS as f64 / count as f64;
    let mut ts = 20_400.0 * DAY_MS as f64;
    let last = 20_407.0 * DAY_MS as f64 - 1.0;
    let mut batch = Batch::default();
    for _ in 0..count {
        ts = (ts - random.unit().ln() * mean).min(last);
        let model = pick(&by_model, random.unit());
        let failed = random.unit() < 0.02;
        let input = random.lognormal(900.0, 1.0);
        let output = if failed { 0 } else { random.lognormal(350.0, 0.8) };
        let price = (model as u64 + 1) * 150;
        let request = Request {
            provider: providers[model % 5],
            model: &models[model],
            user: &users[pick(&by_user, random.unit())],
            latency: Some(Duration::from_millis(random.lognormal(850.0 + 80.0 * model as f64, 0.6))),
            tokens: Tokens { input, output, ..Tokens::default() },
            cost: Some(NanoUsd::from_nanos(if failed { 0 } else { input * price + output * price * 5 })),
            outcome: if failed { Outcome::Error("rate_limit") } else { Outcome::Ok },
            ..Request::default()
        };
        batch.push(&Event::Request(request), Timestamp::from_millis(ts as u64), CostSource::Recorded, "");
    }
    batch
}

/// Requests of an NDJSON file; what else is in it is left out.
fn from_ndjson(path: &str) -> Batch {
    let text = std::fs::read_to_string(path).expect("the file can be read");
    let mut batch = Batch::default();
    for line in text.lines() {
        let value: serde_json::Value = serde_json::from_str(line).expect("a line is JSON");
        let word = |key: &str| value[key].as_str().unwrap_or("");
        let whole = |key: &str| value[key].as_u64().unwrap_or(0);
        let request = Request {
            provider: word("provider"),
            model: word("model"),
            user: word("user"),
            latency: value["latency_ms"].as_f64().map(|ms| Duration::from_micros((ms * 1000.0).round() as u64)),
            tokens: Tokens {
                input: whole("input_tokens"),
                cached: whole("cached_tokens"),
                output: whole("output_tokens"),
                ..Tokens::default()
            },
            cost: value["cost_usd"].as_f64().map(|usd| NanoUsd::from_nanos((usd * 1e9).round() as u64)),
            outcome: if value["ok"].as_bool() == Some(false) { Outcome::Error(word("error")) } else { Outcome::Ok },
            ..Request::default()
        };
        let ts = Timestamp::from_millis(whole("ts"));
        batch.push(&Event::Request(request), ts, CostSource::Recorded, word("event_id"));
    }
    batch
}

struct Random(u64);

impl Random {
    /// Above 0, up to 1.
    fn unit(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 11) + 1) as f64 / (1u64 << 53) as f64
    }

    fn lognormal(&mut self, median: f64, sigma: f64) -> u64 {
        let normal = (-2.0 * self.unit().ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos();
        (median * (sigma * normal).exp()).round() as u64
    }
}

/// Cumulative shares of `n` ranks.
fn zipf(n: usize, exponent: f64) -> Vec<f64> {
    let mut sum = 0.0;
    let shares: Vec<f64> = (1..=n)
        .map(|k| {
            sum += (k as f64).powf(-exponent);
            sum
        })
        .collect();
    shares.into_iter().map(|s| s / sum).collect()
}

fn pick(shares: &[f64], at: f64) -> usize {
    shares.partition_point(|s| *s < at).min(shares.len() - 1)
}

/// Processor time, so that other work on the machine counts little.
fn timed(work: impl FnOnce()) -> Duration {
    let start = processor_time();
    work();
    processor_time() - start
}

fn processor_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec of ours.
    let done = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    assert_eq!(done, 0, "the system knows processor time");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The fastest: other work on the machine only ever makes it slower.
fn fastest(times: impl Iterator<Item = Duration>) -> Duration {
    times.min().unwrap_or_default()
}
