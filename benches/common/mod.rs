//! What the benches share: seeded traffic, a store of it, and how it is timed.

#![allow(dead_code, reason = "each bench uses a part of it")]

pub(crate) mod lines;
pub(crate) mod process;
pub(crate) mod traffic;

use std::path::Path;

use ax_monitor::Event;
use ax_storage::Store;
use ax_storage::clock::Stopwatch;
use ax_storage::event::CostSource;
use ax_storage::row::Batch;
use ax_storage::time::{Timestamp, Zone};

pub(crate) use traffic::Traffic;

/// First moment of the week: 2025-11-03T00:00:00Z.
pub(crate) const START_MS: u64 = 1_762_128_000_000;
/// First moment after it.
pub(crate) const END_MS: u64 = START_MS + 7 * 86_400_000;

/// How often what is measured is repeated: once when it only has to run.
pub(crate) fn rounds(measuring: bool) -> usize {
    if measuring { 5 } else { 1 }
}

/// The middle of the values.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A store of the week, closed and sealed.
pub(crate) fn fill(folder: &Path, events: u64) -> Store {
    let now = Timestamp::from_millis(END_MS + 60_000);
    let store = Store::open_or_create(folder, &Zone::utc(), now).expect("a store");
    let mut batch = Batch::default();
    for (i, request) in Traffic::week(events, 7).enumerate() {
        let ts = request.ts.expect("it has a time");
        batch.push(&Event::Request(request), ts, CostSource::Recorded, "");
        if batch.rows.len() == 500_000 || i as u64 + 1 == events {
            store.import().add(&mut batch, 1, None).expect("it imports");
            batch = Batch::default();
        }
    }
    store.tick(now).expect("it closes");
    store
}

/// Milliseconds that `run` takes, in the middle of 25 times; it runs once when it only has to run.
pub(crate) fn time(measuring: bool, run: impl FnMut()) -> f64 {
    time_of(if measuring { 25 } else { 1 }, run)
}

/// The same of so many times.
pub(crate) fn time_of(times: usize, mut run: impl FnMut()) -> f64 {
    let once = |run: &mut dyn FnMut()| {
        let watch = Stopwatch::start();
        run();
        watch.elapsed().as_secs_f64() * 1000.0
    };
    median((0..times).map(|_| once(&mut run)).collect())
}
