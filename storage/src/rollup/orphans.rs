//! Removes segment files that no manifest lists: a writer was killed before its commit.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::pass::{TickError, io};
use crate::fs;
use crate::journal::{Reader, list};
use crate::raw::{Segment, SegmentMeta};
use crate::store::{Store, journal_key};
use crate::tier::db::DbError;
use crate::tier::schema::META;
use crate::tier::{JournalKey, Manifest};
use crate::time::Timestamp;

/// Where the events of a file that nobody lists may be found, as one moment knew it.
pub(crate) struct Elsewhere {
    manifest: Manifest,
    journals: HashSet<JournalKey>,
    /// Single events before this were removed.
    raw_from: Timestamp,
}

impl Elsewhere {
    /// The listed segments.
    pub(crate) fn segments<'a>(&'a self, store: &'a Store) -> HashSet<PathBuf> {
        self.manifest.segments.iter().map(|s| store.paths().segment(s.day, s.uuid)).collect()
    }
}

impl Store {
    /// Removes what a killed writer left. A file is a left-over only if nobody holds its lock, a
    /// manifest read after that still lacks it, and its events can be read elsewhere: journals that
    /// are still there, an input whose import was never committed, the listed segments it was to
    /// replace, or the listed one that replaced it; or if retention has removed its day. What cannot be
    /// judged stays, and verification reports it.
    pub(super) fn remove_orphans(&self) -> Result<(), TickError> {
        let files = self.segment_files().map_err(|e| io(&self.paths().raw_dir(), e))?;
        let listed = self.elsewhere()?.segments(self);
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
        let elsewhere = self.elsewhere()?;
        let listed = elsewhere.segments(self);
        for (path, _lock) in free {
            if !listed.contains(&path) && self.is_left_over(&path, &elsewhere) {
                fs::remove_file(&path).map_err(|e| io(&path, e))?;
            }
        }
        Ok(())
    }

    /// What there is now, from one snapshot and then the directory of journals.
    pub(crate) fn elsewhere(&self) -> Result<Elsewhere, TickError> {
        let db = self.db();
        let (manifest, raw_from) = db.read(|snapshot| {
            let meta = snapshot.open_table(META).map_err(|e| db.error(e))?;
            Ok::<_, DbError>((self.manifest_in(snapshot)?, self.closing().raw_from(&meta)?))
        })?;
        let journals = self.journal_keys().map_err(|e| io(&self.paths().journal_dir(), e))?;
        Ok(Elsewhere { manifest, journals, raw_from })
    }

    /// Whether the file at `path`, which nobody lists, holds nothing that is needed and not elsewhere.
    pub(crate) fn is_left_over(&self, path: &Path, elsewhere: &Elsewhere) -> bool {
        if path.file_name().is_some_and(|n| n.as_encoded_bytes().starts_with(b".")) {
            // A temporary name: it was never finished.
            return true;
        }
        // What is no segment fails to open: it is not ours to remove.
        let Ok(segment) = Segment::open(path, self.uuid()) else { return false };
        let SegmentMeta { uuid, day, sources, .. } = segment.meta();
        let Elsewhere { manifest, journals, raw_from } = elsewhere;
        let is_listed = |uuid: &u128| manifest.segments.iter().any(|s| s.uuid == *uuid);
        let has_them = match sources.replaces.as_slice() {
            [] => sources.journals.iter().all(|j| journals.contains(&(j.recorder, j.sequence))),
            // A merge that was not committed.
            replaced => replaced.iter().all(is_listed),
        };
        has_them || day < raw_from || self.is_replaced(*uuid, *day, manifest)
    }

    /// Whether a listed segment of `day` says that it took over the events of the segment `uuid`.
    fn is_replaced(&self, uuid: u128, day: Timestamp, manifest: &Manifest) -> bool {
        let mut same_day = manifest.segments.iter().filter(|s| s.day == day);
        same_day.any(|s| self.segment(s).is_ok_and(|s| s.meta().sources.replaces.contains(&uuid)))
    }

    /// The journals in the directory.
    fn journal_keys(&self) -> std::io::Result<HashSet<JournalKey>> {
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
