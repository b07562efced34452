//! The logs of an import: read file by file, taken together.
//!
//! What is done of each file is noted in the same transaction as the calls. Should an import stop between
//! two transactions, the calls of the first are known by their ids when they are met again.

use ax_storage::row::Batch;
use ax_storage::time::Timestamp;

use super::describe;
use super::start::Start;
use crate::import::error::{ImportError, LineError};
use crate::import::fields::Fields;
use crate::import::logs::{self, Gathered};
use crate::import::priced::Pricing;
use crate::import::{InputReport, Mark, Note, Options, Progress, Refusal, Report, Sink};
use crate::import::{resume, users};

/// So many calls are taken before the next file is read: 150 bytes each.
const CALLS_MAX: usize = 1_000_000;

/// The files read and not taken yet.
#[derive(Default)]
pub(super) struct Logs {
    gathered: Gathered,
    notes: Vec<Note>,
}

impl Logs {
    /// Whether memory asks for [`Logs::take`].
    pub(super) fn are_many(&self) -> bool {
        self.gathered.list.len() >= CALLS_MAX
    }

    /// Reads one file.
    ///
    /// # Errors
    /// Those of the input.
    pub(super) fn read(
        &mut self,
        mut start: Start<'_>,
        now: Timestamp,
        report: &mut Report,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), ImportError> {
        let name = start.name.clone();
        let io = |cause| ImportError::Input { name: name.clone(), cause };
        let input = report.inputs.len();
        let mut parser = logs::parser(start.format, start.path());
        let mut lines = logs::begin(&mut start.source).map_err(io)?;
        let found = resume::search(&mut start.source, &start.remembered, &mut |_, _| None).map_err(io)?;
        let went_past = start.source.position() > found.len;
        let unchanged = found.len > 0 && !went_past && start.source.peek(1).map_err(io)?.is_empty();
        let goes_on = found.len > 0 && lines && parser.habits().stateless;
        if !unchanged && !start.remembered.is_empty() && (went_past || !goes_on) {
            start.again()?;
            lines = logs::begin(&mut start.source).map_err(io)?;
            if goes_on {
                resume::advance(&mut start.source, &found).map_err(io)?;
            }
        }
        let mut one = InputReport {
            name: name.clone(),
            format: start.format,
            read: 0,
            imported: 0,
            duplicates: 0,
            refused_count: 0,
            unchanged,
        };
        let mut start = start.at_its_place();
        if !unchanged {
            let age = logs::Age { complete: logs::is_complete(start.modified, now), now };
            let names = &mut self.gathered.names;
            let given = logs::read(&mut start.source, &mut *parser, names, lines, age).map_err(io)?;
            one.read = (given.calls.len() + given.refused.len()) as u64;
            one.duplicates = self.gathered.add(&given, input, parser.habits().keep);
            report.read += one.read;
            report.duplicates += one.duplicates;
            let consumed = given.consumed.filter(|c| c.len > found.len);
            self.notes.extend(consumed.map(|consumed| Note { head: start.head, consumed }));
            report.inputs.push(one);
            for (line, reason) in given.refused {
                refuse(report, input, line, reason);
            }
        } else {
            report.inputs.push(one);
        }
        let bytes = start.bytes_read.load(std::sync::atomic::Ordering::Relaxed);
        progress(Progress { input, bytes, bytes_total: start.bytes_total, imported: report.imported });
        Ok(())
    }

    /// Takes the calls of all files read.
    ///
    /// # Errors
    /// Those of the store.
    pub(super) fn take(
        &mut self,
        sink: &mut dyn Sink,
        options: &Options<'_>,
        now: Timestamp,
        report: &mut Report,
    ) -> Result<(), ImportError> {
        let Self { mut gathered, notes } = std::mem::take(self);
        let marks = drop_told_before(&mut gathered, sink, report)?;
        let (mut batch, mut pricing) = (Batch::default(), Pricing::default());
        let mut inputs = Vec::with_capacity(gathered.list.len());
        for mention in &gathered.list {
            match Fields::of_call(&mention.call, &gathered.names).finish(&options.rules, now) {
                Ok(parsed) => {
                    pricing.push(options.prices, &mut batch, &parsed);
                    inputs.push(mention.input);
                }
                Err(reason) => refuse(report, mention.input, mention.line, reason),
            }
        }
        if batch.rows.is_empty() {
            return Ok(());
        }
        if let Some(rename) = options.users {
            users::rename(&mut batch, rename);
        }
        let duplicates = if options.dry_run {
            let known = sink.known(&batch).map_err(ImportError::Store)?;
            let mut known = known.into_iter().peekable();
            let mut at = 0;
            let mut gone = Vec::new();
            batch.rows.retain(|_| {
                let is_known = known.next_if_eq(&at).is_some();
                gone.extend(is_known.then_some(at));
                at += 1;
                !is_known
            });
            gone
        } else {
            sink.add_many(&mut batch, &notes, &marks).map_err(ImportError::Store)?.duplicate_rows
        };
        for position in &duplicates {
            let input = std::mem::replace(&mut inputs[*position as usize], usize::MAX);
            repeated(report, input);
        }
        for input in inputs.into_iter().filter(|input| *input != usize::MAX) {
            report.inputs[input].imported += 1;
        }
        report.imported += batch.rows.len() as u64;
        describe(&batch, report);
        Ok(())
    }
}

/// Leaves out what one side of a conversation retells of the other, in these files or in those of an earlier import: the
/// marks of what is left.
fn drop_told_before(
    gathered: &mut Gathered,
    sink: &mut dyn Sink,
    report: &mut Report,
) -> Result<Vec<Mark>, ImportError> {
    let retold = gathered.drop_retold();
    let (own, others): (Vec<Mark>, Vec<Mark>) = gathered.marks().into_iter().unzip();
    let known = if others.is_empty() { Vec::new() } else { sink.marked(&others).map_err(ImportError::Store)? };
    let told_before = gathered.drop_known(&known);
    retold.into_iter().chain(told_before).for_each(|input| repeated(report, input));
    Ok(own.into_iter().zip(known).filter(|(_, known)| !known).map(|(own, _)| own).collect())
}

fn repeated(report: &mut Report, input: usize) {
    report.duplicates += 1;
    report.inputs[input].duplicates += 1;
}

fn refuse(report: &mut Report, input: usize, line: u64, reason: LineError) {
    report.inputs[input].refused_count += 1;
    report.refused.push(Refusal { input, line, reason });
}
