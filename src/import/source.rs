//! An input as a stream of records: decompressed, cut at line ends, hashed as it goes.
//!
//! Memory is bounded whatever comes: a window of [`LINE_BYTES_MAX`] and one read. A record that does not
//! fit is skipped unread, so a gzip bomb costs time but no memory. The hash covers every byte handed out or
//! skipped, the line ends included, and is what "this part was imported before" is decided by.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use ax_storage::time::Timestamp;
use flate2::bufread::MultiGzDecoder;
use xxhash_rust::xxh3::Xxh3;

use super::{Consumed, Input, LINE_BYTES_MAX};

/// Bytes asked of the input at once.
const READ_BYTES: usize = 256 << 10;

/// Finds the end of a record. `bytes` begin a record; `last` = the input ends behind them.
pub(crate) type Split = fn(bytes: &[u8], last: bool) -> Cut;

/// Where a record ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// After so many bytes, of which the last is the only line end.
    Line(usize),
    /// After so many bytes, line ends included.
    At(usize),
    /// Not within these bytes.
    Open,
}

/// One record, as a range of the source's window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    start: usize,
    end: usize,
    /// Number of its first line, from 1.
    pub(crate) line: u64,
    /// What keeps it from being read at all.
    pub(crate) fault: Option<Fault>,
    /// Whether the input ended before its line end.
    pub(crate) unterminated: bool,
}

/// What is wrong with a record before anyone looks into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Its line is too long, and not there.
    TooLong,
    /// It has several short lines and no end: a quote that opens and never closes. This is its first line.
    Endless,
}

/// A reader of records.
pub(crate) struct Source {
    inner: Box<dyn Read + Send>,
    split: Split,
    /// Longest record.
    bytes_max: usize,
    window: Vec<u8>,
    /// Start of the bytes not handed out yet, in the window.
    at: usize,
    /// Up to here the window is in the hash.
    hashed: usize,
    hasher: Xxh3,
    /// Bytes before the window.
    before: u64,
    /// Line ends before `at`.
    lines: u64,
    /// The byte before the window.
    last: u8,
    ended: bool,
}

impl Source {
    pub(crate) fn new(inner: Box<dyn Read + Send>) -> Self {
        Self {
            inner,
            split: line,
            bytes_max: LINE_BYTES_MAX,
            window: Vec::new(),
            at: 0,
            hashed: 0,
            hasher: Xxh3::new(),
            before: 0,
            lines: 0,
            last: b'\n',
            ended: false,
        }
    }

    /// The first bytes, without taking them: at most `max` (not more than the window holds).
    ///
    /// # Errors
    /// Those of the input.
    pub(crate) fn peek(&mut self, max: usize) -> io::Result<&[u8]> {
        while self.window.len() - self.at < max && !self.ended {
            self.fill()?;
        }
        let rest = &self.window[self.at..];
        Ok(&rest[..rest.len().min(max)])
    }

    /// Cuts records by `split` instead of line ends from here on.
    pub(crate) fn split_by(&mut self, split: Split) {
        self.split = split;
    }

    /// Takes records of so many bytes instead of [`LINE_BYTES_MAX`].
    pub(crate) fn allow(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max;
    }

    /// Bytes handed out or skipped so far.
    pub(crate) fn position(&self) -> u64 {
        self.before + self.at as u64
    }

    /// Length and hash of all bytes handed out so far.
    pub(crate) fn consumed(&mut self) -> Consumed {
        self.hash_to_here();
        Consumed { len: self.position(), hash: self.hasher.digest128() }
    }

    /// The same up to the beginning of the record just handed out.
    pub(crate) fn consumed_before(&mut self, record: &Record) -> Consumed {
        self.hasher.update(&self.window[self.hashed..record.start]);
        self.hashed = record.start;
        Consumed { len: self.before + record.start as u64, hash: self.hasher.digest128() }
    }

    /// The bytes as a plain reader again; only before any were handed out.
    pub(crate) fn into_unread(self) -> Box<dyn Read + Send> {
        Box::new(io::Cursor::new(self.window).chain(self.inner))
    }

    /// Takes `len` bytes that begin the input (a byte order mark).
    pub(crate) fn skip(&mut self, len: usize) {
        self.at = (self.at + len).min(self.window.len());
    }

    /// The next record, empty ones included; `None` at the end.
    ///
    /// # Errors
    /// Those of the input; everything before was handed out.
    #[inline]
    pub(crate) fn next_record(&mut self) -> io::Result<Option<Record>> {
        loop {
            let rest = &self.window[self.at..];
            match (self.split)(rest, self.ended) {
                Cut::Line(len) => return Ok(Some(self.take_lines(len, 1, false))),
                Cut::At(len) => return Ok(Some(self.take(len, false))),
                Cut::Open => {}
            }
            if rest.len() > self.bytes_max + 2 {
                return match memchr::memchr(b'\n', rest) {
                    Some(at) => Ok(Some(Record { fault: Some(Fault::Endless), ..self.take(at + 1, false) })),
                    None => self.skip_line().map(Some),
                };
            }
            if self.ended {
                let len = rest.len();
                return Ok((len > 0).then(|| self.take(len, true)));
            }
            self.fill()?;
        }
    }

    /// The record's bytes without line end.
    #[inline]
    pub(crate) fn bytes(&self, record: &Record) -> &[u8] {
        let bytes = &self.window[record.start..record.end];
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        bytes.strip_suffix(b"\r").unwrap_or(bytes)
    }

    /// Goes back to the beginning of the record just handed out and takes only its first line.
    pub(crate) fn only_first_line(&mut self, record: &Record) -> Record {
        let bytes = &self.window[record.start..record.end];
        let len = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
        self.at = record.start;
        self.lines = record.line - 1;
        let unterminated = record.unterminated && record.start + len == record.end;
        self.take(len, unterminated)
    }

    /// The next record or its part before `limit`, whatever ends there.
    ///
    /// # Errors
    /// Those of the input.
    pub(crate) fn next_until(&mut self, limit: u64) -> io::Result<Option<Record>> {
        let Some(mut record) = self.next_record()? else { return Ok(None) };
        let over = usize::try_from(self.position().saturating_sub(limit)).unwrap_or(usize::MAX);
        if over > 0 && over < record.end - record.start {
            self.at -= over;
            record.end -= over;
            self.lines -= line_ends(&self.window[self.at..self.at + over]);
        }
        Ok(Some(record))
    }

    /// Whether what was handed out ends within a line.
    pub(crate) fn within_line(&self) -> bool {
        self.at.checked_sub(1).map_or(self.last, |at| self.window[at]) != b'\n' && self.position() > 0
    }

    fn take(&mut self, len: usize, unterminated: bool) -> Record {
        let lines = line_ends(&self.window[self.at..self.at + len]);
        self.take_lines(len, lines, unterminated)
    }

    #[inline]
    fn take_lines(&mut self, len: usize, lines: u64, unterminated: bool) -> Record {
        let (start, end) = (self.at, self.at + len);
        let fault = (len > self.bytes_max + 2).then_some(Fault::TooLong);
        let record = Record { start, end, line: self.lines + 1, fault, unterminated };
        self.at = end;
        self.lines += lines;
        record
    }

    /// Drops a line that doesn't fit, to its end.
    fn skip_line(&mut self) -> io::Result<Record> {
        let line = self.lines + 1;
        loop {
            let rest = &self.window[self.at..];
            let end = memchr::memchr(b'\n', rest);
            self.at += end.map_or(rest.len(), |at| at + 1);
            if end.is_some() || self.ended {
                let unterminated = end.is_none();
                self.lines += u64::from(!unterminated);
                let fault = Some(Fault::TooLong);
                return Ok(Record { start: self.at, end: self.at, line, fault, unterminated });
            }
            self.fill()?;
        }
    }

    fn hash_to_here(&mut self) {
        self.hasher.update(&self.window[self.hashed..self.at]);
        self.hashed = self.at;
    }

    /// Reads once more, behind the bytes not handed out yet.
    fn fill(&mut self) -> io::Result<()> {
        self.hash_to_here();
        self.last = self.at.checked_sub(1).map_or(self.last, |at| self.window[at]);
        self.before += self.at as u64;
        self.window.copy_within(self.at.., 0);
        self.window.truncate(self.window.len() - self.at);
        (self.at, self.hashed) = (0, 0);
        let used = self.window.len();
        self.window.resize(used + READ_BYTES, 0);
        let read = loop {
            match self.inner.read(&mut self.window[used..]) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                result => break result,
            }
        };
        self.window.truncate(used + read.as_ref().map_or(0, |n| *n));
        self.ended = read? == 0;
        Ok(())
    }
}

fn line_ends(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

/// The end of a line.
pub(crate) fn line(bytes: &[u8], _last: bool) -> Cut {
    memchr::memchr(b'\n', bytes).map_or(Cut::Open, |at| Cut::Line(at + 1))
}

/// The end of a document that is the whole input.
pub(crate) fn whole(_bytes: &[u8], _last: bool) -> Cut {
    Cut::Open
}

/// An opened input: its bytes (decompressed), and how many were read of it as it is on disk.
pub(crate) struct Opened {
    pub(crate) reader: Box<dyn Read + Send>,
    pub(crate) bytes_read: Arc<AtomicU64>,
    pub(crate) bytes_total: Option<u64>,
    /// When it was written last.
    pub(crate) modified: Option<Timestamp>,
}

/// Opens an input. What begins like gzip is read through it, whatever its name.
///
/// # Errors
/// Those of the input.
pub(crate) fn open(input: &Input) -> io::Result<Opened> {
    let (raw, bytes_total, modified): (Box<dyn Read + Send>, _, _) = match input {
        Input::Stdin => (Box::new(io::stdin()), None, None),
        Input::File(path) | Input::Known(_, path) => {
            let file = File::open(path)?;
            let about = file.metadata()?;
            if about.is_dir() {
                return Err(io::Error::new(io::ErrorKind::IsADirectory, "is a directory"));
            }
            (Box::new(file), about.is_file().then_some(about.len()), modified(&about))
        }
    };
    let bytes_read = Arc::new(AtomicU64::new(0));
    let mut raw = Counted { inner: raw, bytes: Arc::clone(&bytes_read) };
    let mut magic = [0; 2];
    let mut have = 0;
    while have < magic.len() {
        match raw.read(&mut magic[have..]) {
            Ok(0) => break,
            Ok(n) => have += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    let start = io::Cursor::new(magic).take(have as u64);
    let reader: Box<dyn Read + Send> = if magic[..have] == [0x1f, 0x8b] {
        Box::new(MultiGzDecoder::new(io::BufReader::with_capacity(READ_BYTES, start.chain(raw))))
    } else {
        Box::new(start.chain(raw))
    };
    Ok(Opened { reader, bytes_read, bytes_total, modified })
}

/// When a file was written last, where the system says so.
fn modified(about: &Metadata) -> Option<Timestamp> {
    let since = about.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(Timestamp::from_millis(u64::try_from(since.as_millis()).ok()?))
}

/// Counts what is read, for progress.
struct Counted {
    inner: Box<dyn Read + Send>,
    bytes: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)?;
        self.bytes.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}
