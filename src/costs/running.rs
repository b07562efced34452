//! The plan of a projection, asked again a minute later.
//!
//! Days of history with the running one, up to now: what was before the running day stays as it is until the day
//! ends, and a replay that asks each minute finds the day's minutes at hand from the second time on.

use ax_storage::Store;
use ax_storage::query::plan::{Plan, Step};
use ax_storage::query::series::{Aggregate, Series, StepRange};
use ax_storage::query::steps_of;
use ax_storage::time::{HOUR_MS, MINUTE_MS, TimeRange, Timestamp};

/// No step of a projection is longer: a day on which clocks go back.
const STEP_MS_MAX: u64 = 25 * HOUR_MS;
/// Plans that are remembered: a rule asks for few.
const REMEMBERED_MAX: usize = 8;

/// A plan that was asked, as it was before its running step.
pub(super) struct Running {
    /// All of the plan but its end.
    like: String,
    /// Where the running step begins.
    start: Timestamp,
    /// The answer without that step.
    before: Series,
    /// The minutes of the running step.
    minutes: Option<Series>,
}

/// Answers a plan of one group with steps; `None` when the store cannot.
pub(super) fn run(store: &Store, known: &mut Vec<Running>, plan: &Plan) -> Option<Series> {
    let running = *steps_of(plan.range, plan.step?, &plan.zone).ok()?.last()?;
    let (like, start) = (like(plan), running.range.start);
    if let Some(known) = known.iter_mut().find(|known| known.start == start && known.like == like)
        && let Some(series) = known.up_to(store, plan, running)
    {
        return Some(series);
    }
    let series = store.run(plan).ok()?;
    let mut before = series.clone();
    before.steps.pop();
    before.groups.iter_mut().for_each(|group| drop(group.points.pop()));
    known.retain(|known| known.like != like);
    if known.len() >= REMEMBERED_MAX {
        known.remove(0);
    }
    known.push(Running { like, start, before, minutes: None });
    Some(series)
}

/// Filters are compared by what they print.
fn like(plan: &Plan) -> String {
    format!("{} {:?} {:?} {}", plan.range.start.millis(), plan.step, plan.filter, plan.zone.name())
}

impl Running {
    /// The answer up to the end of `plan`, a whole minute.
    fn up_to(&mut self, store: &Store, plan: &Plan, running: StepRange) -> Option<Series> {
        let end = plan.range.end;
        if !end.millis().is_multiple_of(MINUTE_MS) || !self.start.millis().is_multiple_of(MINUTE_MS) {
            return None;
        }
        if self.minutes.is_none() {
            let range = TimeRange::new(self.start, self.start.plus_ms(STEP_MS_MAX));
            self.minutes = store.run(&Plan { range, step: Some(Step::FromStart(MINUTE_MS)), ..plan.clone() }).ok();
        }
        let minutes = self.minutes.as_ref()?;
        let mut sum = Aggregate::default();
        let points = minutes.steps.iter().zip(&minutes.groups.first()?.points);
        for (_, point) in points.take_while(|(step, _)| step.range.end <= end) {
            sum.counts.merge(&point.counts);
            sum.stats.resize_with(point.stats.len(), Default::default);
            sum.stats.iter_mut().zip(&point.stats).for_each(|(sum, stat)| sum.merge(stat));
        }
        let mut series = Series { range: Some(plan.range), ..self.before.clone() };
        series.steps.push(running);
        series.groups.first_mut()?.points.push(sum);
        Some(series)
    }
}
