//! Single numbers of the store: up to where each table is closed.

use redb::ReadableTable;

use super::db::{Db, DbError};
use super::schema::closed_to_key;
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
}
