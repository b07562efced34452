//! Why a text is not a query: a sentence, the place in bytes, and one hint.

use std::fmt;

pub(crate) use crate::words::{nearest, push_escaped};

/// A stretch of the input, in bytes, on character boundaries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// First byte after it.
    pub end: u32,
}

impl Span {
    /// A span; inputs are far shorter than 4 GiB.
    pub(crate) fn new(start: usize, end: usize) -> Self {
        let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self { start: narrow(start), end: narrow(end.max(start)) }
    }

    /// From the start of this to the end of `last`.
    pub(crate) fn to(self, last: Self) -> Self {
        Self { start: self.start, end: last.end.max(self.start) }
    }

    /// As an index range of the input.
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// A text that is not a query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParseError {
    /// What is wrong, in one sentence; input quoted in it is short and escaped.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
    /// Where.
    pub span: Span,
    /// A label stands where a metric was expected: the text may be a filter.
    pub(crate) label: bool,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ParseError {}

impl ParseError {
    pub(crate) fn new(span: Span, message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, span, label: false }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn maybe(mut self, hint: Option<String>) -> Self {
        self.hint = hint.or(self.hint);
        self
    }
}

/// Most characters of the input that a message repeats.
const QUOTED_MAX: usize = 40;

/// `text` in single quotes, short and harmless to a terminal.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", shortened(text))
}

/// `text` cut to what a message can hold and made harmless to a terminal.
pub(crate) fn shortened(text: &str) -> String {
    let mut out = String::new();
    for (n, c) in text.chars().enumerate() {
        if n == QUOTED_MAX {
            out.push('…');
            break;
        }
        push_escaped(&mut out, c);
    }
    out
}

/// The hint for a name that was nearly right.
pub(crate) fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(name, known).map(|n| format!("did you mean {n}?"))
}
