//! How much a series has risen over its range, whatever a few points say.
//!
//! The slope is Theil and Sen's: the median over all pairs of points of the slope between them, so
//! that up to 29 % of wild points do not move it.

use super::robust::median;
use super::{Point, Unknown};

/// Fewest points with data to see a trend in.
pub const TREND_POINTS_MIN: usize = 12;

/// From here on each point is paired with one other only, half the series apart: all pairs would
/// be millions.
const ALL_PAIRS_MAX: usize = 1000;

/// The change over `range_ms` milliseconds in parts of the median value: 0.1 for a rise of 10 %.
/// `points` go from old to new.
///
/// # Errors
/// With fewer than [`TREND_POINTS_MIN`] points with data, or when the median is 0 and yet they move.
pub fn trend(points: &[Point], range_ms: u64) -> Result<f64, Unknown> {
    let known: Vec<(u64, f64)> = points.iter().filter_map(|p| Some((p.t.millis(), p.known()?))).collect();
    if known.len() < TREND_POINTS_MIN {
        return Err(Unknown::FewPoints { have: known.len(), need: TREND_POINTS_MIN });
    }
    let slope = slope(&known).ok_or(Unknown::NoData)?;
    let level = median(&mut known.iter().map(|p| p.1).collect::<Vec<_>>()).ok_or(Unknown::NoData)?;
    if slope == 0.0 {
        return Ok(0.0);
    }
    let change = slope * range_ms as f64 / level.abs();
    if change.is_finite() { Ok(change) } else { Err(Unknown::LevelZero) }
}

/// A millisecond's change.
fn slope(points: &[(u64, f64)]) -> Option<f64> {
    let between = |a: &(u64, f64), b: &(u64, f64)| {
        let apart_ms = b.0.checked_sub(a.0).filter(|ms| *ms > 0)?;
        Some((b.1 - a.1) / apart_ms as f64)
    };
    let mut slopes: Vec<f64> = if points.len() <= ALL_PAIRS_MAX {
        let later = |i: usize| points.iter().skip(i + 1);
        points.iter().enumerate().flat_map(|(i, a)| later(i).filter_map(move |b| between(a, b))).collect()
    } else {
        let half = points.len() / 2;
        points.iter().zip(points.iter().skip(half)).filter_map(|(a, b)| between(a, b)).collect()
    };
    median(&mut slopes)
}
