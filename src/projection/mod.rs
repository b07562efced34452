//! What a series of days or hours will add up to, and between which bounds.
//!
//! ```text
//! values ─► index of each weekday (hour) ─► values without it ─► level ─► level × index ─► total
//! ```
//! No trend is drawn out: spend that has grown for a week rarely keeps growing, and on real series a
//! straight line misses the month by more than the flat average does. What is known instead is how
//! wide such totals scatter, so each comes with the bounds it stays within 8 times of 10. A running,
//! partial day is never part of the history.

mod ahead;
mod limit;
mod method;
mod replay;

#[cfg(test)]
mod tests;

pub use ahead::{Ahead, phases};
pub use limit::{exceeds_probability, exhausted_at};
pub use replay::{Held, held};

use method::Fitted;

/// Width of a step of the series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A local day; weekdays differ.
    Day,
    /// An hour; hours of the day differ.
    Hour,
}

impl Step {
    /// Steps in a cycle: 7 weekdays or 24 hours.
    pub const fn cycle(self) -> usize {
        match self {
            Self::Day => 7,
            Self::Hour => 24,
        }
    }

    /// Fewest complete steps to project from.
    pub const fn history_min(self) -> usize {
        match self {
            Self::Day => 3,
            Self::Hour => 24,
        }
    }
}

/// Longest history looked at: older steps are dropped. 13 months of hours.
pub const HISTORY_MAX: usize = 9_600;

/// Farthest projection, in steps.
pub const HORIZON_MAX: usize = 9_600;

/// A step of the past: how much, and which weekday (from Monday) or hour of the day it was.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Past {
    /// In any unit; not negative, else taken as 0.
    pub value: f64,
    /// 0..[`Step::cycle`].
    pub phase: u8,
}

/// A step to come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Future {
    /// 0..[`Step::cycle`].
    pub phase: u8,
    /// How much of it is to come: less than 1 for the running one.
    pub part: f64,
}

/// A figure with the bounds it stays within 8 times of 10.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// In the unit of the history.
    pub estimate: f64,
    /// 10th and 90th percentile; `None` with too short a history.
    pub bounds: Option<Bounds>,
}

/// The 10th and the 90th percentile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// In the unit of the history.
    pub low: f64,
    /// In the unit of the history.
    pub high: f64,
}

impl Estimate {
    /// With what is sure already added.
    #[must_use]
    pub fn plus(self, sure: f64) -> Self {
        let bounds = self.bounds.map(|b| Bounds { low: b.low + sure, high: b.high + sure });
        Self { estimate: self.estimate + sure, bounds }
    }
}

/// Whether a projection stands on enough history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It does.
    Ok,
    /// It does not: only the average, drawn out.
    InsufficientHistory,
}

impl Status {
    /// As users read it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::InsufficientHistory => "insufficient_history",
        }
    }
}

/// What is to come.
#[derive(Clone, Debug, PartialEq)]
pub struct Projection {
    /// The sum of all steps.
    pub total: Estimate,
    /// Each step. Their bounds are wider than those of the total, and do not add up to them.
    pub points: Vec<Estimate>,
    /// What it stands on.
    pub status: Status,
}

/// Projects the steps `future` from the complete steps `past`, oldest first. With too short a past
/// the figures are [`linear`]'s, without bounds; of nothing comes 0.
pub fn project(past: &[Past], future: &[Future], step: Step) -> Projection {
    let past = &past[past.len().saturating_sub(HISTORY_MAX)..];
    let future = &future[..future.len().min(HORIZON_MAX)];
    if past.len() < step.history_min() {
        let mean = mean(past);
        let points = future.iter().map(|f| Estimate { estimate: mean * f.part, bounds: None }).collect();
        let total = Estimate { estimate: linear(past, future), bounds: None };
        return Projection { total, points, status: Status::InsufficientHistory };
    }
    Fitted::to(past, step).project(future)
}

/// The average step times the steps to come.
pub fn linear(past: &[Past], future: &[Future]) -> f64 {
    mean(past) * future.iter().map(|f| f.part).sum::<f64>()
}

fn mean(past: &[Past]) -> f64 {
    if past.is_empty() { 0.0 } else { past.iter().map(|p| p.amount()).sum::<f64>() / past.len() as f64 }
}

impl Past {
    /// The value, as one that sums of squares of cannot overflow.
    fn amount(self) -> f64 {
        if self.value > 0.0 { self.value.min(1e120) } else { 0.0 }
    }
}
