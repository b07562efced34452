//! Round numbers and round times for the edges of a chart.

use ax_storage::time::{DAY_MS, Timestamp, Zone};

use super::{number, when};
use crate::dashboard::ValueUnit;
use crate::metric::Unit;

/// A vertical axis: a label a row, equally far apart.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axis {
    /// Value of the lowest row.
    pub from: f64,
    /// Value between two rows.
    pub step: f64,
    /// Rows.
    pub rows: usize,
}

/// Most rows of a chart.
const ROWS_MAX: f64 = 8.0;

impl Axis {
    /// The axis for values between `low` and `high`; from 0 unless that would hide everything.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most ROWS_MAX")]
    pub(super) fn fit(low: f64, high: f64, from_zero: bool, unit: &ValueUnit) -> Self {
        // Half the range of floats is enough, and differences stay finite.
        let (low, high) = (low.clamp(-1e300, 1e300), high.clamp(-1e300, 1e300));
        let from_zero = from_zero || low < high * 0.5 || low <= 0.0;
        let (low, high) = if from_zero { (low.min(0.0), high.max(0.0)) } else { (low, high) };
        let reach = high - low;
        let reach = if reach > 0.0 {
            reach
        } else if high > 0.0 {
            high
        } else {
            1.0
        };
        let mut step = nice(reach / (ROWS_MAX - 1.0), unit);
        loop {
            let from = (low / step + 1e-9).floor() * step;
            let rows = ((high - from) / step - 1e-9).ceil().max(1.0) + 1.0;
            if rows <= ROWS_MAX {
                return Self { from, step, rows: rows as usize };
            }
            step = nice(step * 1.01, unit);
        }
    }

    /// The label of a row, counted from the lowest.
    #[expect(clippy::cast_precision_loss, reason = "a handful of rows")]
    pub(super) fn label(&self, row: usize, unit: &ValueUnit) -> String {
        let value = self.from + self.step * row as f64;
        if value.abs() < self.step * 1e-9 { "0".to_owned() } else { number::in_unit(value, unit) }
    }
}

/// The least round number that is at least `value`.
fn nice(value: f64, unit: &ValueUnit) -> f64 {
    // Beyond seconds people count in 15, 30, 60.
    const TIMES: [f64; 14] =
        [15e3, 20e3, 30e3, 60e3, 120e3, 300e3, 600e3, 900e3, 1800e3, 3600e3, 7200e3, 14_400e3, 43_200e3, 86_400e3];
    if *unit == ValueUnit::Of(Unit::Time) && value > 10e3 {
        return TIMES.into_iter().find(|t| *t >= value).unwrap_or_else(|| (value / 86_400e3).ceil() * 86_400e3);
    }
    if *unit == ValueUnit::Of(Unit::Count) && value <= 1.0 {
        return 1.0;
    }
    let power = libm::pow(10.0, libm::log10(value).floor());
    // Ratios in parts of a whole, so that an axis ends at 100 % and not at 105 %.
    let steps: &[f64] = if *unit == ValueUnit::Of(Unit::Ratio) {
        &[1.0, 2.0, 5.0, 10.0]
    } else {
        &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0]
    };
    let found = steps.iter().find(|m| *m * power >= value * (1.0 - 1e-9));
    let rounded = found.unwrap_or(&10.0) * power;
    if *unit == ValueUnit::Of(Unit::Count) { rounded.ceil() } else { rounded }
}

/// A mark on the time axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tick {
    /// When.
    pub t: Timestamp,
    /// What is written under it.
    pub label: String,
}

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const WIDTHS: [u64; 20] = [
    1000,
    10_000,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY_MS,
    2 * DAY_MS,
    7 * DAY_MS,
    14 * DAY_MS,
    28 * DAY_MS,
    91 * DAY_MS,
    365 * DAY_MS,
];

/// Marks at round local times from `start` to `end`, no closer than `columns` allow.
pub(super) fn ticks(start: Timestamp, end: Timestamp, zone: &Zone, columns: usize) -> Vec<Tick> {
    let span = end.since(start);
    for width in WIDTHS {
        let label_columns = if width < HOUR { 8 } else { 9 };
        let most = (columns / label_columns).max(1) as u64;
        if span / width < most {
            let found = round_times(start, end, zone, width);
            if !found.is_empty() {
                return found;
            }
            // Wider marks would all lie outside: the first point's time will do.
            break;
        }
    }
    vec![Tick { t: start, label: label(start, zone, MINUTE) }]
}

fn round_times(start: Timestamp, end: Timestamp, zone: &Zone, width: u64) -> Vec<Tick> {
    let mut out = Vec::new();
    if width >= DAY_MS {
        let every = width / DAY_MS;
        let mut day = zone.day(start);
        // A day counts by its noon: the number of days since 1970 whatever the zone does at night.
        while day.start <= end && out.len() < 200 {
            let number = day.start.plus_ms(DAY_MS / 2).millis() / DAY_MS;
            if day.start >= start && number % every == 4 % every {
                out.push(Tick { t: day.start, label: label(day.start, zone, width) });
            }
            day = zone.day(day.end);
        }
        return out;
    }
    // From local midnight, so that marks stand at round local times; after a clock change too.
    let mut t = zone.day(start).start;
    while t <= end && out.len() < 200 {
        let day = zone.day(t);
        if t >= start {
            out.push(Tick { t, label: label(t, zone, width) });
        }
        t = t.plus_ms(width).min(if t < day.end { day.end } else { Timestamp::MAX });
        if start.since(t) > 2 * width && start < day.end {
            t = t.plus_ms((start.since(t) / width).saturating_sub(1) * width);
        }
    }
    out
}

fn label(t: Timestamp, zone: &Zone, width: u64) -> String {
    match width {
        w if w >= 91 * DAY_MS => when::month(t, zone),
        w if w >= DAY_MS => when::day(t, zone),
        w if w < MINUTE => when::point(t, zone, 0, w),
        _ if zone.day(t).start == t => when::day(t, zone),
        _ => when::clock(t, zone),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_have_round_numbers_and_hold_their_values() {
        for (low, high, unit, labels) in [
            (400.0, 2160.0, Unit::Time, "2.40 s 2.00 s 1.60 s 1.20 s 800 ms 400 ms 0"),
            (0.0, 0.0, Unit::Time, "0.15 ms 0"),
            (0.0, 3.0, Unit::Count, "3 2 1 0"),
            (0.9, 0.99, Unit::Ratio, "100 % 98.0 % 96.0 % 94.0 % 92.0 % 90.0 %"),
            (0.0, 1.0, Unit::Ratio, "100 % 80.0 % 60.0 % 40.0 % 20.0 % 0"),
            (10.0, 120_000.0, Unit::Time, "2m 00s 100.0 s 80.0 s 60.0 s 40.0 s 20.0 s 0"),
            (0.0, 14_760.0, Unit::Count, "15,000 12,000 9,000 6,000 3,000 0"),
        ] {
            let axis = Axis::fit(low, high, false, &unit.into());
            let all: Vec<String> = (0..axis.rows).rev().map(|r| axis.label(r, &unit.into())).collect();
            assert_eq!(all.join(" "), labels);
        }
    }
}
