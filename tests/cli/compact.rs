//! Compaction, verification, backup and rebuilding as a user meets them: beside a recorder, killed
//! at any moment, over damage.

use std::fmt::Write as _;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

use insta::assert_snapshot;

use crate::world::{Done, World};

/// 2025-11-16T00:00:00Z.
const DAY: u64 = 1_763_251_200_000;

/// `n` calls from `at` on, a second apart, as NDJSON.
fn calls(at: u64, n: u64) -> String {
    let mut out = String::new();
    for i in 0..n {
        let (provider, user) = (["claude", "openai"][(i % 2) as usize], ["alice", "bob", "eve"][(i % 3) as usize]);
        let _ = writeln!(
            out,
            r#"{{"ts":{},"provider":"{provider}","model":"m{}","user":"{user}","latency_ms":{},"input_tokens":{},"output_tokens":40,"cost_usd":0.0042}}"#,
            at + i * 1000,
            i % 4,
            200 + i * 37 % 900,
            500 + i % 60
        );
    }
    out
}

/// A world whose store has a segment an import, all of one day.
fn world(imports: u64, calls_each: u64) -> World {
    let world = World::new();
    for i in 0..imports {
        world.feed("import ndjson - --quiet", calls(DAY + i * 600_000, calls_each).as_bytes()).good();
    }
    world
}

fn store(world: &World) -> PathBuf {
    world.path(".local/share/ax/monitor")
}

/// Requests of all time by the tiers, single events by the files.
fn totals(world: &World) -> (f64, u64) {
    let requests = world.run("metrics requests --since 2025-11-15 --until 2025-11-18 --json").json();
    let events = world.run("store info --json").json()["events_raw"].as_u64().unwrap();
    (requests["data"][0]["value"].as_f64().unwrap(), events)
}

fn expect(world: &World, calls: u64) {
    assert_eq!(totals(world), (calls as f64, calls));
    let proof = world.run("store verify --deep --json");
    assert_eq!(proof.code, Some(0), "{proof}");
}

fn start(world: &World, args: &[&str]) -> Child {
    let mut command = world.command(args);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn a_day_of_small_segments_becomes_one() {
    let world = world(4, 50);
    let planned = world.run("compact --dry-run --json").json();
    assert_eq!(planned["before"]["segments"], 4);
    assert_eq!(planned["after"]["segments"], 1);
    assert_eq!(planned["after"]["bytes"], serde_json::Value::Null);
    assert_eq!(world.run("store info --json").json()["events_raw"], 200, "nothing was written");
    let done = world.run("compact --json").json();
    assert_eq!((&done["merged_segments"], &done["into_segments"]), (&4.into(), &1.into()));
    assert_eq!(done["after"]["segments"], 1);
    let size = |when: &str| {
        let bytes = &done[when]["bytes"];
        bytes["redb"].as_u64().unwrap() + bytes["raw"].as_u64().unwrap()
    };
    assert!(size("after") < size("before"), "{done}");
    expect(&world, 200);
    let again = world.run("compact").good();
    assert!(again.ends_with("There was nothing to do.\n"), "{again}");
}

#[test]
fn recorders_go_on_while_a_store_is_compacted_and_copied() {
    let world = world(3, 50);
    let mut recorder = start(&world, &["monitor", "record", "--quiet"]);
    let mut stdin = recorder.stdin.take().unwrap();
    for round in 0..4 {
        stdin.write_all(calls(DAY + 40_000_000 + round * 100_000, 100).as_bytes()).unwrap();
        stdin.flush().unwrap();
        let done = world.run("compact --json").json();
        assert_eq!(done["warnings"].as_array().unwrap().len(), 0, "{done}");
    }
    let copy = world.run("store backup copy --json").json();
    assert_eq!(copy["problems"].as_array().unwrap().len(), 0, "{copy}");
    assert_eq!(copy["journals"], 1, "{copy}");
    drop(stdin);
    assert!(recorder.wait().unwrap().success());
    world.run("compact --quiet").good();
    expect(&world, 150 + 400);

    // Restored by plain copying, it holds every call up to a moment after the last that was read.
    let restored = world.path("restored");
    assert!(
        std::process::Command::new("cp").arg("-r").arg(world.path("copy")).arg(&restored).status().unwrap().success()
    );
    let there = world.run("store info --store restored --json").json()["events_raw"].as_u64().unwrap();
    assert!((150..=550).contains(&there), "{there}");
    let proof = world.run("store verify --deep --store restored --json");
    assert_eq!((proof.code, proof.json()["warnings"].as_array().unwrap().len()), (Some(0), 0), "{proof}");
    world.run("compact --store restored --quiet").good();
    let proof = world.run("store verify --deep --store restored --json");
    assert_eq!((proof.code, proof.json()["events"].as_u64()), (Some(0), Some(there)), "{proof}");
    assert_snapshot!(world.run("store backup copy"), @"
    exit 1
    --- stderr
    error: copy is there already
    hint: give a path where nothing is yet
    ");
}

/// Killed at any moment, nothing is lost, nothing counts twice, and the next one finishes.
#[test]
fn a_compaction_that_is_killed_at_any_moment_loses_nothing() {
    let world = world(2, 40);
    let mut calls_there = 80;
    let mut killed = 0;
    for round in 0..12_u64 {
        for i in 0..2 {
            let at = DAY + 10_000_000 + (round * 2 + i) * 500_000;
            world.feed("import ndjson - --quiet", calls(at, 30).as_bytes()).good();
            calls_there += 30;
        }
        let args = ["monitor", "compact", "--quiet", "--rebuild"];
        let mut child = start(&world, if round % 3 == 2 { &args } else { &args[..3] });
        std::thread::sleep(Duration::from_millis(4 + round * round));
        killed += u64::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        expect(&world, calls_there);
    }
    assert!(killed > 2, "{killed} of 12 were killed before they were done");
    let done = world.run("compact --json").json();
    assert_eq!(done["after"]["segments"], 1);
    expect(&world, calls_there);
    let left: Vec<_> = fs::read_dir(store(&world)).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_str().unwrap().starts_with(".compact")), "{left:?}");
    assert!(world.run("store verify").good().starts_with("The store is fine"));
}

fn answers(world: &World) -> Vec<String> {
    ["latency p95 by(provider)", "cost by(user)", "requests by(model)", "tokens p50", "users"]
        .into_iter()
        .map(|query| {
            let mut json = world
                .run_args(&[
                    "metrics",
                    "-q",
                    query,
                    "--since",
                    "2025-11-16",
                    "--until",
                    "2025-11-16T19:00:00Z",
                    "--json",
                ])
                .json();
            json.as_object_mut().unwrap().remove("source");
            json.to_string()
        })
        .collect()
}

#[test]
fn a_database_that_is_gone_or_damaged_is_made_anew() {
    let harms: [fn(&PathBuf); 3] = [
        |path| fs::remove_file(path).unwrap(),
        |path| {
            let mut bytes = fs::read(path).unwrap();
            bytes.chunks_mut(4096).skip(1).for_each(|page| page.fill(0));
            fs::write(path, bytes).unwrap();
        },
        |path| fs::write(path, b"dear diary").unwrap(),
    ];
    for harm in harms {
        let world = world(3, 60);
        world.feed("record --quiet", calls(DAY + 50_000_000, 40).as_bytes()).good();
        let before = answers(&world);
        let path = store(&world).join("monitor.redb");
        harm(&path);
        let existed = path.exists();
        if existed {
            let proof = world.run("store verify");
            assert_eq!(proof.code, Some(5), "{proof}");
            assert!(proof.out.contains("compact --rebuild"), "{proof}");
        }
        let done = world.run("compact --rebuild --json");
        assert_eq!(done.code, Some(0), "{done}");
        let done = done.json();
        assert_eq!(done["rebuilt"]["events"], 220, "{done}");
        let old = done["rebuilt"]["old_file"].as_str();
        assert_eq!(old.is_some(), existed);
        assert!(old.is_none_or(|name| store(&world).join(name).exists()));
        expect(&world, 220);
        assert_eq!(answers(&world), before);
    }
}

/// A whole database is made anew with everything that only it knew.
#[test]
fn rebuilding_keeps_what_only_the_old_database_knew() {
    let world = world(2, 30);
    world.run("store set-retention raw=9d 1m=31d --yes --quiet").good();
    let before = (answers(&world), world.run("store set-retention").good());
    let done = world.run("compact --rebuild --json");
    assert_eq!((done.code, done.json()["warnings"].as_array().unwrap().len()), (Some(0), 0), "{done}");
    assert_eq!((answers(&world), world.run("store set-retention").good()), before);
    expect(&world, 60);
    let again = world.feed("import ndjson - --json", calls(DAY, 30).as_bytes()).json();
    assert_eq!((again["imported"].as_u64(), again["duplicates"].as_u64()), (Some(0), Some(30)), "{again}");
}

#[test]
fn damage_is_named_with_its_repair() {
    let world = world(2, 60);
    let file = |dir: PathBuf| -> PathBuf { fs::read_dir(dir).unwrap().next().unwrap().unwrap().path() };
    let segment = file(file(store(&world).join("raw")));
    let mut bytes = fs::read(&segment).unwrap();
    bytes[100] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let found = world.run("store verify --json");
    assert_eq!(found.code, Some(5), "{found}");
    let found = found.json();
    let problem = &found["problems"][0];
    assert!(problem["what"].as_str().unwrap().contains("checksum"), "{found}");
    assert!(problem["repair"].as_str().unwrap().contains("backup"), "{found}");
    let done: Done = world.run("compact");
    assert_eq!(done.code, Some(0), "the rest is compacted: {done}");
    assert!(done.err.contains("not merged"), "{done}");
}
