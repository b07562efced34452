//! From the numbers a plan brings back to a metric's number. No data is `None`, never 0 or NaN;
//! counts and sums of nothing are 0.

use ax_storage::bucket::{Measure, Stat};
use ax_storage::query::plan::{Kinds, Plan, Quantiles};
use ax_storage::query::series::{Aggregate, Counters};

use super::{Aggregation, Counter, Metric, Money, Number, Source, Unit};

/// What a plan must ask for so that a metric can be computed from its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needs {
    /// Kinds of events that count.
    pub kinds: Kinds,
    /// Values to summarise.
    pub measures: Vec<Measure>,
    /// Distribution of one of them.
    pub quantiles: Option<Quantiles>,
    /// How many requests failed or had no price.
    pub outcomes: bool,
    /// Bursts of refusals.
    pub violations: bool,
}

impl Needs {
    /// What `aggregation` of `metric` needs.
    pub fn of(metric: Metric, aggregation: Aggregation) -> Self {
        let mut needs = Self {
            kinds: kinds(metric),
            measures: Vec::new(),
            quantiles: None,
            outcomes: outcomes(metric),
            violations: metric.info().source == Source::Violations,
        };
        if let Some(measure) = measure(metric) {
            needs.add(measure);
            if let Aggregation::Quantile(ppm) = aggregation {
                needs.add_quantile(measure, ppm);
            }
        }
        needs
    }

    /// Asks for `measure` too.
    pub fn add(&mut self, measure: Measure) {
        if !self.measures.contains(&measure) {
            self.measures.push(measure);
        }
    }

    /// Asks for a quantile of `measure` too. A plan has quantiles of one measure only: those of
    /// another one are replaced.
    pub fn add_quantile(&mut self, measure: Measure, ppm: u32) {
        match &mut self.quantiles {
            Some(q) if q.of == measure => {
                if !q.ppm.contains(&ppm) {
                    q.ppm.push(ppm);
                }
            }
            other => *other = Some(Quantiles { of: measure, ppm: vec![ppm] }),
        }
    }

    /// Whether one plan can answer both: of the same kinds of events, and with quantiles of one measure.
    pub fn joins(&self, other: &Self) -> bool {
        let quantiles = self.quantiles.as_ref().zip(other.quantiles.as_ref()).is_none_or(|(a, b)| a.of == b.of);
        quantiles && (self.kinds, self.violations) == (other.kinds, other.violations)
    }

    /// Asks for all that `other` asks for, which must [`Self::joins`].
    pub fn join(&mut self, other: &Self) {
        self.outcomes |= other.outcomes;
        other.measures.iter().for_each(|measure| self.add(*measure));
        if let Some(q) = &other.quantiles {
            q.ppm.iter().for_each(|ppm| self.add_quantile(q.of, *ppm));
        }
    }

    /// Writes the needs into a plan.
    pub fn ask(&self, plan: &mut Plan) {
        plan.kinds = self.kinds;
        plan.measures.clone_from(&self.measures);
        plan.quantiles.clone_from(&self.quantiles);
        plan.outcomes = self.outcomes;
        plan.violations = self.violations;
    }
}

/// The kinds of events a metric is made of.
pub fn kinds(metric: Metric) -> Kinds {
    let none = Kinds { requests: false, caches: false, rates: false };
    match metric {
        Metric::CacheHits
        | Metric::CacheMisses
        | Metric::HitRate
        | Metric::MissRate
        | Metric::SavedCost
        | Metric::SavedTokens => Kinds { caches: true, ..none },
        Metric::Allowed | Metric::Denied | Metric::Violations | Metric::Utilization => Kinds { rates: true, ..none },
        _ => Kinds { requests: true, ..none },
    }
}

/// Whether a metric needs to know which requests failed, or had no price.
fn outcomes(metric: Metric) -> bool {
    match metric.info().source {
        Source::Events(what) | Source::PerSecond(what) => what == Counter::Errors,
        Source::Ratio { part, .. } => part == Counter::Errors,
        _ => measure(metric) == Some(Measure::Cost),
    }
}

/// The values a metric is made of, if it is made of values.
pub fn measure(metric: Metric) -> Option<Measure> {
    match metric.info().source {
        Source::Values(measure) | Source::PerRequest(measure) => Some(measure),
        Source::Spend(_) => Some(Measure::Cost),
        _ => None,
    }
}

/// An answer's numbers together with what they are.
#[derive(Clone, Copy, Debug)]
pub struct Numbers<'a> {
    /// What the plan asked for.
    pub needs: &'a Needs,
    /// What came back.
    pub aggregate: &'a Aggregate,
    /// Length of the window in milliseconds, for rates.
    pub millis: u64,
}

impl Numbers<'_> {
    /// The summary of `measure`, if the plan asked for it.
    pub fn stat(&self, measure: Measure) -> Option<&Stat> {
        let place = self.needs.measures.iter().position(|m| *m == measure)?;
        self.aggregate.stats.get(place)
    }

    /// A quantile of `measure` in its own unit, if the plan asked for it and there were values.
    pub fn quantile(&self, measure: Measure, ppm: u32) -> Option<u64> {
        let asked = self.needs.quantiles.as_ref().filter(|q| q.of == measure)?;
        let place = asked.ppm.iter().position(|p| *p == ppm)?;
        self.aggregate.quantiles.get(place).copied().flatten()
    }

    /// Whether this is what calls cost of which none has a price: that is no data.
    fn is_unpriced(&self, measure: Measure) -> bool {
        measure == Measure::Cost && self.aggregate.counts.are_unpriced()
    }

    fn counted(&self, what: Counter) -> u64 {
        counted(&self.aggregate.counts, what)
    }

    fn counted_all(&self, what: &[Counter]) -> u64 {
        what.iter().fold(0, |sum, c| sum.saturating_add(self.counted(*c)))
    }

    fn per_second(&self, amount: f64) -> Option<Number> {
        (self.millis > 0).then(|| Number::float(amount * 1000.0 / millis_f64(self.millis))).flatten()
    }
}

/// The metric's number over one window; `None` = no data. For a least or greatest over steps
/// (see [`super::Allowed::needs_step`]) use [`extreme`]; here it is that of a single step.
#[expect(clippy::cast_precision_loss, reason = "rates and ratios are floats")]
pub fn value(metric: Metric, aggregation: Aggregation, numbers: &Numbers<'_>) -> Option<Number> {
    match metric.info().source {
        Source::Values(measure) => of_values(measure, aggregation, numbers),
        Source::Spend(_) => of_values(Measure::Cost, Aggregation::Sum, numbers),
        Source::Violations => Some(Number::Whole(numbers.aggregate.counts.violations.into())),
        Source::Events(what) => match aggregation {
            Aggregation::Rate => numbers.per_second(numbers.counted(what) as f64),
            _ => Some(Number::Whole(numbers.counted(what).into())),
        },
        Source::PerSecond(what) => numbers.per_second(numbers.counted(what) as f64),
        Source::Ratio { .. } => {
            let (part, whole) = share(metric, numbers)?;
            match aggregation {
                Aggregation::Count => Some(Number::Whole(whole.into())),
                _ if whole == 0 => None,
                _ => Number::float(part as f64 / whole as f64),
            }
        }
        Source::PerRequest(measure) => {
            let requests = numbers.aggregate.counts.requests;
            let stat = numbers.stat(measure)?;
            let known = requests > 0 && !numbers.is_unpriced(measure);
            known.then(|| in_unit_float(measure, stat.sum as f64 / requests as f64)).flatten()
        }
    }
}

/// Whether count and sum of the values are all that an aggregation needs.
pub const fn sums_suffice(aggregation: Aggregation) -> bool {
    matches!(aggregation, Aggregation::Avg | Aggregation::Sum | Aggregation::Count | Aggregation::Rate)
}

/// How many of how many events make up a ratio; `None` for metrics that are none.
pub fn share(metric: Metric, numbers: &Numbers<'_>) -> Option<(u64, u64)> {
    let Source::Ratio { part, whole, inverse } = metric.info().source else { return None };
    let (part, whole) = (numbers.counted(part), numbers.counted_all(whole));
    Some((if inverse { whole.saturating_sub(part) } else { part }, whole))
}

/// The least or greatest of a count or ratio over steps; steps without data do not take part.
pub fn extreme<'a>(
    metric: Metric,
    aggregation: Aggregation,
    steps: impl IntoIterator<Item = Numbers<'a>>,
) -> Option<Number> {
    let values = steps.into_iter().filter_map(|numbers| value(metric, aggregation, &numbers));
    match aggregation {
        Aggregation::Min => values.min_by(|a, b| a.order(*b)),
        _ => values.max_by(|a, b| a.order(*b)),
    }
}

/// How many events or values the metric's number rests on.
pub fn count(metric: Metric, numbers: &Numbers<'_>) -> u64 {
    let counts = &numbers.aggregate.counts;
    match metric.info().source {
        Source::Values(measure) => numbers.stat(measure).map_or(0, |s| s.count),
        Source::Ratio { whole, .. } => numbers.counted_all(whole),
        Source::PerRequest(_) | Source::Spend(_) => counts.requests,
        Source::Events(what) | Source::PerSecond(what) => counted(counts, what),
        Source::Violations => counts.violations,
    }
}

#[expect(clippy::cast_precision_loss, reason = "rates are floats")]
fn of_values(measure: Measure, aggregation: Aggregation, numbers: &Numbers<'_>) -> Option<Number> {
    let stat = numbers.stat(measure)?;
    match aggregation {
        Aggregation::Sum | Aggregation::Rate if numbers.is_unpriced(measure) => None,
        Aggregation::Avg => in_unit_float(measure, stat.mean()?),
        Aggregation::Sum => in_unit(measure, stat.sum),
        Aggregation::Min => in_unit(measure, stat.min()?.into()),
        Aggregation::Max => in_unit(measure, stat.max()?.into()),
        Aggregation::Count => Some(Number::Whole(stat.count.into())),
        // Of amounts (tokens, dollars) a second; of durations so many values a second.
        Aggregation::Rate if unit(measure) == Unit::Time => numbers.per_second(stat.count as f64),
        Aggregation::Rate if unit(measure) == Unit::Money => numbers.per_second(stat.sum as f64 / 1e9),
        Aggregation::Rate => numbers.per_second(stat.sum as f64),
        Aggregation::Stddev => in_unit_float(measure, stat.stddev()?),
        Aggregation::Quantile(0) => in_unit(measure, stat.min()?.into()),
        Aggregation::Quantile(1_000_000) => in_unit(measure, stat.max()?.into()),
        Aggregation::Quantile(ppm) => in_unit(measure, numbers.quantile(measure, ppm)?.into()),
    }
}

/// A whole number of a measure in the unit that users see.
#[expect(clippy::cast_precision_loss, reason = "microseconds below 2^53 are exact; sums beyond lose less than 1e-15")]
pub fn in_unit(measure: Measure, raw: u128) -> Option<Number> {
    match unit(measure) {
        Unit::Money => Some(Number::Money(raw.into())),
        Unit::Time => Number::float(raw as f64 / 1e3),
        Unit::Ratio => Number::float(raw as f64 / 1e9),
        _ => i128::try_from(raw).ok().map(Number::Whole),
    }
}

/// A number of a metric's values in the whole units that events keep, rounded down; negative ones
/// are 0.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a float saturates when it is cast")]
pub fn raw(metric: Metric, number: Number) -> Option<u64> {
    if let Number::Money(Money(nanos)) = number {
        return Some(u64::try_from(nanos.max(0)).unwrap_or(u64::MAX));
    }
    let factor = match unit(measure(metric)?) {
        Unit::Money | Unit::Ratio => 1e9,
        Unit::Time => 1e3,
        _ => 1.0,
    };
    Some((number.to_f64() * factor) as u64)
}

/// A mean or deviation of a measure in the unit that users see.
pub fn in_unit_float(measure: Measure, raw: f64) -> Option<Number> {
    Number::float(match unit(measure) {
        Unit::Money | Unit::Ratio => raw / 1e9,
        Unit::Time => raw / 1e3,
        _ => raw,
    })
}

const fn unit(measure: Measure) -> Unit {
    match measure {
        Measure::Latency | Measure::Ttft => Unit::Time,
        Measure::Cost | Measure::SavedCost => Unit::Money,
        Measure::Utilization => Unit::Ratio,
        _ => Unit::Count,
    }
}

const fn counted(counts: &Counters, what: Counter) -> u64 {
    match what {
        Counter::Requests => counts.requests,
        Counter::Errors => counts.errors,
        Counter::Hits => counts.hits,
        Counter::Misses => counts.misses,
        Counter::Allowed => counts.allowed,
        Counter::Denied => counts.denied,
    }
}

#[expect(clippy::cast_precision_loss, reason = "windows are far shorter than 2^53 ms")]
fn millis_f64(ms: u64) -> f64 {
    ms as f64
}
