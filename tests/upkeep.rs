//! The upkeep pass as real processes: killed at any moment, several at once, beside recorders.
//!
//! A child is this very test binary, told by an environment variable what to do.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ax_monitor::collector::Options;
use ax_monitor::{Collector, Event, Monitor, NanoUsd, Outcome, Request, Tokens, aggregator};
use ax_storage::Store;
use ax_storage::bucket::Measure;
use ax_storage::clock::{Clock, ManualClock};
use ax_storage::query::plan::Plan;
use ax_storage::time::{TimeRange, Timestamp, Zone};

const CHILD: &str = "AX_TEST_UPKEEP_STORE";
const ROUNDS: &str = "AX_TEST_KILLS";

/// A process that is being forked holds the parent's locks for a moment: a pass beside it may see
/// one that nobody holds. The tests that count passes and the ones that fork take turns.
static ALONE: Mutex<()> = Mutex::new(());

/// 2025-11-10T10:00:00Z: passes see a time that moves on by ten minutes each.
const START: u64 = 1_762_768_800_000;

fn event(n: u64) -> Event<'static> {
    let providers = ["claude", "openai", "gemini"];
    Event::Request(Request {
        ts: Some(Timestamp::from_millis(START + n * 137)),
        provider: providers[(n % 3) as usize],
        model: if n.is_multiple_of(2) { "small" } else { "large" },
        user: if n.is_multiple_of(5) { "alice" } else { "bob" },
        latency: Some(Duration::from_micros(1000 + n * 7 % 90_000)),
        tokens: Tokens { input: n % 1000, output: n % 77, ..Tokens::default() },
        cost: Some(NanoUsd::from_nanos(n % 10_007)),
        outcome: if n.is_multiple_of(10) { Outcome::Error("overloaded") } else { Outcome::Ok },
        ..Request::default()
    })
}

/// Passes without end; the parent kills it.
#[test]
fn child_that_ticks() {
    let Ok(dir) = std::env::var(CHILD) else { return };
    let store = Store::open(Path::new(&dir)).unwrap();
    std::fs::write(Path::new(&dir).with_extension("ready"), "").unwrap();
    for pass in 0.. {
        store.tick(Timestamp::from_millis(START + 7_200_000 + pass * 600_000)).unwrap();
    }
}

/// Starts a child and waits until its first pass is about to begin.
fn start_child(store: &Path) -> Child {
    let ready = store.with_extension("ready");
    let _ = std::fs::remove_file(&ready);
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["child_that_ticks", "--exact", "--test-threads=1"])
        .env(CHILD, store)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while !ready.exists() {
        std::thread::sleep(Duration::from_micros(200));
    }
    child
}

/// A recorder that lives in the time of the events, so that what it leaves is soon worth sealing.
fn open(dir: &Path) -> Collector {
    let mut options = Options::default();
    options.clock = Some(Arc::new(ManualClock::at(Timestamp::from_millis(START))));
    Collector::open_with(dir, options).unwrap()
}

fn totals(store: &Store) -> (u64, u128) {
    let plan = Plan { measures: vec![Measure::Cost], ..Plan::new(TimeRange::ALL, Zone::utc()) };
    let series = store.run(&plan).unwrap();
    assert!(series.missing.is_empty(), "{:?}", series.missing);
    (series.all.counts.requests, series.all.stats[0].sum)
}

/// Nothing is lost and nothing is counted twice, wherever a pass is killed: while it rolls up,
/// closes, seals or unlinks.
#[test]
fn a_killed_pass_loses_and_doubles_nothing() {
    let number = |name, usual| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(usual);
    let rounds = number(ROUNDS, 100);
    let _alone = ALONE.lock();
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("store");
    let dir = &root;
    let mut random: u64 = number("AX_SEED", 1);
    let (mut recorded, mut cost) = (0, 0u128);
    for round in 0..rounds {
        // A new recorder each time, so that there is always a finished journal to seal.
        let collector = open(dir);
        let mut child = start_child(dir);
        for _ in 0..200 {
            collector.record(&event(recorded));
            cost += u128::from(recorded % 10_007);
            recorded += 1;
        }
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        std::thread::sleep(Duration::from_micros((random >> 33) % 25_000));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(collector.health().recorded, 200);
        drop(collector);
        if round % 10 == 9 {
            let store = Store::open(dir).unwrap();
            assert_eq!(totals(&store), (recorded, cost), "after {} kills", round + 1);
        }
    }
    let store = Store::open(dir).unwrap();
    store.tick(Timestamp::from_millis(START + 90 * 24 * 3_600_000)).unwrap();
    assert_eq!(totals(&store), (recorded, cost));
    let verification = store.verify(&mut |_| ()).unwrap();
    assert_eq!(verification.problems, [], "after {rounds} kills");
    let info = store.info().unwrap();
    assert_eq!((info.events_raw, info.backlog_events), (recorded, 0));
    assert_eq!(info.bytes.journal, 0, "everything is sealed");
}

/// Five passes at once: one does the work, the others neither wait nor fail, nothing counts twice.
#[test]
fn many_passes_at_once_count_once() {
    let _alone = ALONE.lock();
    let dir = tempfile::tempdir().unwrap();
    let collector = open(dir.path());
    let mut recorded = 0;
    for round in 0..20 {
        for _ in 0..50 {
            collector.record(&event(recorded));
            recorded += 1;
        }
        let reports: Vec<_> = std::thread::scope(|scope| {
            let pass = || {
                let store = Store::open(dir.path()).unwrap();
                store.tick(Timestamp::from_millis(START + 3_600_000 * (round + 1))).unwrap()
            };
            let all: Vec<_> = (0..5).map(|_| scope.spawn(pass)).collect();
            all.into_iter().map(|p| p.join().unwrap()).collect()
        });
        assert_eq!(reports.iter().map(|r| r.events).sum::<u64>(), 50, "round {round}: {reports:?}");
    }
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(totals(&store).0, recorded);
    assert_eq!(store.verify(&mut |_| ()).unwrap().problems, []);
}

/// An application that does nothing but record and hold a monitor has its events rolled up.
#[test]
fn a_monitor_does_the_upkeep_of_its_application() {
    let _alone = ALONE.lock();
    let dir = tempfile::tempdir().unwrap();
    let collector = open(dir.path());
    (0..100).for_each(|n| collector.record(&event(n)));
    // Passes of the same minute are left out, so time has to move on.
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(START + 60_000)));
    let options = aggregator::Options {
        every: Duration::from_millis(20),
        clock: Arc::clone(&clock) as Arc<dyn Clock>,
        ..aggregator::Options::default()
    };
    let monitor = Monitor::start(dir.path(), options).unwrap();
    let store = Store::open(dir.path()).unwrap();
    let mut minutes = 1;
    // A pass is counted after its last step, the backlog is gone after its first.
    while store.backlog().unwrap().events > 0 || monitor.status().passes == 0 {
        minutes += 1;
        assert!(minutes < 1_000, "no pass took the events: {:?}", monitor.status());
        clock.set(Timestamp::from_millis(START + minutes * 60_000));
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(monitor.status().passes > 0);
    assert_eq!(monitor.status().error, None);
    assert_eq!(totals(&store).0, 100);
}

/// An application that holds a monitor gets its alerts delivered without a service or an async runtime.
#[cfg(feature = "notify")]
#[test]
fn a_monitor_delivers_to_its_channels() {
    use ax_monitor::alerts::notify::{Channel, ChannelKind, enqueue};
    use ax_monitor::alerts::{Notification, Severity, Told};
    let _alone = ALONE.lock();
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("delivered");
    let now = Timestamp::from_millis(START + 60_000);
    drop(open(&dir.path().join("store")));
    let store = Store::open(&dir.path().join("store")).unwrap();
    let argv = ["sh", "-c", "cat > \"$1\".part && mv \"$1\".part \"$1\"", "sh", out.to_str().unwrap()];
    let kind = ChannelKind::Command { argv: argv.map(str::to_owned).to_vec() };
    let options = aggregator::Options {
        every: Duration::from_millis(20),
        clock: Arc::new(ManualClock::at(now)),
        channels: vec![Channel { name: "file".into(), kind }],
        ..aggregator::Options::default()
    };
    let monitor = Monitor::start(dir.path().join("store"), options).unwrap();
    let notification = Notification {
        id: "a3f".into(),
        rule: "slow".into(),
        labels: Vec::new(),
        severity: Severity::Warning,
        state: Told::Firing,
        value: None,
        threshold: None,
        unit: "ms".into(),
        condition: "latency p95 > 2s".into(),
        since_ms: now.millis(),
        at_ms: now.millis(),
        reason: None,
        channels: Vec::new(),
    };
    store.write_tables(|t| enqueue(t, &[notification], now)).unwrap();
    for _ in 0..1_000 {
        if out.exists() {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let text = std::fs::read_to_string(&out).unwrap_or_else(|e| panic!("{e}: {:?}", monitor.status()));
    assert!(text.contains("\"receiver\":\"file\"") && text.contains("\"id\":\"a3f\""), "{text}");
    drop(monitor);
    assert_eq!(ax_monitor::alerts::notify::standings(&store).unwrap()["file"].record.delivered, 1);
}
