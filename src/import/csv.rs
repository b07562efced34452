//! Rows of comma-separated values to events, by the names in the header row.
//!
//! Cut by hand and not by a crate: importing again needs the byte at which each record ends, and a stray
//! quote must cost one line, not the rest of the file.

use std::borrow::Cow;

use ax_storage::row::Batch;
use ax_storage::time::Timestamp;

use super::error::LineError;
use super::fields::{Fields, Parsed, Rules, Value};
use super::key::{Key, Keys};
use super::quick::{self, Usual};
use super::source::Cut;
use crate::words::{csv_unescaped, is_formula};

/// Reads the rows of one file.
#[derive(Clone, Debug)]
pub(crate) struct Columns {
    rules: Rules,
    /// What each column means.
    keys: Vec<Option<Key>>,
    names: Vec<String>,
    /// The columns that mean nothing.
    pub(crate) unknown: Vec<String>,
}

impl Columns {
    /// The columns of a header row.
    ///
    /// # Errors
    /// A row that is no row.
    pub(crate) fn new(header: &[u8], rules: Rules, keys: &Keys) -> Result<Self, LineError> {
        let header = std::str::from_utf8(header).map_err(|_| LineError::NotUtf8)?;
        let mut columns = Self { rules, keys: Vec::new(), names: Vec::new(), unknown: Vec::new() };
        for name in Cells::of(header) {
            let name = name?;
            let name = name.trim();
            let key = keys.find(name.as_bytes());
            if key.is_none() {
                columns.unknown.push(name.to_owned());
            }
            columns.names.push(name.to_owned());
            columns.keys.push(key);
        }
        Ok(columns)
    }

    /// Whether there is a column of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.names.iter().any(|n| n == name)
    }

    /// Whether any column means something.
    pub(crate) fn know_any(&self) -> bool {
        self.keys.iter().any(Option::is_some)
    }

    /// Adds the event of a usual row to `batch`. Whether it was one; all others are for [`Columns::parse`].
    #[inline]
    pub(crate) fn push_usual(&self, row: &[u8], now: Timestamp, batch: &mut Batch) -> bool {
        let mut usual = Usual::default();
        quick::cells(row, &self.keys, &mut usual).is_some() && usual.push(&self.rules, now, batch).is_some()
    }

    /// The event of one row.
    ///
    /// # Errors
    /// Why the row is refused.
    #[inline]
    pub(crate) fn parse<'a>(&self, row: &'a [u8], now: Timestamp) -> Result<Parsed<'a>, LineError> {
        let row = std::str::from_utf8(row).map_err(|_| LineError::NotUtf8)?;
        let mut fields = Box::<Fields<'_>>::default();
        let mut cells = Cells::of(row);
        let mut columns = self.keys.iter();
        for cell in &mut cells {
            let cell = cell?;
            let Some(key) = columns.next() else { return Err(self.cells(row)) };
            if let Some(key) = key {
                fields.set(*key, Value::Cell(unguarded(cell)), self.rules.zone.as_ref())?;
            }
        }
        if columns.next().is_some() {
            return Err(self.cells(row));
        }
        fields.finish(&self.rules, now)
    }

    #[cold]
    fn cells(&self, row: &str) -> LineError {
        LineError::Cells { found: Cells::of(row).count(), wanted: self.keys.len() }
    }
}

/// Takes back what exports do to names: escapes of what is hidden, and the one apostrophe before what
/// looks like a formula.
fn unguarded(cell: Cow<'_, str>) -> Cow<'_, str> {
    let cell = match memchr::memchr(b'\\', cell.as_bytes()) {
        None => cell,
        Some(_) => Cow::Owned(csv_unescaped(&cell).into_owned()),
    };
    if !cell.starts_with('\'') || !is_formula(&cell) {
        return cell;
    }
    match cell {
        Cow::Borrowed(text) => Cow::Borrowed(&text[1..]),
        Cow::Owned(mut text) => {
            text.remove(0);
            Cow::Owned(text)
        }
    }
}

/// The end of a record: a line end outside of quotes. A quote opens only at the beginning of a cell.
pub(crate) fn record(bytes: &[u8], _last: bool) -> Cut {
    match memchr::memchr2(b'\n', b'"', bytes) {
        None => return Cut::Open,
        Some(end) if bytes[end] == b'\n' => return Cut::Line(end + 1),
        Some(_) => {}
    }
    let mut at = 0;
    while at < bytes.len() {
        // Here a cell begins.
        if bytes[at] == b'"' {
            at += 1;
            loop {
                let Some(quote) = memchr::memchr(b'"', &bytes[at..]) else { return Cut::Open };
                at += quote + 1;
                if bytes.get(at) != Some(&b'"') {
                    break;
                }
                at += 1;
            }
        }
        let Some(end) = memchr::memchr2(b',', b'\n', &bytes[at..]) else { return Cut::Open };
        at += end + 1;
        if bytes[at - 1] == b'\n' {
            return Cut::At(at);
        }
    }
    Cut::Open
}

/// The cells of a record.
struct Cells<'a> {
    rest: Option<&'a str>,
}

impl<'a> Cells<'a> {
    fn of(record: &'a str) -> Self {
        Self { rest: Some(record) }
    }

    /// Takes a cell whose quote is open; `rest` is behind that quote.
    fn quoted(&mut self, rest: &'a str) -> Result<Cow<'a, str>, LineError> {
        let mut cell = Cow::Borrowed("");
        let mut rest = rest;
        loop {
            let (part, behind) = rest.split_once('"').ok_or(LineError::Quote)?;
            if cell.is_empty() {
                cell = Cow::Borrowed(part)
            } else {
                cell.to_mut().push_str(part)
            }
            if let Some(more) = behind.strip_prefix('"') {
                cell.to_mut().push('"');
                rest = more;
            } else if behind.is_empty() {
                self.rest = None;
                return Ok(cell);
            } else {
                self.rest = Some(behind.strip_prefix(',').ok_or(LineError::Quote)?);
                return Ok(cell);
            }
        }
    }
}

impl<'a> Iterator for Cells<'a> {
    type Item = Result<Cow<'a, str>, LineError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest?;
        if let Some(quoted) = rest.strip_prefix('"') {
            let cell = self.quoted(quoted);
            if cell.is_err() {
                self.rest = None;
            }
            return Some(cell);
        }
        let end = rest.bytes().position(|b| b == b',');
        self.rest = end.and_then(|end| rest.get(end + 1..));
        Some(Ok(Cow::Borrowed(&rest[..end.unwrap_or(rest.len())])))
    }
}
