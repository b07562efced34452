//! Copying a database table by table, in the order of keys: the copy has no holes and full pages.

use redb::{
    Key, ReadTransaction, ReadableTable, StorageError, TableDefinition, TableError, TableHandle, Value,
    WriteTransaction,
};

use super::schema;
use crate::bucket::Table;

/// Tables of the layers above, see [`crate::table`].
type Named<'n> = TableDefinition<'n, (&'static str, u64), &'static [u8]>;

/// Copies every table of `from` to `to`.
///
/// # Errors
/// What redb says; a table of a kind that this program does not know is an error too, so that
/// nothing is left behind.
pub(super) fn copy_tables(from: &ReadTransaction, to: &WriteTransaction) -> Result<(), redb::Error> {
    if let Some(table) = from.list_multimap_tables()?.next() {
        return Err(TableError::TableIsMultimap(redb::MultimapTableHandle::name(&table).to_owned()).into());
    }
    for table in from.list_tables()? {
        copy_table(table.name(), from, to)?;
    }
    Ok(())
}

/// Whether the engine itself keeps the table `name`.
pub(crate) fn is_ours(name: &str) -> bool {
    macro_rules! any {
        ($($table:ident),*) => { $(name == schema::$table.name())||* };
    }
    Table::ALL.into_iter().any(|table| table.name() == name)
        || any!(NAMES, NAME_IDS, PROVIDERS, CHECKPOINTS, SEGMENTS, SEEN_IDS, CONSUMED, DROPS, META)
}

/// Whether each row of the table `name` has a checksum of its own, which its key is part of.
pub(super) fn has_row_checksums(name: &str) -> bool {
    Table::ALL.into_iter().any(|table| table.name() == name) || !is_ours(name)
}

/// Copies the table `name`: rows copied.
pub(crate) fn copy_table(name: &str, from: &ReadTransaction, to: &WriteTransaction) -> Result<u64, redb::Error> {
    if let Some(table) = Table::ALL.into_iter().find(|table| table.name() == name) {
        return copy(schema::bucket_table(table), from, to);
    }
    macro_rules! known {
        ($($table:ident),*) => {
            $(if name == schema::$table.name() {
                return copy(schema::$table, from, to);
            })*
        };
    }
    known!(NAMES, NAME_IDS, PROVIDERS, CHECKPOINTS, SEGMENTS, SEEN_IDS, CONSUMED, DROPS, META);
    copy(Named::new(name), from, to)
}

fn copy<K: Key + 'static, V: Value + 'static>(
    table: TableDefinition<'_, K, V>,
    from: &ReadTransaction,
    to: &WriteTransaction,
) -> Result<u64, redb::Error> {
    let from = from.open_table(table)?;
    let mut to = to.open_table(table)?;
    let mut rows = 0;
    for row in from.iter()? {
        let (key, value): (redb::AccessGuard<'_, K>, redb::AccessGuard<'_, V>) = row.map_err(|e: StorageError| e)?;
        to.insert(key.value(), value.value())?;
        rows += 1;
    }
    Ok(rows)
}
