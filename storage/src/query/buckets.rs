//! Adds whole buckets to an answer.

use super::QueryError;
use super::cells::{CellId, Cells};
use super::cover::{Cover, From};
use super::filter::Kind;
use super::names::{LabelNames, LabelSet, Labels, status};
use super::plan::{Label, Plan};
use super::raw::Decision;
use super::route::Conditions;
use super::series;
use super::source::{Source, Table};
use crate::bucket::codec::{BucketView, Damaged, DetailView, DistView, RequestView, RowKey};
use crate::bucket::{CacheCell, DetailCell, Measure, RateCell, Stat};
use crate::histogram::Histogram;
use crate::row::NameId;
use crate::time::{TimeRange, Timestamp};

/// What every scan writes to.
pub(crate) struct Gathering<'a, 'p> {
    pub(crate) source: &'a dyn Source,
    pub(crate) plan: &'p Plan,
    pub(crate) conditions: Conditions<'p>,
    pub(crate) names: LabelNames,
    pub(crate) cells: Cells,
    /// Failures are split by their kind from buckets.
    pub(crate) by_error: bool,
    pub(crate) read: series::Source,
    pub(crate) missing: Vec<String>,
    /// Buckets among it.
    pub(crate) damaged: u64,
    /// Why a segment could not be opened, the first one.
    pub(crate) lost: Option<QueryError>,
    /// Limiter decisions, kept for counting bursts.
    pub(crate) decisions: Vec<Decision>,
    /// Latest event time seen in the backlog.
    pub(crate) newest: Option<Timestamp>,
    /// From when on single events can stand in for a row that says less.
    pub(crate) raw_from: Timestamp,
    /// Rows by user that were left out: single events of their days say more.
    pub(crate) left_to_raw: Vec<Timestamp>,
}

/// What of an event or a bucket is added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Counters and stats.
    pub(crate) numbers: bool,
    /// How many there are, of all kinds together, as requests of the first cell.
    pub(crate) matches: bool,
    /// Values of the quantiles' measure.
    pub(crate) values: bool,
    /// These values for what groups add up to over all steps, when that is counted apart.
    pub(crate) totals: bool,
}

impl Wanted {
    /// Nothing.
    pub(crate) const NOTHING: Self = Self { numbers: false, matches: false, values: false, totals: false };
}

impl Gathering<'_, '_> {
    /// The measure whose distribution is wanted.
    pub(crate) fn quantile(&self) -> Option<Measure> {
        self.plan.quantiles.as_ref().map(|q| q.of)
    }

    /// Adds all buckets of `cover`.
    pub(crate) fn add_buckets(&mut self, cover: &Cover, wanted: Wanted) -> Result<(), QueryError> {
        if !cover.pieces.iter().any(|p| matches!(p.from, From::Table(_))) {
            return Ok(());
        }
        for provider in self.source.providers()? {
            let provider_id = self.names.intern(&provider);
            let mut labels = Labels::default();
            labels[Label::Provider as usize] = provider_id;
            if !self.may_match(&labels) {
                continue;
            }
            for piece in &cover.pieces {
                if let From::Table(table) = piece.from {
                    self.add_run(table, &provider, labels, piece.range, wanted)?;
                    self.check_memory()?;
                }
            }
        }
        Ok(())
    }

    fn may_match(&mut self, labels: &Labels) -> bool {
        let (conditions, names) = (&mut self.conditions, &self.names);
        const KNOWN: LabelSet = LabelSet::of(&[Label::Provider]);
        Kind::ALL.into_iter().any(|kind| conditions.get(kind).is_some_and(|c| c.may_hold(names, labels, KNOWN)))
    }

    /// Adds the buckets of one table and provider that start in `range`.
    fn add_run(
        &mut self,
        table: Table,
        provider: &str,
        labels: Labels,
        range: TimeRange,
        wanted: Wanted,
    ) -> Result<(), QueryError> {
        let mut step = 0;
        let source = self.source;
        source.buckets(table, provider, range, &mut |start, bytes| {
            step = self.cells.step(start, step);
            let key = RowKey { table, provider, start };
            let added = match table {
                Table::Tier(tier) => {
                    self.read.buckets[tier as usize] += 1;
                    BucketView::parse(bytes, &key).map(|view| self.add_bucket(&view, labels, step, wanted))
                }
                Table::DistHour | Table::DistDay => {
                    self.read.dist_buckets += 1;
                    DistView::parse(bytes, &key).map(|view| {
                        self.note_missing(&key, view.missing);
                        self.add_dist(&view, labels, step, wanted)
                    })
                }
                Table::DetailDay => {
                    self.read.detail_buckets += 1;
                    let view = DetailView::parse(bytes, &key);
                    if start >= self.raw_from && view.as_ref().map_or(true, |view| view.limited) {
                        self.left_to_raw.push(start);
                        return Ok(());
                    }
                    view.map(|view| {
                        self.note_missing(&key, view.missing);
                        self.add_detail(&view, labels, step)
                    })
                }
            };
            match added {
                Ok(Ok(())) => Ok(()),
                Ok(Err(Problem::Query(error))) => Err(error),
                // The checksum was right and the content is not: no number made of it can be trusted.
                Ok(Err(Problem::Damaged(damage))) => Err(damaged(table, provider, start, &damage)),
                Err(damage) if damage != Damaged::Checksum => Err(damaged(table, provider, start, &damage)),
                Err(damage) => {
                    self.damaged += 1;
                    self.missing.push(damaged(table, provider, start, &damage).to_string());
                    Ok(())
                }
            }
        })
    }

    /// Says that a row was folded when some of its events could not be read any more.
    fn note_missing(&mut self, key: &RowKey<'_>, missing: u64) {
        if missing > 0 {
            let (start, provider, table) = (key.start, key.provider.escape_default(), key.table.name());
            self.missing.push(format!(
                "the row {start} of '{provider}' in {table} is without {missing} damaged events that the tiers count"
            ));
        }
    }

    fn add_bucket(
        &mut self,
        view: &BucketView<'_>,
        labels: Labels,
        step: usize,
        wanted: Wanted,
    ) -> Result<(), Problem> {
        if self.conditions.wants(Kind::Request) {
            let needed = self.conditions.labels(Kind::Request, self.plan);
            let mut cells = view.requests();
            while let Some(cell) = cells.next()? {
                self.add_request(&cell, labels, needed, step, wanted)?;
            }
        }
        if wanted.numbers && self.conditions.wants(Kind::Cache) {
            let mut cells = view.caches();
            while let Some((model, cell)) = cells.next()? {
                self.add_cache(model, &cell, labels, step)?;
            }
        }
        if wanted.numbers && self.conditions.wants(Kind::Rate) {
            let mut cells = view.rates();
            while let Some((kind, cell)) = cells.next()? {
                self.add_rate(kind, &cell, labels, step)?;
            }
        }
        Ok(())
    }

    /// The cell for `labels` if they pass the filter.
    fn cell(&mut self, kind: Kind, labels: &Labels, step: usize) -> Result<Option<CellId>, QueryError> {
        let (conditions, names) = (&mut self.conditions, &self.names);
        if !conditions.get(kind).is_some_and(|c| c.holds(names, labels, &|_| None)) {
            return Ok(None);
        }
        let group = self.cells.group(labels)?;
        Ok(Some(self.cells.cell(group, step)))
    }

    fn store_name(&mut self, needed: LabelSet, label: Label, id: NameId) -> Result<NameId, QueryError> {
        if needed.has(label) { self.names.of_store(self.source, id) } else { Ok(0) }
    }

    fn add_request(
        &mut self,
        view: &RequestView<'_>,
        mut labels: Labels,
        needed: LabelSet,
        step: usize,
        wanted: Wanted,
    ) -> Result<(), Problem> {
        labels[Label::Model as usize] = self.store_name(needed, Label::Model, view.key.model)?;
        labels[Label::ServiceTier as usize] = self.store_name(needed, Label::ServiceTier, view.key.service_tier)?;
        labels[Label::Status as usize] = status(view.key.ok);
        if self.by_error && !view.key.ok {
            return if wanted.numbers { self.add_failures(view, labels, step) } else { Ok(()) };
        }
        let Some(cell) = self.cell(Kind::Request, &labels, step)? else { return Ok(()) };
        if wanted.numbers {
            let by_error = self.by_error;
            let counts = self.cells.counters(cell);
            counts.requests += view.count;
            counts.errors += view.failed();
            counts.unpriced += if by_error { 0 } else { view.unpriced };
            for at in 0..self.cells.measures.len() {
                let measure = self.cells.measures[at];
                if Kind::Request.measures(measure) {
                    let stat = view.stat(measure)?;
                    self.cells.stat(cell, at).merge(&stat);
                }
            }
        }
        if wanted.values || wanted.totals {
            let histogram = match self.quantile() {
                Some(Measure::Latency) => view.latency()?,
                Some(Measure::Ttft) => view.ttft()?,
                _ => return Ok(()),
            };
            self.add_histogram(cell, &histogram, wanted)?;
        }
        Ok(())
    }

    fn add_histogram(&mut self, cell: CellId, histogram: &Histogram<'_>, wanted: Wanted) -> Result<(), Damaged> {
        if wanted.values {
            self.cells.distributions.add(cell, histogram)?;
        }
        if wanted.totals {
            self.cells.distributions.add_to_total(cell, histogram)?;
        }
        Ok(())
    }

    /// Failures by kind; those without one are what the kinds do not add up to.
    fn add_failures(&mut self, view: &RequestView<'_>, mut labels: Labels, step: usize) -> Result<(), Problem> {
        let mut without = view.count;
        let mut kinds = view.errors()?;
        while let Some((kind, count)) = kinds.next()? {
            without = without.saturating_sub(count);
            labels[Label::Error as usize] = self.names.of_store(self.source, kind)?;
            self.add_failed(&labels, count, step)?;
        }
        labels[Label::Error as usize] = 0;
        self.add_failed(&labels, without, step)?;
        Ok(())
    }

    fn add_failed(&mut self, labels: &Labels, count: u64, step: usize) -> Result<(), QueryError> {
        if count > 0
            && let Some(cell) = self.cell(Kind::Request, labels, step)?
        {
            let counts = self.cells.counters(cell);
            counts.requests += count;
            counts.errors += count;
        }
        Ok(())
    }

    fn merge_stat(&mut self, cell: CellId, measure: Measure, stat: &Stat) {
        for at in 0..self.cells.measures.len() {
            if self.cells.measures[at] == measure {
                self.cells.stat(cell, at).merge(stat);
            }
        }
    }

    fn add_cache(
        &mut self,
        model: NameId,
        from: &CacheCell,
        mut labels: Labels,
        step: usize,
    ) -> Result<(), QueryError> {
        let needed = self.conditions.labels(Kind::Cache, self.plan);
        labels[Label::Model as usize] = self.store_name(needed, Label::Model, model)?;
        if let Some(cell) = self.cell(Kind::Cache, &labels, step)? {
            let counts = self.cells.counters(cell);
            counts.hits += from.hits;
            counts.misses += from.misses;
            self.merge_stat(cell, Measure::SavedCost, &from.saved_cost);
            self.merge_stat(cell, Measure::SavedTokens, &from.saved_tokens);
        }
        Ok(())
    }

    fn add_rate(&mut self, kind: NameId, from: &RateCell, mut labels: Labels, step: usize) -> Result<(), QueryError> {
        let needed = self.conditions.labels(Kind::Rate, self.plan);
        labels[Label::Kind as usize] = self.store_name(needed, Label::Kind, kind)?;
        if let Some(cell) = self.cell(Kind::Rate, &labels, step)? {
            let counts = self.cells.counters(cell);
            counts.allowed += from.allowed;
            counts.denied += from.denied;
            self.merge_stat(cell, Measure::Utilization, &from.utilization);
        }
        Ok(())
    }

    fn add_dist(
        &mut self,
        view: &DistView<'_>,
        mut labels: Labels,
        step: usize,
        wanted: Wanted,
    ) -> Result<(), Problem> {
        let needed = self.conditions.labels(Kind::Request, self.plan);
        let mut cells = view.cells();
        while let Some(from) = cells.next()? {
            labels[Label::Model as usize] = self.store_name(needed, Label::Model, from.model)?;
            labels[Label::Status as usize] = status(from.ok);
            if let Some(cell) = self.cell(Kind::Request, &labels, step)? {
                let histogram = if self.quantile() == Some(Measure::Cost) { &from.cost } else { &from.tokens };
                self.add_histogram(cell, histogram, wanted)?;
            }
        }
        Ok(())
    }

    fn add_detail(&mut self, view: &DetailView<'_>, mut labels: Labels, step: usize) -> Result<(), Problem> {
        let needed = self.conditions.labels(Kind::Request, self.plan);
        let latency = self.cells.measures.contains(&Measure::Latency);
        let tokens = self.cells.measures.iter().any(|m| !matches!(m, Measure::Latency | Measure::Cost));
        let mut users = view.users();
        while let Some(user) = users.next()? {
            labels[Label::User as usize] = self.store_name(needed, Label::User, user.user)?;
            let mut cells = if tokens { user.cells() } else { user.cells_without_tokens() };
            if needed.has(Label::Model) {
                while let Some((model, from)) = cells.next()? {
                    labels[Label::Model as usize] = self.store_name(needed, Label::Model, model)?;
                    if let Some(cell) = self.cell(Kind::Request, &labels, step)? {
                        self.add_user(cell, &from);
                    }
                }
                // Latency is kept by user only, and the route sees to it that it is not asked for here.
                continue;
            }
            let Some(cell) = self.cell(Kind::Request, &labels, step)? else { continue };
            let mut all = DetailCell::default();
            while let Some((_, from)) = cells.next()? {
                all.merge(&from);
            }
            self.add_user(cell, &all);
            if latency && user.latencies > 0 {
                self.merge_stat(cell, Measure::Latency, &user.latency_stat()?);
                if self.quantile() == Some(Measure::Latency) {
                    let histogram = user.latency()?;
                    self.cells.distributions.add(cell, &histogram).map_err(Damaged::from)?;
                }
            }
        }
        Ok(())
    }

    fn add_user(&mut self, cell: CellId, from: &DetailCell) {
        let counts = self.cells.counters(cell);
        counts.requests += from.count;
        counts.errors += from.errors;
        counts.unpriced += from.unpriced;
        let [input, output, cached, reasoning, cache_write, cache_write_1h] = from.tokens;
        for at in 0..self.cells.measures.len() {
            let (count, sum) = (from.count, u128::from);
            let (count, sum) = match self.cells.measures[at] {
                Measure::Tokens => (count, sum(input) + sum(output)),
                Measure::InputTokens => (count, sum(input)),
                Measure::OutputTokens => (count, sum(output)),
                Measure::CachedTokens => (count, sum(cached)),
                Measure::ReasoningTokens => (count, sum(reasoning)),
                Measure::CacheWriteTokens => (count, sum(cache_write)),
                Measure::CacheWrite1hTokens => (count, sum(cache_write_1h)),
                Measure::Cost => (count.saturating_sub(from.unpriced), from.cost_nanos),
                _ => continue,
            };
            let stat = self.cells.stat(cell, at);
            stat.count += count;
            stat.sum += sum;
        }
    }
}

/// What can go wrong inside a row.
enum Problem {
    Damaged(Damaged),
    Query(QueryError),
}

impl std::convert::From<Damaged> for Problem {
    fn from(damage: Damaged) -> Self {
        Self::Damaged(damage)
    }
}

impl std::convert::From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        Self::Query(error)
    }
}

fn damaged(table: Table, provider: &str, start: Timestamp, damage: &Damaged) -> QueryError {
    QueryError::Damaged {
        file: "monitor.redb".into(),
        offset: format!("{} of '{}' in {}", start, provider.escape_default(), table.name()),
        what: damage.to_string(),
    }
}
