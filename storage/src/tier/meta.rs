//! Single numbers of the store: from where on each table is complete, and up to where it is closed.

use redb::ReadableTable;

use super::db::{Db, DbError};
use super::schema::{RAW_FROM, closed_to_key, complete_from_key};
use crate::bucket::Table;
use crate::time::{Tier, Timestamp, Zone};

/// The least that deciding about closing needs.
#[derive(Clone, Copy)]
pub(crate) struct Closing<'a> {
    pub(crate) db: &'a Db,
    /// When the store was made: in a new store everything before that is closed.
    pub(crate) created: Timestamp,
    pub(crate) zone: &'a Zone,
}

impl Closing<'_> {
    /// Buckets of `table` that begin before this are closed: what happens in them goes there at once.
    /// `1m` is always written at once.
    pub(crate) fn closed_to(
        &self,
        meta: &impl ReadableTable<&'static str, u128>,
        table: Table,
    ) -> Result<Timestamp, DbError> {
        if table == Table::Tier(Tier::Minute) {
            return Ok(Timestamp::MAX);
        }
        let stored = meta.get(closed_to_key(table).as_str()).map_err(|e| self.db.error(e))?;
        Ok(stored.map_or_else(
            || table.tier().bucket(self.created, self.zone).start,
            |v| Timestamp::from_millis(u64::try_from(v.value()).unwrap_or(u64::MAX)),
        ))
    }

    /// Buckets of `table` that begin before this were removed, and are not begun anew.
    pub(crate) fn complete_from(
        &self,
        meta: &impl ReadableTable<&'static str, u128>,
        table: Table,
    ) -> Result<Timestamp, DbError> {
        self.time(meta, &complete_from_key(table))
    }

    /// Single events before this were removed; the start of a UTC day.
    pub(crate) fn raw_from(&self, meta: &impl ReadableTable<&'static str, u128>) -> Result<Timestamp, DbError> {
        self.time(meta, RAW_FROM)
    }

    /// A stored time; the beginning of time when it is not there.
    fn time(&self, meta: &impl ReadableTable<&'static str, u128>, key: &str) -> Result<Timestamp, DbError> {
        let stored = meta.get(key).map_err(|e| self.db.error(e))?.map_or(0, |v| v.value());
        Ok(Timestamp::from_millis(u64::try_from(stored).unwrap_or(u64::MAX)))
    }
}
