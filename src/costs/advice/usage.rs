//! What calls used: tokens of each class and money, by provider, model, service tier and day.

use std::collections::BTreeMap;

use ax_storage::bucket::{Measure, Stat};
use ax_storage::event::Tokens;
use ax_storage::query::plan::{Kinds, Label, Plan, Step};
use ax_storage::query::series::{Aggregate, Series};
use ax_storage::time::{TimeRange, Timestamp};

use crate::calendar::Calendar;
use crate::costs::breakdown::cost;
use crate::metric::Money;

/// Places of [`plan`]'s measures.
const MEASURES: [Measure; 7] = [
    Measure::Cost,
    Measure::InputTokens,
    Measure::CachedTokens,
    Measure::CacheWriteTokens,
    Measure::CacheWrite1hTokens,
    Measure::OutputTokens,
    Measure::ReasoningTokens,
];
const GROUPED: [Label; 4] = [Label::Provider, Label::Model, Label::Status, Label::ServiceTier];

/// What was used in the days looked at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usage {
    /// From the first of the days that have calls to the end.
    pub range: Option<TimeRange>,
    /// Complete days in it.
    pub days: u32,
    /// All that was spent in them.
    pub spent: Money,
    /// By provider and model as recorded.
    pub models: Vec<ModelUsage>,
}

/// Calls of a model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelUsage {
    /// As recorded.
    pub provider: String,
    /// As recorded.
    pub model: String,
    /// Calls that succeeded.
    pub calls: u64,
    /// Calls that failed and have a price, be it 0.
    pub failed_calls: u64,
    /// What those cost.
    pub failed_cost: Money,
    /// Spent on each of the days, failures included; the oldest first.
    pub daily: Vec<Money>,
    /// Calls that succeeded, by service tier and day.
    pub parts: Vec<Part>,
}

/// Calls of a day in a service tier.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// As recorded; often empty.
    pub tier: String,
    /// When the day begins.
    pub start: Timestamp,
    /// How many.
    pub calls: u64,
    /// Of these, without a price.
    pub unpriced: u64,
    /// What they cost.
    pub cost: Money,
    /// All their tokens.
    pub tokens: Tokens,
    /// Input of the longest.
    pub longest: u64,
}

impl ModelUsage {
    /// The sum of all tokens of calls that succeeded.
    pub fn tokens(&self) -> Tokens {
        self.parts.iter().fold(Tokens::default(), |sum, part| plus(sum, &part.tokens))
    }
}

fn plus(a: Tokens, b: &Tokens) -> Tokens {
    Tokens {
        input: a.input.saturating_add(b.input),
        cached: a.cached.saturating_add(b.cached),
        cache_write: a.cache_write.saturating_add(b.cache_write),
        cache_write_1h: a.cache_write_1h.saturating_add(b.cache_write_1h),
        output: a.output.saturating_add(b.output),
        reasoning: a.reasoning.saturating_add(b.reasoning),
    }
}

/// The plan that [`Usage::of`] reads.
pub fn plan(now: Timestamp, calendar: &Calendar<'_>) -> Plan {
    Plan {
        kinds: Kinds::REQUESTS,
        measures: MEASURES.to_vec(),
        group: GROUPED.to_vec(),
        step: Some(Step::Days(1)),
        ..Plan::new(super::window(now, calendar), calendar.zone().clone())
    }
}

impl Usage {
    /// What an answer to [`plan`] says. Days before the first call are none.
    pub fn of(series: &Series) -> Self {
        let called = |i: &usize| series.groups.iter().any(|g| g.points.get(*i).is_some_and(|p| p.counts.requests > 0));
        let Some(first) = (0..series.steps.len()).find(called) else { return Self::default() };
        let steps = &series.steps[first..];
        let mut models: BTreeMap<(&str, &str), ModelUsage> = BTreeMap::new();
        for group in &series.groups {
            let [provider, model, status, tier] = group.labels.as_slice() else { continue };
            let usage = models.entry((provider, model)).or_insert_with(|| ModelUsage {
                provider: provider.to_string(),
                model: model.to_string(),
                daily: vec![Money(0); steps.len()],
                ..ModelUsage::default()
            });
            let points = group.points.get(first..).unwrap_or_default();
            for ((day, step), point) in usage.daily.iter_mut().zip(steps).zip(points) {
                day.0 = day.0.saturating_add(cost(point).0);
                if point.counts.requests > 0 && &**status == "ok" {
                    usage.parts.push(part(tier, step.range.start, point));
                }
            }
            if &**status == "ok" {
                usage.calls += points.iter().map(|p| p.counts.requests).sum::<u64>();
            } else {
                usage.failed_calls += points.iter().map(|p| p.counts.requests - p.counts.unpriced).sum::<u64>();
                usage.failed_cost.0 += points.iter().map(|p| cost(p).0).sum::<i128>();
            }
        }
        let models: Vec<ModelUsage> = models.into_values().collect();
        Self {
            range: steps.first().zip(steps.last()).map(|(a, b)| TimeRange::new(a.range.start, b.range.end)),
            days: u32::try_from(steps.len()).unwrap_or(u32::MAX),
            spent: Money(models.iter().flat_map(|m| &m.daily).map(|m| m.0).fold(0, i128::saturating_add)),
            models,
        }
    }
}

fn stat(point: &Aggregate, place: usize) -> Stat {
    point.stats.get(place).copied().unwrap_or_default()
}

fn part(tier: &str, start: Timestamp, point: &Aggregate) -> Part {
    let sum = |place: usize| u64::try_from(stat(point, place).sum).unwrap_or(u64::MAX);
    Part {
        tier: tier.to_owned(),
        start,
        calls: point.counts.requests,
        unpriced: point.counts.unpriced,
        cost: cost(point),
        tokens: Tokens {
            input: sum(1),
            cached: sum(2),
            cache_write: sum(3),
            cache_write_1h: sum(4),
            output: sum(5),
            reasoning: sum(6),
        },
        longest: stat(point, 1).max().unwrap_or(0),
    }
}
