//! What only the old database knew, as far as it can be read: settings, the tables of the layers
//! above, what imports have seen, and buckets whose events are gone.

use redb::{ReadTransaction, ReadableTable, TableDefinition, TableHandle};

use crate::bucket::codec::{RowKey, RowMeta};
use crate::bucket::{Bucket, Detail, Dist, Table};
use crate::store::Store;
use crate::table::check_row;
use crate::tier::db::{Db, DbError};
use crate::tier::schema::{self, META, NAME_IDS, NAMES};
use crate::tier::{BucketWriter, RowValue, copy_table, is_ours};
use crate::time::{Tier, TimeRange, Timestamp, Zone};

/// A local midnight must be one of UTC's five minutes too, or a bucket would lie on both sides of the
/// cut; all zones of today have only such.
const CUT_MS: u64 = 5 * 60_000;
/// Days looked at for one.
const CUT_DAYS: usize = 400;

/// The old database. It is opened anew for each thing that is read: one that cannot be read says
/// nothing about the others.
pub(super) struct Old {
    db: Db,
    /// Whether it opens at all.
    opens: bool,
    /// From when on it had single events; `None` when it cannot be asked.
    pub(super) raw_from: Option<Timestamp>,
}

/// Tables whose older rows were taken over.
#[derive(Default)]
pub(super) struct TakenOver {
    /// Their rows before this are from the old database.
    pub(super) cut: Option<Timestamp>,
    /// Each, and from when on it was complete there.
    pub(super) tables: Vec<(Table, Timestamp)>,
}

/// Start of the first bucket of `tier` that begins at `t` or later.
pub(super) fn first_bucket(tier: Tier, t: Timestamp, zone: &Zone) -> Timestamp {
    let bucket = tier.bucket(t, zone);
    if bucket.start == t { t } else { bucket.end }
}

impl Old {
    /// Opens it if that is possible.
    pub(super) fn read(store: &Store, problems: &mut Vec<String>) -> Self {
        let db = store.db().clone();
        let opened = db.snapshot().map(drop);
        if let Err(error) = &opened {
            problems.push(format!(
                "{error}: rules, budgets, prices, settings and buckets older than the single events are lost, and \
                 what was imported before would be taken again"
            ));
        }
        let mut old = Self { db, opens: opened.is_ok(), raw_from: None };
        old.raw_from = old.ask(|snapshot| {
            let meta = snapshot.open_table(META).map_err(|e| old.db.error(e))?;
            store.closing().raw_from(&meta)
        });
        old
    }

    /// Reads something; nothing when that cannot be.
    fn ask<T>(&self, read: impl FnOnce(&ReadTransaction) -> Result<T, DbError>) -> Option<T> {
        self.db.read(read).ok()
    }

    /// Copies every table but those that are made anew. One that cannot be read whole is left out.
    pub(super) fn take_over_tables(&self, new: &Store, problems: &mut Vec<String>) -> Result<(), DbError> {
        if !self.opens {
            return Ok(());
        }
        let made_anew: Vec<&str> = Table::ALL
            .map(Table::name)
            .into_iter()
            .chain([schema::CHECKPOINTS.name(), schema::SEGMENTS.name(), META.name(), NAMES.name(), NAME_IDS.name()])
            .collect();
        let listed = self.db.read(|snapshot| {
            let tables = snapshot.list_tables().map_err(|e| self.db.error(e))?;
            Ok::<_, DbError>(tables.map(|t| t.name().to_owned()).collect::<Vec<_>>())
        });
        let names = match listed {
            Ok(names) => names,
            Err(error) => {
                problems.push(format!("the list of tables is lost: {error}"));
                return Ok(());
            }
        };
        for name in names.iter().filter(|name| !made_anew.contains(&name.as_str())) {
            let copied = if is_ours(name) {
                self.db.read(|snapshot| new.db().write(|t| copy_table(name, snapshot, t).map_err(|e| self.db.error(e))))
            } else {
                self.take_over_whole_rows(new, name, problems)
            };
            if let Err(error) = copied {
                problems.push(format!("the table {name} is lost: {error}"));
            }
        }
        let settings = self.ask(|snapshot| {
            let meta = snapshot.open_table(META).map_err(|e| self.db.error(e))?;
            let rows = meta.range("keep."..="keep.~").map_err(|e| self.db.error(e))?;
            rows.map(|row| row.map(|(k, v)| (k.value().to_owned(), v.value())).map_err(|e| self.db.error(e)))
                .collect::<Result<Vec<(String, u128)>, DbError>>()
        });
        match settings {
            None => problems.push("how long data are kept is lost: it is as in a new store".to_owned()),
            Some(settings) => new.db().write(|t| {
                let mut meta = t.open_table(META).map_err(|e| new.db().error(e))?;
                settings.iter().try_for_each(|(key, value)| {
                    meta.insert(key.as_str(), *value).map(drop).map_err(|e| new.db().error(e))
                })
            })?,
        }
        Ok(())
    }

    /// Copies the rows of a table of the layers above that are as they were written.
    fn take_over_whole_rows(&self, new: &Store, name: &str, problems: &mut Vec<String>) -> Result<u64, DbError> {
        let snapshot = self.db.snapshot_with_bad_pages()?;
        let definition = TableDefinition::<(&str, u64), &[u8]>::new(name);
        let mut lost = 0;
        let copied = self.db.guard(|| {
            let from = snapshot.open_table(definition).map_err(|e| self.db.error(e))?;
            new.db().write(|t| {
                let mut to = t.open_table(definition).map_err(|e| new.db().error(e))?;
                let mut rows = 0;
                for row in from.iter().map_err(|e| self.db.error(e))? {
                    let (key, value) = row.map_err(|e| self.db.error(e))?;
                    let (row, number) = key.value();
                    if check_row(name, row, number, value.value()).is_err() {
                        lost += 1;
                        continue;
                    }
                    to.insert((row, number), value.value()).map_err(|e| new.db().error(e))?;
                    rows += 1;
                }
                Ok::<_, DbError>(rows)
            })
        })?;
        if lost > 0 || !snapshot.bad_pages().is_empty() {
            problems.push(format!("the table {name} has damage: {copied} of its rows are whole, others are lost"));
        }
        Ok(copied)
    }

    /// Takes over the buckets from before the single events reach back to, table by table; one with
    /// damage among them is left out, as its gaps cannot be told from times without calls.
    pub(super) fn take_over_rows(
        &self,
        new: &Store,
        raw_from: Timestamp,
        problems: &mut Vec<String>,
    ) -> Result<TakenOver, DbError> {
        if !self.opens {
            return Ok(TakenOver::default());
        }
        let cut = cut(raw_from, new.zone());
        let names: Result<(), DbError> = self.db.read(|snapshot| {
            new.db().write(|t| {
                copy_table(NAMES.name(), snapshot, t).map_err(|e| self.db.error(e))?;
                copy_table(NAME_IDS.name(), snapshot, t).map_err(|e| self.db.error(e))?;
                names_fit(new.db(), t)
            })
        });
        if raw_from == Timestamp::MIN {
            return Ok(TakenOver::default());
        }
        let Some(cut) = cut.filter(|_| names.is_ok()) else {
            problems.push("the names in older buckets are lost, and these with them".to_owned());
            return Ok(TakenOver::default());
        };
        let mut taken = TakenOver { cut: Some(cut), tables: Vec::new() };
        for table in Table::ALL {
            let rows = self.db.read(|snapshot| match table {
                Table::Tier(_) => self.take_over::<Bucket>(new, snapshot, table, cut),
                Table::DistHour | Table::DistDay => self.take_over::<Dist>(new, snapshot, table, cut),
                Table::DetailDay => self.take_over::<Detail>(new, snapshot, table, cut),
            });
            match rows {
                Ok(from) => taken.tables.push((table, from)),
                Err(error) => problems.push(format!("older rows of {} are lost: {error}", table.name())),
            }
        }
        Ok(taken)
    }

    fn take_over<V: RowValue>(
        &self,
        new: &Store,
        snapshot: &ReadTransaction,
        table: Table,
        cut: Timestamp,
    ) -> Result<Timestamp, DbError> {
        let meta = snapshot.open_table(META).map_err(|e| self.db.error(e))?;
        let (from, closed_to) = (new.closing().complete_from(&meta, table)?, new.closing().closed_to(&meta, table)?);
        if closed_to < cut {
            return Err(self.db.damaged(table.name(), "it is not closed up to where single events begin"));
        }
        let rows = snapshot.open_table(schema::bucket_table(table)).map_err(|e| self.db.error(e))?;
        new.db().write(|transaction| {
            let mut writer = BucketWriter::open(new.db(), transaction, table)?;
            let mut before: Option<(Box<str>, Timestamp)> = None;
            for row in rows.iter().map_err(|e| self.db.error(e))? {
                let (key, value) = row.map_err(|e| self.db.error(e))?;
                let (provider, start) = key.value();
                let start = Timestamp::from_millis(start);
                let damaged = |what: &str| self.db.damaged(crate::tier::place(table, provider, start), what);
                let (row, RowMeta { end, previous }) =
                    V::decode(&RowKey { table, provider, start }, value.value()).map_err(|what| damaged(&what))?;
                let last = before.as_ref().filter(|(p, _)| **p == *provider).map(|(_, start)| *start);
                if previous != last && !(last.is_none() && previous.is_some_and(|p| p < from)) {
                    return Err(damaged("the row before it is gone"));
                }
                if start < cut {
                    writer.add(provider, TimeRange { start, end }, &row)?;
                }
                before = Some((provider.into(), start));
            }
            writer.finish()
        })?;
        Ok(from)
    }
}

/// The first local midnight at which every bucket of every tier begins anew.
fn cut(raw_from: Timestamp, zone: &Zone) -> Option<Timestamp> {
    let mut at = first_bucket(Tier::Day, raw_from, zone);
    for _ in 0..CUT_DAYS {
        if at.millis().is_multiple_of(CUT_MS) {
            return Some(at);
        }
        at = Tier::Day.bucket(at, zone).end;
    }
    None
}

/// Whether ids and names say the same in both directions.
fn names_fit(db: &Db, transaction: &redb::WriteTransaction) -> Result<(), DbError> {
    use redb::ReadableTableMetadata;
    let names = transaction.open_table(NAMES).map_err(|e| db.error(e))?;
    let ids = transaction.open_table(NAME_IDS).map_err(|e| db.error(e))?;
    let wrong = || db.damaged("names", "names and their ids do not fit");
    if names.len().map_err(|e| db.error(e))? != ids.len().map_err(|e| db.error(e))? {
        return Err(wrong());
    }
    for row in names.iter().map_err(|e| db.error(e))? {
        let (id, name) = row.map_err(|e| db.error(e))?;
        if ids.get(name.value()).map_err(|e| db.error(e))?.map(|v| v.value()) != Some(id.value()) {
            return Err(wrong());
        }
    }
    Ok(())
}
