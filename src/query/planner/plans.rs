//! Plans of one query; metrics over the same events share one.

use ax_storage::bucket::Measure;
use ax_storage::query::plan::{Label, Plan, Step};
use ax_storage::time::{TimeRange, Zone};

use super::question::Asked;
use crate::metric::{self, Needs};
use crate::query::ast::{Filter, Select};

/// Quantiles that a summary shows.
pub(super) const SUMMARY_PPM: [u32; 3] = [500_000, 950_000, 990_000];

/// Plans so far, each with the filter it was made of.
#[derive(Debug, Default)]
pub(super) struct Plans(Vec<(Asked, Option<Filter>)>);

impl Plans {
    /// Asks for a metric: the index of the plan that has it.
    pub(super) fn add(
        &mut self,
        select: &Select,
        range: TimeRange,
        group: &[Label],
        step: Option<Step>,
        zone: &Zone,
    ) -> usize {
        let needs = Needs::of(select.metric.value, select.aggregation());
        let sums_only = metric::sums_suffice(select.aggregation());
        let fits = |(asked, filter): &(Asked, Option<Filter>)| {
            let plan = &asked.plan;
            (plan.range, plan.step, plan.group.as_slice()) == (range, step, group)
                && asked.needs.joins(&needs)
                && *filter == select.filter
        };
        if let Some(index) = self.0.iter().position(fits) {
            self.0[index].0.needs.join(&needs);
            self.0[index].0.plan.sums_only &= sums_only;
            return index;
        }
        let mut plan = Plan::new(range, zone.clone());
        plan.group = group.to_vec();
        plan.step = step;
        plan.sums_only = sums_only;
        if let Some(filter) = &select.filter {
            plan.filter = super::lower(filter);
        }
        self.0.push((Asked { plan, needs }, select.filter.clone()));
        self.0.len() - 1
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Asks the plan for least and greatest values too.
    pub(super) fn spread(&mut self, index: usize) {
        if let Some((asked, _)) = self.0.get_mut(index) {
            asked.plan.sums_only = false;
        }
    }

    /// Asks the plan for a summary of `measure` too, unless it has quantiles of another one.
    pub(super) fn summarise(&mut self, index: usize, measure: Measure) {
        let Some((asked, _)) = self.0.get_mut(index) else { return };
        if asked.needs.quantiles.as_ref().is_none_or(|q| q.of == measure) {
            SUMMARY_PPM.iter().for_each(|ppm| asked.needs.add_quantile(measure, *ppm));
        }
    }

    /// The plans, with what they need written into them.
    pub(super) fn finish(self) -> Vec<Asked> {
        let mut all: Vec<Asked> = self.0.into_iter().map(|(asked, _)| asked).collect();
        all.iter_mut().for_each(|asked| asked.needs.ask(&mut asked.plan));
        all
    }
}
