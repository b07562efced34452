//! The logs that other tools keep: found, shown, asked about, taken once.

use std::fs::File;
use std::time::{Duration, UNIX_EPOCH};

use insta::assert_snapshot;

use super::world::World;

const FIRST: &str = include_str!("../fixtures/logs/claude-code/projects/-home-alice-work-api/first.jsonl");
const RESUMED: &str = include_str!("../fixtures/logs/claude-code/projects/-home-alice-work-api/resumed.jsonl");
const CODEX: &str = include_str!("../fixtures/logs/codex/sessions/2026/05/main.jsonl");
const SPEND: &str = include_str!("../fixtures/logs/litellm/spend.jsonl");

/// Writes a file that was touched last on that day of May 2026.
fn log(world: &World, name: &str, content: &str, day: u64) {
    let path = world.write(name, content);
    // 2026-05-01T12:00:00Z
    let written = UNIX_EPOCH + Duration::from_secs(1_777_636_800 + (day - 1) * 86_400);
    File::options().write(true).open(path).unwrap().set_modified(written).unwrap();
}

fn world() -> World {
    let world = World::new().with("AX_MONITOR_NOW", "2026-06-01T00:00:00Z");
    log(&world, ".claude/projects/-home-alice-work-api/first.jsonl", FIRST, 20);
    log(&world, ".claude/projects/-home-alice-work-api/resumed.jsonl", RESUMED, 22);
    log(&world, ".codex/sessions/2026/05/main.jsonl", CODEX, 20);
    world
}

#[test]
fn an_empty_store_names_the_logs_that_are_there() {
    assert_snapshot!(world().run("status"), @"
    exit 0
    --- stdout
    No events yet in ~/.local/share/ax/monitor.

    Get data in one of these ways:
      1. ax monitor import        found: Claude Code logs, 2 files, 3 days
                                  found: Codex logs, 1 file, 1 day
      2. ax monitor record        NDJSON on stdin, from any language
      3. cargo add ax-monitor     3 lines in a Rust program
    Just looking?  ax monitor demo
    ");
}

#[test]
fn without_a_name_all_logs_are_looked_for_and_somebody_has_to_agree() {
    let world = world();
    assert_snapshot!(world.run("import"), @"
    exit 2
    --- stderr
    Found Claude Code logs: 2 files, 3 days, in ~/.claude/projects
    Found Codex logs: 1 file, 1 day, in ~/.codex/sessions
    error: no format or file is named, and nobody is there to agree to all that is found
    hint: ax monitor import --yes takes it, --dry-run tells what it is, a format narrows it
    ");
    assert_snapshot!(world.run("import --dry-run"), @"
    exit 0
    --- stdout
    Would import 8 events from 2026-05-20 08:00 to 2026-05-20 10:00 UTC.
    Skipped 4 repeated lines: each call counts once.
    Refused 1 line:
      ~/.claude/projects/-home-alice-work-api/first.jsonl:8  not a JSON object: the line is cut short
    2 requests came without a cost.
      1  (no model)
      1  claude-haiku-4-5
    --- stderr
    Found Claude Code logs: 2 files, 3 days, in ~/.claude/projects
    Found Codex logs: 1 file, 1 day, in ~/.codex/sessions
    ");
    let mut taken = world.run("import --yes");
    // Its last line says how long it took.
    taken.out = taken.out.split("\nquery").next().unwrap().to_owned();
    assert_snapshot!(taken, @"
    exit 0
    --- stdout
    Imported 8 events from 2026-05-20 08:00 to 2026-05-20 10:00 UTC.
    Skipped 4 repeated lines: each call counts once.
    Refused 1 line:
      ~/.claude/projects/-home-alice-work-api/first.jsonl:8  not a JSON object: the line is cut short
    2 requests came without a cost.
      1  (no model)
      1  claude-haiku-4-5

    COSTS  Wed 20 May 08:00 to 10:00 UTC                                         UTC

    Spent             $0.04   8 calls · 36,558 tokens
    Month             $0.00   so far
    Forecast   $0.000000009   80 % range $0.00–$0.0016 · at the end of the month
    Today             $0.00   $0.00 by midnight, 80 % range $0.00–$0.0012

    PROVIDER    SPENT   SHARE  vs the time before
    claude      $0.03  91.1 %                 new  ██████████████████████████████
    openai    $0.0033   8.9 %                 new  ██▉

    MODEL                           SPENT   SHARE  vs the time before
    claude-sonnet-4-5-20250929      $0.02  57.3 %                 new  █████████████
    claude-opus-4-5                 $0.01  33.7 %                 new  ███████▋
    gpt-5.2-codex                 $0.0033   8.9 %                 new  ██
    claude-haiku-4-5            $0.000044   0.1 %                 new  ▏
    (none)                              –       –                   –

    Hourly     █▁▁
    Last 7 d   $0.00 a day
    Unpriced   1 call of claude-haiku-4-5 · 1 call of (none)
               ax monitor prices set claude-haiku-4-5
    --- stderr
    Found Claude Code logs: 2 files, 3 days, in ~/.claude/projects
    Found Codex logs: 1 file, 1 day, in ~/.codex/sessions
    ");
    assert_snapshot!(world.run("import --yes"), @"
    exit 0
    --- stdout
    Imported 0 events.
    Nothing new in 3 files.
    --- stderr
    Found Claude Code logs: 2 files, 3 days, in ~/.claude/projects
    Found Codex logs: 1 file, 1 day, in ~/.codex/sessions
    ");
    let empty = World::new();
    assert_snapshot!(empty.run("import --yes"), @"
    exit 2
    --- stderr
    error: there is nothing to import: no file is named, nothing is piped in, and no logs of Claude Code, Codex or Gemini CLI are in their usual places
    hint: ax monitor import calls.ndjson.gz, or … | ax monitor import ndjson -
    ");
    assert_snapshot!(empty.run("import codex"), @"
    exit 1
    --- stderr
    error: there are no Codex logs in their usual place
    hint: name a file or folder: ax monitor import codex PATH
    ");
}

#[test]
fn a_tools_logs_are_taken_by_its_name_or_by_their_folder() {
    let world = world();
    assert_snapshot!(world.run("import codex"), @"
    exit 0
    --- stdout
    Imported 3 events from 2026-05-20 10:00 to 2026-05-20 10:00 UTC.
    1 request came without a cost.
      1  (no model)

    Next: ax monitor · ax monitor costs --range 30d
    --- stderr
    Found Codex logs: 1 file, 1 day, in ~/.codex/sessions
    ");
    log(&world, "export/spend.jsonl", SPEND, 1);
    log(&world, "export/notes.json", "\"none of them\"", 1);
    assert_snapshot!(world.run("import export"), @"
    exit 0
    --- stdout
    Imported 5 events from 2026-05-20 13:00 to 2026-05-20 13:00 UTC.
    1 request came without a cost.
      1  my/finetune

    Next: ax monitor · ax monitor costs --range 30d
    --- stderr
    warning: 1 file of no known format: left out
    ");
    let again = world.run("import --yes --json").json();
    let told = ["read", "imported", "duplicates", "refused_count", "unpriced", "unpriced_models", "first", "last"];
    let told: Vec<String> = told.iter().map(|key| format!("{key} {}", again[*key])).collect();
    assert_snapshot!(told.join("\n"), @r#"
    read 10
    imported 5
    duplicates 4
    refused_count 1
    unpriced 1
    unpriced_models {"claude-haiku-4-5":1}
    first "2026-05-20T08:00:07.200Z"
    last "2026-05-20T09:00:01.000Z"
    "#);
    let inputs: Vec<&str> = again["inputs"].as_array().unwrap().iter().map(|i| i["name"].as_str().unwrap()).collect();
    assert_eq!(inputs.len(), 2, "files without anything new are not listed: {inputs:?}");
}

/// A hint that says to name the format is of no use to who has named it.
#[test]
fn a_file_of_another_kind_says_what_it_is() {
    let world = World::new();
    world.write("notes.txt", "dear diary\n");
    assert_snapshot!(world.run("import notes.txt"), @r#"
    exit 2
    --- stderr
    error: notes.txt: is neither NDJSON nor CSV with a header row of known names; it begins with "dear diary"
    hint: say which it is: `ax monitor import ndjson FILE`, `ax monitor import csv --map theirs=ours FILE`
    "#);
    assert_snapshot!(world.run("import csv notes.txt"), @"
    exit 2
    --- stderr
    error: notes.txt: has only unknown columns (dear diary); name them with --map theirs=ours
    ");
}

#[test]
fn users_are_kept_hashed_or_dropped_as_the_settings_say() {
    let events = r#"{"ts":"2026-05-20T08:00:00Z","provider":"p","user":"alice","cost_usd":1}
{"ts":"2026-05-20T08:00:00Z","provider":"p","user":"alice","cost_usd":2}
{"type":"cache","ts":"2026-05-20T08:00:00Z","user":"bob","event":"hit"}
{"ts":"2026-05-20T08:00:00Z","provider":"p","cost_usd":4}
"#;
    let users = |world: &World| {
        let costs = world.run("costs --range 2026-05-20 --by user --json").json();
        let groups = costs["groups"].as_array().unwrap().iter();
        groups
            .map(|g| (g["labels"]["user"].as_str().unwrap().to_owned(), g["cost_usd"].as_f64().unwrap()))
            .collect::<Vec<_>>()
    };
    let world = world();
    let wrong = "[privacy]\nusers = \"hide\"\n";
    world.write(".config/ax/monitor.toml", wrong);
    assert_eq!(world.run("costs").code, Some(2));
    for (setting, how) in
        [("keep", "import ndjson -"), ("drop", "import ndjson -"), ("hash", "import ndjson -"), ("hash", "record")]
    {
        let world = World::new().with("AX_MONITOR_NOW", "2026-05-20T08:10:00Z");
        world.write(".config/ax/monitor.toml", &format!("[privacy]\nusers = \"{setting}\"\n"));
        let done = world.feed(how, events.as_bytes());
        assert_eq!(done.code, Some(0), "{done}");
        let found = users(&world);
        let stored = walk(&world.path(".local/share/ax"));
        let readable = ["alice", "bob"].map(|name| holds(&stored, name.as_bytes()));
        match setting {
            "keep" => {
                assert_eq!((found, readable), (vec![(String::new(), 4.0), ("alice".to_owned(), 3.0)], [true, true]))
            }
            "drop" => assert_eq!((found, readable), (vec![(String::new(), 7.0)], [false, false])),
            _ => {
                assert_eq!((found[0].1, found[1].1, readable), (4.0, 3.0, [false, false]), "{how} {found:?}");
                assert!(found[1].0.starts_with("u-") && found[1].0.len() == 26, "{found:?}");
            }
        }
    }
}

/// All bytes of all files below a folder.
fn walk(folder: &std::path::Path) -> Vec<u8> {
    let entries = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { std::fs::read(path).unwrap() }).collect()
}

fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|w| w == wanted)
}

/// A table with names of its own was sent to a reader of another format, which refused every line.
#[test]
fn a_table_of_unknown_columns_is_told_how_to_name_them() {
    let world = World::new();
    world.write("mp.csv", "time,who,name,ms,price\n2025-11-16T10:00:00Z,openai,gpt-4o,5,0.1\n");
    let done = world.run("import mp.csv");
    assert!(done.code == Some(2) && done.err.contains("ax monitor import csv --map theirs=ours FILE"), "{done}");
    let map = "--map time=ts --map who=provider --map name=model --map ms=latency_ms --map price=cost_usd";
    world.run(&format!("import csv mp.csv {map} --quiet")).good();
    world.write("words.txt", "hello\n");
    assert!(world.run("import words.txt").err.contains("ax monitor import ndjson FILE"));
}

/// Of a log that holds no call it said nothing but "Imported 0 events".
#[test]
fn a_log_without_calls_is_said_to_hold_none() {
    let world = World::new();
    world.write("talk.jsonl", "{\"type\":\"assistant\",\"text\":\"hello\"}\n");
    assert!(world.run("import claude-code talk.jsonl").good().contains("No new call was found in 1 file"));
}
