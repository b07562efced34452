//! `ax monitor compact`: everything rolled up, sealed, merged and shrunk, with the sizes before and after.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use ax_storage::Store;
use ax_storage::compaction::{Compaction, Figures, Rebuilt, Step};
use ax_storage::time::Timestamp;
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::text::{bytes, count, counted, minute};
use crate::dashboard::Warning;
use crate::error::{Result, escaped};
use crate::render::{Cell, Column, Table};

/// How often the bar moves.
const REDRAW: Duration = Duration::from_millis(100);

/// Make the store small: roll up all, merge segments, remove what is too old, shrink the database
///
/// Recorders go on meanwhile. It loses nothing and may be stopped at any time.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct CompactArgs {
    /// Say what it would do and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Make a damaged or missing database anew from the single events first; the old one is kept
    #[arg(long, conflicts_with = "dry_run")]
    pub rebuild: bool,
}

/// Compacts, or says what that would do.
pub(crate) fn run(args: &CompactArgs, context: &Context) -> Result<u8> {
    let store = context.existing_store()?;
    let rebuilt = if args.rebuild { Some(rebuild(&store, context)?) } else { None };
    let done = if args.dry_run {
        store.compaction_plan(context.clock())?
    } else {
        let bar = Bar::new(context);
        let done = store.compact(context.clock(), &mut |step| bar.show(step));
        bar.clear();
        done?
    };
    for problem in &done.problems {
        context.warn("compact", problem);
    }
    if context.json() {
        context.print_json(&View::new(&done, rebuilt.as_ref(), args.dry_run, context))?;
    } else {
        let rebuilt = rebuilt.as_ref().map(rebuilt_text).unwrap_or_default();
        context.print(&(rebuilt + &text(&done, args.dry_run, context)?))?;
    }
    Ok(0)
}

/// Makes the database anew; what could not be taken over becomes warnings.
fn rebuild(store: &Store, context: &Context) -> Result<Rebuilt> {
    let bar = Bar::new(context);
    let done = store.rebuild(context.clock(), &mut |done, of| bar.show(Step::Merging { done, of }));
    bar.clear();
    let done = done?;
    for problem in &done.problems {
        context.warn("lost", problem);
    }
    Ok(done)
}

fn rebuilt_text(done: &Rebuilt) -> String {
    let (events, segments) = (counted(done.events, "event"), counted(done.segments, "segment"));
    let mut out = format!("Made the database anew from {events}, {segments} among their files.\n");
    let from =
        |t: Timestamp| if t == Timestamp::MIN { "the beginning".to_owned() } else { format!("{} UTC", minute(t)) };
    // Writing to a string cannot fail.
    let _ = writeln!(out, "Single events are complete from {} on.", from(done.raw_from));
    let late: Vec<String> = done
        .complete_from
        .iter()
        .filter(|(table, at)| *at > Timestamp::MIN && table.starts_with("tier_"))
        .map(|(table, at)| format!("{} from {}", table.trim_start_matches("tier_"), from(*at)))
        .collect();
    if !late.is_empty() {
        let _ = writeln!(out, "Buckets are complete: {}.", late.join(", "));
    }
    if let Some(old) = &done.old {
        let _ = writeln!(out, "The old one is kept beside it as {}; remove it when all is well.", escaped(old));
    }
    out.push('\n');
    out
}

/// The step it is at; nothing where nobody looks.
struct Bar(Option<ProgressBar>);

impl Bar {
    fn new(context: &Context) -> Self {
        if !context.interactive() {
            return Self(None);
        }
        let bar = ProgressBar::with_draw_target(Some(1), ProgressDrawTarget::stderr_with_hz(10));
        bar.enable_steady_tick(REDRAW);
        Self(Some(bar))
    }

    fn show(&self, step: Step) {
        let Some(bar) = &self.0 else { return };
        let template = match step {
            Step::Merging { .. } => "{msg} {bar:20} {percent}% {eta}",
            _ => "{spinner} {msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(match step {
            Step::Waiting => "waiting for another process's upkeep",
            Step::Upkeep => "rolling up and sealing",
            Step::Merging { done, of } => {
                bar.set_length(of);
                bar.set_position(done);
                "merging segments"
            }
            Step::Shrinking => "writing the database anew",
        });
    }

    fn clear(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

#[derive(Serialize)]
struct View {
    schema: &'static str,
    generated_at: String,
    dry_run: bool,
    rebuilt: Option<RebuiltView>,
    before: FiguresView,
    after: FiguresView,
    rolled_up: u64,
    sealed: u64,
    merged_segments: u64,
    into_segments: u64,
    removed_events: u64,
    removed_buckets: u64,
    shrunk: bool,
    elapsed_ms: u64,
    warnings: Vec<Warning>,
}

#[derive(Serialize)]
struct RebuiltView {
    events: u64,
    segments: u64,
    /// `null`: nothing is missing.
    raw_from: Option<String>,
    complete_from: BTreeMap<&'static str, Option<String>>,
    old_file: Option<String>,
}

impl RebuiltView {
    fn new(done: &Rebuilt) -> Self {
        let from = |t: Timestamp| (t > Timestamp::MIN).then(|| t.to_string());
        Self {
            events: done.events,
            segments: done.segments,
            raw_from: from(done.raw_from),
            complete_from: done
                .complete_from
                .iter()
                .map(|(t, at)| (t.trim_start_matches("tier_"), from(*at)))
                .collect(),
            old_file: done.old.clone(),
        }
    }
}

#[derive(Serialize)]
struct FiguresView {
    segments: u64,
    events: u64,
    /// `null` in what a dry run says of afterwards.
    bytes: Option<SizesView>,
    bytes_per_event: Option<f64>,
}

#[derive(Serialize)]
struct SizesView {
    redb: u64,
    journal: u64,
    raw: u64,
}

impl FiguresView {
    fn new(figures: &Figures, known: bool) -> Self {
        let sizes = SizesView { redb: figures.bytes.redb, journal: figures.bytes.journal, raw: figures.bytes.raw };
        Self {
            segments: figures.segments,
            events: figures.events,
            bytes: known.then_some(sizes),
            bytes_per_event: known.then(|| per_event(figures)).flatten(),
        }
    }
}

impl View {
    fn new(done: &Compaction, rebuilt: Option<&Rebuilt>, dry_run: bool, context: &Context) -> Self {
        Self {
            schema: "ax.monitor.compact/1",
            generated_at: context.now().to_string(),
            dry_run,
            rebuilt: rebuilt.map(RebuiltView::new),
            before: FiguresView::new(&done.before, true),
            after: FiguresView::new(&done.after, !dry_run),
            rolled_up: done.rolled_up,
            sealed: done.sealed,
            merged_segments: done.merged.0,
            into_segments: done.merged.1,
            removed_events: done.removed.events,
            removed_buckets: done.removed.buckets(),
            shrunk: done.shrunk,
            elapsed_ms: u64::try_from(context.elapsed().as_millis()).unwrap_or(u64::MAX),
            warnings: context.take_warnings(),
        }
    }
}

/// Blocks of the whole store for each single event in it, to a tenth.
fn per_event(figures: &Figures) -> Option<f64> {
    (figures.events > 0).then(|| (figures.bytes.all() as f64 / figures.events as f64 * 10.0).round() / 10.0)
}

fn text(done: &Compaction, dry_run: bool, context: &Context) -> Result<String> {
    let mut out = String::new();
    let mut table = Table::new(vec![
        Column::word("", 0),
        Column::figure("before", 0),
        Column::figure(if dry_run { "would be" } else { "after" }, 0),
    ]);
    let (before, after) = (&done.before, &done.after);
    let mut row = |name: &str, before: String, after: String| {
        table.push([name.to_owned(), before, after].map(Cell::from).to_vec());
    };
    row("segments", count(before.segments), count(after.segments));
    row("events", count(before.events), count(after.events));
    let mut size = |name: &str, of: fn(&Figures) -> u64| {
        row(name, bytes(of(before)), if dry_run { "?".to_owned() } else { bytes(of(after)) });
    };
    size("raw", |f| f.bytes.raw);
    size("journals", |f| f.bytes.journal);
    size("tiers", |f| f.bytes.redb);
    size("all", |f| f.bytes.all());
    let nothing = context.style()?.sign("–", "-").to_owned();
    let each = |figures| per_event(figures).map_or_else(|| nothing.clone(), |n| format!("{n:.1} B"));
    row("an event", each(before), if dry_run { "?".to_owned() } else { each(after) });
    out.push_str(&table.draw(&context.style()?));
    out.push('\n');
    out.push_str(&sentence(done, dry_run));
    Ok(out)
}

/// What was done, in a line.
fn sentence(done: &Compaction, dry_run: bool) -> String {
    let mut parts = Vec::new();
    if done.rolled_up > 0 {
        parts.push(format!("rolled up {}", counted(done.rolled_up, "event")));
    }
    if done.sealed > 0 {
        parts.push(format!("sealed {}", count(done.sealed)));
    }
    if done.merged.0 > 0 {
        parts.push(format!("merged {} into {}", counted(done.merged.0, "segment"), count(done.merged.1)));
    }
    if done.removed.events > 0 || done.removed.buckets() > 0 {
        let (events, buckets) = (counted(done.removed.events, "event"), counted(done.removed.buckets(), "bucket"));
        parts.push(format!("removed {events} and {buckets} that were too old"));
    }
    if done.shrunk {
        parts.push("wrote the database anew".to_owned());
    }
    let mut text = if dry_run { "It would have ".to_owned() } else { String::new() };
    let _ = match parts.is_empty() {
        true => write!(text, "There was nothing to do."),
        false => write!(text, "{}.", parts.join(", ")),
    };
    if parts.is_empty() && dry_run {
        text = "There is nothing to merge; it would look whether the database can be smaller.".to_owned();
    }
    if !dry_run && let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    text.push('\n');
    text
}
