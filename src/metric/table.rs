//! The rows of the catalogue.

use ax_storage::bucket::Measure;

use super::{Aggregation, Allowed, Counter, Source, SpendPeriod, Unit};

/// Something that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the table below gives each its meaning")]
pub enum Metric {
    Latency,
    Ttft,
    Requests,
    Throughput,
    Errors,
    ErrorRate,
    SuccessRate,
    Tokens,
    InputTokens,
    OutputTokens,
    CachedTokens,
    ReasoningTokens,
    Cost,
    CostPerRequest,
    Spend,
    DailySpend,
    WeeklySpend,
    MonthlySpend,
    CacheHits,
    CacheMisses,
    HitRate,
    MissRate,
    SavedCost,
    SavedTokens,
    Allowed,
    Denied,
    Violations,
    Utilization,
}

/// A row of the catalogue.
#[derive(Clone, Copy, Debug)]
pub struct Info {
    /// As users write it.
    pub name: &'static str,
    /// What it measures.
    pub unit: Unit,
    /// How it comes out of events.
    pub source: Source,
    /// What an unaggregated query means.
    pub default: Aggregation,
    /// What may be written.
    pub allowed: Allowed,
    /// One line for people.
    pub meaning: &'static str,
}

/// Second names.
pub const ALIASES: [(&str, Metric); 2] = [("cache_hit_rate", Metric::HitRate), ("cache_miss_rate", Metric::MissRate)];

impl Metric {
    /// All of them, in the order lists show.
    pub const ALL: [Self; 28] = [
        Self::Latency,
        Self::Ttft,
        Self::Requests,
        Self::Throughput,
        Self::Errors,
        Self::ErrorRate,
        Self::SuccessRate,
        Self::Tokens,
        Self::InputTokens,
        Self::OutputTokens,
        Self::CachedTokens,
        Self::ReasoningTokens,
        Self::Cost,
        Self::CostPerRequest,
        Self::Spend,
        Self::DailySpend,
        Self::WeeklySpend,
        Self::MonthlySpend,
        Self::CacheHits,
        Self::CacheMisses,
        Self::HitRate,
        Self::MissRate,
        Self::SavedCost,
        Self::SavedTokens,
        Self::Allowed,
        Self::Denied,
        Self::Violations,
        Self::Utilization,
    ];

    /// The row of this metric.
    pub const fn info(self) -> &'static Info {
        &TABLE[self as usize]
    }

    /// As users write it.
    pub const fn name(self) -> &'static str {
        self.info().name
    }

    /// The metric of a name or second name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|m| m.name() == name)
            .or_else(|| ALIASES.iter().find(|(alias, _)| *alias == name).map(|(_, m)| *m))
    }

    /// Whether no events mean 0: amounts and numbers of things do, averages and shares do not.
    pub const fn is_additive(self) -> bool {
        matches!(self.info().default, Aggregation::Sum | Aggregation::Rate)
    }
}

static TABLE: [Info; Metric::ALL.len()] = [
    Info {
        name: "latency",
        unit: Unit::Time,
        source: Source::Values(Measure::Latency),
        default: Aggregation::Avg,
        allowed: Allowed::All,
        meaning: "time of a whole call, of requests that reported it, failures included",
    },
    Info {
        name: "ttft",
        unit: Unit::Time,
        source: Source::Values(Measure::Ttft),
        default: Aggregation::Avg,
        allowed: Allowed::All,
        meaning: "time to the first token, of requests that reported it",
    },
    Info {
        name: "requests",
        unit: Unit::Count,
        source: Source::Events(Counter::Requests),
        default: Aggregation::Sum,
        allowed: Allowed::Counts,
        meaning: "calls of a provider",
    },
    Info {
        name: "throughput",
        unit: Unit::PerSecond,
        source: Source::PerSecond(Counter::Requests),
        default: Aggregation::Rate,
        allowed: Allowed::Rates,
        meaning: "calls per second",
    },
    Info {
        name: "errors",
        unit: Unit::Count,
        source: Source::Events(Counter::Errors),
        default: Aggregation::Sum,
        allowed: Allowed::Counts,
        meaning: "calls that failed",
    },
    Info {
        name: "error_rate",
        unit: Unit::Ratio,
        source: Source::Ratio { part: Counter::Errors, whole: &[Counter::Requests], inverse: false },
        default: Aggregation::Avg,
        allowed: Allowed::Ratios,
        meaning: "failed calls among all calls",
    },
    Info {
        name: "success_rate",
        unit: Unit::Ratio,
        source: Source::Ratio { part: Counter::Errors, whole: &[Counter::Requests], inverse: true },
        default: Aggregation::Avg,
        allowed: Allowed::Ratios,
        meaning: "calls that did not fail among all calls",
    },
    Info {
        name: "tokens",
        unit: Unit::Count,
        source: Source::Values(Measure::Tokens),
        default: Aggregation::Sum,
        allowed: Allowed::All,
        meaning: "input and output tokens together",
    },
    Info {
        name: "input_tokens",
        unit: Unit::Count,
        source: Source::Values(Measure::InputTokens),
        default: Aggregation::Sum,
        allowed: Allowed::All,
        meaning: "input tokens, cached ones included",
    },
    Info {
        name: "output_tokens",
        unit: Unit::Count,
        source: Source::Values(Measure::OutputTokens),
        default: Aggregation::Sum,
        allowed: Allowed::All,
        meaning: "output tokens, reasoning included",
    },
    Info {
        name: "cached_tokens",
        unit: Unit::Count,
        source: Source::Values(Measure::CachedTokens),
        default: Aggregation::Sum,
        allowed: Allowed::All,
        meaning: "input tokens read from the provider's prompt cache",
    },
    Info {
        name: "reasoning_tokens",
        unit: Unit::Count,
        source: Source::Values(Measure::ReasoningTokens),
        default: Aggregation::Sum,
        allowed: Allowed::All,
        meaning: "output tokens spent on reasoning",
    },
    Info {
        name: "cost",
        unit: Unit::Money,
        source: Source::Values(Measure::Cost),
        default: Aggregation::Sum,
        allowed: Allowed::All,
        meaning: "cost of calls with a known price, failures included",
    },
    Info {
        name: "cost_per_request",
        unit: Unit::Money,
        source: Source::PerRequest(Measure::Cost),
        default: Aggregation::Avg,
        allowed: Allowed::Averages,
        meaning: "cost divided by all calls",
    },
    Info {
        name: "spend",
        unit: Unit::Money,
        source: Source::Spend(SpendPeriod::Budget),
        default: Aggregation::Sum,
        allowed: Allowed::Nothing,
        meaning: "cost since the start of the budget's period, else of this month",
    },
    Info {
        name: "daily_spend",
        unit: Unit::Money,
        source: Source::Spend(SpendPeriod::Day),
        default: Aggregation::Sum,
        allowed: Allowed::Nothing,
        meaning: "cost since local midnight",
    },
    Info {
        name: "weekly_spend",
        unit: Unit::Money,
        source: Source::Spend(SpendPeriod::Week),
        default: Aggregation::Sum,
        allowed: Allowed::Nothing,
        meaning: "cost since Monday",
    },
    Info {
        name: "monthly_spend",
        unit: Unit::Money,
        source: Source::Spend(SpendPeriod::Month),
        default: Aggregation::Sum,
        allowed: Allowed::Nothing,
        meaning: "cost since the first of the month",
    },
    Info {
        name: "cache_hits",
        unit: Unit::Count,
        source: Source::Events(Counter::Hits),
        default: Aggregation::Sum,
        allowed: Allowed::Counts,
        meaning: "cache look-ups that found something",
    },
    Info {
        name: "cache_misses",
        unit: Unit::Count,
        source: Source::Events(Counter::Misses),
        default: Aggregation::Sum,
        allowed: Allowed::Counts,
        meaning: "cache look-ups that found nothing",
    },
    Info {
        name: "hit_rate",
        unit: Unit::Ratio,
        source: Source::Ratio { part: Counter::Hits, whole: &[Counter::Hits, Counter::Misses], inverse: false },
        default: Aggregation::Avg,
        allowed: Allowed::Ratios,
        meaning: "cache hits among all look-ups",
    },
    Info {
        name: "miss_rate",
        unit: Unit::Ratio,
        source: Source::Ratio { part: Counter::Hits, whole: &[Counter::Hits, Counter::Misses], inverse: true },
        default: Aggregation::Avg,
        allowed: Allowed::Ratios,
        meaning: "cache misses among all look-ups",
    },
    Info {
        name: "saved_cost",
        unit: Unit::Money,
        source: Source::Values(Measure::SavedCost),
        default: Aggregation::Sum,
        allowed: Allowed::All,
        meaning: "cost that cache hits saved",
    },
    Info {
        name: "saved_tokens",
        unit: Unit::Count,
        source: Source::Values(Measure::SavedTokens),
        default: Aggregation::Sum,
        allowed: Allowed::All,
        meaning: "tokens that cache hits saved",
    },
    Info {
        name: "allowed",
        unit: Unit::Count,
        source: Source::Events(Counter::Allowed),
        default: Aggregation::Sum,
        allowed: Allowed::Counts,
        meaning: "calls a rate limiter let through",
    },
    Info {
        name: "denied",
        unit: Unit::Count,
        source: Source::Events(Counter::Denied),
        default: Aggregation::Sum,
        allowed: Allowed::Counts,
        meaning: "calls a rate limiter refused",
    },
    Info {
        name: "violations",
        unit: Unit::Count,
        source: Source::Violations,
        default: Aggregation::Sum,
        allowed: Allowed::Sum,
        meaning: "bursts of refused calls of one key",
    },
    Info {
        name: "utilization",
        unit: Unit::Ratio,
        source: Source::Values(Measure::Utilization),
        default: Aggregation::Max,
        allowed: Allowed::Gauges,
        meaning: "greatest used share of a rate limit, of events that tell the limit",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_metric() {
        for (i, metric) in Metric::ALL.into_iter().enumerate() {
            assert_eq!(metric as usize, i, "table and enum are in one order");
            assert_eq!(Metric::named(metric.name()), Some(metric));
            assert!(metric.info().allowed.has(metric.info().default) || metric.info().allowed == Allowed::Nothing);
        }
        assert_eq!(Metric::named("cache_hit_rate"), Some(Metric::HitRate));
        assert_eq!(Metric::named("latncy"), None);
    }
}
