//! Adds events of a sealed segment column by column.
//!
//! A block is skipped when its bounds say that no row can match. Else its rows are taken 256 at a
//! time: the columns of the filter are decoded one after the other, each leaving fewer rows, and what
//! the answer needs is decoded only where a row is left. Names are judged once a segment.

use super::super::QueryError;
use super::super::buckets::{Gathering, Wanted};
use super::super::cells::CellId;
use super::super::filter::Kind;
use super::super::names::{ERROR, LabelSet, OK, Translation};
use super::super::plan::{Compare, Label};
use super::grouping::{Grouping, column_of, labels_at};
use super::tally::Tally;
use super::{Decision, overflow, within};
use crate::bucket::Measure;
use crate::raw::{self, ABSENT, BlockInfo, BlockReader, Column, ColumnSet, GROUP_ROWS, Scratch, Segment};
use crate::row::{Maybe, NameId, RateRow};
use crate::time::{TimeRange, Timestamp};

/// What is the same for all blocks of a kind in a segment.
pub(super) struct Search {
    needed: LabelSet,
    grouping: Grouping,
    comparisons: Vec<(Measure, Compare, u64)>,
    /// Labels with what passes by value of their column.
    names: Vec<(Label, Vec<bool>)>,
    /// Names and comparisons are all there is to the filter.
    plain: bool,
    /// What is decoded for rows that are left.
    pub(super) shown: ColumnSet,
}

/// Rows of a group that are still in.
pub(super) struct Left {
    rows: [u8; GROUP_ROWS],
    len: usize,
}

/// All rows in order.
const EVERY: [u8; GROUP_ROWS] = {
    let (mut rows, mut row) = ([0; GROUP_ROWS], 0);
    while row < GROUP_ROWS {
        rows[row] = row as u8;
        row += 1;
    }
    rows
};

impl Left {
    /// All `len` rows of a group.
    pub(super) const fn all(len: usize) -> Self {
        Self { rows: EVERY, len: if len < GROUP_ROWS { len } else { GROUP_ROWS } }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = usize> {
        self.rows().iter().map(|&row| row as usize)
    }

    /// The rows as they are kept, for loops that must be tight.
    #[inline]
    pub(super) fn rows(&self) -> &[u8] {
        &self.rows[..self.len]
    }

    #[inline]
    pub(super) fn retain(&mut self, mut keep: impl FnMut(usize) -> bool) {
        // As a byte the number of rows kept before a row is an index that needs no check.
        let mut kept = 0_u8;
        let mut last = false;
        for at in 0..self.len.min(GROUP_ROWS) {
            let row = self.rows[at];
            self.rows[kept as usize] = row;
            last = keep(row as usize);
            kept = kept.wrapping_add(u8::from(last));
        }
        // Only when all rows are kept does it come round to 0 behind a kept one.
        self.len = if kept == 0 && last { GROUP_ROWS } else { kept.into() };
    }
}

/// Work space of a scan.
pub(super) struct Space {
    pub(super) translation: Translation,
    values: [u64; GROUP_ROWS],
    pub(super) cells: [CellId; GROUP_ROWS],
    step: usize,
}

impl Gathering<'_, '_> {
    /// Adds the events of `segment` that lie in `ranges`.
    pub(super) fn add_segment(
        &mut self,
        segment: &Segment,
        ranges: &[TimeRange],
        wanted: Wanted,
    ) -> Result<(), QueryError> {
        let mut scratch = Scratch::default();
        let mut space =
            Space { translation: Translation::default(), values: [0; GROUP_ROWS], cells: [0; GROUP_ROWS], step: 0 };
        space.translation.reset(segment.names().names_len());
        let mut searches: [Option<Search>; 3] = [const { None }; 3];
        let (mut tally, mut tallied): (Option<Tally>, Vec<usize>) = (None, Vec::new());
        for (number, block) in segment.blocks().iter().enumerate() {
            let kind = kind_of(block.kind);
            let span = TimeRange::new(block.min_ts, block.max_ts.plus_ms(1));
            let inside = ranges.iter().any(|r| r.covers(&span));
            if !self.conditions.wants(kind) || !ranges.iter().any(|r| !r.intersect(&span).is_empty()) {
                continue;
            }
            if searches[kind as usize].is_none() {
                let search = self.search(segment, kind, wanted, &mut space.translation);
                if kind == Kind::Request {
                    tally = self.tally(&search, wanted);
                }
                searches[kind as usize] = Some(search);
            }
            let Some(search) = &mut searches[kind as usize] else { continue };
            if search.skips(block) {
                continue;
            }
            self.read.raw_events += block.rows as u64;
            if kind == Kind::Request && tally.is_some() {
                tallied.push(number);
                continue;
            }
            let fetched = search.fetched(kind).with(Column::Ts);
            match segment.read(number, fetched, &mut scratch) {
                Ok(mut reader) => {
                    let ranges = if inside { None } else { Some(ranges) };
                    self.add_block(segment, &mut reader, kind, search, ranges, wanted, &mut space)?;
                }
                Err(error) => self.missing.push(format!("{} events: {error}", block.rows)),
            }
            self.check_memory()?;
        }
        match (tally, &searches[Kind::Request as usize]) {
            (Some(mut tally), Some(search)) => {
                tally.add_blocks(segment, &tallied, search, ranges);
                self.add_tally(segment, &tally, &mut space.translation)
            }
            _ => Ok(()),
        }
    }

    /// What adds calls up without a look at their groups, if that answers the plan.
    fn tally(&self, search: &Search, wanted: Wanted) -> Option<Tally> {
        let values = wanted.values && self.quantile().is_some_and(|m| Kind::Request.measures(m));
        if !search.plain || !wanted.numbers || values || self.cells.steps() > 1 {
            return None;
        }
        let sums_only = self.plan.sums_only && self.quantile().is_none();
        Tally::new(&search.grouping, &self.cells.measures, sums_only, !self.by_error)
    }

    fn add_tally(&mut self, segment: &Segment, tally: &Tally, translation: &mut Translation) -> Result<(), QueryError> {
        self.missing.extend(tally.missing.iter().cloned());
        for (key, calls, stats) in tally.found() {
            let cell = self.cell_at(segment, Kind::Request, &|_| key, translation)?;
            let counts = self.cells.counters(cell);
            counts.requests += calls.requests;
            counts.errors += calls.errors;
            counts.unpriced += calls.unpriced;
            stats.for_each(|(at, stat)| self.cells.stat(cell, at).merge(stat));
        }
        Ok(())
    }

    fn search(&mut self, segment: &Segment, kind: Kind, wanted: Wanted, translation: &mut Translation) -> Search {
        let needed = self.needed().of(kind);
        let mut shown = ColumnSet::NONE;
        if wanted.numbers {
            shown = shown.with(Column::Status);
            if kind == Kind::Request && !self.by_error {
                shown = shown.with(Column::CostSource);
            }
            for &measure in self.cells.measures.iter().filter(|m| kind.measures(**m)) {
                shown = shown.and(columns_of(measure));
            }
            if self.plan.violations && kind == Kind::Rate {
                shown = shown.with(Column::Key);
            }
        }
        if let Some(measure) = self.quantile().filter(|m| wanted.values && kind.measures(*m)) {
            shown = shown.and(columns_of(measure));
        }
        let grouping = Grouping::new(LabelSet::of(&self.plan.group), kind, segment);
        for label in needed.iter() {
            shown = shown.with(column_of(label, kind));
        }
        let (mut comparisons, mut tests, mut plain) = (Vec::new(), Vec::new(), true);
        if let Some(condition) = self.conditions.get(kind) {
            comparisons = condition.comparisons();
            tests = condition.name_tests();
            plain = condition.is_plain();
            for measure in condition.numbers() {
                shown = shown.and(columns_of(measure));
            }
        }
        let mut names = Vec::new();
        for (label, leaf) in tests {
            let ids: Vec<NameId> = (0..)
                .zip(segment.names().names())
                .map(|(id, name)| translation.id(&mut self.names, id, || name))
                .collect();
            let Some(condition) = self.conditions.get(kind) else { continue };
            let mut accepts = |id| condition.accepts(&self.names, leaf, id);
            names.push((label, passing(label, &ids, segment.names().series(), &mut accepts)));
        }
        Search { needed, grouping, comparisons, names, plain, shown }
    }

    #[expect(clippy::too_many_arguments, reason = "the state of one scan, passed down two levels")]
    fn add_block(
        &mut self,
        segment: &Segment,
        reader: &mut BlockReader<'_>,
        kind: Kind,
        search: &mut Search,
        ranges: Option<&[TimeRange]>,
        wanted: Wanted,
        space: &mut Space,
    ) -> Result<(), QueryError> {
        for number in 0..reader.groups() {
            let mut left = Left::all(reader.rows(number));
            if let Some(ranges) = ranges {
                reader.decode(number, ColumnSet::of(&[Column::Ts]));
                let ts = reader.values(Column::Ts);
                left.retain(|row| within(ranges, Timestamp::from_millis(ts[row])));
            }
            search.narrow(reader, number, kind, &mut left, &mut space.values);
            if left.len == 0 {
                continue;
            }
            reader.decode(number, search.shown);
            if !search.plain {
                self.judge(segment, reader, kind, search, &mut left, space);
            }
            self.group_rows(segment, reader, kind, &mut search.grouping, &left, space)?;
            self.add_steps(reader, number, &left, space);
            self.add_group(segment, reader, number, kind, &left, wanted, space)?;
        }
        Ok(())
    }

    /// Takes out rows that the whole filter refuses.
    fn judge(
        &mut self,
        segment: &Segment,
        reader: &BlockReader<'_>,
        kind: Kind,
        search: &Search,
        left: &mut Left,
        space: &mut Space,
    ) {
        let Some(condition) = self.conditions.get(kind) else { return };
        let (names, translation) = (&mut self.names, &mut space.translation);
        left.retain(|row| {
            let labels = labels_at(segment, kind, &|column| reader.values(column)[row], search.needed, |id| {
                translation.id(names, id, || segment.names().name(id))
            });
            let number = |measure| Some(value_at(reader, measure, row)).filter(|v| *v != ABSENT);
            condition.holds(names, &labels, &number)
        });
    }

    /// Moves the rows' cells to the steps of their times.
    fn add_steps(&self, reader: &mut BlockReader<'_>, number: usize, left: &Left, space: &mut Space) {
        if self.cells.steps() == 1 {
            return;
        }
        reader.decode(number, ColumnSet::of(&[Column::Ts]));
        let ts = reader.values(Column::Ts);
        for row in left.iter() {
            space.step = self.cells.step(Timestamp::from_millis(ts[row]), space.step);
            space.cells[row] += space.step as CellId;
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the state of one scan, passed down two levels")]
    fn add_group(
        &mut self,
        segment: &Segment,
        reader: &mut BlockReader<'_>,
        number: usize,
        kind: Kind,
        left: &Left,
        wanted: Wanted,
        space: &mut Space,
    ) -> Result<(), QueryError> {
        if wanted.numbers {
            self.count_rows(reader, kind, left, &space.cells);
            for at in 0..self.cells.measures.len() {
                let measure = self.cells.measures[at];
                if kind.measures(measure) {
                    let values = numbers(reader, measure, left, &mut space.values);
                    let sums = self.plan.sums_only && !self.cells.is_quantile(at);
                    for row in left.iter().filter(|row| values[*row] != ABSENT) {
                        let stat = self.cells.stat(space.cells[row], at);
                        if sums { stat.add_sum(values[row]) } else { stat.add(values[row]) }
                    }
                }
            }
            if self.plan.violations && kind == Kind::Rate {
                reader.decode(number, ColumnSet::of(&[Column::Ts]));
                let (ts, key) = (reader.values(Column::Ts), reader.values(Column::Key));
                let status = reader.values(Column::Status);
                for row in left.iter() {
                    let id = key[row] as NameId;
                    let key = space.translation.id(&mut self.names, id, || segment.names().name(id));
                    let (ts, denied) = (Timestamp::from_millis(ts[row]), status[row] != raw::OK);
                    self.decisions.push(Decision { key, ts, denied, cell: space.cells[row] });
                }
            }
        }
        if let Some(measure) = self.quantile().filter(|m| wanted.values && kind.measures(*m)) {
            let values = numbers(reader, measure, left, &mut space.values);
            for row in left.iter().filter(|row| values[*row] != ABSENT) {
                self.cells.distributions.add_value(space.cells[row], values[row]).map_err(overflow)?;
            }
        }
        Ok(())
    }

    fn count_rows(&mut self, reader: &BlockReader<'_>, kind: Kind, left: &Left, cells: &[CellId; GROUP_ROWS]) {
        let status = reader.values(Column::Status);
        match kind {
            Kind::Request => {
                let unpriced = (!self.by_error).then(|| reader.values(Column::CostSource));
                for row in left.iter() {
                    let counts = self.cells.counters(cells[row]);
                    counts.requests += 1;
                    counts.errors += u64::from(status[row] != raw::OK);
                    counts.unpriced += u64::from(unpriced.is_some_and(|source| source[row] == 0));
                }
            }
            Kind::Cache => {
                for row in left.iter() {
                    let counts = self.cells.counters(cells[row]);
                    if status[row] == raw::OK { counts.hits += 1 } else { counts.misses += 1 }
                }
            }
            Kind::Rate => {
                for row in left.iter() {
                    let counts = self.cells.counters(cells[row]);
                    if status[row] == raw::OK { counts.allowed += 1 } else { counts.denied += 1 }
                }
            }
        }
    }
}

impl Search {
    /// Whether the bounds of `block` rule out every row.
    fn skips(&self, block: &BlockInfo) -> bool {
        let by_number = self.comparisons.iter().any(|&(measure, compare, with)| {
            let Some(column) = single_column(measure) else { return false };
            let bounds = block.bounds(column);
            if bounds.min > bounds.max {
                return true;
            }
            match compare {
                Compare::Equal => !bounds.may_lie_in(with, with),
                Compare::NotEqual => bounds.min == bounds.max && bounds.min == with,
                Compare::Less => bounds.min >= with,
                Compare::LessOrEqual => bounds.min > with,
                Compare::Greater => bounds.max <= with,
                Compare::GreaterOrEqual => bounds.max < with,
            }
        });
        by_number || self.names.iter().any(|(label, allowed)| self.no_name(*label, allowed, block))
    }

    fn no_name(&self, label: Label, allowed: &[bool], block: &BlockInfo) -> bool {
        let bounds = block.bounds(column_of(label, kind_of(block.kind)));
        !(bounds.min..=bounds.max).any(|value| allowed.get(value as usize).is_none_or(|a| *a))
    }

    /// Columns to fetch from a block.
    pub(super) fn fetched(&self, kind: Kind) -> ColumnSet {
        let names = self.names.iter().fold(self.shown, |set, (label, _)| set.with(column_of(*label, kind)));
        self.comparisons.iter().fold(names, |set, (measure, ..)| set.and(columns_of(*measure)))
    }

    /// Takes out rows, column by column, that a name or a comparison refuses.
    pub(super) fn narrow(
        &self,
        reader: &mut BlockReader<'_>,
        group: usize,
        kind: Kind,
        left: &mut Left,
        values: &mut [u64; GROUP_ROWS],
    ) {
        for (label, allowed) in &self.names {
            if left.len == 0 {
                return;
            }
            let column = column_of(*label, kind);
            reader.decode(group, ColumnSet::of(&[column]));
            let ids = reader.values(column);
            left.retain(|row| allowed.get(ids[row] as usize).is_some_and(|a| *a));
        }
        for &(measure, compare, with) in &self.comparisons {
            if left.len == 0 {
                return;
            }
            reader.decode(group, columns_of(measure));
            let values = numbers(reader, measure, left, values);
            let Some((low, span, inside)) = stretch(compare, with) else {
                left.len = 0;
                return;
            };
            left.retain(|row| values[row] != ABSENT && (values[row].wrapping_sub(low) <= span) == inside);
        }
    }
}

/// The numbers that compare so with `with`: those from the first one on as far as the second one says,
/// or, with `false`, all others. `None` = no number does.
fn stretch(compare: Compare, with: u64) -> Option<(u64, u64, bool)> {
    match compare {
        Compare::Equal => Some((with, 0, true)),
        Compare::NotEqual => Some((with, 0, false)),
        Compare::Less => Some((0, with.checked_sub(1)?, true)),
        Compare::LessOrEqual => Some((0, with, true)),
        Compare::Greater => Some((with.checked_add(1)?, u64::MAX - with - 1, true)),
        Compare::GreaterOrEqual => Some((with, u64::MAX - with, true)),
    }
}

/// By value of the label's column: whether its name passes.
fn passing(
    label: Label,
    ids: &[NameId],
    series: &[(NameId, NameId)],
    accepts: &mut impl FnMut(NameId) -> bool,
) -> Vec<bool> {
    let mut named = |id: NameId| ids.get(id as usize).is_some_and(|&id| accepts(id));
    match label {
        Label::Provider => series.iter().map(|&(provider, _)| named(provider)).collect(),
        Label::Model => series.iter().map(|&(_, model)| named(model)).collect(),
        // Success, failure without a kind, and failures by kind.
        Label::Status => (0..=ids.len()).map(|at| accepts(if at as u64 == raw::OK { OK } else { ERROR })).collect(),
        Label::Error => [0].iter().chain(ids).map(|&id| accepts(id)).collect(),
        _ => ids.iter().map(|&id| accepts(id)).collect(),
    }
}

const fn kind_of(kind: raw::Kind) -> Kind {
    match kind {
        raw::Kind::Request => Kind::Request,
        raw::Kind::Cache => Kind::Cache,
        raw::Kind::Rate => Kind::Rate,
    }
}

/// The columns that a number is made of.
const fn columns_of(measure: Measure) -> ColumnSet {
    match measure {
        Measure::Tokens => ColumnSet::of(&[Column::InputTokens, Column::OutputTokens]),
        Measure::Cost => ColumnSet::of(&[Column::Cost, Column::CostSource]),
        Measure::Utilization => ColumnSet::of(&[Column::Remaining, Column::Limit]),
        Measure::Latency => ColumnSet::of(&[Column::Latency]),
        Measure::Ttft => ColumnSet::of(&[Column::Ttft]),
        Measure::InputTokens => ColumnSet::of(&[Column::InputTokens]),
        Measure::OutputTokens => ColumnSet::of(&[Column::OutputTokens]),
        Measure::CachedTokens => ColumnSet::of(&[Column::CachedTokens]),
        Measure::ReasoningTokens => ColumnSet::of(&[Column::ReasoningTokens]),
        Measure::CacheWriteTokens => ColumnSet::of(&[Column::CacheWriteTokens]),
        Measure::CacheWrite1hTokens => ColumnSet::of(&[Column::CacheWrite1hTokens]),
        Measure::SavedCost => ColumnSet::of(&[Column::SavedCost]),
        Measure::SavedTokens => ColumnSet::of(&[Column::SavedTokens]),
    }
}

/// The column whose values are the number as it is.
fn single_column(measure: Measure) -> Option<Column> {
    let columns = columns_of(measure);
    let mut list = columns.iter();
    list.next().filter(|_| list.next().is_none())
}

/// The number of one row, [`ABSENT`] when it has none.
#[inline]
fn value_at(reader: &BlockReader<'_>, measure: Measure, row: usize) -> u64 {
    let value = |column| reader.values(column)[row];
    match measure {
        Measure::Tokens => value(Column::InputTokens) + value(Column::OutputTokens),
        Measure::Cost if value(Column::CostSource) == 0 => ABSENT,
        Measure::Cost => value(Column::Cost),
        Measure::Utilization => utilization(value(Column::Remaining), value(Column::Limit)),
        other => single_column(other).map_or(ABSENT, value),
    }
}

fn utilization(remaining: u64, limit: u64) -> u64 {
    let (remaining, limit) = (Maybe::some(remaining), Maybe::some(limit));
    let row = RateRow { allowed: true, key: 0, limit_type: 0, remaining, limit };
    row.utilization().unwrap_or(ABSENT)
}

/// The numbers of the rows that are left, a column's own or computed into `space`.
pub(super) fn numbers<'v>(
    reader: &'v BlockReader<'_>,
    measure: Measure,
    left: &Left,
    space: &'v mut [u64; GROUP_ROWS],
) -> &'v [u64; GROUP_ROWS] {
    match measure {
        Measure::Tokens => {
            let (input, output) = (reader.values(Column::InputTokens), reader.values(Column::OutputTokens));
            for &row in left.rows() {
                space[row as usize] = input[row as usize] + output[row as usize];
            }
        }
        Measure::Cost => {
            let (cost, source) = (reader.values(Column::Cost), reader.values(Column::CostSource));
            // Every row, wanted or not: that is vector code.
            let priced = cost.iter().zip(source);
            space
                .iter_mut()
                .zip(priced)
                .for_each(|(to, (&cost, &source))| *to = if source == 0 { ABSENT } else { cost });
        }
        Measure::Utilization => {
            let (remaining, limit) = (reader.values(Column::Remaining), reader.values(Column::Limit));
            left.iter().for_each(|row| space[row] = utilization(remaining[row], limit[row]));
        }
        other => match single_column(other) {
            Some(column) => return reader.values(column),
            None => space.fill(ABSENT),
        },
    }
    space
}
