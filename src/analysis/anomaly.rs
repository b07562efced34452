//! Is a metric far off its usual level right now?

use ax_storage::time::TimeRange;

use super::baseline::Profile;
use super::{Point, Unknown};
use crate::calendar::Calendar;

/// Points whose mean is judged: a single one is noise.
pub const JUDGED_POINTS: usize = 3;

/// Robust deviations that make an anomaly, unless said otherwise.
pub const DEVIATIONS_DEFAULT: f64 = 5.0;

/// A judgement with what led to it, each in the metric's unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Anomaly {
    /// Mean of the newest points.
    pub value: f64,
    /// Mean of what they usually are.
    pub baseline: f64,
    /// A usual deviation.
    pub scale: f64,
    /// Off by more than so many deviations.
    pub found: bool,
}

impl Anomaly {
    /// How far off, in usual deviations, below zero when it is too low; `None` when the past never
    /// moved.
    pub fn deviations(&self) -> Option<f64> {
        let deviations = (self.value - self.baseline) / self.scale;
        deviations.is_finite().then_some(deviations)
    }
}

/// Judges the mean of the newest points, [`JUDGED_POINTS`] where there are as many, against the past before
/// them: an anomaly lies more than `k` usual deviations above or below the baseline. `judged` go from old to
/// new, in steps of `step_ms` milliseconds; a step without data may be missing.
///
/// # Errors
/// Without data in the newest point.
pub fn anomaly(
    judged: &[Point],
    step_ms: u64,
    past: &Profile,
    k: f64,
    calendar: &Calendar<'_>,
) -> Result<Anomaly, Unknown> {
    let judged = &judged[judged.len().saturating_sub(JUDGED_POINTS)..];
    judged.last().and_then(Point::known).ok_or(Unknown::NoData)?;
    let usual = |p: &Point| past.over(TimeRange::new(p.t, p.t.plus_ms(step_ms)), calendar);
    let known: Vec<_> = judged.iter().filter_map(|p| Some((p.known()?, usual(p)))).collect();
    let mean = |of: &dyn Fn(&(f64, super::Baseline)) -> f64| known.iter().map(of).sum::<f64>() / known.len() as f64;
    let (value, baseline, scale) = (mean(&|p| p.0), mean(&|p| p.1.level), mean(&|p| p.1.scale));
    Ok(Anomaly { value, baseline, scale, found: (value - baseline).abs() > k * scale })
}
