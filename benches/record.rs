//! What recording costs: by handle and by event, one thread and four, cold and warm, and its tail.
//!
//! `cargo bench --bench record`; under `cargo test` it runs once over tiny input. Journals go to
//! the directory for temporary files, about 2 GB, and are removed.

mod common;

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use ax_monitor::collector::{JournalKind, Options, Series};
use ax_monitor::{Collector, Event, Measurement, Request};
use ax_storage::clock::{Clock, Stopwatch, SystemClock};
use common::Traffic;
use hdrhistogram::Histogram;

/// Events measured together, so that reading the clock does not count.
const BATCH: usize = 1000;
/// Different events, a power of two: enough that no branch is learnt by heart.
const EVENTS: usize = 1024;
/// Calls a second of the paced run, about: more than any application makes.
const PACED: usize = 500_000;

fn main() {
    let measuring = std::env::args().any(|arg| arg == "--bench");
    let burst = if measuring { 10_000_000 } else { 8 * BATCH };
    let events: Vec<_> = Traffic::week(EVENTS as u64, 7).map(|r| Event::Request(Request { ts: None, ..r })).collect();
    let clock = clock(burst / 10);
    println!("clock {clock:.1} ns; all below without it, ns an event\n");
    floor(burst / 2, clock);
    println!("                        first 64,000    median      mean");
    for kind in [JournalKind::Mapped, JournalKind::Written] {
        let events = &events[..];
        let n = if kind == JournalKind::Mapped { burst / 2 } else { burst / 10 };
        one_thread(&format!("{kind:?} by handle"), kind, events, n, clock, true);
        one_thread(&format!("{kind:?} by event"), kind, events, n, clock, false);
        threads(&format!("{kind:?} by handle"), kind, events, n, clock);
    }
    let priced: Vec<_> = events.iter().map(|event| from_the_list(*event)).collect();
    for by_handle in [true, false] {
        let how = if by_handle { "handle" } else { "event" };
        one_thread(&format!("by {how}, priced"), JournalKind::Mapped, &priced, burst / 2, clock, by_handle);
    }
    println!(
        "\none by one, with {:.0} ns of clocks in each      p50      p99    p99.9   p99.99      max",
        two_clocks(burst / 10)
    );
    for by_handle in [true, false] {
        tail(&events, burst, by_handle);
    }
    tail_of_threads(&events, burst);
    beside_a_flush(&events, if measuring { 5 } else { 0 });
    memory();
}

/// The call of a model with a price, whose cost the price list says.
fn from_the_list<'a>(event: Event<'a>) -> Event<'a> {
    match event {
        Event::Request(r) => {
            Event::Request(Request { cost: None, provider: "claude", model: "claude-sonnet-4-5-20250929", ..r })
        }
        other => other,
    }
}

fn clock(n: usize) -> f64 {
    let each = batches(n, |_| {
        black_box(SystemClock.now());
    });
    common::median(each)
}

/// A clock and one atomic addition to a word that all threads share: no journal into which several
/// threads append can do with less.
fn floor(n: usize, clock: f64) {
    let word = AtomicU64::new(0);
    let add = |_| {
        black_box(SystemClock.now());
        black_box(word.fetch_add(1, Ordering::Acquire));
    };
    let one = common::median(batches(n, add)) - clock;
    let four = wall_of_four(n / 4, add);
    println!("an atomic addition alone {one:.1}; four threads {four:.1} wall, clock included\n");
}

fn two_clocks(n: usize) -> f64 {
    let mut histogram = histogram();
    for _ in 0..n {
        let watch = Stopwatch::start();
        note(&mut histogram, watch.elapsed());
    }
    histogram.value_at_quantile(0.5) as f64
}

/// Nanoseconds an event of every batch.
fn batches(n: usize, record: impl Fn(usize)) -> Vec<f64> {
    let batch = |batch: usize| {
        let watch = Stopwatch::start();
        for i in batch * BATCH..(batch + 1) * BATCH {
            record(i % EVENTS);
        }
        watch.elapsed().as_nanos() as f64 / BATCH as f64
    };
    (0..(n / BATCH).max(1)).map(batch).collect()
}

/// A collector in a store of its own.
struct World {
    _dir: tempfile::TempDir,
    collector: Collector,
}

impl World {
    fn new(kind: JournalKind) -> Self {
        let dir = tempfile::tempdir().expect("a directory for temporary files");
        let mut options = Options::default();
        options.journal = kind;
        let collector = Collector::open_with(dir.path(), options).expect("a new store");
        Self { _dir: dir, collector }
    }

    fn handles<'a>(&self, events: &[Event<'a>]) -> Vec<(Series, Measurement<'a>)> {
        let handle = |event: &Event<'a>| match *event {
            Event::Request(r) => {
                let m = Measurement {
                    latency: r.latency,
                    tokens: r.tokens,
                    cost: r.cost,
                    outcome: r.outcome,
                    ..Measurement::default()
                };
                (self.collector.series(r.provider, r.model, r.user), m)
            }
            _ => panic!("only requests"),
        };
        events.iter().map(handle).collect()
    }

    fn end(self, what: &str, expected: usize) {
        let health = self.collector.health();
        assert!(health.dropped_by_reason.is_empty() && health.recorded == expected as u64, "{health:?}");
        if health.stalls > 0 {
            println!("  ({what}: {} stalls)", health.stalls);
        }
    }
}

fn one_thread(what: &str, kind: JournalKind, events: &[Event<'_>], n: usize, clock: f64, by_handle: bool) {
    let world = World::new(kind);
    let each = if by_handle {
        let handles = world.handles(events);
        batches(n, |i| handles[i].0.record(&handles[i].1))
    } else {
        batches(n, |i| world.collector.record(&events[i]))
    };
    let mean = each.iter().sum::<f64>() / each.len() as f64;
    let first = common::median(each[..each.len().min(64)].to_vec());
    println!("{what:<24}{:>12.1}{:>10.1}{:>10.1}", first - clock, common::median(each.clone()) - clock, mean - clock);
    world.end(what, each.len() * BATCH);
}

/// Wall time, in ns, of each of all the calls that four threads make at once.
fn wall_of_four(each: usize, call: impl Fn(usize) + Sync) -> f64 {
    let watch = Stopwatch::start();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..each).for_each(&call));
        }
    });
    watch.elapsed().as_nanos() as f64 / (4 * each) as f64
}

/// Four threads at once.
fn threads(what: &str, kind: JournalKind, events: &[Event<'_>], n: usize, clock: f64) {
    let world = World::new(kind);
    let handles = world.handles(events);
    let each = (n / 4).max(1);
    let ns = wall_of_four(each, |i| handles[i % EVENTS].0.record(&handles[i % EVENTS].1));
    println!("{:<24}{:>32.1}   wall, clock included ({clock:.1})", format!("{what}, 4 threads"), ns);
    world.end(what, 4 * each);
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("these bounds are right")
}

fn note(histogram: &mut Histogram<u64>, took: Duration) {
    histogram.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).max(1));
}

fn show(what: &str, h: &Histogram<u64>) {
    let q = |q: f64| h.value_at_quantile(q);
    let (p50, p99, p999, p9999) = (q(0.5), q(0.99), q(0.999), q(0.9999));
    println!("{what:<44}{p50:>8}{p99:>9}{p999:>9}{p9999:>9}{:>9}", h.max());
}

fn tail(events: &[Event<'_>], n: usize, by_handle: bool) {
    let world = World::new(JournalKind::Mapped);
    let handles = world.handles(events);
    let mut histogram = histogram();
    for i in 0..n {
        let watch = Stopwatch::start();
        if by_handle {
            handles[i % EVENTS].0.record(&handles[i % EVENTS].1);
        } else {
            world.collector.record(&events[i % EVENTS]);
        }
        note(&mut histogram, watch.elapsed());
    }
    let what = format!("{n} in a burst, by {}", if by_handle { "handle" } else { "event" });
    show(&what, &histogram);
    world.end(&what, n);
}

fn tail_of_threads(events: &[Event<'_>], n: usize) {
    let world = World::new(JournalKind::Mapped);
    let handles = world.handles(events);
    let each = n / 4;
    let record = || {
        let mut histogram = histogram();
        for i in 0..each {
            let watch = Stopwatch::start();
            handles[i % EVENTS].0.record(&handles[i % EVENTS].1);
            note(&mut histogram, watch.elapsed());
        }
        histogram
    };
    let mut all = histogram();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(record)).collect();
        for thread in threads {
            all.add(thread.join().expect("no thread fails")).expect("same bounds");
        }
    });
    show(&format!("{} in a burst, 4 threads", 4 * each), &all);
    world.end("4 threads", 4 * each);
}

/// Half a million calls a second, while another thread makes everything durable each second.
fn beside_a_flush(events: &[Event<'_>], seconds: u64) {
    let world = World::new(JournalKind::Mapped);
    let handles = world.handles(events);
    let (mut histogram, mut n) = (histogram(), 0);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let flusher = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                std::thread::park_timeout(Duration::from_secs(1));
                world.collector.flush().expect("the medium takes it");
            }
        });
        let watch = Stopwatch::start();
        while n == 0 || watch.elapsed() < Duration::from_secs(seconds) {
            for _ in 0..PACED / 1000 {
                let watch = Stopwatch::start();
                handles[n % EVENTS].0.record(&handles[n % EVENTS].1);
                note(&mut histogram, watch.elapsed());
                n += 1;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        done.store(true, Ordering::Relaxed);
        flusher.thread().unpark();
    });
    show(&format!("{n} paced, flushed each second"), &histogram);
    world.end("flushed", n);
}

fn memory() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = |name: &str| status.lines().find(|l| l.starts_with(name)).unwrap_or_default().to_owned();
    println!("\n{}   {}", line("RssAnon"), line("RssFile"));
}
