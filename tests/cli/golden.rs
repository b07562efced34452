//! Stores of the first format version, kept for ever: they open, answer what they did, and go on.
//!
//! `AX_GOLDEN=1 cargo test --test cli golden::stores` writes them anew, which a change of the format
//! before the first release may call for, and nothing after it. Each file is kept compressed.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ax_storage::Store;
use ax_storage::clock::ManualClock;
use ax_storage::event::{CostSource, Event, NanoUsd, Outcome, Request, Tokens};
use ax_storage::journal::{JournalKind, Recorder, RecorderOptions};
use ax_storage::retention::Clocks;
use ax_storage::time::{HOUR_MS, MINUTE_MS, Timestamp, Zone};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::Value;

use crate::world::World;

/// 2025-10-01T10:00:00Z: the first imported call.
const FIRST: u64 = 1_759_312_800_000;
/// 2025-11-10T12:00:00Z: when the stores were made.
const MADE: u64 = 1_762_776_000_000;
/// Calls that are imported, six hours apart.
const IMPORTED: u64 = 160;
/// Calls of the journal that was rolled up, and of the one that was not, 40 seconds apart.
const RECORDED: [u64; 2] = [30, 20];

/// One call of the stores. What it costs, and all else, follows from its number.
#[derive(Clone, Copy)]
struct Call {
    number: u64,
    ts: u64,
}

impl Call {
    fn even(self) -> usize {
        usize::from(self.number % 2 == 1)
    }

    fn user(self) -> &'static str {
        ["alice", "bob", "eve"][(self.number % 3) as usize]
    }

    fn cost_nanos(self) -> u64 {
        4_200_000 + self.number % 50 * 100_000
    }

    fn request(self) -> Request<'static> {
        Request {
            provider: ["claude", "openai"][self.even()],
            model: ["claude-sonnet-4-5", "gpt-5"][self.even()],
            user: self.user(),
            latency: Some(Duration::from_millis(200 + self.number * 37 % 900)),
            tokens: Tokens { input: 500 + self.number % 60, output: 40 + self.number % 7, ..Tokens::default() },
            cost: Some(NanoUsd::from_nanos(self.cost_nanos())),
            outcome: if self.number.is_multiple_of(11) { Outcome::Error("overloaded") } else { Outcome::Ok },
            ..Request::default()
        }
    }

    fn line(self) -> String {
        let r = self.request();
        let error = if self.number.is_multiple_of(11) { r#","error":"overloaded""# } else { "" };
        format!(
            "{{\"ts\":{},\"event_id\":\"call-{}\",\"provider\":\"{}\",\"model\":\"{}\",\"user\":\"{}\",\"latency_ms\":{},\
             \"input_tokens\":{},\"output_tokens\":{},\"cost_usd\":\"0.00{}\"{error}}}\n",
            self.ts,
            self.number,
            r.provider,
            r.model,
            r.user,
            200 + self.number * 37 % 900,
            r.tokens.input,
            r.tokens.output,
            42 + self.number % 50,
        )
    }
}

fn imported() -> Vec<Call> {
    (0..IMPORTED).map(|number| Call { number, ts: FIRST + number * 6 * HOUR_MS }).collect()
}

fn recorded(which: usize) -> Vec<Call> {
    let start = MADE + [5, 45][which] * MINUTE_MS;
    (0..RECORDED[which]).map(|n| Call { number: 1000 * (which as u64 + 1) + n, ts: start + n * 40_000 }).collect()
}

/// A store of the fixtures, and what it holds.
struct Golden {
    name: &'static str,
    calls: Vec<Call>,
    /// Single events before this were removed.
    raw_from: u64,
    /// Rules, budgets, prices and retention are set.
    set_up: bool,
}

fn goldens() -> [Golden; 3] {
    let all: Vec<Call> = imported().into_iter().chain(recorded(0)).chain(recorded(1)).collect();
    // 20 days before it was made, at the day's beginning.
    let raw_from = MADE / 86_400_000 * 86_400_000 - 20 * 86_400_000;
    let journals = recorded(0).into_iter().chain(recorded(1)).collect();
    [
        Golden { name: "full", calls: all.clone(), raw_from, set_up: true },
        // Two days later two more days of single events are gone.
        Golden { name: "compacted", calls: all, raw_from: raw_from + 2 * 86_400_000, set_up: true },
        Golden { name: "journals", calls: journals, raw_from: 0, set_up: false },
    ]
}

fn at(ms: u64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn world_at(ms: u64) -> World {
    World::new().with("AX_MONITOR_TZ", "Europe/Berlin").with("AX_MONITOR_NOW", &at(ms).to_string())
}

fn dir(world: &World) -> PathBuf {
    world.path(".local/share/ax/monitor")
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v1")
}

/// Every file below `dir`, by its path from there.
fn files(dir: &Path) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
            if path.is_dir() { folders.push(path) } else { files.push(path.strip_prefix(dir).unwrap().to_owned()) }
        }
    }
    files.sort();
    files
}

/// Bytes and time of the last change of every file.
fn contents(dir: &Path) -> BTreeMap<PathBuf, (Vec<u8>, SystemTime)> {
    let of =
        |file: &PathBuf| (fs::read(dir.join(file)).unwrap(), dir.join(file).metadata().unwrap().modified().unwrap());
    files(dir).into_iter().map(|file| (file.clone(), of(&file))).collect()
}

/// Puts a store of the fixtures into a world.
fn unpack(name: &str) -> World {
    let world = world_at(MADE + 2 * HOUR_MS);
    let (from, to) = (fixtures().join(name), dir(&world));
    for file in files(&from) {
        let mut bytes = Vec::new();
        GzDecoder::new(fs::File::open(from.join(&file)).unwrap()).read_to_end(&mut bytes).unwrap();
        let path = to.join(file.with_extension(""));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    ["journal", "raw"].iter().for_each(|folder| fs::create_dir_all(to.join(folder)).unwrap());
    world
}

fn pack(world: &World, name: &str) {
    let (from, to) = (dir(world), fixtures().join(name));
    let _ = fs::remove_dir_all(&to);
    for file in files(&from) {
        let path = to.join(format!("{}.gz", file.display()));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut packed = GzEncoder::new(fs::File::create(path).unwrap(), Compression::best());
        packed.write_all(&fs::read(from.join(file)).unwrap()).unwrap();
        packed.finish().unwrap();
    }
}

/// Records the calls, and lets the recorder live: who copies its file copies that of a killed one.
fn record(store: &Store, which: usize) -> Recorder {
    let calls = recorded(which);
    let recorder = Recorder::open(RecorderOptions {
        kind: [JournalKind::Written, JournalKind::Mapped][which],
        file_bytes_max: 32 << 10,
        clock: Arc::new(ManualClock::at(at(calls[0].ts))),
        ..RecorderOptions::new(store.paths().journal_dir(), store.uuid())
    });
    for call in &calls {
        recorder.record(&Event::Request(call.request()), at(call.ts), CostSource::Recorded);
    }
    recorder
}

fn make() {
    let berlin = Zone::load("Europe/Berlin").unwrap();
    let world = world_at(MADE);
    let lines: String = imported().into_iter().map(Call::line).collect();
    world.feed("import ndjson - --quiet", lines.as_bytes()).good();
    world.run("store set-retention raw=20d 1m=25d --yes --quiet").good();
    world.run("budgets set team --limit 5 --period monthly").good();
    world.run("prices set house-model --input 2 --output 10 --quiet").good();
    world.run_args(&["alerts", "create", "--name", "busy", "--when", "requests > 0", "--quiet"]).good();
    let store = Store::open(&dir(&world)).unwrap();
    let first = record(&store, 0);
    // The rule holds while there are calls, and then no more.
    for minute in [23, 24, 30] {
        let done = world.run(&format!("tick --quiet --at {}", at(MADE + minute * MINUTE_MS)));
        assert_eq!(done.code, Some(0), "{done}");
    }
    let world = world.with("AX_MONITOR_NOW", &at(MADE + 30 * MINUTE_MS).to_string());
    assert!(store.retain(at(MADE + 31 * MINUTE_MS), Clocks::Trusted).unwrap().is_some_and(|gone| gone.events > 0));
    let second = record(&store, 1);
    pack(&world, "full");

    drop((first, second));
    let world = world.with("AX_MONITOR_NOW", &at(MADE + 48 * HOUR_MS).to_string());
    store.retain(at(MADE + 48 * HOUR_MS - 1), Clocks::Trusted).unwrap();
    world.run("compact --quiet").good();
    pack(&world, "compacted");

    let world = world_at(MADE);
    let store = Store::open_or_create(&dir(&world), &berlin, at(MADE)).unwrap();
    let alive = [record(&store, 0), record(&store, 1)];
    pack(&world, "journals");
    drop(alive);
}

/// One metric of all time.
fn metric(world: &World, args: &str) -> Value {
    let done = world.run(&format!("metrics {args} --since 2025-09-01 --until 2025-12-01 --json"));
    assert_eq!((done.code, done.json()["warnings"].to_string()), (Some(0), "[]".into()), "{args}: {done}");
    done.json()["data"].clone()
}

/// Compares what the store says with what is known of its calls.
fn check(golden: &Golden, world: &World) {
    let whole = |args: &str| metric(world, args)[0]["value"].as_f64().unwrap();
    let calls = &golden.calls;
    let dollars = |calls: &mut dyn Iterator<Item = &Call>| calls.map(|c| c.cost_nanos()).sum::<u64>() as f64 / 1e9;
    assert_eq!(whole("requests"), calls.len() as f64);
    assert_eq!(whole("errors"), calls.iter().filter(|c| c.number.is_multiple_of(11)).count() as f64);
    assert_eq!(whole("cost"), dollars(&mut calls.iter()));
    let tokens = |call: &Call| call.request().tokens.input + call.request().tokens.output;
    assert_eq!(whole("tokens"), calls.iter().map(tokens).sum::<u64>() as f64);
    let slowest = calls.iter().filter_map(|c| c.request().latency).max().unwrap();
    assert_eq!(whole("latency --agg max"), slowest.as_millis() as f64);
    for group in metric(world, "cost --by user").as_array().unwrap() {
        let user = group["labels"]["user"].as_str().unwrap();
        assert_eq!(group["value"].as_f64().unwrap(), dollars(&mut calls.iter().filter(|c| c.user() == user)), "{user}");
    }
    let mut costs: Vec<u64> = calls.iter().map(|c| c.cost_nanos()).collect();
    costs.sort_unstable();
    let median = costs[costs.len().div_ceil(2) - 1] as f64 / 1e9;
    assert!((whole("cost --agg p50") / median - 1.0).abs() < 0.001, "{} for {median}", whole("cost --agg p50"));

    let single = calls.iter().filter(|c| c.ts >= golden.raw_from).count();
    assert_eq!(world.run("store info --json").json()["events_raw"], single);
    assert_eq!(world.run("export --format ndjson --quiet").out.lines().count(), single);
    let proof = world.run("store verify --deep --json");
    assert_eq!(proof.code, Some(0), "{proof}");
    if golden.set_up {
        assert_eq!(world.run("budgets --json").json()["data"][0]["limit_usd"].as_f64(), Some(5.0));
        assert_eq!(world.run("prices list house --json").json()["data"][0]["output_usd"].as_f64(), Some(10.0));
        assert_eq!(world.run("alerts rules --json").json()["data"][0]["name"], "busy");
        let history = world.run("alerts history --json").json();
        assert!(history["data"].as_array().is_some_and(|all| !all.is_empty()), "{history}");
        assert_eq!(world.run("store set-retention --json").json()["keep"]["1m"], "25d");
    }
}

/// Guards against a change of the format that nobody meant: reading, and going on with, what was written.
#[test]
fn stores_of_the_first_format_answer_as_they_did() {
    if std::env::var_os("AX_GOLDEN").is_some() {
        make();
    }
    for golden in goldens() {
        let world = unpack(golden.name);
        let before = contents(&dir(&world));
        check(&golden, &world);
        assert!(contents(&dir(&world)) == before, "{}: who reads writes nothing", golden.name);
        world.run("tick --quiet").good();
        check(&golden, &world);
        if golden.set_up {
            // It knows what it has seen.
            world.feed("import ndjson - --quiet", imported().last().unwrap().line().as_bytes()).good();
            check(&golden, &world);
        }
    }
}

/// CRC-32 (IEEE), bit by bit: a few bytes only.
fn crc32(bytes: &[u8]) -> [u8; 4] {
    let crc = !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    });
    crc.to_le_bytes()
}

/// Raises the version at byte 8 of a file, whose head has its checksum at `sum`.
fn raise(path: &Path, sum: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[8] += 1;
    let crc = crc32(&bytes[..sum]);
    bytes[sum..sum + 4].copy_from_slice(&crc);
    fs::write(path, bytes).unwrap();
}

/// The last file with this ending.
fn file(world: &World, ending: &str) -> PathBuf {
    let mut all = files(&dir(world));
    all.retain(|file| file.extension().is_some_and(|e| e == ending));
    dir(world).join(all.last().unwrap())
}

/// Every command meets something that is one version ahead: it refuses with a sentence, and changes nothing.
fn refused(what: &str, world: &World, commands: &[&str]) {
    let before = contents(&dir(world));
    let wrong = |command: &&str| {
        let done = world.feed(command, recorded(0)[0].line().as_bytes());
        let says = ["format", "this program reads up to", "install the version that made it"];
        let fine = done.code == Some(5) && says.iter().all(|part| done.err.contains(part));
        let same = contents(&dir(world)) == before;
        (!fine || !same).then(|| format!("{command}: {done}{}", if same { "" } else { "and it changed something" }))
    };
    let wrong: Vec<String> = commands.iter().filter_map(wrong).collect();
    assert!(wrong.is_empty(), "with a newer {what}:\n{}", wrong.join("\n"));
}

/// What reads single events, or goes through all of them.
const EVENTS: [&str; 6] = [
    "events --range 30d",
    "export --format ndjson",
    "metrics cost --user bob --range 30d",
    "compact",
    "compact --rebuild",
    "store verify --deep",
];
/// What looks at a journal, besides.
const JOURNALS: [&str; 7] =
    ["status", "metrics requests", "costs", "tick", "store info", "store verify", "compact --dry-run"];
/// What opens the database, besides. (Prices are listed, and recorders price, without it.)
const DATABASE: [&str; 11] = [
    "budgets",
    "budgets set more --limit 1 --period daily",
    "alerts",
    "alerts rules",
    "alerts check",
    "alerts history",
    "alerts delete busy",
    "prices set other --input 1 --output 2",
    "store set-retention raw=30d --yes",
    "store backup ../copy",
    "import ndjson -",
];

#[test]
fn what_is_one_version_ahead_is_refused_and_left_alone() {
    let world = unpack("full");
    raise(&file(&world, "axs"), 60);
    refused("segment", &world, &EVENTS);

    let world = unpack("full");
    raise(&file(&world, "axj"), 72);
    refused("journal", &world, &[&EVENTS[..], &JOURNALS[..]].concat());

    let world = unpack("full");
    let store = Store::open(&dir(&world)).unwrap();
    store
        .db()
        .write(|t| {
            use ax_storage::tier::schema::{META, META_VERSION};
            t.open_table(META).unwrap().insert(META_VERSION, 2).unwrap();
            Ok::<_, ax_storage::tier::db::DbError>(())
        })
        .unwrap();
    refused("database", &world, &[&EVENTS[..], &JOURNALS[..], &DATABASE[..]].concat());

    let world = unpack("full");
    let id = dir(&world).join("store.id");
    let sum = fs::read(&id).unwrap().len() - 4;
    raise(&id, sum);
    refused("store", &world, &[&EVENTS[..], &JOURNALS[..], &DATABASE[..], &["record --provider x --model y"]].concat());
}
