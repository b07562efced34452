//! A projection against a limit: how likely it is exceeded, and when it is used up.

use ax_storage::time::{TimeRange, Timestamp};

use super::Estimate;

/// The 90th percentile of the normal distribution.
const Z90: f64 = 1.281_551_565_544_6;

/// How likely the sum of what is spent and what is projected (`rest`) exceeds `limit`, 0..=1;
/// `None` without bounds, unless it is exceeded already. Above and below the estimate the
/// distribution is half a normal one each, as wide as its bound says.
pub fn exceeds_probability(spent: f64, rest: &Estimate, limit: f64) -> Option<f64> {
    let left = limit - spent;
    if left < 0.0 {
        return Some(1.0);
    }
    let bounds = rest.bounds?;
    let off = left - rest.estimate;
    let width = if off >= 0.0 { bounds.high - rest.estimate } else { rest.estimate - bounds.low };
    if width <= 0.0 {
        return Some(if off >= 0.0 { 0.0 } else { 1.0 });
    }
    Some(1.0 - normal(off / width * Z90))
}

/// When the limit is used up if each step comes as estimated; `None` when it is not within them.
/// A limit that is used up already was so at the start of the first step.
pub fn exhausted_at(spent: f64, limit: f64, points: &[Estimate], times: &[TimeRange]) -> Option<Timestamp> {
    let mut sum = spent;
    for (point, time) in points.iter().zip(times) {
        let left = limit - sum;
        if left <= 0.0 {
            return Some(time.start);
        }
        if point.estimate >= left {
            // At most the step's length, so no digits are lost.
            return Some(time.start.plus_ms((left / point.estimate * time.millis() as f64) as u64));
        }
        sum += point.estimate;
    }
    None
}

/// The normal distribution up to `z`, within 1e-7 (Abramowitz and Stegun 26.2.17).
fn normal(z: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * z.abs());
    let poly =
        t * (0.319_381_530 + t * (-0.356_563_782 + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
    let beyond = libm::exp(-z * z / 2.0) / (2.0 * std::f64::consts::PI).sqrt() * poly;
    if z >= 0.0 { 1.0 - beyond } else { beyond }
}
