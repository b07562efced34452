//! Adds single events to an answer: rows of journals here, columns of sealed segments in `columns`.

mod columns;
mod grouping;
mod left;
mod tally;

use super::QueryError;
use super::buckets::{Gathering, Wanted};
use super::cells::CellId;
use super::filter::Kind;
use super::names::{LabelSet, Labels, Translation, status};
use super::plan::{Label, Plan};
use super::route::Conditions;
use super::source::Lost;
use crate::bucket::Measure;
use crate::histogram::Malformed;
use crate::row::{Body, NameId, Names, RequestRow, Row};
use crate::time::{TimeRange, Timestamp};

/// Stretches of raw events so close together are fetched in one go.
const JOINED_MS: u64 = 6 * 3_600_000;

/// So many files are open at once.
const SEGMENTS_MAX: usize = 32;

/// Most limiter decisions among which bursts are looked for: 24 bytes each.
pub(crate) const DECISIONS_MAX: usize = 8_000_000;

/// A limiter's decision.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decision {
    key: NameId,
    ts: Timestamp,
    denied: bool,
    cell: CellId,
}

/// Labels that must be filled in, by kind of event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Needed([LabelSet; 3]);

impl Needed {
    pub(crate) fn new(plan: &Plan, conditions: &Conditions<'_>) -> Self {
        let key = if plan.violations { LabelSet::of(&[Label::Key]) } else { LabelSet::default() };
        Self(Kind::ALL.map(|kind| {
            let labels = conditions.labels(kind, plan);
            if kind == Kind::Rate { labels.and(key) } else { labels }
        }))
    }

    pub(crate) const fn of(&self, kind: Kind) -> LabelSet {
        self.0[kind as usize]
    }
}

impl Gathering<'_, '_> {
    /// Adds the rolled-up events of `ranges`, which are in order and apart.
    pub(crate) fn add_raw(&mut self, ranges: &[TimeRange], wanted: Wanted) -> Result<(), QueryError> {
        for near in ranges.chunk_by(|a, b| b.start.since(a.end) < JOINED_MS) {
            let (Some(first), Some(last)) = (near.first(), near.last()) else { continue };
            let hull = TimeRange::new(first.start, last.end);
            let (source, mut segments) = (self.source, Vec::new());
            source.segments(hull, &mut |segment| {
                match segment {
                    Ok(segment) => segments.push(segment),
                    Err(lost) => self.lose(lost, near),
                }
                if segments.len() < SEGMENTS_MAX {
                    return Ok(());
                }
                self.add_segments(&std::mem::take(&mut segments), near, wanted)
            })?;
            self.add_segments(&segments, near, wanted)?;
            self.add_journals(hull, near, true, wanted)?;
        }
        Ok(())
    }

    /// Names what a segment has of `ranges`.
    fn lose(&mut self, lost: Lost, ranges: &[TimeRange]) {
        let what = lost.to_string();
        if ranges.iter().any(|r| !r.intersect(&lost.range).is_empty()) && !self.missing.contains(&what) {
            self.missing.push(what);
            self.lost.get_or_insert(lost.error);
        }
    }

    /// Whether what was gathered so far still fits.
    ///
    /// # Errors
    /// [`QueryError::TooManyDecisions`], [`QueryError::TooManyValues`].
    pub(crate) fn check_memory(&self) -> Result<(), QueryError> {
        if self.decisions.len() > DECISIONS_MAX {
            return Err(QueryError::TooManyDecisions);
        }
        self.cells.distributions.check()
    }

    /// Adds the events of `window` that no tier holds yet.
    pub(crate) fn add_backlog(&mut self, window: TimeRange, wanted: Wanted) -> Result<(), QueryError> {
        self.add_journals(window, &[window], false, wanted)
    }

    fn add_journals(
        &mut self,
        hull: TimeRange,
        ranges: &[TimeRange],
        rolled_up: bool,
        wanted: Wanted,
    ) -> Result<(), QueryError> {
        let needed = self.needed();
        let mut translation = Translation::default();
        let mut step = 0;
        let source = self.source;
        source.journal_rows(hull, rolled_up, &mut |names, rows| {
            translation.reset(names.len());
            let mut looked_at = 0;
            for row in rows {
                if !rolled_up {
                    self.newest = self.newest.max(Some(row.ts));
                }
                if within(ranges, row.ts) {
                    looked_at += 1;
                    step = self.cells.step(row.ts, step);
                    self.add_row(names, row, step, &needed, &mut translation, wanted)?;
                }
            }
            self.read.raw_events += looked_at;
            self.read.backlog_events += if rolled_up { 0 } else { looked_at };
            self.check_memory()
        })
    }

    pub(crate) fn needed(&self) -> Needed {
        Needed::new(self.plan, &self.conditions)
    }

    fn add_row(
        &mut self,
        names: &Names,
        row: &Row,
        step: usize,
        needed: &Needed,
        translation: &mut Translation,
        wanted: Wanted,
    ) -> Result<(), QueryError> {
        let kind = kind_of(&row.body);
        let Some(condition) = self.conditions.get(kind) else { return Ok(()) };
        let labels = labels_of(row, needed.of(kind), |id| translation.id(&mut self.names, id, || names.get(id)));
        if !condition.holds(&self.names, &labels, &|measure| number_of(&row.body, measure)) {
            return Ok(());
        }
        let group = self.cells.group(&labels)?;
        let cell = self.cells.cell(group, step);
        if wanted.matches {
            self.cells.counters(0).requests += 1;
        }
        if wanted.numbers {
            self.count_row(&row.body, cell);
            for at in 0..self.cells.measures.len() {
                if let Some(value) = number_of(&row.body, self.cells.measures[at]) {
                    self.cells.stat(cell, at).add(value);
                }
            }
            if let (true, Body::Rate(rate)) = (self.plan.violations, &row.body) {
                let key = labels[Label::Key as usize];
                self.decisions.push(Decision { key, ts: row.ts, denied: !rate.allowed, cell });
            }
        }
        if wanted.values
            && let Some(value) = self.quantile().and_then(|measure| number_of(&row.body, measure))
        {
            self.cells.distributions.add_value(cell, value).map_err(overflow)?;
        }
        Ok(())
    }

    fn count_row(&mut self, body: &Body, cell: CellId) {
        let by_error = self.by_error;
        let counts = self.cells.counters(cell);
        match body {
            Body::Request(r) => {
                counts.requests += 1;
                counts.errors += u64::from(!r.ok);
                counts.unpriced += u64::from(!by_error && is_unpriced(r));
            }
            Body::Cache(c) if c.hit => counts.hits += 1,
            Body::Cache(_) => counts.misses += 1,
            Body::Rate(r) if r.allowed => counts.allowed += 1,
            Body::Rate(_) => counts.denied += 1,
        }
    }

    /// Counts bursts among the decisions gathered: of each key those denied after one that was not.
    pub(crate) fn count_violations(&mut self) {
        // The order in which they came is not kept: at one moment the allowed ones count as earlier, and
        // of those refused the one whose group's names come first. So an answer depends on the events
        // alone, not on where they lie.
        let ranks = self.cells.group_ranks(&self.names);
        self.decisions.sort_unstable_by_key(|d| (d.key, d.ts, d.denied, ranks[self.cells.group_of(d.cell)]));
        let mut before: Option<Decision> = None;
        for decision in std::mem::take(&mut self.decisions) {
            let goes_on = before.is_some_and(|b| b.key == decision.key && b.denied);
            if decision.denied && !goes_on {
                self.cells.counters(decision.cell).violations += 1;
            }
            before = Some(decision);
        }
    }
}

pub(crate) fn overflow(malformed: Malformed) -> QueryError {
    QueryError::Database(malformed.to_string())
}

fn is_unpriced(row: &RequestRow) -> bool {
    row.cost_source == crate::event::CostSource::Unpriced
}

/// Whether `ts` lies in one of `ranges`, which are in order.
#[inline]
pub(crate) fn within(ranges: &[TimeRange], ts: Timestamp) -> bool {
    match ranges {
        [only] => only.contains(ts),
        _ => {
            let after = ranges.partition_point(|r| r.start <= ts);
            after > 0 && ranges[after - 1].contains(ts)
        }
    }
}

pub(crate) const fn kind_of(body: &Body) -> Kind {
    match body {
        Body::Request(_) => Kind::Request,
        Body::Cache(_) => Kind::Cache,
        Body::Rate(_) => Kind::Rate,
    }
}

/// The `needed` labels of a row; `id` turns its ids into those wanted.
#[inline]
pub(crate) fn labels_of(row: &Row, needed: LabelSet, mut id: impl FnMut(NameId) -> NameId) -> Labels {
    let mut labels = Labels::default();
    if needed.is_empty() {
        return labels;
    }
    let mut fill = |label: Label, name: NameId| {
        if needed.has(label) {
            labels[label as usize] = id(name);
        }
    };
    fill(Label::Provider, row.provider);
    fill(Label::Model, row.model);
    fill(Label::User, row.user);
    match &row.body {
        Body::Request(r) => {
            fill(Label::Error, r.error);
            fill(Label::ServiceTier, r.service_tier);
            labels[Label::Status as usize] = status(r.ok);
        }
        Body::Cache(c) => fill(Label::Key, c.key),
        Body::Rate(r) => {
            fill(Label::Key, r.key);
            fill(Label::Kind, r.limit_type);
        }
    }
    labels
}

/// A number of an event, if it has it.
#[inline]
pub(crate) fn number_of(body: &Body, measure: Measure) -> Option<u64> {
    match (body, measure) {
        (Body::Request(r), _) => match measure {
            Measure::Latency => r.latency_us.get(),
            Measure::Ttft => r.ttft_us.get(),
            Measure::Tokens => Some(r.tokens.input + r.tokens.output),
            Measure::InputTokens => Some(r.tokens.input),
            Measure::OutputTokens => Some(r.tokens.output),
            Measure::CachedTokens => Some(r.tokens.cached),
            Measure::ReasoningTokens => Some(r.tokens.reasoning),
            Measure::CacheWriteTokens => Some(r.tokens.cache_write),
            Measure::CacheWrite1hTokens => Some(r.tokens.cache_write_1h),
            Measure::Cost => (!is_unpriced(r)).then_some(r.cost_nanos),
            Measure::SavedCost | Measure::SavedTokens | Measure::Utilization => None,
        },
        (Body::Cache(c), Measure::SavedCost) => c.saved_cost_nanos.get(),
        (Body::Cache(c), Measure::SavedTokens) => c.saved_tokens.get(),
        (Body::Rate(r), Measure::Utilization) => r.utilization(),
        _ => None,
    }
}
