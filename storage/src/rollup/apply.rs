//! Brings a batch of events into every tier inside one write transaction.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::RandomState;
use redb::{ReadableTable, Table as RedbTable, WriteTransaction};

use super::detail::{fold_detail, fold_dist, limit};
use super::fold::{ClosedTo, StoreIds, fold};
use crate::bucket::{Bucket, Detail, Dist, OTHER, Table};
use crate::row::{Body, NameId, Names, Row};
use crate::store::Store;
use crate::tier::db::{Db, DbError};
use crate::tier::schema::{META, PROVIDERS, closed_to_key};
use crate::tier::{BucketWriter, Closing, NameWriter};
use crate::time::{Tier, TimeRange, Timestamp};

/// A provider's last event time need not be exact for events of hours that are not closed: journals or
/// segments hold these, and have exact times of their own. So a pass a minute leaves that table alone;
/// the close of the hour makes it exact. Nothing would for later events of a closed hour.
const SPAN_SLACK_MS: u64 = 3_600_000;

/// All tables that events change, open for writing.
pub(crate) struct Tiers<'t> {
    db: &'t Db,
    closing: Closing<'t>,
    meta: RedbTable<'t, &'static str, u128>,
    providers: RedbTable<'t, &'static str, (u64, u64)>,
    names: NameWriter<'t>,
    writers: Writers<'t>,
}

/// A writer for each table, opened at its first use.
pub(crate) struct Writers<'t> {
    db: &'t Db,
    transaction: &'t WriteTransaction,
    open: HashMap<Table, BucketWriter<'t>, RandomState>,
}

impl<'t> Writers<'t> {
    /// The writer of `table`.
    pub(crate) fn of(&mut self, table: Table) -> Result<&mut BucketWriter<'t>, DbError> {
        if !self.open.contains_key(&table) {
            self.open.insert(table, BucketWriter::open(self.db, self.transaction, table)?);
        }
        Ok(self.open.get_mut(&table).expect("it was just put there"))
    }

    /// The writers of two different tables at once.
    pub(crate) fn both(
        &mut self,
        one: Table,
        other: Table,
    ) -> Result<(&mut BucketWriter<'t>, &mut BucketWriter<'t>), DbError> {
        self.of(one)?;
        self.of(other)?;
        let [one, other] = self.open.get_disjoint_mut([&one, &other]);
        Ok((one.expect("it was just put there"), other.expect("it was just put there")))
    }
}

impl<'t> Tiers<'t> {
    /// Opens the tables of `transaction`.
    pub(crate) fn open(store: &'t Store, transaction: &'t WriteTransaction) -> Result<Self, DbError> {
        let db = store.db();
        Ok(Self {
            db,
            closing: store.closing(),
            meta: transaction.open_table(META).map_err(|e| db.error(e))?,
            providers: transaction.open_table(PROVIDERS).map_err(|e| db.error(e))?,
            names: NameWriter::open(db, transaction)?,
            writers: Writers { db, transaction, open: HashMap::default() },
        })
    }

    /// Adds `rows`, which must be sorted by time, to `1m`, and to what is closed of the rest.
    pub(crate) fn apply(&mut self, names: &Names, rows: &[Row]) -> Result<(), DbError> {
        let ids = self.translate(names, rows)?;
        let ids = StoreIds { ids: &ids, other: self.names.id(OTHER)? };
        let closed_to = ClosedTo {
            five_minutes: self.closed_to(Table::Tier(Tier::FiveMinutes))?,
            hour: self.closed_to(Table::Tier(Tier::Hour))?,
            day: self.closed_to(Table::Tier(Tier::Day))?,
        };
        let mut complete_from = [Timestamp::MIN; 4];
        for tier in Tier::ALL {
            let table = Table::Tier(tier);
            complete_from[table.position()] = self.closing.complete_from(&self.meta, table)?;
        }
        let writers = &mut self.writers;
        fold(rows, &ids, self.closing.zone, &closed_to, &mut |tier, provider, range, bucket| {
            // What a tier has removed already is not begun anew: it would look complete.
            if range.start < complete_from[Table::Tier(tier).position()] {
                return Ok(());
            }
            writers.of(Table::Tier(tier))?.add(names.get(provider), range, bucket)
        })?;
        let hours_closed_to = self.closed_to(Table::DistHour)?;
        let of_hours = self.wanted(Table::DistHour)?;
        let of_days = self.wanted(Table::DistDay)?;
        let details = self.wanted(Table::DetailDay)?;
        self.apply_dists(names, &ids, rows, of_hours, of_days)?;
        self.apply_details(names, &ids, rows, details)?;
        let (closed, open) = rows.split_at(rows.partition_point(|row| row.ts < hours_closed_to));
        self.note_providers(names, closed, 0)?;
        self.note_providers(names, open, SPAN_SLACK_MS)
    }

    /// Adds the sorted `rows` to the distributions of the hours and days that begin in the ranges.
    fn apply_dists(
        &mut self,
        names: &Names,
        ids: &StoreIds<'_>,
        rows: &[Row],
        hours: TimeRange,
        days: TimeRange,
    ) -> Result<(), DbError> {
        let writers = &mut self.writers;
        let wanted = |tier: Tier, range: TimeRange| match tier {
            Tier::Day => days.contains(range.start),
            _ => hours.contains(range.start),
        };
        fold_dist(rows, ids, self.closing.zone, &wanted, &mut |tier, provider, range, dist| {
            let table = if tier == Tier::Day { Table::DistDay } else { Table::DistHour };
            writers.of(table)?.add(names.get(provider), range, dist)
        })
    }

    /// Adds the sorted `rows` to the counters by user of the days that begin in `days`.
    fn apply_details(
        &mut self,
        names: &Names,
        ids: &StoreIds<'_>,
        rows: &[Row],
        days: TimeRange,
    ) -> Result<(), DbError> {
        let writers = &mut self.writers;
        let wanted = |day: TimeRange| days.contains(day.start);
        fold_detail(rows, ids, self.closing.zone, &wanted, &mut |provider, day, detail| {
            let writer = writers.of(Table::DetailDay)?;
            writer.add_bounded(names.get(provider), day, &detail, |merged| limit(merged, ids.other))
        })
    }

    /// Adds the sorted `rows`, which are in the tiers already, to the rows of `table` that begin in
    /// `range` and are being closed.
    pub(crate) fn apply_closing(
        &mut self,
        table: Table,
        names: &Names,
        rows: &[Row],
        range: TimeRange,
    ) -> Result<(), DbError> {
        let ids = self.translate_all(names, rows)?;
        let ids = StoreIds { ids: &ids, other: self.names.id(OTHER)? };
        let nothing = TimeRange { start: Timestamp::MIN, end: Timestamp::MIN };
        match table {
            Table::DistHour => {
                self.apply_dists(names, &ids, rows, range, nothing)?;
                self.note_providers(names, rows, 0)
            }
            Table::DistDay => self.apply_dists(names, &ids, rows, nothing, range),
            Table::DetailDay => self.apply_details(names, &ids, rows, range),
            Table::Tier(_) => Ok(()),
        }
    }

    /// Notes in the rows of `table` that begin in `range` how many requests the tiers count and these do
    /// not: events that were given up.
    pub(crate) fn note_missing(&mut self, table: Table, range: TimeRange) -> Result<(), DbError> {
        for provider in self.providers()? {
            let (mut counted, mut folded) = (Vec::new(), BTreeMap::new());
            self.writers.of(Table::Tier(table.tier()))?.scan::<Bucket>(&provider, range, &mut |start, bucket| {
                counted.push((start, bucket.requests.values().map(|cell| cell.count).sum::<u64>()));
                Ok(())
            })?;
            let zone = self.closing.zone;
            let writer = self.writers.of(table)?;
            match table {
                Table::DetailDay => writer.scan::<Detail>(&provider, range, &mut |start, row| {
                    folded.insert(start, row.requests());
                    Ok(())
                })?,
                _ => writer.scan::<Dist>(&provider, range, &mut |start, row| {
                    folded.insert(start, row.requests());
                    Ok(())
                })?,
            }
            for (start, requests) in counted {
                let missing = requests.saturating_sub(folded.get(&start).copied().unwrap_or(0));
                let range = table.tier().bucket(start, zone);
                match table {
                    _ if missing == 0 => {}
                    Table::DetailDay => writer.add(&provider, range, &Detail { missing, ..Detail::default() })?,
                    _ => writer.add(&provider, range, &Dist { missing, ..Dist::default() })?,
                }
            }
        }
        Ok(())
    }

    /// Up to where `table` is closed.
    pub(crate) fn closed_to(&self, table: Table) -> Result<Timestamp, DbError> {
        self.closing.closed_to(&self.meta, table)
    }

    /// Where the rows of `table` begin that events go into at once.
    fn wanted(&self, table: Table) -> Result<TimeRange, DbError> {
        let start = self.closing.complete_from(&self.meta, table)?;
        Ok(TimeRange { start, end: self.closed_to(table)? })
    }

    /// Moves [`Tiers::closed_to`].
    pub(crate) fn set_closed_to(&mut self, table: Table, to: Timestamp) -> Result<(), DbError> {
        let value = u128::from(to.millis());
        self.meta.insert(closed_to_key(table).as_str(), value).map_err(|e| self.db.error(e))?;
        Ok(())
    }

    /// Every provider that ever had an event.
    pub(crate) fn providers(&self) -> Result<Vec<String>, DbError> {
        let all = self.providers.iter().map_err(|e| self.db.error(e))?;
        all.map(|row| row.map(|(name, _)| name.value().to_owned()).map_err(|e| self.db.error(e))).collect()
    }

    /// The writers, for closing one table from another.
    pub(crate) fn writers(&mut self) -> &mut Writers<'t> {
        &mut self.writers
    }

    /// Puts what was held back into the tables: rows written in all of them. Without it the transaction must not be
    /// committed.
    pub(crate) fn finish(mut self) -> Result<u64, DbError> {
        let writers = Table::ALL.into_iter().filter_map(|table| self.writers.open.remove(&table));
        writers.map(BucketWriter::finish).sum()
    }

    /// The store's ids of the names that cells of `rows` will refer to.
    fn translate(&mut self, names: &Names, rows: &[Row]) -> Result<Vec<NameId>, DbError> {
        let detailed = self.closed_to(Table::DetailDay)?;
        self.translate_some(names, rows, |row| row.ts < detailed)
    }

    fn translate_all(&mut self, names: &Names, rows: &[Row]) -> Result<Vec<NameId>, DbError> {
        self.translate_some(names, rows, |_| true)
    }

    fn translate_some(
        &mut self,
        names: &Names,
        rows: &[Row],
        with_user: impl Fn(&Row) -> bool,
    ) -> Result<Vec<NameId>, DbError> {
        let mut needed = vec![false; names.len()];
        for row in rows {
            needed[row.model as usize] = true;
            match &row.body {
                Body::Request(r) => {
                    needed[r.error as usize] = true;
                    needed[r.service_tier as usize] = true;
                    needed[row.user as usize] |= with_user(row);
                }
                Body::Cache(_) => {}
                Body::Rate(r) => needed[r.limit_type as usize] = true,
            }
        }
        needed[0] = false;
        let id_of = |(name, needed): (&str, &bool)| if *needed { self.names.id(name) } else { Ok(0) };
        names.iter().zip(&needed).map(id_of).collect()
    }

    /// Widens each provider's first and last event time, the last only when it is off by more than
    /// `slack_ms`.
    fn note_providers(&mut self, names: &Names, rows: &[Row], slack_ms: u64) -> Result<(), DbError> {
        let mut spans = vec![(u64::MAX, 0); names.len()];
        for row in rows {
            let t = row.ts.millis();
            let span = &mut spans[row.provider as usize];
            *span = (span.0.min(t), span.1.max(t));
        }
        for (provider, (first, last)) in (0..).zip(spans).filter(|(_, span)| span.0 <= span.1) {
            let name = names.get(provider);
            let known = self.providers.get(name).map_err(|e| self.db.error(e))?.map(|v| v.value());
            let wider = known.map_or((first, last), |(f, l)| (f.min(first), l.max(last)));
            let close = known.is_some_and(|(f, l)| f == wider.0 && wider.1 - l <= slack_ms);
            if !close {
                self.providers.insert(name, wider).map_err(|e| self.db.error(e))?;
            }
        }
        Ok(())
    }
}
