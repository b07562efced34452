//! The import itself: a reading thread makes chunks, the caller's thread hands them to the store.
//!
//! At most three chunks exist at a time: one being made, one waiting, one being committed. Logs go another
//! way (`logs`): all of them are read before any of their calls is taken.

mod logs;
mod start;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

use ax_storage::event::CostSource;
use ax_storage::memory;
use ax_storage::row::{Batch, Body, Row};
use ax_storage::time::Timestamp;

use super::error::{ImportError, LineError, shown};
use super::key::Keys;
use super::ndjson::{LineParser, is_object};
use super::priced::Pricing;
use super::quick::Guesses;
use super::resume::{self, Found};
use super::sniff::BOM;
use super::source::{Fault, Record, Source};
use super::unknown::Unknown;
use super::{
    Consumed, Format, Input, InputReport, Options, Progress, Refusal, Refusals, Report, Sink, Warning, csv, users,
};
use logs::Logs;
use start::Start;

/// Events in a chunk, which is one transaction of the store: more of them mean fewer merges, and 150 bytes each.
const CHUNK_ROWS_MAX: usize = 200_000;
/// Events in the first chunk of an input, so that the store has work soon; each one after it is twice as large.
const CHUNK_ROWS_FIRST: usize = 25_000;
/// Events for which no room is made before they come.
const FEW_ROWS: usize = 4096;
/// Bytes of input in a chunk: long names can't make it large.
const CHUNK_BYTES_MAX: u64 = 48 << 20;

/// See [`super::import`].
pub(crate) fn import(
    sink: &mut dyn Sink,
    inputs: &[Input],
    options: &Options<'_>,
    now: Timestamp,
    progress: &mut dyn FnMut(Progress),
) -> Result<Report, ImportError> {
    let keys = Keys::new(&options.map).map_err(ImportError::Map)?;
    let mut report = Report::default();
    let mut unknown = Unknown::default();
    let mut logs = Logs::default();
    for input in inputs {
        if cancelled(options) {
            report.cancelled = true;
            break;
        }
        let start = Start::new(sink, input, options, &keys)?;
        if start.format.is_log() {
            logs.read(start, now, &mut report, progress)?;
            if logs.are_many() {
                logs.take(sink, options, now, &mut report)?;
            }
        } else {
            let reading = Reading::begin(start, options, &keys, now, &mut report)?;
            run(sink, reading, options, now, (&mut report, &mut unknown), progress)?;
        }
    }
    logs.take(sink, options, now, &mut report)?;
    report.warnings.extend(unknown.warning());
    Ok(report)
}

fn cancelled(options: &Options<'_>) -> bool {
    options.cancel.is_some_and(|c| c.load(Ordering::Relaxed))
}

/// An input that stands where reading begins.
struct Reading {
    name: String,
    source: Source,
    parser: Parser,
    head: u128,
    found: Found,
    bytes_read: Arc<AtomicU64>,
    bytes_total: Option<u64>,
}

/// What turns records into events.
enum Parser {
    Ndjson(LineParser),
    Csv(csv::Columns),
}

impl Reading {
    fn begin(
        mut start: Start<'_>,
        options: &Options<'_>,
        keys: &Keys,
        now: Timestamp,
        report: &mut Report,
    ) -> Result<Self, ImportError> {
        let (format, name) = (start.format, start.name.clone());
        let io = |cause| ImportError::Input { name: name.clone(), cause };
        let parser = begin_text(&mut start.source, format, options, keys, &name)?;
        let input = report.inputs.len();
        let found = resume::search(&mut start.source, &start.remembered, &mut |bytes, record| {
            let reason = refusal(&parser, bytes, record, now)?;
            Some(Refusal { input, line: record.line, reason })
        });
        let mut found = found.map_err(io)?;
        if start.source.position() > found.len && !start.remembered.is_empty() {
            start.again()?;
            begin_text(&mut start.source, format, options, keys, &name)?;
            resume::advance(&mut start.source, &found).map_err(io)?;
        }
        let Start { source, head, bytes_read, bytes_total, .. } = start.at_its_place();
        report.read += found.records;
        let refused_count = found.refused.count();
        let duplicates = found.records - refused_count;
        report.duplicates += duplicates;
        report.refused.append(std::mem::take(&mut found.refused));
        report.inputs.push(InputReport {
            name: name.clone(),
            format,
            read: found.records,
            imported: 0,
            duplicates,
            refused_count,
            unchanged: false,
        });
        Ok(Self { name, source, parser, head, found, bytes_read, bytes_total })
    }
}

/// Why a record that an earlier import has read was refused then. What depends on the clock is not asked
/// again: it was in time when it was taken.
fn refusal(parser: &Parser, bytes: &[u8], record: &Record, now: Timestamp) -> Option<LineError> {
    let parsed = match (record.fault, parser) {
        (Some(Fault::TooLong), _) => return Some(LineError::TooLong),
        (Some(Fault::Endless), _) => return Some(LineError::Quote),
        (None, Parser::Ndjson(lines)) => lines.parse(bytes, now),
        (None, Parser::Csv(columns)) => columns.parse(bytes, now),
    };
    parsed.err().filter(|reason| !matches!(reason, LineError::TooOld { .. } | LineError::Future(_)))
}

/// Columns of a file without a known one that a message names.
const COLUMNS_NAMED: usize = 8;

/// Takes the byte order mark, and of a CSV file its header row.
fn begin_text(
    source: &mut Source,
    format: Format,
    options: &Options<'_>,
    keys: &Keys,
    name: &str,
) -> Result<Parser, ImportError> {
    let io = |cause| ImportError::Input { name: name.to_owned(), cause };
    if source.peek(BOM.len()).map_err(io)? == BOM {
        source.skip(BOM.len());
    }
    let rules = options.rules.clone();
    if format == Format::Ndjson {
        return Ok(Parser::Ndjson(LineParser::with_keys(rules, keys.clone())));
    }
    source.split_by(csv::record);
    let wrong = |what: String| ImportError::Format { name: name.to_owned(), what };
    let header = loop {
        match source.next_record().map_err(io)? {
            None => return Err(wrong("has no header row".into())),
            Some(record) if record.fault.is_none() && source.bytes(&record).trim_ascii().is_empty() => {}
            Some(record) => break record,
        }
    };
    let columns =
        csv::Columns::new(source.bytes(&header), rules, keys).map_err(|e| wrong(format!("header row: {e}")))?;
    if let Some((theirs, _)) = options.map.iter().find(|(theirs, _)| !columns.has(theirs)) {
        return Err(wrong(format!("has no column '{}' to map", shown(theirs))));
    }
    if !columns.know_any() {
        let names: Vec<String> = columns.unknown.iter().take(COLUMNS_NAMED).map(|name| shown(name)).collect();
        let more = if columns.unknown.len() > COLUMNS_NAMED { ", …" } else { "" };
        let names = names.join(", ");
        return Err(wrong(format!("has only unknown columns ({names}{more}); name them with --map theirs=ours")));
    }
    Ok(Parser::Csv(columns))
}

/// A piece of an input on its way to the store.
#[derive(Default)]
struct Chunk {
    batch: Batch,
    consumed: Option<Consumed>,
    read: u64,
    refused: Refusals,
    unknown: Unknown,
    warning: Option<Warning>,
}

/// One input from where it stands to its end.
fn run(
    sink: &mut dyn Sink,
    reading: Reading,
    options: &Options<'_>,
    now: Timestamp,
    (report, unknown): (&mut Report, &mut Unknown),
    progress: &mut dyn FnMut(Progress),
) -> Result<(), ImportError> {
    let input = report.inputs.len() - 1;
    let (head, bytes_read, bytes_total) = (reading.head, Arc::clone(&reading.bytes_read), reading.bytes_total);
    let name = reading.name.clone();
    let (to_store, chunks) = sync_channel(1);
    let (give_back, spare) = channel();
    let ended = std::thread::scope(|scope| {
        let reader = scope.spawn(move || read(reading, input, options, now, &to_store, spare));
        let mut taker = Taker { sink, head, input, took: false, pending: None, options, give_back };
        let taken = taker.take_all(chunks, report, unknown, &mut |imported| {
            let bytes = bytes_read.load(Ordering::Relaxed);
            progress(Progress { input, bytes, bytes_total, imported });
        });
        // A reader whose chunks nobody takes ends at its next one.
        let read = reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        taken.map(|()| read)
    })?;
    ended.map_err(|cause| ImportError::Input { name, cause })
}

/// The store's side of an import.
struct Taker<'a> {
    sink: &'a mut dyn Sink,
    head: u128,
    input: usize,
    /// Whether the store has anything of this input from this import.
    took: bool,
    /// How far the input was read without anything to take behind what the store knows.
    pending: Option<Consumed>,
    options: &'a Options<'a>,
    /// Takes the memory of rows that are in the store: the system would clear as much anew for each chunk.
    give_back: Sender<Vec<Row>>,
}

impl Taker<'_> {
    fn take_all(
        &mut self,
        chunks: Receiver<Chunk>,
        report: &mut Report,
        unknown: &mut Unknown,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), ImportError> {
        for chunk in chunks {
            if cancelled(self.options) {
                report.cancelled = true;
                return Ok(());
            }
            self.take(chunk, report, unknown)?;
            progress(report.imported);
        }
        if self.took
            && !self.options.dry_run
            && let Some(consumed) = self.pending.take()
        {
            self.sink.add(&mut Batch::default(), self.head, Some(consumed)).map_err(ImportError::Store)?;
        }
        Ok(())
    }

    fn take(&mut self, mut chunk: Chunk, report: &mut Report, unknown: &mut Unknown) -> Result<(), ImportError> {
        let mut duplicates = 0;
        if chunk.batch.rows.is_empty() {
            self.pending = chunk.consumed.or(self.pending);
        } else {
            if let Some(rename) = self.options.users {
                users::rename(&mut chunk.batch, rename);
            }
            if !self.options.dry_run {
                let added = self.sink.add(&mut chunk.batch, self.head, chunk.consumed);
                duplicates = added.map_err(ImportError::Store)?.duplicates;
            }
            (self.took, self.pending) = (true, None);
        }
        describe(&chunk.batch, report);
        unknown.add(chunk.unknown);
        report.warnings.extend(chunk.warning);
        let imported = chunk.batch.rows.len() as u64;
        report.read += chunk.read;
        report.imported += imported;
        report.duplicates += duplicates;
        let one = &mut report.inputs[self.input];
        one.read += chunk.read;
        one.imported += imported;
        one.duplicates += duplicates;
        one.refused_count += chunk.refused.count();
        report.refused.append(chunk.refused);
        chunk.batch.rows.clear();
        // A reader that has ended needs none.
        let _ = self.give_back.send(chunk.batch.rows);
        Ok(())
    }
}

/// The span of the rows that were taken, and what they lack.
fn describe(batch: &Batch, report: &mut Report) {
    let mut unpriced = vec![0u64; batch.names.len()];
    for row in &batch.rows {
        report.first = Some(report.first.map_or(row.ts, |t| t.min(row.ts)));
        report.last = Some(report.last.map_or(row.ts, |t| t.max(row.ts)));
        if let Body::Request(r) = &row.body {
            unpriced[row.model as usize] += u64::from(r.cost_source == CostSource::Unpriced);
        }
    }
    for (model, requests) in batch.names.iter().zip(unpriced).filter(|(_, requests)| *requests > 0) {
        report.unpriced += requests;
        *report.unpriced_models.entry(model.into()).or_default() += requests;
    }
}

/// The reading thread. Ends early when nobody takes its chunks any more.
fn read(
    reading: Reading,
    input: usize,
    options: &Options<'_>,
    now: Timestamp,
    to_store: &SyncSender<Chunk>,
    spare: Receiver<Vec<Row>>,
) -> io::Result<()> {
    let Reading { mut source, parser, found, .. } = reading;
    let mut work = Work {
        input,
        parser,
        guesses: Guesses::default(),
        pricing: Pricing::default(),
        options,
        now,
        chunk: Chunk::default(),
        spare,
    };
    let result = work.records(&mut source, found.within_line, to_store);
    if result.is_err() {
        // What was read before the input failed is good.
        work.send(source.consumed(), to_store);
    }
    result
}

/// The reading thread's side of an import.
struct Work<'a> {
    /// Index of what is read.
    input: usize,
    parser: Parser,
    guesses: Guesses,
    pricing: Pricing,
    options: &'a Options<'a>,
    now: Timestamp,
    chunk: Chunk,
    /// Memory of rows to use again.
    spare: Receiver<Vec<Row>>,
}

impl Work<'_> {
    fn records(&mut self, source: &mut Source, mut within_line: bool, to_store: &SyncSender<Chunk>) -> io::Result<()> {
        let mut from = source.position();
        let mut rows_max = CHUNK_ROWS_FIRST;
        while let Some(record) = source.next_record()? {
            if within_line {
                within_line = false;
                if !source.bytes(&record).trim_ascii().is_empty() {
                    self.refuse(record.line, LineError::Continued);
                }
                continue;
            }
            if record.unterminated && record.fault.is_none() {
                let before = source.consumed_before(&record);
                if !self.send(before, to_store) {
                    return Ok(());
                }
                if self.is_endless(source.bytes(&record)) {
                    let first = source.only_first_line(&record);
                    self.refuse(first.line, LineError::Quote);
                    continue;
                }
                if self.last(source.bytes(&record), &record) {
                    self.send(source.consumed(), to_store);
                } else {
                    self.send(before, to_store);
                }
                return Ok(());
            }
            self.record(source.bytes(&record), &record);
            if self.chunk.batch.rows.len() == FEW_ROWS {
                memory::grow(&mut self.chunk.batch.rows, rows_max);
            }
            let full = self.chunk.batch.rows.len() >= rows_max || source.position() - from >= CHUNK_BYTES_MAX;
            if full {
                rows_max = (2 * rows_max).min(CHUNK_ROWS_MAX);
                from = source.position();
                if !self.send(source.consumed(), to_store) {
                    return Ok(());
                }
            }
        }
        self.send(source.consumed(), to_store);
        Ok(())
    }

    /// One record with a line end.
    #[inline]
    fn record(&mut self, bytes: &[u8], record: &Record) {
        match record.fault {
            Some(Fault::TooLong) => self.refuse(record.line, LineError::TooLong),
            Some(Fault::Endless) => self.refuse(record.line, LineError::Quote),
            None if bytes.trim_ascii().is_empty() => {}
            None => {
                self.event(bytes, record.line);
            }
        }
    }

    /// Takes or refuses one line.
    #[inline]
    fn event(&mut self, bytes: &[u8], line: u64) -> bool {
        let batch = &mut self.chunk.batch;
        let usual = match &self.parser {
            Parser::Ndjson(lines) => lines.push_usual(&mut self.guesses, bytes, self.now, batch),
            Parser::Csv(columns) => columns.push_usual(bytes, self.now, batch),
        };
        if usual {
            self.chunk.read += 1;
            if let Some(book) = self.options.prices {
                self.pricing.price_last(book, &mut self.chunk.batch);
            }
            return true;
        }
        let parsed = match &self.parser {
            Parser::Ndjson(lines) => lines.parse(bytes, self.now),
            Parser::Csv(columns) => columns.parse(bytes, self.now),
        };
        match parsed {
            Ok(parsed) => {
                self.chunk.read += 1;
                self.pricing.push(self.options.prices, &mut self.chunk.batch, &parsed);
                for key in parsed.unknown_keys() {
                    self.chunk.unknown.count(key, 1);
                }
                true
            }
            Err(reason) => {
                self.refuse(line, reason);
                false
            }
        }
    }

    /// The last record, without line end. Whether it was taken.
    fn last(&mut self, bytes: &[u8], record: &Record) -> bool {
        if bytes.trim_ascii().is_empty() {
            return false;
        }
        let ndjson = matches!(self.parser, Parser::Ndjson(_));
        if self.options.complete || (ndjson && is_object(bytes)) {
            return self.event(bytes, record.line);
        }
        let what = if ndjson { "and is not a complete JSON object" } else { "and may be cut short" };
        self.chunk.warning = Some(Warning {
            code: "unterminated_line",
            message: format!("the last line ({}) has no line end {what}: not taken; --final takes it", record.line),
        });
        false
    }

    /// Whether a last record goes on over lines only because a quote never closes.
    fn is_endless(&self, bytes: &[u8]) -> bool {
        match &self.parser {
            Parser::Csv(columns) if self.options.complete && bytes.contains(&b'\n') => {
                columns.parse(bytes, self.now) == Err(LineError::Quote)
            }
            _ => false,
        }
    }

    #[cold]
    fn refuse(&mut self, line: u64, reason: LineError) {
        self.chunk.read += 1;
        self.chunk.refused.push(Refusal { input: self.input, line, reason });
    }

    /// Hands the chunk over. Whether anyone took it.
    fn send(&mut self, consumed: Consumed, to_store: &SyncSender<Chunk>) -> bool {
        let mut chunk = std::mem::take(&mut self.chunk);
        self.chunk.batch.rows = self.spare.try_recv().unwrap_or_default();
        self.pricing.forget();
        chunk.consumed = Some(consumed);
        if let Parser::Csv(columns) = &self.parser {
            for name in &columns.unknown {
                chunk.unknown.count(name, chunk.batch.rows.len() as u64);
            }
        }
        to_store.send(chunk).is_ok()
    }
}

#[cfg(test)]
mod tests;
