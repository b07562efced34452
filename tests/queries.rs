//! Queries over small stores: scripts of "load these events, ask this, expect that".
//!
//! ```text
//! load 60 every 1m from 2025-11-10T10:00:00Z provider=a latency=100,200   values go round
//! now 2025-11-10T11:00:00Z
//! > latency [1h] p95
//! = 200 (60)
//! ```
//! Each question is asked three times: while its events lie in a journal, after a pass has rolled
//! them up, and again in its canonical form. `AX_UPDATE=1` writes what is answered into the scripts.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "common/load.rs"]
mod load;

use std::fmt::Write;
use std::path::Path;

use ax_monitor::answer::{Answer, Evidence, Value};
use ax_monitor::metric::Number;
use ax_monitor::query;
use ax_monitor::store::AskError;
use ax_monitor::{Collector, Store, Timestamp};
use ax_storage::time::Zone;
use load::{load, moment};

#[test]
fn scripts_answer_as_they_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/queries");
    let mut scripts: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
    scripts.sort();
    assert!(scripts.len() >= 3, "the scripts are gone");
    let mut questions = 0;
    for script in scripts {
        questions += run(&script);
    }
    assert!(questions >= 50, "only {questions} questions");
}

/// A script in the making: its store and its time.
struct Stage {
    dir: tempfile::TempDir,
    collector: Option<Collector>,
    zone: Zone,
    now: Timestamp,
    asked: bool,
}

fn run(path: &Path) -> usize {
    let text = std::fs::read_to_string(path).unwrap();
    let mut stage = Stage::new();
    let (mut out, mut questions) = (String::new(), 0);
    for line in text.lines() {
        match line.split_once(' ').unwrap_or((line, "")) {
            ("=" | "!", _) => continue,
            (">", question) => {
                questions += 1;
                writeln!(out, "{line}").unwrap();
                let first = stage.ask(question);
                stage.tick();
                assert_eq!(stage.ask(question), first, "after a pass: {question} in {}", path.display());
                if let Ok(canonical) = query::parse(question).map(|q| q.to_string()) {
                    assert_eq!(stage.ask(&canonical), first, "{question} and {canonical} in {}", path.display());
                }
                out += &first;
                continue;
            }
            ("load", rest) => stage.load(rest),
            ("new", _) => stage = Stage::new(),
            ("now", time) => stage.now = moment(time),
            ("zone", name) => stage.zone = Zone::load(name).unwrap(),
            ("" | "#", _) => {}
            (other, _) => panic!("{other} in {}", path.display()),
        }
        writeln!(out, "{line}").unwrap();
    }
    if std::env::var_os("AX_UPDATE").is_some() {
        std::fs::write(path, &out).unwrap();
        return questions;
    }
    assert!(text == out, "{} answers differently:\n{}", path.display(), difference(&text, &out));
    questions
}

fn difference(expected: &str, got: &str) -> String {
    let pairs = expected.lines().zip(got.lines()).enumerate();
    let first = pairs.into_iter().find(|(_, (a, b))| a != b);
    first.map_or_else(|| "more or fewer lines".to_owned(), |(i, (a, b))| format!("line {}: {a}\n got {b}", i + 1))
}

impl Stage {
    fn new() -> Self {
        let (zone, now) = (Zone::utc(), Timestamp::YEAR_2000);
        Self { dir: tempfile::tempdir().unwrap(), collector: None, zone, now, asked: false }
    }

    fn store(&self) -> Store {
        ax_storage::Store::open_or_create(&self.dir.path().join("s"), &self.zone, self.now).unwrap().into()
    }

    fn load(&mut self, text: &str) {
        assert!(!self.asked, "load before asking");
        self.store();
        let collector = self.collector.get_or_insert_with(|| Collector::open(self.dir.path().join("s")).unwrap());
        load(collector, text);
    }

    fn tick(&mut self) {
        self.asked = true;
        self.collector = None;
        self.store().tick(self.now.plus_ms(1)).unwrap();
    }

    fn ask(&self, question: &str) -> String {
        match self.store().query_in(question, self.now, &self.zone) {
            Ok(answer) => shown(&answer),
            Err(AskError::Query(e)) => {
                let hint = e.hint.map(|h| format!(" | {h}")).unwrap_or_default();
                format!("! {}{hint}\n", e.message)
            }
            Err(e) => format!("! {e}\n"),
        }
    }
}

fn shown(answer: &Answer) -> String {
    let mut out = String::new();
    for row in &answer.rows {
        let labels = if row.labels.is_empty() { String::new() } else { format!("{}: ", row.labels.join("/")) };
        write!(out, "= {labels}{} ({})", value(row.value), row.count).unwrap();
        if let Some((previous, _)) = &row.previous {
            write!(out, " was {}", value(*previous)).unwrap();
        }
        if let Some(Evidence { value: left, threshold: right, .. }) = row.evidence {
            write!(out, ", {} and {}", number(left), number(right)).unwrap();
        }
        out.push('\n');
        for (step, point) in answer.steps.iter().zip(&row.points) {
            let partial = if step.partial { " partial" } else { "" };
            writeln!(out, "=   {} {} ({}){partial}", step.range.start, value(point.value), point.count).unwrap();
        }
    }
    if answer.rows.is_empty() {
        out += "= no groups\n";
    }
    out
}

fn value(value: Value) -> String {
    match value {
        Value::Number(n) => number(n),
        Value::Truth(truth) => truth.map_or_else(|| "unknown".to_owned(), |t| t.to_string()),
    }
}

fn number(number: Option<Number>) -> String {
    match number {
        None => "-".to_owned(),
        Some(Number::Float(v)) => format!("{v}"),
        Some(Number::Whole(n)) => format!("{n}"),
        Some(Number::Money(money)) => format!("${money}"),
    }
}
