//! Buckets, checkpoints and the manifest in one redb file.

mod backend;
mod copy;
pub mod db;
mod end;
mod manifest;
mod meta;
mod names;
mod overlay;
mod pages;
mod row;
pub mod schema;
mod write;

use redb::WriteTransaction;

pub(crate) use copy::{copy_table, is_ours};
pub(crate) use manifest::{JournalKey, Listed, Manifest, ManifestWriter};
pub(crate) use meta::Closing;
pub(crate) use names::NameWriter;
pub(crate) use row::{RowValue, place};
pub(crate) use write::BucketWriter;

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
    transaction.open_table(schema::DROPS)?;
    Ok(())
}
