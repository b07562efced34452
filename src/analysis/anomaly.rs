//! Is a metric far off its usual level right now?

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

/// Judges the mean of the newest [`JUDGED_POINTS`] points against the past before them: an anomaly
/// lies more than `k` usual deviations above or below the baseline. `points` go from old to new,
/// in equal steps; a step without data may be missing.
///
/// # Errors
/// Without data in the newest point, or with less than a day of history or 100 events before.
pub fn anomaly(points: &[Point], k: f64, calendar: &Calendar<'_>) -> Result<Anomaly, Unknown> {
    let (past, judged) = points.split_at(points.len().saturating_sub(JUDGED_POINTS));
    let first = judged.first().ok_or(Unknown::NoData)?;
    judged.last().and_then(Point::known).ok_or(Unknown::NoData)?;
    let profile = Profile::new(past, first.t, calendar)?;
    let known: Vec<_> = judged.iter().filter_map(|p| Some((p.known()?, profile.at(p.t)))).collect();
    let mean = |of: &dyn Fn(&(f64, super::Baseline)) -> f64| known.iter().map(of).sum::<f64>() / known.len() as f64;
    let (value, baseline, scale) = (mean(&|p| p.0), mean(&|p| p.1.level), mean(&|p| p.1.scale));
    Ok(Anomaly { value, baseline, scale, found: (value - baseline).abs() > k * scale })
}
