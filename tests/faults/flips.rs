//! One bit wrong anywhere in a store: an answer is right, says what is missing, or is an error.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ax_storage::Store;
use ax_storage::bucket::Measure;
use ax_storage::clock::ManualClock;
use ax_storage::event::{CostSource, Event};
use ax_storage::journal::{JournalKind, Recorder, RecorderOptions};
use ax_storage::query::plan::{Filter, Kinds, Label, Plan, Quantiles};
use ax_storage::row::Batch;
use ax_storage::time::{DAY_MS, HOUR_MS, TimeRange, Zone};

use crate::scenario::{START, at, request};
use crate::support::{End, Page, Random, alone, copy, folder, fork, soak};

/// A store with everything in it: sealed days, a journal that is rolled up, one that is not.
pub(crate) fn small_store(dir: &Path) -> Store {
    let store = Store::open_or_create(dir, &Zone::utc(), at(START - 3 * DAY_MS)).unwrap();
    let mut batch = Batch::default();
    for n in 0..120 {
        let ts = at(START - 3 * DAY_MS + n * 2_000_000);
        batch.push(&Event::Request(request(n)), ts, CostSource::Recorded, "");
    }
    store.import().add(&mut batch, 1, None).unwrap();
    store.tick(at(START)).unwrap();
    for (number, ticks) in [(0, true), (1, false)] {
        let start = START + number * HOUR_MS;
        let recorder = Recorder::open(RecorderOptions {
            kind: JournalKind::Written,
            file_bytes_max: 16 << 10,
            clock: Arc::new(ManualClock::at(at(start))),
            ..RecorderOptions::new(store.paths().journal_dir(), store.uuid())
        });
        for n in 0..30 {
            let ts = at(start + n * 100_000);
            recorder.record(&Event::Request(request(1000 + number * 100 + n)), ts, CostSource::Recorded);
        }
        drop(recorder);
        if ticks {
            store.tick(at(start + 55 * 60_000)).unwrap();
        }
    }
    store
}

/// Several questions, answered from different files.
fn questions() -> Vec<Plan> {
    let all = Plan { kinds: Kinds::REQUESTS, ..Plan::new(TimeRange::ALL, Zone::utc()) };
    let quantile = |of| Some(Quantiles { of, ppm: vec![500_000, 950_000] });
    let odd = TimeRange::new(at(START - 2 * DAY_MS + 12_345), at(START + 4_000_123));
    vec![
        Plan { measures: vec![Measure::Cost, Measure::Tokens], ..all.clone() },
        Plan { quantiles: quantile(Measure::Latency), ..all.clone() },
        Plan { group: vec![Label::Provider, Label::Model], measures: vec![Measure::Cost], ..all.clone() },
        Plan { group: vec![Label::User], measures: vec![Measure::Cost], sums_only: true, ..all.clone() },
        Plan { quantiles: quantile(Measure::Cost), ..all.clone() },
        Plan { range: odd, filter: Filter::In(Label::User, vec!["alice".into()]), ..all },
    ]
}

/// The answers in words; what is missing is in them too.
fn answers(store: &Store) -> Vec<Answer> {
    let ask = |plan: &Plan| {
        store.run(plan).map(|mut series| {
            series.groups.sort_by(|a, b| a.labels.cmp(&b.labels));
            let groups: Vec<_> = series.groups.iter().map(|g| (&g.labels, &g.total)).collect();
            (format!("{:?} {groups:?}", series.all), series.missing)
        })
    };
    let mut answers: Vec<_> = questions().iter().map(|plan| ask(plan).map_err(|e| e.to_string())).collect();
    let mut listed = Vec::new();
    let summary = store.events(TimeRange::ALL, &Filter::All, usize::MAX, &mut |names, row| {
        listed.push(format!("{} {} {:?}", row.ts.millis(), names.get(row.provider), row.body));
        ControlFlow::Continue(())
    });
    listed.sort();
    answers.push(summary.map(|s| (format!("{} {listed:?}", s.matched), s.missing)).map_err(|e| e.to_string()));
    answers
}

type Answer = Result<(String, Vec<String>), String>;

/// Files of a store with the places to harm in them: headers whole, of the rest one in `stride`.
fn places(dir: &Path, stride: u64, random: &mut Random) -> Vec<(PathBuf, u64)> {
    let (mut places, mut folders) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            let head = match path.extension().and_then(|e| e.to_str()) {
                Some("axj") => 256,
                Some("axs") => 64,
                Some("redb") => 320,
                _ => bytes.len(),
            };
            for (page, content) in bytes.chunks(4096).enumerate() {
                // Pages that nothing was ever written to are all alike.
                let rate = if content.iter().all(|b| *b == 0) { stride * 200 } else { stride };
                for byte in 0..content.len() {
                    if page * 4096 + byte < head || random.below(rate) == 0 {
                        places.push((path.clone(), (page * 4096 + byte) as u64));
                    }
                }
            }
        }
    }
    places.sort();
    places
}

fn flip(path: &Path, at: u64, bit: u8) {
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1 << bit], at).unwrap();
}

/// What is wrong with the answers of a harmed store.
fn judge(dir: &Path, right: &[Answer]) -> Vec<String> {
    let asked = catch_unwind(AssertUnwindSafe(|| Store::open(dir).map(|store| answers(&store))));
    let given = match asked {
        Err(_) => return vec!["a panic".into()],
        Ok(Err(refused)) if refused.to_string().contains("store") => return Vec::new(),
        Ok(Err(refused)) => return vec![format!("an error that names nothing: {refused}")],
        Ok(Ok(given)) => given,
    };
    let wrong = |(n, (given, right)): (usize, (&Answer, &Answer))| match (given, right) {
        (Err(error), _) => (!error.contains("store") && !error.contains("monitor.redb"))
            .then(|| format!("question {n}: which file? {error}")),
        (Ok((_, missing)), _) if !missing.is_empty() => None,
        (Ok((given, _)), Ok((right, _))) => (given != right).then(|| format!("question {n}: {given}")),
        _ => None,
    };
    given.iter().zip(right).enumerate().filter_map(wrong).collect()
}

/// Stores that are harmed at the same time, each by a process of its own.
const LANES: u64 = 2;
/// Bits flipped by a child before the next one takes over: what a wrong answer leaves behind in a
/// process is not to mend or spoil many others.
const BITS_A_CHILD: usize = 500;

/// One bit of a store.
struct Place {
    path: PathBuf,
    at: u64,
    bit: u8,
}

impl Place {
    fn flip(&self) {
        flip(&self.path, self.at, self.bit);
    }

    fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        format!("{name} byte {} bit {}", self.at, self.bit)
    }
}

/// Flips each of the bits of the store in `dir`, one after the other, and writes what is wrong then, a line
/// each, to `said`.
fn harm(dir: &Path, places: &[Place], right: &[Answer], said: &Path) {
    let page = Page::new();
    let next: &AtomicU64 = &page[0];
    let mut lines = String::new();
    while let begun = next.load(Ordering::SeqCst) as usize
        && begun < places.len()
    {
        let part = said.with_extension("part");
        let child = fork(|| {
            std::panic::set_hook(Box::new(|_| ()));
            let mut out = String::new();
            for (n, place) in places.iter().enumerate().skip(begun).take(BITS_A_CHILD) {
                next.store(n as u64, Ordering::SeqCst);
                place.flip();
                if let Some(wrong) = judge(dir, right).first() {
                    let _ = writeln!(out, "{}: {wrong}", place.name());
                }
                place.flip();
            }
            std::fs::write(&part, out).unwrap();
            next.fetch_add(1, Ordering::SeqCst);
        });
        let end = child.wait_at_most(Duration::from_secs(120));
        if end == End::Done {
            lines += &std::fs::read_to_string(&part).unwrap();
        } else {
            // What it had said is lost with it; the flip is undone here.
            let place = &places[next.fetch_add(1, Ordering::SeqCst) as usize];
            place.flip();
            let _ = writeln!(lines, "{}: {end:?}", place.name());
        }
    }
    std::fs::write(said, lines).unwrap();
}

/// Guards against numbers made of damaged bytes: no answer differs from the right one without saying
/// what is missing, and every error names a file. Bits are flipped in a store with everything in it.
#[test]
fn a_flipped_bit_is_an_error_or_harmless() {
    alone("flips::a_flipped_bit_is_an_error_or_harmless", || {
        let root = folder();
        let first = root.path().join("store-0");
        let right = answers(&small_store(&first));
        assert!(right.iter().all(|a| a.as_ref().is_ok_and(|(_, missing)| missing.is_empty())), "{right:?}");
        let lane = |n: u64| (root.path().join(format!("store-{n}")), root.path().join(format!("said-{n}")));
        (1..LANES).for_each(|n| copy(&first, &lane(n).0));
        let places = places(&first, if soak() { 1 } else { 20 }, &mut Random(1));
        let children: Vec<_> = (0..LANES)
            .map(|n| {
                let (dir, said) = lane(n);
                let mine = places.iter().enumerate().filter(|(at, _)| *at as u64 % LANES == n);
                let mine: Vec<Place> = mine
                    .map(|(number, (path, at))| Place {
                        path: dir.join(path.strip_prefix(&first).unwrap()),
                        at: *at,
                        bit: (number * 5 % 8) as u8,
                    })
                    .collect();
                fork(|| harm(&dir, &mine, &right, &said))
            })
            .collect();
        children.into_iter().for_each(|child| assert_eq!(child.wait(), End::Done));
        let said: String = (0..LANES).map(|n| std::fs::read_to_string(lane(n).1).unwrap()).collect();
        println!("{} bits flipped, {} wrong", places.len(), said.lines().count());
        let shown: Vec<String> = said.lines().take(40).map(|l| l.chars().take(160).collect()).collect();
        assert!(said.is_empty(), "{shown:#?}");
    });
}
