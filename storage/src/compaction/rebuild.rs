//! Making the database anew from segments and journals, when it is damaged or gone.
//!
//! The new one is filled under a hidden name with the same steps as any store: segments are listed
//! and folded, journals rolled up, buckets closed. What only the old one knew (see
//! [`super::salvage`]) is taken over as far as it can be read. Then the old file gets another name and
//! the new one takes its place. Killed before that, nothing has changed.

use std::collections::HashSet;
use std::path::Path;

use super::CompactError;
use super::salvage::{Old, first_bucket};
use crate::bucket::Table;
use crate::fs;
use crate::identity::random_u128;
use crate::journal::{Reader, list};
use crate::paths::Unfinished;
use crate::query::QueryError;
use crate::raw::{Scratch, Segment, SegmentMeta};
use crate::rollup::{Sealing, Tiers};
use crate::row::Batch;
use crate::store::{Store, journal_key};
use crate::tier::db::DbError;
use crate::tier::schema::{Checkpoint, META, RAW_FROM, SegmentEntry, closed_to_key, complete_from_key};
use crate::tier::{JournalKey, Listed, ManifestWriter};
use crate::time::{Tier, Timestamp};

/// Events folded at once.
const EVENTS_MAX: usize = 250_000;

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// Events folded: of segments and of journals.
    pub events: u64,
    /// Segments listed.
    pub segments: u64,
    /// Single events and buckets made from them are complete from here on.
    pub raw_from: Timestamp,
    /// Each table is complete from here on; the beginning of time = nothing is missing.
    pub complete_from: Vec<(&'static str, Timestamp)>,
    /// The name of the old file beside the new one.
    pub old: Option<String>,
    /// What could not be taken over.
    pub problems: Vec<String>,
}

/// What lies on the disk and will count.
struct Found {
    segments: Vec<(Listed, Segment)>,
    /// Journals that are still there though their events are in segments.
    sealed: Vec<JournalKey>,
    /// Day on which the oldest journal was made.
    first_journal: Option<Timestamp>,
}

impl Store {
    /// Makes the database anew from the single events, and takes over what else the old one still
    /// tells. `progress` hears how many events are folded, of how many.
    ///
    /// # Errors
    /// See [`CompactError`]. The old database is in place then.
    pub fn rebuild(&self, now: Timestamp, progress: &mut dyn FnMut(u64, u64)) -> Result<Rebuilt, CompactError> {
        let lock = self.wait_for_pass(&mut || ())?;
        let mut done = Rebuilt::default();
        self.refuse_newer()?;
        // Nobody may write to the old one between its reading and its replacing.
        let hold = self.db().hold()?;
        let old = Old::read(self, &mut done.problems);
        self.remove_unfinished()?;
        let root = self.paths().root();
        let random = random_u128().map_err(|e| io(root, e))?;
        let temporary = Unfinished::Rebuilt.path(root, random);
        let new = self.with_database(temporary.clone());
        let filled = new.fill(&old, now, &mut done, progress).and_then(|()| self.swap(&temporary, now));
        if filled.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        done.old = filled?;
        drop((old, hold));
        self.pass(&lock, now, Sealing::WhenWorthIt)?;
        let info = self.info()?;
        done.raw_from = info.raw_from;
        done.complete_from = info.complete_from;
        Ok(done)
    }

    /// Fills the new database, which this store stands for.
    fn fill(
        &self,
        old: &Old,
        now: Timestamp,
        done: &mut Rebuilt,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), CompactError> {
        let mut found = self.on_disk(&mut done.problems)?;
        let first_day = found.segments.iter().map(|(s, _)| s.day).chain(found.first_journal).min();
        // Who cannot be asked may have removed what was before the first day that is there.
        let raw_from = old.raw_from.unwrap_or_else(|| first_day.unwrap_or(now.utc_day()));
        found.segments.retain(|(s, _)| s.day >= raw_from);
        old.take_over_tables(self, &mut done.problems)?;
        let restore = old.take_over_rows(self, raw_from, &mut done.problems)?;
        self.db().write(|transaction| {
            let mut meta = transaction.open_table(META).map_err(|e| self.db().error(e))?;
            let mut set = |key: &str, t: Timestamp| {
                meta.insert(key, u128::from(t.millis())).map(drop).map_err(|e| self.db().error(e))
            };
            if raw_from > Timestamp::MIN {
                set(RAW_FROM, raw_from)?;
                for table in Table::ALL {
                    let taken = restore.cut.filter(|_| restore.tables.iter().any(|(t, _)| *t == table));
                    let from = taken.unwrap_or_else(|| first_bucket(table.tier(), raw_from, self.zone()));
                    set(&complete_from_key(table), from)?;
                    // What happens in a minute goes there at once, closed or not.
                    if table != Table::Tier(Tier::Minute) {
                        let created = table.tier().bucket(self.created(), self.zone()).start;
                        set(&closed_to_key(table), from.max(created))?;
                    }
                }
            }
            let mut manifest = ManifestWriter::open(self.db(), transaction)?;
            let sealed = Checkpoint { retired: true, ..Checkpoint::default() };
            found.sealed.iter().try_for_each(|journal| manifest.set(*journal, &sealed))
        })?;
        let of = found.segments.iter().map(|(s, _)| s.entry.rows).sum();
        for (listed, segment) in &found.segments {
            progress(done.events, of);
            match self.take_in(listed, segment) {
                Ok(()) => {
                    done.events += listed.entry.rows;
                    done.segments += 1;
                }
                Err(CompactError::Figures(error)) => {
                    done.problems.push(format!("{error}; its {} events are missing", listed.entry.rows));
                }
                Err(error) => return Err(error),
            }
        }
        let rolled_up = self.roll_up_all()?;
        done.events += rolled_up.events;
        done.problems.extend(rolled_up.problems);
        self.close_due(now)?;
        self.db().write(|transaction| {
            let mut meta = transaction.open_table(META).map_err(|e| self.db().error(e))?;
            for (table, from) in &restore.tables {
                let key = complete_from_key(*table);
                let _ = match *from {
                    Timestamp::MIN => meta.remove(key.as_str()),
                    from => meta.insert(key.as_str(), u128::from(from.millis())),
                }
                .map_err(|e| self.db().error(e))?;
            }
            Ok::<_, DbError>(())
        })?;
        Ok(())
    }

    /// Lists a segment and folds its events, in one transaction: damage in it leaves it out whole.
    fn take_in(&self, listed: &Listed, segment: &Segment) -> Result<(), CompactError> {
        let done: Result<(), CompactError> = self.db().write(|transaction| {
            let mut tiers = Tiers::open(self, transaction)?;
            let (mut batch, mut scratch) = (Batch::default(), Scratch::default());
            let last = segment.blocks().len().saturating_sub(1);
            for block in 0..segment.blocks().len() {
                segment.rows(block, &mut scratch, &mut batch).map_err(QueryError::from)?;
                if batch.rows.len() >= EVENTS_MAX || block == last {
                    batch.rows.sort_by_key(|row| row.ts);
                    tiers.apply(&batch.names, &batch.rows)?;
                    batch = Batch::default();
                }
            }
            tiers.finish()?;
            ManifestWriter::open(self.db(), transaction)?.list(listed)?;
            Ok(())
        });
        done
    }

    /// The segments that count, and the journals that do not: of events that lie in two files one is taken.
    fn on_disk(&self, problems: &mut Vec<String>) -> Result<Found, CompactError> {
        let raw = self.paths().raw_dir();
        let mut files = self.segment_files().map_err(|e| io(&raw, e))?;
        files.retain(|path| !has_prefix(path, "."));
        files.sort();
        let mut segments = Vec::new();
        for path in files {
            match Segment::open(&path, self.uuid()) {
                Ok(segment) => segments.push(segment),
                Err(error) => problems.push(format!("{error}; its events are missing")),
            }
        }
        let replaced: HashSet<u128> = segments.iter().flat_map(|s| s.meta().sources.replaces.iter().copied()).collect();
        segments.retain(|s| !replaced.contains(&s.meta().uuid));
        let dir = self.paths().journal_dir();
        let paths = list(&dir).map_err(|e| io(&dir, e))?;
        let readers: Vec<Reader> = paths.iter().filter_map(|p| Reader::open(p).ok()).collect();
        let journals: HashSet<JournalKey> = readers.iter().map(journal_key).collect();
        let first_journal = readers.iter().map(|j| j.created().utc_day()).min();
        let of = |segment: &Segment| -> Vec<JournalKey> {
            segment.meta().sources.journals.iter().map(|j| (j.recorder, j.sequence)).collect()
        };
        // All journals are there: the sealing was not committed, or they were not removed yet. Either way
        // they hold everything.
        segments.retain(|s| {
            let of = of(s);
            of.is_empty() || !of.iter().all(|journal| journals.contains(journal))
        });
        // Some are gone: the sealing was committed, so the others are sealed too.
        let sealed = segments.iter().flat_map(of).filter(|journal| journals.contains(journal)).collect();
        let segments = segments.into_iter().map(|segment| (entry(segment.meta()), segment)).collect();
        Ok(Found { segments, sealed, first_journal })
    }

    /// Puts the new database in place of the old: the name that the old one has now.
    fn swap(&self, new: &Path, now: Timestamp) -> Result<Option<String>, CompactError> {
        let (path, root) = (self.paths().database(), self.paths().root());
        let old = match path.symlink_metadata() {
            Ok(_) => {
                let stamp: String = now.to_string().chars().filter(char::is_ascii_alphanumeric).take(15).collect();
                let random = random_u128().map_err(|e| io(root, e))? as u32;
                let name = format!("monitor.redb.old-{stamp}-{random:08x}");
                fs::link(&path, &root.join(&name)).map_err(|e| io(&path, e))?;
                fs::rename(new, &path).map_err(|e| io(&path, e))?;
                Some(name)
            }
            Err(_) => {
                fs::rename_noreplace(new, &path).map_err(|e| io(&path, e))?;
                None
            }
        };
        fs::sync_dir(root).map_err(|e| io(root, e))?;
        Ok(old)
    }
}

fn entry(meta: &SegmentMeta) -> Listed {
    let entry =
        SegmentEntry { rows: meta.rows, bytes: meta.bytes, min_ts: meta.min_ts.millis(), max_ts: meta.max_ts.millis() };
    Listed { day: meta.day, uuid: meta.uuid, entry }
}

fn has_prefix(path: &Path, prefix: &str) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(prefix.as_bytes()))
}

fn io(path: &Path, cause: std::io::Error) -> CompactError {
    CompactError::Io { path: path.display().to_string(), cause }
}
