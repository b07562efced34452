//! The answers of all plans of a question, laid out so that every metric finds its group and step.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use ax_storage::query::series::{Aggregate, Group, Series, StepRange};

use super::top;
use super::usuals::Usuals;
use crate::metric::{self, Needs, Number, Numbers};
use crate::query::ast::Range;
use crate::query::planner::{Node, Question, Selected, Versus};

/// Series beside the question they answer.
pub(super) struct Board<'a> {
    /// What is asked.
    pub(super) question: &'a Question,
    series: &'a [Arc<Series>],
    /// The groups of all metrics: a row each. One empty key without groups.
    pub(super) keys: Vec<Vec<Box<str>>>,
    /// The steps of the first metric that has any.
    pub(super) axis: &'a [StepRange],
    /// By metric: where it has each key's group.
    places: Vec<Vec<Option<usize>>>,
    /// By metric: where it has each step of the axis.
    steps: Vec<Vec<Option<usize>>>,
    /// By plan: numbers of no events.
    nothing: Vec<Aggregate>,
    /// The metrics whose events an answer rests on: not those of the past.
    current: BTreeSet<usize>,
    /// What values were counted above, ascending.
    pub(super) bounds: &'a [u64],
    /// Pasts that were looked at before.
    pub(super) usuals: &'a Usuals,
}

impl<'a> Board<'a> {
    pub(super) fn new(
        question: &'a Question,
        series: &'a [Arc<Series>],
        bounds: &'a [u64],
        usuals: &'a Usuals,
    ) -> Self {
        let mut current = BTreeSet::new();
        rests_on(&question.root, &mut current);
        let own = |s: &Selected| series.get(s.asked).map_or(&[][..], |s| s.steps.as_slice());
        let axis = if question.step.is_some() {
            question.selects.iter().enumerate().find(|(i, s)| current.contains(i) && !own(s).is_empty())
        } else {
            None
        };
        let (axis, offset_ms) = axis.map_or((&[][..], 0), |(_, s)| (own(s), s.offset_ms));
        let keys = keys(question, series);
        let index: HashMap<&[Box<str>], usize> = keys.iter().enumerate().map(|(i, k)| (k.as_slice(), i)).collect();
        let places = question.selects.iter().map(|s| places(s, question, series, &index)).collect();
        drop(index);
        let steps = question.selects.iter().map(|s| aligned(axis, own(s), offset_ms, s.offset_ms)).collect();
        let nothing = question.asked.iter().map(|asked| empty(&asked.needs)).collect();
        Self { question, series, keys, axis, places, steps, nothing, current, bounds, usuals }
    }

    /// How many steps a metric has itself.
    pub(super) fn own_steps(&self, select: usize) -> usize {
        self.parts(select).map_or(0, |(_, _, series)| series.steps.len())
    }

    /// The steps of a metric.
    pub(super) fn steps_of(&self, select: usize) -> &'a [StepRange] {
        self.parts(select).map_or(&[], |(_, _, series)| series.steps.as_slice())
    }

    fn parts(&self, select: usize) -> Option<(&'a Selected, &'a Needs, &'a Series)> {
        let selected = self.question.selects.get(select)?;
        Some((selected, &self.question.asked.get(selected.asked)?.needs, self.series.get(selected.asked)?))
    }

    fn group(&self, select: usize, key: usize) -> Option<&'a Group> {
        let (series, group) = self.origin(select, key)?;
        series.groups.get(group?)
    }

    /// The series that a metric's numbers come from, and the place of a group in it.
    pub(super) fn origin(&self, select: usize, key: usize) -> Option<(&'a Arc<Series>, Option<usize>)> {
        let selected = self.question.selects.get(select)?;
        let grouped = !self.question.asked.get(selected.asked)?.plan.group.is_empty();
        let group = if grouped { *self.places.get(select)?.get(key)? } else { Some(0) };
        Some((self.series.get(selected.asked)?, group))
    }

    /// The numbers of a metric for a group: of one of its own steps, or of its window.
    pub(super) fn numbers(&self, select: usize, key: usize, own_step: Option<usize>) -> Option<Numbers<'_>> {
        let (selected, needs, series) = self.parts(select)?;
        let group = self.group(select, key);
        let (aggregate, millis) = match own_step {
            Some(i) => (group.and_then(|g| g.points.get(i)), series.steps.get(i)?.range.millis()),
            None => {
                let range = series.range.unwrap_or(self.question.asked.get(selected.asked)?.plan.range);
                (group.map(|g| &g.total), range.millis())
            }
        };
        Some(Numbers { needs, aggregate: aggregate.or(self.nothing.get(selected.asked))?, millis })
    }

    /// The value of a metric for a group: in one of its own steps, or over its window.
    pub(super) fn select_at(&self, select: usize, key: usize, own_step: Option<usize>) -> Option<Number> {
        let (selected, _, _) = self.parts(select)?;
        let Selected { metric, aggregation, .. } = *selected;
        if own_step.is_none() && metric.info().allowed.needs_step(aggregation) {
            let steps = 0..self.own_steps(select);
            return metric::extreme(metric, aggregation, steps.filter_map(|i| self.numbers(select, key, Some(i))));
        }
        metric::value(metric, aggregation, &self.numbers(select, key, own_step)?)
    }

    /// The value of a metric for a group at a step of the axis; metrics without steps have the same
    /// value at each.
    pub(super) fn select(&self, select: usize, key: usize, step: Option<usize>) -> Option<Number> {
        match step {
            Some(step) if self.own_steps(select) > 0 => {
                self.select_at(select, key, Some((*self.steps.get(select)?.get(step)?)?))
            }
            _ => self.select_at(select, key, None),
        }
    }

    /// The metric whose window is that of the question.
    pub(super) fn main(&self) -> Option<&'a Selected> {
        let of = |i: &usize| self.question.selects.get(*i);
        let range = |s: &&Selected| self.question.asked.get(s.asked).map(|a| a.plan.range);
        let all = || self.current.iter().filter_map(of);
        all().find(|s| range(s) == Some(self.question.range)).or_else(|| all().next())
    }

    /// The step that `vs` compares a step of the axis with: of the calendar that at the same place in
    /// its period, else that just as long before; and only one of the same width.
    pub(super) fn before(&self, versus: Versus, step: usize) -> Option<usize> {
        let (now, steps) = (self.axis.get(step)?.range, self.steps_of(versus.select));
        let by_place = matches!(self.question.only.as_ref()?.range.map(|r| r.value), Some(Range::Calendar(_)))
            || self.question.only.as_ref()?.metric.value.has_own_range();
        let own = if by_place {
            step
        } else {
            let shift_ms = self.question.range.start.since(versus.range.start);
            steps.binary_search_by_key(&now.start.minus_ms(shift_ms), |s| s.range.start).ok()?
        };
        steps.get(own).filter(|s| s.range.millis() == now.millis()).map(|_| own)
    }

    /// Whether there are events of the kinds that the metrics count.
    pub(super) fn seen(&self) -> bool {
        self.current.iter().filter_map(|select| self.parts(*select)).any(|(_, needs, series)| {
            let (c, kinds) = (&series.all.counts, needs.kinds);
            let of = |wanted: bool, n: u64| wanted && n > 0;
            of(kinds.requests, c.requests)
                || of(kinds.caches, c.hits + c.misses)
                || of(kinds.rates, c.allowed + c.denied)
        })
    }

    /// Events that the value of a row rests on.
    pub(super) fn count(&self, key: usize, step: Option<usize>) -> u64 {
        // What is the same for all rows says nothing of one.
        let own = |select: &&usize| {
            let grouped = self.question.selects.get(**select).is_some_and(|s| !s.labels.is_empty());
            grouped || self.question.group.is_none()
        };
        self.current.iter().filter(own).map(|select| self.events(*select, key, step)).max().unwrap_or(0)
    }

    /// Events behind a metric at a step of the axis, or in its window.
    pub(super) fn events(&self, select: usize, key: usize, step: Option<usize>) -> u64 {
        let own = match step {
            Some(step) if self.own_steps(select) > 0 => match self.steps.get(select).and_then(|s| *s.get(step)?) {
                Some(own) => Some(own),
                None => return 0,
            },
            _ => None,
        };
        let metric = self.question.selects.get(select).map(|s| s.metric);
        metric.zip(self.numbers(select, key, own)).map_or(0, |(metric, numbers)| metric::count(metric, &numbers))
    }
}

/// The groups of all metrics in the question's order of labels, each once.
fn keys(question: &Question, series: &[Arc<Series>]) -> Vec<Vec<Box<str>>> {
    if question.group.is_none() {
        return vec![Vec::new()];
    }
    let mut all = BTreeSet::new();
    for selected in question.selects.iter().filter(|s| !s.labels.is_empty()) {
        let groups = series.get(selected.asked).map_or(&[][..], |s| s.groups.as_slice());
        all.extend(groups.iter().map(|g| key(selected, g)));
    }
    let width = question.group.as_ref().map_or(0, Vec::len);
    all.extend(question.known.iter().filter(|labels| labels.len() == width).cloned());
    all.into_iter().collect()
}

fn key(selected: &Selected, group: &Group) -> Vec<Box<str>> {
    selected.labels.iter().filter_map(|place| group.labels.get(*place).cloned()).collect()
}

fn places(
    selected: &Selected,
    question: &Question,
    series: &[Arc<Series>],
    index: &HashMap<&[Box<str>], usize>,
) -> Vec<Option<usize>> {
    let keys = if question.group.is_some() { index.len() } else { 1 };
    let mut places = vec![None; keys];
    let groups = series.get(selected.asked).map_or(&[][..], |s| s.groups.as_slice());
    for (i, group) in groups.iter().enumerate() {
        if let Some(place) = index.get(key(selected, group).as_slice()).and_then(|k| places.get_mut(*k)) {
            *place = Some(i);
        }
    }
    places
}

/// Where `own` has each step of `axis`: both lie so far back.
fn aligned(axis: &[StepRange], own: &[StepRange], axis_ms: u64, own_ms: u64) -> Vec<Option<usize>> {
    let find = |step: &StepRange| {
        let start = step.range.start.plus_ms(axis_ms).minus_ms(own_ms);
        own.binary_search_by_key(&start, |s| s.range.start).ok()
    };
    axis.iter().map(find).collect()
}

/// The numbers of no events.
pub(super) fn empty(needs: &Needs) -> Aggregate {
    Aggregate {
        stats: vec![ax_storage::bucket::Stat::default(); needs.measures.len()],
        quantiles: vec![None; needs.quantiles.as_ref().map_or(0, |q| q.ppm.len())],
        ..Aggregate::default()
    }
}

fn rests_on(node: &Node, all: &mut BTreeSet<usize>) {
    match node {
        Node::Literal(_) | Node::Outside(_) | Node::Usual(_) => {}
        Node::Select(i) | Node::Trend(i) | Node::Anomaly { points: i, .. } => {
            all.insert(*i);
        }
        Node::Neg(inner) | Node::Not(inner) => rests_on(inner, all),
        Node::Arith { left, right, .. } => {
            rests_on(left, all);
            rests_on(right, all);
        }
        Node::Cmp(comparison) => {
            rests_on(&comparison.left, all);
            rests_on(&comparison.right, all);
        }
        Node::Judged(list) => all.extend(list.iter().map(|j| j.now)),
        Node::Bool(_, list) => list.iter().for_each(|n| rests_on(n, all)),
    }
}

/// Whether the key stands for groups without a row of their own.
pub(super) fn is_other(key: &[Box<str>]) -> bool {
    !key.is_empty() && key.iter().all(|v| **v == *top::OTHER)
}
