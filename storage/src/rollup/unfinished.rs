//! Removes files that were never given their name, because the process that made them was killed.

use super::pass::{TickError, io};
use crate::fs;
use crate::journal::is_unfinished;
use crate::paths::Unfinished;
use crate::store::Store;

impl Store {
    /// Removes what is unfinished and nobody's. The caller holds the pass's lock, and there is a
    /// database or will be one that it makes: so nobody is at a compaction or a rebuilding, and whoever
    /// still makes a store or a database that exists by now will take that one.
    pub(crate) fn remove_unfinished(&self) -> Result<(), TickError> {
        let root = self.paths().root();
        for path in fs::list_root(root).map_err(|e| io(root, e))? {
            if Unfinished::of(&path).is_some() {
                fs::remove_file(&path).map_err(|e| io(&path, e))?;
            }
        }
        let dir = self.paths().journal_dir();
        for path in fs::list_dir(&dir).map_err(|e| io(&dir, e))?.into_iter().filter(|path| is_unfinished(path)) {
            // Its maker locks it, and begins anew if this happens just before.
            let Ok(file) = fs::open_read(&path) else { continue };
            if fs::try_lock(&file).map_err(|e| io(&path, e))? {
                fs::remove_file(&path).map_err(|e| io(&path, e))?;
            }
        }
        Ok(())
    }
}
