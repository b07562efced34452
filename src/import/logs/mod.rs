//! Logs that other tools keep of their calls.
//!
//! ```text
//! file -> read (lines, or one document) -> the format's Parser -> Call -> Gathered (each call once, over all files)
//! ```
//! A call often stands on many lines, in one file and in several: what is counted is the call. So all files
//! of an import are read before the first of their calls is taken.

mod claude_code;
mod codex;
mod gather;
mod gemini;
mod litellm;
mod read;

use std::path::Path;
use std::time::Duration;

use ax_storage::event::{NanoUsd, Tokens};
use ax_storage::row::{NameId, Names};
use ax_storage::time::Timestamp;

pub(crate) use gather::Gathered;
pub(crate) use read::{Age, Given, begin, begins_with_a_value, is_complete, read};

use super::fields::{Value, time};
use super::ndjson::Text;
use super::{Format, LineError};

/// Longest line of a log in bytes; they hold whole files and pictures.
pub(crate) const LOG_LINE_BYTES_MAX: usize = 64 << 20;
/// Longest document that is not read line by line, in bytes.
pub(crate) const DOCUMENT_BYTES_MAX: usize = 256 << 20;
/// A file that nobody has written to for so long is complete.
pub(crate) const COMPLETE_AFTER_MS: u64 = 3_600_000;

/// An answer that was told of within so long may still come in.
pub(crate) const COMING_IN_MS: u64 = 300_000;

/// One call as a log tells it. Names are ids of the [`Names`] it was read with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Call {
    pub(crate) ts: Timestamp,
    /// What the call is known by wherever it is told of; 0 = nothing, each mention is a call of its own.
    pub(crate) id: NameId,
    /// The answer's own id, which a retold conversation keeps although the call's differs; 0 = none.
    pub(crate) message: NameId,
    /// Told by a conversation beside the main one.
    pub(crate) aside: bool,
    pub(crate) provider: NameId,
    pub(crate) model: NameId,
    pub(crate) user: NameId,
    pub(crate) service_tier: NameId,
    pub(crate) latency: Option<Duration>,
    pub(crate) ttft: Option<Duration>,
    pub(crate) tokens: Tokens,
    pub(crate) cost: Option<NanoUsd>,
    pub(crate) kind: CallKind,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum CallKind {
    /// It reached the provider.
    Request {
        /// The kind of failure, if it failed.
        error: Option<NameId>,
    },
    /// It was answered from a cache of responses.
    Hit {
        /// What that saved.
        saved_cost: Option<NanoUsd>,
        /// What that saved.
        saved_tokens: u64,
    },
    /// It was not found in a cache of responses.
    Miss,
}

impl Call {
    /// A call at `ts` of which nothing else is known.
    pub(crate) fn at(ts: Timestamp) -> Self {
        Self {
            ts,
            id: 0,
            message: 0,
            aside: false,
            provider: 0,
            model: 0,
            user: 0,
            service_tier: 0,
            latency: None,
            ttft: None,
            tokens: Tokens::default(),
            cost: None,
            kind: CallKind::Request { error: None },
        }
    }

    /// All tokens that a provider counts.
    pub(crate) fn total(&self) -> u64 {
        self.tokens.input.saturating_add(self.tokens.output)
    }
}

/// Where a parser puts what it finds.
pub(crate) struct Calls<'a> {
    pub(crate) names: &'a mut Names,
    pub(crate) list: &'a mut Vec<Call>,
}

/// Reads the calls of one file, JSON value by JSON value, in their order.
pub(crate) trait Parser {
    /// The calls that one value tells of.
    ///
    /// # Errors
    /// Why it is no value of such a log.
    fn value(&mut self, json: &[u8], calls: &mut Calls<'_>) -> Result<(), LineError>;

    /// What holds for all files of the format.
    fn habits(&self) -> Habits;
}

/// What holds for all files of a format.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Habits {
    /// Which mention of a call counts.
    pub(crate) keep: Keep,
    /// The last call of a file that is still written may be only half told.
    pub(crate) partial: bool,
    /// A line can be understood without those before it.
    pub(crate) stateless: bool,
}

/// Which of several mentions of a call counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// The one with the most tokens: earlier ones were written while the answer came in.
    Largest,
    /// The last one.
    Last,
}

/// The parser of a format for the file at `path`.
pub(crate) fn parser(format: Format, path: Option<&Path>) -> Box<dyn Parser> {
    match format {
        Format::Ndjson | Format::Csv => unreachable!("read by other parsers"),
        Format::ClaudeCode => Box::new(claude_code::Sessions::new(path)),
        Format::Codex => Box::new(codex::Sessions::new(path)),
        Format::Gemini => Box::new(gemini::Chats::new(path)),
        Format::LiteLlm => Box::new(litellm::Rows),
    }
}

/// The last part of a path as the tools write them, whatever the system.
fn last_part(path: &str) -> &str {
    path.trim_end_matches(['/', '\\']).rsplit(['/', '\\']).next().unwrap_or_default()
}

/// Why a value has not the form of its log.
#[cold]
fn form(error: serde_json::Error) -> LineError {
    let reason = error.to_string().replace("at line 1 column", "at column");
    if error.is_data() { LineError::Form(reason) } else { LineError::NotJson(reason) }
}

/// Judges a line that is not about calls, unread: it is only refused when its end is missing.
fn is_cut(json: &[u8]) -> Result<(), LineError> {
    if json.starts_with(b"{") && json.ends_with(b"}") {
        return Ok(());
    }
    Err(LineError::NotJson("the line is cut short".into()))
}

fn timestamp(text: Option<&Text<'_>>) -> Result<Timestamp, LineError> {
    match text {
        Some(text) => time(Value::Text(text.0.as_ref().into()), None),
        None => Err(LineError::NoTime),
    }
}

#[cfg(test)]
mod tests;
