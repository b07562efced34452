//! The read path: a plan with absolute times becomes a series.

mod buckets;
mod cells;
mod cover;
mod distribution;
mod events;
mod execute;
mod filter;
mod kept;
mod names;
pub mod outline;
pub mod plan;
mod raw;
mod route;
pub mod series;
pub mod source;
mod steps;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;

use plan::{Filter, Plan};
use raw::DECISIONS_MAX;
use series::Series;
use source::Source;

use crate::raw::SegmentError;
use crate::row::{Names, Row};
use crate::time::TimeRange;

/// Answers `plan` from one view of a store.
///
/// # Errors
/// See [`QueryError`].
pub fn execute(source: &dyn Source, plan: &Plan) -> Result<Series, QueryError> {
    execute::execute(source, plan)
}

/// The steps of a window as plans have them.
///
/// # Errors
/// More than [`plan::STEPS_MAX`] of them.
pub fn steps_of(
    range: TimeRange,
    step: plan::Step,
    zone: &crate::time::Zone,
) -> Result<Vec<series::StepRange>, QueryError> {
    let grid = steps::StepGrid::new(step, zone);
    Ok(grid.ranges(&grid.edges(range)?))
}

/// Hands the `newest` events of `range` that match `filter` to `each`, the oldest of them first;
/// `usize::MAX` streams all of them in order of time within bounded memory.
///
/// # Errors
/// See [`QueryError`]. A `Break` of `each` ends the listing early, which is no error.
pub fn events(
    source: &dyn Source,
    range: TimeRange,
    filter: &Filter,
    newest: usize,
    each: &mut dyn FnMut(&Names, &Row) -> ControlFlow<()>,
) -> Result<EventsSummary, QueryError> {
    events::events(source, range, filter, newest, each)
}

/// What a listing of events found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventsSummary {
    /// Events that match, shown or not.
    pub matched: u64,
    /// What could not be read.
    pub missing: Vec<String>,
    /// The range asked for began before this, and the events before it are kept no more.
    pub kept_from: Option<crate::time::Timestamp>,
}

/// Why a plan was not answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// The database refused or failed.
    #[error("{0}")]
    Database(String),
    /// A later version made it.
    #[error("{0}")]
    TooNew(String),
    /// Bytes on disk are damaged.
    #[error("{file} is damaged at {offset}: {what}")]
    Damaged {
        /// Path of the file.
        file: String,
        /// Byte offset in it, or the key of a row.
        offset: String,
        /// What was expected and what was found.
        what: String,
    },
    /// A file could not be read.
    #[error("cannot read {file}: {cause}")]
    Io {
        /// Path of the file.
        file: String,
        /// What the system said.
        cause: std::io::Error,
    },
    /// More steps than [`plan::STEPS_MAX`].
    #[error("{steps} steps are more than {}", plan::STEPS_MAX)]
    TooManySteps {
        /// How many there would be.
        steps: u64,
    },
    /// More cells than [`plan::CELLS_MAX`].
    #[error("{groups} groups in {steps} steps are more than {} cells", plan::CELLS_MAX)]
    TooManyCells {
        /// Distinct groups.
        groups: usize,
        /// Steps.
        steps: usize,
    },
    /// An answer of more than [`plan::ANSWER_BYTES_MAX`].
    #[error("{groups} groups in {steps} steps with all their numbers take more than {} MiB", plan::ANSWER_BYTES_MAX >> 20)]
    AnswerTooLarge {
        /// Distinct groups.
        groups: usize,
        /// Steps.
        steps: usize,
    },
    /// Percentiles of so many cells that their distributions do not fit into memory.
    #[error("percentiles of so many groups and steps take too much memory; ask for fewer groups or a wider step")]
    TooManyValues,
    /// Violations among more limiter decisions than are compared at once.
    #[error("violations are counted among at most {DECISIONS_MAX} rate limit decisions; ask for a shorter time")]
    TooManyDecisions,
    /// Only raw events can answer it and they do not reach back that far.
    #[error("{what} needs single events, which are kept from {from} on")]
    NeedsRaw {
        /// What asked for them.
        what: String,
        /// The earliest complete time.
        from: crate::time::Timestamp,
    },
    /// The finest buckets left are wider than the step.
    #[error("a step this fine is kept from {from} on")]
    StepTooFine {
        /// The earliest time with buckets as fine as the step.
        from: crate::time::Timestamp,
    },
}

impl From<SegmentError> for QueryError {
    fn from(error: SegmentError) -> Self {
        match error {
            SegmentError::Io { file, cause } => Self::Io { file, cause },
            SegmentError::Damaged { file, offset, what } => Self::Damaged { file, offset: offset.to_string(), what },
            SegmentError::OtherStore { ref file, .. } => {
                Self::Damaged { file: file.clone(), offset: "0".into(), what: error.to_string() }
            }
            error @ SegmentError::TooNew { .. } => Self::TooNew(error.to_string()),
        }
    }
}
