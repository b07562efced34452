//! One suite for both ways of writing: what goes in comes out, whatever happens in between.

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::clock::ManualClock;
use crate::event::{Cache, LATENCY_US_MAX, RateLimit};
use crate::journal::names::USERS_MAX;
use crate::journal::{JournalKind, Progress, Reader, list};
use crate::row::{Batch, Body};
use crate::time::DAY_MS;

const KINDS: [JournalKind; 2] = [JournalKind::Mapped, JournalKind::Written];
const NOW: u64 = 1_700_000_000_000;

fn ts(ms: u64) -> Timestamp {
    Timestamp::from_millis(NOW + ms)
}

fn options(dir: &Path, kind: JournalKind) -> RecorderOptions {
    RecorderOptions { kind, ..RecorderOptions::new(dir.join("journal"), 77) }
}

/// Everything in a store's journals, and whether each file was finished.
fn read_all(dir: &Path) -> (Batch, Vec<Progress>) {
    let mut batch = Batch::default();
    let progress = list(&dir.join("journal"))
        .unwrap()
        .iter()
        .map(|path| {
            let mut reader = Reader::open(path).unwrap();
            assert!(reader.belongs_to(77));
            let progress = reader.read(0, u64::MAX, &mut batch).unwrap();
            assert!(progress.damaged.is_empty() && progress.gaps.is_empty(), "{progress:?}");
            progress
        })
        .collect();
    (batch, progress)
}

fn request(cost: u64) -> Request<'static> {
    Request {
        provider: "claude",
        model: "sonnet",
        user: "alice",
        latency: Some(Duration::from_micros(850_000)),
        tokens: Tokens { input: 1200, output: 300, ..Tokens::default() },
        cost: Some(NanoUsd::from_nanos(cost)),
        ..Request::default()
    }
}

/// Costs of all requests, sorted: events have no order.
fn costs(batch: &Batch) -> Vec<u64> {
    let cost = |row: &crate::row::Row| match row.body {
        Body::Request(r) => r.cost_nanos,
        _ => panic!("only requests"),
    };
    let mut costs: Vec<u64> = batch.rows.iter().map(cost).collect();
    costs.sort_unstable();
    costs
}

#[test]
fn space_made_beside_recording_threads_covers_no_event() {
    const EACH: u64 = 100_000;
    let dir = tempfile::tempdir().unwrap();
    let recorder = Recorder::open(options(dir.path(), JournalKind::Mapped));
    std::thread::scope(|scope| {
        for thread in 0..4u64 {
            let series = recorder.series("openai", "gpt", "u");
            let each = move |i| Duration::from_micros(thread * EACH + i);
            let record = move |i| {
                let m = Measurement { latency: Some(each(i)), ..Measurement::default() };
                series.record(&m, ts(0), CostSource::Recorded);
            };
            scope.spawn(move || (0..EACH).for_each(record));
        }
    });
    assert_eq!((recorder.health().recorded, recorder.health().dropped), (4 * EACH, vec![]));
    drop(recorder);
    let (batch, progress) = read_all(dir.path());
    assert!(progress.iter().all(|p| p.damaged.is_empty() && p.gaps.is_empty()), "{progress:?}");
    let latency = |row: &crate::row::Row| match &row.body {
        Body::Request(r) => r.latency_us.get().unwrap(),
        _ => panic!("only requests"),
    };
    let mut all: Vec<u64> = batch.rows.iter().map(latency).collect();
    all.sort_unstable();
    assert!(all.into_iter().eq(0..4 * EACH));
}

#[test]
fn events_come_back_in_a_finished_file() {
    for kind in KINDS {
        let dir = tempfile::tempdir().unwrap();
        let recorder = Recorder::open(options(dir.path(), kind));
        recorder.record(&Event::Request(request(5)), ts(1), CostSource::Recorded);
        assert!(Reader::open(&list(&dir.path().join("journal")).unwrap()[0]).unwrap().is_live().unwrap());
        assert_eq!(recorder.health(), RecorderHealth { recorded: 1, ..RecorderHealth::default() });
        recorder.flush().unwrap();
        drop(recorder);
        let (batch, progress) = read_all(dir.path());
        assert!(progress.len() == 1 && progress[0].finished, "{progress:?}");
        assert_eq!(batch.rows.len(), 1);
        let row = batch.rows[0];
        assert_eq!((batch.names.get(row.provider), batch.names.get(row.user)), ("claude", "alice"));
        let size = list(&dir.path().join("journal")).unwrap()[0].metadata().unwrap().len();
        assert_eq!(size, progress[0].next, "the space behind the last frame was given back");
    }
}

#[test]
fn a_recorder_without_events_leaves_nothing_behind() {
    for kind in KINDS {
        let dir = tempfile::tempdir().unwrap();
        drop(Recorder::open(options(dir.path(), kind)));
        assert_eq!(std::fs::read_dir(dir.path().join("journal")).unwrap().count(), 0);
    }
}

#[test]
fn threads_and_handles_lose_nothing_while_small_files_roll() {
    for kind in KINDS {
        let dir = tempfile::tempdir().unwrap();
        let options = RecorderOptions { file_bytes_max: 32 << 10, ..options(dir.path(), kind) };
        let recorder = Recorder::open(options);
        const EACH: u64 = 5000;
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let recorder = recorder.clone();
                scope.spawn(move || {
                    let user = format!("user{thread}");
                    let series = recorder.series("openai", "gpt", &user);
                    for i in 0..EACH {
                        let cost = thread * EACH + i;
                        match i % 3 {
                            0 => recorder.record(&Event::Request(request(cost)), ts(i), CostSource::Recorded),
                            _ => {
                                let cost = Some(NanoUsd::from_nanos(cost));
                                let outcome = if i % 50 == 0 { Outcome::Error("timeout") } else { Outcome::Ok };
                                let m = Measurement { cost, outcome, ..Measurement::default() };
                                series.record(&m, ts(i), CostSource::Computed);
                            }
                        }
                    }
                });
            }
        });
        assert_eq!(recorder.health().recorded, 4 * EACH);
        assert!(recorder.health().dropped.is_empty(), "{:?}", recorder.health());
        recorder.flush().unwrap();
        drop(recorder);
        let (batch, progress) = read_all(dir.path());
        assert!(progress.len() > 30 && progress.iter().all(|p| p.finished), "{}", progress.len());
        assert_eq!(costs(&batch), (0..4 * EACH).collect::<Vec<_>>());
        let errors = batch.rows.iter().filter(|r| matches!(r.body, Body::Request(r) if r.error != 0)).count();
        assert_eq!(errors, batch.rows.iter().filter(|r| matches!(r.body, Body::Request(r) if !r.ok)).count());
        assert!(errors > 100);
    }
}

#[test]
fn a_reader_beside_recorders_sees_each_event_once() {
    for kind in KINDS {
        let dir = tempfile::tempdir().unwrap();
        let recorder = Recorder::open(RecorderOptions { file_bytes_max: 64 << 10, ..options(dir.path(), kind) });
        let journal = dir.path().join("journal");
        let mut seen = Batch::default();
        let mut offsets = std::collections::HashMap::new();
        let mut pass = |seen: &mut Batch| {
            let mut finished = true;
            for path in list(&journal).unwrap() {
                let mut reader = Reader::open(&path).unwrap();
                let from = offsets.entry(reader.id()).or_insert(0);
                let progress = reader.read(*from, 1000, seen).unwrap();
                assert!(progress.damaged.is_empty() && progress.gaps.is_empty(), "{progress:?}");
                *from = progress.next;
                finished &= progress.finished;
            }
            finished
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..2)
                .map(|thread| {
                    let recorder = recorder.clone();
                    scope.spawn(move || {
                        for i in 0..10_000 {
                            recorder.record(&Event::Request(request(thread * 10_000 + i)), ts(i), CostSource::Recorded);
                        }
                    })
                })
                .collect();
            while threads.iter().any(|t| !t.is_finished()) {
                pass(&mut seen);
            }
        });
        drop(recorder);
        while !pass(&mut seen) {}
        assert_eq!(costs(&seen), (0..20_000).collect::<Vec<_>>());
    }
}

#[test]
fn what_breaks_a_rule_is_dropped_and_counted_in_the_header() {
    for kind in KINDS {
        let dir = tempfile::tempdir().unwrap();
        let recorder = Recorder::open(options(dir.path(), kind));
        let long = "x".repeat(257);
        let bad = [
            Request { provider: "", ..request(1) },
            Request { user: &long, ..request(1) },
            Request { service_tier: &long, ..request(1) },
            Request { outcome: Outcome::Error(&long), ..request(1) },
            Request { latency: Some(Duration::from_secs(8 * 24 * 3600)), ..request(1) },
            Request { ttft: Some(Duration::MAX), ..request(1) },
            Request { tokens: Tokens { input: 1, cached: 2, ..Tokens::default() }, ..request(1) },
            Request { cost: Some(NanoUsd::from_nanos(u64::MAX)), ..request(1) },
        ];
        for request in bad {
            assert!(Event::Request(request).check().is_err());
            recorder.record(&Event::Request(request), ts(0), CostSource::Recorded);
        }
        recorder.series("", "m", "u").record(&Measurement::default(), ts(0), CostSource::Recorded);
        recorder.drop_events(DropReason::Clock, 1);
        recorder.record(&Event::Request(request(1)), ts(0), CostSource::Recorded);
        assert_eq!(recorder.health().dropped, [(DropReason::Invalid, 9), (DropReason::Clock, 1)]);
        drop(recorder);
        let reader = Reader::open(&list(&dir.path().join("journal")).unwrap()[0]).unwrap();
        let drops: Vec<_> = reader.drops().unwrap().into_iter().filter(|&(_, n)| n != Some(0)).collect();
        assert_eq!(drops, [(DropReason::Invalid, Some(9)), (DropReason::Clock, Some(1))]);
        assert_eq!(read_all(dir.path()).0.rows.len(), 1);
    }
}

#[test]
fn files_end_after_their_time() {
    for kind in KINDS {
        let dir = tempfile::tempdir().unwrap();
        // A quarter of a second before midnight.
        let midnight = NOW / DAY_MS * DAY_MS + DAY_MS;
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(midnight - 250)));
        let recorder = Recorder::open(RecorderOptions { clock: clock.clone(), ..options(dir.path(), kind) });
        recorder.record(&Event::Request(request(1)), ts(0), CostSource::Recorded);
        clock.set(Timestamp::from_millis(midnight + 100));
        std::thread::sleep(Duration::from_millis(400));
        recorder.record(&Event::Request(request(2)), ts(0), CostSource::Recorded);
        drop(recorder);
        let (batch, progress) = read_all(dir.path());
        assert_eq!((progress.len(), costs(&batch)), (2, vec![1, 2]));
        let names = list(&dir.path().join("journal")).unwrap();
        let day = |i: usize| names[i].file_name().unwrap().to_str().unwrap()[..10].to_owned();
        assert_eq!((day(0), day(1)), ("2023-11-14".to_owned(), "2023-11-15".to_owned()));
    }
}

#[test]
fn more_names_than_numbers_are_kept_all_the_same() {
    for kind in KINDS {
        let dir = tempfile::tempdir().unwrap();
        let recorder = Recorder::open(options(dir.path(), kind));
        let users = u64::from(USERS_MAX) + 1000;
        for i in 0..users {
            let user = format!("user{i}");
            let outcome = if i % 2 == 0 { Outcome::Error(&user) } else { Outcome::Ok };
            let request = Request { user: &user, outcome, ..request(i) };
            recorder.record(&Event::Request(request), ts(0), CostSource::Recorded);
        }
        assert_eq!(recorder.health().recorded, users);
        drop(recorder);
        let (batch, _) = read_all(dir.path());
        assert_eq!(batch.rows.len() as u64, users);
        for row in &batch.rows {
            let Body::Request(r) = row.body else { panic!() };
            assert_eq!(batch.names.get(row.user), format!("user{}", r.cost_nanos));
            assert_eq!(batch.names.get(r.error), if r.ok { "" } else { batch.names.get(row.user) });
        }
    }
}

#[test]
fn a_medium_that_refuses_is_tried_again() {
    for kind in KINDS {
        let dir = tempfile::tempdir().unwrap();
        // A file where the directory should be: works for root too, unlike permissions.
        std::fs::write(dir.path().join("journal"), "").unwrap();
        let recorder = Recorder::open(options(dir.path(), kind));
        recorder.record(&Event::Request(request(1)), ts(0), CostSource::Recorded);
        let health = recorder.health();
        assert_eq!(health.recorded, 0);
        assert_eq!(health.dropped.iter().map(|d| d.1).sum::<u64>(), 1);
        std::fs::remove_file(dir.path().join("journal")).unwrap();
        let mut tries = 0;
        while recorder.health().recorded == 0 {
            std::thread::sleep(Duration::from_millis(20));
            recorder.record(&Event::Request(request(2)), ts(0), CostSource::Recorded);
            tries += 1;
            assert!(tries < 200, "{:?}", recorder.health());
        }
        recorder.flush().unwrap();
        let dropped: u64 = recorder.health().dropped.iter().map(|d| d.1).sum();
        drop(recorder);
        let (batch, _) = read_all(dir.path());
        assert_eq!(costs(&batch), [2]);
        let reader = Reader::open(&list(&dir.path().join("journal")).unwrap()[0]).unwrap();
        let noted: u64 = reader.drops().unwrap().iter().filter_map(|d| d.1).sum();
        assert_eq!(noted, dropped, "the file has what was dropped before it");
    }
}

/// Any event that is accepted, with numbers of every size.
fn any_event() -> impl Strategy<Value = (u8, [u64; 9], [u8; 9], String)> {
    let number = prop_oneof![Just(0), 0u64..5, 0u64..1 << 32, (1u64 << 32) - 1..(1 << 32) + 2, 0..1u64 << 38];
    (0u8..6, proptest::array::uniform9(number), any::<[u8; 9]>(), "[a-z\u{1b}é]{0,80}")
}

/// The same event as the recorder takes it, handed to `each`.
fn with_event((kind, n, flags, name): &(u8, [u64; 9], [u8; 9], String), each: &mut dyn FnMut(&Event<'_>)) {
    let option = |i: usize| (flags[i] & 1 == 1).then_some(n[i]);
    let text = |i: usize| if flags[i] & 2 == 2 { name.as_str() } else { "" };
    let micros = |i: usize| option(i).map(|n| Duration::from_micros(n.min(LATENCY_US_MAX)));
    let event = match kind {
        0 => Event::Cache(Cache {
            provider: text(0),
            model: text(1),
            user: text(2),
            hit: flags[3] & 1 == 1,
            saved_cost: option(3).map(NanoUsd::from_nanos),
            saved_tokens: option(4),
            key: text(5),
            ttl_s: option(6),
            ts: None,
        }),
        1 => Event::RateLimit(RateLimit {
            provider: text(0),
            model: text(1),
            user: text(2),
            allowed: flags[3] & 1 == 1,
            key: text(3),
            limit_type: text(4),
            remaining: option(5),
            limit: option(6),
            ts: None,
        }),
        _ => {
            let cache_write = n[2];
            let hour = if flags[5] & 3 == 0 { n[3].min(cache_write) } else { u64::from(flags[5] & 1) * cache_write };
            Event::Request(Request {
                provider: "p",
                model: text(0),
                user: text(1),
                latency: micros(0),
                ttft: micros(1),
                tokens: Tokens {
                    input: n[4] + n[5] + cache_write,
                    cached: n[5],
                    cache_write,
                    cache_write_1h: hour,
                    output: n[6] + n[7],
                    reasoning: n[7],
                },
                cost: option(8).map(NanoUsd::from_nanos),
                outcome: if flags[6] & 1 == 1 { Outcome::Error(text(7)) } else { Outcome::Ok },
                service_tier: text(8),
                ts: None,
            })
        }
    };
    each(&event);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn every_event_comes_back_as_it_was(events in prop::collection::vec((any_event(), 0u64..1 << 40), 1..60)) {
        for kind in KINDS {
            let dir = tempfile::tempdir().unwrap();
            let recorder = Recorder::open(RecorderOptions { file_bytes_max: 16 << 10, ..options(dir.path(), kind) });
            let mut expected = Batch::default();
            for (event, at) in &events {
                with_event(event, &mut |event| {
                    assert_eq!(event.check(), Ok(()));
                    recorder.record(event, Timestamp::from_millis(*at), CostSource::Computed);
                    expected.push(event, Timestamp::from_millis(*at), CostSource::Computed, "");
                });
            }
            prop_assert!(recorder.health().dropped.is_empty());
            drop(recorder);
            let (found, _) = read_all(dir.path());
            prop_assert_eq!(readable(&found), readable(&expected));
        }
    }
}

/// Rows with their names instead of ids.
fn readable(batch: &Batch) -> Vec<String> {
    let name = |id: u32| batch.names.get(id).to_owned();
    let line = |row: &crate::row::Row| {
        let names = match row.body {
            Body::Request(r) => (name(r.error), name(r.service_tier)),
            Body::Cache(c) => (name(c.key), String::new()),
            Body::Rate(r) => (name(r.key), name(r.limit_type)),
        };
        let mut row = *row;
        let who = (name(row.provider), name(row.model), name(row.user));
        (row.provider, row.model, row.user) = (0, 0, 0);
        match &mut row.body {
            Body::Request(r) => (r.error, r.service_tier) = (0, 0),
            Body::Cache(c) => c.key = 0,
            Body::Rate(r) => (r.key, r.limit_type) = (0, 0),
        }
        format!("{who:?} {names:?} {row:?}")
    };
    batch.rows.iter().map(line).collect()
}
