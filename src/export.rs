//! Events to text that `import` reads back to the same events.
//!
//! Absent stays absent and numbers are written from their integers, so nothing is rounded. In NDJSON what
//! could move a cursor is escaped. CSV has no escapes of its own: what is hidden is written as `\u{1b}`, and
//! a cell that a spreadsheet would run as a formula gets an apostrophe in front, both of which our import
//! takes away again (a name that itself begins with apostrophes before such a character gets one more, and
//! a backslash that would begin an escape is written as one, so this is exact both ways).

use std::fmt::{self, Write};

use ax_storage::event::{CostSource, NanoUsd};
use ax_storage::row::{Body, Maybe, NameId, Names, Row};

use crate::import::Key;
use crate::words::{csv_escaped, is_formula, is_hidden, push_json_escaped};

/// Appends the event as a line of NDJSON, line end included.
pub fn ndjson(out: &mut String, names: &Names, row: &Row) {
    out.push('{');
    let mut first = true;
    cells(names, row, &mut |key, value| {
        out.push_str(if first { "\"" } else { ",\"" });
        first = false;
        out.push_str(key.name());
        out.push_str("\":");
        match value {
            Cell::Word(text) | Cell::Name(text) => quoted(out, text),
            Cell::Time(_) => add(out, format_args!("\"{value}\"")),
            _ => add(out, format_args!("{value}")),
        }
    });
    out.push_str("}\n");
}

/// Appends the header row of CSV.
pub fn csv_header(out: &mut String) {
    for (i, key) in Key::ALL.into_iter().enumerate() {
        out.push_str(if i > 0 { "," } else { "" });
        out.push_str(key.name());
    }
    out.push('\n');
}

/// Appends the event as a row of CSV, line end included. All rows have all columns of [`csv_header`].
pub fn csv(out: &mut String, names: &Names, row: &Row) {
    let mut columns = 0;
    cells(names, row, &mut |key, value| {
        let column = key as usize;
        for _ in columns..column {
            out.push(',');
        }
        columns = column;
        match value {
            Cell::Name(text) => csv_cell(out, text),
            _ => add(out, format_args!("{value}")),
        }
    });
    for _ in columns + 1..Key::ALL.len() {
        out.push(',');
    }
    out.push('\n');
}

/// A value of an event as text.
#[derive(Clone, Copy, Debug)]
enum Cell<'a> {
    Word(&'a str),
    Name(&'a str),
    Time(ax_storage::time::Timestamp),
    Whole(u64),
    /// Microseconds, written as milliseconds.
    Millis(u64),
    Money(u64),
    Flag(bool),
}

impl fmt::Display for Cell<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Word(text) | Self::Name(text) => f.write_str(text),
            Self::Time(t) => t.fmt(f),
            Self::Whole(n) => n.fmt(f),
            Self::Millis(us) if us % 1000 == 0 => (us / 1000).fmt(f),
            Self::Millis(us) => write!(f, "{}.{:03}", us / 1000, us % 1000),
            Self::Money(nanos) => NanoUsd::from_nanos(nanos).fmt(f),
            Self::Flag(b) => b.fmt(f),
        }
    }
}

/// Hands out what the event has, in the order of the columns.
fn cells<'a>(names: &'a Names, row: &Row, each: &mut dyn FnMut(Key, Cell<'a>)) {
    let name = |key, id: NameId, each: &mut dyn FnMut(Key, Cell<'a>)| {
        if id != 0 {
            each(key, Cell::Name(names.get(id)));
        }
    };
    let maybe = |value: Maybe, make: fn(u64) -> Cell<'a>| value.get().map(make);
    let kind = match row.body {
        Body::Request(_) => "request",
        Body::Cache(_) => "cache",
        Body::Rate(_) => "rate_limit",
    };
    each(Key::Type, Cell::Word(kind));
    each(Key::Ts, Cell::Time(row.ts));
    name(Key::EventId, row.event_id, each);
    name(Key::Provider, row.provider, each);
    name(Key::Model, row.model, each);
    name(Key::User, row.user, each);
    let some = |key, value: Option<Cell<'a>>, each: &mut dyn FnMut(Key, Cell<'a>)| {
        if let Some(value) = value {
            each(key, value);
        }
    };
    match &row.body {
        Body::Request(r) => {
            some(Key::Latency, maybe(r.latency_us, Cell::Millis), each);
            some(Key::Ttft, maybe(r.ttft_us, Cell::Millis), each);
            let t = &r.tokens;
            let rare = |n: u64| (n > 0).then_some(Cell::Whole(n));
            each(Key::Input, Cell::Whole(t.input));
            some(Key::Cached, rare(t.cached), each);
            some(Key::CacheWrite, rare(t.cache_write), each);
            some(Key::CacheWrite1h, rare(t.cache_write_1h), each);
            each(Key::Output, Cell::Whole(t.output));
            some(Key::Reasoning, rare(t.reasoning), each);
            let (source, cost) = match r.cost_source {
                CostSource::Unpriced => ("unpriced", None),
                CostSource::Recorded => ("recorded", Some(Cell::Money(r.cost_nanos))),
                CostSource::Computed => ("computed", Some(Cell::Money(r.cost_nanos))),
            };
            some(Key::Cost, cost, each);
            each(Key::CostSource, Cell::Word(source));
            name(Key::ServiceTier, r.service_tier, each);
            each(Key::Ok, Cell::Flag(r.ok));
            name(Key::Error, r.error, each);
        }
        Body::Cache(c) => {
            each(Key::Event, Cell::Word(if c.hit { "hit" } else { "miss" }));
            some(Key::SavedCost, maybe(c.saved_cost_nanos, Cell::Money), each);
            some(Key::SavedTokens, maybe(c.saved_tokens, Cell::Whole), each);
            name(Key::Entry, c.key, each);
            some(Key::Ttl, maybe(c.ttl_s, Cell::Whole), each);
        }
        Body::Rate(l) => {
            each(Key::Event, Cell::Word(if l.allowed { "allowed" } else { "denied" }));
            name(Key::Entry, l.key, each);
            name(Key::LimitType, l.limit_type, each);
            some(Key::Remaining, maybe(l.remaining, Cell::Whole), each);
            some(Key::Limit, maybe(l.limit, Cell::Whole), each);
        }
    }
}

/// Writing to a `String` cannot fail.
fn add(out: &mut String, text: fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

/// A JSON string in which nothing is invisible.
fn quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if is_hidden(c) => push_json_escaped(out, c),
            c => out.push(c),
        }
    }
    out.push('"');
}

fn csv_cell(out: &mut String, text: &str) {
    let guard = if is_formula(text) { "'" } else { "" };
    let text = csv_escaped(text);
    if text.contains([',', '"']) {
        add(out, format_args!("\"{guard}{}\"", text.replace('"', "\"\"")));
    } else {
        add(out, format_args!("{guard}{text}"));
    }
}

#[cfg(test)]
mod tests;
