//! Why a line is refused, and why an import stops.

use std::borrow::Cow;

use ax_storage::event::Invalid;
use ax_storage::time::Timestamp;

use crate::words::push_escaped;

/// The reason for which one line is refused. Its text is the `reason` of reports.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// Bytes that are no UTF-8.
    #[error("not valid UTF-8")]
    NotUtf8,
    /// Longer than [`super::LINE_BYTES_MAX`].
    #[error("longer than 1 MiB")]
    TooLong,
    /// Not a JSON object.
    #[error("not a JSON object: {0}")]
    NotJson(String),
    /// JSON, but not in the form that the tool's logs have.
    #[error("not in the form of this log: {0}")]
    Form(String),
    /// A value of the wrong type or form.
    #[error("{key} must be {wanted}, not {found}")]
    Wrong {
        /// The field.
        key: &'static str,
        /// What it takes.
        wanted: &'static str,
        /// What is there.
        found: String,
    },
    /// A number below zero.
    #[error("{0} is negative")]
    Negative(&'static str),
    /// A number that does not fit 64 bits.
    #[error("{0} is too large")]
    TooLarge(&'static str),
    /// One field with two values.
    #[error("{0} is given twice with different values")]
    Twice(&'static str),
    /// No time, and none is the default.
    #[error("ts is missing")]
    NoTime,
    /// A local time without a zone to read it in.
    #[error("ts \"{0}\" has no offset from UTC; name its zone with --tz")]
    NoOffset(String),
    /// Before the year 2000.
    #[error("ts is before the year 2000")]
    Before2000,
    /// Seconds where milliseconds are meant.
    #[error("ts {0} is before the year 2000; it looks like seconds, ts is in milliseconds")]
    Seconds(u64),
    /// More than a day ahead of the clock.
    #[error("ts {0} is more than 1 day in the future")]
    Future(Timestamp),
    /// Older than anything that is kept.
    #[error(
        "ts {ts} is older than the longest retention, which keeps events from {oldest}; see `ax monitor store set-retention`"
    )]
    TooOld {
        /// When it happened.
        ts: Timestamp,
        /// The oldest time that is kept.
        oldest: Timestamp,
    },
    /// A type other than the three.
    #[error("type must be request, cache or rate_limit, not \"{0}\"")]
    Type(String),
    /// The event of a cache look-up or limiter's decision is not one of the two.
    #[error("event must be {yes} or {no}, not \"{found}\"")]
    Event {
        /// The good outcome.
        yes: &'static str,
        /// The other one.
        no: &'static str,
        /// What is there.
        found: String,
    },
    /// A cost source other than the three.
    #[error("cost_source must be recorded, computed or unpriced, not \"{0}\"")]
    CostSource(String),
    /// Unpriced, with a price.
    #[error("cost_source is unpriced but cost_usd is given")]
    CostOfUnpriced,
    /// Priced, without a price.
    #[error("cost_source is given without cost_usd")]
    SourceWithoutCost,
    /// Success and an error at once.
    #[error("ok is true but error is \"{0}\"")]
    OkWithError(String),
    /// A CSV row that does not fit its header.
    #[error("the row has {found} cells, the header {wanted}")]
    Cells {
        /// Cells in the row.
        found: usize,
        /// Cells in the header.
        wanted: usize,
    },
    /// A CSV cell whose opening quote is never closed, or text behind a closing one.
    #[error("a quoted cell is not closed properly")]
    Quote,
    /// Text behind an unterminated line that an earlier import took.
    #[error("continues a line that an earlier import has already taken")]
    Continued,
    /// Breaks a rule that holds for all events wherever they come from.
    #[error(transparent)]
    Invalid(#[from] Invalid),
}

impl LineError {
    /// The reason without what stands in this one line, so that lines can be counted by it.
    pub fn cause(&self) -> Cow<'static, str> {
        match self {
            Self::NotJson(_) => "not a JSON object".into(),
            Self::Form(_) => "not in the form of this log".into(),
            Self::Wrong { key, wanted, .. } => format!("{key} must be {wanted}").into(),
            Self::NoOffset(_) => "ts has no offset from UTC; name its zone with --tz".into(),
            Self::Seconds(_) => "ts looks like seconds, ts is in milliseconds".into(),
            Self::Future(_) => "ts is more than 1 day in the future".into(),
            Self::TooOld { .. } => {
                "ts is older than the longest retention; see `ax monitor store set-retention`".into()
            }
            Self::Type(_) => "type must be request, cache or rate_limit".into(),
            Self::Event { yes, no, .. } => format!("event must be {yes} or {no}").into(),
            Self::CostSource(_) => "cost_source must be recorded, computed or unpriced".into(),
            Self::OkWithError(_) => "ok is true but there is an error".into(),
            Self::Cells { .. } => "the row has more or fewer cells than the header".into(),
            Self::NotUtf8
            | Self::TooLong
            | Self::Negative(_)
            | Self::TooLarge(_)
            | Self::Twice(_)
            | Self::NoTime
            | Self::Before2000
            | Self::CostOfUnpriced
            | Self::SourceWithoutCost
            | Self::Quote
            | Self::Continued
            | Self::Invalid(_) => self.to_string().into(),
        }
    }
}

/// A piece of the input fit for a message: short, without control characters.
pub(crate) fn shown(text: &str) -> String {
    const CHARS_MAX: usize = 60;
    let mut out = String::new();
    text.chars().take(CHARS_MAX).for_each(|c| push_escaped(&mut out, c));
    if text.chars().nth(CHARS_MAX).is_some() {
        out.push('…');
    }
    out
}

/// The store's reason, as the sink reports it.
pub type SinkError = Box<dyn std::error::Error + Send + Sync>;

/// Why an import stops.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// `--map` names a field that events don't have.
    #[error("there is no field '{0}' to map to")]
    Map(String),
    /// An input can't be opened or read. What came before is in the store.
    #[error("cannot read {name}: {cause}")]
    Input {
        /// Path, or `-`.
        name: String,
        /// Why.
        cause: std::io::Error,
    },
    /// The content is none of the known formats.
    #[error("{name}: {what}")]
    Format {
        /// Path, or `-`.
        name: String,
        /// What it looks like.
        what: String,
    },
    /// The store refused. Chunks before are in it.
    #[error(transparent)]
    Store(SinkError),
}
