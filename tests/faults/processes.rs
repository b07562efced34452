//! What an application may do to a recorder beside recording: record in signal handlers and in
//! `atexit`, fork while other threads record, fork again in the child.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use ax_storage::event::{CostSource, Event, NanoUsd, Request};
use ax_storage::journal::{DropReason, JournalKind, Reader, Recorder, RecorderOptions, list};
use ax_storage::row::{Batch, Body};

use crate::scenario::{START, at};
use crate::support::{Child, End, Page, alone, folder, fork, times};

const KINDS: [JournalKind; 2] = [JournalKind::Mapped, JournalKind::Written];
/// A child that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// Bounds what a test writes, however slow its other processes are.
const EVENTS_AN_ALARM: u64 = 300;
const EVENTS_A_THREAD: u64 = 100_000;

/// Signal handlers and `atexit` know nothing but this.
static RECORDER: OnceLock<Recorder> = OnceLock::new();
static HANDLED: AtomicU64 = AtomicU64::new(0);

fn recorder(dir: &Path, kind: JournalKind) -> Recorder {
    Recorder::open(RecorderOptions { kind, file_bytes_max: 128 << 10, ..RecorderOptions::new(dir.to_owned(), 77) })
}

/// Event `n` of a writer.
fn record(recorder: &Recorder, writer: u64, n: u64) {
    let cost = Some(NanoUsd::from_nanos(writer << 32 | n));
    let request = Request { provider: "claude", model: "small", user: "bob", cost, ..Request::default() };
    recorder.record(&Event::Request(request), at(START), CostSource::Recorded);
}

/// The numbers of each writer's events, ascending.
fn read(dir: &Path) -> BTreeMap<u64, Vec<u64>> {
    let mut batch = Batch::default();
    for path in list(dir).unwrap() {
        let progress = Reader::open(&path).unwrap().read(0, u64::MAX, &mut batch).unwrap();
        assert!(progress.finished && progress.damaged.is_empty(), "{path:?} {progress:?}");
    }
    let mut found: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for row in &batch.rows {
        let Body::Request(r) = row.body else { panic!("only requests were recorded") };
        found.entry(r.cost_nanos >> 32).or_default().push(r.cost_nanos & 0xffff_ffff);
    }
    found.values_mut().for_each(|numbers| numbers.sort_unstable());
    found
}

fn all(found: &BTreeMap<u64, Vec<u64>>, writer: u64, events: u64) -> bool {
    found.get(&writer).is_some_and(|numbers| numbers.iter().copied().eq(0..events))
}

extern "C" fn on_alarm(_: libc::c_int) {
    if let Some(recorder) = RECORDER.get() {
        record(recorder, 1, HANDLED.fetch_add(1, Ordering::SeqCst));
    }
}

/// Has the alarm ring this often, 0 = never.
fn ring_every(us: libc::suseconds_t) {
    let every = libc::timeval { tv_sec: 0, tv_usec: us };
    let timer = libc::itimerval { it_interval: every, it_value: every };
    // SAFETY: a pointer to a local.
    assert_eq!(unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut()) }, 0);
}

/// Interrupts a thread that records, at any instruction, by a handler that records: how many events the
/// thread recorded, and how many of all there are.
fn record_under_alarms(dir: &Path, kind: JournalKind, alarms: u64) -> (u64, u64) {
    let recorder = RECORDER.get_or_init(|| recorder(dir, kind));
    // SAFETY: the handler calls nothing but `record`.
    unsafe { libc::signal(libc::SIGALRM, on_alarm as extern "C" fn(libc::c_int) as libc::sighandler_t) };
    ring_every(150);
    let mut recorded = 0;
    loop {
        let handled = HANDLED.load(Ordering::SeqCst);
        if handled >= alarms {
            break;
        }
        // However late the alarms come, so much is written and no more.
        if recorded < EVENTS_AN_ALARM * (handled + 1) {
            record(recorder, 0, recorded);
            recorded += 1;
        }
    }
    ring_every(0);
    let (health, handled) = (recorder.health(), HANDLED.load(Ordering::SeqCst));
    let dropped: u64 = health.dropped.iter().map(|(_, n)| n).sum();
    assert!(health.dropped.iter().all(|(reason, _)| *reason == DropReason::Stalled), "{health:?}");
    assert_eq!(health.recorded + dropped, recorded + handled);
    println!("{kind:?}: {recorded} events, {handled} in handlers, {dropped} of these dropped");
    (recorded, health.recorded)
}

/// The handler gives up when it has interrupted whoever it would have to wait for; the thread never does.
#[test]
fn a_signal_handler_records_whatever_it_interrupts() {
    alone("processes::a_signal_handler_records_whatever_it_interrupts", || {
        for kind in KINDS {
            let (root, page) = (folder(), Page::new());
            let child = fork(|| {
                let (recorded, there) = record_under_alarms(root.path(), kind, times(2_000, 20_000));
                page[0].store(recorded, Ordering::SeqCst);
                page[1].store(there, Ordering::SeqCst);
            });
            assert_eq!(child.wait_at_most(PATIENCE), End::Done, "{kind:?}");
            let found = read(root.path());
            assert!(all(&found, 0, page[0].load(Ordering::SeqCst)), "{kind:?}");
            let there = found.values().map(|numbers| numbers.len() as u64).sum::<u64>();
            assert_eq!(there, page[1].load(Ordering::SeqCst), "{kind:?}");
        }
    });
}

extern "C" fn at_exit() {
    let recorder = RECORDER.get().unwrap();
    (0..1000).for_each(|n| record(recorder, 1, n));
}

/// A recorder in a static is never dropped; what is recorded while the process ends is there all the same.
#[test]
fn events_recorded_at_exit_are_there() {
    alone("processes::events_recorded_at_exit_are_there", || {
        for kind in KINDS {
            let root = folder();
            let child = fork(|| {
                let recorder = RECORDER.get_or_init(|| recorder(root.path(), kind));
                (0..1000).for_each(|n| record(recorder, 0, n));
                // SAFETY: registers a function and ends the process in the usual way.
                unsafe {
                    assert_eq!(libc::atexit(at_exit), 0);
                    libc::exit(0);
                }
            });
            assert_eq!(child.wait_at_most(PATIENCE), End::Done, "{kind:?}");
            let found = read(root.path());
            assert!(all(&found, 0, 1000) && all(&found, 1, 1000), "{kind:?}");
        }
    });
}

/// Records as `writer`, and in a child of its own as the next one.
fn record_and_fork(recorder: &Recorder, writer: u64, deeper: u64) {
    (0..300).for_each(|n| record(recorder, writer, n));
    if deeper > 0 {
        let child = fork(|| record_and_fork(recorder, writer + 1, deeper - 1));
        (300..600).for_each(|n| record(recorder, writer, n));
        assert_eq!(child.wait_at_most(PATIENCE), End::Done);
    } else {
        (300..600).for_each(|n| record(recorder, writer, n));
    }
    // Some leave without a word, some drop what they inherited.
    if writer.is_multiple_of(2) {
        drop(recorder.clone());
    }
}

/// Children, and children of children, of a process in which other threads record meanwhile.
#[test]
fn forked_again_and_again_while_threads_record() {
    const CHILDREN: u64 = 20;
    alone("processes::forked_again_and_again_while_threads_record", || {
        for kind in KINDS {
            let root = folder();
            let recorder = recorder(root.path(), kind);
            let stop = AtomicBool::new(false);
            let recorded: Vec<u64> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..3)
                    .map(|writer| {
                        let (recorder, stop) = (&recorder, &stop);
                        scope.spawn(move || {
                            let mut n = 0;
                            while !stop.load(Ordering::Acquire) {
                                if n < EVENTS_A_THREAD {
                                    record(recorder, writer, n);
                                    n += 1;
                                } else {
                                    std::thread::yield_now();
                                }
                            }
                            n
                        })
                    })
                    .collect();
                for child in 0..CHILDREN {
                    // The child leaves by `_exit`, and allocating in it is safe where this is tested.
                    let child: Child = fork(|| record_and_fork(&recorder, 100 + child * 10, 2));
                    assert_eq!(child.wait_at_most(PATIENCE), End::Done, "{kind:?}");
                }
                stop.store(true, Ordering::Release);
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert_eq!(recorder.health().dropped, []);
            drop(recorder);
            let found = read(root.path());
            (0..3).for_each(|writer| assert!(all(&found, writer as u64, recorded[writer]), "{kind:?} {writer}"));
            for writer in (0..CHILDREN).flat_map(|child| (0..3).map(move |depth| 100 + child * 10 + depth)) {
                assert!(all(&found, writer, 600), "{kind:?} {writer}");
            }
        }
    });
}
