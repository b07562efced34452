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
use super::left::{Left, Listed, Places, Stretch};
use super::tally::{self, Sums, Task, Wants};
use super::{Decision, overflow, within};
use crate::bucket::Measure;
use crate::raw::{
    self, ABSENT, BlockInfo, BlockReader, Column, ColumnSet, Dictionary, GROUP_ROWS, Packed, Scratch, Segment,
};
use crate::row::{Maybe, NameId, RateRow};
use crate::time::{TimeRange, Timestamp};

/// What is the same for all blocks of a kind in a segment.
pub(super) struct Search {
    needed: LabelSet,
    pub(super) grouping: Grouping,
    comparisons: Vec<(Measure, Compare, u64)>,
    /// Labels with what passes by value of their column.
    names: Vec<(Label, Listed)>,
    /// Names and comparisons are all there is to the filter.
    plain: bool,
    /// What is decoded for rows that are left.
    pub(super) shown: ColumnSet,
}

/// Work space of a scan.
pub(super) struct Space {
    pub(super) translation: Translation,
    values: [u64; GROUP_ROWS],
    pub(super) cells: [CellId; GROUP_ROWS],
    step: usize,
}

impl Gathering<'_, '_> {
    /// Adds the events of `segments` that lie in `ranges`.
    pub(super) fn add_segments(
        &mut self,
        segments: &[Segment],
        ranges: &[TimeRange],
        wanted: Wanted,
    ) -> Result<(), QueryError> {
        let tally = self.tally(wanted);
        let (mut scratch, mut tasks) = (Scratch::default(), Vec::new());
        for segment in segments {
            let task = self.add_segment(segment, ranges, wanted, tally.is_some(), &mut scratch)?;
            tasks.extend(task);
            if let Some(tally) = tally.as_ref().filter(|_| tally::are_many(&tasks)) {
                self.add_tallied(tally, &std::mem::take(&mut tasks), ranges)?;
            }
        }
        tally.map_or(Ok(()), |tally| self.add_tallied(&tally, &tasks, ranges))
    }

    /// Adds those blocks of `segment` that must be looked at row by row, and gives back the others.
    fn add_segment<'s>(
        &mut self,
        segment: &'s Segment,
        ranges: &[TimeRange],
        wanted: Wanted,
        tallied: bool,
        scratch: &mut Scratch,
    ) -> Result<Option<Task<'s>>, QueryError> {
        let mut space =
            Space { translation: Translation::default(), values: [0; GROUP_ROWS], cells: [0; GROUP_ROWS], step: 0 };
        space.translation.reset(segment.names().names_len());
        let mut searches: [Option<Search>; 3] = [const { None }; 3];
        let mut blocks = Vec::new();
        for (number, block) in segment.blocks().iter().enumerate() {
            let kind = kind_of(block.kind);
            let span = TimeRange::new(block.min_ts, block.max_ts.plus_ms(1));
            let inside = ranges.iter().any(|r| r.covers(&span));
            if !self.conditions.wants(kind) || !ranges.iter().any(|r| !r.intersect(&span).is_empty()) {
                continue;
            }
            if searches[kind as usize].is_none() {
                searches[kind as usize] = Some(self.search(segment, kind, wanted, &mut space.translation));
            }
            let Some(search) = &mut searches[kind as usize] else { continue };
            if search.skips(block) {
                continue;
            }
            self.read.raw_events += block.rows as u64;
            if tallied && kind == Kind::Request && search.grouping.keys().is_some() {
                blocks.push(number);
                continue;
            }
            let fetched = search.fetched(kind, search.shown).with(Column::Ts);
            match segment.read(number, fetched, scratch) {
                Ok(mut reader) => {
                    let ranges = if inside { None } else { Some(ranges) };
                    self.add_block(segment, &mut reader, kind, search, ranges, wanted, &mut space)?;
                }
                Err(error) => self.missing.push(format!("{} events: {error}", block.rows)),
            }
            self.check_memory()?;
        }
        let [search, ..] = searches;
        Ok(search.filter(|_| !blocks.is_empty()).map(|search| Task { segment, search, blocks }))
    }

    /// What adds calls up without a look at their groups, if that answers the plan.
    fn tally(&mut self, wanted: Wanted) -> Option<Wants> {
        let values = wanted.values && self.quantile().is_some_and(|m| Kind::Request.measures(m));
        let plain = self.conditions.get(Kind::Request).is_some_and(|condition| condition.is_plain());
        if !plain || !(wanted.numbers || wanted.matches) || values || self.cells.steps() > 1 {
            return None;
        }
        let measures = self.cells.measures.iter().copied().enumerate();
        Some(Wants {
            measures: measures.filter(|(_, m)| Kind::Request.measures(*m)).collect(),
            sums_only: self.plan.sums_only && self.quantile().is_none(),
            errors: wanted.numbers && self.plan.outcomes,
            unpriced: wanted.numbers && self.plan.outcomes && !self.by_error,
        })
    }

    fn add_tallied(&mut self, wants: &Wants, tasks: &[Task<'_>], ranges: &[TimeRange]) -> Result<(), QueryError> {
        let mut translation = Translation::default();
        for Sums { task, groups, stats, missing } in tally::run(tasks, wants, ranges) {
            let segment = tasks[task].segment;
            self.missing.extend(missing);
            translation.reset(segment.names().names_len());
            let mut stats = stats.chunks(wants.measures.len().max(1));
            for (key, calls) in groups {
                let cell = self.cell_at(segment, Kind::Request, &|_| key, &mut translation)?;
                let counts = self.cells.counters(cell);
                counts.requests += calls.requests;
                counts.errors += calls.errors;
                counts.unpriced += calls.unpriced;
                let of_group = stats.next().unwrap_or(&[]);
                wants.measures.iter().zip(of_group).for_each(|((at, _), stat)| self.cells.stat(cell, *at).merge(stat));
            }
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
            let Some(condition) = self.conditions.get(kind) else { continue };
            let mut accepts = |name| {
                let id = match name {
                    Name::Known(id) => id,
                    Name::OfSegment(id) => translation.id(&mut self.names, id, || segment.names().name(id)),
                };
                condition.accepts(&self.names, leaf, id)
            };
            names.push((label, Listed::new(passing(label, segment.names(), &mut accepts))));
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
            if left.is_empty() {
                continue;
            }
            reader.decode(number, search.shown);
            if !search.plain {
                self.judge(segment, reader, kind, search, &mut left, space);
            }
            let rows = left.places();
            self.group_rows(segment, reader, kind, &mut search.grouping, &rows, space)?;
            self.add_steps(reader, number, &rows, space);
            self.add_group(segment, reader, number, kind, &rows, wanted, space)?;
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
    fn add_steps(&self, reader: &mut BlockReader<'_>, number: usize, rows: &Places, space: &mut Space) {
        if self.cells.steps() == 1 {
            return;
        }
        reader.decode(number, ColumnSet::of(&[Column::Ts]));
        let ts = reader.values(Column::Ts);
        for row in rows.iter() {
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
        rows: &Places,
        wanted: Wanted,
        space: &mut Space,
    ) -> Result<(), QueryError> {
        if wanted.matches {
            self.cells.counters(0).requests += rows.len() as u64;
        }
        if wanted.numbers {
            self.count_rows(reader, kind, rows, &space.cells);
            for at in 0..self.cells.measures.len() {
                let measure = self.cells.measures[at];
                if kind.measures(measure) {
                    let values = numbers(reader, measure, &mut space.values);
                    let sums = self.plan.sums_only && !self.cells.is_quantile(at);
                    for row in rows.iter().filter(|row| values[*row] != ABSENT) {
                        let stat = self.cells.stat(space.cells[row], at);
                        if sums { stat.add_sum(values[row]) } else { stat.add(values[row]) }
                    }
                }
            }
            if self.plan.violations && kind == Kind::Rate {
                reader.decode(number, ColumnSet::of(&[Column::Ts]));
                let (ts, key) = (reader.values(Column::Ts), reader.values(Column::Key));
                let status = reader.values(Column::Status);
                for row in rows.iter() {
                    let id = key[row] as NameId;
                    let key = space.translation.id(&mut self.names, id, || segment.names().name(id));
                    let (ts, denied) = (Timestamp::from_millis(ts[row]), status[row] != raw::OK);
                    self.decisions.push(Decision { key, ts, denied, cell: space.cells[row] });
                }
            }
        }
        if let Some(measure) = self.quantile().filter(|m| wanted.values && kind.measures(*m)) {
            let values = numbers(reader, measure, &mut space.values);
            for row in rows.iter().filter(|row| values[*row] != ABSENT) {
                self.cells.distributions.add_value(space.cells[row], values[row]).map_err(overflow)?;
            }
        }
        Ok(())
    }

    fn count_rows(&mut self, reader: &BlockReader<'_>, kind: Kind, rows: &Places, cells: &[CellId; GROUP_ROWS]) {
        let status = reader.values(Column::Status);
        match kind {
            Kind::Request => {
                let unpriced = (!self.by_error).then(|| reader.values(Column::CostSource));
                for row in rows.iter() {
                    let counts = self.cells.counters(cells[row]);
                    counts.requests += 1;
                    counts.errors += u64::from(status[row] != raw::OK);
                    counts.unpriced += u64::from(unpriced.is_some_and(|source| source[row] == 0));
                }
            }
            Kind::Cache => {
                for row in rows.iter() {
                    let counts = self.cells.counters(cells[row]);
                    if status[row] == raw::OK { counts.hits += 1 } else { counts.misses += 1 }
                }
            }
            Kind::Rate => {
                for row in rows.iter() {
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
        by_number || self.names.iter().any(|(label, listed)| no_name(*label, listed, block))
    }

    /// Columns to fetch from a block: those that are `shown` of what is left, and those that decide that.
    pub(super) fn fetched(&self, kind: Kind, shown: ColumnSet) -> ColumnSet {
        let names = self.names.iter().fold(shown, |set, (label, _)| set.with(column_of(*label, kind)));
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
        for (label, listed) in &self.names {
            if left.is_empty() {
                return;
            }
            let column = column_of(*label, kind);
            if let Listed::Few(bits) = listed
                && let Some(Packed { words, line: Some((start @ 0..64, 1)), .. }) =
                    reader.words_within(column, group, (0, ABSENT))
            {
                left.retain_bits(words, bits >> start);
                continue;
            }
            reader.decode(group, ColumnSet::of(&[column]));
            left.retain_listed(reader.values(column), listed);
        }
        for &(measure, compare, with) in &self.comparisons {
            if left.is_empty() {
                return;
            }
            let Some(stretch) = stretch(compare, with) else {
                left.retain(|_| false);
                return;
            };
            let packed = single_column(measure).filter(|_| stretch.inside);
            let limits = (stretch.low, stretch.low.saturating_add(stretch.span));
            if let Some(packed) = packed.and_then(|column| reader.words_within(column, group, limits)) {
                left.retain_packed(packed);
                continue;
            }
            reader.decode(group, columns_of(measure));
            left.retain_stretch(numbers(reader, measure, values), stretch);
        }
    }
}

fn no_name(label: Label, listed: &Listed, block: &BlockInfo) -> bool {
    let bounds = block.bounds(column_of(label, kind_of(block.kind)));
    !listed.any(bounds.min, bounds.max)
}

/// The numbers that compare so with `with`; `None` = no number does.
fn stretch(compare: Compare, with: u64) -> Option<Stretch> {
    let (low, span, inside) = match compare {
        Compare::Equal => (with, 0, true),
        Compare::NotEqual => (with, 0, false),
        Compare::Less => (0, with.checked_sub(1)?, true),
        Compare::LessOrEqual => (0, with, true),
        Compare::Greater => (with.checked_add(1)?, u64::MAX - with - 1, true),
        Compare::GreaterOrEqual => (with, u64::MAX - with, true),
    };
    Some(Stretch { low, span, inside })
}

/// A name by its id.
enum Name {
    /// Of the answer.
    Known(NameId),
    OfSegment(NameId),
}

/// By value of the label's column: whether its name passes.
fn passing(label: Label, names: &Dictionary, accepts: &mut dyn FnMut(Name) -> bool) -> Vec<bool> {
    let all = || 0..names.names_len() as NameId;
    match label {
        Label::Provider => names.series().iter().map(|&(provider, _)| accepts(Name::OfSegment(provider))).collect(),
        Label::Model => names.series().iter().map(|&(_, model)| accepts(Name::OfSegment(model))).collect(),
        // Success, failure without a kind, and failures by kind.
        Label::Status => {
            let (ok, error) = (accepts(Name::Known(OK)), accepts(Name::Known(ERROR)));
            (0..=names.names_len()).map(|at| if at as u64 == raw::OK { ok } else { error }).collect()
        }
        Label::Error => std::iter::once(0).chain(all()).map(|id| accepts(Name::OfSegment(id))).collect(),
        _ => all().map(|id| accepts(Name::OfSegment(id))).collect(),
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
pub(super) const fn columns_of(measure: Measure) -> ColumnSet {
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

/// The numbers of a group's rows, a column's own or computed into `space`.
pub(super) fn numbers<'v>(
    reader: &'v BlockReader<'_>,
    measure: Measure,
    space: &'v mut [u64; GROUP_ROWS],
) -> &'v [u64; GROUP_ROWS] {
    match measure {
        Measure::Tokens => {
            let (input, output) = (reader.values(Column::InputTokens), reader.values(Column::OutputTokens));
            let both = input.iter().zip(output);
            space.iter_mut().zip(both).for_each(|(to, (input, output))| *to = input.wrapping_add(*output));
        }
        Measure::Cost => {
            let (cost, source) = (reader.values(Column::Cost), reader.values(Column::CostSource));
            let priced = cost.iter().zip(source);
            space
                .iter_mut()
                .zip(priced)
                .for_each(|(to, (&cost, &source))| *to = if source == 0 { ABSENT } else { cost });
        }
        Measure::Utilization => {
            let (remaining, limit) = (reader.values(Column::Remaining), reader.values(Column::Limit));
            let both = remaining.iter().zip(limit);
            space.iter_mut().zip(both).for_each(|(to, (remaining, limit))| *to = utilization(*remaining, *limit));
        }
        other => match single_column(other) {
            Some(column) => return reader.values(column),
            None => space.fill(ABSENT),
        },
    }
    space
}
