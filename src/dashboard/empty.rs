//! Why an answer is empty, so that a screen can say the thing that helps.

use ax_storage::query::plan::{Kinds, Label};
use ax_storage::time::{TimeRange, Timestamp};

/// Values of a label that the store knows, the most frequent first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The label.
    pub label: Label,
    /// The value that was asked for and matches nothing.
    pub asked: Box<str>,
    /// The one of `values` that was probably meant.
    pub near: Option<Box<str>>,
    /// The values there are.
    pub values: Vec<Box<str>>,
}

/// Logs of another tool on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundLogs {
    /// Its name.
    pub tool: &'static str,
    /// Files.
    pub files: u64,
    /// There are more than that.
    pub more: bool,
    /// Days from the first to the last.
    pub days: u64,
}

/// Why an answer is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Emptiness {
    /// Nothing was ever recorded.
    NothingYet {
        /// Logs of other tools that could be imported.
        logs: Vec<FoundLogs>,
    },
    /// There are events, but not in the window.
    NothingInRange {
        /// The latest event there is.
        newest: Timestamp,
        /// The window is part of a query's text, and so is a better one.
        in_query: bool,
    },
    /// There are events in the window, but the filter matches none of them.
    NoMatch {
        /// What matches nothing, and what there is instead; may be empty.
        known: Vec<Known>,
    },
    /// The metric is made of events that nobody sends.
    KindMissing {
        /// The kinds it needs.
        kinds: Kinds,
    },
}

impl Emptiness {
    /// Decides, from what is known of the store.
    ///
    /// `in_range` counts the events of all kinds in the window without any filter; `of_kind` those of
    /// the kinds that the metric is made of, without a filter and over all of time.
    pub fn decide(
        newest: Option<Timestamp>,
        range: TimeRange,
        in_range: u64,
        of_kind: u64,
        kinds: Kinds,
        known: Vec<Known>,
    ) -> Self {
        match newest {
            None => Self::NothingYet { logs: Vec::new() },
            Some(_) if of_kind == 0 => Self::KindMissing { kinds },
            Some(newest) if in_range == 0 || newest < range.start => Self::NothingInRange { newest, in_query: false },
            Some(_) => Self::NoMatch { known },
        }
    }
}
