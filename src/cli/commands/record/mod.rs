//! `ax monitor record`: events as they happen, through a journal as an application would write it.

mod flags;
mod lines;

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ax_storage::Store;
use ax_storage::clock::{Clock, ManualClock};
use serde::Serialize;

use crate::aggregator::{self as monitor, Monitor};
use crate::cli::args::RecordArgs;
use crate::cli::context::Context;
use crate::cli::interrupt::on_interrupt;
use crate::cli::prices::book;
use crate::cli::text::counted;
use crate::cli::users::Users;
use crate::collector::{Collector, DropReason, Event, JournalKind, Options};
use crate::dashboard::Warning;
use crate::error::{Failure, Kind, Result, advice, exit, plain};
use crate::import::{self, Defaults, LineError, LineParser, Parsed, REFUSALS_MAX, Rules};
use lines::{Line, Lines};

/// After Ctrl-C the program before the pipe may have some last words; they are taken for so long.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Keys without a meaning that are named.
const UNKNOWN_MAX: usize = 20;

/// Records.
pub(crate) fn run(args: &RecordArgs, context: &Context) -> Result<u8> {
    let line = flags::line(&args.event)?;
    if line.is_none() && std::io::stdin().is_terminal() {
        return Err(Failure::usage("there is nothing to record: no flag says what happened and nothing is piped in")
            .hint("ax monitor record --provider claude --latency-ms 850, or … | ax monitor record"));
    }
    let zone = context.flags().tz.is_some().then(|| context.zone().cloned()).transpose()?;
    let defaults = Defaults { ts: Some(context.now()), ..Defaults::default() };
    let oldest = Some(context.oldest_kept(context.store()?.as_ref())?);
    let parser = LineParser::new(Rules { zone, oldest, defaults });
    // A wrong event from flags makes no store.
    if let Some(line) = &line {
        parser.parse(line.as_bytes(), context.clock()).map_err(Failure::usage)?;
    }
    let store = context.writable_store()?;
    // Recorders price by the store's price file: this makes it say what the settings say.
    book(Some(&store), false, context)?;
    let collector = collector(&store, context)?;
    let mut tally = Tally { users: Users::of(Some(&store), context)?, ..Tally::default() };
    let code = match &line {
        Some(line) => {
            tally.take(line.as_bytes(), &parser, &collector, context);
            0
        }
        None => {
            let upkeep = upkeep(&store, context);
            let code = stream(&parser, &collector, &mut tally, context)?;
            drop(upkeep);
            code
        }
    };
    if let Err(e) = collector.flush() {
        context.warn("not_durable", format!("what was recorded may not survive a power failure: {}", plain(&e)));
    }
    let dropped = collector.health().dropped_by_reason;
    tally.recorded = collector.health().recorded;
    // Finishes the journal, so that the pass can seal it.
    drop(collector);
    // The events are safe: a pass that fails is repeated by the next one.
    if let Err(e) = store.tick_if_due(context.clock()) {
        context.warn("upkeep", format!("the events are recorded but not rolled up yet: {}", Failure::from(e)));
    }
    tally.warn(context);
    if context.json() {
        context.print_json(&View::new(&tally, &dropped, context))?;
    } else {
        if !context.flags().quiet {
            context.print(&tally.summary())?;
        }
        if !dropped.is_empty() {
            context.complain(&lost(&dropped, &context.store_dir()?));
        }
    }
    Ok(match code {
        0 if !dropped.is_empty() || (tally.refused_count > 0 && tally.recorded == 0) => exit::RUNTIME,
        code => code,
    })
}

/// Through written journals: this process is short-lived, and its file may be cut without killing it.
fn collector(store: &Store, context: &Context) -> Result<Collector> {
    let clock = context.is_stopped().then(|| Arc::new(ManualClock::at(context.now())) as Arc<dyn Clock>);
    let options =
        Options { journal: JournalKind::Written, zone: Some(store.zone().clone()), clock, ..Options::default() };
    Ok(Collector::open_with(store.dir(), options)?)
}

/// Rolls up while a stream runs, which may be for days. Without it the pass at the end does it all,
/// so where no thread can be had nothing is lost.
fn upkeep(store: &Store, context: &Context) -> Option<Monitor> {
    let options = monitor::Options { zone: Some(store.zone().clone()), ..monitor::Options::default() };
    (!context.is_stopped()).then(|| Monitor::start(store.dir(), options).ok()).flatten()
}

/// Records every line of stdin: the exit code.
fn stream(parser: &LineParser, collector: &Collector, tally: &mut Tally, context: &Context) -> Result<u8> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let theirs = Arc::clone(&interrupted);
    on_interrupt(move || {
        theirs.store(true, Ordering::Relaxed);
        LAST_WORDS
    });
    let mut lines = Lines::new(std::io::stdin().lock());
    let mut told = false;
    while let Some(line) = lines.next().map_err(|e| Failure::io("read", "stdin", &e))? {
        match line {
            Line::Whole(line) if line.iter().all(u8::is_ascii_whitespace) => tally.lines += 1,
            Line::Whole(line) => tally.take(line, parser, collector, context),
            Line::TooLong => tally.refuse(LineError::TooLong, context),
        }
        // A stream may run for days: the first loss is told when it happens.
        if !told && lines.is_drained() {
            let dropped = collector.health().dropped_by_reason;
            told = !dropped.is_empty();
            if told && !context.json() {
                context.complain(&lost(&dropped, &context.store_dir()?));
            }
        }
    }
    Ok(if interrupted.load(Ordering::Relaxed) { exit::INTERRUPTED } else { 0 })
}

/// Events that the medium refused.
fn lost(dropped: &[(DropReason, u64)], store: &Path) -> Failure {
    let total: u64 = dropped.iter().map(|(_, n)| n).sum();
    let reasons: Vec<String> = dropped.iter().map(|(reason, _)| reason.name().replace('_', " ")).collect();
    let (events, store, reasons) = (counted(total, "event"), store.display(), reasons.join(", "));
    let failure = Failure::new(Kind::Io, format!("{events} could not be recorded in {store}: {reasons}"));
    match dropped.iter().find_map(|(reason, _)| advice(&cause(*reason)?)) {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// What the system says for such a reason.
fn cause(reason: DropReason) -> Option<io::Error> {
    match reason {
        DropReason::DiskFull => Some(io::ErrorKind::StorageFull.into()),
        DropReason::FileLimit => Some(io::ErrorKind::FileTooLarge.into()),
        DropReason::NoHandles => Some(io::Error::from_raw_os_error(crate::error::EMFILE)),
        // Not writable, for this user or at all.
        DropReason::ReadOnly => Some(io::ErrorKind::PermissionDenied.into()),
        _ => None,
    }
}

/// What became of the lines.
#[derive(Default)]
struct Tally {
    /// Other names for users.
    users: Option<Users>,
    /// Lines seen, empty ones too: the number of the last one.
    lines: u64,
    /// Lines that were not empty.
    read: u64,
    recorded: u64,
    refused: Vec<(u64, LineError)>,
    refused_count: u64,
    unpriced: u64,
    /// Lines with an id, which journals have no room for.
    ids: u64,
    unknown: BTreeMap<String, u64>,
}

impl Tally {
    fn take(&mut self, line: &[u8], parser: &LineParser, collector: &Collector, context: &Context) {
        match parser.parse(line, context.clock()) {
            Ok(parsed) => {
                self.lines += 1;
                self.read += 1;
                self.note(&parsed, collector);
                let event = now_if_unsaid(&parsed);
                match &self.users {
                    None => collector.record(&event),
                    Some(users) => users.renamed(event, |event| collector.record(event)),
                }
            }
            Err(reason) => self.refuse(reason, context),
        }
    }

    fn note(&mut self, parsed: &Parsed<'_>, collector: &Collector) {
        if let Event::Request(request) = now_if_unsaid(parsed) {
            self.unpriced += u64::from(collector.cost_of(&request).is_none());
        }
        self.ids += u64::from(!parsed.event_id().is_empty());
        for key in parsed.unknown_keys() {
            if let Some(count) = self.unknown.get_mut(key) {
                *count += 1;
            } else if self.unknown.len() < UNKNOWN_MAX {
                self.unknown.insert(key.to_owned(), 1);
            }
        }
    }

    fn refuse(&mut self, reason: LineError, context: &Context) {
        self.lines += 1;
        self.read += 1;
        self.refused_count += 1;
        if !context.json() {
            context.complain(&Failure::new(Kind::Refused, format!("line {}: {reason}", self.lines)));
        } else if self.refused.len() < REFUSALS_MAX {
            self.refused.push((self.lines, reason));
        }
    }

    fn warn(&self, context: &Context) {
        if self.ids > 0 {
            let lines = counted(self.ids, "line");
            context.warn("event_id", format!("event_id is not kept by record ({lines}); import keeps it"));
        }
        if !self.unknown.is_empty() {
            let keys: Vec<String> =
                self.unknown.iter().map(|(key, n)| format!("{} ({n})", import::shown(key))).collect();
            context.warn("unknown_key", format!("unknown keys, left out: {}", keys.join(", ")));
        }
    }

    fn summary(&self) -> String {
        let mut out = format!("Recorded {}.\n", counted(self.recorded, "event"));
        if self.refused_count > 0 {
            out += &format!("Refused {}.\n", counted(self.refused_count, "line"));
        }
        if self.unpriced > 0 {
            out += &format!("{} came without a cost.\n", counted(self.unpriced, "request"));
        }
        out
    }
}

/// The event; without a time of its own it happens when it is recorded.
fn now_if_unsaid<'a>(parsed: &'a Parsed<'_>) -> Event<'a> {
    let mut event = parsed.event();
    if !parsed.ts_given() {
        match &mut event {
            Event::Request(r) => r.ts = None,
            Event::Cache(c) => c.ts = None,
            Event::RateLimit(l) => l.ts = None,
        }
    }
    event
}

#[derive(Serialize)]
struct View {
    schema: &'static str,
    generated_at: String,
    read: u64,
    recorded: u64,
    refused: Vec<RefusalView>,
    refused_count: u64,
    unpriced: u64,
    dropped: BTreeMap<&'static str, u64>,
    elapsed_ms: u64,
    warnings: Vec<Warning>,
}

#[derive(Serialize)]
struct RefusalView {
    line: u64,
    reason: String,
}

impl View {
    fn new(tally: &Tally, dropped: &[(DropReason, u64)], context: &Context) -> Self {
        let refusal = |(line, reason): &(u64, LineError)| RefusalView { line: *line, reason: reason.to_string() };
        Self {
            schema: "ax.monitor.record/1",
            generated_at: context.now().to_string(),
            read: tally.read,
            recorded: tally.recorded,
            refused: tally.refused.iter().map(refusal).collect(),
            refused_count: tally.refused_count,
            unpriced: tally.unpriced,
            dropped: dropped.iter().map(|(reason, n)| (reason.name(), *n)).collect(),
            elapsed_ms: u64::try_from(context.elapsed().as_millis()).unwrap_or(u64::MAX),
            warnings: context.take_warnings(),
        }
    }
}
