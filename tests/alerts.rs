//! Alerts over small stores: scripts of "load these events, judge minute after minute, expect this".
//!
//! ```text
//! load 60 every 1m from 2025-11-10T10:00:00Z provider=a latency=100,200   values go round
//! rule slow p95(latency) > 150ms for 2m                                    flags before the condition
//! judge 2025-11-10T10:30:00Z 5                                             five minutes from then on
//! = 10:32 slow firing told 200 against 150, 5 events
//! ```
//! `quiet` skips minutes without judging them, `ack`, `silence RULE MINUTES` and `drop RULE` do what
//! people do. `AX_UPDATE=1` writes what happens into the scripts.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "common/load.rs"]
mod load;

use std::fmt::Write;
use std::path::Path;

use ax_monitor::aggregator::Config;
use ax_monitor::alerts::table::{RULES, SILENCES, STATES, Silence, States, Stored};
use ax_monitor::alerts::{self, Acknowledged, Change, Rule, Severity, Surroundings};
use ax_monitor::metric::Number;
use ax_monitor::query::planner::Nothing;
use ax_monitor::{Collector, Timestamp};
use ax_storage::Store;
use ax_storage::tier::db::DbError;
use ax_storage::time::Zone;
use jiff::civil::Weekday;
use load::{load, moment};

const MINUTE_MS: u64 = 60_000;

#[test]
fn scripts_happen_as_they_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/alerts");
    let mut scripts: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
    scripts.sort();
    assert!(scripts.len() >= 3, "the scripts are gone");
    for script in scripts {
        run(&script);
    }
}

/// A replay must come to what judging minute by minute came to. It answers from memory what upkeep asks
/// the store for, so every kind of question is put to both.
#[test]
fn a_replay_comes_to_what_judging_each_minute_came_to() {
    let mut stage = Stage::new();
    let errors = "-,".repeat(40) + "x";
    stage.load(&format!("7000 every 30s from 2025-11-08T00:00:10Z provider=a,b,a model=m,n latency=100,250,180,90 cost=0.01 error={errors}"));
    stage.load(
        "200 every 7s from 2025-11-10T10:20:03Z provider=a,a,b model=m latency=100,2500,180,900 cost=0.02 error=-,x,-",
    );
    stage.load("500 every 3s from 2025-11-10T10:00:00Z event=hit,hit,miss provider=a");
    let rules = [
        "avg(latency [3m]) > 400 for 2m",
        "p95(latency) by(provider) > 1s",
        "error_rate by(provider) > baseline * 3",
        "p50(latency) > baseline * 1.5",
        "requests [5m] by(provider) < 5",
        "cost [today] > $70 OR hit_rate [10m] < 50%",
        "trend(latency p95 [2h]) > 10%",
        "anomaly(latency avg [15m]) AND NOT (error_rate{model=~\"m.*\"} [5m] < 2%)",
        "avg(latency [15m]) > baseline * 1.2",
        "daily_spend > $70",
        "forecast(day) > $30",
        "anomaly(requests [15m] by(provider), 4)",
        "max(latency [2m]) > 2s AND min(latency{provider=\"b\"} [7m]) > 80",
    ];
    let names: Vec<String> = (0..rules.len()).map(|i| format!("r{i}")).collect();
    for (name, rule) in names.iter().zip(rules) {
        stage.rule(&format!("{name} {rule}"));
    }
    let first = moment("2025-11-10T10:01:00Z");
    let (store, config) = (stage.store(), Config::default());
    let mut lived: Vec<Change> = Vec::new();
    for i in 0..50 {
        // As in upkeep: nothing is remembered from one minute to the next.
        let outside = config.outside(&store);
        let around = config.around(&store, &outside);
        lived.extend(alerts::evaluate(&store, &around, first.plus_ms(i * MINUTE_MS + 5_000)).unwrap().changes);
    }
    let outside = config.outside(&store);
    let around = config.around(&store, &outside);
    let (mut fired, mut grown) = (0, 0);
    for (name, rule) in names.iter().zip(rules) {
        let rule = Rule::new(name, rule).unwrap();
        let range = ax_storage::time::TimeRange::new(first, first.plus_ms(49 * MINUTE_MS));
        let replay = alerts::replay(&store, &rule, &around, range, &States::default()).unwrap();
        let lived: Vec<_> = lived.iter().filter(|c| c.rule == *name).map(|c| c.what.clone()).collect();
        assert_eq!(replay.transitions, lived, "{}", rule.condition);
        fired += usize::from(!replay.episodes.is_empty());
        // What is not over has the peak that it has reached, not the one it began with.
        for open in replay.episodes.iter().filter(|e| e.end.is_none()) {
            let own = replay.groups.iter().find(|g| g.labels == open.labels).unwrap();
            assert_eq!(open.peak, own.episode.as_ref().unwrap().peak, "{}", rule.condition);
            grown += usize::from(open.peak != open.evidence.value);
        }
    }
    assert!(fired >= 8, "only {fired} rules fired: this shows nothing");
    assert!(grown > 0, "no open episode went on after it fired: this shows nothing");
}

/// A script in the making.
struct Stage {
    dir: tempfile::TempDir,
    collector: Option<Collector>,
    now: Timestamp,
}

fn run(path: &Path) {
    let text = std::fs::read_to_string(path).unwrap();
    let mut stage = Stage::new();
    let mut out = String::new();
    for line in text.lines() {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        if matches!(word, "=" | "!") {
            continue;
        }
        writeln!(out, "{line}").unwrap();
        match word {
            "load" => stage.load(rest),
            "new" => stage = Stage::new(),
            "rule" => stage.rule(rest),
            "drop" => stage.write(|t| t.remove(&RULES, rest, 0).map(drop)),
            "judge" => out += &stage.judge(rest),
            "quiet" => stage.now = stage.now.plus_ms(rest.parse::<u64>().unwrap() * MINUTE_MS),
            "ack" => stage.acknowledge(rest),
            "silence" => {
                let (rule, minutes) = rest.split_once(' ').unwrap();
                let until_ms = stage.now.millis() + minutes.parse::<u64>().unwrap() * MINUTE_MS;
                let silence = Silence { until_ms, at_ms: stage.now.millis(), comment: String::new() };
                stage.write(|t| t.put(&SILENCES, rule, 0, &silence));
            }
            "" | "#" => {}
            other => panic!("{other} in {}", path.display()),
        }
    }
    if std::env::var_os("AX_UPDATE").is_some() {
        std::fs::write(path, &out).unwrap();
        return;
    }
    let differs = text.lines().zip(out.lines()).enumerate().find(|(_, (a, b))| a != b);
    assert!(text == out, "{} happens differently: {differs:?}", path.display());
}

impl Stage {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), collector: None, now: Timestamp::YEAR_2000 }
    }

    fn store(&self) -> Store {
        Store::open_or_create(&self.dir.path().join("s"), &Zone::utc(), self.now).unwrap()
    }

    fn write(&self, work: impl FnOnce(&mut ax_storage::table::TablesWriter<'_>) -> Result<(), DbError>) {
        self.store().write_tables(work).unwrap();
    }

    /// `[critical] [min=N] [keep=N] [again=N] NAME CONDITION`
    fn rule(&self, text: &str) {
        let mut words: Vec<&str> = text.split(' ').collect();
        let mut flags = Vec::new();
        while words[0].contains('=') || Severity::named(words[0]).is_some() {
            flags.push(words.remove(0));
        }
        let mut rule = Rule::new(words[0], &words[1..].join(" ")).unwrap();
        for flag in flags {
            match flag.split_once('=').unwrap_or((flag, "")) {
                ("min", n) => rule.min_events = Some(n.parse().unwrap()),
                ("keep", n) => rule.keep_firing_ms = n.parse::<u64>().unwrap() * MINUTE_MS,
                ("again", n) => rule.renotify_ms = Some(n.parse::<u64>().unwrap() * MINUTE_MS),
                (word, _) => rule.severity = Severity::named(word).unwrap(),
            }
        }
        self.write(|t| t.put(&RULES, &rule.name, 0, &Stored { rule: rule.clone(), from_file: false }));
    }

    fn acknowledge(&self, rule: &str) {
        self.write(|t| {
            let mut states = t.get(&STATES, rule, 0)?.unwrap();
            for group in &mut states.groups {
                group.episode.as_mut().unwrap().acknowledged = Some(Acknowledged::default());
            }
            t.put(&STATES, rule, 0, &states)
        });
    }

    /// `[FROM] MINUTES`
    fn judge(&mut self, text: &str) -> String {
        let (from, minutes) = text.split_once(' ').unwrap_or(("", text));
        if !from.is_empty() {
            self.now = moment(from);
        }
        let mut out = String::new();
        let (store, zone) = (self.store(), Zone::utc());
        let around = Surroundings { zone: &zone, week_start: Weekday::Monday, outside: &Nothing };
        for _ in 0..minutes.parse::<u64>().unwrap() {
            // Five seconds after the minute is when it may be judged.
            let report = alerts::evaluate(&store, &around, self.now.plus_ms(5_000)).unwrap();
            for change in &report.changes {
                writeln!(out, "= {}", shown(change)).unwrap();
            }
            for (rule, why) in &report.problems {
                writeln!(out, "! {} {rule}: {why}", clock(self.now.millis())).unwrap();
            }
            self.now = self.now.plus_ms(MINUTE_MS);
        }
        out
    }

    fn load(&mut self, text: &str) {
        self.store();
        let collector = self.collector.get_or_insert_with(|| Collector::open(self.dir.path().join("s")).unwrap());
        load(collector, text);
    }
}

fn clock(ms: u64) -> String {
    Timestamp::from_millis(ms).to_string()[11..16].to_owned()
}

fn shown(change: &Change) -> String {
    let what = &change.what;
    let labels: Vec<String> = what.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
    let word = if what.outcome == alerts::Outcome::Reminder { "again" } else { what.outcome.word() };
    let reason = what.reason.map(|r| format!(" ({})", r.word())).unwrap_or_default();
    let told = if what.told { " told" } else { "" };
    let e = &what.evidence;
    let number = |n: Option<Number>| n.map_or("none".to_owned(), |n| format!("{:.4}", n.to_f64()));
    let (value, threshold) = (number(e.value), number(e.threshold));
    let mut more = format!(", {} events in {}m", e.count, e.window_ms / MINUTE_MS);
    if let Some((have, want)) = e.too_few {
        more = format!(", too few ({have}/{want})");
    }
    if let (Some(chance), Some((hits, of))) = (e.chance, e.share) {
        write!(more, ", {hits} of {of}, p {chance:.0e}").unwrap();
    }
    format!(
        "{} {}{labels} {word}{reason}{told}: {value} against {threshold} {}{more}",
        clock(what.at_ms),
        change.rule,
        e.unit
    )
}
