//! Journals and segments: every frame, every column, and files that nobody knows.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use super::{Repair, Verification};
use crate::fs;
use crate::journal::{JournalError, Reader, list};
use crate::query::QueryError;
use crate::raw::Scratch;
use crate::row::Batch;
use crate::store::{Store, View, is_gone};
use crate::tier::Listed;
use crate::time::{Tier, Timestamp};

/// Events of a journal read at once.
const CHUNK_EVENTS: u64 = 65_536;

/// Local days that have something in them, by their start.
#[derive(Default)]
pub(super) struct Days {
    pub(super) starts: BTreeSet<Timestamp>,
    /// The day noted last: most of what follows is in it.
    last: Option<crate::time::TimeRange>,
}

impl Days {
    /// Notes the day of `t`.
    pub(super) fn note(&mut self, store: &Store, t: Timestamp) {
        if !self.last.is_some_and(|day| day.contains(t)) {
            let day = Tier::Day.bucket(t, store.zone());
            self.starts.insert(day.start);
            self.last = Some(day);
        }
    }
}

/// Reads every frame of every journal that is not sealed yet: the days of the events.
pub(super) fn check_journals(store: &Store, view: &View<'_>, found: &mut Verification) -> Result<Days, QueryError> {
    let mut days = Days::default();
    let dir = store.paths().journal_dir();
    let paths = list(&dir).map_err(|cause| QueryError::Io { file: dir.display().to_string(), cause })?;
    for path in paths {
        let journal = match Reader::open(&path) {
            // Sealed and removed since the directory was listed.
            Err(JournalError::Io { cause, .. }) if cause.kind() == std::io::ErrorKind::NotFound => continue,
            other => other,
        };
        let checked = journal.map_err(QueryError::from).and_then(|journal| {
            let file = path.display().to_string();
            if !journal.belongs_to(store.uuid()) {
                found.add(file, "", "it belongs to another store", Repair::Restore);
                return Ok(());
            }
            if view.manifest().checkpoint(crate::store::journal_key(&journal)).retired {
                return Ok(());
            }
            check_journal(store, journal, &mut days, found)
        });
        if let Err(error) = checked {
            found.add_error(error, Repair::Restore);
        }
    }
    Ok(days)
}

fn check_journal(
    store: &Store,
    mut journal: Reader,
    days: &mut Days,
    found: &mut Verification,
) -> Result<(), QueryError> {
    let file = journal.path().display().to_string();
    let mut from = 0;
    loop {
        let mut batch = Batch::default();
        let progress = journal.read(from, CHUNK_EVENTS, &mut batch)?;
        found.events += progress.events;
        batch.rows.iter().for_each(|row| days.note(store, row.ts));
        for damage in &progress.damaged {
            found.add(file.clone(), damage.offset.to_string(), damage.what.clone(), Repair::Restore);
        }
        // The mark of a recorder that was killed: nothing was promised there.
        found.notes.extend(
            progress.gaps.iter().map(|g| format!("{file}: {} bytes at {} were never published", g.bytes, g.offset)),
        );
        from = progress.next;
        if !progress.more {
            return Ok(());
        }
    }
}

/// Decodes every column of every listed segment and looks for files that nobody lists.
pub(super) fn check_segments(
    store: &Store,
    view: &View<'_>,
    days: &mut Days,
    found: &mut Verification,
) -> Result<(), QueryError> {
    let mut listed = HashSet::new();
    for one in &view.manifest().segments {
        let path = store.paths().segment(one.day, one.uuid);
        listed.insert(path.clone());
        match read_segment(store, one, days) {
            // Upkeep may have merged it since: the question is asked anew, until the last time.
            Err(error) if is_gone(&error) && !view.is_last_try() => return Err(error),
            Err(error @ QueryError::TooNew(_)) => return Err(error),
            Err(error) => found.add_error(error, Repair::Restore),
            Ok((rows, bytes)) => {
                found.events += rows;
                if (rows, bytes) != (one.entry.rows, one.entry.bytes) {
                    let what = format!(
                        "the manifest says {} events in {} bytes, the file has {rows} in {bytes}",
                        one.entry.rows, one.entry.bytes
                    );
                    found.add(path.display().to_string(), "", what, Repair::Restore);
                }
            }
        }
    }
    check_unlisted(store, &listed, found);
    Ok(())
}

/// Files that nobody lists and nobody is writing, by a manifest that is read after them. Hidden ones
/// were never promised to anybody.
fn check_unlisted(store: &Store, listed: &HashSet<PathBuf>, found: &mut Verification) {
    let hidden = |path: &Path| path.file_name().is_some_and(|n| n.as_encoded_bytes().starts_with(b"."));
    let free = |path: &Path| fs::open_read(path).is_ok_and(|file| fs::try_lock_shared(&file).unwrap_or(false));
    let mut files = store.segment_files().unwrap_or_default();
    files.retain(|path| !listed.contains(path) && !hidden(path) && free(path));
    if files.is_empty() {
        return;
    }
    let Ok(elsewhere) = store.elsewhere() else { return };
    let since = elsewhere.segments(store);
    for path in files.iter().filter(|path| !since.contains(*path) && path.exists()) {
        let name = path.display().to_string();
        if store.is_left_over(path, &elsewhere) {
            found.notes.push(format!("{name} was left by a process that was killed; the next upkeep removes it"));
        } else {
            found.add(name, "", "the manifest does not list it, and its events may be nowhere else", Repair::Rebuild);
        }
    }
}

fn read_segment(store: &Store, listed: &Listed, days: &mut Days) -> Result<(u64, u64), QueryError> {
    let segment = store.segment(listed)?;
    let mut rows = 0;
    let (mut batch, mut scratch) = (Batch::default(), Scratch::default());
    for block in 0..segment.blocks().len() {
        segment.rows(block, &mut scratch, &mut batch)?;
        rows += batch.rows.len() as u64;
        batch.rows.iter().for_each(|row| days.note(store, row.ts));
        // Event ids are names too, and no two are the same.
        batch = Batch::default();
    }
    Ok((rows, segment.meta().bytes))
}
