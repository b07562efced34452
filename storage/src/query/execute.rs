//! Answers a plan: chooses what can answer it, covers the window, adds up, and builds the series.

use super::QueryError;
use super::buckets::{Gathering, Wanted};
use super::cells::Cells;
use super::cover::{Cover, From, Piece, Reachable, cover, cover_like};
use super::filter::Kind;
use super::names::LabelNames;
use super::plan::{Plan, STEPS_MAX};
use super::route::{Conditions, Route, route};
use super::series::{self, Series};
use super::source::{Source, Table};
use super::steps::StepGrid;
use crate::bucket::Measure;
use crate::time::{Tier, TimeRange, Timestamp};

const NUMBERS: Wanted = Wanted { numbers: true, ..Wanted::NOTHING };
const VALUES: Wanted = Wanted { values: true, ..Wanted::NOTHING };
const EVERYTHING: Wanted = Wanted { numbers: true, values: true, ..Wanted::NOTHING };
const TOTALS: Wanted = Wanted { totals: true, ..Wanted::NOTHING };

/// See [`super::execute`].
pub(crate) fn execute(source: &dyn Source, plan: &Plan) -> Result<Series, QueryError> {
    let mut left_to_raw = Vec::new();
    loop {
        let mut ready = Ready::new(source, plan)?;
        ready.covers.main.leave_to_raw(&left_to_raw, source.zone());
        match answer(source, plan, ready)? {
            Answer::Series(series) => return Ok(*series),
            // Rows that say less than the single events of their days: seen only when they are read.
            Answer::LeftToRaw(starts) => left_to_raw.extend(starts),
        }
    }
}

/// What one pass over the covers gives.
enum Answer {
    Series(Box<Series>),
    /// Starts of rows that were left out; the answer is not complete.
    LeftToRaw(Vec<Timestamp>),
}

fn answer(source: &dyn Source, plan: &Plan, ready: Ready<'_>) -> Result<Answer, QueryError> {
    let Ready { conditions, route, extent, grid, covers } = ready;
    let main = &covers.main;
    let steps = grid.as_ref().map_or(Vec::new(), |grid| grid.ranges(&main.edges));
    debug_assert!(steps.len() <= STEPS_MAX);

    let (measures, shown) = measures(plan);
    let quantile = plan.quantiles.as_ref().map(|q| q.of);
    let mut gathering = Gathering {
        source,
        plan,
        conditions,
        names: LabelNames::new(),
        cells: Cells::new(&plan.group, main.edges.clone(), grid.is_some(), measures, quantile)?,
        by_error: matches!(route, Route::Tiers { by_error: true, .. }),
        read: series::Source::default(),
        missing: covers.missing(extent),
        damaged: 0,
        lost: None,
        decisions: Vec::new(),
        newest: (extent.start < extent.end).then(|| extent.end.minus_ms(1)),
        raw_from: source.raw_complete_from(),
        left_to_raw: Vec::new(),
    };
    if Kind::ALL.into_iter().any(|kind| gathering.conditions.wants(kind)) {
        covers.gather(&mut gathering)?;
    }
    if !gathering.left_to_raw.is_empty() {
        return Ok(Answer::LeftToRaw(gathering.left_to_raw));
    }
    // Saying what is missing is no answer when there is nothing else to say.
    if let Some(error) = gathering.lost.take_if(|_| gathering.read == series::Source::default()) {
        return Err(error);
    }
    if plan.violations {
        gathering.count_violations();
    }
    let (kept, all) = gathering.cells.finish(&gathering.names, &steps, shown, plan)?;
    let (groups, rest) = kept.finish();
    Ok(Answer::Series(Box::new(Series {
        range: Some(main.window),
        steps,
        groups,
        rest,
        all,
        store_days_until: main.store_days_until,
        source: gathering.read,
        missing: gathering.missing,
        newest: gathering.newest,
    })))
}

/// Days that are counted one by one at most: more than there are in the times a store can hold.
pub(super) const DAYS_MAX: u64 = 4_000_000;

/// What [`execute`] would read: the cover, that of the percentiles when it is another one, and what
/// needs single events if something does.
pub(super) fn covers(source: &dyn Source, plan: &Plan) -> Result<(Cover, Option<Cover>, Option<String>), QueryError> {
    let Ready { route, covers, .. } = Ready::new(source, plan)?;
    let why = match route {
        Route::Raw { why } => Some(why),
        _ => None,
    };
    Ok((covers.main, covers.dist, why))
}

/// A plan for which it is decided what answers it.
struct Ready<'p> {
    conditions: Conditions<'p>,
    route: Route,
    /// Where the store has events; empty when it has none.
    extent: TimeRange,
    grid: Option<StepGrid>,
    covers: Covers,
}

impl<'p> Ready<'p> {
    fn new(source: &dyn Source, plan: &'p Plan) -> Result<Self, QueryError> {
        let conditions = Conditions::new(plan);
        let route = route(plan, &conditions);
        let extent = source.extent()?;
        let asked = asked(plan, extent);
        let extent = extent.unwrap_or(TimeRange { start: Timestamp::MAX, end: Timestamp::MIN });
        let grid = plan.step.map(|step| StepGrid::new(step, &plan.zone));
        let raw_from = source.raw_complete_from().max(plan.reach.raw_from.unwrap_or(Timestamp::MIN));
        check_raw(&route, asked, extent, raw_from)?;
        let covers = Covers::find(source, plan, &route, asked, extent, raw_from, grid.as_ref())?;
        Ok(Self { conditions, route, extent, grid, covers })
    }
}

/// The window in question: for all of time, the days that have events.
fn asked(plan: &Plan, extent: Option<TimeRange>) -> TimeRange {
    match extent {
        Some(extent) if plan.range == TimeRange::ALL => TimeRange::new(plan.zone.day(extent.start).start, extent.end),
        None if plan.range == TimeRange::ALL => TimeRange::new(Timestamp::MIN, Timestamp::MIN),
        _ => TimeRange::new(plan.range.start, plan.range.end),
    }
}

/// A plan that only raw events answer must lie where they reach.
fn check_raw(route: &Route, asked: TimeRange, extent: TimeRange, raw_from: Timestamp) -> Result<(), QueryError> {
    let first = asked.start.max(extent.start);
    match route {
        Route::Raw { why } if first < raw_from && first < asked.end.min(extent.end) => {
            Err(QueryError::NeedsRaw { what: why.clone(), from: raw_from })
        }
        _ => Ok(()),
    }
}

/// Measures to keep stats of: the plan's, then the one of the quantiles if it is not among them.
fn measures(plan: &Plan) -> (Vec<Measure>, usize) {
    let mut list = plan.measures.clone();
    let shown = list.len();
    if let Some(quantiles) = &plan.quantiles
        && !list.contains(&quantiles.of)
    {
        list.push(quantiles.of);
    }
    (list, shown)
}

/// Covers of one window.
struct Covers {
    main: Cover,
    /// Where the values of the quantiles' measure come from, when elsewhere.
    dist: Option<Cover>,
    /// Where these come from without steps, when that takes fewer buckets.
    totals: Option<Cover>,
}

impl Covers {
    fn find(
        source: &dyn Source,
        plan: &Plan,
        route: &Route,
        asked: TimeRange,
        extent: TimeRange,
        raw_from: Timestamp,
        grid: Option<&StepGrid>,
    ) -> Result<Self, QueryError> {
        let zone = source.zone();
        let mut reach = Reachable::new(zone, Some(raw_from));
        match route {
            Route::Tiers { .. } => {
                for tier in Tier::ALL.into_iter().rev() {
                    let mut span = source.span(Table::Tier(tier));
                    if tier == Tier::Minute {
                        let limit = plan.reach.minute_from.unwrap_or(Timestamp::MIN);
                        span.complete_from = span.complete_from.max(limit);
                    }
                    reach.add(Table::Tier(tier), span);
                }
            }
            Route::Detail => {
                reach.add(Table::DetailDay, source.span(Table::DetailDay));
            }
            Route::Raw { .. } => {}
        }
        let main = cover(&reach, asked, extent, grid)?;
        if !matches!(route, Route::Tiers { dist: true, .. }) {
            let stepped = plan.quantiles.is_some() && grid.is_some();
            let totals = if stepped { fewer_buckets(&reach, &main, extent)? } else { None };
            return Ok(Self { main, dist: None, totals });
        }
        let mut dist_reach = Reachable::new(zone, Some(raw_from));
        for table in [Table::DistDay, Table::DistHour] {
            dist_reach.add(table, source.span(table));
        }
        let mut covers = Self::agree(&reach, &dist_reach, main, extent, grid)?;
        if let (Some(dist), Some(_)) = (&covers.dist, grid) {
            covers.totals = fewer_buckets(&dist_reach, dist, extent)?;
        }
        Ok(covers)
    }

    /// Widens both covers until they have the same window and steps.
    fn agree(
        reach: &Reachable,
        dist_reach: &Reachable,
        mut main: Cover,
        extent: TimeRange,
        grid: Option<&StepGrid>,
    ) -> Result<Self, QueryError> {
        for _ in 0..4 {
            let dist = cover(dist_reach, main.window, extent, grid)?;
            if dist.window == main.window && dist.edges == main.edges {
                return Ok(Self { main, dist: Some(dist), totals: None });
            }
            main = cover(reach, dist.window, extent, grid)?;
        }
        // One begins where the other has only wider buckets: what is not in both is named as missing.
        let dist = cover_like(dist_reach, &main, extent);
        Ok(Self { main, dist: Some(dist), totals: None })
    }

    /// What of the window nothing is left of.
    fn missing(&self, extent: TimeRange) -> Vec<String> {
        let window = self.main.window.intersect(&extent);
        let pieces = self.main.pieces.iter().chain(self.dist.iter().flat_map(|d| &d.pieces));
        let gaps = pieces.filter(|p| p.from == From::Nothing).map(|p| p.range.intersect(&window));
        let mut gaps: Vec<_> = gaps.filter(|gap| !gap.is_empty()).collect();
        gaps.dedup();
        gaps.iter().map(|gap| format!("nothing is kept from {} to {}", gap.start, gap.end)).collect()
    }

    fn gather(&self, to: &mut Gathering<'_, '_>) -> Result<(), QueryError> {
        let Some(dist) = &self.dist else {
            to.add_buckets(&self.main, EVERYTHING)?;
            self.gather_totals(to)?;
            to.add_raw(&raw_ranges(&self.main), EVERYTHING)?;
            return to.add_backlog(self.main.window, EVERYTHING);
        };
        to.add_buckets(&self.main, NUMBERS)?;
        to.add_raw(&raw_ranges(&self.main), NUMBERS)?;
        to.add_buckets(dist, VALUES)?;
        self.gather_totals(to)?;
        to.add_raw(&raw_ranges(dist), VALUES)?;
        to.add_backlog(self.main.window, EVERYTHING)
    }

    /// Adds what groups add up to over all steps from wider buckets, before any single value comes.
    /// Where some bucket is damaged it is left to the steps: the parts must make the whole.
    fn gather_totals(&self, to: &mut Gathering<'_, '_>) -> Result<(), QueryError> {
        let Some(totals) = self.totals.as_ref().filter(|_| to.damaged == 0 && !to.plan.values) else { return Ok(()) };
        let (read, missing) = (to.read, to.missing.len());
        to.cells.count_totals_apart();
        to.add_buckets(totals, TOTALS)?;
        if to.damaged > 0 {
            to.cells.distributions.count_totals_together();
            to.missing.truncate(missing);
            to.read = read;
        }
        Ok(())
    }
}

/// A cover of the same window without steps, if it takes wider buckets and the same single events.
fn fewer_buckets(reach: &Reachable, stepped: &Cover, extent: TimeRange) -> Result<Option<Cover>, QueryError> {
    let whole = cover(reach, stepped.window, extent, None)?;
    let rest = |cover: &Cover| -> Vec<Piece> {
        cover.pieces.iter().filter(|p| !matches!(p.from, From::Table(_))).copied().collect()
    };
    let same = whole.window == stepped.window && rest(&whole) == rest(stepped);
    Ok((same && whole.pieces != stepped.pieces).then_some(whole))
}

/// The parts of a cover that are read event by event.
fn raw_ranges(cover: &Cover) -> Vec<TimeRange> {
    let raw = cover.pieces.iter().filter(|p| p.from == From::Raw);
    raw.map(|p| p.range.intersect(&cover.window)).filter(|r| !r.is_empty()).collect()
}
