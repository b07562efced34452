//! The sealing step of a pass: journals that are finished and rolled up become columnar segments.

use std::convert::Infallible;

use redb::{ReadableTable, WriteTransaction};

use super::pass::{Sealing, TickError, TickReport, io};
use crate::fs;
use crate::journal::{JournalError, Reader};
use crate::query::QueryError;
use crate::raw::{self, JournalSource, SealError, Sealed, Sources};
use crate::row::{Batch, PART_ROWS};
use crate::store::{Store, journal_key, rolled_up};
use crate::tier::db::{Db, DbError};
use crate::tier::schema::{Checkpoint, DROPS, META, SegmentEntry};
use crate::tier::{JournalKey, Listed, Manifest, ManifestWriter};
use crate::time::Timestamp;

/// So many events make a segment of a good size.
const ROWS_MIN: u64 = 65_536;
/// However few they are, they are sealed after this long.
const AGE_MS: u64 = 3_600_000;
/// So many files are sealed whatever is in them: each costs a reader a descriptor.
const FILES_MAX: usize = 64;
/// Most events of journals that are sealed together: bounds the memory of a pass. One that has more becomes several
/// segments.
const ROWS_MAX: u64 = 65_536;

/// A finished journal whose events are all in the tiers.
struct Finished {
    journal: Reader,
    checkpoint: Checkpoint,
    end: u64,
}

impl Store {
    /// Seals finished journals when it is worth it, and removes those that are sealed.
    pub(super) fn seal_finished(
        &self,
        now: Timestamp,
        sealing: Sealing,
        report: &mut TickReport,
    ) -> Result<(), TickError> {
        let manifest = self.manifest()?;
        self.remove_sealed(&manifest)?;
        self.remove_orphans()?;
        let finished = self.finished(&manifest, report)?;
        if finished.is_empty() || (sealing == Sealing::WhenWorthIt && !worth_it(&finished, now)) {
            return Ok(());
        }
        let mut group: Vec<Finished> = Vec::new();
        let mut events = 0;
        for one in finished {
            if events + one.checkpoint.events > ROWS_MAX && !group.is_empty() {
                self.seal_group(std::mem::take(&mut group), report)?;
                events = 0;
            }
            events += one.checkpoint.events;
            group.push(one);
        }
        self.seal_group(group, report)?;
        self.remove_sealed(&self.manifest()?)
    }

    /// Journals that nobody will add to and whose checkpoint is at their end.
    fn finished(&self, manifest: &Manifest, report: &mut TickReport) -> Result<Vec<Finished>, TickError> {
        let mut finished = Vec::new();
        for mut journal in self.journals(manifest, &mut report.problems)? {
            if journal.is_live().unwrap_or(true) {
                continue;
            }
            let checkpoint = manifest.checkpoint(journal_key(&journal));
            let mut rest = Batch::default();
            let progress = journal.read(checkpoint.offset, 1, &mut rest)?;
            if progress.finished && progress.events == 0 {
                finished.push(Finished { journal, checkpoint, end: progress.next });
            }
        }
        Ok(finished)
    }

    /// Makes the segments, then lists them and retires the journals in one transaction.
    fn seal_group(&self, group: Vec<Finished>, report: &mut TickReport) -> Result<(), TickError> {
        let raw_from = self.db().read(|t| {
            let meta = t.open_table(META).map_err(|e| self.db().error(e))?;
            self.closing().raw_from(&meta)
        })?;
        let Group { mut batch, large, journals, drops } = read_group(group, raw_from, report)?;
        if journals.is_empty() {
            return Ok(());
        }
        let mut sealed = Vec::new();
        let mut events = 0;
        let mut seal = |batch: &mut Batch| {
            events += batch.rows.len() as u64;
            batch.rows.sort_by_key(|row| row.ts);
            let sources = || Sources { journals: journals.clone(), ..Sources::default() };
            sealed.extend(seal_days(self, batch, raw_from, sources).map_err(|e| match e {
                SealError::Io { file, cause } => TickError::Io { path: file, cause },
                other => TickError::Seal(other.to_string()),
            })?);
            *batch = Batch::default();
            Ok::<_, TickError>(())
        };
        match large {
            Some(mut one) => {
                let mut part = |batch: &mut Batch| if batch.is_full() { seal(batch) } else { Ok(()) };
                rolled_up(&mut one.journal, one.checkpoint, 2 * PART_ROWS, &mut batch, &mut part)?
                    .map_err(|e| TickError::Seal(e.to_string()))?;
                seal(&mut batch)?;
            }
            None => seal(&mut batch)?,
        }
        self.db().write(|transaction| {
            let mut manifest = ManifestWriter::open(self.db(), transaction)?;
            let known = manifest.load()?;
            sealed.iter().try_for_each(|s| manifest.list(&listed(s)))?;
            for source in &journals {
                let key = (source.recorder, source.sequence);
                let mut checkpoint = known.checkpoint(key);
                checkpoint.retired = true;
                manifest.set(key, &checkpoint)?;
            }
            keep_drops(self.db(), transaction, &drops)?;
            Ok::<_, DbError>(())
        })?;
        drop(sealed);
        report.sealed_events += events;
        Ok(())
    }

    /// Unlinks the files of sealed journals. Their ids stay in the database until the directory
    /// without them is durable: a power failure may bring a file back, which must not count again.
    fn remove_sealed(&self, manifest: &Manifest) -> Result<(), TickError> {
        let retired: Vec<JournalKey> =
            manifest.checkpoints.iter().filter(|(_, c)| c.retired).map(|(key, _)| *key).collect();
        if retired.is_empty() {
            return Ok(());
        }
        let dir = self.paths().journal_dir();
        for path in crate::journal::list(&dir).map_err(|e| io(&dir, e))? {
            // One that cannot be opened now, and is forgotten, would count again when it can.
            let sealed = match Reader::open(&path) {
                Ok(journal) => retired.contains(&journal_key(&journal)),
                Err(JournalError::Io { cause, .. }) if cause.kind() != std::io::ErrorKind::NotFound => {
                    return Err(io(&path, cause));
                }
                // What its header no longer says its name does.
                Err(_) => retired.iter().any(|key| is_named(&path, *key)),
            };
            if sealed {
                fs::remove_file(&path).map_err(|e| io(&path, e))?;
            }
        }
        fs::sync_dir(&dir).map_err(|e| io(&dir, e))?;
        self.db().write(|transaction| {
            let mut manifest = ManifestWriter::open(self.db(), transaction)?;
            retired.iter().try_for_each(|journal| manifest.forget(*journal))
        })?;
        Ok(())
    }
}

/// Journals to be sealed together.
#[derive(Default)]
struct Group {
    /// Their events, but for those of `large`.
    batch: Batch,
    /// One that was only looked through: it holds more than may be held at once.
    large: Option<Finished>,
    journals: Vec<JournalSource>,
    drops: Vec<((u128, u8), u64)>,
}

/// Reads the journals that can be sealed. One that has lost events since they were rolled up stays: it alone
/// says that they are missing, until retention has passed them.
fn read_group(finished: Vec<Finished>, raw_from: Timestamp, report: &mut TickReport) -> Result<Group, TickError> {
    let mut group = Group::default();
    for mut one in finished {
        let id = one.journal.id();
        let source = JournalSource { recorder: id.recorder, sequence: id.sequence, end: one.end };
        let counted = one.journal.drops()?;
        let before = group.batch.rows.len();
        let is_large = one.checkpoint.events > ROWS_MAX;
        let rows_max = if is_large { PART_ROWS } else { usize::MAX };
        let mut look = |batch: &mut Batch| {
            if is_large {
                *batch = Batch::default();
            }
            Ok::<_, Infallible>(())
        };
        let Ok(complete) = rolled_up(&mut one.journal, one.checkpoint, rows_max, &mut group.batch, &mut look);
        match complete {
            Ok(()) if is_large => group.large = Some(one),
            Ok(()) => {}
            Err(QueryError::Io { file, cause }) => return Err(TickError::Io { path: file, cause }),
            // Its events are all of days that are not kept any more.
            Err(_) if one.checkpoint.max_ts < raw_from.millis() => group.batch.rows.truncate(before),
            Err(damaged) => {
                report.problems.push(damaged.to_string());
                group.batch.rows.truncate(before);
                continue;
            }
        }
        let counted = counted.into_iter().filter_map(|(reason, n)| Some((reason, n.filter(|n| *n > 0)?)));
        group.drops.extend(counted.map(|(reason, n)| ((id.recorder, reason as u8), n)));
        group.journals.push(source);
    }
    Ok(group)
}

fn is_named(path: &std::path::Path, (recorder, sequence): JournalKey) -> bool {
    let end = format!("-{recorder:032x}-{sequence:06}.axj");
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.ends_with(&end))
}

/// The counters of journals that will be removed. They only grow in a recorder's life.
fn keep_drops(db: &Db, transaction: &WriteTransaction, drops: &[((u128, u8), u64)]) -> Result<(), DbError> {
    if drops.is_empty() {
        return Ok(());
    }
    let mut table = transaction.open_table(DROPS).map_err(|e| db.error(e))?;
    for (key, count) in drops {
        let known = table.get(key).map_err(|e| db.error(e))?.map_or(0, |v| v.value());
        table.insert(key, known.max(*count)).map_err(|e| db.error(e))?;
    }
    Ok(())
}

fn worth_it(finished: &[Finished], now: Timestamp) -> bool {
    let events: u64 = finished.iter().map(|f| f.checkpoint.events).sum();
    let oldest = finished.iter().map(|f| f.journal.created()).min();
    let old = |created: Timestamp| now.since(created) >= AGE_MS || created.utc_day() < now.utc_day();
    events >= ROWS_MIN || finished.len() >= FILES_MAX || oldest.is_some_and(old)
}

/// One segment for each UTC day from `raw_from` on of the batch, whose rows are sorted by time. Single
/// events of earlier days are not kept any more.
pub(crate) fn seal_days(
    store: &Store,
    batch: &Batch,
    raw_from: Timestamp,
    sources: impl Fn() -> Sources,
) -> Result<Vec<Sealed>, SealError> {
    let mut sealed = Vec::new();
    let position = |n: usize| u32::try_from(n).expect("a batch is bounded");
    let mut begin = position(batch.rows.partition_point(|row| row.ts < raw_from));
    while let Some(row) = batch.rows.get(begin as usize) {
        let day = row.ts.utc_day();
        let end = position(batch.rows.partition_point(|row| row.ts.utc_day() <= day));
        let rows: Vec<u32> = (begin..end).collect();
        begin = end;
        sealed.push(raw::seal(store.paths(), store.uuid(), day, batch, &rows, sources())?);
    }
    Ok(sealed)
}

/// The manifest's entry of a new segment.
pub(crate) fn listed(sealed: &Sealed) -> Listed {
    let meta = sealed.meta();
    let entry =
        SegmentEntry { rows: meta.rows, bytes: meta.bytes, min_ts: meta.min_ts.millis(), max_ts: meta.max_ts.millis() };
    Listed { day: meta.day, uuid: meta.uuid, entry }
}
