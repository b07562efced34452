//! Decides what can answer a plan: buckets, buckets by user, or only single events.
//!
//! Buckets of the tiers keep calls by provider, model, status and service tier, cache look-ups by
//! provider and model, limiter decisions by provider and kind of limit. Whatever else a filter or a
//! group asks of a kind of events that the plan counts needs single events, or, by user and for whole
//! days, `detail_1d`.

use super::filter::{Condition, Kind};
use super::names::LabelSet;
use super::plan::{Label, Plan};
use crate::bucket::Measure;

/// What answers a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// Buckets of the tiers, raw events at the edges.
    Tiers {
        /// Quantiles come from `dist_1h` and `dist_1d`.
        dist: bool,
        /// Failures are split by their kind.
        by_error: bool,
    },
    /// Whole days by user, single events for the rest.
    Detail,
    /// Only raw events.
    Raw {
        /// What needs them.
        why: String,
    },
}

/// Conditions for the kinds of events a plan counts; `None` = none of that kind.
#[derive(Debug)]
pub(crate) struct Conditions<'p>([Option<Condition<'p>>; 3]);

impl<'p> Conditions<'p> {
    pub(crate) fn new(plan: &'p Plan) -> Self {
        let wanted = [plan.kinds.requests, plan.kinds.caches, plan.kinds.rates];
        Self(std::array::from_fn(|i| {
            let condition = Condition::new(&plan.filter, Kind::ALL[i]);
            (wanted[i] && !condition.is_never()).then_some(condition)
        }))
    }

    pub(crate) fn get(&mut self, kind: Kind) -> Option<&mut Condition<'p>> {
        self.0[kind as usize].as_mut()
    }

    /// Whether events of the kind can count at all.
    pub(crate) fn wants(&self, kind: Kind) -> bool {
        self.0[kind as usize].is_some()
    }

    /// Labels of `kind` that the filter or the groups ask for.
    pub(crate) fn labels(&self, kind: Kind, plan: &Plan) -> LabelSet {
        let filter = self.0[kind as usize].as_ref().map_or(LabelSet::default(), Condition::labels);
        let group = LabelSet::of(&plan.group);
        filter.and(group.without(group.without(kind.labels())))
    }

    fn numbers(&self, kind: Kind) -> Vec<Measure> {
        self.0[kind as usize].as_ref().map_or(Vec::new(), Condition::numbers)
    }
}

/// What the tiers' cells of a kind are kept by.
const fn kept_by(kind: Kind) -> LabelSet {
    match kind {
        Kind::Request => LabelSet::of(&[Label::Provider, Label::Model, Label::Status, Label::ServiceTier]),
        Kind::Cache => LabelSet::of(&[Label::Provider, Label::Model]),
        Kind::Rate => LabelSet::of(&[Label::Provider, Label::Kind]),
    }
}

/// What answers `plan`.
pub(crate) fn route(plan: &Plan, conditions: &Conditions<'_>) -> Route {
    if plan.violations && conditions.wants(Kind::Rate) {
        return Route::Raw { why: "the number of violations".into() };
    }
    let (mut dist, mut by_error) = (false, false);
    let mut raw = None;
    for kind in Kind::ALL.into_iter().filter(|k| conditions.wants(*k)) {
        match tiers_answer(plan, conditions, kind) {
            Ok(Cells { dist: d, by_error: e }) => {
                dist |= d;
                by_error |= e;
            }
            Err(why) => raw = raw.or(Some(why)),
        }
    }
    let Some(why) = raw else { return Route::Tiers { dist, by_error } };
    match detail_answers(plan, conditions) {
        Ok(()) => Route::Detail,
        Err(other) => Route::Raw { why: other.unwrap_or(why) },
    }
}

/// Which parts of the tiers are needed.
struct Cells {
    dist: bool,
    by_error: bool,
}

fn tiers_answer(plan: &Plan, conditions: &Conditions<'_>, kind: Kind) -> Result<Cells, String> {
    if let Some(measure) = conditions.numbers(kind).first() {
        return Err(format!("a condition on {}", name(*measure)));
    }
    let labels = conditions.labels(kind, plan);
    let quantile = plan.quantiles.as_ref().map(|q| q.of).filter(|m| kind.measures(*m));
    let measured = quantile.is_some() || plan.measures.iter().any(|m| kind.measures(*m));
    let mut beyond = labels.without(kept_by(kind));
    // Cells count failures by kind, but know nothing else of them.
    let by_error = kind == Kind::Request && beyond.has(Label::Error) && !measured;
    if by_error {
        beyond = beyond.without(LabelSet::of(&[Label::Error]));
    }
    if let Some(label) = beyond.iter().next() {
        return Err(format!("{} of {}", label.name(), what(kind)));
    }
    let dist = match quantile {
        None | Some(Measure::Latency | Measure::Ttft) => false,
        Some(Measure::Tokens | Measure::Cost) if !labels.has(Label::ServiceTier) => true,
        Some(other) => return Err(format!("a percentile of {}", name(other))),
    };
    Ok(Cells { dist, by_error })
}

/// Whether days by user answer `plan`; else why not, when it is about users.
fn detail_answers(plan: &Plan, conditions: &Conditions<'_>) -> Result<(), Option<String>> {
    const KEPT_BY: LabelSet = LabelSet::of(&[Label::Provider, Label::Model, Label::User]);
    if conditions.wants(Kind::Cache) || conditions.wants(Kind::Rate) || !conditions.numbers(Kind::Request).is_empty() {
        return Err(None);
    }
    let labels = conditions.labels(Kind::Request, plan);
    if let Some(label) = labels.without(KEPT_BY).iter().next() {
        return Err(labels.has(Label::User).then(|| format!("{} by user", label.name())));
    }
    let by_model = labels.has(Label::Model);
    let quantile = plan.quantiles.as_ref().map(|q| q.of).filter(|m| Kind::Request.measures(*m));
    if let Some(other) = quantile.filter(|m| *m != Measure::Latency) {
        let by_user = labels.has(Label::User);
        return Err(by_user.then(|| format!("a percentile of {} by user", name(other))));
    }
    let measures = plan.measures.iter().copied().chain(quantile).filter(|m| Kind::Request.measures(*m));
    for measure in measures {
        match measure {
            Measure::Latency if by_model => return Err(Some("latency by user and model".into())),
            Measure::Latency => {}
            Measure::Ttft => return Err(Some("time to first token by user".into())),
            other if !plan.sums_only => return Err(Some(format!("the spread of {} by user", name(other)))),
            _ => {}
        }
    }
    Ok(())
}

const fn what(kind: Kind) -> &'static str {
    match kind {
        Kind::Request => "requests",
        Kind::Cache => "cache look-ups",
        Kind::Rate => "rate limit decisions",
    }
}

const fn name(measure: Measure) -> &'static str {
    match measure {
        Measure::Latency => "latency",
        Measure::Ttft => "ttft",
        Measure::Tokens => "tokens",
        Measure::InputTokens => "input tokens",
        Measure::OutputTokens => "output tokens",
        Measure::CachedTokens => "cached tokens",
        Measure::ReasoningTokens => "reasoning tokens",
        Measure::CacheWriteTokens => "cache write tokens",
        Measure::CacheWrite1hTokens => "one-hour cache write tokens",
        Measure::Cost => "cost",
        Measure::SavedCost => "saved cost",
        Measure::SavedTokens => "saved tokens",
        Measure::Utilization => "utilization",
    }
}
