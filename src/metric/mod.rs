//! The catalogue of metrics: name, unit, meaning, and which aggregations make sense of each.
//!
//! The planner checks queries against it; help, completions and `metrics --list` print it.

mod compute;
mod number;
mod table;
#[cfg(test)]
mod tests;
mod unit;

use ax_storage::bucket::Measure;

pub use compute::{
    Needs, Numbers, count, extreme, in_unit, in_unit_float, kinds, measure, raw, share, sums_suffice, value,
};
pub use number::{Money, Number, thousands};
pub use table::{ALIASES, Info, Metric};
pub use unit::Unit;

/// How a metric comes out of counted events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Values that events report one by one.
    Values(Measure),
    /// Number of events of one sort.
    Events(Counter),
    /// [`Source::Events`] per second.
    PerSecond(Counter),
    /// `part` ÷ Σ `whole`, pooled over the window; `inverse` = 1 − that.
    Ratio {
        /// What is counted.
        part: Counter,
        /// Among which.
        whole: &'static [Counter],
        /// One minus.
        inverse: bool,
    },
    /// Σ values ÷ requests.
    PerRequest(Measure),
    /// Cost since the start of a period that the metric itself names.
    Spend(SpendPeriod),
    /// Bursts of refusals: needs the order of single events.
    Violations,
}

/// Counts that every answer of the store carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of ax_storage's Counters")]
pub enum Counter {
    Requests,
    Errors,
    Hits,
    Misses,
    Allowed,
    Denied,
}

/// Since when `spend` counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpendPeriod {
    /// Start of the budget's period; without a budget, of the month.
    Budget,
    /// Local midnight.
    Day,
    /// Local Monday.
    Week,
    /// The first of the local month.
    Month,
}

/// A way to make one number of many values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Aggregation {
    /// Mean; of ratios the pooled ratio.
    Avg,
    /// Sum; of ratios the pooled ratio.
    Sum,
    /// Least value, or least step.
    Min,
    /// Greatest value, or greatest step.
    Max,
    /// How many values there are; of ratios the denominator.
    Count,
    /// Per second: of amounts the sum, of durations the number of values.
    Rate,
    /// Standard deviation of the values.
    Stddev,
    /// A quantile in millionths: p95 = 950,000.
    Quantile(u32),
}

impl Aggregation {
    /// Those with a fixed name.
    pub const NAMED: [Self; 7] = [Self::Avg, Self::Sum, Self::Min, Self::Max, Self::Count, Self::Rate, Self::Stddev];

    /// The name users write; of quantiles only the letter.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Avg => "avg",
            Self::Sum => "sum",
            Self::Min => "min",
            Self::Max => "max",
            Self::Count => "count",
            Self::Rate => "rate",
            Self::Stddev => "stddev",
            Self::Quantile(_) => "p",
        }
    }
}

impl std::fmt::Display for Aggregation {
    /// `avg`, `p95`, `p99.9`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())?;
        let Self::Quantile(ppm) = *self else { return Ok(()) };
        write!(f, "{}", ppm / 10_000)?;
        if ppm % 10_000 != 0 {
            let digits = format!("{:04}", ppm % 10_000);
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        Ok(())
    }
}

impl Metric {
    /// Whether it names its own time: no range, aggregation or step may be written.
    pub const fn has_own_range(self) -> bool {
        matches!(self.info().source, Source::Spend(_))
    }
}

/// What may stand behind a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// Everything: events report values.
    All,
    /// sum, count, rate; min and max over steps.
    Counts,
    /// rate, min, max.
    Rates,
    /// avg, sum and count; min and max over steps.
    Ratios,
    /// avg; min and max over steps.
    Averages,
    /// max, min, avg.
    Gauges,
    /// sum only.
    Sum,
    /// None may be written.
    Nothing,
}

impl Allowed {
    /// Whether `agg` is among them.
    pub fn has(self, agg: Aggregation) -> bool {
        use Aggregation::{Avg, Count, Max, Min, Rate, Sum};
        match self {
            Self::All => true,
            Self::Counts => matches!(agg, Sum | Count | Rate | Min | Max),
            Self::Rates => matches!(agg, Rate | Min | Max),
            Self::Ratios => matches!(agg, Avg | Sum | Count | Min | Max),
            Self::Averages => matches!(agg, Avg | Min | Max),
            Self::Gauges => matches!(agg, Avg | Min | Max),
            Self::Sum => agg == Sum,
            Self::Nothing => false,
        }
    }

    /// Whether `agg` picks among steps, so that a step must be written.
    pub fn needs_step(self, agg: Aggregation) -> bool {
        matches!(agg, Aggregation::Min | Aggregation::Max)
            && matches!(self, Self::Counts | Self::Rates | Self::Ratios | Self::Averages)
    }
}
