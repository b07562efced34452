//! How cost grows with what is stored: ten times the events, then the same events over more days.
//!
//! `cargo bench --bench growth [-- EVENTS [AX]]` measures a hundredth, a tenth and all of EVENTS (ten million) in a
//! week, then a tenth of them in 30 and in 365 days. Each cell is a whole process of `ax` (or of the program AX): its
//! processor time, the least of some rounds, and the memory that it had resident at most. `x7.1 of 10.0` says that the
//! cost is 7.1 times that of the store before, the work 10 times; the last column names the work. What grows faster
//! than its work by a quarter and two milliseconds is listed at the end, and the bench fails. Stores go to the
//! directory for temporary files: 3 GB with ten million. Under `cargo test` it runs once over tiny input and judges
//! nothing.

mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use ax_monitor::import::Format;
use ax_monitor::{Collector, Event, Request};
use ax_storage::retention::Clocks;
use ax_storage::time::{DAY_MS, MINUTE_MS, Timestamp};
use common::process::{Cost, cost};
use common::{END_MS, Traffic, lines};

/// How much faster than its work a cost may grow: logarithms, and noise.
const SLACK: f64 = 1.25;
/// Milliseconds, or megabytes of a file, that are not told apart.
const NOISE: f64 = 2.0;
/// Megabytes that no process may exceed, whatever is stored. `store verify --deep`, which makes the buckets of a day
/// anew, comes nearest: the more events, the more latencies they tell apart.
const PEAK_MB: f64 = 256.0;

/// What a cost may grow with.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Work {
    /// All events.
    Events,
    /// Those of the last seven days.
    Recent,
    /// Buckets of all widths.
    Buckets,
    /// Bytes of the database: the more events a bucket sums up, the more latencies it tells apart.
    Bytes,
    /// Days with events.
    Days,
}
use Work::{Buckets, Bytes, Days, Events, Recent};

/// What is asked of each store: name, arguments, and the work it is.
const ASKED: &[(&str, &[&str], &[Work])] = &[
    ("percentiles of a provider, 7 d", &["metrics", "-q", "latency{provider=\"claude\"} [7d] p95"], &[]),
    (
        "the same off bucket edges",
        &["metrics", "-q", "latency{provider=\"claude\"} [167h] p95", "--at", "1762731333777"],
        &[],
    ),
    ("p95 by provider, 7 d", &["metrics", "-q", "latency [7d] p95 by(provider)"], &[]),
    ("p95 by hour and model, 7 d", &["metrics", "-q", "latency [7d] p95 every 1h by(model)", "--json"], &[Bytes]),
    (
        "p95 by day and model, 365 d",
        &["metrics", "-q", "latency [365d] p95 every 1d by(model)", "--json"],
        &[Days, Bytes],
    ),
    ("cost by provider and model, 7 d", &["metrics", "-q", "cost [7d] sum by(provider, model)"], &[]),
    ("cost of 365 d", &["metrics", "-q", "cost [365d] sum"], &[Days]),
    ("error rate by 5 min, 24 h", &["metrics", "-q", "error_rate [24h] every 5m by(provider)", "--json"], &[Bytes]),
    ("beside its baseline", &["metrics", "-q", "error_rate by(provider) > baseline * 3"], &[Bytes]),
    ("anomaly", &["metrics", "-q", "anomaly(latency)"], &[Bytes]),
    ("chart, 7 d", &["metrics", "latency", "--range", "7d", "--step", "1h", "--format", "chart"], &[Bytes]),
    (
        "count by threshold, single events, 7 d",
        &["metrics", "-q", "provider=claude AND latency>1000", "--range", "7d"],
        &[Recent],
    ),
    ("the same, last hour", &["metrics", "-q", "provider=claude AND latency>1000", "--range", "1h"], &[Recent]),
    ("dearest users, 7 d", &["metrics", "-q", "cost [7d] sum by(user) topk(10)"], &[Recent]),
    ("newest 20 events", &["events", "-n", "20"], &[]),
    ("newest 20 of a rare user, 7 d", &["events", "-q", "user=u0999", "-n", "20", "--range", "7d"], &[Recent]),
    ("status", &["status"], &[]),
    (
        "costs, 30 d, with outlook and budgets",
        &["costs", "--range", "30d", "--by", "model", "--projection", "--budget"],
        &[Bytes],
    ),
    ("costs by day, 365 d", &["costs", "--range", "365d", "--by", "day"], &[Days, Bytes]),
    ("costs advise", &["costs", "advise"], &[Days, Bytes]),
    ("budgets", &["budgets"], &[]),
    ("forecast of a month's spend", &["metrics", "-q", "forecast(month)"], &[Bytes]),
    ("alerts, one fires and is explained", &["alerts"], &[Recent, Bytes]),
    ("alerts test, 1 d", &["alerts", "test", "errors", "--range", "1d"], &[Bytes]),
    ("store info", &["store", "info"], &[Days]),
    ("store verify --deep", &["store", "verify", "--deep"], &[Events, Buckets, Days]),
    ("export", &["export", "-q", "latency>0", "--range", "365d"], &[Events, Days]),
];

/// The argument by which this program knows itself started for [`child`].
const CHILD: &str = "--child";

/// What each pass judges.
const RULES: [(&str, &str); 3] = [
    ("always", "avg(latency [15m]) > 1ms"),
    ("errors", "error_rate by(provider) > baseline * 3"),
    ("odd", "anomaly(requests)"),
];

fn main() -> ExitCode {
    let measuring = std::env::args().any(|arg| arg == "--bench");
    let mut asked = std::env::args().skip(1).filter(|arg| !arg.starts_with("--"));
    if std::env::args().nth(1).is_some_and(|arg| arg == CHILD) {
        return child(&asked.collect::<Vec<_>>());
    }
    let most = asked.next().and_then(|arg| arg.parse().ok()).unwrap_or(if measuring { 10_000_000 } else { 200 });
    let ax = asked.next().map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_ax")), PathBuf::from);
    // Each store and the one that it is compared with.
    let sizes: &[(u64, u64, usize)] = if measuring {
        &[(most / 100, 7, 0), (most / 10, 7, 0), (most, 7, 1), (most / 10, 30, 1), (most / 10, 365, 3)]
    } else {
        &[(most, 7, 0), (most, 30, 0)]
    };
    let measure = |&(events, days, _): &(u64, u64, usize)| {
        eprintln!("{events} events in {days} days");
        Measured::new(&ax, events, days, if measuring { 5 } else { 1 })
    };
    let stores: Vec<Measured> = sizes.iter().map(measure).collect();
    let pairs: Vec<_> = sizes.iter().zip(&stores).skip(1).map(|(size, after)| (&stores[size.2], after)).collect();
    let faster = print(&stores[0], &pairs);
    for line in &faster {
        println!("faster than its work: {line}");
    }
    if measuring && !faster.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// What this program does in a process of its own, which is measured: things that no command of `ax` does alone.
fn child(args: &[String]) -> ExitCode {
    let (store, number) = (Path::new(&args[1]), |i: usize| args[i].parse().expect("a number"));
    match args[0].as_str() {
        "record" => record(store, Traffic::new(number(2), number(3), 7)),
        "minute" => {
            let start = Timestamp::from_millis(END_MS + (number(2) - 1) * MINUTE_MS);
            let at = |i: u64| Some(start.plus_ms(i * 600));
            record(store, Traffic::week(100, number(2)).zip(0..).map(|(call, i)| Request { ts: at(i), ..call }));
        }
        // A command would wait until the clocks have run evenly for ten minutes.
        _ => {
            let store = ax_storage::Store::open(store).expect("it is there");
            let now = Timestamp::from_millis(END_MS + 61 * MINUTE_MS);
            let removed = store.retain(now, Clocks::Trusted).expect("it removes").unwrap_or_default();
            assert!(removed.events > 0 && removed.buckets() > 0, "{removed:?}");
        }
    }
    ExitCode::SUCCESS
}

fn record(store: &Path, calls: impl Iterator<Item = Request<'static>>) {
    let collector = Collector::open(store).expect("a store");
    calls.for_each(|call| collector.record(&Event::Request(call)));
    assert!(collector.health().dropped_by_reason.is_empty(), "{:?}", collector.health());
}

/// One line of the table for one store.
struct Row {
    name: &'static str,
    work: &'static [Work],
    value: Value,
}

#[derive(Clone, Copy)]
enum Value {
    Process(Cost),
    Megabytes(f64),
}

impl Value {
    fn number(self) -> f64 {
        match self {
            Self::Process(cost) => cost.cpu_ms,
            Self::Megabytes(mb) => mb,
        }
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Process(Cost { cpu_ms, peak_mb }) => write!(f, "{cpu_ms:.1} ms {peak_mb:.0} MB"),
            Self::Megabytes(mb) => write!(f, "{mb:.2} MB"),
        }
    }
}

/// A store of some size, and what everything cost there.
struct Measured {
    events: u64,
    days: u64,
    recent: u64,
    buckets: u64,
    bytes: u64,
    rows: Vec<Row>,
}

impl Measured {
    fn new(ax: &Path, events: u64, days: u64, rounds: usize) -> Self {
        let folder = folder(rounds > 1);
        let mut measured = Self { events, days, recent: 0, buckets: 0, bytes: 0, rows: Vec::new() };
        let path = folder.path().join("events.ndjson");
        let week = Timestamp::from_millis(END_MS - 7 * DAY_MS);
        let count = |call: &Request<'static>| measured.recent += u64::from(call.ts >= Some(week));
        lines::write(&path, Format::Ndjson, Traffic::new(events, days, 7).inspect(count));
        measured.recorded(&Program { ax, store: folder.path().join("journal") });
        let program = Program { ax, store: folder.path().join("store") };
        let imported = cost(program.at(END_MS).args(["import", "ndjson"]).arg(&path));
        measured.add("import ndjson", &[Events, Buckets, Days], imported);
        std::fs::remove_file(&path).expect("it is ours");
        measured.imported_more(&program, &path);
        program.rules();
        measured.upkeep(&program, rounds.min(3) as u64);
        measured.sizes(&program);
        for (name, args, work) in ASKED {
            let once = || cost(program.at(END_MS).args(*args));
            let first = once();
            // What takes longer is steadier.
            let more = if first.cpu_ms < 500.0 { rounds } else { rounds / 3 };
            measured.add(name, work, (1..more).map(|_| once()).fold(first, cheaper));
        }
        measured.add("compact", &[Events, Buckets, Days], cost(program.at(END_MS).arg("compact")));
        cost(program.at(END_MS).args(["store", "set-retention", "raw=1d", "1m=1d", "5m=1d", "--yes"]));
        let removed = cost(&mut itself("retain", &program.store));
        measured.add("removing all but a day", &[Events, Buckets, Days], removed);
        measured
    }

    fn add(&mut self, name: &'static str, work: &'static [Work], cost: Cost) {
        self.rows.push(Row { name, work, value: Value::Process(cost) });
    }

    /// Into journals, and from there into a store of their own, which is then removed.
    fn recorded(&mut self, program: &Program<'_>) {
        let mut command = itself("record", &program.store);
        let recorded = cost(command.args([self.events, self.days].map(|n| n.to_string())));
        self.add("record, traffic made up beside", &[Events], recorded);
        let rolled_up = cost(program.at(END_MS).arg("tick"));
        self.add("tick, all of them new", &[Events, Buckets, Days], rolled_up);
        std::fs::remove_dir_all(&program.store).expect("it is ours");
    }

    /// A few calls more, as a file that came later.
    fn imported_more(&mut self, program: &Program<'_>, path: &Path) {
        lines::write(path, Format::Ndjson, Traffic::week(100, 8));
        let imported = cost(program.at(END_MS).args(["import", "ndjson"]).arg(path));
        self.add("import 100 more, of all seven days", &[Bytes], imported);
        std::fs::remove_file(path).expect("it is ours");
    }

    /// The pass each minute: nothing new, then a hundred calls, with rules and a budget.
    fn upkeep(&mut self, program: &Program<'_>, rounds: u64) {
        cost(program.at(END_MS).arg("tick"));
        let pass = |minute: u64| cost(program.at(END_MS + minute * MINUTE_MS).arg("tick"));
        let idle = (1..=rounds).map(pass).reduce(cheaper).expect("a round");
        self.add("tick, nothing new", &[Bytes], idle);
        let busy = (rounds + 1..=2 * rounds).map(|minute| {
            cost(itself("minute", &program.store).arg(minute.to_string()));
            pass(minute)
        });
        let busy = busy.reduce(cheaper).expect("a round");
        self.add("tick, 100 new", &[Bytes], busy);
    }

    fn sizes(&mut self, program: &Program<'_>) {
        let output = program.at(END_MS).args(["store", "info", "--json"]).stdout(Stdio::piped()).output();
        let info: serde_json::Value = serde_json::from_slice(&output.expect("it runs").stdout).expect("JSON");
        self.buckets = info["buckets"].as_object().expect("they are counted").values().filter_map(|n| n.as_u64()).sum();
        self.bytes = info["bytes"]["redb"].as_u64().expect("it is told");
        let mb = |part: &str| info["bytes"][part].as_f64().expect("it is told") / 1e6;
        for (name, part, work) in
            [("sealed events", "raw", &[Events, Days] as &[Work]), ("database", "redb", &[Events, Buckets])]
        {
            self.rows.push(Row { name, work, value: Value::Megabytes(mb(part)) });
        }
    }

    fn title(&self) -> String {
        format!("{} in {} d", self.events, self.days)
    }

    fn amount(&self, work: Work) -> f64 {
        (match work {
            Events => self.events,
            Recent => self.recent,
            Buckets => self.buckets,
            Bytes => self.bytes,
            Days => self.days,
        }) as f64
    }
}

/// A folder for a store; in memory, where syncing takes no time, when nothing is measured.
fn folder(measuring: bool) -> tempfile::TempDir {
    let memory = (!measuring).then(|| tempfile::tempdir_in("/dev/shm").ok()).flatten();
    memory.unwrap_or_else(|| tempfile::tempdir().expect("a directory for temporary files"))
}

/// This program, to do one thing to a store.
fn itself(what: &str, store: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("it runs"));
    command.env("TZ", "UTC").args([CHILD, what]).arg(store);
    command
}

fn cheaper(one: Cost, other: Cost) -> Cost {
    Cost { cpu_ms: one.cpu_ms.min(other.cpu_ms), peak_mb: one.peak_mb.max(other.peak_mb) }
}

/// The program, with the store that it works on.
struct Program<'a> {
    ax: &'a Path,
    store: PathBuf,
}

impl Program<'_> {
    /// A command at this moment, with nothing of the user's around it.
    fn at(&self, now_ms: u64) -> Command {
        let mut command = Command::new(self.ax);
        command.env_clear().env("AX_MONITOR_STORE", &self.store).env("AX_MONITOR_NOW", now_ms.to_string());
        command.env("XDG_CONFIG_HOME", self.store.with_extension("config")).env("TZ", "UTC");
        command.arg("monitor").stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    fn rules(&self) {
        for (name, when) in RULES {
            cost(self.at(END_MS).args(["alerts", "create", "--name", name, "--when", when]));
        }
        cost(self.at(END_MS).args(["budgets", "set", "team", "--limit", "500", "--period", "monthly"]));
    }
}

/// The table: the first store, and what each pair's second costs and by how much it grew. Returns what grew too fast.
fn print(first: &Measured, pairs: &[(&Measured, &Measured)]) -> Vec<String> {
    let later: String = pairs.iter().map(|(_, after)| format!(" {} |", after.title())).collect();
    println!("| | {} |{later} may grow with |", first.title());
    println!("|---|---|{}---|", "---|".repeat(pairs.len()));
    let mut faster = Vec::new();
    for (i, row) in first.rows.iter().enumerate() {
        let mut line = format!("| {} | {} |", row.name, row.value);
        for (before, after) in pairs {
            let (was, is, may) = (before.rows[i].value, after.rows[i].value, allowed(row.work, before, after));
            let grown = is.number() / was.number();
            line += &format!(" {is}, x{grown:.1} of {may:.1} |");
            let size = after.title();
            if is.number() > was.number() * may * SLACK + NOISE {
                let (name, before) = (row.name, before.title());
                faster.push(format!("{name}: {is} with {size}, {grown:.1} times that with {before}; may be {may:.1}"));
            }
            if let Value::Process(Cost { peak_mb, .. }) = is
                && peak_mb > PEAK_MB
            {
                faster.push(format!("{}: {peak_mb:.0} MB resident with {size}; may be {PEAK_MB:.0}", row.name));
            }
        }
        let work: Vec<_> = row.work.iter().map(|w| format!("{w:?}").to_lowercase()).collect();
        println!("{line} {} |", if work.is_empty() { "nothing".to_owned() } else { work.join(", ") });
    }
    faster
}

/// By how much a cost may grow.
fn allowed(work: &[Work], before: &Measured, after: &Measured) -> f64 {
    work.iter().map(|&w| after.amount(w) / before.amount(w).max(1.0)).fold(1.0, f64::max)
}
