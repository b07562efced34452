//! `topk` and `bottomk`: ranks groups once over the whole window and gathers the rest in one row. So does
//! every answer with more groups than anybody reads.

use std::collections::HashSet;
use std::sync::Arc;

use ax_storage::query::plan::{Filter, Plan};
use ax_storage::query::series::{Aggregate, Group, Series};

use super::board::{self, Board};
use super::usuals::Usuals;
use super::{RunShared, Value};
use crate::metric::Aggregation;
use crate::query::planner::{Node, Question};

/// The name of the row for all the rest.
pub(super) const OTHER: &str = "(other)";

/// Groups that have a row of their own where nobody says how many: a row is a kilobyte on its way to the
/// screen, and the engine hands on up to a million.
pub const GROUPS_MAX: usize = 10_000;

pub(super) use board::is_other;

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
    let (count, bottom) = question.top.map_or((GROUPS_MAX, false), |top| (top.count as usize, top.bottom));
    let groups = series.iter().map(|s| s.groups.len()).max().unwrap_or(0);
    // Arithmetic may group its metrics by different labels, and a rule judges every group.
    if question.top.is_none() && (groups <= count || question.only.is_none()) {
        return Ok(None);
    }
    let Some(kept) = ranked(question, series, count, bottom) else { return Ok(None) };
    let names: HashSet<&Vec<Box<str>>> = kept.iter().collect();
    let quantiles = matches!(question.selects.first().map(|s| s.aggregation), Some(Aggregation::Quantile(_)));
    let rest = if quantiles {
        let plans: Vec<Plan> = question.asked.iter().map(|asked| without(&asked.plan, &kept)).collect();
        run(&plans)?.into_iter().map(|s| s.groups.last().cloned()).collect()
    } else {
        Vec::new()
    };
    let mut rest = rest.into_iter().fuse();
    for s in series.iter_mut().map(Arc::make_mut) {
        let asked = rest.next().flatten();
        let (keep, others): (Vec<Group>, Vec<Group>) =
            std::mem::take(&mut s.groups).into_iter().partition(|g| names.contains(&g.labels));
        let labels = kept.first().map(|k| vec![Box::from(OTHER); k.len()]).unwrap_or_default();
        s.groups = keep;
        if !others.is_empty() {
            s.groups.push(Group { labels, ..asked.unwrap_or_else(|| sum(&others)) });
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
    order.sort_by(|a, b| {
        let (x, y) = (values[*a], values[*b]);
        let unknown = x.number().is_none().cmp(&y.number().is_none());
        unknown.then(if bottom { x.order(y) } else { y.order(x) }).then_with(|| board.keys[*a].cmp(&board.keys[*b]))
    });
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
    for group in groups {
        merge(&mut all.total, &group.total);
        all.points.resize_with(group.points.len().max(all.points.len()), Aggregate::default);
        all.points.iter_mut().zip(&group.points).for_each(|(sum, more)| merge(sum, more));
    }
    all
}

fn merge(sum: &mut Aggregate, more: &Aggregate) {
    sum.counts.merge(&more.counts);
    sum.stats.resize_with(more.stats.len().max(sum.stats.len()), Default::default);
    sum.stats.iter_mut().zip(&more.stats).for_each(|(a, b)| a.merge(b));
    // Of one group they stand for it; of several they are no one's.
    sum.quantiles.resize(more.quantiles.len(), None);
}
