//! Proves a store: every checksum, the manifest against the files, tiers against each other and
//! against the events they were made from.

use std::collections::{BTreeMap, HashMap, HashSet};

use redb::{ReadTransaction, ReadableTable};

use crate::bucket::codec::{RowKey, RowMeta};
use crate::bucket::{Bucket, Table};
use crate::query::QueryError;
use crate::query::source::{Source, Span};
use crate::raw::Scratch;
use crate::rollup::{Expected, OTHER, Place};
use crate::row::{Batch, NameId, Names, Row};
use crate::store::{RolledUp, Store, View};
use crate::tier::db::DbError;
use crate::tier::schema::{META, NAME_IDS, bucket_table};
use crate::tier::{RowValue, place};
use crate::time::{Tier, TimeRange, Timestamp};

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: String,
    /// Byte offset or row in it; empty for the whole file.
    pub offset: String,
    /// What was expected and what was found.
    pub what: String,
}

/// What a verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verification {
    /// Nothing = everything fits.
    pub problems: Vec<Problem>,
    /// Rows compared with what they were made from.
    pub compared_buckets: u64,
    /// Events read.
    pub events: u64,
}

impl Verification {
    fn add(&mut self, file: impl Into<String>, offset: impl Into<String>, what: impl Into<String>) {
        self.problems.push(Problem { file: file.into(), offset: offset.into(), what: what.into() });
    }

    fn add_error(&mut self, error: QueryError) {
        match error {
            QueryError::Damaged { file, offset, what } => self.add(file, offset, what),
            QueryError::Io { file, cause } => self.add(file, "", cause.to_string()),
            other => self.add("", "", other.to_string()),
        }
    }
}

impl Store {
    /// Checks everything and writes nothing. `progress` hears what is being looked at.
    ///
    /// # Errors
    /// When the store cannot be read at all; damage is part of the answer.
    pub fn verify(&self, progress: &mut dyn FnMut(&str)) -> Result<Verification, QueryError> {
        self.ask(|view| {
            let mut found = Verification::default();
            progress("journals");
            check_journals(&view, &mut found);
            progress("segments");
            check_segments(self, &view, &mut found);
            if let Some(snapshot) = view.snapshot() {
                progress("tiers");
                let rows = self.db().guard(|| Rows::load(self, snapshot, &mut found))?;
                rows.compare_tiers(self, &view, &mut found);
                if found.problems.is_empty() {
                    progress("tiers against events");
                    rows.compare_events(self, &view, snapshot, &mut found)?;
                }
            }
            for problem in view.problems() {
                found.add(problem, "", "");
            }
            Ok(found)
        })
    }
}

/// Reads every frame; the view collects what is wrong.
fn check_journals(view: &View<'_>, found: &mut Verification) {
    for rolled_up in [true, false] {
        let read = view.journal_rows(TimeRange::ALL, rolled_up, &mut |_, rows| {
            found.events += rows.len() as u64;
            Ok(())
        });
        if let Err(error) = read {
            found.add_error(error);
        }
    }
}

/// Decodes every column of every listed segment and looks for files that nobody lists.
fn check_segments(store: &Store, view: &View<'_>, found: &mut Verification) {
    let mut listed = HashSet::new();
    for one in &view.manifest().segments {
        let path = store.paths().segment(one.day, one.uuid);
        listed.insert(path.clone());
        match read_segment(store, one) {
            Err(error) => found.add_error(error),
            Ok((rows, bytes)) => {
                found.events += rows;
                if (rows, bytes) != (one.entry.rows, one.entry.bytes) {
                    let what = format!(
                        "the manifest says {} events in {} bytes, the file has {rows} in {bytes}",
                        one.entry.rows, one.entry.bytes
                    );
                    found.add(path.display().to_string(), "", what);
                }
            }
        }
    }
    for path in store.segment_files().unwrap_or_default() {
        if !listed.contains(&path) {
            found.add(path.display().to_string(), "", "no manifest entry: left by a writer that was killed");
        }
    }
}

fn read_segment(store: &Store, listed: &crate::tier::Listed) -> Result<(u64, u64), QueryError> {
    let segment = store.segment(listed)?;
    let mut rows = 0;
    let (mut batch, mut scratch) = (Batch::default(), Scratch::default());
    for block in 0..segment.blocks().len() {
        segment.rows(block, &mut scratch, &mut batch)?;
        rows += batch.rows.len() as u64;
        batch.rows.clear();
    }
    Ok((rows, segment.meta().bytes))
}

/// Every row of every table, decoded.
struct Rows {
    stored: Expected,
}

impl Rows {
    fn load(store: &Store, snapshot: &ReadTransaction, found: &mut Verification) -> Result<Self, DbError> {
        let mut stored = Expected::default();
        let [minute, five, hour, day] = &mut stored.buckets;
        load_table(store, snapshot, Table::Tier(Tier::Minute), minute, found)?;
        load_table(store, snapshot, Table::Tier(Tier::FiveMinutes), five, found)?;
        load_table(store, snapshot, Table::Tier(Tier::Hour), hour, found)?;
        load_table(store, snapshot, Table::Tier(Tier::Day), day, found)?;
        let [hour, day] = &mut stored.dists;
        load_table(store, snapshot, Table::DistHour, hour, found)?;
        load_table(store, snapshot, Table::DistDay, day, found)?;
        load_table(store, snapshot, Table::DetailDay, &mut stored.details, found)?;
        Ok(Self { stored })
    }

    /// Each coarse bucket against the finer ones in it.
    fn compare_tiers(&self, store: &Store, view: &View<'_>, found: &mut Verification) {
        for tier in [Tier::FiveMinutes, Tier::Hour, Tier::Day] {
            let finer = Table::Tier(tier.finer().unwrap_or(tier));
            let Span { complete_from, closed_to } = view.span(Table::Tier(tier));
            // Where finer buckets are gone there is nothing to compare with.
            let from = complete_from.max(view.span(finer).complete_from);
            let finer = &self.stored.buckets[finer.position()];
            let mut merged: BTreeMap<Place, Bucket> = BTreeMap::new();
            for ((provider, start), bucket) in finer {
                let range = tier.bucket(*start, store.zone());
                if from <= range.start && range.start < closed_to {
                    merged.entry((provider.clone(), range.start)).or_default().merge(bucket);
                }
            }
            let stored = &self.stored.buckets[Table::Tier(tier).position()];
            compare(store, Table::Tier(tier), from, stored, &merged, "the finer buckets", found);
        }
    }

    /// Each bucket against one made anew from the events.
    fn compare_events(
        &self,
        store: &Store,
        view: &View<'_>,
        snapshot: &ReadTransaction,
        found: &mut Verification,
    ) -> Result<(), QueryError> {
        let names = store.db().guard(|| all_names(store, snapshot))?;
        let other = names.get(OTHER).copied().unwrap_or(0);
        let mut expected = Expected::default();
        let mut add = |batch_names: &Names, rows: &[Row]| {
            // A name the store does not know can only make a difference that is reported below.
            let ids: Vec<NameId> = batch_names.iter().map(|n| names.get(n).copied().unwrap_or(0)).collect();
            expected.add(batch_names, rows, &ids, other, store.zone());
        };
        RolledUp::of(store, view.manifest().clone()).each_sealed(TimeRange::ALL, &mut |names, rows| {
            add(names, rows);
            Ok(())
        })?;
        view.journal_rows(TimeRange::ALL, true, &mut |names, rows| {
            let mut rows = rows.to_vec();
            rows.sort_by_key(|row| row.ts);
            add(names, &rows);
            Ok(())
        })?;
        for table in Table::ALL {
            let Span { complete_from, closed_to } = view.span(table);
            let from = complete_from.max(view.raw_complete_from());
            let whole = |start: Timestamp| from <= start && start < closed_to;
            let what = "the events";
            match table {
                Table::Tier(_) => {
                    let i = table.position();
                    expected.buckets[i].retain(|(_, start), _| whole(*start));
                    compare(store, table, from, &self.stored.buckets[i], &expected.buckets[i], what, found);
                }
                Table::DistHour | Table::DistDay => {
                    let i = usize::from(table == Table::DistDay);
                    expected.dists[i].retain(|(_, start), _| whole(*start));
                    compare(store, table, from, &self.stored.dists[i], &expected.dists[i], what, found);
                }
                Table::DetailDay => {
                    expected.details.retain(|(_, start), _| whole(*start));
                    compare(store, table, from, &self.stored.details, &expected.details, what, found);
                }
            }
        }
        Ok(())
    }
}

fn all_names(store: &Store, snapshot: &ReadTransaction) -> Result<HashMap<String, NameId>, DbError> {
    let db = store.db();
    let table = snapshot.open_table(NAME_IDS).map_err(|e| db.error(e))?;
    let rows = table.iter().map_err(|e| db.error(e))?;
    rows.map(|row| row.map(|(name, id)| (name.value().to_owned(), id.value())).map_err(|e| db.error(e))).collect()
}

/// Decodes each row and follows the chain from a provider's row to its previous one.
fn load_table<V: RowValue>(
    store: &Store,
    snapshot: &ReadTransaction,
    table: Table,
    into: &mut BTreeMap<Place, V>,
    found: &mut Verification,
) -> Result<(), DbError> {
    let db = store.db();
    let file = db.path().display().to_string();
    let meta = snapshot.open_table(META).map_err(|e| db.error(e))?;
    let complete_from = store.closing().complete_from(&meta, table)?;
    let mut before: Option<(Box<str>, Timestamp)> = None;
    let rows = snapshot.open_table(bucket_table(table)).map_err(|e| db.error(e))?;
    for row in rows.iter().map_err(|e| db.error(e))? {
        let (key, value) = row.map_err(|e| db.error(e))?;
        let (provider, start) = key.value();
        let start = Timestamp::from_millis(start);
        match V::decode(&RowKey { table, provider, start }, value.value()) {
            Err(what) => found.add(file.clone(), place(table, provider, start), what),
            Ok((value, RowMeta { previous, .. })) => {
                let last = before.as_ref().filter(|(p, _)| **p == *provider).map(|(_, start)| *start);
                // The first row that retention left still points to one that is gone.
                let expired = last.is_none() && previous.is_some_and(|previous| previous < complete_from);
                if previous != last && !expired {
                    found.add(
                        file.clone(),
                        place(table, provider, start),
                        "the row before it is not the one it was written after",
                    );
                }
                into.insert((provider.into(), start), value);
            }
        }
        before = Some((provider.into(), start));
    }
    Ok(())
}

/// Compares the rows that begin at `from` or later; none of `expected` begins before.
fn compare<V: PartialEq>(
    store: &Store,
    table: Table,
    from: Timestamp,
    stored: &BTreeMap<Place, V>,
    expected: &BTreeMap<Place, V>,
    with: &str,
    found: &mut Verification,
) {
    let file = store.db().path().display().to_string();
    let mut differs = |at: &Place, what: String| found.add(file.clone(), place(table, &at.0, at.1), what);
    let mut compared = 0;
    for (at, value) in stored.iter().filter(|((_, start), _)| *start >= from) {
        compared += 1;
        match expected.get(at) {
            Some(wanted) if wanted == value => {}
            Some(_) => differs(at, format!("it differs from {with}")),
            None => differs(at, format!("{with} have nothing there")),
        }
    }
    for at in expected.keys().filter(|at| !stored.contains_key(*at)) {
        differs(at, format!("it is missing, {with} have something there"));
    }
    found.compared_buckets += compared;
}
