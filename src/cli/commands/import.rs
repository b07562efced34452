//! `ax monitor import`: files of events into the store, with progress and an account of it.

pub(in crate::cli) mod inputs;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ax_storage::raw::SealError;
use ax_storage::row::Batch;
use ax_storage::time::Zone;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::cli::args::{CostsArgs, ImportArgs};
use crate::cli::commands::costs;
use crate::cli::context::Context;
use crate::cli::interrupt::on_interrupt;
use crate::cli::prices::book;
use crate::cli::refused::{self, RefusedView};
use crate::cli::text::{count, counted, minute};
use crate::cli::users::Users;
use crate::dashboard::Warning;
use crate::error::{Failure, Kind, Result, escaped, exit, plain};
use crate::import::{
    self, Added, Consumed, Format, ImportError, Input, Mark, Note, Options, Progress, Refusal, Report, Rules, Sink,
    SinkError,
};

use self::inputs::Wanted;

/// Models without a price that the summary shows; `--json` lists all.
const MODELS_SHOWN: usize = 8;
/// After Ctrl-C the chunk being written may take so long; cutting it off does no harm.
const PATIENCE: Duration = Duration::from_secs(5);
/// The same where the next chunk may never come.
const PATIENCE_STDIN: Duration = Duration::from_secs(1);
/// How often the progress bar moves.
const REDRAW: Duration = Duration::from_millis(100);

/// Imports.
pub(crate) fn run(args: &ImportArgs, context: &Context) -> Result<u8> {
    let Wanted { format, inputs, looked } = inputs::wanted(args, context)?;
    let cancel = Arc::new(AtomicBool::new(false));
    let store = if args.dry_run { context.store()? } else { Some(context.writable_store()?) };
    let oldest = Some(context.oldest_kept(store.as_ref())?);
    let prices = book(store.as_ref(), args.dry_run, context)?;
    let users = Users::of(store.as_ref(), context)?;
    let rename = users.as_ref().map(|users| |user: &str| users.name(user));
    let options = Options {
        format,
        map: args.map.iter().map(|pair| mapping(pair)).collect::<Result<_>>()?,
        rules: Rules { zone: zone(context)?, oldest, ..Rules::default() },
        complete: args.last_line,
        dry_run: args.dry_run,
        prices: Some(&prices),
        users: rename.as_ref().map(|rename| rename as &(dyn Fn(&str) -> String + Sync)),
        cancel: Some(&cancel),
    };
    let stop = Arc::clone(&cancel);
    let grace = if inputs.contains(&Input::Stdin) { PATIENCE_STDIN } else { PATIENCE };
    on_interrupt(move || {
        stop.store(true, Ordering::Relaxed);
        grace
    });
    let bar = Bar::new(context, &inputs);
    let mut session = store.as_ref().map(|s| s.import());
    let sink: &mut dyn Sink = match &mut session {
        Some(session) => session,
        None => &mut Nowhere,
    };
    let report = import::import(sink, &inputs, &options, context.now(), &mut |p| bar.show(p));
    let report = report.map_err(|e| explain(e, format));
    bar.clear();
    let report = report?;
    if let Some(store) = store.as_ref().filter(|_| report.imported > 0 && !args.dry_run) {
        store.tick_if_due(context.clock())?;
    }
    for warning in &report.warnings {
        context.warn(warning.code, &warning.message);
    }
    if context.json() {
        context.print_json(&View::new(&report, args.dry_run, context))?;
    } else {
        let costs_follow = looked && report.imported > 0 && !args.dry_run && !report.cancelled;
        context.print(&summary(&report, args.dry_run, costs_follow, context))?;
        if costs_follow {
            show_costs(&report, context)?;
        }
    }
    Ok(exit_code(&report))
}

/// What calls cost from the first that was imported to the last.
fn show_costs(report: &Report, context: &Context) -> Result<u8> {
    let range = report.first.zip(report.last).map(|(first, last)| format!("{first}..{}", last.plus_ms(1)));
    costs::run(&CostsArgs { range, ..CostsArgs::default() }, context)
}

/// 0 when anything was taken or was there already; 1 when every line was refused.
fn exit_code(report: &Report) -> u8 {
    if report.cancelled {
        exit::INTERRUPTED
    } else if report.refused.count() > 0 && report.imported + report.duplicates == 0 {
        exit::RUNTIME
    } else {
        0
    }
}

fn mapping(pair: &str) -> Result<(String, String)> {
    match pair.split_once('=') {
        Some((theirs, ours)) if !theirs.is_empty() && !ours.is_empty() => Ok((theirs.to_owned(), ours.to_owned())),
        _ => Err(Failure::usage(format!("--map '{pair}' is not THEIRS=OURS")).hint("--map model_name=model")),
    }
}

/// The zone of times without an offset: only one that was named for this import.
fn zone(context: &Context) -> Result<Option<Zone>> {
    match context.flags().tz {
        Some(_) => context.zone().cloned().map(Some),
        None => Ok(None),
    }
}

/// `format` is the one that was named.
fn explain(error: ImportError, format: Option<Format>) -> Failure {
    match error {
        ImportError::Map(_) => Failure::usage(error).hint("fields are named as in NDJSON, such as latency_ms"),
        ImportError::Input { name, cause } => {
            let kind = if cause.kind() == std::io::ErrorKind::NotFound { Kind::NotFound } else { Kind::Io };
            Failure::new(kind, format!("cannot read {name}: {}", plain(&cause)))
        }
        ImportError::Format { .. } if format.is_some() => Failure::usage(error),
        ImportError::Format { .. } => Failure::usage(error)
            .hint("say which it is: `ax monitor import ndjson FILE`, `ax monitor import csv --map theirs=ours FILE`"),
        ImportError::Store(cause) => match cause.downcast::<ax_storage::import::ImportError>() {
            Ok(error) => match *error {
                ax_storage::import::ImportError::Database(error) => error.into(),
                ax_storage::import::ImportError::Seal(SealError::Io { file, cause }) => {
                    Failure::io("write", file, &cause)
                }
                other => Failure::new(Kind::Io, other),
            },
            Err(cause) => Failure::new(Kind::Io, cause),
        }
        .hint_if_none("what came before is in the store; the same import goes on where it stopped"),
    }
}

/// For a trial run without a store.
struct Nowhere;

impl Sink for Nowhere {
    fn remembered(&mut self, _: u128) -> Result<Vec<Consumed>, SinkError> {
        Ok(Vec::new())
    }

    fn add(&mut self, batch: &mut Batch, _: u128, _: Option<Consumed>) -> Result<Added, SinkError> {
        Ok(Added { imported: batch.rows.len() as u64, ..Added::default() })
    }

    fn add_many(&mut self, batch: &mut Batch, _: &[Note], _: &[Mark]) -> Result<Added, SinkError> {
        self.add(batch, 0, None)
    }

    fn marked(&mut self, marks: &[Mark]) -> Result<Vec<bool>, SinkError> {
        Ok(vec![false; marks.len()])
    }

    fn known(&mut self, _: &Batch) -> Result<Vec<u32>, SinkError> {
        Ok(Vec::new())
    }
}

/// Progress on stderr, where a person sees it.
struct Bar {
    bar: Option<ProgressBar>,
    names: Vec<String>,
    /// The input that the bar shows.
    at: RefCell<Option<usize>>,
}

impl Bar {
    fn new(context: &Context, inputs: &[Input]) -> Self {
        let names = inputs.iter().map(input_name).collect();
        let bar = context.interactive().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
            bar.enable_steady_tick(REDRAW);
            bar
        });
        Self { bar, names, at: RefCell::new(None) }
    }

    fn show(&self, progress: Progress) {
        let Some(bar) = &self.bar else { return };
        if self.at.replace(Some(progress.input)) != Some(progress.input) {
            let template = match progress.bytes_total {
                Some(_) => "{prefix} {bar:24} {percent:>3} %  {msg}, {binary_bytes_per_sec}, {eta} left",
                None => "{prefix} {spinner} {binary_bytes}  {msg}, {binary_bytes_per_sec}",
            };
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar.set_prefix(self.names.get(progress.input).cloned().unwrap_or_default());
            if let Some(total) = progress.bytes_total {
                bar.set_length(total);
            }
            bar.reset();
        }
        bar.set_position(progress.bytes);
        bar.set_message(counted(progress.imported, "event"));
    }

    fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn input_name(input: &Input) -> String {
    match input {
        Input::Stdin => "stdin".to_owned(),
        Input::File(path) | Input::Known(_, path) => {
            escaped(&path.file_name().unwrap_or(path.as_os_str()).to_string_lossy())
        }
    }
}

#[derive(Serialize)]
struct View<'a> {
    schema: &'static str,
    generated_at: String,
    dry_run: bool,
    read: u64,
    imported: u64,
    duplicates: u64,
    #[serde(flatten)]
    refused: RefusedView<'a>,
    unpriced: u64,
    unpriced_models: &'a BTreeMap<Box<str>, u64>,
    first: Option<String>,
    last: Option<String>,
    inputs: Vec<InputView<'a>>,
    elapsed_ms: u64,
    warnings: Vec<Warning>,
}

#[derive(Serialize)]
struct InputView<'a> {
    name: &'a str,
    format: &'static str,
    read: u64,
    imported: u64,
    duplicates: u64,
    refused_count: u64,
}

impl<'a> View<'a> {
    fn new(report: &'a Report, dry_run: bool, context: &Context) -> Self {
        // Of thousands of logs only those that gave something.
        let told = report.inputs.iter().filter(|input| input.read > 0 || !input.format.is_log());
        let inputs = told.map(|input| InputView {
            name: &input.name,
            format: input.format.name(),
            read: input.read,
            imported: input.imported,
            duplicates: input.duplicates,
            refused_count: input.refused_count,
        });
        Self {
            schema: "ax.monitor.import/1",
            generated_at: context.now().to_string(),
            dry_run,
            read: report.read,
            imported: report.imported,
            duplicates: report.duplicates,
            refused: RefusedView::new(&report.refused, |refusal| Some(input_of(report, refusal))),
            unpriced: report.unpriced,
            unpriced_models: &report.unpriced_models,
            first: report.first.map(|t| t.to_string()),
            last: report.last.map(|t| t.to_string()),
            inputs: inputs.collect(),
            elapsed_ms: u64::try_from(context.elapsed().as_millis()).unwrap_or(u64::MAX),
            warnings: context.take_warnings(),
        }
    }
}

/// The models without a price, those with the most requests first.
fn unpriced_models(report: &Report) -> String {
    let mut models: Vec<(&str, u64)> = report.unpriced_models.iter().map(|(model, n)| (&**model, *n)).collect();
    models.sort_by_key(|(_, requests)| std::cmp::Reverse(*requests));
    let mut out = String::new();
    for (model, requests) in models.iter().take(MODELS_SHOWN) {
        let model = if model.is_empty() { "(no model)" } else { model };
        // Writing to a string cannot fail.
        let _ = writeln!(out, "  {}  {}", count(*requests), escaped(model));
    }
    let more = models.len().saturating_sub(MODELS_SHOWN) as u64;
    if more > 0 {
        let _ = writeln!(out, "  and {} more; --json lists them", counted(more, "model"));
    }
    out
}

fn input_of<'a>(report: &'a Report, refusal: &Refusal) -> &'a str {
    report.inputs.get(refusal.input).map_or("", |input| &input.name)
}

/// The first refused lines, and when there are more, all of them by cause.
fn refusals(report: &Report) -> String {
    let lines = report.refused.count();
    let mut out = format!("Refused {}:\n", counted(lines, "line"));
    for refusal in report.refused.first().iter().take(refused::SHOWN) {
        let place = format!("{}:{}", input_of(report, refusal), refusal.line);
        // Writing to a string cannot fail.
        let _ = writeln!(out, "  {}  {}", escaped(&place), escaped(&refusal.reason.to_string()));
    }
    let more = lines.saturating_sub(refused::SHOWN as u64);
    if more > 0 {
        let _ = writeln!(out, "  and {} more; {}", count(more), refused::listed(&report.refused));
        let _ = write!(out, "By cause:\n{}", refused::by_cause(&report.refused));
    }
    out
}

fn summary(report: &Report, dry_run: bool, costs_follow: bool, context: &Context) -> String {
    let verb = if dry_run { "Would import" } else { "Imported" };
    let mut out = format!("{verb} {}", counted(report.imported, "event"));
    // Writing to a string cannot fail.
    if let (Some(first), Some(last)) = (report.first, report.last) {
        let _ = write!(out, " from {} to {} UTC", minute(first), minute(last));
    }
    out.push_str(".\n");
    let logs = report.inputs.iter().filter(|input| input.format.is_log());
    let (files, unchanged) = logs.fold((0, 0), |(n, same), input| (n + 1, same + u64::from(input.unchanged)));
    if unchanged == files && files > 0 {
        let _ = writeln!(out, "Nothing new in {}.", counted(files, "file"));
    } else if unchanged > 0 {
        let _ = writeln!(out, "Nothing new in {} of {}.", count(unchanged), counted(files, "file"));
    }
    let changed = files - unchanged;
    if changed > 0 && report.read == 0 && report.refused.count() == 0 {
        let _ = writeln!(out, "No new call was found in {}.", counted(changed, "file"));
    }
    if report.duplicates > 0 && files > 0 {
        let what = counted(report.duplicates, "repeated line");
        let _ = writeln!(out, "Skipped {what}: each call counts once.");
    } else if report.duplicates > 0 {
        let _ = writeln!(out, "Skipped {} that were there already.", counted(report.duplicates, "event"));
    }
    if report.refused.count() > 0 {
        out.push_str(&refusals(report));
    }
    if report.unpriced > 0 {
        let _ = writeln!(out, "{} came without a cost.", counted(report.unpriced, "request"));
        out.push_str(&unpriced_models(report));
    }
    if report.cancelled {
        out.push_str("Stopped early; the same import goes on where it stopped.\n");
    } else if costs_follow {
        out.push('\n');
    } else if report.imported > 0 && !dry_run && !context.flags().quiet {
        out.push_str("\nNext: ax monitor · ax monitor costs --range 30d\n");
    }
    out
}
