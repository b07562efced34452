//! An alert that begins, is told, ends and is told again, with the process killed before each step on a file.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use ax_monitor::aggregator::Config;
use ax_monitor::alerts::notify::{Pace, claim, settle, standings};
use ax_monitor::alerts::{self, Outcome, Rule};
use ax_storage::Store;
use ax_storage::event::{CostSource, Event};
use ax_storage::fs::Step;
use ax_storage::row::Batch;
use ax_storage::time::{HOUR_MS, MINUTE_MS, Timestamp, Zone};

use crate::scenario::{START, at, request};
use crate::support::{End, Hooked, alone, copy, die, folder, fork, soak};

/// Minutes that are judged: it fires in the second and is over in the fourth.
const MINUTES: u64 = 5;

/// A store with ten calls in its second and third minute, and a rule that minds them.
fn prepare(dir: &Path) {
    let store = Store::open_or_create(dir, &Zone::utc(), at(START)).unwrap();
    let mut rows = Batch::default();
    for n in 0..20 {
        let ts = at(START + MINUTE_MS + n * 6_000);
        rows.push(&Event::Request(request(n)), ts, CostSource::Recorded, "");
    }
    store.import().add(&mut rows, 1, None).unwrap();
    alerts::sync(&store, &[Rule::new("busy", "requests [1m] > 3").unwrap()]).unwrap();
    store.tick(at(START + MINUTE_MS)).unwrap();
}

/// Judges minute after minute and delivers what there is to `sent`, a file with a line a message.
fn live(dir: &Path, sent: &Path, minutes: u64) {
    let store = Store::open(dir).unwrap();
    let config = Config::default();
    for minute in 1..=minutes {
        let now = at(START + minute * MINUTE_MS + 5_000);
        let outside = config.outside(&store);
        alerts::evaluate(&store, &config.around(&store, &outside), now).unwrap();
        deliver(&store, sent, now);
    }
}

fn deliver(store: &Store, sent: &Path, now: Timestamp) {
    let pace = Pace::default();
    for batch in claim(store, &["ops"], &pace, now).unwrap().batches {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(sent).unwrap();
        for item in &batch.message.items {
            writeln!(file, "{} {}", item.notification.state.word(), item.delivery).unwrap();
        }
        settle(store, &batch, Ok(()), &pace, 0.5, now).unwrap();
    }
}

/// The rest of the life, by another process: everything happened once, and was told at least once under one name.
fn check(dir: &Path, sent: &Path) {
    live(dir, sent, MINUTES);
    let store = Store::open(dir).unwrap();
    for hour in 1..=2 {
        deliver(&store, sent, at(START + hour * HOUR_MS));
    }
    let history = alerts::history(&store, 0, START + HOUR_MS).unwrap();
    let what: Vec<Outcome> = history.iter().map(|entry| entry.what.outcome).collect();
    assert_eq!(what, [Outcome::Firing, Outcome::Resolved], "{history:#?}");
    assert_eq!(history[0].what.id, history[1].what.id);
    let sent = std::fs::read_to_string(sent).unwrap();
    for word in ["firing", "resolved"] {
        let names: Vec<&str> = sent.lines().filter_map(|line| line.strip_prefix(word)).collect();
        assert!((1..=2).contains(&names.len()) && names.iter().all(|name| *name == names[0]), "{sent}");
    }
    assert_eq!(standings(&store).unwrap()["ops"].waiting, 0);
}

fn killed(stride: usize) {
    let prepared = folder();
    prepare(prepared.path());
    for n in (1..).step_by(stride) {
        let root = folder();
        let (dir, sent) = (root.path().join("store"), root.path().join("sent"));
        copy(prepared.path(), &dir);
        let end = fork(|| {
            let steps = AtomicU64::new(0);
            let _hooked = Hooked::new(move |step| {
                let changes = !matches!(step, Step::Open(_) | Step::Read(_));
                if changes && steps.fetch_add(1, Ordering::SeqCst) + 1 == n {
                    die();
                }
                Ok(())
            });
            live(&dir, &sent, MINUTES);
        })
        .wait();
        assert!(matches!(end, End::Done | End::Signal(libc::SIGKILL)), "step {n}: {end:?}");
        let checked = catch_unwind(AssertUnwindSafe(|| check(&dir, &sent)));
        assert!(checked.is_ok(), "killed before step {n}");
        if end == End::Done {
            println!("{} steps", n - 1);
            assert!(n > 20);
            return;
        }
    }
}

#[test]
fn killed_in_a_transition() {
    alone("transitions::killed_in_a_transition", || killed(if soak() { 1 } else { 2 }));
}
