//! Carrying out a merge: the new segment first, then the manifest in one transaction, then the old
//! files. Killed in between, either the old ones are listed or the new one, never both.

use std::path::Path;

use super::CompactError;
use crate::fs;
use crate::raw::{self, SealError, Segment};
use crate::rollup::listed;
use crate::store::Store;
use crate::tier::{Listed, ManifestWriter};

impl Store {
    /// Merges `group`, segments of one day that are listed. The caller holds the pass's lock.
    pub(super) fn merge_segments(&self, group: &[Listed]) -> Result<(), CompactError> {
        let open = |one: &Listed| Segment::open(&self.paths().segment(one.day, one.uuid), self.uuid());
        let sources = group.iter().map(open).collect::<Result<Vec<_>, _>>().map_err(SealError::from)?;
        let merged = raw::merge(self.paths(), self.uuid(), &sources)?;
        let new = listed(&merged);
        let path = self.paths().segment(new.day, new.uuid);
        let events = group.iter().map(|s| s.entry.rows).sum::<u64>();
        let written = Segment::open(&path, self.uuid()).map_err(SealError::from)?;
        if (written.meta().rows, new.entry.rows) != (events, events) {
            return Err(CompactError::Wrong { path: path.display().to_string(), events, found: written.meta().rows });
        }
        self.db().write(|transaction| {
            let mut manifest = ManifestWriter::open(self.db(), transaction)?;
            group.iter().try_for_each(|old| manifest.unlist(old))?;
            manifest.list(&new)
        })?;
        // Its lock was held until now, so that nobody took it for a left-over.
        drop(merged);
        for old in group {
            let path = self.paths().segment(old.day, old.uuid);
            fs::remove_file(&path).map_err(|e| io(&path, e))?;
        }
        let folder = self.paths().raw_day(new.day);
        fs::sync_dir(&folder).map_err(|e| io(&folder, e))
    }
}

fn io(path: &Path, cause: std::io::Error) -> CompactError {
    CompactError::Io { path: path.display().to_string(), cause }
}
