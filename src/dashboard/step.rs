//! Choosing the width of points for a window.

use ax_storage::query::plan::Step;
use ax_storage::time::TimeRange;

/// Most points of a chart whose step nobody chose.
pub const POINTS_MAX: u64 = 120;

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// The smallest of 1m 5m 15m 1h 6h 1d (then 2, 7, 14 … days) that cuts `range` into at most
/// [`POINTS_MAX`] points.
pub fn automatic_step(range: TimeRange) -> Step {
    choose(range, &[MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 6 * HOUR, DAY], POINTS_MAX)
}

/// A step for a sparkline: about a dozen points whose edges are those of buckets.
pub(super) fn trend_step(range: TimeRange) -> Step {
    let minutes = [1, 2, 5, 10, 15, 30].map(|m| m * MINUTE);
    let hours = [1, 2, 3, 4, 6, 8, 12, 24].map(|h| h * HOUR);
    choose(range, &[minutes.as_slice(), &hours].concat(), 12)
}

fn choose(range: TimeRange, widths: &[u64], most: u64) -> Step {
    let length = range.millis();
    match widths.iter().find(|w| length.div_ceil(**w) <= most) {
        Some(&width) if width < DAY => Step::Millis(width),
        Some(_) => Step::Days(1),
        None => {
            // Days and whole weeks only; a window is at most some thousand years.
            let days = length.div_ceil(most).div_ceil(DAY);
            let days = if days > 2 { days.div_ceil(7) * 7 } else { days };
            Step::Days(u32::try_from(days).unwrap_or(u32::MAX))
        }
    }
}

/// The step in milliseconds; days as 24 h.
pub fn millis(step: Step) -> u64 {
    match step {
        Step::Millis(ms) | Step::FromStart(ms) => ms,
        Step::Days(days) => u64::from(days) * DAY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ax_storage::time::Timestamp;

    #[test]
    fn steps_give_few_enough_points() {
        let range = |ms| TimeRange::new(Timestamp::MIN, Timestamp::from_millis(ms));
        for (length, step, trend) in [
            (HOUR, Step::Millis(MINUTE), Step::Millis(5 * MINUTE)),
            (2 * HOUR + 1, Step::Millis(5 * MINUTE), Step::Millis(15 * MINUTE)),
            (DAY, Step::Millis(15 * MINUTE), Step::Millis(2 * HOUR)),
            (7 * DAY, Step::Millis(6 * HOUR), Step::Days(1)),
            (30 * DAY, Step::Millis(6 * HOUR), Step::Days(7)),
            (365 * DAY, Step::Days(7), Step::Days(35)),
        ] {
            assert_eq!(automatic_step(range(length)), step, "{length}");
            assert_eq!(trend_step(range(length)), trend, "{length}");
        }
    }
}
