//! Judgements about a metric's past: is this share too large, this value unusual, this series rising?
//!
//! Pure functions over points that callers bring. What cannot be judged is [`Unknown`] and says
//! why; nothing in here is NaN or infinite.

mod anomaly;
mod baseline;
pub mod binomial;
pub(crate) mod robust;
mod trend;

#[cfg(test)]
mod tests;

use ax_storage::time::Timestamp;

pub use anomaly::{Anomaly, DEVIATIONS_DEFAULT, JUDGED_POINTS, anomaly};
pub use baseline::{Baseline, EVENTS_MIN, HISTORY_MIN_MS, Profile, REACH_MS, baseline};
pub use trend::{TREND_POINTS_MIN, trend};

/// One point of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Start of its stretch of time.
    pub t: Timestamp,
    /// In the metric's unit; `None` = no data.
    pub value: Option<f64>,
    /// Events behind it.
    pub count: u64,
}

impl Point {
    /// The value, unless there is none that can be calculated with: sums and differences of what
    /// this returns stay finite.
    pub(crate) fn known(&self) -> Option<f64> {
        self.value.filter(|v| v.abs() < 1e150)
    }
}

/// Why there is no judgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// The first event is too recent.
    #[error("only {} h of history, {} h are needed", .have_ms / 3_600_000, .need_ms / 3_600_000)]
    ShortHistory {
        /// From the first event, in milliseconds.
        have_ms: u64,
        /// In milliseconds.
        need_ms: u64,
    },
    /// Too few events in the past.
    #[error("only {have} events in the past, {need} are needed")]
    FewEvents {
        /// Events there are.
        have: u64,
        /// Events it takes.
        need: u64,
    },
    /// Too few points with data.
    #[error("only {have} points with data, {need} are needed")]
    FewPoints {
        /// Points there are.
        have: usize,
        /// Points it takes.
        need: usize,
    },
    /// Nothing to judge: the newest point has no data.
    #[error("no data to judge")]
    NoData,
    /// A change in parts of 0.
    #[error("the usual level is 0, so a change has no size")]
    LevelZero,
}
