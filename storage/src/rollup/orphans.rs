//! Removes segment files that no manifest lists: a writer was killed before its commit.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::pass::{TickError, io};
use crate::fs;
use crate::journal::{Reader, list};
use crate::raw::{Segment, SegmentMeta};
use crate::store::{Store, journal_key};
use crate::tier::{JournalKey, Manifest};
use crate::time::Timestamp;

impl Store {
    /// Removes what a killed writer left. A file is a left-over only if nobody holds its lock, a
    /// manifest read after that still lacks it, and its events can be read elsewhere: journals that
    /// are still there, an input whose import was never committed, the listed segments it was to
    /// replace, or the listed one that replaced it. What cannot be judged stays,
    /// and verification reports it.
    pub(super) fn remove_orphans(&self) -> Result<(), TickError> {
        let files = self.segment_files().map_err(|e| io(&self.paths().raw_dir(), e))?;
        let paths = |manifest: &Manifest| -> HashSet<PathBuf> {
            manifest.segments.iter().map(|s| self.paths().segment(s.day, s.uuid)).collect()
        };
        let listed = paths(&self.manifest()?);
        let mut free = Vec::new();
        for path in files.into_iter().filter(|path| !listed.contains(path)) {
            let Ok(file) = fs::open_read(&path) else { continue };
            if fs::try_lock(&file).map_err(|e| io(&path, e))? {
                free.push((path, file));
            }
        }
        if free.is_empty() {
            return Ok(());
        }
        let manifest = self.manifest()?;
        let listed = paths(&manifest);
        let journals = self.journal_keys().map_err(|e| io(&self.paths().journal_dir(), e))?;
        for (path, _lock) in free {
            if !listed.contains(&path) && self.is_left_over(&path, &manifest, &journals) {
                fs::remove_file(&path).map_err(|e| io(&path, e))?;
            }
        }
        Ok(())
    }

    /// Whether the file at `path`, which `manifest` does not list, holds nothing that is not elsewhere.
    pub(crate) fn is_left_over(&self, path: &Path, manifest: &Manifest, journals: &HashSet<JournalKey>) -> bool {
        if path.file_name().is_some_and(|n| n.as_encoded_bytes().starts_with(b".")) {
            // A temporary name: it was never finished.
            return true;
        }
        // What is no segment fails to open: it is not ours to remove.
        let Ok(segment) = Segment::open(path, self.uuid()) else { return false };
        let SegmentMeta { uuid, day, sources, .. } = segment.meta();
        let is_listed = |uuid: &u128| manifest.segments.iter().any(|s| s.uuid == *uuid);
        let has_them = match sources.replaces.as_slice() {
            [] => sources.journals.iter().all(|j| journals.contains(&(j.recorder, j.sequence))),
            // A merge that was not committed.
            replaced => replaced.iter().all(is_listed),
        };
        has_them || self.is_replaced(*uuid, *day, manifest)
    }

    /// Whether a listed segment of `day` says that it took over the events of the segment `uuid`.
    fn is_replaced(&self, uuid: u128, day: Timestamp, manifest: &Manifest) -> bool {
        let mut same_day = manifest.segments.iter().filter(|s| s.day == day);
        same_day.any(|s| self.segment(s).is_ok_and(|s| s.meta().sources.replaces.contains(&uuid)))
    }

    /// The journals in the directory.
    pub(crate) fn journal_keys(&self) -> std::io::Result<HashSet<JournalKey>> {
        let paths = list(&self.paths().journal_dir())?;
        Ok(paths.iter().filter_map(|p| Reader::open(p).ok()).map(|j| journal_key(&j)).collect())
    }

    /// Everything in the day folders, temporary names too.
    pub(crate) fn segment_files(&self) -> std::io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for day in fs::list_dir(&self.paths().raw_dir())? {
            if day.is_dir() {
                files.extend(fs::list_dir(&day)?);
            }
        }
        Ok(files)
    }
}
