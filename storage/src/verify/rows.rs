//! The tables of buckets, row by row: checksums, and the chain from each row to the one before it.

use redb::{ReadTransaction, ReadableTable, TableDefinition, TableError, TableHandle};

use super::files::Days;
use super::{Repair, Verification};
use crate::bucket::codec::{RowKey, RowMeta};
use crate::bucket::{Bucket, Detail, Dist, Table};
use crate::store::Store;
use crate::table::check_row;
use crate::tier::db::DbError;
use crate::tier::schema::{META, bucket_table};
use crate::tier::{RowValue, is_ours, place};
use crate::time::{TimeRange, Timestamp};

/// Decodes every row of every table.
pub(super) fn check_tables(
    store: &Store,
    snapshot: &ReadTransaction,
    days: &mut Days,
    found: &mut Verification,
) -> Result<(), DbError> {
    for table in Table::ALL {
        match table {
            Table::Tier(_) => check_table::<Bucket>(store, snapshot, table, days, found)?,
            Table::DistHour | Table::DistDay => check_table::<Dist>(store, snapshot, table, days, found)?,
            Table::DetailDay => check_table::<Detail>(store, snapshot, table, days, found)?,
        }
    }
    Ok(())
}

/// Checks the rows of the tables that layers above keep, without knowing what they mean.
pub(super) fn check_layers(store: &Store, snapshot: &ReadTransaction, found: &mut Verification) -> Result<(), DbError> {
    let db = store.db();
    let file = db.path().display().to_string();
    for handle in snapshot.list_tables().map_err(|e| db.error(e))? {
        let name = handle.name();
        if is_ours(name) {
            continue;
        }
        let table = TableDefinition::<(&str, u64), &[u8]>::new(name);
        let rows = match snapshot.open_table(table) {
            // A later version's, of another kind: its pages were checked all the same.
            Err(TableError::TableTypeMismatch { .. }) => continue,
            opened => opened.map_err(|e| db.error(e))?,
        };
        for row in rows.iter().map_err(|e| db.error(e))? {
            let (key, value) = row.map_err(|e| db.error(e))?;
            let (row, number) = key.value();
            if let Err(what) = check_row(name, row, number, value.value()) {
                let at = format!("{} ({}, {number})", name.escape_debug(), row.escape_debug());
                found.add(file.clone(), at, what, Repair::Rebuild);
            }
        }
    }
    Ok(())
}

fn check_table<V: RowValue>(
    store: &Store,
    snapshot: &ReadTransaction,
    table: Table,
    days: &mut Days,
    found: &mut Verification,
) -> Result<(), DbError> {
    let db = store.db();
    let file = db.path().display().to_string();
    let meta = snapshot.open_table(META).map_err(|e| db.error(e))?;
    let complete_from = store.closing().complete_from(&meta, table)?;
    let mut before: Option<(Box<str>, Timestamp)> = None;
    let rows = snapshot.open_table(bucket_table(table)).map_err(|e| db.error(e))?;
    for row in rows.iter().map_err(|e| db.error(e))? {
        let (key, value) = row.map_err(|e| db.error(e))?;
        let (provider, start) = key.value();
        let start = Timestamp::from_millis(start);
        days.note(store, start);
        let last = before.as_ref().filter(|(p, _)| **p == *provider).map(|(_, start)| *start);
        let mut problem = |what: &str| found.add(file.clone(), place(table, provider, start), what, Repair::Rebuild);
        match V::decode(&RowKey { table, provider, start }, value.value()) {
            Err(what) => problem(&what),
            Ok((_, RowMeta { previous, .. })) => {
                // The first row that retention left still points to one that is gone.
                let expired = last.is_none() && previous.is_some_and(|previous| previous < complete_from);
                if previous != last && !expired {
                    problem("the row before it is not the one it was written after");
                }
            }
        }
        before = Some((provider.into(), start));
    }
    Ok(())
}

/// Hands the rows of `table` that begin in `range`, of all providers, to `each`; damaged ones are
/// `None`.
pub(super) fn each_row<V: RowValue>(
    store: &Store,
    snapshot: &ReadTransaction,
    table: Table,
    range: TimeRange,
    providers: &[Box<str>],
    each: &mut dyn FnMut(&str, Timestamp, Option<V>),
) -> Result<(), DbError> {
    let db = store.db();
    let rows = snapshot.open_table(bucket_table(table)).map_err(|e| db.error(e))?;
    for provider in providers {
        let keys = (&**provider, range.start.millis())..(&**provider, range.end.millis());
        for row in rows.range(keys).map_err(|e| db.error(e))? {
            let (key, value) = row.map_err(|e| db.error(e))?;
            let start = Timestamp::from_millis(key.value().1);
            let decoded = V::decode(&RowKey { table, provider, start }, value.value());
            each(provider, start, decoded.ok().map(|(value, _)| value));
        }
    }
    Ok(())
}

/// Every provider that has a row in `table`, found by jumping from one to the next.
pub(super) fn providers(store: &Store, snapshot: &ReadTransaction, table: Table) -> Result<Vec<Box<str>>, DbError> {
    let db = store.db();
    let rows = snapshot.open_table(bucket_table(table)).map_err(|e| db.error(e))?;
    let mut found: Vec<Box<str>> = Vec::new();
    loop {
        let next = match found.last() {
            None => rows.first().map_err(|e| db.error(e))?,
            Some(last) => {
                // Behind every row of the last one; no bucket begins at the end of time.
                let behind = (&**last, u64::MAX)..;
                rows.range(behind).map_err(|e| db.error(e))?.next().transpose().map_err(|e| db.error(e))?
            }
        };
        match next {
            Some((key, _)) if found.last().is_none_or(|last| **last != *key.value().0) => {
                found.push(key.value().0.into());
            }
            _ => return Ok(found),
        }
    }
}
