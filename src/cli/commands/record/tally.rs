//! What became of the lines of a recording, told as it happens and at its end.
//!
//! A stream may run for days, and be wrong from its first line on: the first refusals are told one by one, the
//! others only counted.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::refused::{self, RefusedView};
use crate::cli::text::counted;
use crate::cli::users::Users;
use crate::collector::{Collector, DropReason, Event};
use crate::dashboard::Warning;
use crate::error::{Failure, Kind, Result, advice};
use crate::import::{LineError, LineParser, Parsed, Refusal, Refusals, Unknown};

/// What became of the lines.
#[derive(Default)]
pub(super) struct Tally {
    /// Other names for users.
    users: Option<Users>,
    /// Lines seen, empty ones too: the number of the last one.
    lines: u64,
    /// Lines that were not empty.
    read: u64,
    recorded: u64,
    refused: Refusals,
    unpriced: u64,
    /// Lines with an id, which journals have no room for.
    ids: u64,
    unknown: Unknown,
    /// Events that were lost when that was last told.
    told_lost: u64,
}

impl Tally {
    pub(super) fn new(users: Option<Users>) -> Self {
        Self { users, ..Self::default() }
    }

    /// Counts an empty line.
    pub(super) fn skip(&mut self) {
        self.lines += 1;
    }

    /// Records a line, or tells why not.
    pub(super) fn take(&mut self, line: &[u8], parser: &LineParser, collector: &Collector, context: &Context) {
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
            self.unknown.count(key, 1);
        }
    }

    /// Counts a refused line, and tells of it while there are few.
    pub(super) fn refuse(&mut self, reason: LineError, context: &Context) {
        self.lines += 1;
        self.read += 1;
        if !context.json() {
            match self.refused.count() {
                n if n < refused::SHOWN as u64 => {
                    context.complain(&Failure::new(Kind::Refused, format!("line {}: {reason}", self.lines)));
                }
                n if n == refused::SHOWN as u64 => context.note("further refused lines are only counted"),
                _ => {}
            }
        }
        self.refused.push(Refusal { input: 0, line: self.lines, reason });
    }

    /// Notes how many events the journal took.
    pub(super) fn recorded(&mut self, events: u64) {
        self.recorded = events;
    }

    /// Whether all that came was wrong.
    pub(super) fn took_nothing(&self) -> bool {
        self.refused.count() > 0 && self.recorded == 0
    }

    /// Keeps the warnings about lines that were taken.
    pub(super) fn warn(&self, context: &Context) {
        if self.ids > 0 {
            let lines = counted(self.ids, "line");
            context.warn("event_id", format!("event_id is not kept by record ({lines}); import keeps it"));
        }
        if let Some(warning) = self.unknown.warning() {
            context.warn(warning.code, warning.message);
        }
    }

    /// Prints the end of the account. What nobody has seen of the refusals is told even when quiet is asked for.
    ///
    /// # Errors
    /// Those of stdout.
    pub(super) fn sum_up(&self, context: &Context) -> Result<()> {
        let (lines, unseen) = (self.refused.count(), self.refused.count() > refused::SHOWN as u64);
        let number = counted(lines, "line");
        if context.flags().quiet {
            for (cause, lines) in self.refused.causes().filter(|_| unseen) {
                context.complain(&Failure::new(Kind::Refused, format!("{}: {cause}", counted(lines, "refused line"))));
            }
            return Ok(());
        }
        let mut out = format!("Recorded {}.\n", counted(self.recorded, "event"));
        if unseen {
            out += &format!("Refused {number}:\n{}", refused::by_cause(&self.refused));
        } else if lines > 0 {
            out += &format!("Refused {number}.\n");
        }
        if self.unpriced > 0 {
            out += &format!("{} came without a cost.\n", counted(self.unpriced, "request"));
        }
        context.print(&out)
    }

    /// Whether a person has read that events were lost.
    pub(super) fn has_told_of_loss(&self) -> bool {
        self.told_lost > 0
    }

    /// Tells what the medium refused, unless that is known already.
    ///
    /// # Errors
    /// When there is no home directory to look for the store in.
    pub(super) fn tell_of_loss(&mut self, dropped: &[(DropReason, u64)], context: &Context) -> Result<()> {
        let lost = dropped.iter().map(|(_, events)| events).sum();
        if lost > self.told_lost && !context.json() {
            self.told_lost = lost;
            context.complain(&loss(lost, dropped, &context.store_dir()?));
        }
        Ok(())
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

/// The account as JSON.
#[derive(Serialize)]
pub(super) struct View<'a> {
    schema: &'static str,
    generated_at: String,
    read: u64,
    recorded: u64,
    #[serde(flatten)]
    refused: RefusedView<'a>,
    unpriced: u64,
    dropped: BTreeMap<&'static str, u64>,
    elapsed_ms: u64,
    warnings: Vec<Warning>,
}

impl<'a> View<'a> {
    pub(super) fn new(tally: &'a Tally, dropped: &[(DropReason, u64)], context: &Context) -> Self {
        Self {
            schema: "ax.monitor.record/1",
            generated_at: context.now().to_string(),
            read: tally.read,
            recorded: tally.recorded,
            refused: RefusedView::new(&tally.refused, |_| None),
            unpriced: tally.unpriced,
            dropped: dropped.iter().map(|(reason, n)| (reason.name(), *n)).collect(),
            elapsed_ms: u64::try_from(context.elapsed().as_millis()).unwrap_or(u64::MAX),
            warnings: context.take_warnings(),
        }
    }
}

/// So many events that the medium refused.
fn loss(total: u64, dropped: &[(DropReason, u64)], store: &Path) -> Failure {
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
