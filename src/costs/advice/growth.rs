//! Models and users on which more was spent in the last 7 days than in the weeks before.

use std::collections::BTreeMap;

use ax_storage::bucket::Measure;
use ax_storage::query::plan::{Kinds, Label, Plan};
use ax_storage::query::series::Series;
use ax_storage::time::{TimeRange, Timestamp};
use jiff::ToSpan;

use super::usage::Usage;
use super::{Advice, CALLS_MIN, Kind, Sure};
use crate::calendar::Calendar;
use crate::metric::Money;

/// Weeks that are compared, the last one included.
pub const WEEKS: usize = 4;
/// Fewest weeks before the last that say what is usual.
const BEFORE_MIN: usize = 2;
/// More than the dearest of the weeks before by this part is beyond what is usual, in per cent.
const BEYOND_PERCENT: i128 = 25;

/// Spent in the last week and in those before, newest first.
struct Weeks(Vec<Money>);

impl Weeks {
    /// The advice, when the last week is beyond what is usual.
    fn advice(&self, about: (&str, &str, &str), calls: u64) -> Option<Advice> {
        let (week, before) = self.0.split_first()?;
        let highest = *before.iter().max()?;
        let beyond = highest.0.checked_mul(100 + BEYOND_PERCENT)? / 100;
        // Of what was not there before nobody knows what is usual.
        if before.len() < BEFORE_MIN || before.iter().any(|m| m.0 == 0) || week.0 <= beyond || calls < CALLS_MIN {
            return None;
        }
        let mut sorted = before.to_vec();
        sorted.sort_unstable();
        let usual = sorted[sorted.len() / 2];
        let kind = Kind::Growth { week: *week, usual, highest, weeks: before.len() };
        let advice = Advice::new(kind, (about.0, about.1), calls, *week, usual, 7)?;
        Some(Advice { user: about.2.to_owned(), sure: Sure::Depends, ..advice })
    }
}

/// Models on which more is spent than usual.
pub(super) fn models(usage: &Usage) -> Vec<Advice> {
    let advice = |m: &super::usage::ModelUsage| {
        let weeks = m.daily.rchunks_exact(7).take(WEEKS).map(|days| Money(days.iter().map(|d| d.0).sum()));
        let last = usage.range.map_or(0, |range| range.end.minus_ms(7 * ax_storage::time::DAY_MS).millis());
        let calls = m.parts.iter().filter(|p| p.start.millis() >= last).map(|p| p.calls).sum();
        Weeks(weeks.collect()).advice((&m.provider, &m.model, ""), calls)
    };
    usage.models.iter().filter_map(advice).collect()
}

/// Plans of what users spent in each of the weeks, newest first. They cost more to answer than others: ask for them
/// where somebody asks for advice.
pub fn user_plans(now: Timestamp, calendar: &Calendar<'_>) -> Vec<Plan> {
    let today = calendar.date(now);
    let day = |back: usize| calendar.midnight(today.saturating_sub((7 * back as i64).days()));
    let plan = |week: usize| Plan {
        kinds: Kinds::REQUESTS,
        measures: vec![Measure::Cost],
        sums_only: true,
        group: vec![Label::User],
        ..Plan::new(TimeRange::new(day(week + 1), day(week)), calendar.zone().clone())
    };
    (0..WEEKS).map(plan).collect()
}

/// Users who spend more than usual, from the answers to [`user_plans`]. Weeks in which nobody spent were before the
/// records.
pub fn users(weeks: &[Series]) -> Vec<Advice> {
    let known = weeks.iter().take_while(|series| series.all.counts.requests > 0).count();
    let mut all: BTreeMap<&str, (Vec<Money>, u64)> = BTreeMap::new();
    for (week, series) in weeks[..known].iter().enumerate() {
        for group in &series.groups {
            let Some(user) = group.labels.first().filter(|user| !user.is_empty()) else { continue };
            let (spent, calls) = all.entry(user).or_insert_with(|| (vec![Money(0); known], 0));
            spent[week] = super::super::breakdown::cost(&group.total);
            if week == 0 {
                *calls = group.total.counts.requests;
            }
        }
    }
    all.into_iter().filter_map(|(user, (spent, calls))| Weeks(spent).advice(("", "", user), calls)).collect()
}
