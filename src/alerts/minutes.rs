//! History minute by minute in memory, which answers plans as the store would.
//!
//! A replay asks the same plans for ten thousand minutes, each a minute later than the last. So what they
//! are about is read once, by the minute, and windows are made of it: counts and sums by differences of
//! running totals, least and greatest values by blocks, distributions by one that slides along.

mod slide;

use std::collections::HashMap;
use std::sync::Arc;

use ax_storage::bucket::Stat;
use ax_storage::query::plan::{Plan, Step};
use ax_storage::query::series::{Aggregate, Counters, Group, Series, StepRange};
use ax_storage::query::{QueryError, steps_of};
use ax_storage::time::{DAY_MS, MINUTE_MS, TimeRange, Timestamp};

use slide::Slide;

/// History is read in pieces of so many minutes: a plan may have that many steps.
const PIECE_MS: u64 = DAY_MS;
/// Minutes with events that are added up as one.
const BLOCK: usize = 64;

/// Lengths of windows whose distribution is kept, half a megabyte each.
const SLIDES_MAX: usize = 16;
/// Steps whose quantiles are kept.
const REMEMBERED_MAX: usize = 200_000;

/// Answers a plan.
pub(super) type Ask<'s> = dyn Fn(&Plan) -> Result<Series, QueryError> + 's;

/// Answers that are kept by shape: a rule looks at few lengths of the past.
const ANSWERS_MAX: usize = 4;

/// The history of everything that a rule asks about.
pub(super) struct Minutes<'s> {
    ask: &'s Ask<'s>,
    shapes: Vec<Shape>,
    /// Events before this could not be had by the minute.
    pub(super) from: Timestamp,
}

/// What several plans have in common: everything but their time.
struct Shape {
    plan: Plan,
    filter: String,
    range: TimeRange,
    groups: Vec<History>,
    /// Steps need no percentiles of their own.
    totals_only: bool,
    /// The answers with steps that were used last, the newest last: a past that ends with an hour is asked about
    /// for all of the next one, and beside it steps that nobody asks about again.
    answered: Vec<(TimeRange, Step, Arc<Series>)>,
}

/// One group's minutes that have events.
#[derive(Default)]
struct History {
    labels: Vec<Box<str>>,
    /// Starts of the minutes, in milliseconds.
    at: Vec<u64>,
    /// Counts before each minute, and after the last.
    counts: Vec<Counters>,
    stats: Vec<Vec<Stat>>,
    /// Running count and sum by measure.
    sums: Vec<Vec<(u64, u128)>>,
    /// Stats of [`BLOCK`] minutes each.
    blocks: Vec<Vec<Stat>>,
    values: Vec<Vec<(u32, u64)>>,
    slides: HashMap<(u64, u64), Slide>,
    quantiles: HashMap<(usize, usize), Vec<Option<u64>>>,
}

impl<'s> Minutes<'s> {
    /// Nothing is read yet.
    pub(super) fn new(ask: &'s Ask<'s>) -> Self {
        Self { ask, shapes: Vec::new(), from: Timestamp::MIN }
    }

    /// Reads what `plan` is about over all of `range`, unless that is there. `totals_only`: nobody looks
    /// at percentiles of single steps.
    pub(super) fn read(&mut self, plan: &Plan, range: TimeRange, totals_only: bool) -> Result<(), QueryError> {
        let filter = format!("{:?}", plan.filter);
        let known = self.shapes.iter().position(|s| s.filter == filter && s.is_like(plan));
        if let Some(shape) = known.map(|i| &mut self.shapes[i]) {
            shape.totals_only &= totals_only;
            if shape.range.covers(&range) {
                return Ok(());
            }
        }
        let range = match known {
            Some(i) => {
                let old = self.shapes.swap_remove(i).range;
                TimeRange::new(old.start.min(range.start), old.end.max(range.end))
            }
            None => range,
        };
        let (groups, answered) = (Vec::new(), Vec::new());
        let mut shape = Shape { plan: plan.clone(), filter, range, groups, totals_only, answered };
        let mut index = HashMap::new();
        let mut start = range.start;
        while start < range.end {
            let end = start.plus_ms(PIECE_MS).min(range.end);
            self.piece(&mut shape, &mut index, TimeRange::new(start, end))?;
            start = end;
        }
        shape.groups.iter_mut().for_each(History::finish);
        self.shapes.push(shape);
        Ok(())
    }

    fn piece(
        &mut self,
        shape: &mut Shape,
        index: &mut HashMap<Vec<Box<str>>, usize>,
        range: TimeRange,
    ) -> Result<(), QueryError> {
        let values = shape.plan.quantiles.is_some();
        let plan = |range| Plan {
            range,
            step: Some(Step::FromStart(MINUTE_MS)),
            above: Vec::new(),
            values,
            ..shape.plan.clone()
        };
        let series = match (self.ask)(&plan(range)) {
            Err(QueryError::NeedsRaw { from, .. } | QueryError::StepTooFine { from }) => {
                let whole = from.millis().div_ceil(MINUTE_MS) * MINUTE_MS;
                let start = Timestamp::from_millis(whole).max(range.start).min(range.end);
                self.from = self.from.max(start);
                if start == range.end || start == range.start {
                    return Ok(());
                }
                (self.ask)(&plan(TimeRange::new(start, range.end)))?
            }
            other => other?,
        };
        for group in series.groups {
            let place = *index.entry(group.labels.clone()).or_insert_with(|| {
                shape.groups.push(History { labels: group.labels.clone(), ..History::default() });
                shape.groups.len() - 1
            });
            let Some(history) = shape.groups.get_mut(place) else { continue };
            for (step, point) in series.steps.iter().zip(group.points) {
                if point.counts != Counters::default() || point.stats.iter().any(|s| s.count > 0) {
                    history.push(step.range.start.millis(), point);
                }
            }
        }
        Ok(())
    }

    /// Answers plans; what was not read is asked of the store.
    pub(super) fn run(&mut self, plans: &[Plan]) -> Result<Vec<Arc<Series>>, QueryError> {
        let mut all = Vec::with_capacity(plans.len());
        for plan in plans {
            let shape = self.shape_of(plan);
            let aligned = plan.range.start.millis().is_multiple_of(MINUTE_MS)
                && plan.range.end.millis().is_multiple_of(MINUTE_MS);
            match shape.filter(|_| aligned) {
                Some(i) => all.push(self.shapes[i].answer(plan)?),
                None => all.push(Arc::new((self.ask)(plan)?)),
            }
        }
        Ok(all)
    }
}

impl Minutes<'_> {
    /// The shape that has all of a plan's time. Filters are compared only where that is needed: they are
    /// compared by what they print.
    fn shape_of(&self, plan: &Plan) -> Option<usize> {
        let mut like = self.shapes.iter().enumerate().filter(|(_, s)| s.is_like(plan));
        let (first, second) = (like.next()?, like.next());
        let found = if second.is_none() {
            first.0
        } else {
            let filter = format!("{:?}", plan.filter);
            self.shapes.iter().position(|s| s.filter == filter && s.is_like(plan))?
        };
        self.shapes[found].range.covers(&plan.range).then_some(found)
    }
}

impl Shape {
    fn is_like(&self, plan: &Plan) -> bool {
        let own = &self.plan;
        (own.kinds, own.sums_only, own.outcomes, own.violations)
            == (plan.kinds, plan.sums_only, plan.outcomes, plan.violations)
            && own.measures == plan.measures
            && own.quantiles == plan.quantiles
            && own.group == plan.group
    }

    fn answer(&mut self, plan: &Plan) -> Result<Arc<Series>, QueryError> {
        let Some(step) = plan.step.filter(|_| plan.above.is_empty()) else { return self.make(plan).map(Arc::new) };
        let known = self.answered.iter().position(|(range, width, _)| (*range, *width) == (plan.range, step));
        if let Some(known) = known {
            self.answered[known..].rotate_left(1);
            return Ok(self.answered.last().map(|(.., series)| Arc::clone(series)).unwrap_or_default());
        }
        let series = Arc::new(self.make(plan)?);
        if self.answered.len() >= ANSWERS_MAX {
            self.answered.remove(0);
        }
        self.answered.push((plan.range, step, Arc::clone(&series)));
        Ok(series)
    }

    fn make(&mut self, plan: &Plan) -> Result<Series, QueryError> {
        let steps = plan.step.map(|step| steps_of(plan.range, step, &plan.zone)).transpose()?.unwrap_or_default();
        let of_steps = plan.quantiles.is_some() && !self.totals_only;
        let mut series = Series { range: Some(plan.range), steps, ..Series::default() };
        for history in &mut self.groups {
            let window = history.find(plan.range);
            if window.0 == window.1 && !plan.group.is_empty() {
                continue;
            }
            let total_from = window.0;
            let mut total = history.aggregate(window, plan);
            history.distribute(window, plan, &mut total);
            series.all.counts.merge(&total.counts);
            let mut window = (total_from, total_from);
            let point = |step: &StepRange| {
                window = history.find_after(window.1, step.range);
                let mut point = history.aggregate(window, plan);
                if of_steps {
                    point.quantiles = history.quantiles_of(window, plan, &point);
                } else {
                    point.quantiles = vec![None; plan.quantiles.as_ref().map_or(0, |q| q.ppm.len())];
                }
                point
            };
            let points = series.steps.iter().map(point).collect();
            series.groups.push(Group { labels: history.labels.clone(), total, points });
        }
        if series.groups.is_empty() && plan.group.is_empty() {
            let nothing = History::default();
            let total = nothing.aggregate((0, 0), plan);
            let points = series.steps.iter().map(|_| total.clone()).collect();
            series.groups.push(Group { labels: Vec::new(), total, points });
        }
        Ok(series)
    }
}

impl History {
    fn push(&mut self, at: u64, point: Aggregate) {
        self.at.push(at);
        self.counts.push(point.counts);
        self.stats.push(point.stats);
        self.values.push(point.values);
    }

    /// Makes running totals and blocks.
    fn finish(&mut self) {
        let mut counts = Counters::default();
        let mut running = vec![counts];
        for one in &self.counts {
            counts.merge(one);
            running.push(counts);
        }
        self.counts = running;
        let width = self.stats.first().map_or(0, Vec::len);
        let mut sums = vec![(0, 0); width];
        self.sums.push(sums.clone());
        for stats in &self.stats {
            sums.iter_mut().zip(stats).for_each(|(sum, stat)| {
                sum.0 += stat.count;
                sum.1 += stat.sum;
            });
            self.sums.push(sums.clone());
        }
        self.blocks = self.stats.chunks(BLOCK).map(|chunk| merged(chunk, width)).collect();
    }

    /// The minutes of a window, as places.
    fn find(&self, range: TimeRange) -> (usize, usize) {
        let place = |t: Timestamp| self.at.partition_point(|at| *at < t.millis());
        (place(range.start), place(range.end))
    }

    /// The same for a range that begins at the minute at place `from` or later: steps follow each other.
    fn find_after(&self, from: usize, range: TimeRange) -> (usize, usize) {
        // In leaps that grow: a step may hold one minute, or a day of them.
        let on = |from: usize, until: Timestamp| {
            let rest = self.at.get(from..).unwrap_or_default();
            let mut end = 1;
            while rest.get(end - 1).is_some_and(|at| *at < until.millis()) {
                end *= 2;
            }
            let (passed, within) = (end / 2, end.min(rest.len()));
            from + passed + rest[passed..within].partition_point(|at| *at < until.millis())
        };
        let start = on(from, range.start);
        (start, on(start, range.end))
    }

    fn aggregate(&self, (from, to): (usize, usize), plan: &Plan) -> Aggregate {
        let counts = match (self.counts.get(from), self.counts.get(to)) {
            (Some(a), Some(b)) => minus(b, a),
            _ => Counters::default(),
        };
        let less = |(a, b): (&(u64, u128), &(u64, u128))| Stat { count: b.0 - a.0, sum: b.1 - a.1, ..Stat::default() };
        let stats = match (self.sums.get(from), self.sums.get(to)) {
            (Some(a), Some(b)) if from < to && plan.sums_only => a.iter().zip(b).map(less).collect(),
            (Some(_), Some(_)) if from < to => self.merge(from, to, plan.measures.len()),
            _ => vec![Stat::default(); plan.measures.len()],
        };
        let quantiles = vec![None; plan.quantiles.as_ref().map_or(0, |q| q.ppm.len())];
        Aggregate { counts, stats, quantiles, above: vec![0; plan.above.len()], ..Aggregate::default() }
    }

    /// Stats of minutes, whole blocks at once.
    fn merge(&self, from: usize, to: usize, width: usize) -> Vec<Stat> {
        let mut all = vec![Stat::default(); width];
        let mut add = |stats: &[Stat]| all.iter_mut().zip(stats).for_each(|(sum, stat)| sum.merge(stat));
        let mut i = from;
        while i < to {
            if i.is_multiple_of(BLOCK) && i + BLOCK <= to {
                add(&self.blocks[i / BLOCK]);
                i += BLOCK;
            } else {
                add(&self.stats[i]);
                i += 1;
            }
        }
        all
    }

    /// Quantiles of a window and counts above bounds, by a distribution that slides.
    fn distribute(&mut self, (from, to): (usize, usize), plan: &Plan, total: &mut Aggregate) {
        let Some(quantiles) = &plan.quantiles else { return };
        // Windows of a length move on together.
        let key = (plan.range.millis(), u64::from(plan.step.is_some()));
        if self.slides.len() >= SLIDES_MAX && !self.slides.contains_key(&key) {
            self.slides.clear();
        }
        let slide = self.slides.entry(key).or_default();
        slide.to(from, to, &self.values);
        let place = plan.measures.iter().position(|m| *m == quantiles.of);
        let bounds = place.and_then(|i| total.stats.get(i)).map_or((0, u64::MAX), |s| (s.min, s.max));
        total.quantiles = quantiles.ppm.iter().map(|ppm| slide.quantile(*ppm, bounds)).collect();
        total.above = plan.above.iter().map(|bound| slide.count_above(*bound)).collect();
    }

    /// Quantiles of a step; steps come again a minute, or an hour, later.
    fn quantiles_of(&mut self, (from, to): (usize, usize), plan: &Plan, point: &Aggregate) -> Vec<Option<u64>> {
        let Some(quantiles) = &plan.quantiles else { return Vec::new() };
        let values = &self.values;
        let make = || {
            let mut slide = Slide::default();
            slide.to(from, to, values);
            let place = plan.measures.iter().position(|m| *m == quantiles.of);
            let bounds = place.and_then(|i| point.stats.get(i)).map_or((0, u64::MAX), |s| (s.min, s.max));
            quantiles.ppm.iter().map(|ppm| slide.quantile(*ppm, bounds)).collect()
        };
        if self.quantiles.len() >= REMEMBERED_MAX {
            self.quantiles.clear();
        }
        self.quantiles.entry((from, to)).or_insert_with(make).clone()
    }
}

fn merged(chunk: &[Vec<Stat>], width: usize) -> Vec<Stat> {
    let mut all = vec![Stat::default(); width];
    for stats in chunk {
        all.iter_mut().zip(stats).for_each(|(sum, stat)| sum.merge(stat));
    }
    all
}

fn minus(b: &Counters, a: &Counters) -> Counters {
    Counters {
        requests: b.requests - a.requests,
        errors: b.errors - a.errors,
        unpriced: b.unpriced - a.unpriced,
        hits: b.hits - a.hits,
        misses: b.misses - a.misses,
        allowed: b.allowed - a.allowed,
        denied: b.denied - a.denied,
        // Bursts do not add up over windows: who asks for them is answered by the store.
        violations: 0,
    }
}
