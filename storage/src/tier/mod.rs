//! Buckets, checkpoints and the manifest in one redb file.

pub mod db;
#[expect(dead_code, reason = "the rollup that uses it comes next")]
mod names;
pub mod schema;

use redb::WriteTransaction;

use crate::bucket::Table;

/// Makes every table, so that readers find them all.
fn create_tables(transaction: &WriteTransaction) -> Result<(), redb::TableError> {
    for table in Table::ALL {
        transaction.open_table(schema::bucket_table(table))?;
    }
    transaction.open_table(schema::NAMES)?;
    transaction.open_table(schema::NAME_IDS)?;
    transaction.open_table(schema::PROVIDERS)?;
    transaction.open_table(schema::CHECKPOINTS)?;
    transaction.open_table(schema::SEGMENTS)?;
    transaction.open_table(schema::SEEN_IDS)?;
    transaction.open_table(schema::CONSUMED)?;
    Ok(())
}
