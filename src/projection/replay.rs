//! How often the bounds would have held over a series' own past.

use super::{Future, Past, Step, project};

/// Outcomes of past projections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// The sum came to lie within the bounds.
    pub held: usize,
    /// Of so many projections.
    pub of: usize,
}

/// Projects `horizon` steps from each of the last `origins` steps that are followed by as many,
/// from what was known then, and compares the bounds with what came.
pub fn held(past: &[Past], horizon: usize, origins: usize, step: Step) -> Held {
    let mut result = Held::default();
    let Some(last) = past.len().checked_sub(horizon).filter(|_| horizon > 0) else { return result };
    let first = step.history_min().max((last + 1).saturating_sub(origins));
    for origin in first..=last {
        let (known, came) = past.split_at(origin);
        let came = &came[..horizon];
        let future: Vec<Future> = came.iter().map(|p| Future { phase: p.phase, part: 1.0 }).collect();
        let Some(bounds) = project(known, &future, step).total.bounds else { continue };
        let sum: f64 = came.iter().map(|p| p.amount()).sum();
        result.of += 1;
        result.held += usize::from(bounds.low <= sum && sum <= bounds.high);
    }
    result
}
