//! The closing step of a pass: a coarser bucket is written once, when its time is over, from the
//! finer ones; distributions and details from the events themselves.

use redb::ReadTransaction;

use super::apply::Tiers;
use crate::bucket::{Bucket, Table};
use crate::retention::Part;
use crate::store::{RolledUp, Store};
use crate::tier::db::DbError;
use crate::tier::schema::META;
use crate::time::{Tier, TimeRange, Timestamp, Zone};

/// How long after its end a bucket waits for stragglers. Later ones are merged in one by one.
const GRACE_MS: u64 = 2 * 60_000;

/// Closed from the next finer tier, finest first, in one transaction: a tier is never closed
/// further than the one below it.
const FROM_TIERS: [Tier; 3] = [Tier::FiveMinutes, Tier::Hour, Tier::Day];
/// Folded from events.
const FROM_EVENTS: [Table; 3] = [Table::DistHour, Table::DistDay, Table::DetailDay];

impl Store {
    /// Closes every coarse bucket whose time is over at `now`: rows written.
    pub(crate) fn close_due(&self, now: Timestamp) -> Result<u64, DbError> {
        let (tiers_due, events_due) = self.db().read(|t| self.due(t, now))?;
        let mut written = 0;
        if tiers_due {
            written += self.db().write(|transaction| {
                let mut tiers = Tiers::open(self, transaction)?;
                for tier in FROM_TIERS {
                    close_from_finer(&mut tiers, tier, now, self.zone())?;
                }
                tiers.finish()
            })?;
        }
        if events_due {
            // Single events that are not kept any longer answer nothing: what can be read of them has to do.
            let given_up = now.minus_ms(self.retention()?.get(Part::Raw)).utc_day();
            written += self.db().write(|transaction| {
                let events = RolledUp::within(self, transaction)?.giving_up(given_up);
                let mut tiers = Tiers::open(self, transaction)?;
                for table in FROM_EVENTS {
                    close_from_events(&mut tiers, &events, table, now, self.zone())?;
                }
                tiers.finish()
            })?;
        }
        Ok(written)
    }

    /// Whether anything is due: tiers, and what is folded from events.
    fn due(&self, transaction: &ReadTransaction, now: Timestamp) -> Result<(bool, bool), DbError> {
        let meta = transaction.open_table(META).map_err(|e| self.db().error(e))?;
        let mut due = (false, false);
        for table in Table::ALL {
            let is = self.closing().closed_to(&meta, table)? < target(table.tier(), now, self.zone());
            match table {
                Table::Tier(_) => due.0 |= is,
                Table::DistHour | Table::DistDay | Table::DetailDay => due.1 |= is,
            }
        }
        Ok(due)
    }
}

/// Start of the first bucket that is not over yet.
fn target(tier: Tier, now: Timestamp, zone: &Zone) -> Timestamp {
    tier.bucket(now.minus_ms(GRACE_MS), zone).start
}

fn close_from_finer(tiers: &mut Tiers<'_>, tier: Tier, now: Timestamp, zone: &Zone) -> Result<(), DbError> {
    let (table, finer) = (Table::Tier(tier), Table::Tier(tier.finer().unwrap_or(Tier::Minute)));
    let range = TimeRange { start: tiers.closed_to(table)?, end: target(tier, now, zone) };
    if range.is_empty() {
        return Ok(());
    }
    let providers = tiers.providers()?;
    let (from, to) = tiers.writers().both(finer, table)?;
    for provider in providers {
        let mut open: Option<(TimeRange, Bucket)> = None;
        from.scan::<Bucket>(&provider, range, &mut |start, bucket| {
            match &mut open {
                Some((range, open)) if start < range.end => open.merge(&bucket),
                _ => {
                    let next = (tier.bucket(start, zone), bucket);
                    if let Some((range, over)) = open.replace(next) {
                        to.add(&provider, range, &over)?;
                    }
                }
            }
            Ok(())
        })?;
        if let Some((range, over)) = open {
            to.add(&provider, range, &over)?;
        }
    }
    pack_finer(tiers, table, range)?;
    tiers.set_closed_to(table, range.end)
}

/// Packs the finer rows of whole days, which passes wrote one by one: they are final now, and many enough to fill
/// pages.
fn pack_finer(tiers: &mut Tiers<'_>, closed: Table, range: TimeRange) -> Result<(), DbError> {
    let finer: &[Table] = match closed {
        Table::Tier(Tier::Day) => &[Tier::Minute, Tier::FiveMinutes, Tier::Hour].map(Table::Tier),
        Table::DistDay => &[Table::DistHour],
        _ => return Ok(()),
    };
    let providers = tiers.providers()?;
    for table in finer {
        let writer = tiers.writers().of(*table)?;
        providers.iter().try_for_each(|provider| writer.pack(provider, range))?;
    }
    Ok(())
}

fn close_from_events(
    tiers: &mut Tiers<'_>,
    events: &RolledUp<'_>,
    table: Table,
    now: Timestamp,
    zone: &Zone,
) -> Result<(), DbError> {
    let range = TimeRange { start: tiers.closed_to(table)?, end: target(table.tier(), now, zone) };
    if range.is_empty() {
        return Ok(());
    }
    let given_up = events.each(range, &mut |names, rows| tiers.apply_closing(table, names, rows, range))?;
    if given_up {
        tiers.note_missing(table, range)?;
    }
    pack_finer(tiers, table, range)?;
    tiers.set_closed_to(table, range.end)
}
