//! `topk` and `bottomk`: ranks groups once over the whole window and gathers the rest in one row. So does
//! every answer with more groups than anybody reads.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::Arc;

use ax_storage::query::plan::{Filter, GroupOrder, Keep, Plan};
use ax_storage::query::series::{Group, Series};

use super::board::{self, Board};
use super::usuals::Usuals;
use super::{RunShared, Value};
use crate::metric::{self, Aggregation, Needs, Numbers};
use crate::query::planner::{Node, Question, Selected};

/// The name of the row for all the rest.
pub(crate) use ax_storage::bucket::OTHER;

/// Groups that have a row of their own where nobody says how many: a row is a kilobyte on its way to the
/// screen, and the engine hands on up to a million.
pub const GROUPS_MAX: usize = 10_000;

pub(super) use board::is_other;

/// How many groups have a row of their own, and whether they are the least.
fn wanted(question: &Question) -> (usize, bool) {
    question.top.map_or((GROUPS_MAX, false), |top| (top.count as usize, top.bottom))
}

/// Whether groups beyond those are cut at all: a rule judges every group, and arithmetic may group its metrics by
/// different labels.
fn may_cut(question: &Question) -> bool {
    question.top.is_some() || question.only.is_some()
}

/// Lets the store itself leave the groups without a row of their own, where one plan tells which these are: the index
/// of that plan, and what it keeps.
pub(super) fn keep(question: &Question) -> Option<(usize, Keep)> {
    let [selected] = question.selects.as_slice() else { return None };
    let asked = question.asked.get(selected.asked)?;
    // The least and greatest of steps depend on how long each is, and the store hands no groups on without events.
    let plain = !selected.metric.info().allowed.needs_step(selected.aggregation) && question.known.is_empty();
    let grouped = question.asked.iter().filter(|asked| !asked.plan.group.is_empty()).count();
    if asked.plan.group.is_empty() || grouped > 1 || !plain || !may_cut(question) {
        return None;
    }
    let (groups, bottom) = wanted(question);
    let order = ByValue { selected: selected.clone(), needs: asked.needs.clone(), bottom };
    Some((selected.asked, Keep { groups, order: Arc::new(order) }))
}

/// Groups in the order of a metric's value.
#[derive(Debug)]
struct ByValue {
    selected: Selected,
    needs: Needs,
    bottom: bool,
}

impl ByValue {
    fn value(&self, group: &Group) -> Value {
        // Any length will do: rates have the order of what they are rates of.
        let numbers = Numbers { needs: &self.needs, aggregate: &group.total, millis: 1000 };
        Value::Number(metric::value(self.selected.metric, self.selected.aggregation, &numbers))
    }
}

impl GroupOrder for ByValue {
    fn order(&self, a: &Group, b: &Group) -> Ordering {
        ranking(self.bottom, (self.value(a), &a.labels), (self.value(b), &b.labels))
    }
}

/// Which of two groups comes first: what has no value comes last.
fn ranking(bottom: bool, (x, a): (Value, &[Box<str>]), (y, b): (Value, &[Box<str>])) -> Ordering {
    let unknown = x.number().is_none().cmp(&y.number().is_none());
    unknown.then(if bottom { x.order(y) } else { y.order(x) }).then_with(|| a.cmp(b))
}

/// Leaves the groups with a row of their own, and one group of all others, in every plan: how many
/// groups there were if nobody asked for that.
///
/// Percentiles do not add up, so those of the rest are asked for: of all events that no kept group
/// has.
pub(super) fn cut<E>(
    question: &Question,
    series: &mut [Arc<Series>],
    run: &mut RunShared<'_, E>,
) -> Result<Option<usize>, E> {
    let (count, bottom) = wanted(question);
    let of_store = series.iter().find(|s| s.rest.is_some());
    let groups = series.iter().map(|s| s.groups.len() + s.rest.as_ref().map_or(0, |rest| rest.groups)).max();
    let groups = groups.unwrap_or(0);
    if !may_cut(question) || (question.top.is_none() && groups <= count) {
        return Ok(None);
    }
    let kept = match of_store {
        Some(cut) => Some(cut.groups.iter().map(|group| group.labels.clone()).collect()),
        None => ranked(question, series, count, bottom),
    };
    let Some(kept) = kept else { return Ok(None) };
    let names: HashSet<&Vec<Box<str>>> = kept.iter().collect();
    let quantiles = matches!(question.selects.first().map(|s| s.aggregation), Some(Aggregation::Quantile(_)));
    let rest = if quantiles {
        let plans: Vec<Plan> = question.asked.iter().map(|asked| without(&asked.plan, &kept)).collect();
        run(&plans)?.into_iter().map(|s| s.groups.last().cloned()).collect()
    } else {
        Vec::new()
    };
    let mut rest = rest.into_iter().fuse();
    let labels = kept.first().map(|k| vec![Box::from(OTHER); k.len()]).unwrap_or_default();
    for s in series.iter_mut().map(Arc::make_mut) {
        let asked = rest.next().flatten();
        let (keep, others): (Vec<Group>, Vec<Group>) =
            std::mem::take(&mut s.groups).into_iter().partition(|g| names.contains(&g.labels));
        s.groups = keep;
        let other = match s.rest.take() {
            Some(rest) => Some(rest.group),
            None => (!others.is_empty()).then(|| sum(&others)),
        };
        if let Some(other) = other {
            s.groups.push(Group { labels: labels.clone(), ..asked.unwrap_or(other) });
        }
    }
    Ok(question.top.is_none().then_some(groups))
}

/// The labels of the groups that stay; `None` when all do.
fn ranked(question: &Question, series: &[Arc<Series>], count: usize, bottom: bool) -> Option<Vec<Vec<Box<str>>>> {
    let usuals = Usuals::default();
    let board = Board::new(question, series, &[], &usuals);
    let mut order: Vec<usize> = (0..board.keys.len()).filter(|k| !is_other(&board.keys[*k])).collect();
    if order.len() <= count {
        return None;
    }
    let values: Vec<Value> = (0..board.keys.len()).map(|key| board.value(&Node::Select(0), key, None)).collect();
    order.sort_by(|a, b| ranking(bottom, (values[*a], &board.keys[*a]), (values[*b], &board.keys[*b])));
    order.truncate(count);
    Some(order.into_iter().map(|key| board.keys[key].clone()).collect())
}

/// The plan for all events of no kept group, as one group.
fn without(plan: &Plan, kept: &[Vec<Box<str>>]) -> Plan {
    let any = match plan.group.as_slice() {
        [label] => Filter::In(*label, kept.concat()),
        labels => Filter::Among(labels.to_vec(), kept.to_vec()),
    };
    let filter = Filter::And(vec![plan.filter.clone(), Filter::Not(Box::new(any))]);
    Plan { filter, group: Vec::new(), ..plan.clone() }
}

/// One group of all these, without percentiles.
fn sum(groups: &[Group]) -> Group {
    let mut all = Group::default();
    groups.iter().for_each(|group| all.merge(group));
    all
}
