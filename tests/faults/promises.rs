//! Steps that are refused at a moment when the answer matters: what is said has to be what will be there.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use ax_storage::Store;
use ax_storage::clock::ManualClock;
use ax_storage::event::{CostSource, Event};
use ax_storage::fs::Step;
use ax_storage::journal::{JournalKind, Recorder, RecorderOptions, list};
use ax_storage::table::Table;
use ax_storage::tier::db::DbError;
use ax_storage::time::{HOUR_MS, MINUTE_MS, Zone};

use crate::scenario::{START, at, request};
use crate::support::{Hooked, alone, folder};

const NOTES: Table<String> = Table::new("notes");

/// Guards against a `flush` that says yes because the system has forgotten what it could not write: after
/// the refusal it stays an error, until the events are in a segment.
fn flush_after_a_refusal(kind: JournalKind) {
    let root = folder();
    let store = Store::open_or_create(root.path(), &Zone::utc(), at(START)).unwrap();
    let recorder = Recorder::open(RecorderOptions {
        kind,
        file_bytes_max: 16 << 10,
        clock: Arc::new(ManualClock::at(at(START))),
        ..RecorderOptions::new(store.paths().journal_dir(), store.uuid())
    });
    let record = |from: u64, count: u64| {
        (from..from + count)
            .for_each(|n| recorder.record(&Event::Request(request(n)), at(START), CostSource::Recorded));
    };
    record(0, 10);
    recorder.flush().unwrap();
    record(10, 10);
    let once = AtomicBool::new(true);
    let hooked = Hooked::new(move |step| match step {
        Step::Sync(_) if once.swap(false, Ordering::SeqCst) => Err(io::Error::from_raw_os_error(libc::EIO)),
        _ => Ok(()),
    });
    assert!(recorder.flush().is_err());
    let error = recorder.flush().unwrap_err().to_string();
    assert!(error.contains("could not write all of") && error.contains(".axj"), "{error}");
    drop(hooked);
    // The file is full and finished in the course of this; another follows.
    record(20, 300);
    assert!(recorder.flush().is_err(), "what was recorded before is as lost as it was");
    let refused = error.split_whitespace().find(|word| word.ends_with(".axj")).unwrap();
    let there = || list(&store.paths().journal_dir()).unwrap().iter().any(|path| path.ends_with(refused));
    // Who prepares space for a mapped journal lets go of a finished file in its own time.
    for minute in (0..1000).take_while(|_| there()) {
        store.tick(at(START + 3 * HOUR_MS + minute * MINUTE_MS)).unwrap();
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(!there());
    recorder.flush().unwrap();
}

#[test]
fn flush_stays_an_error_for_what_the_medium_refused() {
    alone("promises::flush_stays_an_error_for_what_the_medium_refused", || {
        flush_after_a_refusal(JournalKind::Written);
        flush_after_a_refusal(JournalKind::Mapped);
    });
}

/// Guards against an error about something that holds: a file that cannot be closed after the commit.
#[test]
fn what_is_committed_is_no_error() {
    alone("promises::what_is_committed_is_no_error", || {
        let root = folder();
        let store = Store::open_or_create(root.path(), &Zone::utc(), at(START)).unwrap();
        let put = |n: u64| store.write_tables::<_, DbError>(|t| t.put(&NOTES, "x", n, &"y".to_owned()));
        put(0).unwrap();
        // Refuses the steps from `first` on: how many there were, and whether it was said to be done.
        let refused_from = |first: u64, n: u64| {
            let steps = Arc::new(AtomicU64::new(0));
            let seen = Arc::clone(&steps);
            let _hooked = Hooked::new(move |_| match seen.fetch_add(1, Ordering::SeqCst) >= first {
                true => Err(io::Error::from_raw_os_error(libc::EIO)),
                false => Ok(()),
            });
            let done = put(n).is_ok();
            (steps.load(Ordering::SeqCst), done)
        };
        let (all, done) = refused_from(u64::MAX, 1);
        assert!(done && all > 5, "{all}");
        assert!(refused_from(all - 1, 2).1, "the last step only closes the file");
        for first in 0..=all {
            let n = 100 + first;
            let (_, done) = refused_from(first, n);
            let there = store.read_tables::<_, DbError>(|t| t.get(&NOTES, "x", n)).unwrap().is_some();
            assert!(there || !done, "refused from step {first}: said to be done, and not there");
        }
    });
}
