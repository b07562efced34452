//! The store's own ids of names, which bucket cells use.

use redb::{ReadableTable, Table, WriteTransaction};

use super::db::{Db, DbError};
use super::schema::{NAME_IDS, NAMES};
use crate::row::NameId;

/// Gives names ids inside a write transaction.
pub(crate) struct NameWriter<'t> {
    db: &'t Db,
    names: Table<'t, u32, &'static str>,
    ids: Table<'t, &'static str, u32>,
    next: u32,
}

impl<'t> NameWriter<'t> {
    /// Opens the tables of `transaction`.
    pub(crate) fn open(db: &'t Db, transaction: &'t WriteTransaction) -> Result<Self, DbError> {
        let names = transaction.open_table(NAMES).map_err(|e| db.error(e))?;
        let ids = transaction.open_table(NAME_IDS).map_err(|e| db.error(e))?;
        let last = names.last().map_err(|e| db.error(e))?.map(|(id, _)| id.value());
        Ok(Self { db, names, ids, next: last.unwrap_or(0) + 1 })
    }

    /// The store's id of `name`, new or known.
    pub(crate) fn id(&mut self, name: &str) -> Result<NameId, DbError> {
        if name.is_empty() {
            return Ok(0);
        }
        if let Some(id) = self.ids.get(name).map_err(|e| self.db.error(e))? {
            return Ok(id.value());
        }
        let id = self.next;
        self.next = id.checked_add(1).ok_or_else(|| self.db.damaged("names", "there are 2^32 of them"))?;
        self.names.insert(id, name).map_err(|e| self.db.error(e))?;
        self.ids.insert(name, id).map_err(|e| self.db.error(e))?;
        Ok(id)
    }
}
