//! Importing a week of events: parsing alone, and a whole import into a fresh store.
//!
//! `cargo bench --bench import [-- EVENTS]`; under `cargo test` it runs once over tiny input.

mod common;

use std::hint::black_box;

use ax_monitor::import::{Format, Input, LineParser, Options, import};
use ax_storage::clock::Stopwatch;
use ax_storage::row::Batch;
use ax_storage::store::Store;
use ax_storage::time::{Timestamp, Zone};
use common::{END_MS, Traffic, lines, median, rounds};

fn main() {
    let measuring = std::env::args().any(|arg| arg == "--bench");
    let asked = std::env::args().find_map(|arg| arg.parse().ok());
    let events: usize = asked.unwrap_or(if measuring { 1_000_000 } else { 2_000 });
    let now = Timestamp::from_millis(END_MS);
    let folder = tempfile::tempdir().expect("a temporary folder");
    println!("{events} events; median of {}", rounds(measuring));

    for format in [Format::Ndjson, Format::Csv] {
        let name = if format == Format::Csv { "csv" } else { "ndjson" };
        let path = folder.path().join(format!("events.{name}"));
        lines::write(&path, format, Traffic::week(events as u64, 7));
        if format == Format::Ndjson {
            let text = std::fs::read_to_string(&path).expect("it was just written");
            report("ndjson, parsing and interning, 1 thread", events, measuring, || parse(&text, now));
        }
        let mut round = 0;
        report(&format!("{name}, whole import into a fresh store"), events, measuring, || {
            round += 1;
            let store = Store::open_or_create(&folder.path().join(format!("{name}{round}")), &Zone::utc(), now);
            let store = store.expect("a fresh folder");
            let inputs = [Input::File(path.clone())];
            let report = import(&mut store.import(), &inputs, &Options::default(), now, &mut |_| {});
            assert_eq!(report.expect("it imports").imported, events as u64);
        });
    }
    if let Some(peak) = peak_kib() {
        println!("peak memory of this process, the NDJSON included: {} MB", peak / 1024);
    }
}

fn parse(text: &str, now: Timestamp) {
    let parser = LineParser::default();
    let mut batch = Batch::default();
    for line in text.lines() {
        let parsed = parser.parse(line.as_bytes(), now).expect("a good line");
        batch.push(&parsed.event(), parsed.ts(), parsed.cost_source(), parsed.event_id());
        if batch.rows.len() == 200_000 {
            batch = Batch::default();
        }
    }
    black_box(&batch);
}

fn report(what: &str, events: usize, measuring: bool, mut run: impl FnMut()) {
    let times = (0..rounds(measuring)).map(|_| {
        let watch = Stopwatch::start();
        run();
        watch.elapsed().as_secs_f64()
    });
    let seconds = median(times.collect());
    println!("{what:45} {:7.0} ms  {:5.2} M/s", seconds * 1e3, events as f64 / seconds / 1e6);
}

/// The largest resident size so far.
fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?.trim().trim_end_matches(" kB").parse().ok()
}
