//! Logs of the shapes that the tools write, imported whole into a sink that keeps everything.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use ax_storage::row::Batch;
use proptest::prelude::*;

use super::*;
use crate::export;
use crate::import::{Added, Consumed, Input, Mark, Note, Options, Report, Sink, SinkError, import};

/// 2026-06-01T00:00:00Z
const NOW: Timestamp = Timestamp::from_millis(1_780_272_000_000);
const MINUTE: u64 = 60_000;

#[derive(Default)]
struct Memory {
    rows: Vec<(Timestamp, String)>,
    ids: HashSet<(String, String)>,
    consumed: BTreeMap<u128, Vec<Consumed>>,
    marks: HashSet<Mark>,
}

impl Sink for Memory {
    fn remembered(&mut self, head: u128) -> Result<Vec<Consumed>, SinkError> {
        Ok(self.consumed.get(&head).cloned().unwrap_or_default())
    }

    fn add(&mut self, batch: &mut Batch, _: u128, _: Option<Consumed>) -> Result<Added, SinkError> {
        self.add_many(batch, &[], &[])
    }

    fn marked(&mut self, marks: &[Mark]) -> Result<Vec<bool>, SinkError> {
        Ok(marks.iter().map(|mark| self.marks.contains(mark)).collect())
    }

    fn add_many(&mut self, batch: &mut Batch, notes: &[Note], marks: &[Mark]) -> Result<Added, SinkError> {
        self.marks.extend(marks);
        let duplicate_rows = self.known(batch)?;
        let Batch { names, rows } = batch;
        let mut at = 0;
        rows.retain(|row| {
            at += 1;
            let new = !duplicate_rows.contains(&(at - 1));
            if new {
                let id = (names.get(row.provider).to_owned(), names.get(row.event_id).to_owned());
                self.ids.extend(Some(id).filter(|id| !id.1.is_empty()));
                let mut text = String::new();
                export::ndjson(&mut text, names, row);
                self.rows.push((row.ts, text));
            }
            new
        });
        for note in notes {
            self.consumed.entry(note.head).or_default().push(note.consumed);
        }
        Ok(Added { imported: rows.len() as u64, duplicates: duplicate_rows.len() as u64, duplicate_rows })
    }

    fn known(&mut self, batch: &Batch) -> Result<Vec<u32>, SinkError> {
        let id = |row: &ax_storage::row::Row| {
            (batch.names.get(row.provider).to_owned(), batch.names.get(row.event_id).to_owned())
        };
        Ok((0u32..).zip(&batch.rows).filter(|(_, row)| self.ids.contains(&id(row))).map(|(at, _)| at).collect())
    }
}

struct Bench {
    dir: tempfile::TempDir,
    memory: Memory,
    format: Format,
}

impl Bench {
    fn new(format: Format) -> Self {
        Self { dir: tempfile::tempdir().unwrap(), memory: Memory::default(), format }
    }

    /// Writes a file that nobody has touched for so long.
    fn file(&self, name: &str, content: &str, idle_ms: u64) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        let written = UNIX_EPOCH + Duration::from_millis(NOW.minus_ms(idle_ms).millis());
        File::options().write(true).open(&path).unwrap().set_modified(written).unwrap();
        path
    }

    fn import(&mut self, paths: &[PathBuf]) -> Report {
        self.import_with(paths, &Options::default())
    }

    fn import_with(&mut self, paths: &[PathBuf], options: &Options<'_>) -> Report {
        let inputs: Vec<Input> = paths.iter().map(|p| Input::Known(self.format, p.clone())).collect();
        let report = import(&mut self.memory, &inputs, options, NOW, &mut |_| {}).unwrap();
        assert_eq!(report.read, report.imported + report.duplicates + report.refused.count(), "{report:?}");
        for (of, total) in [
            (report.inputs.iter().map(|i| i.read).sum::<u64>(), report.read),
            (report.inputs.iter().map(|i| i.imported).sum(), report.imported),
            (report.inputs.iter().map(|i| i.duplicates).sum(), report.duplicates),
            (report.inputs.iter().map(|i| i.refused_count).sum(), report.refused.count()),
        ] {
            assert_eq!(of, total, "{report:?}");
        }
        report
    }

    /// (imported, duplicates, refused)
    fn counts(&mut self, paths: &[PathBuf]) -> (u64, u64, u64) {
        let report = self.import(paths);
        (report.imported, report.duplicates, report.refused.count())
    }

    fn rows(&self) -> String {
        let mut rows = self.memory.rows.clone();
        rows.sort_by_key(|(ts, _)| *ts);
        rows.into_iter().map(|(_, text)| text).collect()
    }
}

fn fixtures(folder: &str, files: &[&str]) -> (PathBuf, Vec<PathBuf>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/logs").join(folder);
    let files = files.iter().map(|file| folder.join(file)).collect();
    (folder, files)
}

/// Imports files of a format and compares with what a person worked out; then again, which adds nothing.
fn golden(format: Format, folder: &str, files: &[&str]) -> Report {
    let (folder, files) = fixtures(folder, files);
    let mut bench = Bench::new(format);
    for file in &files {
        // However young the checked-out file is, it is complete.
        let content = std::fs::read_to_string(file).unwrap();
        let name = file.strip_prefix(&folder).unwrap().to_str().unwrap();
        bench.file(name, &content, 2 * 60 * MINUTE);
    }
    let copies: Vec<PathBuf> =
        files.iter().map(|file| bench.dir.path().join(file.strip_prefix(&folder).unwrap())).collect();
    let report = bench.import(&copies);
    let expected = std::fs::read_to_string(folder.join("expected.ndjson")).unwrap();
    assert_eq!(bench.rows(), expected);
    let again = bench.import(&copies);
    assert_eq!((again.imported, again.read), (0, 0), "{again:?}");
    assert!(again.inputs.iter().all(|input| input.unchanged));
    report
}

#[test]
fn claude_codes_sessions_count_each_call_once() {
    let project = "projects/-home-alice-work-api";
    let files = [format!("{project}/first.jsonl"), format!("{project}/resumed.jsonl")];
    let report = golden(Format::ClaudeCode, "claude-code", &[&files[0], &files[1]]);
    // msg_1 stands on four lines, msg_2 is retold by a side conversation.
    assert_eq!((report.imported, report.duplicates, report.refused.count()), (5, 4, 1));
    assert_eq!(report.refused.first()[0].line, 8, "the line that was cut");
}

#[test]
fn codex_sessions_count_what_each_call_added() {
    let report = golden(Format::Codex, "codex", &["sessions/2026/05/agent.jsonl", "sessions/2026/05/main.jsonl"]);
    assert_eq!((report.imported, report.duplicates, report.refused.count()), (4, 0, 0));
}

#[test]
fn gemini_chats_and_telemetry_are_read_in_all_their_forms() {
    let files = ["telemetry.log", "tmp/shop/chats/session-1.json", "tmp/shop/chats/session-2.jsonl"];
    let report = golden(Format::Gemini, "gemini", &files);
    assert_eq!((report.imported, report.duplicates, report.refused.count()), (4, 2, 0));
}

#[test]
fn litellm_rows_and_payloads_are_read_whatever_their_types() {
    let report = golden(Format::LiteLlm, "litellm", &["spend.jsonl", "payload.json"]);
    assert_eq!((report.imported, report.duplicates, report.refused.count()), (6, 0, 0));
    assert_eq!(report.unpriced, 1, "a cost of 0 for tokens is no cost");
}

/// A row of LiteLLM with these fields beside its model and tokens, as the events it gives.
fn litellm(fields: &str) -> String {
    let mut bench = Bench::new(Format::LiteLlm);
    let row = format!(
        r#"{{"request_id":"r","call_type":"acompletion","custom_llm_provider":"openai","model":"gpt-4o",
        "prompt_tokens":10,"completion_tokens":20,{fields}}}"#
    );
    let path = bench.file("row.jsonl", &row.replace('\n', " "), 60 * MINUTE);
    assert_eq!(bench.counts(&[path]), (1, 0, 0), "{fields}");
    bench.rows()
}

/// A call that had not ended took 0 ms in every average.
#[test]
fn a_litellm_call_without_an_end_has_no_latency() {
    for end in ["null", "\"None\"", "\"\""] {
        let rows = litellm(&format!(
            r#""startTime":"2026-05-20 13:00:00.100","endTime":{end},"completionStartTime":"2026-05-20 13:00:00.400""#
        ));
        assert!(rows.contains(r#""ts":"2026-05-20T13:00:00.100Z""#), "{end}: {rows}");
        assert!(!rows.contains("latency_ms") && rows.contains(r#""ttft_ms":300"#), "{end}: {rows}");
    }
}

/// What LiteLLM's cache answered was billed as a call where the row did not tell the key.
#[test]
fn a_litellm_cache_hit_is_no_call_with_or_without_its_key() {
    let times = r#""startTime":1779282010.25,"endTime":1779282010.5"#;
    for key in [r#""Cache OFF""#, "null", r#""5c1f""#] {
        let row = litellm(&format!(r#"{times},"cache_hit":"True","spend":0.0,"cache_key":{key}"#));
        assert!(row.contains(r#""type":"cache""#) && row.contains(r#""event":"hit""#), "{key}: {row}");
        assert!(row.contains(r#""saved_tokens":30"#) && !row.contains(r#""cost_usd""#), "{key}: {row}");
    }
    let payload = litellm(&format!(r#"{times},"cache_hit":true,"response_cost":0.0,"saved_cache_cost":0.02"#));
    assert!(payload.contains(r#""saved_cost_usd":0.020000000"#), "{payload}");
}

fn claude(id: u32, output: u64) -> String {
    let ts = Timestamp::from_millis(1_779_264_000_000 + u64::from(id) * 1000);
    format!(
        "{{\"requestId\":\"r{id}\",\"timestamp\":\"{ts}\",\"message\":{{\"id\":\"m{id}\",\"model\":\"m\",\
         \"usage\":{{\"input_tokens\":1,\"output_tokens\":{output}}}}}}}\n"
    )
}

fn without_id(id: u32) -> String {
    claude(id, 5).replace("\"requestId\"", "\"_\"")
}

/// The output tokens of all rows, by time.
fn outputs(bench: &Bench) -> Vec<u64> {
    let rows = bench.rows();
    let number = |line: &str| line.split("\"output_tokens\":").nth(1)?.split(',').next()?.parse().ok();
    rows.lines().map(|line| number(line).unwrap_or(0)).collect()
}

#[test]
fn the_mention_with_the_most_tokens_counts_in_whichever_file_it_stands() {
    for order in [[0, 1], [1, 0]] {
        let mut bench = Bench::new(Format::ClaudeCode);
        let files = [bench.file("a", &claude(1, 3), 2 * 60 * MINUTE), bench.file("b", &claude(1, 90), 2 * 60 * MINUTE)];
        assert_eq!(bench.counts(&order.map(|at| files[at].clone())), (1, 1, 0));
        assert_eq!(outputs(&bench), [90]);
    }
}

#[test]
fn the_last_call_of_a_growing_file_waits_until_it_is_told_to_its_end() {
    let mut bench = Bench::new(Format::ClaudeCode);
    let text = claude(1, 10) + &claude(2, 1);
    let path = bench.file("a", &text, MINUTE);
    assert_eq!(bench.counts(std::slice::from_ref(&path)), (1, 0, 0));
    assert_eq!(bench.counts(std::slice::from_ref(&path)), (0, 0, 0), "the same again");
    bench.file("a", &(text.clone() + &claude(2, 70) + &claude(3, 1)), MINUTE);
    assert_eq!(bench.counts(std::slice::from_ref(&path)), (1, 1, 0), "another call follows");
    assert_eq!(outputs(&bench), [10, 70]);
    bench.file("a", &(text + &claude(2, 70) + &claude(3, 1)), 60 * MINUTE);
    assert_eq!(bench.counts(std::slice::from_ref(&path)), (1, 0, 0), "an hour has passed");
    assert_eq!(outputs(&bench), [10, 70, 1]);
}

#[test]
fn mentions_that_interleave_are_neither_lost_nor_counted_twice() {
    let mut bench = Bench::new(Format::ClaudeCode);
    let text = claude(1, 50) + &without_id(7) + &claude(2, 1) + &claude(3, 30) + &without_id(8) + &claude(2, 2);
    let path = bench.file("a", &text, MINUTE);
    bench.import(std::slice::from_ref(&path));
    assert_eq!(outputs(&bench), [50, 30, 5], "2 waits, and so does 8, which has no id to be known by");
    bench.file("a", &(text + &claude(2, 60) + &claude(4, 1)), 60 * MINUTE);
    bench.import(std::slice::from_ref(&path));
    assert_eq!(outputs(&bench), [50, 60, 30, 1, 5, 5]);
}

/// An answer that the main conversation and one beside it tell of, under call ids of their own, counts once whichever
/// is imported first.
#[test]
fn what_the_other_side_tells_in_a_later_import_is_known() {
    let main = claude(1, 50) + &claude(2, 1);
    let aside = claude(1, 50).replace("\"r1\"", "\"r9\"").replace("{\"requestId", "{\"isSidechain\":true,\"requestId");
    let unnamed = aside.replace("requestId", "_");
    for (first, second) in [(&main, &aside), (&main, &unnamed), (&aside, &main), (&unnamed, &main)] {
        let mut bench = Bench::new(Format::ClaudeCode);
        let files = [bench.file("a", first, 60 * MINUTE), bench.file("b", second, 60 * MINUTE)];
        bench.import(&files[..1]);
        let report = bench.import(&files[1..]);
        assert_eq!((report.duplicates, report.refused.count()), (1, 0), "{first}{second}");
        assert_eq!(outputs(&bench), [50, 1], "{first}{second}");
        let again = bench.import(&files);
        assert_eq!(again.imported, 0, "{again:?}");
    }
}

/// Two conversations in one file: the answer of the one still comes in when a call of the other follows.
#[test]
fn an_answer_that_comes_in_beside_others_waits() {
    let young = |id: u32, output| {
        let then = Timestamp::from_millis(1_779_264_000_000 + u64::from(id) * 1000);
        claude(id, output).replace(&then.to_string(), &NOW.minus_ms(MINUTE).to_string())
    };
    let mut bench = Bench::new(Format::ClaudeCode);
    let text = claude(1, 10) + &young(2, 1) + &claude(3, 30) + &young(4, 1);
    let path = bench.file("a", &text, MINUTE);
    assert_eq!(bench.counts(std::slice::from_ref(&path)), (2, 0, 0), "2 and 4 wait");
    bench.file("a", &(text + &young(2, 60)), 60 * MINUTE);
    bench.import(&[path]);
    let mut all = outputs(&bench);
    all.sort_unstable();
    assert_eq!(all, [1, 10, 30, 60]);
}

#[test]
fn users_get_the_names_that_are_asked_for() {
    let mut bench = Bench::new(Format::ClaudeCode);
    let text = claude(1, 1).replace("{\"requestId", "{\"cwd\":\"/home/alice/shop\",\"requestId") + &claude(2, 1);
    let path = bench.file("a", &text, 60 * MINUTE);
    let rename = |user: &str| format!("<{user}>");
    bench.import_with(&[path], &Options { users: Some(&rename), ..Options::default() });
    let rows = bench.rows();
    assert!(rows.contains(r#""user":"<shop>""#) && !rows.contains(r#""<>""#), "{rows}");
}

#[test]
fn a_grown_file_is_read_on_where_it_ended() {
    let mut bench = Bench::new(Format::ClaudeCode);
    let mut text = claude(1, 1) + &without_id(9);
    let path = bench.file("a", &text, 60 * MINUTE);
    assert_eq!(bench.counts(std::slice::from_ref(&path)), (2, 0, 0));
    text += &claude(2, 1);
    bench.file("a", &text, 60 * MINUTE);
    let report = bench.import(std::slice::from_ref(&path));
    assert_eq!((report.read, report.imported), (1, 1), "what was there before is not even read");
}

#[test]
fn half_a_line_waits_in_a_growing_file_and_is_refused_in_a_complete_one() {
    let mut bench = Bench::new(Format::ClaudeCode);
    let whole = claude(1, 1) + &claude(2, 1);
    let half = &whole[..whole.len() - 9];
    let path = bench.file("a", half, MINUTE);
    assert_eq!(bench.counts(std::slice::from_ref(&path)), (0, 0, 0));
    bench.file("a", &whole, 60 * MINUTE);
    assert_eq!(bench.counts(std::slice::from_ref(&path)), (2, 0, 0));
    let mut bench = Bench::new(Format::ClaudeCode);
    let path = bench.file("a", half, 60 * MINUTE);
    let report = bench.import(&[path]);
    assert_eq!((report.imported, report.refused.count(), report.refused.first()[0].line), (1, 1, 2));
}

#[test]
fn a_trial_run_knows_what_is_there_already() {
    let mut bench = Bench::new(Format::ClaudeCode);
    let files =
        [bench.file("a", &claude(1, 1), 60 * MINUTE), bench.file("b", &(claude(2, 1) + &claude(1, 1)), 60 * MINUTE)];
    bench.import(&files[..1]);
    let trial = Options { dry_run: true, ..Options::default() };
    let report = bench.import_with(&files, &trial);
    assert_eq!((report.imported, report.duplicates, bench.memory.rows.len()), (1, 1, 1));
}

#[test]
fn lines_of_other_forms_are_no_calls_and_no_faults() {
    let mut bench = Bench::new(Format::ClaudeCode);
    let text = [
        r#"{"type":"user","message":"plain text","usage":{}}"#,
        r#"{"type":"user","toolUseResult":{"usage":{"input_tokens":5}},"message":{"content":[]}}"#,
        r#"{"type":"assistant","message":{"usage":null}}"#,
        r#"{"type":"assistant","message":null,"note":"usage"}"#,
        "",
    ];
    let path = bench.file("a", &(text.join("\n") + "\n"), 60 * MINUTE);
    assert_eq!(bench.counts(&[path]), (0, 0, 0));
    let wrong = r#"{"timestamp":"2026-05-20T08:00:00Z","message":{"usage":{"input_tokens":-5}}}"#;
    let late = claude(1, 1).replace("2026", "2031");
    let path = bench.file("b", &format!("{wrong}\n{late}{}", claude(2, 1)), 60 * MINUTE);
    let report = bench.import(&[path]);
    assert_eq!((report.imported, report.refused.count()), (1, 2), "{:?}", report.refused);
    assert_eq!(report.refused.first().iter().map(|r| r.line).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn a_codex_session_that_grew_adds_only_what_is_new() {
    let mut bench = Bench::new(Format::Codex);
    let (_, files) = fixtures("codex", &["sessions/2026/05/main.jsonl"]);
    let whole = std::fs::read_to_string(&files[0]).unwrap();
    let half: String = whole.split_inclusive('\n').take(5).collect();
    let path = bench.file("main.jsonl", &half, MINUTE);
    assert_eq!(bench.counts(std::slice::from_ref(&path)), (2, 0, 0));
    bench.file("main.jsonl", &whole, MINUTE);
    assert_eq!(bench.counts(std::slice::from_ref(&path)), (1, 2, 0), "the model is known although told before");
    assert!(bench.rows().lines().last().unwrap().contains("gpt-5.2-codex"));
}

fn parsed(format: Format, json: &str) -> Call {
    let (mut names, mut list) = (Names::default(), Vec::new());
    let mut calls = Calls { names: &mut names, list: &mut list };
    parser(format, None).value(json.as_bytes(), &mut calls).unwrap();
    assert_eq!(list.len(), 1, "{json}");
    list[0]
}

proptest! {
    /// Whatever classes a provider tells, they add up to its own total, and parts stay within their whole.
    #[test]
    fn the_classes_add_up_to_the_providers_total(n in prop::array::uniform5(0u64..1_000_000)) {
        let [a, b, c, d, e] = n;
        let ts = "2026-05-20T08:00:00Z";
        let claude = parsed(Format::ClaudeCode, &format!(
            r#"{{"timestamp":"{ts}","message":{{"usage":{{"input_tokens":{a},"output_tokens":{b},
            "cache_read_input_tokens":{c},"cache_creation":{{"ephemeral_5m_input_tokens":{d},"ephemeral_1h_input_tokens":{e}}}}}}}}}"#));
        prop_assert_eq!(claude.total(), a + b + c + d + e);
        prop_assert_eq!((claude.tokens.cache_write, claude.tokens.cache_write_1h), (d + e, e));
        let codex = parsed(Format::Codex, &format!(
            r#"{{"timestamp":"{ts}","type":"event_msg","payload":{{"type":"token_count","info":{{"last_token_usage":{{
            "input_tokens":{},"cached_input_tokens":{b},"output_tokens":{c},"reasoning_output_tokens":{d}}}}}}}}}"#, a + 1));
        prop_assert_eq!(codex.total(), a + 1 + c);
        let gemini = parsed(Format::Gemini, &format!(
            r#"{{"timestamp":"{ts}","type":"gemini","tokens":{{"input":{a},"output":{b},"cached":{c},"thoughts":{d},"tool":{e}}}}}"#));
        prop_assert_eq!(gemini.total(), a + b + d + e);
        let litellm = parsed(Format::LiteLlm, &format!(
            r#"{{"call_type":"completion","endTime":"{ts}","prompt_tokens":{a},"completion_tokens":{b},
            "metadata":{{"usage_object":{{"cache_read_input_tokens":{c},"cache_creation_input_tokens":{d}}}}}}}"#));
        prop_assert_eq!(litellm.total(), a + b);
        for call in [claude, codex, gemini, litellm] {
            prop_assert_eq!(call.tokens.check(), Ok(()));
        }
    }

    /// Nothing that a file may hold makes a parser panic.
    #[test]
    fn any_text_is_read_or_refused(text in "[ -~\n]{0,200}", cut in 0usize..4000, at in 0usize..4) {
        let folder = ["claude-code/projects/-home-alice-work-api/first.jsonl", "codex/sessions/2026/05/main.jsonl",
            "gemini/telemetry.log", "litellm/payload.json"][at];
        let format = [Format::ClaudeCode, Format::Codex, Format::Gemini, Format::LiteLlm][at];
        let whole = std::fs::read_to_string(fixtures(folder, &[""]).0).unwrap();
        let mut cut = cut.min(whole.len());
        while !whole.is_char_boundary(cut) {
            cut -= 1;
        }
        let mut bench = Bench::new(format);
        let path = bench.file("a", &format!("{}{text}{}", &whole[..cut], &whole[cut..]), 60 * MINUTE);
        bench.import(&[path]);
    }
}
