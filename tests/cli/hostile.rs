//! Bad input through the whole program: never a panic, never a lost good event, nothing that moves a
//! terminal's cursor.

use std::path::PathBuf;

use crate::world::{Done, World};

const SCREENS: [&str; 9] = [
    "status",
    "status --verbose --format line",
    "metrics latency --by provider,model,user",
    "metrics latency --by user --format line",
    "metrics errors --by error --step 5m",
    "events",
    "status --json",
    "events --json",
    "export",
];

fn sound(done: &Done, args: &str) {
    assert!(matches!(done.code, Some(0 | 1 | 5)), "{args}: {done}");
    for text in [&done.out, &done.err] {
        assert!(!text.contains("panicked") && !text.contains("made a mistake"), "{args}: {done}");
        let bad = text.chars().find(|c| *c != '\n' && ax_monitor::words::is_hidden(*c));
        assert_eq!(bad, None, "{args}: {done}");
    }
}

#[test]
fn names_that_would_command_a_terminal_are_shown_escaped_everywhere() {
    let world = World::new();
    let lines = concat!(
        r#"{"ts":1763320000000,"provider":"\u001b[2Jevil\u202e","model":"a\nb\u009b1m","user":"\u0007\u007f","latency_ms":5,"error":"\r\u2066x"}"#,
        "\n",
        r#"{"ts":1763320000001,"provider":"日本語のプロバイダ","model":"🙂\u200d","user":"é","latency_ms":7}"#,
        "\n",
        r#"{"type":"rate_limit","ts":1763320000002,"event":"denied","key":"\u001b]0;title\u0007","limit_type":"\u0000"}"#,
        "\n"
    );
    assert_eq!(world.feed("import ndjson -", lines.as_bytes()).code, Some(0));
    assert_eq!(world.feed("record --quiet", lines.as_bytes()).code, Some(0));
    for args in SCREENS {
        let done = world.run(args);
        sound(&done, args);
        assert_eq!(done.code, Some(0), "{args}: {done}");
    }
    for columns in ["20", "40", "60", "1000"] {
        let world = World::new().with("COLUMNS", columns);
        world.feed("import ndjson -", lines.as_bytes());
        SCREENS.iter().for_each(|args| sound(&world.run(args), args));
    }
    assert!(world.run("status").out.contains("\\u{1b}[2Jevil"), "the name can be read");
    let json = world.run("events --json").json();
    assert!(
        json["events"].as_array().unwrap().iter().any(|e| e["provider"] == "\u{1b}[2Jevil\u{202e}"),
        "exact in JSON"
    );
    // Arguments come back in messages.
    for args in [
        &["metrics", "\u{1b}[2J"][..],
        &["metrics", "latency", "--provider", "\u{1b}[2J\u{202e}"],
        &["metrics", "latency", "--range", "\u{9b}1h"],
        &["status", "--tz", "\u{1b}[2J/x"],
        &["import", "\u{1b}[2J.ndjson"],
        &["--store", "\u{1b}[2J", "store", "info"],
    ] {
        let done = world.run_args(args);
        assert!(!done.out.contains('\u{1b}') && !done.err.contains('\u{1b}'), "{args:?}: {done}");
    }
}

#[test]
fn absurd_numbers_are_refused_one_by_one() {
    let world = World::new();
    let good = "{\"ts\":1763320000000,\"provider\":\"a\",\"latency_ms\":1}";
    let bad = [
        r#"{"ts":1763320000000,"provider":"a","latency_ms":1e999}"#,
        r#"{"ts":1763320000000,"provider":"a","latency_ms":NaN}"#,
        r#"{"ts":1763320000000,"provider":"a","latency_ms":604800001}"#,
        r#"{"ts":1763320000000,"provider":"a","cost_usd":1000000000.000000001}"#,
        r#"{"ts":1763320000000,"provider":"a","cost_usd":-0.1}"#,
        r#"{"ts":1763320000000,"provider":"a","input_tokens":1000000000001}"#,
        r#"{"ts":1763320000000,"provider":"a","output_tokens":99999999999999999999999999}"#,
        r#"{"ts":1763320000000,"provider":"a","input_tokens":1,"cached_tokens":2}"#,
        r#"{"ts":9999999999999999,"provider":"a"}"#,
        r#"{"ts":-1,"provider":"a"}"#,
        r#"{"ts":1763320000000,"provider":["a"]}"#,
        "[1,2]",
        "{\"ts\":1763320000000,\"provider\":\"",
    ];
    let long = format!("{{\"ts\":1763320000000,\"provider\":\"{}\"}}", "x".repeat(257));
    let mut text = String::new();
    for line in bad.into_iter().chain([long.as_str()]) {
        text += &format!("{line}\n{good}\n");
    }
    for command in ["import ndjson - --json", "record --json"] {
        let done = world.feed(command, text.as_bytes());
        sound(&done, command);
        let json = done.json();
        assert_eq!((done.code, json["refused_count"].as_u64()), (Some(0), Some(14)), "{done}");
        let lines: Vec<u64> = json["refused"].as_array().unwrap().iter().filter_map(|r| r["line"].as_u64()).collect();
        assert_eq!(lines, (0..14).map(|i| 2 * i + 1).collect::<Vec<_>>(), "{done}");
    }
    assert_eq!(world.run("metrics requests --json").json()["data"][0]["value"], 28);
}

fn journals(world: &World) -> Vec<PathBuf> {
    let dir = world.path(".local/share/ax/monitor/journal");
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn a_journal_that_lost_its_end_still_gives_its_beginning() {
    // Cut at many places, the header included.
    for keep in [0_u64, 1, 100, 4095, 4096, 4097, 4200, 4400, 5000] {
        let world = World::new();
        let lines: String =
            (0..20).map(|i| format!("{{\"ts\":{},\"provider\":\"a\"}}\n", 1_763_320_000_000_u64 + i)).collect();
        // The first makes the pass, so that the second's events stay in the journal only.
        world.feed("record --quiet", b"{\"ts\":1763320000000,\"provider\":\"first\"}\n").good();
        let before = journals(&world);
        world.feed("record --quiet", lines.as_bytes()).good();
        let new: Vec<PathBuf> = journals(&world).into_iter().filter(|j| !before.contains(j)).collect();
        assert_eq!(new.len(), 1);
        let file = std::fs::OpenOptions::new().write(true).open(&new[0]).unwrap();
        file.set_len(keep).unwrap();
        for args in [
            "status",
            "events",
            "metrics requests",
            "store info",
            "store verify",
            "tick --at 2025-11-16T19:30:00Z",
            "status",
        ] {
            sound(&world.run(args), &format!("{keep}: {args}"));
        }
        let done = world.run("metrics requests --provider first --json");
        assert_eq!(done.json()["data"][0]["value"], 1, "{keep}: {done}");
        // Recording goes on.
        world.feed("record --quiet", lines.as_bytes());
        let done = world.run("metrics requests --provider a --json");
        assert!(done.json()["data"][0]["value"].as_u64() >= Some(20), "{keep}: {done}");
    }
}
