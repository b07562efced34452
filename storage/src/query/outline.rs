//! How a plan would be answered by a store that is up to date and keeps everything as long as by
//! default: without opening one.

use super::QueryError;
use super::cover::{Cover, From};
use super::execute;
use super::plan::Plan;
use super::source::{EachBucket, EachRows, EachSegment, Source, Span, Table};
use crate::row::NameId;
use crate::time::{HOUR_MS, MINUTE_MS, Tier, TimeRange, Timestamp, Zone};

/// What would be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outline {
    /// The window that would really be used.
    pub window: TimeRange,
    /// How many buckets of which table and for each provider, coarse ones first.
    pub buckets: Vec<(&'static str, u64)>,
    /// Length of what would be read event by event, in milliseconds.
    pub raw_ms: u64,
    /// What needs single events.
    pub raw_why: Option<String>,
}

/// How long a table keeps its buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Single events, in milliseconds.
    pub raw_ms: u64,
    /// Each tier, in milliseconds: 1m, 5m, 1h, 1d.
    pub tier_ms: [u64; 4],
}

/// Outlines the answer to `plan` at `now`.
///
/// # Errors
/// Those of [`super::execute`] that need no data: too many steps, times that are not kept.
pub fn outline(plan: &Plan, now: Timestamp, zone: &Zone, kept: Kept) -> Result<Outline, QueryError> {
    let fresh = Fresh { now, zone, kept };
    let (main, dist, raw_why) = execute::covers(&fresh, plan)?;
    let mut out = Outline { window: main.window, buckets: Vec::new(), raw_ms: 0, raw_why };
    for cover in [Some(&main), dist.as_ref()].into_iter().flatten() {
        count(cover, zone, &mut out);
    }
    let place = |name: &str| Table::ALL.iter().position(|t| t.name() == name);
    out.buckets.sort_by_key(|(name, _)| std::cmp::Reverse(place(name)));
    Ok(out)
}

fn count(cover: &Cover, zone: &Zone, out: &mut Outline) {
    for piece in &cover.pieces {
        let inside = piece.range.intersect(&cover.window);
        match piece.from {
            From::Table(table) => {
                let n = buckets(table.tier(), inside, zone);
                if n == 0 {
                    continue;
                }
                match out.buckets.iter_mut().find(|(name, _)| *name == table.name()) {
                    Some((_, sum)) => *sum += n,
                    None => out.buckets.push((table.name(), n)),
                }
            }
            From::Raw => out.raw_ms += inside.millis(),
            From::Nothing => {}
        }
    }
}

fn buckets(tier: Tier, range: TimeRange, zone: &Zone) -> u64 {
    match tier {
        Tier::Minute => range.millis().div_ceil(MINUTE_MS),
        Tier::FiveMinutes => range.millis().div_ceil(5 * MINUTE_MS),
        Tier::Hour => range.millis().div_ceil(HOUR_MS),
        Tier::Day => {
            let mut days = 0;
            let mut t = range.start;
            while t < range.end && days < execute::DAYS_MAX {
                t = zone.day(t).end;
                days += 1;
            }
            days
        }
    }
}

/// A store in which every bucket is closed that can be.
struct Fresh<'a> {
    now: Timestamp,
    zone: &'a Zone,
    kept: Kept,
}

impl Source for Fresh<'_> {
    fn zone(&self) -> &Zone {
        self.zone
    }

    fn span(&self, table: Table) -> Span {
        let tier = table.tier();
        let closed_to =
            if table == Table::Tier(Tier::Minute) { Timestamp::MAX } else { tier.bucket(self.now, self.zone).start };
        Span { complete_from: self.now.minus_ms(self.kept.tier_ms[tier as usize]), closed_to }
    }

    fn raw_complete_from(&self) -> Timestamp {
        self.now.minus_ms(self.kept.raw_ms)
    }

    fn extent(&self) -> Result<Option<TimeRange>, QueryError> {
        let longest_ms = self.kept.tier_ms.iter().copied().fold(self.kept.raw_ms, u64::max);
        Ok(Some(TimeRange::new(self.now.minus_ms(longest_ms), self.now)))
    }

    fn providers(&self) -> Result<Vec<Box<str>>, QueryError> {
        Ok(Vec::new())
    }

    fn name(&self, _: NameId) -> Result<Box<str>, QueryError> {
        Ok(Box::from(""))
    }

    fn buckets(&self, _: Table, _: &str, _: TimeRange, _: &mut EachBucket<'_>) -> Result<(), QueryError> {
        Ok(())
    }

    fn segments(&self, _: TimeRange, _: &mut EachSegment<'_>) -> Result<(), QueryError> {
        Ok(())
    }

    fn journal_rows(&self, _: TimeRange, _: bool, _: &mut EachRows<'_>) -> Result<(), QueryError> {
        Ok(())
    }
}
