//! Removes files that were never given their name, because the process that made them was killed.

use std::path::Path;

use super::pass::{TickError, io};
use crate::fs;
use crate::store::Store;

/// Beginnings of names beside the database. Nobody who holds the pass's lock is at a compaction or a
/// rebuilding; and whoever still makes a store or a database that exists by now will take that one.
const IN_ROOT: [&str; 4] = [".store.id.", ".monitor.redb.", ".compact.redb.", ".rebuild.redb."];

impl Store {
    /// Removes what is unfinished and nobody's. The caller holds the pass's lock, and there is a
    /// database or will be one that it makes.
    pub(crate) fn remove_unfinished(&self) -> Result<(), TickError> {
        let root = self.paths().root();
        for path in fs::list_root(root).map_err(|e| io(root, e))? {
            if IN_ROOT.iter().any(|prefix| name(&path).starts_with(prefix)) {
                fs::remove_file(&path).map_err(|e| io(&path, e))?;
            }
        }
        let dir = self.paths().journal_dir();
        for path in fs::list_dir(&dir).map_err(|e| io(&dir, e))? {
            if !(name(&path).starts_with('.') && name(&path).ends_with(".axj.new")) {
                continue;
            }
            // Its maker locks it, and begins anew if this happens just before.
            let Ok(file) = fs::open_read(&path) else { continue };
            if fs::try_lock(&file).map_err(|e| io(&path, e))? {
                fs::remove_file(&path).map_err(|e| io(&path, e))?;
            }
        }
        Ok(())
    }
}

fn name(path: &Path) -> std::borrow::Cow<'_, str> {
    path.file_name().unwrap_or_default().to_string_lossy()
}
