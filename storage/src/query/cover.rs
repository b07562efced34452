//! Covers a window of time with the fewest buckets, and says where only raw events can.
//!
//! Buckets of a tier tile time, so one tier's part of a window is always one run: everything between
//! the first and the last of its edges in there. What is left at both sides goes to the next finer
//! tier, and what no tier can fill (less than a minute at either end) to raw events:
//!
//! ```text
//!          window  |----------------------------------------------------|
//!  1d                        |           |           |
//!  1h                |   |   |                       |   |   |
//!  5m, 1m           |||                                      |||
//!  raw             |                                            ||
//! ```
//!
//! A coarse tier is used only before its `closed_to`: the day that is not over yet is made of hours,
//! the open hour of minutes. It is used only from its `complete_from` on; where raw events are gone, a
//! window that starts inside the finest bucket left is widened to the bucket's edge. With a step the
//! same is done between any two step edges, so that no bucket lies across one.
//!
//! Easy to get wrong: the coarsest tier is not always the one that reaches furthest (any of the
//! limits may lie anywhere), and a gap that nothing fills must be named, not skipped.

use super::QueryError;
use super::plan::Step;
use super::source::{Span, Table};
use super::steps::StepGrid;
use crate::time::{Tier, TimeRange, Timestamp, Zone};

#[cfg(test)]
mod tests;

/// What can answer a question, and for which times.
#[derive(Clone, Debug)]
pub(crate) struct Reachable {
    /// From coarse to fine: a table and the stretch of it that may be used, cut at its own edges.
    tables: Vec<(Table, TimeRange)>,
    /// From when on raw events are there; `None` = they may not be used at all.
    raw_from: Option<Timestamp>,
    zone: Zone,
}

/// Where a part of the window is answered from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    /// Whole buckets of a table.
    Table(Table),
    /// Single events that were rolled up.
    Raw,
    /// Nothing is left of this time.
    Nothing,
}

/// A part of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) from: From,
    pub(crate) range: TimeRange,
}

/// A covered window.
#[derive(Clone, Debug)]
pub(crate) struct Cover {
    /// The window really used.
    pub(crate) window: TimeRange,
    /// Step edges from the window's start to its end, at least two of them.
    pub(crate) edges: Vec<Timestamp>,
    /// In order of time, without overlap; neighbours differ in `from`. They may reach beyond the
    /// window where the store holds no event.
    pub(crate) pieces: Vec<Piece>,
    /// Days up to here were cut at the store's midnights instead of the plan's.
    pub(crate) store_days_until: Option<Timestamp>,
}

impl Cover {
    /// Reads the rows that start at `starts` event by event instead.
    pub(crate) fn leave_to_raw(&mut self, starts: &[Timestamp], zone: &Zone) {
        for &start in starts {
            for piece in std::mem::take(&mut self.pieces) {
                let From::Table(table) = piece.from else {
                    push(&mut self.pieces, piece.from, piece.range);
                    continue;
                };
                let row = table.tier().bucket(start, zone).intersect(&piece.range);
                let (before, after) =
                    if row.is_empty() { (piece.range.end, piece.range.end) } else { (row.start, row.end) };
                push(&mut self.pieces, piece.from, TimeRange::new(piece.range.start, before));
                push(&mut self.pieces, From::Raw, row);
                push(&mut self.pieces, piece.from, TimeRange::new(after, piece.range.end));
            }
        }
    }
}

impl Reachable {
    /// Nothing can be used yet.
    pub(crate) fn new(zone: &Zone, raw_from: Option<Timestamp>) -> Self {
        Self { tables: Vec::new(), raw_from, zone: zone.clone() }
    }

    /// Adds a table that is finer than those before it.
    pub(crate) fn add(&mut self, table: Table, span: Span) {
        let tier = table.tier();
        let usable =
            TimeRange::new(ceil(tier, span.complete_from, &self.zone), floor(tier, span.closed_to, &self.zone));
        if !usable.is_empty() {
            self.tables.push((table, usable));
        }
    }

    /// The earliest time anything is there for.
    fn first(&self) -> Option<Timestamp> {
        self.tables.iter().map(|(_, usable)| usable.start).chain(self.raw_from).min()
    }

    /// The bucket around `t` in the finest table that has one.
    fn finest(&self, t: Timestamp) -> Option<TimeRange> {
        self.tables.iter().rev().find(|(_, usable)| usable.contains(t)).map(|&(table, _)| self.bucket(table, t))
    }

    fn bucket(&self, table: Table, t: Timestamp) -> TimeRange {
        table.tier().bucket(t, &self.zone)
    }

    fn raw_reaches(&self, t: Timestamp) -> bool {
        self.raw_from.is_some_and(|from| from <= t)
    }

    /// Where a window that should start at `a` can start.
    fn widen_start(&self, a: Timestamp, b: Timestamp) -> Timestamp {
        if self.raw_reaches(a) {
            return a;
        }
        if let Some(bucket) = self.finest(a) {
            return bucket.start;
        }
        let later = self.tables.iter().map(|(_, usable)| usable.start).chain(self.raw_from).filter(|&t| t > a).min();
        later.map_or(b, |t| t.min(b))
    }

    /// Where a window from `a` that should end at `b` can end.
    fn widen_end(&self, a: Timestamp, b: Timestamp) -> Timestamp {
        let last = b.minus_ms(1);
        if let Some(bucket) = self.finest(last) {
            return if self.raw_reaches(bucket.start.max(a)) { b } else { bucket.end };
        }
        if self.raw_reaches(last) {
            return b;
        }
        let earlier = self.tables.iter().map(|(_, usable)| usable.end).filter(|&t| t <= last).max();
        earlier.map_or(a, |t| t.max(a))
    }

    /// Fills `range` with tables from `level` on.
    fn fill(&self, level: usize, range: TimeRange, pieces: &mut Vec<Piece>) {
        if range.is_empty() {
            return;
        }
        let Some(&(table, usable)) = self.tables.get(level) else {
            let raw_from = self.raw_from.unwrap_or(Timestamp::MAX).clamp(range.start, range.end);
            push(pieces, From::Nothing, TimeRange::new(range.start, raw_from));
            push(pieces, From::Raw, TimeRange::new(raw_from, range.end));
            return;
        };
        let tier = table.tier();
        let inner = range.intersect(&usable);
        if inner.millis() < narrowest_ms(tier) {
            return self.fill(level + 1, range, pieces);
        }
        let run = TimeRange::new(ceil(tier, inner.start, &self.zone), floor(tier, inner.end, &self.zone));
        if run.is_empty() {
            return self.fill(level + 1, range, pieces);
        }
        self.fill(level + 1, TimeRange::new(range.start, run.start), pieces);
        push(pieces, From::Table(table), run);
        self.fill(level + 1, TimeRange::new(run.end, range.end), pieces);
    }

    /// Whether a cover can be cut at `t` without loss.
    fn splits(&self, t: Timestamp) -> bool {
        let left = self.finest(t.minus_ms(1)).is_none_or(|b| b.end == t || self.raw_reaches(b.start));
        let right = self.finest(t).is_none_or(|b| b.start == t || self.raw_reaches(b.start));
        left && right
    }

    /// From when on steps of `width_ms` can be made.
    fn fine_from(&self, width_ms: u64) -> Timestamp {
        let fine = self.tables.iter().filter(|(table, _)| narrowest_ms(table.tier()) <= width_ms);
        fine.map(|(_, usable)| usable.start).chain(self.raw_from).min().unwrap_or(Timestamp::MAX)
    }
}

/// Covers `asked`, of which the store holds events in `extent` only, cut by `grid`.
///
/// # Errors
/// Too many steps, or steps finer than what is left.
pub(crate) fn cover(
    reach: &Reachable,
    asked: TimeRange,
    extent: TimeRange,
    grid: Option<&StepGrid>,
) -> Result<Cover, QueryError> {
    // Where no event is, an edge costs nothing: it may as well lie at a midnight.
    let free_start = asked.start <= extent.start;
    let free_end = asked.end >= extent.end;
    let mut window = asked;
    if !asked.is_empty() {
        window.start = match reach.first() {
            _ if !free_start => reach.widen_start(asked.start, asked.end),
            Some(first) => asked.start.max(first).min(asked.end),
            None => asked.end,
        };
        window.end = if free_end { asked.end } else { reach.widen_end(window.start, asked.end) };
    }
    // A gap that a coarser bucket fills is closed by taking that bucket whole. Each round takes in
    // at least one bucket of a coarser tier, so there are few.
    for _ in 0..=4 {
        let (edges, store_days_until) = edges(reach, window, grid)?;
        let pieces = fill(reach, window, &edges, free_start, free_end);
        let wider = avoidable_gap(reach, &pieces, window.intersect(&extent));
        match (wider, grid) {
            (None, _) => return Ok(Cover { window, edges, pieces, store_days_until }),
            (Some(_), Some(grid)) => return Err(QueryError::StepTooFine { from: reach.fine_from(grid.width_ms()) }),
            (Some(bucket), None) => window = TimeRange::new(window.start.min(bucket.start), window.end.max(bucket.end)),
        }
    }
    Ok(Cover { window, edges: vec![window.start, window.end], pieces: Vec::new(), store_days_until: None })
}

/// Covers the same window and steps as `like`, with gaps where `reach` has nothing.
pub(crate) fn cover_like(reach: &Reachable, like: &Cover, extent: TimeRange) -> Cover {
    let (free_start, free_end) = (like.window.start <= extent.start, like.window.end >= extent.end);
    Cover { pieces: fill(reach, like.window, &like.edges, free_start, free_end), ..like.clone() }
}

/// Fills what lies between the edges.
fn fill(reach: &Reachable, window: TimeRange, edges: &[Timestamp], free_start: bool, free_end: bool) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for pair in edges.windows(2) {
        let mut range = TimeRange::new(pair[0], pair[1]);
        if free_start && range.start == window.start {
            range.start = reach.zone.day(range.start).start;
        }
        if free_end && range.end == window.end {
            range.end = ceil(Tier::Day, range.end, &reach.zone);
        }
        reach.fill(0, range, &mut pieces);
    }
    pieces
}

/// A bucket that covers a part of `window` which `pieces` leave empty.
fn avoidable_gap(reach: &Reachable, pieces: &[Piece], window: TimeRange) -> Option<TimeRange> {
    let gaps = pieces.iter().filter(|p| p.from == From::Nothing).map(|p| p.range.intersect(&window));
    gaps.filter(|gap| !gap.is_empty()).find_map(|gap| {
        let usable = reach.tables.iter().rev().find(|(_, usable)| !usable.intersect(&gap).is_empty());
        usable.map(|&(table, usable)| reach.bucket(table, usable.intersect(&gap).start))
    })
}

/// Step edges within `window`, both its ends included.
fn edges(
    reach: &Reachable,
    window: TimeRange,
    grid: Option<&StepGrid>,
) -> Result<(Vec<Timestamp>, Option<Timestamp>), QueryError> {
    let Some(grid) = grid else { return Ok((vec![window.start, window.end], None)) };
    let mut edges = grid.edges(window)?;
    let mut until = None;
    if matches!(grid.step(), Step::Days(_)) && grid.zone().name() != reach.zone.name() {
        let last = edges.len() - 1;
        for edge in &mut edges[1..last] {
            if !reach.splits(*edge) {
                let day = reach.zone.day(*edge);
                let nearest = if edge.since(day.start) * 2 < day.millis() { day.start } else { day.end };
                *edge = nearest.clamp(window.start, window.end);
                until = Some(*edge);
            }
        }
        edges.dedup();
        if edges.len() == 1 {
            edges.push(window.end);
        }
    }
    Ok((edges, until))
}

/// Adds a piece, or lengthens the last one.
fn push(pieces: &mut Vec<Piece>, from: From, range: TimeRange) {
    match pieces.last_mut() {
        _ if range.is_empty() => {}
        Some(last) if last.from == from && last.range.end == range.start => last.range.end = range.end,
        _ => pieces.push(Piece { from, range }),
    }
}

/// The last edge of `tier` at or before `t`.
pub(crate) fn floor(tier: Tier, t: Timestamp, zone: &Zone) -> Timestamp {
    if t >= Timestamp::MAX { Timestamp::MAX } else { tier.bucket(t, zone).start }
}

/// The first edge of `tier` at or after `t`.
pub(crate) fn ceil(tier: Tier, t: Timestamp, zone: &Zone) -> Timestamp {
    if t >= Timestamp::MAX {
        return Timestamp::MAX;
    }
    let bucket = tier.bucket(t, zone);
    if bucket.start == t { t } else { bucket.end }
}

/// No bucket of the tier is narrower. Zones have moved by parts of an hour and by up to a day.
const fn narrowest_ms(tier: Tier) -> u64 {
    const MINUTE_MS: u64 = 60_000;
    match tier {
        Tier::Minute => MINUTE_MS,
        Tier::FiveMinutes => 5 * MINUTE_MS,
        Tier::Hour => 15 * MINUTE_MS,
        Tier::Day => 12 * 60 * MINUTE_MS,
    }
}
