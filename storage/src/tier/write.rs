//! Puts buckets into their tables inside a write transaction: merged with what is there, and
//! chained to the provider's previous row, so that a row that vanishes is noticed.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use redb::{ReadableTable, Table as RedbTable, WriteTransaction};

use super::db::{Db, DbError};
use super::row::{RowValue, place};
use super::schema::{BucketKey, bucket_table};
use crate::bucket::Table;
use crate::bucket::codec::{RowKey, RowMeta};
use crate::time::{TimeRange, Timestamp};

/// One table of buckets, open for writing.
pub(crate) struct BucketWriter<'t> {
    db: &'t Db,
    table: Table,
    rows: RedbTable<'t, BucketKey, &'static [u8]>,
    /// Start of each provider's last row: appending needs no other look-up.
    last: HashMap<Box<str>, Option<Timestamp>, RandomState>,
    written: u64,
}

impl<'t> BucketWriter<'t> {
    /// Opens `table` in `transaction`.
    pub(crate) fn open(db: &'t Db, transaction: &'t WriteTransaction, table: Table) -> Result<Self, DbError> {
        let rows = transaction.open_table(bucket_table(table)).map_err(|e| db.error(e))?;
        Ok(Self { db, table, rows, last: HashMap::default(), written: 0 })
    }

    /// Rows written so far.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// Adds `value` to the row of `provider` that begins at `range.start`.
    pub(crate) fn add<V: RowValue>(&mut self, provider: &str, range: TimeRange, value: &V) -> Result<(), DbError> {
        self.add_bounded(provider, range, value, |_| ())
    }

    /// The same; `bound` cuts down what a row grew to when it was merged.
    pub(crate) fn add_bounded<V: RowValue>(
        &mut self,
        provider: &str,
        range: TimeRange,
        value: &V,
        bound: impl FnOnce(&mut V),
    ) -> Result<(), DbError> {
        let start = range.start;
        let last = self.last(provider)?;
        if last.is_none_or(|last| last < start) {
            self.last.insert(provider.into(), Some(start));
            return self.put(provider, start, RowMeta { end: range.end, previous: last }, value);
        }
        if let Some((mut there, meta)) = self.get::<V>(provider, start)? {
            there.merge(value);
            bound(&mut there);
            return self.put(provider, start, meta, &there);
        }
        // A late bucket between others: the next row has to point to it.
        let previous = self.start_before(provider, start)?;
        self.put(provider, start, RowMeta { end: range.end, previous }, value)?;
        let Some(next) = self.start_after(provider, start)? else { return Ok(()) };
        let Some((row, meta)) = self.get::<V>(provider, next)? else { return Ok(()) };
        self.put(provider, next, RowMeta { previous: Some(start), ..meta }, &row)
    }

    /// Every row of `provider` that begins in `range`, in order of time.
    pub(crate) fn scan<V: RowValue>(
        &self,
        provider: &str,
        range: TimeRange,
        each: &mut dyn FnMut(Timestamp, V) -> Result<(), DbError>,
    ) -> Result<(), DbError> {
        let keys = (provider, range.start.millis())..(provider, range.end.millis());
        for row in self.rows.range(keys).map_err(|e| self.db.error(e))? {
            let (key, value) = row.map_err(|e| self.db.error(e))?;
            let start = Timestamp::from_millis(key.value().1);
            let (value, _) = self.decode::<V>(provider, start, value.value())?;
            each(start, value)?;
        }
        Ok(())
    }

    fn last(&mut self, provider: &str) -> Result<Option<Timestamp>, DbError> {
        if let Some(last) = self.last.get(provider) {
            return Ok(*last);
        }
        let last = self.start_before(provider, Timestamp::MAX)?;
        self.last.insert(provider.into(), last);
        Ok(last)
    }

    fn start_before(&self, provider: &str, start: Timestamp) -> Result<Option<Timestamp>, DbError> {
        let keys = (provider, 0)..(provider, start.millis());
        let mut rows = self.rows.range(keys).map_err(|e| self.db.error(e))?;
        let row = rows.next_back().transpose().map_err(|e| self.db.error(e))?;
        Ok(row.map(|(key, _)| Timestamp::from_millis(key.value().1)))
    }

    fn start_after(&self, provider: &str, start: Timestamp) -> Result<Option<Timestamp>, DbError> {
        let keys = (provider, start.millis() + 1)..=(provider, u64::MAX);
        let mut rows = self.rows.range(keys).map_err(|e| self.db.error(e))?;
        let row = rows.next().transpose().map_err(|e| self.db.error(e))?;
        Ok(row.map(|(key, _)| Timestamp::from_millis(key.value().1)))
    }

    fn get<V: RowValue>(&self, provider: &str, start: Timestamp) -> Result<Option<(V, RowMeta)>, DbError> {
        let row = self.rows.get((provider, start.millis())).map_err(|e| self.db.error(e))?;
        row.map(|bytes| self.decode(provider, start, bytes.value())).transpose()
    }

    fn decode<V: RowValue>(&self, provider: &str, start: Timestamp, bytes: &[u8]) -> Result<(V, RowMeta), DbError> {
        let key = RowKey { table: self.table, provider, start };
        V::decode(&key, bytes).map_err(|what| self.db.damaged(place(self.table, provider, start), what))
    }

    fn put<V: RowValue>(&mut self, provider: &str, start: Timestamp, meta: RowMeta, value: &V) -> Result<(), DbError> {
        let key = RowKey { table: self.table, provider, start };
        let bytes =
            value.encode(&key, meta).map_err(|what| self.db.damaged(place(self.table, provider, start), what))?;
        self.rows.insert((provider, start.millis()), bytes.as_slice()).map_err(|e| self.db.error(e))?;
        self.written += 1;
        Ok(())
    }
}
