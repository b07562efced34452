//! The upkeep pass: a million journal events at once, and what a pass a minute writes.
//!
//! `cargo bench --bench rollup`; under `cargo test` it runs once over tiny input.

mod common;

use ax_monitor::{Collector, Event, Request};
use ax_storage::Store;
use ax_storage::time::{Timestamp, Zone};
use common::{END_MS, START_MS, Traffic, median, rounds};

fn main() {
    let measuring = std::env::args().any(|arg| arg == "--bench");
    million(measuring, if measuring { 1_000_000 } else { 1_000 });
    minutes(if measuring { 60 } else { 3 });
}

/// Events of a week, recorded into journals and rolled up in one pass; they are older than what is
/// closed, so every tier, the distributions and the details are written too.
fn million(measuring: bool, n: u64) {
    let (mut week, mut live, mut seal) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds(measuring) {
        for (into, created) in [(&mut week, END_MS), (&mut live, START_MS)] {
            let dir = tempfile::tempdir().unwrap();
            let store = Store::open_or_create(dir.path(), &Zone::utc(), Timestamp::from_millis(created)).unwrap();
            let collector = Collector::open(dir.path()).unwrap();
            Traffic::week(n, 1).for_each(|request| collector.record(&Event::Request(request)));
            drop(collector);
            // `now` is not after the last closed bucket: nothing is due for closing.
            let report = store.tick(Timestamp::from_millis(created)).unwrap();
            into.push(report.took[0].as_secs_f64());
            seal.push(report.took[2].as_secs_f64());
            assert_eq!(report.events, n);
        }
    }
    println!("rollup of {n} journal events, 1m only:            {:.3} s", median(live));
    println!("rollup of {n} journal events, every table closed: {:.3} s", median(week));
    println!("sealing them in the same pass:                            {:.3} s", median(seal));
}

/// A hundred events a minute and a pass after each: bytes written and CPU time a pass.
fn minutes(passes: u64) {
    let dir = tempfile::tempdir().unwrap();
    let start = Timestamp::from_millis(START_MS);
    let store = Store::open_or_create(dir.path(), &Zone::utc(), start).unwrap();
    let collector = Collector::open(dir.path()).unwrap();
    let mut traffic = Traffic::week(passes * 100, 2);
    let (mut bytes, mut cpu) = (Vec::new(), Vec::new());
    for pass in 0..passes {
        for (i, request) in traffic.by_ref().take(100).enumerate() {
            let ts = Some(start.plus_ms(pass * 60_000 + i as u64 * 600));
            collector.record(&Event::Request(Request { ts, ..request }));
        }
        let (written, used) = (written_bytes(), cpu_seconds());
        store.tick(start.plus_ms((pass + 1) * 60_000)).unwrap();
        bytes.push((written_bytes() - written) as f64 / 1000.0);
        cpu.push((cpu_seconds() - used) * 1000.0);
    }
    let sum: f64 = bytes.iter().sum();
    println!(
        "a pass over 100 events: {:.0} KB written (median; {:.0} on average, closing included), {:.2} ms CPU",
        median(bytes),
        sum / passes as f64,
        median(cpu)
    );
}

/// Bytes this process has sent to the medium.
fn written_bytes() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = io.lines().find_map(|l| l.strip_prefix("write_bytes: "));
    line.and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// CPU time of this process so far.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    stat.split(' ').next().and_then(|n| n.parse::<f64>().ok()).unwrap_or(0.0) / 1e9
}
