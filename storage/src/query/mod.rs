//! The read path: a plan with absolute times becomes a series.

pub mod plan;
pub mod series;
pub mod source;

/// Why a plan was not answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// The database refused or failed.
    #[error("{0}")]
    Database(String),
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
