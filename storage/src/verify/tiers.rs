//! Each coarse bucket against the finer ones in it, both tables walked side by side.

use redb::ReadTransaction;

use super::rows::{each_row, providers};
use super::{Repair, Verification};
use crate::bucket::{Bucket, Table};
use crate::query::source::{Source, Span};
use crate::store::{Store, View};
use crate::tier::db::DbError;
use crate::tier::place;
use crate::time::{Tier, TimeRange, Timestamp};

/// Compares the tiers that are closed from a finer one.
pub(super) fn compare_tiers(
    store: &Store,
    view: &View<'_>,
    snapshot: &ReadTransaction,
    found: &mut Verification,
) -> Result<(), DbError> {
    for tier in [Tier::FiveMinutes, Tier::Hour, Tier::Day] {
        let (table, finer) = (Table::Tier(tier), Table::Tier(tier.finer().unwrap_or(tier)));
        let Span { complete_from, closed_to } = view.span(table);
        // Where finer buckets are gone there is nothing to compare with.
        let from = complete_from.max(view.span(finer).complete_from);
        let mut all = providers(store, snapshot, table)?;
        all.extend(providers(store, snapshot, finer)?);
        all.sort();
        all.dedup();
        for provider in all {
            compare_provider(store, snapshot, tier, &provider, TimeRange { start: from, end: closed_to }, found)?;
        }
    }
    Ok(())
}

/// A bucket, or `None` where a row it comes from is damaged.
type Starting = (Timestamp, Option<Bucket>);

/// Rows of a provider compared at once: so many are in memory.
const ROWS_MAX: usize = 512;

fn compare_provider(
    store: &Store,
    snapshot: &ReadTransaction,
    tier: Tier,
    provider: &str,
    range: TimeRange,
    found: &mut Verification,
) -> Result<(), DbError> {
    let (table, finer) = (Table::Tier(tier), Table::Tier(tier.finer().unwrap_or(tier)));
    let one = [Box::from(provider)];
    let mut merged: Vec<Starting> = Vec::new();
    let mut from = range.start;
    // What was folded so far is compared whenever there is enough of it, up to a coarse bucket's start.
    let mut compare_up_to = |merged: &mut Vec<Starting>, end: Timestamp| -> Result<(), DbError> {
        let mut stored: Vec<Starting> = Vec::new();
        let part = TimeRange { start: from, end };
        each_row::<Bucket>(store, snapshot, table, part, &one, &mut |_, start, bucket| stored.push((start, bucket)))?;
        compare(store, table, provider, &stored, merged, found);
        merged.clear();
        from = end;
        Ok(())
    };
    let mut failed = Ok(());
    // A coarse bucket that begins before its finer ones reach back is left out, as is one not closed.
    each_row::<Bucket>(
        store,
        snapshot,
        finer,
        TimeRange { start: range.start, end: Timestamp::MAX },
        &one,
        &mut |_, start, bucket| {
            let coarse = tier.bucket(start, store.zone()).start;
            if failed.is_err() || coarse < range.start || coarse >= range.end {
                return;
            }
            match merged.last_mut().filter(|(at, _)| *at == coarse) {
                Some((_, sum)) => match (sum.as_mut(), bucket) {
                    (Some(sum), Some(bucket)) => sum.merge(&bucket),
                    _ => *sum = None,
                },
                None => {
                    if merged.len() >= ROWS_MAX {
                        failed = compare_up_to(&mut merged, coarse);
                    }
                    merged.push((coarse, bucket));
                }
            }
        },
    )?;
    failed?;
    compare_up_to(&mut merged, Timestamp::MAX)
}

/// Merges two ascending lists and reports where they differ.
fn compare(
    store: &Store,
    table: Table,
    provider: &str,
    stored: &[Starting],
    merged: &[Starting],
    found: &mut Verification,
) {
    let file = store.db().path().display().to_string();
    let (mut stored, mut merged) = (stored.iter().peekable(), merged.iter().peekable());
    loop {
        let (a, b) = (stored.peek().map(|s| s.0), merged.peek().map(|m| m.0));
        let Some(at) = a.into_iter().chain(b).min() else { return };
        let here = |t: Option<Timestamp>| t == Some(at);
        let what = match (here(a).then(|| stored.next()).flatten(), here(b).then(|| merged.next()).flatten()) {
            (Some((_, Some(stored))), Some((_, Some(merged)))) if stored != merged => {
                "it differs from the finer buckets"
            }
            (Some((_, Some(_))), None) => "the finer buckets have nothing there",
            (None, Some((_, Some(_)))) => "it is missing, the finer buckets have something there",
            // The same, or damaged and reported already.
            _ => "",
        };
        found.compared_buckets += u64::from(here(a));
        if !what.is_empty() {
            found.add(file.clone(), place(table, provider, at), what, Repair::Rebuild);
        }
    }
}
