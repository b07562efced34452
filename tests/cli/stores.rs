//! Places that are no store, stores of another time, and media that refuse.

use std::os::unix::fs::PermissionsExt;

use insta::assert_snapshot;

use crate::world::World;

/// A world with an empty store at its usual place.
fn with_store() -> World {
    let world = World::new();
    let made = world.feed("import ndjson -", b"{\"ts\":1763320000000,\"provider\":\"claude\",\"latency_ms\":850}\n");
    assert_eq!(made.code, Some(0), "{made}");
    world
}

#[test]
fn where_there_is_no_store_upkeep_and_figures_say_so() {
    let world = World::new();
    assert_snapshot!(world.run("tick"), @"
    exit 1
    --- stderr
    error: there is no store in ~/.local/share/ax/monitor
    hint: `ax monitor demo` shows one; `ax monitor import` makes one
    ");
    assert_snapshot!(world.run("store info --json"), @r#"
    exit 1
    --- stdout
    {"error":{"kind":"not_found","message":"there is no store in ~/.local/share/ax/monitor","hint":"`ax monitor demo` shows one; `ax monitor import` makes one","start":null,"end":null}}
    "#);
    assert!(!world.path(".local/share/ax").exists(), "nothing was made");
}

#[test]
fn a_directory_with_other_things_in_it_is_not_a_store() {
    let world = World::new();
    world.write("music/song.ogg", "la");
    assert_snapshot!(world.run("store info --store music"), @"
    exit 1
    --- stderr
    error: music is not a store: it holds files but no store.id
    hint: give the directory of a store, or an empty or new one, with --store
    ");
    assert_snapshot!(world.run("serve --store music"), @"
    exit 1
    --- stderr
    error: music is not a store: it holds files but no store.id
    hint: give the directory of a store, or an empty or new one, with --store
    ");
    assert_snapshot!(world.feed("import ndjson - --store music", b"{}\n"), @"
    exit 1
    --- stderr
    error: music is not a store: it holds files but no store.id
    hint: give the directory of a store, or an empty or new one, with --store
    ");
    for command in ["status", "metrics latency", "events", "record --provider a"] {
        let done = world.run(&format!("{command} --store music"));
        assert!(done.code == Some(1) && done.err.starts_with("error: music is not a store"), "{command}: {done}");
    }
    assert_eq!(std::fs::read_dir(world.path("music")).unwrap().count(), 1, "nothing was put into it");
    assert_snapshot!(world.run("tick --store music/song.ogg"), @"
    exit 1
    --- stderr
    error: music/song.ogg is not a directory
    hint: give the directory of a store, or an empty or new one, with --store
    ");
}

#[test]
fn a_store_of_a_later_version_is_left_alone() {
    let world = with_store();
    let id = world.path(".local/share/ax/monitor/store.id");
    let mut bytes = std::fs::read(&id).unwrap();
    bytes[8] = 9;
    let end = bytes.len() - 4;
    let crc = crc32(&bytes[..end]).to_le_bytes();
    bytes[end..].copy_from_slice(&crc);
    std::fs::write(&id, &bytes).unwrap();
    assert_snapshot!(world.run("store info"), @"
    exit 5
    --- stderr
    error: the store in ~/.local/share/ax/monitor has format 9, this program reads up to 1
    hint: install the version that made it, or a later one
    ");
    for command in ["status", "metrics latency", "events", "export", "record --provider a"] {
        assert_eq!(world.run(command).code, Some(5), "{command}");
    }
    assert_snapshot!(world.run("tick --json"), @r#"
    exit 5
    --- stdout
    {"error":{"kind":"too_new","message":"the store in ~/.local/share/ax/monitor has format 9, this program reads up to 1","hint":"install the version that made it, or a later one","start":null,"end":null}}
    "#);
}

#[test]
fn damage_exits_with_5_and_names_the_file() {
    let world = with_store();
    let id = world.path(".local/share/ax/monitor/store.id");
    let mut bytes = std::fs::read(&id).unwrap();
    bytes[20] ^= 1;
    std::fs::write(&id, &bytes).unwrap();
    let done = world.run("store info");
    assert_eq!(done.code, Some(5), "{done}");
    assert!(done.err.contains("store.id is damaged"), "{done}");
}

#[test]
fn a_zeroed_page_of_the_database_is_a_sentence_and_exit_code_5() {
    let world = with_store();
    let file = world.path(".local/share/ax/monitor/monitor.redb");
    let mut bytes = std::fs::read(&file).unwrap();
    for page in bytes.chunks_mut(4096).skip(1) {
        page.fill(0);
    }
    std::fs::write(&file, &bytes).unwrap();
    for command in ["store info", "store verify", "tick"] {
        let done = world.run(command);
        assert!(matches!(done.code, Some(0 | 5)), "{command}: {done}");
        assert!(!done.err.contains("panicked"), "{command}: {done}");
        assert!(done.err.lines().count() <= 2, "{command}: {done}");
    }
    assert_eq!(world.run("store info").code, Some(5));
}

#[test]
fn a_directory_that_may_not_be_written_is_an_error_with_advice() {
    let world = World::new();
    let closed = world.path("closed");
    std::fs::create_dir(&closed).unwrap();
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o500)).unwrap();
    if std::fs::write(closed.join("probe"), "").is_ok() {
        eprintln!("skipped: this user may write everywhere");
        return;
    }
    assert_snapshot!(world.feed("import ndjson - --store closed/store", b"{}\n"), @"");
}

#[test]
fn store_and_tick_speak_of_an_imported_event() {
    let world = with_store();
    assert_snapshot!(world.run("tick").good(), @"Nothing to do: everything is rolled up.");
    assert_snapshot!(world.run("store verify").good(), @"The store is fine: 1 event read, 1 bucket compared.");
    let info = world.run("store info --json").json();
    assert_eq!(info["schema"], "ax.monitor.store/1");
    assert_eq!(info["events_raw"], 1);
    assert_eq!(info["backlog_events"], 0);
    assert_eq!(info["newest"], "2025-11-16T19:06:40.000Z");
}

/// CRC-32 (IEEE), bit by bit: a few bytes only.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

#[test]
fn what_is_kept_how_long_is_set_with_care() {
    let world = with_store();
    let now = |args: &str| world.run(&format!("store set-retention {args} --at 2025-12-16T12:00:00Z"));
    let shown = now("").good();
    for line in ["raw        7d", "1m         30d", "5m         35d", "1h         90d", "1d         365d"] {
        assert!(shown.contains(line), "{shown}");
    }
    assert_snapshot!(now("1m=60d"), @"
    exit 2
    --- stderr
    error: 5m is kept at least as long as 1m
    hint: all together that is raw=7d 1m=60d 5m=35d 1h=90d 1d=365d detail=365d
    ");
    assert_snapshot!(now("raw=6h"), @"
    exit 2
    --- stderr
    error: raw is kept for at least a day
    hint: all together that is raw=6h 1m=30d 5m=35d 1h=90d 1d=365d detail=365d
    ");
    assert_snapshot!(now("minutes=7d"), @"
    exit 2
    --- stderr
    error: the store has no part 'minutes'
    hint: parts are raw, 1m, 5m, 1h, 1d, detail
    ");
    assert_snapshot!(now("1m=1d"), @"
    exit 2
    --- stderr
    error: that would remove 0 single events and 1 bucket for good
    hint: add --yes to do it
    ");
    let set = now("1m=1d 1d=forever raw=60d --yes --json").json();
    assert_eq!(set["keep"]["1d"], "forever");
    assert_eq!(set["expiring"], serde_json::json!({"events": 0, "bytes": 0, "buckets": 1}));
    assert!(now("").good().contains("The next upkeep removes 0 single events (0 B) and 1 bucket."));

    let old = |day: u32| format!("{{\"ts\":\"2001-01-0{day}T00:00:00Z\",\"provider\":\"claude\"}}\n");
    assert_eq!(world.feed("import ndjson -", old(1).as_bytes()).code, Some(0), "days are kept for ever");
    now("1d=1y --yes").good();
    let refused = world.feed("import ndjson -", old(2).as_bytes()).to_string();
    assert!(refused.contains("older than the longest retention") && refused.contains("set-retention"), "{refused}");
}

/// Whoever keeps an export as a backup learned from a line on stderr alone that events were missing.
#[test]
fn an_export_that_lacks_damaged_events_ends_with_5() {
    let world = with_store();
    let days = world.path(".local/share/ax/monitor/raw");
    let segments = std::fs::read_dir(days).unwrap().flat_map(|day| std::fs::read_dir(day.unwrap().path()).unwrap());
    for segment in segments.map(|file| file.unwrap().path()) {
        let mut bytes = std::fs::read(&segment).unwrap();
        let middle = bytes.len() / 2;
        bytes[8..middle].iter_mut().for_each(|byte| *byte ^= 0x55);
        std::fs::write(&segment, &bytes).unwrap();
    }
    for args in ["export", "export -o out.ndjson"] {
        let done = world.run(args);
        assert!(done.code == Some(5) && done.err.contains("could not be read"), "{args}: {done}");
    }
    let verified = world.run("store verify --deep --json");
    let problems = verified.json()["problems"].clone();
    assert!(problems.as_array().is_some_and(|all| !all.is_empty()), "{verified}");
    assert!(problems.as_array().unwrap().iter().all(|p| p["offset"] != ""), "{problems}");
}
