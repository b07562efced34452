//! Events from text: NDJSON and CSV, from files, gzip and stdin, once and for all of each input.
//!
//! ```text
//! Input -> source (gzip, line limits) -> ndjson | csv -> Fields -> Event -> Batch -> Sink (the store), chunk by chunk
//! ```
//! Reading runs on a thread of its own, one chunk ahead of the store. With every chunk the store notes how
//! much of the input it came from, so an import that was stopped, or an input that has grown, goes on where
//! it ended (see `resume`).

mod csv;
mod decimal;
mod driver;
mod error;
mod fields;
mod key;
mod logs;
mod ndjson;
pub mod places;
mod priced;
mod quick;
mod refusals;
mod resume;
mod sniff;
mod source;
mod unknown;
mod users;
mod when;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use ax_storage::row::Batch;
use ax_storage::time::Timestamp;

use crate::error::Warning;
use crate::pricing::Book;

pub(crate) use key::Key;
#[cfg(feature = "cli")]
pub(crate) use unknown::Unknown;

pub use ax_storage::import::{Added, Consumed, Mark, Note};
pub use error::{ImportError, LineError, SinkError};
pub use fields::{Defaults, Parsed, Rules};
pub use ndjson::LineParser;
pub use refusals::{REFUSALS_MAX, Refusal, Refusals};

/// Longest line (or CSV record) in bytes, its end not counted. Longer ones are refused and skipped unread.
pub const LINE_BYTES_MAX: usize = 1 << 20;

/// A text format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// One JSON object a line.
    Ndjson,
    /// A header row and a row an event.
    Csv,
    /// Claude Code's sessions.
    ClaudeCode,
    /// Codex' sessions.
    Codex,
    /// Gemini CLI's chats and telemetry.
    Gemini,
    /// LiteLLM's spend-log rows and logging payloads.
    LiteLlm,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Ndjson, Self::Csv, Self::ClaudeCode, Self::Codex, Self::Gemini, Self::LiteLlm];

    /// Its name on the command line and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
            Self::ClaudeCode => "claude-code",
            Self::Codex => "codex",
            Self::Gemini => "gemini",
            Self::LiteLlm => "litellm",
        }
    }

    /// Whether another tool writes it as a log of its own, which takes more than reading line by line.
    pub const fn is_log(self) -> bool {
        !matches!(self, Self::Ndjson | Self::Csv)
    }
}

/// Opens an input of another kind of text; what begins like gzip is read through it.
///
/// # Errors
/// Those of the input.
#[cfg(feature = "cli")]
pub(crate) fn open_input(input: &Input) -> std::io::Result<impl std::io::Read> {
    source::open(input).map(|opened| opened.reader)
}

/// The format of a file by its first bytes; `None` = none that is known, or it can't be read.
pub fn format_of(path: &Path) -> Option<Format> {
    let opened = source::open(&Input::File(path.to_owned())).ok()?;
    let mut source = source::Source::new(opened.reader);
    let first = source.peek(resume::HEAD_BYTES_MAX).ok()?;
    sniff::sniff(first.strip_prefix(sniff::BOM).unwrap_or(first), &key::Keys::default()).ok()
}

/// Where events come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// This process's standard input.
    Stdin,
    /// A file, gzip or not.
    File(PathBuf),
    /// A file whose format is known whatever [`Options::format`] says.
    Known(Format, PathBuf),
}

/// How to import.
#[derive(Clone, Default)]
pub struct Options<'a> {
    /// The inputs' format; `None` = by their content.
    pub format: Option<Format>,
    /// Pairs of (the input's name of a field, ours).
    pub map: Vec<(String, String)>,
    /// What applies to every line.
    pub rules: Rules,
    /// Take an unterminated last line whatever it is: the input will not grow.
    pub complete: bool,
    /// Read and judge everything, add nothing.
    pub dry_run: bool,
    /// What requests cost that bring no cost; without it they are unpriced.
    pub prices: Option<&'a Book>,
    /// What users are called in the store; without it as in the input.
    pub users: Option<&'a (dyn Fn(&str) -> String + Sync)>,
    /// Set to stop after the chunk being written.
    pub cancel: Option<&'a AtomicBool>,
}

/// What an import did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Lines (CSV records) that were not empty, of logs those that tell of a call: imported + duplicates + refused.
    pub read: u64,
    /// Events taken.
    pub imported: u64,
    /// Events that were there already, by their id or because an earlier import consumed their line, and the
    /// further lines of a log that tell of the same call.
    pub duplicates: u64,
    /// The lines that were refused; `input` is an index in [`Report::inputs`].
    pub refused: Refusals,
    /// Imported requests without a cost.
    pub unpriced: u64,
    /// The same by model.
    pub unpriced_models: BTreeMap<Box<str>, u64>,
    /// Time of the oldest imported event.
    pub first: Option<Timestamp>,
    /// Time of the newest imported event.
    pub last: Option<Timestamp>,
    /// What the user should know although nothing failed.
    pub warnings: Vec<Warning>,
    /// The same by input, in their order.
    pub inputs: Vec<InputReport>,
    /// Stopped by [`Options::cancel`]; what is counted here is in the store.
    pub cancelled: bool,
}

/// What one input gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputReport {
    /// Path, or `-`.
    pub name: String,
    /// Its format.
    pub format: Format,
    /// As in [`Report`].
    pub read: u64,
    /// As in [`Report`].
    pub imported: u64,
    /// As in [`Report`].
    pub duplicates: u64,
    /// As in [`Report`].
    pub refused_count: u64,
    /// A log that holds nothing new since an earlier import: it was only compared.
    pub unchanged: bool,
}

/// How far an import is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Index of the input being read.
    pub input: usize,
    /// Bytes read of it, as they are on disk (compressed ones count compressed).
    pub bytes: u64,
    /// Its size, when it is known.
    pub bytes_total: Option<u64>,
    /// Events imported so far, of all inputs.
    pub imported: u64,
}

/// Where imported events go. The store's import session is one; tests have others.
pub trait Sink {
    /// What earlier imports consumed of inputs with this head.
    ///
    /// # Errors
    /// When the store can't be read.
    fn remembered(&mut self, head: u128) -> Result<Vec<Consumed>, SinkError>;

    /// Adds the rows and notes what of the input they came from, both or nothing. Leaves in `batch` the rows
    /// that were added, in any order.
    ///
    /// # Errors
    /// When the store can't be written; nothing of the batch is in it then.
    fn add(&mut self, batch: &mut Batch, head: u128, consumed: Option<Consumed>) -> Result<Added, SinkError>;

    /// The same for events of many inputs, with marks to remember.
    ///
    /// # Errors
    /// As [`Sink::add`].
    fn add_many(&mut self, batch: &mut Batch, notes: &[Note], marks: &[Mark]) -> Result<Added, SinkError>;

    /// Which of the marks are remembered.
    ///
    /// # Errors
    /// When the store can't be read.
    fn marked(&mut self, marks: &[Mark]) -> Result<Vec<bool>, SinkError>;

    /// The positions of rows that [`Sink::add_many`] would leave out as known.
    ///
    /// # Errors
    /// When the store can't be read.
    fn known(&mut self, batch: &Batch) -> Result<Vec<u32>, SinkError>;
}

impl Sink for ax_storage::import::Import<'_> {
    fn remembered(&mut self, head: u128) -> Result<Vec<Consumed>, SinkError> {
        Ok(Self::remembered(self, head)?)
    }

    fn add(&mut self, batch: &mut Batch, head: u128, consumed: Option<Consumed>) -> Result<Added, SinkError> {
        Ok(Self::add(self, batch, head, consumed)?)
    }

    fn add_many(&mut self, batch: &mut Batch, notes: &[Note], marks: &[Mark]) -> Result<Added, SinkError> {
        Ok(Self::add_many(self, batch, notes, marks)?)
    }

    fn marked(&mut self, marks: &[Mark]) -> Result<Vec<bool>, SinkError> {
        Ok(Self::marked(self, marks)?)
    }

    fn known(&mut self, batch: &Batch) -> Result<Vec<u32>, SinkError> {
        Ok(Self::known(self, batch)?)
    }
}

/// Imports all inputs, one after the other.
///
/// # Errors
/// [`ImportError`]; what was committed before stays, and importing again continues there.
pub fn import(
    sink: &mut dyn Sink,
    inputs: &[Input],
    options: &Options<'_>,
    now: Timestamp,
    progress: &mut dyn FnMut(Progress),
) -> Result<Report, ImportError> {
    driver::import(sink, inputs, options, now, progress)
}

/// Reads a whole text for a test: the report, and all events in one batch.
#[cfg(test)]
pub(crate) fn read_text(text: &[u8], format: Format, options: &Options<'_>, now: Timestamp) -> (Report, Batch) {
    struct Keep(Batch);
    impl Sink for Keep {
        fn remembered(&mut self, _: u128) -> Result<Vec<Consumed>, SinkError> {
            Ok(Vec::new())
        }
        fn add(&mut self, batch: &mut Batch, _: u128, _: Option<Consumed>) -> Result<Added, SinkError> {
            self.0 = batch.clone();
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
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::io::Write::write_all(&mut file, text).expect("room for it");
    let options = Options { format: Some(format), ..options.clone() };
    let mut keep = Keep(Batch::default());
    let report = import(&mut keep, &[Input::File(file.path().to_owned())], &options, now, &mut |_| {});
    (report.expect("a readable text"), keep.0)
}
