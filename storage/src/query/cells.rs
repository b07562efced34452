//! The numbers of an answer while it is gathered: groups found on the way, each with all steps.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::QueryError;
use super::distribution::{Bounds, Distributions, Quantiles};
use super::kept::Kept;
use super::names::{LabelNames, Labels};
use super::plan::{ANSWER_BYTES_MAX, CELLS_MAX, Label, Plan};
use super::series::{Aggregate, Counters, Group, StepRange};
use crate::bucket::{Measure, Stat};
use crate::row::NameId;
use crate::time::Timestamp;

/// All cells of an answer, group by group, each with `steps` of them.
#[derive(Debug)]
pub(crate) struct Cells {
    group: Vec<Label>,
    /// Step edges; cells of the only step when there is none.
    edges: Vec<Timestamp>,
    /// Measures whose stats are kept; the one of the quantiles among them.
    pub(crate) measures: Vec<Measure>,
    quantile_at: Option<usize>,
    /// So many fit into [`ANSWER_BYTES_MAX`].
    cells_max: usize,
    /// Ids of the labels that tell groups apart, group by group.
    keys: Vec<NameId>,
    /// Group of a single label's id, plus one.
    by_id: Vec<u32>,
    /// Groups by the hash of their key.
    by_key: HashTable<u32>,
    hasher: RandomState,
    last: Option<(Labels, u32)>,
    counters: Vec<Counters>,
    stats: Vec<Stat>,
    pub(crate) distributions: Distributions,
}

/// Number of a cell: `group * steps + step`.
pub(crate) type CellId = u32;

impl Cells {
    /// No groups yet, but for the one that an ungrouped plan always has.
    pub(crate) fn new(
        group: &[Label],
        edges: Vec<Timestamp>,
        stepped: bool,
        measures: Vec<Measure>,
        quantile: Option<Measure>,
    ) -> Result<Self, QueryError> {
        let quantile_at = quantile.and_then(|m| measures.iter().position(|other| *other == m));
        // Counters and stats while gathering, and once more when handed on.
        let numbers = size_of::<Counters>() + measures.len() * size_of::<Stat>();
        let cells_max = ANSWER_BYTES_MAX / (2 * numbers + size_of::<Aggregate>());
        let mut cells = Self {
            group: group.to_vec(),
            edges,
            measures,
            quantile_at,
            cells_max,
            keys: Vec::new(),
            by_id: Vec::new(),
            by_key: HashTable::new(),
            hasher: RandomState::default(),
            last: None,
            counters: Vec::new(),
            stats: Vec::new(),
            distributions: Distributions::new(stepped),
        };
        if group.is_empty() {
            cells.new_group(&[])?;
        }
        Ok(cells)
    }

    /// See [`Distributions::count_totals_apart`].
    pub(crate) fn count_totals_apart(&mut self) {
        self.distributions.count_totals_apart(self.steps());
    }

    pub(crate) fn steps(&self) -> usize {
        self.edges.len() - 1
    }

    /// How many groups were found.
    pub(crate) fn groups(&self) -> usize {
        self.counters.len() / self.steps()
    }

    /// The step that `t` lies in; times outside the window belong to its first or last.
    /// `hint` is the answer for a time near by.
    #[inline]
    pub(crate) fn step(&self, t: Timestamp, hint: usize) -> usize {
        let within = |step: usize| self.edges[step] <= t && t < self.edges[step + 1];
        let last = self.steps() - 1;
        if last == 0 {
            return 0;
        }
        if hint <= last && within(hint) {
            return hint;
        }
        if hint < last && within(hint + 1) {
            return hint + 1;
        }
        self.edges.partition_point(|edge| *edge <= t).saturating_sub(1).min(last)
    }

    /// The group of `labels`, new or known.
    #[inline]
    pub(crate) fn group(&mut self, labels: &Labels) -> Result<u32, QueryError> {
        match *self.group {
            [] => Ok(0),
            [label] => {
                let id = labels[label as usize] as usize;
                match self.by_id.get(id) {
                    Some(&known) if known > 0 => Ok(known - 1),
                    _ => self.group_of_id(id),
                }
            }
            _ => {
                let mut key = Labels::default();
                key.iter_mut().zip(&self.group).for_each(|(id, label)| *id = labels[*label as usize]);
                if let Some((last, group)) = self.last
                    && last == key
                {
                    return Ok(group);
                }
                let group = self.group_of_key(&key)?;
                self.last = Some((key, group));
                Ok(group)
            }
        }
    }

    fn group_of_key(&mut self, key: &Labels) -> Result<u32, QueryError> {
        let width = self.group.len();
        let hash = self.hasher.hash_one(&key[..width]);
        if let Some(&group) = self.by_key.find(hash, |&group| self.key(group as usize) == &key[..width]) {
            return Ok(group);
        }
        let group = self.new_group(&key[..width])?;
        let Self { keys, by_key, hasher, .. } = self;
        by_key.insert_unique(hash, group, |&group| hasher.hash_one(&keys[group as usize * width..][..width]));
        Ok(group)
    }

    /// Ids of the labels of a group.
    fn key(&self, group: usize) -> &[NameId] {
        &self.keys[group * self.group.len()..][..self.group.len()]
    }

    #[cold]
    fn group_of_id(&mut self, id: usize) -> Result<u32, QueryError> {
        if self.by_id.len() <= id {
            self.by_id.resize(id + 1, 0);
        }
        let group = self.new_group(&[id as NameId])?;
        self.by_id[id] = group + 1;
        Ok(group)
    }

    fn new_group(&mut self, key: &[NameId]) -> Result<u32, QueryError> {
        let (groups, steps) = (self.groups() + 1, self.steps());
        if groups.saturating_mul(steps) > CELLS_MAX {
            return Err(QueryError::TooManyCells { groups, steps });
        }
        if groups * steps > self.cells_max {
            return Err(QueryError::AnswerTooLarge { groups, steps });
        }
        self.keys.extend(key);
        self.counters.resize(groups * steps, Counters::default());
        self.stats.resize(groups * steps * self.measures.len(), Stat::default());
        Ok((groups - 1) as u32)
    }

    /// The cell of a group and step.
    #[inline]
    pub(crate) fn cell(&self, group: u32, step: usize) -> CellId {
        // Bounded by CELLS_MAX.
        (group as usize * self.steps() + step) as CellId
    }

    /// The group that a cell belongs to.
    pub(crate) fn group_of(&self, cell: CellId) -> usize {
        cell as usize / self.steps()
    }

    /// By group: its place among all of them in the order of their names.
    pub(crate) fn group_ranks(&self, names: &LabelNames) -> Vec<u32> {
        let text = |group: u32| self.key(group as usize).iter().map(|id| names.get(*id));
        let mut order: Vec<u32> = (0..self.groups() as u32).collect();
        order.sort_by(|a, b| text(*a).cmp(text(*b)));
        let mut ranks = vec![0; order.len()];
        (0..).zip(order).for_each(|(rank, group)| ranks[group as usize] = rank);
        ranks
    }

    #[inline]
    pub(crate) fn counters(&mut self, cell: CellId) -> &mut Counters {
        &mut self.counters[cell as usize]
    }

    /// The stat of measure number `at` of `self.measures`.
    #[inline]
    pub(crate) fn stat(&mut self, cell: CellId, at: usize) -> &mut Stat {
        &mut self.stats[cell as usize * self.measures.len() + at]
    }

    /// Whether measure number `at` of `self.measures` is the one of the quantiles.
    pub(crate) fn is_quantile(&self, at: usize) -> bool {
        self.quantile_at == Some(at)
    }

    fn quantile_stat(&self, cell: usize) -> Stat {
        self.quantile_at.map_or(Stat::default(), |at| self.stats[cell * self.measures.len() + at])
    }

    fn merged<'a>(stats: impl Iterator<Item = &'a Stat>) -> Stat {
        stats.fold(Stat::default(), |mut sum, stat| {
            sum.merge(stat);
            sum
        })
    }

    /// The finished groups that the plan keeps, and everything together. `shown` measures come first in
    /// `self.measures`.
    pub(crate) fn finish<'p>(
        mut self,
        names: &LabelNames,
        steps: &[StepRange],
        shown: usize,
        plan: &'p Plan,
    ) -> Result<(Kept<'p>, Aggregate), QueryError> {
        let mut kept = Kept::new(plan.keep.as_ref(), self.groups());
        let ppm = plan.quantiles.as_ref().map_or(&[][..], |q| &q.ppm);
        let distributions = std::mem::replace(&mut self.distributions, Distributions::new(false));
        let mut quantiles = if self.quantile_at.is_some() {
            distributions.quantiles(ppm, &plan.above, plan.values, &self)?
        } else {
            Quantiles { all: vec![None; ppm.len()], ..Quantiles::default() }
        };
        let width = self.steps();
        let mut all = Aggregate { stats: vec![Stat::default(); shown], ..Aggregate::default() };
        for number in 0..self.groups() {
            let cells = number * width..(number + 1) * width;
            let own = quantiles.groups.get_mut(number).map(std::mem::take);
            let (total_quantiles, point_quantiles) = own.unwrap_or_else(|| (vec![None; ppm.len()], Vec::new()));
            let own_above = quantiles.above.get_mut(number).map(std::mem::take);
            let mut total = Aggregate {
                stats: vec![Stat::default(); shown],
                quantiles: total_quantiles,
                above: own_above.unwrap_or_else(|| vec![0; plan.above.len()]),
                ..Aggregate::default()
            };
            let mut points = Vec::with_capacity(steps.len());
            for cell in cells.clone() {
                total.counts.merge(&self.counters[cell]);
                let stats = &self.stats[cell * self.measures.len()..][..shown];
                for (sum, stat) in total.stats.iter_mut().zip(stats) {
                    sum.merge(stat);
                }
                if !steps.is_empty() {
                    points.push(Aggregate {
                        counts: self.counters[cell],
                        stats: stats.to_vec(),
                        ..Aggregate::default()
                    });
                }
            }
            for (point, own) in points.iter_mut().zip(point_quantiles) {
                point.quantiles = own;
            }
            if let Some(values) = quantiles.values.get_mut(number) {
                points.iter_mut().zip(std::mem::take(values)).for_each(|(point, values)| point.values = values);
            }
            all.counts.merge(&total.counts);
            for (sum, stat) in all.stats.iter_mut().zip(&total.stats) {
                sum.merge(stat);
            }
            let labels = self.key(number).iter().map(|id| names.get(*id).into()).collect();
            kept.push(Group { labels, total, points });
        }
        all.quantiles = quantiles.all;
        Ok((kept, all))
    }
}

impl Bounds for Cells {
    fn shape(&self) -> (usize, usize) {
        (self.groups(), self.steps())
    }

    fn cell_bounds(&self, group: usize, step: usize) -> (u64, u64) {
        let stat = self.quantile_stat(group * self.steps() + step);
        (stat.min, stat.max)
    }

    fn group_bounds(&self, group: usize) -> (u64, u64) {
        let cells = group * self.steps()..(group + 1) * self.steps();
        let stat = Self::merged(cells.map(|cell| self.quantile_stat(cell)).collect::<Vec<_>>().iter());
        (stat.min, stat.max)
    }

    fn all_bounds(&self) -> (u64, u64) {
        let stats: Vec<_> = (0..self.counters.len()).map(|cell| self.quantile_stat(cell)).collect();
        let stat = Self::merged(stats.iter());
        (stat.min, stat.max)
    }
}

impl Counters {
    /// Whether there are requests and none has a price: then what they cost is not known, and not nothing.
    pub const fn are_unpriced(&self) -> bool {
        self.requests > 0 && self.unpriced >= self.requests
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        self.errors += other.errors;
        self.unpriced += other.unpriced;
        self.hits += other.hits;
        self.misses += other.misses;
        self.allowed += other.allowed;
        self.denied += other.denied;
        self.violations += other.violations;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_too_large_is_refused_before_it_is_made() {
        let edges = (0..=1000).map(Timestamp::from_millis).collect();
        let mut cells = Cells::new(&[Label::Model], edges, true, Measure::ALL.to_vec(), None).unwrap();
        assert!(cells.cells_max < CELLS_MAX, "thirteen measures take more than a million cells may");
        cells.cells_max = 2500;
        let mut group = |id| {
            let mut labels = Labels::default();
            labels[Label::Model as usize] = id;
            cells.group(&labels)
        };
        assert_eq!((group(7).unwrap(), group(9).unwrap(), group(7).unwrap()), (0, 1, 0));
        assert!(matches!(group(8), Err(QueryError::AnswerTooLarge { groups: 3, steps: 1000 })));
    }
}
