//! Brings a batch of events into every tier inside one write transaction.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::RandomState;
use redb::{ReadableTable, Table as RedbTable, WriteTransaction};

use super::ahead::{Ahead, Wanted};
use super::detail::{fold_detail, fold_dist, limit};
use super::fold::{ClosedTo, StoreIds, fold};
use crate::bucket::{Bucket, Detail, Dist, OTHER, Table};
use crate::row::{Body, NameId, Names, Row};
use crate::store::Store;
use crate::tier::db::{Db, DbError};
use crate::tier::schema::{META, PROVIDERS, closed_to_key};
use crate::tier::{BucketWriter, Closing, NameWriter};
use crate::time::{Tier, TimeRange, Timestamp, Zone};

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

/// What bringing a batch into the tiers takes beside the batch.
pub(crate) struct Plan {
    /// The store's id of each name of the batch that cells refer to.
    ids: Vec<NameId>,
    /// That of `(other)`.
    other: NameId,
    closed_to: ClosedTo,
    /// By [`Table::position`] of a tier: what begins before it was removed.
    complete_from: [Timestamp; 4],
    hours_closed_to: Timestamp,
    wanted: Wanted,
}

impl Plan {
    fn ids(&self) -> StoreIds<'_> {
        StoreIds { ids: &self.ids, other: self.other }
    }

    /// Folds `rows`, sorted by time, into what [`Tiers::apply_planned`] asks for; `None` when that is very much.
    pub(crate) fn fold_ahead(&self, rows: &[Row], zone: &Zone) -> Option<Ahead> {
        Ahead::fold(rows, &self.ids(), zone, &self.wanted)
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
        let plan = self.plan(names, rows)?;
        self.apply_planned(&plan, names, rows, || None)
    }

    /// What adding `rows` takes beside them.
    pub(crate) fn plan(&mut self, names: &Names, rows: &[Row]) -> Result<Plan, DbError> {
        let (ids, other) = (self.translate(names, rows)?, self.names.id(OTHER)?);
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
        let wanted = Wanted {
            dist_hours: self.wanted(Table::DistHour)?,
            dist_days: self.wanted(Table::DistDay)?,
            detail_days: self.wanted(Table::DetailDay)?,
        };
        Ok(Plan { ids, other, closed_to, complete_from, hours_closed_to: self.closed_to(Table::DistHour)?, wanted })
    }

    /// [`Tiers::apply`] by its plan. When the buckets are in, `ahead` is asked for the rows of the other tables.
    pub(crate) fn apply_planned(
        &mut self,
        plan: &Plan,
        names: &Names,
        rows: &[Row],
        ahead: impl FnOnce() -> Option<Ahead>,
    ) -> Result<(), DbError> {
        let Plan { closed_to, complete_from, hours_closed_to, wanted, .. } = plan;
        let ids = &plan.ids();
        let writers = &mut self.writers;
        fold(rows, ids, self.closing.zone, closed_to, &mut |tier, provider, range, bucket| {
            // What a tier has removed already is not begun anew: it would look complete.
            if range.start < complete_from[Table::Tier(tier).position()] {
                return Ok(());
            }
            writers.of(Table::Tier(tier))?.add(names.get(provider), range, bucket)
        })?;
        match ahead() {
            Some(ahead) => {
                let add = |(tier, provider, range, dist)| self.add_dist(names, tier, provider, range, &dist);
                ahead.dists.into_iter().try_for_each(add)?;
                let add = |(provider, range, detail)| self.add_detail(names, ids, provider, range, &detail);
                ahead.details.into_iter().try_for_each(add)?;
            }
            None => self.apply_rare(names, ids, rows, wanted)?,
        }
        let (closed, open) = rows.split_at(rows.partition_point(|row| row.ts < *hours_closed_to));
        self.note_providers(names, closed, 0)?;
        self.note_providers(names, open, SPAN_SLACK_MS)
    }

    /// Adds the sorted `rows` to the wanted distributions, and to the wanted counters by user.
    fn apply_rare(&mut self, names: &Names, ids: &StoreIds<'_>, rows: &[Row], wanted: &Wanted) -> Result<(), DbError> {
        let zone = self.closing.zone;
        fold_dist(rows, ids, zone, &|tier, range| wanted.dist(tier, range), &mut |tier, provider, range, dist| {
            self.add_dist(names, tier, provider, range, &dist)
        })?;
        fold_detail(rows, ids, zone, &|day| wanted.detail(day), &mut |provider, day, detail| {
            self.add_detail(names, ids, provider, day, &detail)
        })
    }

    fn add_dist(
        &mut self,
        names: &Names,
        tier: Tier,
        provider: NameId,
        range: TimeRange,
        dist: &Dist,
    ) -> Result<(), DbError> {
        let table = if tier == Tier::Day { Table::DistDay } else { Table::DistHour };
        self.writers.of(table)?.add(names.get(provider), range, dist)
    }

    fn add_detail(
        &mut self,
        names: &Names,
        ids: &StoreIds<'_>,
        provider: NameId,
        day: TimeRange,
        detail: &Detail,
    ) -> Result<(), DbError> {
        let writer = self.writers.of(Table::DetailDay)?;
        writer.add_bounded(names.get(provider), day, detail, |merged| limit(merged, ids.other))
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
        self.apply_rare(names, &ids, rows, &Wanted::only(table, range))?;
        if table == Table::DistHour { self.note_providers(names, rows, 0) } else { Ok(()) }
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
