//! New files: the first one of a store, and copies of what another one holds.

use std::path::Path;
use std::sync::Arc;

use redb::{Builder, ReadTransaction, WriteTransaction};

use super::open::CACHE_BYTES;
use super::{AtBadPage, Db, DbError, META, META_UUID, META_VERSION, Pages};
use crate::fs;
use crate::identity::{FORMAT_VERSION, random_u128};
use crate::paths::Unfinished;
use crate::tier::backend::Checked;

impl Db {
    /// Writes all tables of `snapshot` to a new database at `path`, which needs no repair.
    ///
    /// # Errors
    /// When something cannot be read or written.
    pub fn copy_to(&self, snapshot: &ReadTransaction, path: &Path) -> Result<(), DbError> {
        self.make_at(path, |transaction| {
            crate::tier::copy::copy_tables(snapshot, transaction).map_err(|e| self.error(e))
        })
    }

    /// Makes the file under another name first: a `create` that is killed leaves one that never
    /// opens again.
    pub(super) fn create(&self) -> Result<(), DbError> {
        let io = |cause| DbError::Io { path: self.path.display().to_string(), cause };
        let dir = self.path.parent().unwrap_or(Path::new("."));
        let random = random_u128().map_err(io)?;
        let temporary = Unfinished::Database.path(dir, random);
        let made = self.create_at(&temporary).and_then(|()| fs::rename_noreplace(&temporary, &self.path).map_err(io));
        // Gone when it was renamed; useless when it was not.
        let _ = fs::remove_file(&temporary);
        // Another maker was first, and upkeep may even have taken ours away.
        if !self.exists() {
            made?;
        }
        fs::sync_dir(dir).map_err(io)
    }

    fn create_at(&self, path: &Path) -> Result<(), DbError> {
        self.make_at(path, |transaction| {
            {
                let mut meta = transaction.open_table(META).map_err(|e| self.error(e))?;
                meta.insert(META_UUID, self.uuid).map_err(|e| self.error(e))?;
                meta.insert(META_VERSION, u128::from(FORMAT_VERSION)).map_err(|e| self.error(e))?;
            }
            crate::tier::create_tables(transaction).map_err(|e| self.error(e))
        })
    }

    /// A new file at `path` with what `fill` puts into it, durable.
    fn make_at(&self, path: &Path, fill: impl FnOnce(&WriteTransaction) -> Result<(), DbError>) -> Result<(), DbError> {
        let io = |cause| DbError::Io { path: path.display().to_string(), cause };
        let file = fs::create_new(path).map_err(io)?;
        let pages = Arc::new(Pages::new(AtBadPage::Refuse));
        let backend = Checked::over(file, &pages).map_err(|e| self.error(e))?;
        let mut builder = Builder::new();
        let database = builder.set_cache_size(CACHE_BYTES).create_with_backend(backend).map_err(|e| self.error(e))?;
        let transaction = database.begin_write().map_err(|e| self.error(e))?;
        fill(&transaction)?;
        transaction.commit().map_err(|e| self.error(e))?;
        database.close().map_err(|e| self.error(e))?;
        fs::open_read(path).and_then(|f| fs::sync_all(&f)).map_err(io)
    }
}
