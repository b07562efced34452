//! Where the edges of a plan's steps lie.

use jiff::civil::{Date, date};

use super::QueryError;
use super::plan::{STEPS_MAX, Step};
use super::series::StepRange;
use crate::time::{DAY_MS, TimeRange, Timestamp, Zone};

/// A step and the zone whose midnights align it.
#[derive(Clone, Debug)]
pub(crate) struct StepGrid {
    step: Step,
    zone: Zone,
}

/// Day number 0 of [`Step::Days`], a Monday.
const FIRST_MONDAY: Date = date(1970, 1, 5);

impl StepGrid {
    /// A width of 0 counts as 1.
    pub(crate) fn new(step: Step, zone: &Zone) -> Self {
        let step = match step {
            Step::Millis(ms) => Step::Millis(ms.clamp(1, DAY_MS)),
            Step::Days(n) => Step::Days(n.clamp(1, 36_500)),
            Step::FromStart(ms) => Step::FromStart(ms.max(1)),
        };
        Self { step, zone: zone.clone() }
    }

    pub(crate) fn step(&self) -> Step {
        self.step
    }

    pub(crate) fn zone(&self) -> &Zone {
        &self.zone
    }

    /// Width of a usual step.
    pub(crate) fn width_ms(&self) -> u64 {
        match self.step {
            Step::Millis(ms) | Step::FromStart(ms) => ms,
            Step::Days(n) => u64::from(n) * DAY_MS,
        }
    }

    /// The window's start and end and every edge between them.
    ///
    /// # Errors
    /// More than [`STEPS_MAX`] steps, found before they are made.
    pub(crate) fn edges(&self, window: TimeRange) -> Result<Vec<Timestamp>, QueryError> {
        // Days of 23 hours add a few; what is counted below decides near the limit.
        let about = window.millis() / self.width_ms();
        let too_many = |steps| Err(QueryError::TooManySteps { steps });
        if about > STEPS_MAX as u64 {
            return too_many(about);
        }
        let mut edges = vec![window.start];
        let mut t = self.after(window.start, window.start);
        while t < window.end {
            if edges.len() >= STEPS_MAX {
                return too_many(edges.len() as u64 + 1);
            }
            edges.push(t);
            t = self.after(t, window.start);
        }
        edges.push(window.end);
        Ok(edges)
    }

    /// The steps between `edges`; the first and last are partial when they do not end at an edge
    /// of the grid.
    pub(crate) fn ranges(&self, edges: &[Timestamp]) -> Vec<StepRange> {
        let (Some(&start), Some(&end)) = (edges.first(), edges.last()) else { return Vec::new() };
        let ranges = edges.windows(2).map(|pair| TimeRange::new(pair[0], pair[1]));
        let cut = |t: Timestamp| t > Timestamp::MIN && self.after(t.minus_ms(1), start) != t;
        let (start_cut, end_cut) = (self.step_is_aligned() && cut(start), cut(end));
        let partial = |r: &TimeRange| (r.start == start && start_cut) || (r.end == end && end_cut);
        ranges.map(|range| StepRange { range, partial: partial(&range) }).collect()
    }

    fn step_is_aligned(&self) -> bool {
        !matches!(self.step, Step::FromStart(_))
    }

    /// The first edge after `t`.
    fn after(&self, t: Timestamp, window_start: Timestamp) -> Timestamp {
        match self.step {
            Step::Millis(ms) => {
                let day = self.zone.day(t);
                day.start.plus_ms((t.since(day.start) / ms + 1) * ms).min(day.end)
            }
            Step::FromStart(ms) => window_start.plus_ms((t.since(window_start) / ms + 1) * ms),
            Step::Days(n) => self.days_after(t, n),
        }
    }

    fn days_after(&self, t: Timestamp, n: u32) -> Timestamp {
        let today = self.zone.tz().to_datetime(t.to_jiff()).date();
        let number = today.since(FIRST_MONDAY).map_or(0, |span| i64::from(span.get_days()));
        let n = i64::from(n);
        let mut next = (number.div_euclid(n) + 1) * n;
        // A date that a zone skipped (Apia, 2011-12-30) begins when the next one does.
        for _ in 0..3 {
            let start = i32::try_from(next)
                .ok()
                .and_then(|days| FIRST_MONDAY.checked_add(jiff::Span::new().try_days(days).ok()?).ok())
                .and_then(|date| date.at(0, 0, 0, 0).to_zoned_datetime(self.zone.tz().clone()).ok())
                .map(|zoned| Timestamp::from_jiff(zoned.timestamp()));
            match start {
                Some(start) if start > t => return start,
                Some(_) => next += n,
                None => break,
            }
        }
        Timestamp::MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::from_jiff(text.parse().unwrap())
    }

    fn steps(step: Step, zone: &str, from: &str, to: &str) -> Vec<String> {
        let grid = StepGrid::new(step, &Zone::load(zone).unwrap());
        let edges = grid.edges(TimeRange::new(at(from), at(to))).unwrap();
        let mark = |s: &StepRange| if s.partial { "~" } else { "" };
        let text = |s: &StepRange| format!("{}{}", &s.range.start.to_string()[5..16], mark(s));
        grid.ranges(&edges).iter().map(text).collect()
    }

    #[test]
    fn hours_count_from_local_midnight() {
        let got = steps(Step::Millis(6 * 3_600_000), "Asia/Kathmandu", "2025-01-01T00:00:00Z", "2025-01-02T00:15:00Z");
        assert_eq!(got, ["01-01T00:00~", "01-01T00:15", "01-01T06:15", "01-01T12:15", "01-01T18:15"]);
    }

    #[test]
    fn a_day_of_25_hours_ends_with_a_short_step_and_one_of_23_lacks_an_hour() {
        let berlin = |from, to| steps(Step::Millis(6 * 3_600_000), "Europe/Berlin", from, to);
        let long = berlin("2025-10-25T22:00:00Z", "2025-10-27T05:00:00Z");
        assert_eq!(long, ["10-25T22:00", "10-26T04:00", "10-26T10:00", "10-26T16:00", "10-26T22:00", "10-26T23:00"]);
        let short = berlin("2025-03-29T23:00:00Z", "2025-03-31T00:00:00Z");
        assert_eq!(short, ["03-29T23:00", "03-30T05:00", "03-30T11:00", "03-30T17:00", "03-30T22:00~"]);
    }

    #[test]
    fn days_and_weeks_follow_the_calendar() {
        let days = steps(Step::Days(1), "America/New_York", "2025-11-01T12:00:00Z", "2025-11-04T05:00:00Z");
        assert_eq!(days, ["11-01T12:00~", "11-02T04:00", "11-03T05:00"]);
        let weeks = steps(Step::Days(7), "UTC", "2025-11-05T00:00:00Z", "2025-11-24T00:00:00Z");
        assert_eq!(weeks, ["11-05T00:00~", "11-10T00:00", "11-17T00:00"]);
        let apia = steps(Step::Days(1), "Pacific/Apia", "2011-12-28T10:00:00Z", "2012-01-01T10:00:00Z");
        assert_eq!(apia, ["12-28T10:00", "12-29T10:00", "12-30T10:00", "12-31T10:00"]);
    }

    #[test]
    fn odd_widths_count_from_the_window() {
        let got = steps(Step::FromStart(7 * 60_000), "UTC", "2025-01-01T00:03:00Z", "2025-01-01T00:20:00Z");
        assert_eq!(got, ["01-01T00:03", "01-01T00:10", "01-01T00:17~"]);
    }

    #[test]
    fn steps_are_counted_before_they_are_made() {
        let grid = StepGrid::new(Step::Millis(1), &Zone::utc());
        let error = grid.edges(TimeRange::ALL).unwrap_err();
        assert!(matches!(error, QueryError::TooManySteps { steps } if steps > 1_000_000), "{error}");
        let minutes = StepGrid::new(Step::Millis(60_000), &Zone::utc());
        let window =
            |n: u64| TimeRange::new(at("2025-01-01T00:00:00Z"), at("2025-01-01T00:00:00Z").plus_ms(n * 60_000));
        assert_eq!(minutes.edges(window(10_000)).unwrap().len(), 10_001);
        assert!(minutes.edges(window(10_001)).is_err());
    }
}
