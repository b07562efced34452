//! Journals that somebody cuts, removes or replaces under a running recorder.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ax_storage::Store;
use ax_storage::event::{CostSource, Event, NanoUsd, Request};
use ax_storage::journal::{Chore, DropReason, JournalKind, Reader, Recorder, RecorderOptions, list};
use ax_storage::query::plan::Plan;
use ax_storage::row::{Batch, Body};
use ax_storage::time::{DAY_MS, TimeRange, Timestamp, Zone};

use crate::support::{End, alone, folder, fork};

const NOW: Timestamp = Timestamp::from_millis(1_762_768_800_000);
const KINDS: [JournalKind; 2] = [JournalKind::Mapped, JournalKind::Written];

/// A recorder into `store/journal` whose helper looks often.
fn recorder(store: &Path, kind: JournalKind) -> Recorder {
    let chore = Chore { every: Duration::from_millis(5), work: Box::new(|| ()) };
    let options = RecorderOptions::new(store.join("journal"), 7);
    Recorder::open(RecorderOptions { kind, chore: Some(Arc::new(chore)), ..options })
}

/// Event `n`, told apart by its cost.
fn record(recorder: &Recorder, n: u64) {
    let request = Request { provider: "a", model: "m", cost: Some(NanoUsd::from_nanos(n)), ..Request::default() };
    recorder.record(&Event::Request(request), NOW, CostSource::Recorded);
}

/// The numbers of the events in journals that can be read.
fn found(store: &Path) -> Vec<u64> {
    let mut batch = Batch::default();
    for path in list(&store.join("journal")).unwrap() {
        if let Ok(mut journal) = Reader::open(&path) {
            // A file that was cut lacks the names of what came after.
            journal.read(0, u64::MAX, &mut batch).unwrap();
        }
    }
    let number = |row: &ax_storage::row::Row| match row.body {
        Body::Request(r) => r.cost_nanos,
        _ => panic!("only requests were recorded"),
    };
    batch.rows.iter().map(number).collect()
}

fn only_journal(store: &Path) -> PathBuf {
    list(&store.join("journal")).unwrap().pop().unwrap()
}

/// Records until a journal that was not in the way before takes events: the number of the next one.
fn goes_on(recorder: &Recorder, store: &Path, harmed: &Path) -> u64 {
    for n in 100..10_000 {
        record(recorder, n);
        if list(&store.join("journal")).unwrap().iter().any(|path| path != harmed) {
            return n + 1;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("the recorder noticed nothing: {:?}", recorder.health());
}

/// What `harm` does to a journal is noticed, and what comes then is kept.
fn survives(kind: JournalKind, harm: impl Fn(&Path)) {
    let root = folder();
    let store = root.path().join("store");
    let recorder = recorder(&store, kind);
    (0..100).for_each(|n| record(&recorder, n));
    let harmed = only_journal(&store);
    harm(&harmed);
    let next = goes_on(&recorder, &store, &harmed);
    (next..next + 1000).for_each(|n| record(&recorder, n));
    assert_eq!(recorder.health().dropped, []);
    drop(recorder);
    let kept = found(&store);
    let of_later = (next..next + 1000).filter(|n| kept.contains(n)).count();
    assert_eq!(of_later, 1000, "{kind:?}");
}

#[test]
fn a_journal_that_is_removed_is_noticed_and_recording_goes_on_in_a_new_one() {
    alone("journals::a_journal_that_is_removed_is_noticed_and_recording_goes_on_in_a_new_one", || {
        for kind in KINDS {
            survives(kind, |path| fs::remove_file(path).unwrap());
            survives(kind, |path| fs::remove_dir_all(path.parent().unwrap()).unwrap());
        }
    });
}

#[test]
fn a_file_in_place_of_a_journal_is_left_alone() {
    alone("journals::a_file_in_place_of_a_journal_is_left_alone", || {
        for kind in KINDS {
            survives(kind, |path| {
                fs::remove_file(path).unwrap();
                fs::write(path, "theirs").unwrap();
            });
        }
    });
}

#[test]
fn a_written_journal_survives_being_cut() {
    alone("journals::a_written_journal_survives_being_cut", || {
        let cut = |path: &Path, keep| fs::File::options().write(true).open(path).unwrap().set_len(keep).unwrap();
        for keep in [0, 100, 4096] {
            survives(JournalKind::Written, |path| cut(path, keep));
        }
        // Behind the names it is a gap, and what comes then stays where it is.
        let root = folder();
        let store = root.path().join("store");
        let recorder = recorder(&store, JournalKind::Written);
        (0..100).for_each(|n| record(&recorder, n));
        cut(&only_journal(&store), 5000);
        (100..200).for_each(|n| record(&recorder, n));
        assert_eq!(recorder.health().dropped, []);
        drop(recorder);
        assert!(found(&store).ends_with(&(100..200).collect::<Vec<_>>()), "{:?}", found(&store));
    });
}

/// Nothing else can be done about it; the documents of [`JournalKind`] say so.
#[test]
fn a_mapped_journal_that_is_cut_ends_the_process() {
    alone("journals::a_mapped_journal_that_is_cut_ends_the_process", || {
        let root = folder();
        let store = root.path().join("store");
        let end = fork(|| {
            let recorder = recorder(&store, JournalKind::Mapped);
            record(&recorder, 0);
            fs::File::options().write(true).open(only_journal(&store)).unwrap().set_len(0).unwrap();
            (0..100_000).for_each(|n| record(&recorder, n));
        })
        .wait();
        assert_eq!(end, End::Signal(libc::SIGBUS));
    });
}

/// A journal without the store's identity would be nobody's.
#[test]
fn a_store_that_is_removed_under_a_recorder_is_not_begun_anew() {
    alone("journals::a_store_that_is_removed_under_a_recorder_is_not_begun_anew", || {
        for kind in KINDS {
            let root = folder();
            let store = root.path().join("store");
            let recorder = recorder(&store, kind);
            record(&recorder, 0);
            fs::remove_dir_all(&store).unwrap();
            let dropped = || recorder.health().dropped;
            for n in 1..10_000 {
                record(&recorder, n);
                if !dropped().is_empty() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            assert_eq!(dropped().first().map(|d| d.0), Some(DropReason::Io), "{kind:?}");
            drop(recorder);
            assert!(!store.exists(), "{kind:?}");
        }
    });
}

/// What is recorded from then on is of the store that is there, and no answer has to do with the other.
#[test]
fn a_store_that_is_made_anew_under_a_recorder_gets_what_it_records_from_then_on() {
    alone("journals::a_store_that_is_made_anew_under_a_recorder_gets_what_it_records_from_then_on", || {
        for kind in KINDS {
            let root = folder();
            let dir = root.path().join("store");
            let make = || Store::open_or_create(&dir, &Zone::utc(), NOW).unwrap();
            let chore = Chore { every: Duration::from_millis(5), work: Box::new(|| ()) };
            let options = RecorderOptions::new(dir.join("journal"), make().uuid());
            let recorder = Recorder::open(RecorderOptions { kind, chore: Some(Arc::new(chore)), ..options });
            record(&recorder, 0);
            fs::remove_dir_all(&dir).unwrap();
            let store = make();
            let next = goes_on(&recorder, &dir, Path::new(""));
            (next..next + 10).for_each(|n| record(&recorder, n));
            drop(recorder);
            let recorded = found(&dir).len() as u64;
            let report = store.tick(NOW.plus_ms(DAY_MS)).unwrap();
            assert_eq!((report.problems, report.events), (vec![], recorded), "{kind:?}");
            assert!(recorded >= 10, "{kind:?}");
            let series = store.run(&Plan::new(TimeRange::ALL, Zone::utc())).unwrap();
            assert_eq!((series.all.counts.requests, series.missing), (recorded, vec![]), "{kind:?}");
            assert_eq!(store.verify(&mut |_| ()).unwrap().problems, [], "{kind:?}");
        }
    });
}

/// Files that are made belong to us alone, and are where they seem to be.
#[test]
fn a_journal_folder_that_is_a_symlink_gets_nothing() {
    alone("journals::a_journal_folder_that_is_a_symlink_gets_nothing", || {
        for kind in KINDS {
            let root = folder();
            let (store, elsewhere) = (root.path().join("store"), root.path().join("elsewhere"));
            fs::create_dir(&store).unwrap();
            fs::create_dir(&elsewhere).unwrap();
            std::os::unix::fs::symlink(&elsewhere, store.join("journal")).unwrap();
            let recorder = recorder(&store, kind);
            record(&recorder, 0);
            assert_eq!(recorder.health().dropped, [(DropReason::Io, 1)], "{kind:?}");
            drop(recorder);
            assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
        }
    });
}
