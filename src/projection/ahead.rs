//! The steps to come until the end of a period, the running one in part.

use ax_storage::time::{HOUR_MS, TimeRange, Timestamp};

use super::{Future, HORIZON_MAX, Step};
use crate::calendar::{Calendar, Period};

/// Steps to come, and when each is.
#[derive(Clone, Debug, PartialEq)]
pub struct Ahead {
    /// For [`project`](super::project).
    pub steps: Vec<Future>,
    /// The time of each; the running one from now on.
    pub times: Vec<TimeRange>,
}

impl Ahead {
    /// From `now` to `end`, at most [`HORIZON_MAX`] steps. The parts of a running step are taken
    /// as equally busy.
    pub fn until(end: Timestamp, now: Timestamp, step: Step, calendar: &Calendar<'_>) -> Self {
        let (mut steps, mut times) = (Vec::new(), Vec::new());
        let mut t = now;
        while t < end && steps.len() < HORIZON_MAX {
            let whole = whole(t, step, calendar);
            let rest = TimeRange::new(t, whole.end.min(end).max(t.plus_ms(1)));
            let part = rest.millis() as f64 / whole.millis().max(1) as f64;
            steps.push(Future { phase: phase(t, step, calendar), part: part.min(1.0) });
            times.push(rest);
            t = rest.end;
        }
        Self { steps, times }
    }

    /// From `now` to the end of the period it lies in.
    pub fn rest_of(period: Period, now: Timestamp, step: Step, calendar: &Calendar<'_>) -> Self {
        Self::until(calendar.period(period, now).end, now, step, calendar)
    }
}

/// The phases of steps by their starts: weekdays from Monday, or hours of the day.
pub fn phases(starts: &[Timestamp], step: Step, calendar: &Calendar<'_>) -> Vec<u8> {
    starts.iter().map(|t| phase(*t, step, calendar)).collect()
}

fn phase(t: Timestamp, step: Step, calendar: &Calendar<'_>) -> u8 {
    let local = calendar.local(t);
    match step {
        Step::Day => local.weekday().to_monday_zero_offset().unsigned_abs(),
        Step::Hour => local.hour().unsigned_abs(),
    }
}

fn whole(t: Timestamp, step: Step, calendar: &Calendar<'_>) -> TimeRange {
    match step {
        Step::Day => calendar.zone().day(t),
        // Where clocks change by half an hour, a step is what is left of its hour.
        Step::Hour => {
            let hour = calendar.zone().hour(t);
            if hour.is_empty() { TimeRange::new(t, t.plus_ms(HOUR_MS)) } else { hour }
        }
    }
}
