//! Puts buckets into their tables inside a write transaction: merged with what is there, and
//! chained to the provider's previous row, so that a row that vanishes is noticed.
//!
//! Rows behind a provider's last one are held back and put there together: a table is ordered by
//! provider, so they come into its middle, where one after the other they leave half-full pages.

use std::collections::HashMap;
use std::ops::Bound;

use foldhash::fast::RandomState;
use redb::{ReadableTable, Table as RedbTable, WriteTransaction};

use super::db::{Db, DbError};
use super::end::{End, Held, cost};
use super::row::{RowValue, place};
use super::schema::{BucketKey, bucket_table};
use crate::bucket::Table;
use crate::bucket::codec::{RowKey, RowMeta};
use crate::time::{TimeRange, Timestamp};

/// Most bytes of memory that held rows of one table take: enough for runs of several pages of a hundred providers.
const HELD_MAX: usize = 4 << 20;

/// Fewer bytes than this, a page, are put there row by row: they fill no page, and each run may leave a page of the
/// tree's inner levels nearly empty.
const RUN_MIN: usize = 4 << 10;

/// One table of buckets, open for writing. What it was given is in the table after [`BucketWriter::finish`].
pub(crate) struct BucketWriter<'t> {
    db: &'t Db,
    table: Table,
    rows: RedbTable<'t, BucketKey, &'static [u8]>,
    /// Where each provider's rows end: appending needs no other look-up.
    ends: HashMap<Box<str>, End, RandomState>,
    /// Bytes held back there, and most that may be.
    held: usize,
    held_max: usize,
    written: u64,
}

impl<'t> BucketWriter<'t> {
    /// Opens `table` in `transaction`.
    pub(crate) fn open(db: &'t Db, transaction: &'t WriteTransaction, table: Table) -> Result<Self, DbError> {
        let rows = transaction.open_table(bucket_table(table)).map_err(|e| db.error(e))?;
        Ok(Self { db, table, rows, ends: HashMap::default(), held: 0, held_max: HELD_MAX, written: 0 })
    }

    /// Puts what was held back into the table: rows written in all.
    pub(crate) fn finish(mut self) -> Result<u64, DbError> {
        self.settle_all()?;
        Ok(self.written)
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
        let last = self.end(provider)?.last();
        if last.is_none_or(|last| last < start) {
            return self.put(provider, start, RowMeta { end: range.end, previous: last }, value);
        }
        if let Some((mut there, meta)) = self.get::<V>(provider, start)? {
            there.merge(value);
            bound(&mut there);
            return self.put(provider, start, meta, &there);
        }
        // A late bucket between others: the next row has to point to it.
        self.settle(provider)?;
        let previous = self.start_before(provider, start)?;
        self.put(provider, start, RowMeta { end: range.end, previous }, value)?;
        let Some(next) = self.start_after(provider, start)? else { return Ok(()) };
        let Some((row, meta)) = self.get::<V>(provider, next)? else { return Ok(()) };
        self.put(provider, next, RowMeta { previous: Some(start), ..meta }, &row)
    }

    /// Every row of `provider` that begins in `range`, in order of time.
    pub(crate) fn scan<V: RowValue>(
        &mut self,
        provider: &str,
        range: TimeRange,
        each: &mut dyn FnMut(Timestamp, V) -> Result<(), DbError>,
    ) -> Result<(), DbError> {
        self.settle(provider)?;
        let keys = (provider, range.start.millis())..(provider, range.end.millis());
        for row in self.rows.range(keys).map_err(|e| self.db.error(e))? {
            let (key, value) = row.map_err(|e| self.db.error(e))?;
            let start = Timestamp::from_millis(key.value().1);
            let (value, _) = self.decode::<V>(provider, start, value.value())?;
            each(start, value)?;
        }
        Ok(())
    }

    /// Brings the rows of `provider` that begin in `range`, and came one by one, into as few pages as they need. More of
    /// them than may be held stay as they are: so many came in runs.
    pub(crate) fn pack(&mut self, provider: &str, range: TimeRange) -> Result<(), DbError> {
        self.settle(provider)?;
        let keys = (provider, range.start.millis())..(provider, range.end.millis());
        let (mut rows, mut size) = (Vec::new(), 0);
        for row in self.rows.range(keys).map_err(|e| self.db.error(e))? {
            let (key, value) = row.map_err(|e| self.db.error(e))?;
            size += value.value().len();
            if size > HELD_MAX {
                return Ok(());
            }
            rows.push(Held { start: Timestamp::from_millis(key.value().1), bytes: value.value().into() });
        }
        if size < RUN_MIN {
            return Ok(());
        }
        self.put_run(provider, rows.len(), &rows).map_err(|e| self.db.error(e))
    }

    fn end(&mut self, provider: &str) -> Result<&mut End, DbError> {
        if !self.ends.contains_key(provider) {
            let stored = self.start_before(provider, Timestamp::MAX)?;
            self.ends.insert(provider.into(), End::new(stored));
        }
        Ok(self.ends.get_mut(provider).expect("it was just put there"))
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
        if let Some(bytes) = self.ends.get(provider).and_then(|end| end.get(start)) {
            return self.decode(provider, start, bytes).map(Some);
        }
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
        self.written += 1;
        let end = self.end(provider)?;
        if !end.takes(start) {
            self.rows.insert((provider, start.millis()), bytes.as_slice()).map_err(|e| self.db.error(e))?;
            return Ok(());
        }
        let (more, less) = end.hold(start, bytes);
        self.held = self.held + more - less;
        if self.held > self.held_max { self.settle_all() } else { Ok(()) }
    }

    fn settle_all(&mut self) -> Result<(), DbError> {
        let mut providers: Vec<Box<str>> =
            self.ends.iter().filter(|(_, end)| end.holds()).map(|(provider, _)| provider.clone()).collect();
        providers.sort_unstable();
        providers.iter().try_for_each(|provider| self.settle(provider))
    }

    /// Puts the rows of `provider` that are held back into the table.
    fn settle(&mut self, provider: &str) -> Result<(), DbError> {
        let Some(end) = self.ends.get_mut(provider).filter(|end| end.holds()) else { return Ok(()) };
        let (stored, rows) = end.settle();
        self.held -= cost(&rows);
        let again = rows.first().is_some_and(|first| stored == Some(first.start));
        self.put_run(provider, usize::from(again), &rows).map_err(|e| self.db.error(e))
    }

    /// Puts `rows` into the table, in place of the first `there` of them; no others are between them.
    fn put_run(&mut self, provider: &str, there: usize, rows: &[Held]) -> Result<(), redb::Error> {
        let Some(first) = rows.first() else { return Ok(()) };
        if rows.iter().map(|row| row.bytes.len()).sum::<usize>() < RUN_MIN {
            for Held { start, bytes } in rows {
                self.rows.insert((provider, start.millis()), &**bytes)?;
            }
            return Ok(());
        }
        // It fills each page before it begins the next, in the middle of a table, too.
        let mut cursor = self.rows.lower_bound_mut(Bound::Included((provider, first.start.millis())))?;
        for _ in 0..there {
            cursor.remove_next()?;
        }
        for Held { start, bytes } in rows {
            cursor.insert_before((provider, start.millis()), &**bytes)?;
        }
        Ok(cursor.close()?)
    }
}

#[cfg(test)]
mod tests;
