//! Replays the seeds of the fuzz targets, so that they are tried with every test run.

#[path = "../../fuzz/src/files.rs"]
#[expect(unreachable_pub, reason = "a library for the fuzzer")]
mod targets;

use std::path::{Path, PathBuf};

use ax_storage::bucket::codec::{RowKey, RowMeta, encode_bucket, encode_detail, encode_dist};
use ax_storage::bucket::{
    Bucket, CacheCell, Detail, DetailCell, Dist, DistCell, RateCell, RequestCell, RequestKey, Stat, Table,
};
use ax_storage::event::{Cache, CostSource, Event, NanoUsd, Outcome, RateLimit, Request, Tokens};
use ax_storage::histogram::{CountsBuilder, encode};
use ax_storage::journal::{Reader, Recorder, RecorderOptions, list};
use ax_storage::raw::{Scratch, Segment};
use ax_storage::row::Batch;
use ax_storage::time::{Tier, Timestamp, Zone};

fn seeds(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target)
}

#[test]
fn every_seed_is_read_to_its_end() {
    for (name, run) in [
        ("bucket", targets::bucket as fn(&[u8])),
        ("histogram", targets::histogram),
        ("journal", targets::journal),
        ("segment", targets::segment),
    ] {
        let mut tried = 0;
        for entry in std::fs::read_dir(seeds(name)).expect("seeds are in the repository") {
            let data = std::fs::read(entry.unwrap().path()).unwrap();
            run(&data);
            // Cut and changed seeds reach further than the seeds themselves.
            for at in 0..data.len().min(400) {
                run(&data[..at]);
                let mut changed = data.clone();
                changed[at] ^= 0x81;
                run(&changed);
            }
            tried += 1;
        }
        assert!(tried > 0, "no seeds for {name}");
    }
}

/// Guards that the fuzzer gets behind the checksums: what is not damaged needs no mending, so its checksums are those
/// of the engine, and a segment with a changed or a longer chunk is opened.
#[test]
fn mended_files_are_believed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    for n in ["1", "12", "300"] {
        let seed = |target: &str, name: &str| std::fs::read(seeds(target).join(name)).unwrap();
        let (journal, framed, segment) =
            (seed("journal", n), seed("journal", &format!("frames-{n}")), seed("segment", n));
        assert_eq!(targets::mend::journal(&journal), journal, "{n}");
        assert_eq!(targets::mend::segment(&segment), segment, "{n}");
        std::fs::write(&path, targets::mend::journal(&framed)).unwrap();
        let mut batch = Batch::default();
        let progress = Reader::open(&path).unwrap().read(0, u64::MAX, &mut batch).unwrap();
        assert_eq!((progress.events.to_string().as_str(), progress.damaged), (n, vec![]));

        let store = u128::from_le_bytes(segment[16..32].try_into().unwrap());
        let changes: [fn(&mut Vec<u8>); 2] = [|bytes| bytes[66] ^= 1, |bytes| bytes.insert(66, 1)];
        // The only event has nothing but values that stand in the footer.
        for change in changes.into_iter().filter(|_| n != "1") {
            let mut changed = segment.clone();
            change(&mut changed);
            std::fs::write(&path, targets::mend::segment(&changed)).unwrap();
            let read = Segment::open(&path, store).unwrap().rows(0, &mut Scratch::default(), &mut batch);
            assert!(read.as_ref().err().is_none_or(|e| !e.to_string().contains("checksum")), "{read:?}");
        }
    }
}

fn stat(values: &[u64]) -> Stat {
    let mut stat = Stat::default();
    values.iter().for_each(|&v| stat.add(v));
    stat
}

#[test]
#[ignore = "writes the seeds anew"]
fn write_seeds() {
    let key = |table| RowKey { table, provider: "p", start: Timestamp::from_millis(1_700_000_040_000) };
    let meta = RowMeta {
        end: Timestamp::from_millis(1_700_000_100_000),
        previous: Some(Timestamp::from_millis(1_699_999_980_000)),
    };
    let mut builder = CountsBuilder::default();
    for n in [0_u64, 1, 2, 3, 4, 5, 60] {
        let latencies: Vec<u64> = (0..n).map(|i| 900_000 + i * i * 7919 % 800_000).collect();
        let tokens: Vec<u64> = (0..n).map(|i| 100 + i * 37 % 500).collect();
        let doubled: Vec<u64> = tokens.iter().map(|t| t * 2).collect();
        let counts = builder.build(&latencies);
        let mut bytes = Vec::new();
        encode(&counts, &mut bytes);
        std::fs::write(seeds("histogram").join(format!("{n}")), &bytes).unwrap();

        let mut cell = RequestCell { count: n, unpriced: n / 2, ..RequestCell::default() };
        let priced = &tokens[..(n - n / 2) as usize];
        let none: &[u64] = &[];
        cell.stats = [&latencies, none, &doubled, &tokens, &tokens, none, none, none, none, priced].map(stat);
        (5..9).for_each(|class| cell.stats[class] = stat(&vec![0; n as usize]));
        cell.latency.clone_from(&counts);
        cell.errors = [(3, n / 2), (4, 1)].into();
        let mut bucket = Bucket::default();
        bucket.requests.insert(RequestKey { model: 1, ok: false, service_tier: 9 }, Box::new(cell.clone()));
        cell.errors.clear();
        bucket.requests.insert(RequestKey { model: 1, ok: true, service_tier: 0 }, Box::new(cell.clone()));
        cell.unpriced = n * 3;
        bucket.requests.insert(RequestKey { model: 2, ok: true, service_tier: 0 }, Box::new(cell));
        bucket.caches.insert(5, CacheCell { hits: n, misses: 2, saved_cost: stat(&tokens), saved_tokens: stat(&[]) });
        bucket.rates.insert(6, RateCell { allowed: n, denied: 1, utilization: stat(&[5]), last: Some((7, 5)) });
        let cells = [((1, true), DistCell { tokens: counts.clone(), cost: vec![] })].into();
        let dist = Dist { cells, missing: 0 };
        let number = DetailCell { count: n, errors: 1, unpriced: 0, tokens: [n, 0, 1, 2, 0, 0], cost_nanos: 4500 };
        let mut detail = Detail { cells: [((1, 2), number), ((1, 3), number)].into(), ..Detail::default() };
        detail.latency.insert(4, (stat(&latencies), counts));

        let mut rows = [Vec::new(), Vec::new(), Vec::new()];
        encode_bucket(&bucket, &key(Table::Tier(Tier::Minute)), meta, &mut rows[0]).unwrap();
        encode_dist(&dist, &key(Table::DistHour), meta, &mut rows[1]).unwrap();
        encode_detail(&detail, &key(Table::DetailDay), meta, &mut rows[2]).unwrap();
        for (which, row) in rows.iter().enumerate() {
            let seed = [&[which as u8], &row[5..]].concat();
            std::fs::write(seeds("bucket").join(format!("{which}-{n}")), seed).unwrap();
        }
    }
}

/// Events of every kind, the `i`th a second after the one before.
fn event(i: u64) -> Event<'static> {
    let (provider, model) = (["openai", "claude"][i as usize % 2], ["gpt-4.1", "sonnet", ""][i as usize % 3]);
    match i % 6 {
        0 => {
            Event::Cache(Cache { provider, model, hit: i.is_multiple_of(4), saved_tokens: Some(i), ..Cache::default() })
        }
        1 => Event::RateLimit(RateLimit {
            provider,
            key: "k",
            limit_type: "minute",
            remaining: Some(i),
            limit: Some(100),
            ..RateLimit::default()
        }),
        _ => Event::Request(Request {
            provider,
            model,
            user: ["u", "\u{fc}", ""][i as usize % 3],
            latency: Some(std::time::Duration::from_micros(1000 + i * i * 777)),
            tokens: Tokens { input: i * 3, output: i, ..Tokens::default() },
            cost: (!i.is_multiple_of(5)).then(|| NanoUsd::from_nanos(i * 4500)),
            outcome: if i % 7 == 3 { Outcome::Error("overloaded") } else { Outcome::Ok },
            ..Request::default()
        }),
    }
}

/// The frames of a journal as `mend::journal` takes them: length u16 and payload.
fn frames(journal: &[u8]) -> Vec<u8> {
    let (mut frames, mut at) = (Vec::new(), 4096);
    while let Some(&[low, high]) = journal.get(at..at + 2) {
        let length = usize::from(u16::from_le_bytes([low, high]));
        frames.extend([low, high]);
        frames.extend(&journal[at + 8..at + 8 + length]);
        at += (length + 8).next_multiple_of(64);
    }
    frames
}

#[test]
#[ignore = "writes the seeds anew"]
fn write_file_seeds() {
    let start = Timestamp::from_millis(1_700_000_040_000);
    for n in [1_u64, 12, 300] {
        let folder = tempfile::tempdir().unwrap();
        let store = ax_storage::Store::open_or_create(folder.path(), &Zone::utc(), start).unwrap();
        let recorder = Recorder::open(RecorderOptions::new(folder.path().join("journal"), 7));
        let mut batch = Batch::default();
        for i in 0..n {
            let (event, ts) = (event(i), start.plus_ms(i * 1000));
            recorder.record(&event, ts, CostSource::Recorded);
            batch.push(
                &event,
                ts,
                CostSource::Recorded,
                &if i.is_multiple_of(2) { String::new() } else { format!("id-{i}") },
            );
        }
        let mut bytes = std::fs::read(&list(&folder.path().join("journal")).unwrap()[0]).unwrap();
        // The rest of the file is room for more.
        bytes.truncate((bytes.iter().rposition(|b| *b != 0).unwrap() / 64 + 1) * 64);
        std::fs::write(seeds("journal").join(format!("{n}")), &bytes).unwrap();
        std::fs::write(seeds("journal").join(format!("frames-{n}")), frames(&bytes)).unwrap();
        drop(recorder);

        store.import().add(&mut batch, 1, None).unwrap();
        let days = std::fs::read_dir(folder.path().join("raw")).unwrap();
        let files = days.flat_map(|day| std::fs::read_dir(day.unwrap().path()).unwrap()).map(|f| f.unwrap().path());
        let segment = files.into_iter().find(|f| f.extension().is_some_and(|e| e == "axs")).unwrap();
        std::fs::copy(segment, seeds("segment").join(format!("{n}"))).unwrap();
    }
}
