//! Importing the logs of other tools: all of them, then again, then a file that grew.
//!
//! `cargo bench --bench logs [-- ROWS [FOLDER]]`; with a folder the logs stay there, so that whole processes can be tried
//! on them. Under `cargo test` it runs once over tiny input.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use ax_monitor::import::{Format, Input, Options, Report, import};
use ax_monitor::pricing::Book;
use ax_storage::clock::Stopwatch;
use ax_storage::store::Store;
use ax_storage::time::{HOUR_MS, Timestamp, Zone};

/// 2026-06-01T00:00:00Z, when everything is imported.
const NOW_MS: u64 = 1_780_272_000_000;
/// Sessions that the lines are spread over.
const SESSIONS: usize = 200;
/// Lines that tell of one call: one a content block.
const BLOCKS: usize = 6;
/// Bytes of text in a line with usage, and of a line between calls: a question, or what a tool read.
const TEXT_BYTES: usize = 900;
const BETWEEN_BYTES: usize = 6_500;

fn main() {
    let measuring = std::env::args().any(|arg| arg == "--bench");
    let mut asked = std::env::args().skip(1).filter(|arg| !arg.starts_with("--"));
    let rows: usize = asked.next().and_then(|arg| arg.parse().ok()).unwrap_or(if measuring { 96_000 } else { 600 });
    let temporary = tempfile::tempdir().expect("a temporary folder");
    let folder = asked.next().map_or_else(|| temporary.path().to_owned(), PathBuf::from);
    claude_code(rows, &folder, temporary.path());
    grown(Format::Codex, "codex", codex(rows / 10), &codex_count(rows / 10), &folder, temporary.path());
    grown(Format::Gemini, "gemini", gemini(rows / 10), &gemini_message(rows / 10), &folder, temporary.path());
}

/// Sessions of Claude Code with so many lines that tell of usage.
fn claude_code(rows: usize, folder: &Path, stores: &Path) {
    let project = folder.join("projects/-home-alice-work-api");
    fs::create_dir_all(&project).expect("a folder");
    let (sessions, mut bytes, mut inputs) = (SESSIONS.min(rows / BLOCKS).max(1), 0, Vec::new());
    for session in 0..sessions {
        let text = session_text(session, rows / BLOCKS / sessions);
        bytes += text.len();
        inputs.push(Input::Known(Format::ClaudeCode, write(&project.join(format!("{session}.jsonl")), &text)));
    }
    let store = store(&stores.join("claude-code"));
    let first = timed(&format!("claude-code, {} MB in {sessions} files", bytes >> 20), || take(&store, &inputs));
    assert_eq!(first.imported as usize, rows / BLOCKS / sessions * sessions);
    let again = timed("the same again", || take(&store, &inputs));
    assert_eq!((again.imported, again.read), (0, 0));
}

/// A log of one file, then the same with a call more.
fn grown(format: Format, name: &str, mut text: String, more: &str, folder: &Path, stores: &Path) {
    let path = folder.join(name);
    let inputs = [Input::Known(format, write(&path, &text))];
    let store = store(&stores.join(format!("{name}-store")));
    let first = timed(&format!("{name}, {} KB in one file", text.len() >> 10), || take(&store, &inputs));
    text += more;
    write(&path, &text);
    let again = timed("the same with a call more, read as a whole", || take(&store, &inputs));
    assert_eq!((again.imported, again.read), (1, first.imported + 1));
}

fn store(path: &Path) -> Store {
    Store::open_or_create(path, &Zone::utc(), Timestamp::from_millis(NOW_MS)).expect("a fresh folder")
}

fn take(store: &Store, inputs: &[Input]) -> Report {
    let options = Options { prices: Some(Book::embedded()), ..Options::default() };
    import(&mut store.import(), inputs, &options, Timestamp::from_millis(NOW_MS), &mut |_| {}).expect("it imports")
}

fn timed(what: &str, run: impl FnOnce() -> Report) -> Report {
    let watch = Stopwatch::start();
    let report = run();
    println!(
        "{what:50} {:8.1} ms, {} of {} calls new",
        watch.elapsed().as_secs_f64() * 1e3,
        report.imported,
        report.read
    );
    report
}

/// Writes a file that nobody has touched for long.
fn write(path: &Path, text: &str) -> PathBuf {
    fs::write(path, text).expect("room for it");
    let written = UNIX_EPOCH + Duration::from_millis(NOW_MS - 5 * HOUR_MS);
    File::options().write(true).open(path).and_then(|f| f.set_modified(written)).expect("a file of our own");
    path.to_owned()
}

fn time(call: usize) -> Timestamp {
    Timestamp::from_millis(NOW_MS - 30 * 24 * HOUR_MS + call as u64 * 20_000 % (29 * 24 * HOUR_MS))
}

fn session_text(session: usize, calls: usize) -> String {
    let mut text = String::new();
    let (said, between) = ("word ".repeat(TEXT_BYTES / 5), "line of a file\\n".repeat(BETWEEN_BYTES / 16));
    for call in 0..calls {
        let (id, t) = (session * 1_000_000 + call, time(session * 640 + call * 3));
        let _ = writeln!(
            text,
            "{{\"parentUuid\":\"u{id}\",\"isSidechain\":false,\"cwd\":\"/home/alice/work/api\",\"sessionId\":\"s{session}\",\
             \"type\":\"user\",\"message\":{{\"role\":\"user\",\"content\":\"{between}\"}},\"uuid\":\"v{id}\",\"timestamp\":\"{t}\"}}"
        );
        for block in 1..=BLOCKS {
            let _ = writeln!(
                text,
                "{{\"parentUuid\":\"v{id}\",\"isSidechain\":false,\"userType\":\"external\",\"cwd\":\"/home/alice/work/api\",\
                 \"sessionId\":\"s{session}\",\"version\":\"2.0.14\",\"gitBranch\":\"main\",\"message\":{{\"id\":\"msg_{id:024}\",\
                 \"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-sonnet-4-5-20250929\",\"content\":[{{\"type\":\
                 \"text\",\"text\":\"{said}\"}}],\"stop_reason\":null,\"usage\":{{\"input_tokens\":4,\
                 \"cache_creation_input_tokens\":{},\"cache_read_input_tokens\":18204,\"cache_creation\":{{\
                 \"ephemeral_5m_input_tokens\":{},\"ephemeral_1h_input_tokens\":0}},\"output_tokens\":{},\"service_tier\":\
                 \"standard\"}}}},\"requestId\":\"req_{id:024}\",\"type\":\"assistant\",\"uuid\":\"w{id}-{block}\",\"timestamp\":\
                 \"{t}\"}}",
                900 + call % 77,
                900 + call % 77,
                block * 40
            );
        }
    }
    text
}

fn codex(calls: usize) -> String {
    let head = format!(
        "{{\"timestamp\":\"{}\",\"type\":\"session_meta\",\"payload\":{{\"id\":\"s1\",\"cwd\":\"/home/alice/work/api\"}}}}\n\
         {{\"timestamp\":\"{}\",\"type\":\"turn_context\",\"payload\":{{\"model\":\"gpt-5.2-codex\"}}}}\n",
        time(0),
        time(0)
    );
    (0..calls).fold(head, |text, call| text + &codex_count(call))
}

fn codex_count(call: usize) -> String {
    let (t, said) = (time(call), "word ".repeat(TEXT_BYTES / 5));
    let usage = |n: usize| {
        format!(
            "{{\"input_tokens\":{},\"cached_input_tokens\":{},\"output_tokens\":{},\"reasoning_output_tokens\":{n}}}",
            n * 2000,
            n * 1500,
            n * 90
        )
    };
    format!(
        "{{\"timestamp\":\"{t}\",\"type\":\"response_item\",\"payload\":{{\"type\":\"message\",\"content\":\"{said}\"}}}}\n\
         {{\"timestamp\":\"{t}\",\"type\":\"event_msg\",\"payload\":{{\"type\":\"token_count\",\"info\":{{\
         \"total_token_usage\":{},\"last_token_usage\":{}}}}}}}\n",
        usage(call + 1),
        usage(1)
    )
}

fn gemini(calls: usize) -> String {
    let head = format!("{{\"sessionId\":\"s1\",\"startTime\":\"{}\"}}\n", time(0));
    (0..calls).fold(head, |text, call| text + &gemini_message(call))
}

fn gemini_message(call: usize) -> String {
    let (t, said) = (time(call), "word ".repeat(TEXT_BYTES / 5));
    format!(
        "{{\"id\":\"m{call}\",\"timestamp\":\"{t}\",\"type\":\"gemini\",\"content\":\"{said}\",\"model\":\"gemini-2.5-pro\",\
         \"tokens\":{{\"input\":2000,\"output\":90,\"cached\":1500,\"thoughts\":40,\"tool\":0,\"total\":2130}}}}\n"
    )
}
