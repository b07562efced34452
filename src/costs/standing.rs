//! How budgets stand: spent, left, and what the period will come to.

use ax_storage::Store;
use ax_storage::query::QueryError;
use ax_storage::query::plan::{Filter, Plan};
use ax_storage::query::series::Series;
use ax_storage::time::{DAY_MS, TimeRange, Timestamp};

use super::budget::{Every, Ready, reached};
use super::outlook::{self, Outlook};
use crate::calendar::Calendar;
use crate::metric::Money;
use crate::projection::Step;
use crate::query::planner;

/// How a budget stands at a moment.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The budget.
    pub ready: Ready,
    /// Spend of the running period, and what it will come to.
    pub outlook: Outlook,
    /// Calls of the period without a price: they are in no sum.
    pub unpriced: u64,
    /// Time left of the period in milliseconds.
    pub left_ms: u64,
    /// How fast it is spent: 1 = as fast as would use it up just at the end of the period. `None` at
    /// its very start.
    pub burn_rate: Option<f64>,
    /// Parts told in this period, in per cent.
    pub told: Vec<u16>,
    /// Up to here the days are those of the store's zone, because of those of the budget's nothing is kept any more.
    pub store_days_until: Option<Timestamp>,
}

impl Standing {
    /// The running period.
    pub fn period(&self) -> TimeRange {
        self.outlook.period
    }

    /// Spent in it so far.
    pub fn spent(&self) -> Money {
        self.outlook.spent
    }

    /// The used part: 1 = all of it.
    pub fn used(&self) -> f64 {
        self.spent().dollars() / self.ready.budget.limit.dollars()
    }

    /// What is left; negative when it is overspent.
    pub fn left(&self) -> Money {
        Money(self.ready.budget.limit.0.saturating_sub(self.spent().0))
    }

    /// Days left of the period.
    #[expect(clippy::cast_precision_loss, reason = "days for people")]
    pub fn days_left(&self) -> f64 {
        self.left_ms as f64 / DAY_MS as f64
    }

    /// Whether the limit is reached.
    pub fn is_used_up(&self) -> bool {
        self.left().0 <= 0
    }

    /// Whether more than the limit is projected; `None` without enough history, unless it is spent.
    pub fn is_projected_over(&self) -> Option<bool> {
        let limit = self.ready.budget.limit;
        match self.outlook.bounds() {
            _ if self.spent() > limit => Some(true),
            Some(_) => self.outlook.estimate().map(|estimate| estimate > limit),
            None => None,
        }
    }

    /// How likely it is exceeded at the end.
    pub fn exceeds(&self) -> Option<f64> {
        self.outlook.exceeds(self.ready.budget.limit)
    }

    /// When it is used up, if spend goes on as projected and it is not yet.
    pub fn exhausted_at(&self) -> Option<Timestamp> {
        self.outlook.exhausted_at(self.ready.budget.limit)
    }

    /// The start of the day (hour) in which it was used up, if it is.
    pub fn used_up_at(&self) -> Option<Timestamp> {
        self.outlook.used_up_at(self.ready.budget.limit)
    }

    /// Parts in per cent that spend has passed: those told, and those that nobody has told yet.
    pub fn crossed(&self) -> Vec<u16> {
        let budget = &self.ready.budget;
        let mut all = reached(self.spent(), budget.limit, &budget.alert_at, &self.told);
        all.extend(&self.told);
        all.sort_unstable();
        all
    }
}

/// Histories that standings and projections rest on; equal ones are asked for once.
#[derive(Clone, Debug, Default)]
pub struct Histories {
    keys: Vec<(String, Option<String>, Step)>,
    plans: Vec<Plan>,
}

impl Histories {
    /// Asks for a history: its place. `scope` is the text of `filter`.
    pub fn add(&mut self, scope: Option<(&str, Filter)>, step: Step, now: Timestamp, calendar: &Calendar<'_>) -> usize {
        let key = (calendar.zone().name().to_owned(), scope.as_ref().map(|(text, _)| (*text).to_owned()), step);
        if let Some(place) = self.keys.iter().position(|k| *k == key) {
            return place;
        }
        let filter = scope.map_or(Filter::All, |(_, filter)| filter);
        self.plans.push(match step {
            Step::Day => outlook::day_plan(now, filter, now, calendar),
            Step::Hour => outlook::hour_plan(filter, now, calendar),
        });
        self.keys.push(key);
        self.keys.len() - 1
    }

    /// Asks for what a budget needs.
    pub fn add_budget(&mut self, ready: &Ready, now: Timestamp) -> usize {
        let scope = ready.budget.scope.as_deref().zip(ready.scope.as_ref());
        self.add(scope.map(|(text, f)| (text, planner::lower(f))), step(ready), now, &ready.calendar())
    }

    /// The plans, by place.
    pub fn plans(&self) -> &[Plan] {
        &self.plans
    }
}

/// Days are projected from hours, longer periods from days.
const fn step(ready: &Ready) -> Step {
    match ready.budget.every {
        Every::Day => Step::Hour,
        Every::Week | Every::Month => Step::Day,
    }
}

/// How a budget stands, from its history.
pub fn stand(ready: &Ready, history: &Series, told: Vec<u16>, now: Timestamp) -> Standing {
    let period = ready.period(now);
    let outlook = outlook::outlook(history, period, step(ready), now, &ready.calendar());
    let passed = now.since(period.start);
    #[expect(clippy::cast_precision_loss, reason = "a ratio is a float")]
    let part = passed as f64 / period.millis().max(1) as f64;
    let used = outlook.spent.dollars() / ready.budget.limit.dollars();
    Standing {
        unpriced: outlook::unpriced_since(history, period.start),
        left_ms: period.end.since(now),
        burn_rate: (passed > 0).then(|| used / part),
        store_days_until: history.store_days_until.filter(|until| *until >= period.start),
        ready: ready.clone(),
        outlook,
        told,
    }
}

/// Spent by each budget in its running period, without a projection: what the upkeep asks every
/// minute.
///
/// # Errors
/// Those of the store.
pub fn spent(store: &Store, budgets: &[Ready], now: Timestamp) -> Result<Vec<Money>, QueryError> {
    let plan = |ready: &Ready| {
        let range = TimeRange::new(ready.period(now).start, now);
        let filter = ready.scope.as_ref().map_or(Filter::All, planner::lower);
        outlook::sum_plan(range, filter, &ready.calendar(), store.zone())
    };
    // At the first millisecond of a period there is nothing to ask for.
    let begun = |ready: &&Ready| ready.period(now).start < now;
    let plans: Vec<Plan> = budgets.iter().filter(begun).map(plan).collect();
    let mut answers = store.run_all(&plans)?.into_iter();
    let mut sum = |ready: &Ready| match begun(&ready) {
        true => answers.next().map_or(Money(0), |series| outlook::sum(&series, ready.period(now).start)),
        false => Money(0),
    };
    Ok(budgets.iter().map(&mut sum).collect())
}
