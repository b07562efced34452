//! `ax monitor tick`: one upkeep pass now.

use std::time::Duration;

use ax_storage::TickReport;
use ax_storage::time::Timestamp;
use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::text::{count, counted};
use crate::dashboard::Warning;
use crate::error::Result;

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
    problems: &'a [String],
    elapsed_ms: u64,
    warnings: Vec<Warning>,
}

impl<'a> TickView<'a> {
    /// The view of `report`, which came about at `now`.
    pub(crate) fn new(report: &'a TickReport, now: Timestamp, took: Duration, warnings: Vec<Warning>) -> Self {
        Self {
            schema: "ax.monitor.tick/1",
            generated_at: now.to_string(),
            skipped: report.skipped,
            events: report.events,
            buckets: report.buckets,
            sealed_events: report.sealed_events,
            removed_events: report.removed.events,
            removed_buckets: report.removed.buckets(),
            problems: &report.problems,
            elapsed_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            warnings,
        }
    }
}

/// Runs the pass.
pub(crate) fn run(context: &Context) -> Result<u8> {
    let store = context.existing_store()?;
    let report = store.tick(context.clock())?;
    for problem in &report.problems {
        context.warn("damaged_journal", problem);
    }
    if context.json() {
        context.print_json(&TickView::new(&report, context.now(), context.elapsed(), context.take_warnings()))?;
    } else {
        context.print(&sentence(&report))?;
    }
    Ok(0)
}

/// What a pass did, in a line.
pub(crate) fn sentence(report: &TickReport) -> String {
    if report.skipped {
        return "Another process is doing it.\n".to_owned();
    }
    if did_nothing(report) {
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
pub(crate) fn did_nothing(report: &TickReport) -> bool {
    report.skipped
        || (report.events == 0
            && report.buckets == 0
            && report.sealed_events == 0
            && report.removed == Default::default()
            && report.problems.is_empty())
}
