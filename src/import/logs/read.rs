//! One file of a log: its values in their order, and how far it is done.
//!
//! A file that is still written may tell only half of its last call, and of those that answers come in for beside it.
//! Reading then ends before the first mention of these calls, and goes on there next time:
//!
//! ```text
//!  |  A  A  B  C  C  B  B |        the last one is B: consumed up to its first mention;
//!        ^consumed                 A and C count now, C is known by its id when it is met again
//! ```

use std::collections::{HashMap, HashSet};
use std::io;

use ax_storage::row::{NameId, Names};
use ax_storage::time::Timestamp;
use foldhash::fast::RandomState;
use serde_json::value::RawValue;

use super::{COMING_IN_MS, Call, Calls, DOCUMENT_BYTES_MAX, LOG_LINE_BYTES_MAX, Parser};
use crate::import::ndjson::{is_object, not_json};
use crate::import::resume::HEAD_BYTES_MAX;
use crate::import::sniff::BOM;
use crate::import::source::{self, Fault, Record, Source};
use crate::import::{Consumed, LineError};

/// What a file gave.
#[derive(Default)]
pub(crate) struct Given {
    /// The calls with their lines.
    pub(crate) calls: Vec<(Call, u64)>,
    /// What is no part of such a log, by line.
    pub(crate) refused: Vec<(u64, LineError)>,
    /// How much of it is done; `None` = it is to be read again as a whole.
    pub(crate) consumed: Option<Consumed>,
}

/// Whether a log is read value by line; else it is one document.
pub(crate) fn begins_with_a_value(first: &[u8]) -> bool {
    let text = first.trim_ascii_start();
    match memchr::memchr(b'\n', text) {
        Some(end) => is_object(text[..end].trim_ascii_end()),
        // A line of that length, or a document of one line, which comes to the same.
        None => true,
    }
}

/// Prepares the source of a log.
///
/// # Errors
/// Those of the input.
pub(crate) fn begin(source: &mut Source) -> io::Result<bool> {
    if source.peek(BOM.len())? == BOM {
        source.skip(BOM.len());
    }
    let lines = begins_with_a_value(source.peek(HEAD_BYTES_MAX)?);
    source.allow(if lines { LOG_LINE_BYTES_MAX } else { DOCUMENT_BYTES_MAX });
    if !lines {
        source.split_by(source::whole);
    }
    Ok(lines)
}

/// How old a file is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Age {
    /// Nobody writes to it any more.
    pub(crate) complete: bool,
    /// The time it is read at.
    pub(crate) now: Timestamp,
}

/// Reads what `source` still has.
///
/// # Errors
/// Those of the input.
pub(crate) fn read(
    source: &mut Source,
    parser: &mut dyn Parser,
    names: &mut Names,
    lines: bool,
    Age { complete, now }: Age,
) -> io::Result<Given> {
    let holding = parser.habits().partial && !complete;
    let (given, found) = (Given::default(), Vec::new());
    let mut reader = Reader { parser, names, complete, given, found, firsts: HashMap::default() };
    // What an earlier import took of a line that was not complete.
    let mut within_line = source.within_line();
    let mut end = None;
    while let Some(record) = source.next_record()? {
        if std::mem::take(&mut within_line) {
            continue;
        }
        if lines && record.unterminated && !complete {
            end = Some(source.consumed_before(&record));
            break;
        }
        let before = (reader.given.calls.len(), reader.given.refused.len());
        reader.record(source, &record, lines);
        if holding && reader.given.calls.len() > before.0 {
            let first = First { consumed: source.consumed_before(&record), calls: before.0, refused: before.1 };
            reader.remember(first);
        }
    }
    let end = end.unwrap_or_else(|| source.consumed());
    reader.given.consumed = Some(end);
    Ok(if holding { reader.hold(lines, now) } else { reader.given })
}

/// The place of a call's first mention.
#[derive(Clone, Copy)]
struct First {
    consumed: Consumed,
    /// Calls before it.
    calls: usize,
    /// Refusals before it.
    refused: usize,
}

struct Reader<'a> {
    parser: &'a mut dyn Parser,
    names: &'a mut Names,
    complete: bool,
    given: Given,
    /// Of one value; kept for its room.
    found: Vec<Call>,
    firsts: HashMap<NameId, First, RandomState>,
}

impl Reader<'_> {
    fn record(&mut self, source: &Source, record: &Record, lines: bool) {
        let bytes = source.bytes(record);
        match record.fault {
            Some(Fault::TooLong | Fault::Endless) => {
                let max = if lines { "64 MiB" } else { "256 MiB" };
                self.given.refused.push((record.line, LineError::Form(format!("longer than {max}"))));
            }
            None if lines => self.value(bytes.trim_ascii(), record.line),
            None => self.document(bytes, record.line),
        }
    }

    /// One value, or an array of them.
    fn value(&mut self, json: &[u8], line: u64) {
        if json.is_empty() {
            return;
        }
        if json[0] == b'[' {
            match serde_json::from_slice::<Vec<&RawValue>>(json) {
                Ok(values) => values.iter().for_each(|v| self.value(v.get().as_bytes(), line)),
                Err(e) => self.given.refused.push((line, no_value(json, &e))),
            }
            return;
        }
        let mut calls = Calls { names: self.names, list: &mut self.found };
        if let Err(reason) = self.parser.value(json, &mut calls) {
            self.given.refused.push((line, reason));
        }
        self.given.calls.extend(self.found.drain(..).map(|call| (call, line)));
    }

    /// Values over several lines, one behind the other.
    fn document(&mut self, bytes: &[u8], first_line: u64) {
        let mut at = 0;
        let mut line = first_line;
        let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<&RawValue>();
        while let Some(value) = values.next() {
            let start = bytes[at..].iter().position(|b| !b.is_ascii_whitespace()).map_or(at, |n| at + n);
            line += memchr::memchr_iter(b'\n', &bytes[at..start]).count() as u64;
            at = start;
            match value {
                Ok(value) => self.value(value.get().as_bytes(), line),
                // The rest is still to be written.
                Err(e) if e.is_eof() && !self.complete => return,
                Err(e) => {
                    let line = first_line + e.line().saturating_sub(1) as u64;
                    self.given.refused.push((line, LineError::NotJson(e.to_string())));
                    return;
                }
            }
            let end = values.byte_offset();
            line += memchr::memchr_iter(b'\n', &bytes[at..end]).count() as u64;
            at = end;
        }
    }

    fn remember(&mut self, first: First) {
        for (call, _) in &self.given.calls[first.calls..] {
            self.firsts.entry(call.id).or_insert(first);
        }
    }

    /// Leaves out the last call and those told of just now, and what stands behind the first mention of them and has no
    /// id to be known by.
    fn hold(mut self, lines: bool, now: Timestamp) -> Given {
        let Some(last) = self.given.calls.iter().rev().map(|(call, _)| call.id).find(|id| *id != 0) else {
            return self.given;
        };
        let coming_in = self.given.calls.iter().filter(|(call, _)| call.ts.plus_ms(COMING_IN_MS) > now);
        let held: HashSet<NameId, RandomState> =
            coming_in.map(|(call, _)| call.id).filter(|id| *id != 0).chain([last]).collect();
        let Some(first) = held.iter().filter_map(|id| self.firsts.get(id)).min_by_key(|f| f.consumed.len).copied()
        else {
            return self.given;
        };
        let mut at = 0;
        self.given.calls.retain(|(call, _)| {
            at += 1;
            !held.contains(&call.id) && (at <= first.calls || call.id != 0)
        });
        self.given.refused.truncate(first.refused);
        self.given.consumed = lines.then_some(first.consumed);
        self.given
    }
}

fn no_value(json: &[u8], error: &serde_json::Error) -> LineError {
    match std::str::from_utf8(json) {
        Ok(text) => not_json(text, error),
        Err(_) => LineError::NotUtf8,
    }
}

/// Whether nobody writes to a file any more that was written last at `modified`.
pub(crate) fn is_complete(modified: Option<Timestamp>, now: Timestamp) -> bool {
    modified.is_none_or(|m| m.plus_ms(super::COMPLETE_AFTER_MS) <= now)
}
