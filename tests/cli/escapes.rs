//! Names that would command a terminal, a spreadsheet or a page, through every command and format.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::process::Stdio;

use ax_monitor::words::is_hidden;

use crate::receiver::Receiver;
use crate::serve::{Service, wait_until};
use crate::world::World;

/// What nobody should be called.
fn evil() -> Vec<String> {
    let names = [
        "\u{1b}[2J\u{1b}[Hcsi",
        "\u{9b}31mc1",
        "\u{1b}]0;title\u{7}osc",
        "nul\0bell\u{7}back\u{8}",
        "\u{202e}bidi\u{2066}",
        "two\nlines\r\nand\rmore",
        "\u{2028}separators\u{2029}\u{85}",
        "=cmd|' /C calc'!A0",
        "+1+cmd",
        "-2+3",
        "@sum(1)",
        "\t=tab",
        "'=apostrophe",
        "quo\"te,com;ma",
        "|pipe*star`code`<b>[x](y)",
        "zero\u{200b}width\u{feff}\u{ad}",
        "tag\u{e0041}\u{e007f}",
        "\\u{1b}{}%s%n$HOME",
        "\u{7f}del",
    ];
    let long = ["x".repeat(256), "\u{202e}".repeat(85), "日".repeat(85)];
    names.into_iter().map(str::to_owned).chain(long).collect()
}

/// A store in which everything has such a name.
fn world() -> World {
    let world = World::new();
    let mut lines = String::new();
    for (n, e) in evil().iter().enumerate() {
        let ts = 1_763_320_380_000 + n * 1000;
        let request = serde_json::json!({"ts": ts, "provider": e, "model": e, "user": e, "service_tier": e, "event_id": e,
            "latency_ms": 5, "input_tokens": 3, "cost_usd": 1});
        let failed = serde_json::json!({"ts": ts + 1, "provider": e, "model": e, "user": e, "error": e});
        let model: String = e.chars().skip(1).take(60).collect();
        let unpriced = serde_json::json!({"ts": ts + 2, "provider": e, "model": model, "input_tokens": 3});
        let cache = serde_json::json!({"type": "cache", "ts": ts, "event": "hit", "provider": e, "model": e, "key": e});
        let rate = serde_json::json!({"type": "rate_limit", "ts": ts, "event": "denied", "provider": e, "key": e,
            "limit_type": e, "limit": 5});
        for event in [request, failed, unpriced, cache, rate] {
            lines += &format!("{event}\n");
        }
    }
    world.write("events.ndjson", &lines);
    let done = world.run("import events.ndjson --json");
    assert_eq!((done.code, done.json()["refused_count"].as_u64()), (Some(0), Some(0)), "{done}");
    world
}

/// Runs a command: what it printed, in which nothing is hidden.
fn sound(world: &World, args: &[&str]) -> (i32, String) {
    let done = world.run_args(args);
    for text in [&done.out, &done.err] {
        assert!(!text.contains("panicked") && !text.contains("made a mistake"), "{args:?}: {done}");
        let bad = text.chars().find(|c| *c != '\n' && is_hidden(*c));
        assert_eq!(bad, None, "{args:?}: {done}");
    }
    (done.code.unwrap_or(-1), done.out)
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

/// Cells by row, as a spreadsheet reads them.
fn cells(csv: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut rest = csv.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '"' if quoted && rest.peek() == Some(&'"') => {
                rest.next();
                cell.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut cell)),
            '\n' if !quoted => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            c => cell.push(c),
        }
    }
    assert!(cell.is_empty() && row.is_empty() && !quoted, "it ends in the middle");
    rows
}

fn check_csv(text: &str, args: &[&str]) {
    let rows = cells(text);
    for row in &rows {
        assert_eq!(row.len(), rows[0].len(), "{args:?}: {row:?}");
        for cell in row.iter().filter(|cell| cell.parse::<f64>().is_err()) {
            assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{args:?}: a formula: {cell}");
        }
    }
}

fn check_markdown(text: &str, args: &[&str]) {
    let bars = |line: &str| line.replace("\\\\", "").replace("\\|", "").matches('|').count();
    let mut table = text.lines().filter(|line| line.starts_with('|'));
    let first = bars(table.next().unwrap_or_default());
    assert!(first > 1, "{args:?}: {text}");
    table.for_each(|line| assert_eq!(bars(line), first, "{args:?}: {line}"));
}

#[test]
fn every_screen_shows_hidden_characters_and_commands_no_terminal() {
    let world = world();
    for args in [
        "status",
        "status --verbose",
        "status --format line --verbose",
        "status --json --verbose",
        "status --ascii",
        "events -n 1000",
        "events --json -n 1000",
        "costs",
        "costs --by user --top 3",
        "costs --by model,day --compare",
        "costs --by provider --json",
        "costs --budget --projection",
        "budgets",
        "prices",
        "prices --json",
        "prices unpriced",
        "prices unpriced --json",
        "store info",
        "store verify --deep",
        "metrics --list",
        "import events.ndjson",
        "import events.ndjson --dry-run --json",
        "export",
        "tick",
        "compact",
        "status --color never",
    ] {
        let (code, out) = sound(&world, &words(args));
        assert_eq!(code, 0, "{args}: {out}");
        if args.contains("--json") {
            serde_json::from_str::<serde_json::Value>(&out).unwrap_or_else(|e| panic!("{args}: {e}: {out}"));
        }
    }
    // Colours are all that a screen may say to a terminal.
    for args in ["status --verbose --color always", "costs --color always", "events --color always"] {
        let out = world.run(args).out;
        let plain: String = out
            .split("\u{1b}[")
            .map(|part| part.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';'))
            .map(|part| part.strip_prefix('m').unwrap_or(part))
            .collect();
        assert_eq!(plain.chars().find(|c| *c != '\n' && is_hidden(*c)), None, "{args}: {out}");
    }
    for columns in ["1", "20", "61", "200"] {
        let narrow = self::world().with("COLUMNS", columns);
        for args in ["status --verbose", "events", "costs --by user", "metrics latency --by provider,user"] {
            assert_eq!(sound(&narrow, &words(args)).0, 0, "{columns}: {args}");
        }
    }
}

#[test]
fn every_format_of_every_label_stays_in_its_cells() {
    let world = world();
    for (metric, label) in [
        ("latency", "provider"),
        ("latency", "model"),
        ("latency", "user"),
        ("errors", "error"),
        ("requests", "service_tier"),
        ("cost", "provider,user"),
        ("cache_hits", "key"),
        ("denied", "key"),
        ("denied", "kind"),
    ] {
        for format in ["table", "chart", "line", "json", "ndjson", "csv", "markdown"] {
            for step in [None, Some("5m")] {
                let mut args = vec!["metrics", metric, "--by", label, "--format", format];
                args.extend(step.iter().flat_map(|step| ["--step", step]));
                let (code, out) = sound(&world, &args);
                assert_eq!(code, 0, "{args:?}: {out}");
                match format {
                    "csv" => check_csv(&out, &args),
                    "markdown" => check_markdown(&out, &args),
                    "json" => drop(serde_json::from_str::<serde_json::Value>(&out).unwrap()),
                    "ndjson" => out.lines().for_each(|l| drop(serde_json::from_str::<serde_json::Value>(l).unwrap())),
                    _ => {}
                }
            }
        }
    }
    let args = ["export", "--format", "csv"];
    check_csv(&sound(&world, &args).1, &args);
    // What goes out comes back the same.
    for format in ["csv", "ndjson"] {
        let text = sound(&world, &["export", "--format", format]).1;
        let again = World::new();
        again.feed(&format!("import {format} - --quiet"), text.as_bytes());
        assert_eq!(sound(&again, &["export", "--format", format]).1, text);
    }
}

/// Commands that take a name; `@` is where it goes.
const NAMING: [&[&str]; 34] = [
    &["@"],
    &["metrics", "@"],
    &["metrics", "latency", "--provider", "@", "--model", "@", "--user", "@"],
    &["metrics", "latency", "--range", "@"],
    &["metrics", "latency", "--by", "@"],
    &["metrics", "latency", "--where", "@"],
    &["metrics", "latency", "--where", "model=@"],
    &["metrics", "-q", "@"],
    &["metrics", "latency", "--step", "@"],
    &["metrics", "latency", "--fail-on", "@"],
    &["explain", "@"],
    &["explain", "latency{model=\"@\"} [1h] p95"],
    &["explain", "latency{model=\"@\"} [1h] p95", "--json"],
    &["events", "-q", "@"],
    &["status", "--provider", "@"],
    &["status", "--tz", "@"],
    &["status", "--at", "@"],
    &["--config", "@", "status"],
    &["--store", "@", "store", "info"],
    &["import", "@"],
    &["import", "events.ndjson", "--map", "@=ts"],
    &["export", "-o", "@/@"],
    &["forecast", "--input", "@", "--horizon", "3", "--step", "1d"],
    &["record", "--provider", "@", "--model", "@", "--user", "@", "--error", "@"],
    &["prices", "set", "@", "--provider", "@", "--input", "1", "--output", "2"],
    &["prices", "list", "@"],
    &["prices", "import", "@"],
    &["budgets", "set", "@", "--limit", "5", "--period", "daily"],
    &["budgets", "set", "scoped", "--limit", "5", "--period", "daily", "--scope", "@"],
    &["budgets", "delete", "@", "--yes"],
    &["alerts", "create", "--name", "@", "--when", "requests by(provider) > 0"],
    &["alerts", "create", "--name", "x", "--when", "@"],
    &["alerts", "silence", "--rule", "@", "--for", "2h", "--comment", "@"],
    &["store", "backup", "@/@"],
];

#[test]
fn a_name_on_the_command_line_comes_back_visible() {
    let world = world();
    for name in evil().into_iter().filter(|name| !name.contains('\0')) {
        for args in NAMING {
            let args: Vec<String> = args.iter().map(|arg| arg.replace('@', &name)).collect();
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            sound(&world, &args);
        }
        sound(&world, &["--json", "metrics", &name]);
    }
    // What of it was taken is shown by these.
    for args in ["alerts rules", "alerts rules --json", "budgets", "budgets --json", "prices", "prices --json"] {
        sound(&world, &words(args));
    }
}

#[test]
fn bytes_that_are_no_text_are_refused_or_replaced() {
    let world = world();
    let bytes = OsStr::from_bytes(b"a\xff\x1b[2J\xc0\x80");
    for args in NAMING {
        let args = args.iter().map(|arg| if arg.contains('@') { bytes.to_owned() } else { OsString::from(arg) });
        let mut command = world.command(&["monitor"]);
        let output = command.args(args).stdin(Stdio::null()).output().unwrap();
        for text in [output.stdout, output.stderr] {
            let text = String::from_utf8(text).expect("what is printed is text");
            assert_eq!(text.chars().find(|c| *c != '\n' && is_hidden(*c)), None, "{text}");
            assert!(!text.contains("panicked"), "{text}");
        }
    }
    let lines = [&b"{\"ts\":1763320000000,\"provider\":\"a\xff\x1b[2J\"}\n\x1b[2J\xff\n"[..], b"\xff\xfe\0\n"].concat();
    for command in ["import ndjson -", "import csv -", "import -", "record", "prices import -"] {
        let done = world.feed(command, &lines);
        for text in [&done.out, &done.err] {
            assert_eq!(text.chars().find(|c| *c != '\n' && is_hidden(*c)), None, "{command}: {done}");
        }
        assert!(!done.err.contains("panicked"), "{command}: {done}");
    }
}

#[test]
fn settings_with_such_names_are_shown_escaped() {
    let world = world();
    for name in evil() {
        let name = serde_json::to_string(&name).unwrap().replace('\u{7f}', "\\u007f");
        for settings in [
            format!("[[rule]]\nname = {name}\nwhen = 'requests by(user) > 0'\n"),
            format!("[[rule]]\nname = 'r'\nwhen = {name}\nchannel = [{name}]\n"),
            format!("[[budget]]\nname = {name}\nlimit = 5\nperiod = 'daily'\n"),
            format!("[[channel]]\nname = {name}\ntype = 'command'\ncommand = [{name}, {name}]\n"),
            format!("[[channel]]\nname = 'c'\ntype = {name}\n"),
            format!("[aliases]\n{name} = {name}\n[prices.{name}]\ninput = 1\noutput = 2\n"),
            format!("[display]\ntimezone = {name}\ncolor = {name}\n"),
            format!("[display]\n{name} = 1\n"),
        ] {
            world.write(".config/ax/monitor.toml", &settings);
            for args in ["config validate", "config show", "alerts rules", "budgets", "alerts channels", "status"] {
                sound(&world, &words(args));
            }
        }
    }
}

#[test]
fn alerts_about_such_names_are_told_escaped() {
    let receiver = Receiver::start(Some("200 OK"));
    let world = world();
    let rule = "[[rule]]\nname = 'r'\nwhen = 'requests [5m] by(provider, user) > 0'\n";
    let channels = format!(
        "[[channel]]\nname = 'hook'\ntype = 'webhook'\nurl = '{}'\n\
         [[channel]]\nname = 'run'\ntype = 'command'\ncommand = ['sh', '-c', 'cat >> got; printf \"\\033[2J\\377\" >&2; exit 3']\n\
         [[channel]]\nname = 'here'\ntype = 'terminal'\n",
        receiver.url
    );
    world.write(".config/ax/monitor.toml", &format!("{rule}{channels}"));
    let service = Service::start(&world);
    wait_until("deliveries", || !receiver.bodies().is_empty() && service.out.has("run: try 1"));
    let (out, err) = service.output();
    let got = std::fs::read_to_string(world.path("got")).unwrap();
    for text in [&out, &err, &got] {
        assert_eq!(text.chars().find(|c| *c != '\n' && is_hidden(*c)), None, "{text}");
    }
    assert!(out.contains("\\u{1b}[2J"), "{out}");
    for args in [
        "alerts",
        "alerts --json",
        "alerts list --all",
        "alerts history",
        "alerts history --json",
        "alerts check",
        "alerts check --json",
        "alerts rules",
        "alerts test r",
        "alerts test r --json",
        "alerts channels",
        "status",
    ] {
        sound(&world, &words(args));
    }
    let id = world.run("alerts --json").json()["data"][0]["id"].as_str().unwrap().to_owned();
    sound(&world, &["alerts", "ack", &id, "--comment", "\u{1b}[2J\nforged line\u{202e}"]);
    for args in [&["alerts", "show", &id][..], &["alerts", "show", &id, "--json"], &["alerts", "history"]] {
        assert_eq!(sound(&world, args).0, 0, "{args:?}");
    }
}
