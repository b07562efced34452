//! Tables for what stands above the engine: rules, alerts, budgets, prices, projections.
//!
//! A table has rows by (name, number), in that order; a value is plain data with a version byte and
//! a checksum, so that damage is noticed and named. Reads see one snapshot, writes are one transaction.

use std::marker::PhantomData;
use std::ops::{Bound, RangeBounds};

use bincode::{Decode, Encode};
use redb::{ReadTransaction, ReadableTable, TableDefinition, TableError, WriteTransaction};

use crate::store::Store;
use crate::tier::db::{Db, DbError};
use crate::tier::schema::{checked, decode, encode};

/// A table whose values are `V`. The key is a name and a number: a time in ms, a sequence, or 0.
#[derive(Debug)]
pub struct Table<V> {
    name: &'static str,
    value: PhantomData<fn() -> V>,
}

impl<V> Table<V> {
    /// The table `name`. It is made when something is first put into it.
    pub const fn new(name: &'static str) -> Self {
        Self { name, value: PhantomData }
    }

    /// Its name in the database.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    const fn definition(&self) -> Definition {
        TableDefinition::new(self.name)
    }
}

/// One row of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row<V> {
    /// First part of its key.
    pub name: String,
    /// Second part of its key.
    pub number: u64,
    /// What it says.
    pub value: V,
}

/// A name and a number.
type Key<'k> = (&'k str, u64);
/// From where to where rows are read.
type Keys<'k> = (Bound<Key<'k>>, Bound<Key<'k>>);
type Definition = TableDefinition<'static, (&'static str, u64), &'static [u8]>;

/// The tables as one snapshot shows them, or inside a transaction with what it wrote so far.
pub struct Tables<'t> {
    db: &'t Db,
    source: Source<'t>,
}

enum Source<'t> {
    /// No database was made yet: every table is empty.
    Nothing,
    Snapshot(&'t ReadTransaction),
    Writing(&'t WriteTransaction),
}

impl Tables<'_> {
    /// The row at (`name`, `number`).
    ///
    /// # Errors
    /// The database, or damage in the row.
    pub fn get<V: Decode<()>>(&self, table: &Table<V>, name: &str, number: u64) -> Result<Option<V>, DbError> {
        Ok(self.range(table, name, number..=number)?.pop().map(|row| row.value))
    }

    /// Every row, in order of name and number.
    ///
    /// # Errors
    /// The database, or damage in a row.
    pub fn all<V: Decode<()>>(&self, table: &Table<V>) -> Result<Vec<Row<V>>, DbError> {
        self.rows(table, (Bound::Unbounded, Bound::Unbounded))
    }

    /// Every row of `name`, in order of number.
    ///
    /// # Errors
    /// The database, or damage in a row.
    pub fn of<V: Decode<()>>(&self, table: &Table<V>, name: &str) -> Result<Vec<Row<V>>, DbError> {
        self.range(table, name, ..)
    }

    /// The rows of `name` whose number is in `numbers`, in order.
    ///
    /// # Errors
    /// The database, or damage in a row.
    pub fn range<V: Decode<()>>(
        &self,
        table: &Table<V>,
        name: &str,
        numbers: impl RangeBounds<u64>,
    ) -> Result<Vec<Row<V>>, DbError> {
        let start = match numbers.start_bound() {
            Bound::Unbounded => Bound::Included((name, 0)),
            bound => bound.map(|number| (name, *number)),
        };
        let end = match numbers.end_bound() {
            Bound::Unbounded => Bound::Included((name, u64::MAX)),
            bound => bound.map(|number| (name, *number)),
        };
        self.rows(table, (start, end))
    }

    fn rows<V: Decode<()>>(&self, table: &Table<V>, keys: Keys<'_>) -> Result<Vec<Row<V>>, DbError> {
        match self.source {
            Source::Nothing => Ok(Vec::new()),
            Source::Snapshot(snapshot) => match snapshot.open_table(table.definition()) {
                Err(TableError::TableDoesNotExist(_)) => Ok(Vec::new()),
                opened => self.collect(table, &opened.map_err(|e| self.db.error(e))?, keys),
            },
            Source::Writing(transaction) => {
                let opened = transaction.open_table(table.definition()).map_err(|e| self.db.error(e))?;
                self.collect(table, &opened, keys)
            }
        }
    }

    fn collect<V: Decode<()>>(
        &self,
        table: &Table<V>,
        opened: &impl ReadableTable<(&'static str, u64), &'static [u8]>,
        keys: Keys<'_>,
    ) -> Result<Vec<Row<V>>, DbError> {
        let mut rows = Vec::new();
        for row in opened.range::<(&str, u64)>(keys).map_err(|e| self.db.error(e))? {
            let (key, bytes) = row.map_err(|e| self.db.error(e))?;
            let (name, number) = key.value();
            let value = decode(table.name, &key_bytes(name, number), bytes.value())
                .map_err(|what| self.db.damaged(format!("{} ({name:?}, {number})", table.name), what))?;
            rows.push(Row { name: name.to_owned(), number, value });
        }
        Ok(rows)
    }
}

/// The tables inside one write transaction. Reads, through [`Tables`], see what was written so far.
pub struct TablesWriter<'t> {
    tables: Tables<'t>,
    transaction: &'t WriteTransaction,
}

impl<'t> std::ops::Deref for TablesWriter<'t> {
    type Target = Tables<'t>;

    fn deref(&self) -> &Tables<'t> {
        &self.tables
    }
}

impl TablesWriter<'_> {
    /// Writes the row at (`name`, `number`), over what was there.
    ///
    /// # Errors
    /// The database.
    pub fn put<V: Encode>(&mut self, table: &Table<V>, name: &str, number: u64, value: &V) -> Result<(), DbError> {
        let bytes = encode(table.name, &key_bytes(name, number), value);
        let db = self.tables.db;
        let mut opened = self.transaction.open_table(table.definition()).map_err(|e| db.error(e))?;
        opened.insert((name, number), bytes.as_slice()).map_err(|e| db.error(e))?;
        Ok(())
    }

    /// Removes the row at (`name`, `number`): whether there was one.
    ///
    /// # Errors
    /// The database.
    pub fn remove<V>(&mut self, table: &Table<V>, name: &str, number: u64) -> Result<bool, DbError> {
        let db = self.tables.db;
        let mut opened = self.transaction.open_table(table.definition()).map_err(|e| db.error(e))?;
        let gone = opened.remove((name, number)).map_err(|e| db.error(e))?;
        Ok(gone.is_some())
    }
}

impl Store {
    /// Runs `work` over one snapshot of the tables. Where no database was made yet all are empty.
    ///
    /// # Errors
    /// What `work` says, or why there is no snapshot.
    pub fn read_tables<T, E: From<DbError>>(&self, work: impl FnOnce(&Tables<'_>) -> Result<T, E>) -> Result<T, E> {
        let db = self.db();
        if !db.exists() {
            return work(&Tables { db, source: Source::Nothing });
        }
        db.read(|snapshot| work(&Tables { db, source: Source::Snapshot(snapshot) }))
    }

    /// Runs `work` in one transaction and commits it when it succeeds; nothing is changed when it fails.
    ///
    /// # Errors
    /// What `work` says, or why the transaction could not be begun or committed.
    pub fn write_tables<T, E: From<DbError>>(
        &self,
        work: impl FnOnce(&mut TablesWriter<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let db = self.db();
        db.write(|transaction| {
            let tables = Tables { db, source: Source::Writing(transaction) };
            work(&mut TablesWriter { tables, transaction })
        })
    }
}

/// What is wrong with the row at (`name`, `number`) of `table`, whatever its value means.
pub(crate) fn check_row(table: &str, name: &str, number: u64, bytes: &[u8]) -> Result<(), String> {
    checked(table, &key_bytes(name, number), bytes).map(drop)
}

fn key_bytes(name: &str, number: u64) -> Vec<u8> {
    let mut bytes = name.as_bytes().to_vec();
    bytes.extend(number.to_be_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{Timestamp, Zone};

    const NOTES: Table<String> = Table::new("notes");

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open_or_create(dir.path(), &Zone::utc(), Timestamp::from_millis(1_700_000_000_000)).unwrap();
        (dir, store)
    }

    fn put(store: &Store, name: &str, number: u64, text: &str) {
        store.write_tables(|t| t.put(&NOTES, name, number, &text.to_owned())).unwrap();
    }

    fn numbers(rows: Vec<Row<String>>) -> Vec<(String, u64)> {
        rows.into_iter().map(|row| (row.name, row.number)).collect()
    }

    #[test]
    fn a_store_that_never_wrote_has_empty_tables_and_makes_no_file() {
        let (_dir, store) = store();
        assert!(store.read_tables(|t| t.all(&NOTES)).unwrap().is_empty());
        assert!(!store.db().exists());
    }

    #[test]
    fn rows_come_back_by_key_name_and_range_in_order() {
        let (_dir, store) = store();
        for (name, number) in [("b", 2), ("a", 9), ("b", 1), ("a", u64::MAX), ("ab", 0)] {
            put(&store, name, number, "x");
        }
        store
            .read_tables(|t| {
                let all = [("a", 9), ("a", u64::MAX), ("ab", 0), ("b", 1), ("b", 2)];
                assert_eq!(numbers(t.all(&NOTES)?), all.map(|(name, number)| (name.to_owned(), number)));
                assert_eq!(numbers(t.of(&NOTES, "a")?), [("a".into(), 9), ("a".into(), u64::MAX)]);
                assert_eq!(numbers(t.range(&NOTES, "b", 2..)?), [("b".into(), 2)]);
                assert_eq!(t.get(&NOTES, "b", 1)?, Some("x".into()));
                assert_eq!(t.get(&NOTES, "b", 3)?, None);
                Ok::<_, DbError>(())
            })
            .unwrap();
    }

    #[test]
    fn a_transaction_sees_its_own_writes_and_a_failed_one_changes_nothing() {
        let (_dir, store) = store();
        put(&store, "kept", 0, "old");
        let failed: Result<(), DbError> = store.write_tables(|t| {
            t.put(&NOTES, "kept", 0, &"new".to_owned())?;
            assert_eq!(t.get(&NOTES, "kept", 0)?, Some("new".into()));
            assert!(t.remove(&NOTES, "kept", 0)?);
            assert!(!t.remove(&NOTES, "kept", 0)?);
            assert_eq!(t.get(&NOTES, "kept", 0)?, None);
            Err(store.db().damaged("here", "a test"))
        });
        assert!(failed.is_err());
        assert_eq!(store.read_tables(|t| t.get(&NOTES, "kept", 0)).unwrap(), Some("old".into()));
    }

    #[test]
    fn a_row_moved_to_another_key_is_damage_and_named() {
        let (_dir, store) = store();
        put(&store, "here", 0, "x");
        let db = store.db();
        db.write(|transaction| {
            let mut table = transaction.open_table(NOTES.definition()).map_err(|e| db.error(e))?;
            let bytes = table.get(("here", 0)).unwrap().unwrap().value().to_vec();
            table.insert(("there", 7), bytes.as_slice()).map_err(|e| db.error(e))?;
            Ok::<_, DbError>(())
        })
        .unwrap();
        let error = store.read_tables(|t| t.of(&NOTES, "there")).unwrap_err();
        assert!(error.to_string().contains("notes (\"there\", 7)"), "{error}");
        assert_eq!(store.read_tables(|t| t.get(&NOTES, "here", 0)).unwrap(), Some("x".into()));
    }
}
