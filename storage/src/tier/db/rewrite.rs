//! Writing the database anew, without the holes that deleted rows leave.

use std::path::Path;

use redb::ReadableDatabase;

use super::{Db, DbError, META};
use crate::fs;
use crate::identity::random_u128;
use crate::paths::Unfinished;

/// A copy takes the place of the database when it has at most so much of its size.
const WORTH_PERCENT: u64 = 95;

/// What became of a rewriting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rewrite {
    /// The file is smaller now.
    Smaller,
    /// It would not have been by much, and was left as it is.
    NotWorthIt,
    /// Another process was writing: it was left as it is.
    Busy,
}

impl Db {
    /// Writes the database anew, without holes, and puts it in place of the old file if it is smaller.
    /// Writers wait meanwhile; readers go on with the file they have open. Whoever is killed in it leaves
    /// a hidden file, which upkeep removes; the caller holds its lock.
    ///
    /// A copy was chosen over redb's compaction in place: that refuses while anybody reads, keeps new
    /// readers out, leaves pages as empty as they are, and asks for a repair of the whole file when it is killed.
    ///
    /// # Errors
    /// When the database cannot be read, or the copy not written; the old file stays in place.
    pub fn rewrite(&self) -> Result<Rewrite, DbError> {
        let io = |cause| DbError::Io { path: self.path.display().to_string(), cause };
        let dir = self.path.parent().unwrap_or(Path::new("."));
        let temporary = Unfinished::Smaller.path(dir, random_u128().map_err(io)?);
        let done = self.guard(|| {
            let database = self.open_writable()?;
            let snapshot = database.begin_read().map_err(|e| self.error(e))?;
            self.check_meta(&snapshot.open_table(META).map_err(|e| self.error(e))?)?;
            self.copy_to(&snapshot, &temporary)?;
            let size = |path: &Path| fs::blocks(path).map_err(io);
            let smaller = size(&temporary)? * 100 < size(&self.path)? * WORTH_PERCENT;
            if smaller {
                fs::rename(&temporary, &self.path).map_err(io)?;
                fs::sync_dir(dir).map_err(io)?;
            }
            // The lock is given back only now that the new file has the name.
            drop(snapshot);
            database.close().map_err(|e| self.error(e))?;
            Ok(if smaller { Rewrite::Smaller } else { Rewrite::NotWorthIt })
        });
        // Gone when it was renamed; useless when it was not.
        let _ = fs::remove_file(&temporary);
        match done {
            Err(DbError::Busy { .. }) => Ok(Rewrite::Busy),
            other => other,
        }
    }
}
