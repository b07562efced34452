//! Lists single events: the newest that match, or all of them in order of time.
//!
//! Segments belong to one UTC day each, so days are taken one after the other: all segments of a day
//! are merged by time, block by block, and the journals' events, which are few and in no order,
//! between them. What is in memory is a block of each segment of the day and a bounded part of the
//! journals.

use std::ops::ControlFlow;

use super::buckets::{Gathering, Wanted};
use super::cells::Cells;
use super::filter::Kind;
use super::names::{LabelNames, Translation};
use super::plan::{Filter, Plan};
use super::raw::{Needed, kind_of, labels_of, number_of};
use super::route::Conditions;
use super::series;
use super::source::Source;
use super::{EventsSummary, QueryError};
use crate::raw::{Scratch, Segment};
use crate::row::{Batch, Body, NameId, Names, Row};
use crate::time::{DAY_MS, TimeRange, Timestamp, Zone};

/// Events of journals held at once; more of them are read in several passes.
const JOURNAL_ROWS_MAX: usize = 250_000;
/// So many groups of a block are looked at for the newest events before the rest of it: mostly they are there.
const GROUPS_FIRST: usize = 4;

type Each<'a> = dyn FnMut(&Names, &Row) -> ControlFlow<()> + 'a;

/// See [`super::events`].
pub(crate) fn events(
    source: &dyn Source,
    range: TimeRange,
    filter: &Filter,
    newest: usize,
    each: &mut Each<'_>,
) -> Result<EventsSummary, QueryError> {
    let plan = Plan { filter: filter.clone(), ..Plan::new(range, Zone::utc()) };
    if newest == usize::MAX {
        return Stream::new(source, &plan).run(each);
    }
    let (matched, mut missing) = count(source, &plan)?;
    let found = newest_of(source, &plan, newest, &mut missing)?;
    for at in found.in_order() {
        if each(&found.batch.names, &found.batch.rows[at]).is_break() {
            break;
        }
    }
    Ok(EventsSummary { matched, missing, kept_from: None })
}

/// How many events match, from raw columns; and what could not be read.
fn count(source: &dyn Source, plan: &Plan) -> Result<(u64, Vec<String>), QueryError> {
    let edges = vec![plan.range.start, plan.range.end];
    let mut gathering = Gathering {
        source,
        plan,
        conditions: Conditions::new(plan),
        names: LabelNames::new(),
        cells: Cells::new(&[], edges, false, Vec::new(), None)?,
        by_error: true,
        read: series::Source::default(),
        missing: Vec::new(),
        damaged: 0,
        lost: None,
        decisions: Vec::new(),
        newest: None,
        raw_from: Timestamp::MAX,
        left_to_raw: Vec::new(),
    };
    let wanted = Wanted { matches: true, ..Wanted::NOTHING };
    gathering.add_raw(&[plan.range], wanted)?;
    gathering.add_backlog(plan.range, wanted)?;
    Ok((gathering.cells.counters(0).requests, gathering.missing))
}

/// Judges whole rows.
struct RowFilter<'p> {
    range: TimeRange,
    conditions: Conditions<'p>,
    names: LabelNames,
    needed: Needed,
    translation: Translation,
}

impl<'p> RowFilter<'p> {
    fn new(plan: &'p Plan) -> Self {
        let conditions = Conditions::new(plan);
        let needed = Needed::new(plan, &conditions);
        Self { range: plan.range, conditions, names: LabelNames::new(), needed, translation: Translation::default() }
    }

    /// The rows that come next refer to `names`.
    fn reset(&mut self, names: &Names) {
        self.translation.reset(names.len());
    }

    fn matches(&mut self, names: &Names, row: &Row) -> bool {
        let kind = kind_of(&row.body);
        let Some(condition) = self.conditions.get(kind).filter(|_| self.range.contains(row.ts)) else { return false };
        let (known, translation) = (&mut self.names, &mut self.translation);
        let labels = labels_of(row, self.needed.of(kind), |id| translation.id(known, id, || names.get(id)));
        condition.holds(&self.names, &labels, &|measure| number_of(&row.body, measure))
    }

    fn kinds(&self) -> Vec<crate::raw::Kind> {
        crate::raw::Kind::ALL.into_iter().filter(|kind| self.wants(*kind)).collect()
    }

    fn wants(&self, kind: crate::raw::Kind) -> bool {
        self.conditions.wants(match kind {
            crate::raw::Kind::Request => Kind::Request,
            crate::raw::Kind::Cache => Kind::Cache,
            crate::raw::Kind::Rate => Kind::Rate,
        })
    }
}

/// Adds a row to a batch with other names.
fn copy(row: &Row, names: &Names, into: &mut Batch) {
    let mut id = |id: NameId| if id == 0 { 0 } else { into.names.intern(names.get(id)) };
    let mut row = *row;
    row.provider = id(row.provider);
    row.model = id(row.model);
    row.user = id(row.user);
    row.event_id = id(row.event_id);
    match &mut row.body {
        Body::Request(r) => {
            r.error = id(r.error);
            r.service_tier = id(r.service_tier);
        }
        Body::Cache(c) => c.key = id(c.key),
        Body::Rate(r) => {
            r.key = id(r.key);
            r.limit_type = id(r.limit_type);
        }
    }
    into.rows.push(row);
}

/// Events with the least (or greatest) times among those offered, at most `max` of them.
struct Best {
    batch: Batch,
    max: usize,
    latest: bool,
    /// Times from here on (up to here, for the latest) were left out.
    cut: Option<Timestamp>,
}

impl Best {
    fn new(max: usize, latest: bool) -> Self {
        Self { batch: Batch::default(), max, latest, cut: None }
    }

    fn takes(&self, ts: Timestamp) -> bool {
        self.max > 0 && self.cut.is_none_or(|cut| if self.latest { ts > cut } else { ts < cut })
    }

    fn offer(&mut self, names: &Names, row: &Row) {
        if self.takes(row.ts) {
            copy(row, names, &mut self.batch);
            if self.batch.rows.len() >= (2 * self.max).max(self.max + 1000) {
                self.trim();
            }
        }
    }

    /// Leaves out what is too many. Of the earliest all events of one moment stay together.
    fn trim(&mut self) {
        if self.batch.rows.len() <= self.max {
            return;
        }
        let old = std::mem::take(&mut self.batch);
        let mut order: Vec<usize> = (0..old.rows.len()).collect();
        order.sort_by_key(|&at| old.rows[at].ts);
        let kept = if self.latest {
            let from = order.len() - self.max;
            self.cut = Some(old.rows[order[from]].ts).filter(|_| self.max > 0);
            &order[from..]
        } else {
            let cut = old.rows[order[self.max]].ts;
            let end = order.partition_point(|&at| old.rows[at].ts < cut);
            // A moment with more events than fit is kept whole.
            let end = if end == 0 { order.partition_point(|&at| old.rows[at].ts <= cut) } else { end };
            self.cut = Some(if end < order.len() { old.rows[order[end]].ts } else { cut.plus_ms(1) });
            &order[..end]
        };
        kept.iter().for_each(|&at| copy(&old.rows[at], &old.names, &mut self.batch));
    }

    /// Places of the rows by time.
    fn in_order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.batch.rows.len()).collect();
        order.sort_by_key(|&at| self.batch.rows[at].ts);
        order
    }
}

/// Offers all matching events of journals to `best`.
fn offer_journals(
    source: &dyn Source,
    range: TimeRange,
    filter: &mut RowFilter<'_>,
    best: &mut Best,
) -> Result<(), QueryError> {
    for rolled_up in [true, false] {
        source.journal_rows(range, rolled_up, &mut |names, rows| {
            filter.reset(names);
            for row in rows.iter().filter(|row| range.contains(row.ts)) {
                if best.takes(row.ts) && filter.matches(names, row) {
                    best.offer(names, row);
                }
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn newest_of(source: &dyn Source, plan: &Plan, newest: usize, missing: &mut Vec<String>) -> Result<Best, QueryError> {
    let mut filter = RowFilter::new(plan);
    let mut best = Best::new(newest, true);
    offer_journals(source, plan.range, &mut filter, &mut best)?;
    best.trim();
    for day in days(source, plan.range)?.into_iter().rev() {
        if !best.takes(day.end.minus_ms(1)) {
            break;
        }
        source.segments(day, &mut |segment| {
            match segment {
                Ok(segment) => offer_segment(&segment, day, &mut filter, &mut best, missing),
                Err(lost) => note(missing, lost.to_string()),
            }
            Ok(())
        })?;
    }
    Ok(best)
}

/// Offers the matching events of a segment to `best`, the latest block first.
fn offer_segment(
    segment: &Segment,
    day: TimeRange,
    filter: &mut RowFilter<'_>,
    best: &mut Best,
    missing: &mut Vec<String>,
) {
    let (mut scratch, mut batch) = (Scratch::default(), Batch::default());
    let mut blocks: Vec<usize> = (0..segment.blocks().len()).collect();
    blocks.sort_by_key(|&b| std::cmp::Reverse(segment.blocks()[b].max_ts));
    for block in blocks {
        let info = &segment.blocks()[block];
        if info.max_ts < day.start || info.min_ts >= day.end || !filter.wants(info.kind) {
            continue;
        }
        if !best.takes(info.max_ts) {
            return;
        }
        // Its last events may do; only if not it is read as a whole.
        let some = info.groups().saturating_sub(GROUPS_FIRST);
        for groups in [some..info.groups(), 0..some] {
            batch.rows.clear();
            if let Err(error) = segment.rows_of(block, groups, &mut scratch, &mut batch) {
                note(missing, format!("{} events: {error}", info.rows));
                break;
            }
            filter.reset(&batch.names);
            for row in batch.rows.iter().rev() {
                if !best.takes(row.ts) {
                    break;
                }
                if filter.matches(&batch.names, row) {
                    best.offer(&batch.names, row);
                }
            }
            best.trim();
            if batch.rows.first().is_some_and(|earliest| !best.takes(earliest.ts)) {
                break;
            }
        }
    }
}

fn note(missing: &mut Vec<String>, what: String) {
    if !missing.contains(&what) {
        missing.push(what);
    }
}

/// The UTC days of `range` that have rolled-up events, cut to it.
fn days(source: &dyn Source, range: TimeRange) -> Result<Vec<TimeRange>, QueryError> {
    let Some(extent) = source.extent()? else { return Ok(Vec::new()) };
    let range = range.intersect(&extent);
    let mut days = Vec::new();
    let mut t = range.start;
    while t < range.end {
        let end = t.utc_day().plus_ms(DAY_MS);
        days.push(TimeRange::new(t, end.min(range.end)));
        t = end;
    }
    Ok(days)
}

/// All matching events in order of time.
struct Stream<'a, 'p> {
    source: &'a dyn Source,
    range: TimeRange,
    filter: RowFilter<'p>,
    journals: Best,
    /// Places in `journals`, and how many of them were handed on.
    order: Vec<usize>,
    at: usize,
    summary: EventsSummary,
}

/// The blocks of one kind in a segment.
struct Cursor<'s> {
    segment: &'s Segment,
    blocks: std::vec::IntoIter<usize>,
    batch: Batch,
    at: usize,
}

impl Cursor<'_> {
    fn head(&self) -> Option<&Row> {
        self.batch.rows.get(self.at)
    }
}

impl<'a, 'p> Stream<'a, 'p> {
    fn new(source: &'a dyn Source, plan: &'p Plan) -> Self {
        Self {
            source,
            range: plan.range,
            filter: RowFilter::new(plan),
            journals: Best::new(JOURNAL_ROWS_MAX, false),
            order: Vec::new(),
            at: 0,
            summary: EventsSummary::default(),
        }
    }

    fn run(mut self, each: &mut Each<'_>) -> Result<EventsSummary, QueryError> {
        self.refill(self.range.start)?;
        for day in days(self.source, self.range)? {
            if self.day(day, each)?.is_break() {
                return Ok(self.summary);
            }
        }
        let _ = self.journals_before(Timestamp::MAX, each)?;
        Ok(self.summary)
    }

    /// Reads the earliest events of the journals from `from` on.
    fn refill(&mut self, from: Timestamp) -> Result<(), QueryError> {
        let range = TimeRange::new(from, self.range.end);
        self.journals = Best::new(JOURNAL_ROWS_MAX, false);
        offer_journals(self.source, range, &mut self.filter, &mut self.journals)?;
        self.journals.trim();
        self.order = self.journals.in_order();
        self.at = 0;
        Ok(())
    }

    /// Hands on the journals' events before `end`.
    fn journals_before(&mut self, end: Timestamp, each: &mut Each<'_>) -> Result<ControlFlow<()>, QueryError> {
        loop {
            let Some(&at) = self.order.get(self.at) else {
                match self.journals.cut {
                    Some(cut) if cut < end => self.refill(cut)?,
                    _ => return Ok(ControlFlow::Continue(())),
                }
                continue;
            };
            let row = &self.journals.batch.rows[at];
            if row.ts >= end {
                return Ok(ControlFlow::Continue(()));
            }
            self.at += 1;
            self.summary.matched += 1;
            if each(&self.journals.batch.names, row).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
    }

    /// Hands on the events of a day, and what journals have before and between.
    fn day(&mut self, day: TimeRange, each: &mut Each<'_>) -> Result<ControlFlow<()>, QueryError> {
        let mut segments = Vec::new();
        let missing = &mut self.summary.missing;
        self.source.segments(day, &mut |segment| {
            match segment {
                Ok(segment) => segments.push(segment),
                Err(lost) => note(missing, lost.to_string()),
            }
            Ok(())
        })?;
        let mut scratch = Scratch::default();
        let mut cursors = Vec::new();
        for segment in &segments {
            for kind in self.filter.kinds() {
                let blocks = segment.blocks();
                let meets = |b: &usize| blocks[*b].kind == kind && blocks[*b].max_ts >= day.start;
                let list: Vec<usize> =
                    (0..blocks.len()).filter(meets).filter(|b| blocks[*b].min_ts < day.end).collect();
                let mut cursor = Cursor { segment, blocks: list.into_iter(), batch: Batch::default(), at: 0 };
                self.advance(&mut cursor, &mut scratch);
                cursors.push(cursor);
            }
        }
        loop {
            let heads = cursors.iter_mut().filter_map(|c| c.head().map(|row| row.ts).map(|ts| (ts, c)));
            let Some((ts, cursor)) = heads.min_by_key(|(ts, _)| *ts) else { break };
            if self.journals_before(ts, each)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            self.summary.matched += 1;
            if each(&cursor.batch.names, &cursor.batch.rows[cursor.at]).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            cursor.at += 1;
            if cursor.head().is_none() {
                self.advance(cursor, &mut scratch);
            }
        }
        self.journals_before(day.end, each)
    }

    /// Reads blocks until one has a row that matches.
    fn advance(&mut self, cursor: &mut Cursor<'_>, scratch: &mut Scratch) {
        while cursor.head().is_none() {
            let Some(block) = cursor.blocks.next() else { return };
            cursor.at = 0;
            cursor.batch.rows.clear();
            if let Err(error) = cursor.segment.rows(block, scratch, &mut cursor.batch) {
                let rows = cursor.segment.blocks()[block].rows;
                note(&mut self.summary.missing, format!("{rows} events: {error}"));
                cursor.batch.rows.clear();
                continue;
            }
            let Batch { names, rows } = &mut cursor.batch;
            self.filter.reset(names);
            rows.retain(|row| self.filter.matches(names, row));
        }
    }
}
