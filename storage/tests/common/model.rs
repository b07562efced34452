//! What an answer must be, counted event by event.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::OnceLock;

use proptest::prelude::*;

use super::random::{Event, EventBody};
use ax_storage::bucket::{Measure, Stat};
use ax_storage::event::CostSource;
use ax_storage::query::plan::{Compare, Filter, Label, Plan, Quantiles, Reach, Step};
use ax_storage::query::series::{Aggregate, Counters, Series};
use ax_storage::query::{EventsSummary, QueryError};
use ax_storage::row::{Names, RateRow, Row};
use ax_storage::time::TimeRange;

struct Expected<'a> {
    events: &'a [Event],
    plan: &'a Plan,
    /// Something may be gone.
    limited: bool,
}

fn label(e: &Event, label: Label) -> &'static str {
    match (label, &e.body) {
        (Label::Provider, _) => e.provider,
        (Label::Model, _) => e.model,
        (Label::User, _) => e.user,
        (Label::Status, EventBody::Request { ok: true, .. }) => "ok",
        (Label::Status, EventBody::Request { .. }) => "error",
        (Label::Error, EventBody::Request { error, .. }) => error,
        (Label::ServiceTier, EventBody::Request { service_tier, .. }) => service_tier,
        (Label::Key, EventBody::Cache { key, .. } | EventBody::Rate { key, .. }) => key,
        (Label::Kind, EventBody::Rate { kind, .. }) => kind,
        _ => "",
    }
}

fn number(e: &Event, measure: Measure) -> Option<u64> {
    match &e.body {
        EventBody::Request { latency, ttft, tokens, cost, source, .. } => match measure {
            Measure::Latency => latency.get(),
            Measure::Ttft => ttft.get(),
            Measure::Tokens => Some(tokens.input + tokens.output),
            Measure::InputTokens => Some(tokens.input),
            Measure::OutputTokens => Some(tokens.output),
            Measure::CachedTokens => Some(tokens.cached),
            Measure::ReasoningTokens => Some(tokens.reasoning),
            Measure::CacheWriteTokens => Some(tokens.cache_write),
            Measure::CacheWrite1hTokens => Some(tokens.cache_write_1h),
            Measure::Cost => (*source != CostSource::Unpriced).then_some(*cost),
            _ => None,
        },
        EventBody::Cache { saved_cost, saved_tokens, .. } => match measure {
            Measure::SavedCost => saved_cost.get(),
            Measure::SavedTokens => saved_tokens.get(),
            _ => None,
        },
        EventBody::Rate { remaining, limit, .. } => {
            let row = RateRow { allowed: true, key: 0, limit_type: 0, remaining: *remaining, limit: *limit };
            if measure == Measure::Utilization { row.utilization() } else { None }
        }
    }
}

fn matches(e: &Event, filter: &Filter) -> bool {
    match filter {
        Filter::All => true,
        Filter::And(list) => list.iter().all(|f| matches(e, f)),
        Filter::Or(list) => list.iter().any(|f| matches(e, f)),
        Filter::Not(inner) => !matches(e, inner),
        Filter::In(l, list) => list.iter().any(|n| **n == *label(e, *l)),
        Filter::Among(labels, list) => {
            list.iter().any(|names| labels.iter().zip(names).all(|(l, name)| **name == *label(e, *l)))
        }
        Filter::Test(l, test) => test.test(label(e, *l)),
        Filter::Number(measure, compare, with) => number(e, *measure).is_some_and(|v| match compare {
            Compare::Equal => v == *with,
            Compare::NotEqual => v != *with,
            Compare::Less => v < *with,
            Compare::LessOrEqual => v <= *with,
            Compare::Greater => v > *with,
            Compare::GreaterOrEqual => v >= *with,
        }),
    }
}

/// One HDR histogram of three digits, for where its buckets lie.
fn oracle() -> &'static hdrhistogram::Histogram<u64> {
    static ORACLE: OnceLock<hdrhistogram::Histogram<u64>> = OnceLock::new();
    ORACLE.get_or_init(|| hdrhistogram::Histogram::new_with_bounds(1, u64::MAX, 3).unwrap())
}

impl Expected<'_> {
    fn counted(&self) -> impl Iterator<Item = &Event> {
        self.events.iter().filter(|e| {
            let kind = match e.body {
                EventBody::Request { .. } => self.plan.kinds.requests,
                EventBody::Cache { .. } => self.plan.kinds.caches,
                EventBody::Rate { .. } => self.plan.kinds.rates,
            };
            kind && matches(e, &self.plan.filter)
        })
    }

    fn group(&self, e: &Event) -> Vec<&'static str> {
        self.plan.group.iter().map(|l| label(e, *l)).collect()
    }

    /// Denied events that begin a burst, by their place in the list.
    fn violations(&self, window: TimeRange) -> Vec<*const Event> {
        let mut by_key: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for e in self.counted().filter(|e| window.contains(e.ts)) {
            if let EventBody::Rate { allowed, key, .. } = e.body {
                let decision = (e.ts, !allowed, self.group(e), std::ptr::from_ref(e));
                by_key.entry(key).or_default().push(decision);
            }
        }
        let mut first = Vec::new();
        for mut list in by_key.into_values() {
            list.sort();
            let mut before = false;
            for (_, denied, _, e) in list {
                if denied && !before {
                    first.push(e);
                }
                before = denied;
            }
        }
        first
    }

    fn aggregate(&self, events: &[&Event], violations: &[*const Event]) -> Aggregate {
        let mut counts = Counters::default();
        let split = self.splits_by_error();
        for e in events {
            match &e.body {
                EventBody::Request { ok, source, .. } => {
                    counts.requests += 1;
                    counts.errors += u64::from(!ok);
                    counts.unpriced += u64::from(*source == CostSource::Unpriced && !split);
                }
                EventBody::Cache { hit: true, .. } => counts.hits += 1,
                EventBody::Cache { .. } => counts.misses += 1,
                EventBody::Rate { allowed: true, .. } => counts.allowed += 1,
                EventBody::Rate { .. } => counts.denied += 1,
            }
        }
        if self.plan.violations {
            counts.violations = events.iter().filter(|e| violations.contains(&std::ptr::from_ref(**e))).count() as u64;
        }
        let stat = |measure: Measure| {
            let mut stat = Stat::default();
            events.iter().filter_map(|e| number(e, measure)).for_each(|v| stat.add(v));
            stat
        };
        let stats = self.plan.measures.iter().map(|m| stat(*m)).collect();
        let quantiles = self.plan.quantiles.as_ref().map_or(Vec::new(), |q| {
            let mut values: Vec<_> = events.iter().filter_map(|e| number(e, q.of)).collect();
            values.sort_unstable();
            q.ppm.iter().map(|ppm| quantile(&values, *ppm)).collect()
        });
        Aggregate { counts, stats, quantiles, ..Aggregate::default() }
    }

    /// Values of a group above each bound of the plan, those in the bound's own bucket left out.
    fn above(&self, events: &[&Event]) -> Vec<u64> {
        let of = |q: &Quantiles| {
            let values = events.iter().filter_map(|e| number(e, q.of));
            values.map(|v| oracle().lowest_equivalent(v)).collect::<Vec<_>>()
        };
        let values = self.plan.quantiles.as_ref().map_or(Vec::new(), of);
        let count = |bound: &u64| values.iter().filter(|v| **v > oracle().lowest_equivalent(*bound)).count() as u64;
        self.plan.above.iter().map(count).collect()
    }

    /// Unpriced calls are not told apart by kind of error.
    fn splits_by_error(&self) -> bool {
        fn asks(filter: &Filter) -> bool {
            match filter {
                Filter::All | Filter::Number(..) => false,
                Filter::And(list) | Filter::Or(list) => list.iter().any(asks),
                Filter::Not(inner) => asks(inner),
                Filter::In(label, _) | Filter::Test(label, _) => *label == Label::Error,
                Filter::Among(labels, _) => labels.contains(&Label::Error),
            }
        }
        asks(&self.plan.filter) || self.plan.group.contains(&Label::Error)
    }

    fn same(&self, what: &str, got: &Aggregate, expected: &Aggregate) -> Result<(), TestCaseError> {
        let mut got = got.clone();
        let mut expected = expected.clone();
        if self.splits_by_error() {
            (got.counts.unpriced, expected.counts.unpriced) = (0, 0);
        }
        if !self.plan.outcomes {
            for counts in [&mut got.counts, &mut expected.counts] {
                (counts.errors, counts.unpriced) = (0, 0);
            }
        }
        if self.plan.sums_only {
            let sums = |stat: &mut Stat| *stat = Stat { count: stat.count, sum: stat.sum, ..Stat::default() };
            got.stats.iter_mut().for_each(sums);
            expected.stats.iter_mut().for_each(sums);
        }
        prop_assert_eq!(got, expected, "{}", what);
        Ok(())
    }
}

fn quantile(values: &[u64], ppm: u32) -> Option<u64> {
    let n = values.len() as u128;
    let rank = (n * u128::from(ppm)).div_ceil(1_000_000).clamp(1, n.max(1)) as usize;
    let value = values.get(rank - 1)?;
    Some(oracle().median_equivalent(*value).clamp(values[0], values[values.len() - 1]))
}

/// What became of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Every number was compared.
    Compared,
    /// The limits of the store or of the plan leave it without an answer, or with a part of one.
    Skipped,
}

/// Compares an answer of a store that holds `events`, of which `limited` says that some may be gone.
pub(crate) fn check_answer(
    events: &[Event],
    plan: &Plan,
    limited: bool,
    answer: Result<Series, QueryError>,
) -> Result<Outcome, TestCaseError> {
    let limited = limited || plan.reach != Reach::default();
    match answer {
        Ok(series) => check(&Expected { events, plan, limited }, &series),
        Err(QueryError::NeedsRaw { .. } | QueryError::StepTooFine { .. }) => {
            prop_assert!(limited, "raw reaches everything, yet it was refused");
            Ok(Outcome::Skipped)
        }
        Err(QueryError::TooManySteps { .. }) => Ok(Outcome::Skipped),
        Err(error) => Err(TestCaseError::fail(format!("{error}"))),
    }
}

/// Hands listed events on.
pub(crate) type List<'a> =
    dyn FnMut(&mut dyn FnMut(&Names, &Row) -> ControlFlow<()>) -> Result<EventsSummary, QueryError> + 'a;

/// Compares a listing of the `newest` events of `plan` with those among `events` that match.
pub(crate) fn check_listing<'e>(
    events: impl Iterator<Item = &'e Event>,
    plan: &Plan,
    newest: usize,
    list: &mut List<'_>,
) -> Result<(), TestCaseError> {
    let matching = events.filter(|e| plan.range.contains(e.ts) && matches(e, &plan.filter));
    let mut expected: Vec<_> = matching.map(|e| (e.ts, e.provider, e.user)).collect();
    expected.sort_by_key(|e| e.0);
    let mut got = Vec::new();
    let summary = list(&mut |names, row| {
        got.push((row.ts, names.get(row.provider).to_owned(), names.get(row.user).to_owned()));
        ControlFlow::Continue(())
    })
    .map_err(|e| TestCaseError::fail(e.to_string()))?;
    prop_assert_eq!(summary.missing, Vec::<String>::new());
    prop_assert_eq!(summary.matched, expected.len() as u64);
    prop_assert!(got.is_sorted_by_key(|e| e.0));
    let shown = &expected[expected.len().saturating_sub(newest)..];
    prop_assert_eq!(got.iter().map(|e| e.0).collect::<Vec<_>>(), shown.iter().map(|e| e.0).collect::<Vec<_>>());
    if newest == usize::MAX {
        let mut got: Vec<_> = got.iter().map(|(t, p, u)| (*t, &**p, &**u)).collect();
        got.sort_unstable();
        expected.sort_unstable();
        prop_assert_eq!(got, expected);
    }
    Ok(())
}

/// Compares a whole answer.
fn check(expected: &Expected<'_>, series: &Series) -> Result<Outcome, TestCaseError> {
    let plan = expected.plan;
    let window = series.range.unwrap();
    if plan.range != TimeRange::ALL && !expected.limited {
        prop_assert_eq!(window, plan.range, "raw reaches everything");
    }
    if !expected.limited {
        prop_assert_eq!(&series.missing, &Vec::<String>::new());
    }
    if !series.missing.is_empty() {
        return Ok(Outcome::Skipped);
    }
    let within: Vec<_> = expected.counted().filter(|e| window.contains(e.ts)).collect();
    let violations = if plan.violations { expected.violations(window) } else { Vec::new() };
    let mut groups: BTreeMap<Vec<&str>, Vec<&Event>> = BTreeMap::new();
    if plan.group.is_empty() {
        groups.insert(Vec::new(), Vec::new());
    }
    for e in &within {
        groups.entry(expected.group(e)).or_default().push(e);
    }
    expected.same("all", &series.all, &expected.aggregate(&within, &violations))?;
    prop_assert_eq!(series.groups.len(), groups.len());
    for group in &series.groups {
        let labels: Vec<&str> = group.labels.iter().map(|l| &**l).collect();
        let events = groups.get(&labels);
        prop_assert!(events.is_some(), "no event has {:?}", labels);
        let events = events.map_or(&[][..], Vec::as_slice);
        let total = Aggregate { above: expected.above(events), ..expected.aggregate(events, &violations) };
        expected.same("total", &group.total, &total)?;
        prop_assert_eq!(group.points.len(), series.steps.len());
        for (step, point) in series.steps.iter().zip(&group.points) {
            let part: Vec<_> = events.iter().copied().filter(|e| step.range.contains(e.ts)).collect();
            expected.same("point", point, &expected.aggregate(&part, &violations))?;
        }
    }
    if plan.step.is_some() {
        let mut t = window.start;
        for step in &series.steps {
            prop_assert_eq!(step.range.start, t, "steps tile the window");
            t = step.range.end;
        }
        prop_assert_eq!(t, window.end);
        if let (Some(Step::Millis(ms)), false) = (plan.step, series.steps.is_empty()) {
            prop_assert!(series.steps.iter().all(|s| s.range.millis() <= ms));
        }
    }
    Ok(Outcome::Compared)
}
