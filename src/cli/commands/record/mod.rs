//! `ax monitor record`: events as they happen, through a journal as an application would write it.

mod flags;
mod lines;
mod tally;

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ax_storage::Store;
use ax_storage::clock::{Clock, ManualClock};

use crate::aggregator::{self as monitor, Monitor};
use crate::cli::args::RecordArgs;
use crate::cli::context::Context;
use crate::cli::interrupt::on_interrupt;
use crate::cli::prices::book;
use crate::cli::users::Users;
use crate::collector::{Collector, JournalKind, Options};
use crate::error::{Failure, Result, exit, plain};
use crate::import::{Defaults, LineError, LineParser, Rules};
use lines::{Line, Lines};
use tally::{Tally, View};

/// After Ctrl-C the program before the pipe may have some last words; they are taken for so long.
const LAST_WORDS: Duration = Duration::from_secs(1);

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
    let mut tally = Tally::new(Users::of(Some(&store), context)?);
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
    tally.recorded(collector.health().recorded);
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
        tally.sum_up(context)?;
        tally.tell_of_loss(&dropped, context)?;
    }
    Ok(match code {
        0 if !dropped.is_empty() || (tally.took_nothing()) => exit::RUNTIME,
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
    while let Some(line) = lines.next().map_err(|e| Failure::io("read", "stdin", &e))? {
        match line {
            Line::Whole(line) if line.iter().all(u8::is_ascii_whitespace) => tally.skip(),
            Line::Whole(line) => tally.take(line, parser, collector, context),
            Line::TooLong => tally.refuse(LineError::TooLong, context),
        }
        // A stream may run for days: the first loss is told when it happens.
        if !tally.has_told_of_loss() && lines.is_drained() {
            tally.tell_of_loss(&collector.health().dropped_by_reason, context)?;
        }
    }
    Ok(if interrupted.load(Ordering::Relaxed) { exit::INTERRUPTED } else { 0 })
}
