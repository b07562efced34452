//! `ax monitor tick`: one upkeep pass now.

use std::time::Duration;

use ax_storage::TickReport;
use ax_storage::time::Timestamp;
use serde::Serialize;

use crate::aggregator::{self, Pass, When};
use crate::alerts::{Change, Outcome};
use crate::cli::commands::channels;
use crate::cli::context::Context;
use crate::cli::text::{count, counted};
use crate::costs::Crossing;
use crate::dashboard::{AlertNumbers, Warning};
use crate::error::{Result, escaped};
use crate::metric::Money;
use crate::render::{self, Style};

/// What a pass did, as `tick` and `serve` print it.
#[derive(Serialize)]
pub(crate) struct TickView<'a> {
    schema: &'static str,
    generated_at: String,
    skipped: bool,
    events: u64,
    buckets: u64,
    sealed_events: u64,
    removed_events: u64,
    removed_buckets: u64,
    alerts: AlertsView,
    budgets: Vec<CrossingView<'a>>,
    problems: Vec<&'a String>,
    elapsed_ms: u64,
    warnings: Vec<Warning>,
}

/// What judging the rules came to.
#[derive(Serialize)]
struct AlertsView {
    minutes: u64,
    rules: usize,
    fired: usize,
    resolved: usize,
}

/// A part of a budget that spend has reached.
#[derive(Serialize)]
struct CrossingView<'a> {
    budget: &'a str,
    percent: u16,
    spent_usd: Money,
    limit_usd: Money,
}

impl<'a> From<&'a Crossing> for CrossingView<'a> {
    fn from(crossing: &'a Crossing) -> Self {
        let Crossing { budget, percent, spent, limit, .. } = crossing;
        Self { budget, percent: *percent, spent_usd: *spent, limit_usd: *limit }
    }
}

impl<'a> TickView<'a> {
    /// The view of `pass`, which ran at `now`.
    pub(crate) fn new(pass: &'a Pass, now: Timestamp, took: Duration, warnings: Vec<Warning>) -> Self {
        let report = &pass.tick;
        let changed = |outcome| pass.alerts.changes.iter().filter(|c| c.what.outcome == outcome).count();
        Self {
            schema: "ax.monitor.tick/1",
            generated_at: now.to_string(),
            skipped: report.skipped,
            events: report.events,
            buckets: report.buckets,
            sealed_events: report.sealed_events,
            removed_events: report.removed.events,
            removed_buckets: report.removed.buckets(),
            alerts: AlertsView {
                minutes: pass.alerts.minutes,
                rules: pass.alerts.rules,
                fired: changed(Outcome::Firing),
                resolved: changed(Outcome::Resolved),
            },
            budgets: pass.crossings.iter().map(CrossingView::from).collect(),
            problems: report.problems.iter().chain(&pass.problems).collect(),
            elapsed_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            warnings,
        }
    }
}

/// Runs the pass.
pub(crate) fn run(context: &Context) -> Result<u8> {
    let store = context.existing_store()?;
    let pass = aggregator::pass(&store, &context.upkeep()?, When::Now, context.clock())?;
    for problem in &pass.tick.problems {
        context.warn("damaged_journal", problem);
    }
    for problem in &pass.problems {
        context.warn("upkeep", problem);
    }
    if context.json() {
        context.print_json(&TickView::new(&pass, context.now(), context.elapsed(), context.take_warnings()))?;
    } else {
        context.print(&sentence(&pass, &context.style()?))?;
        note_of_waiting(context)?;
    }
    Ok(0)
}

/// A pass delivers nothing: says how much waits for who does.
fn note_of_waiting(context: &Context) -> Result<()> {
    let waiting: usize = channels::standing(context)?.data.iter().map(|channel| channel.waiting).sum();
    match waiting {
        0 => {}
        1 => context.note("1 message waits for a channel: `ax monitor serve` delivers it"),
        n => context.note(&format!("{n} messages wait for channels: `ax monitor serve` delivers them")),
    }
    Ok(())
}

/// What a pass did, a line a thing.
pub(crate) fn sentence(pass: &Pass, style: &Style) -> String {
    let mut out = rolled_up(&pass.tick);
    let news = !pass.alerts.changes.is_empty() || !pass.crossings.is_empty();
    if news && ticked_nothing(&pass.tick) {
        out.clear();
    }
    for change in &pass.alerts.changes {
        out += &line(change, style);
    }
    for Crossing { budget, percent, spent, limit, .. } in &pass.crossings {
        let [spent, limit] = [*spent, *limit].map(render::money);
        out += &escaped(&format!("reached  budget {budget}  {percent} % of {limit}: {spent} spent"));
        out.push('\n');
    }
    out
}

/// `firing  warning  slow{provider=openai}  2150 against 2000 ms`
fn line(change: &Change, style: &Style) -> String {
    let what = &change.what;
    let labels: Vec<String> = what.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(", ")) };
    let (value, threshold) = render::alert_numbers(&AlertNumbers::of(&what.evidence), style);
    let text =
        format!("{}  {}  {}{labels}  {value} against {threshold}", what.outcome.word(), change.severity, change.rule);
    escaped(&text) + "\n"
}

fn rolled_up(report: &TickReport) -> String {
    if report.skipped {
        return "Another process is doing it.\n".to_owned();
    }
    if ticked_nothing(report) {
        return "Nothing to do: everything is rolled up.\n".to_owned();
    }
    format!(
        "Rolled up {}, wrote {}, sealed {} for good{}.\n",
        counted(report.events, "event"),
        counted(report.buckets, "bucket"),
        count(report.sealed_events),
        removed(report)
    )
}

fn removed(report: &TickReport) -> String {
    let removed = &report.removed;
    if removed.events == 0 && removed.buckets() == 0 {
        return String::new();
    }
    let events = counted(removed.events, "event");
    format!(", removed {events} and {} that were too old", counted(removed.buckets(), "bucket"))
}

/// Whether a pass has nothing to tell.
pub(crate) fn did_nothing(pass: &Pass) -> bool {
    ticked_nothing(&pass.tick)
        && pass.alerts.changes.is_empty()
        && pass.crossings.is_empty()
        && pass.problems.is_empty()
}

fn ticked_nothing(report: &TickReport) -> bool {
    report.skipped
        || (report.events == 0
            && report.buckets == 0
            && report.sealed_events == 0
            && report.removed == Default::default()
            && report.problems.is_empty())
}
