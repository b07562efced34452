//! Each bucket against one made anew from the events, one local day after the other.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use redb::{ReadTransaction, ReadableTable};

use super::files::Days;
use super::rows::{each_row, providers};
use super::{Repair, Verification};
use crate::bucket::Table;
use crate::query::QueryError;
use crate::query::source::{Source, Span};
use crate::rollup::{Expected, OTHER, Place};
use crate::row::{NameId, Names, Row};
use crate::store::{RolledUp, Store, View};
use crate::tier::db::DbError;
use crate::tier::schema::NAME_IDS;
use crate::tier::{RowValue, place};
use crate::time::{Tier, TimeRange, Timestamp};

/// A bucket cut in UTC may begin in one local day and end in the next: so much of that is read too.
const OVERHANG_MS: u64 = 5 * 60_000;

/// Compares all days.
pub(super) fn compare_events(
    store: &Store,
    view: &View<'_>,
    snapshot: &ReadTransaction,
    days: &Days,
    progress: &mut dyn FnMut(&str),
    found: &mut Verification,
) -> Result<(), QueryError> {
    let (names, all_providers) = store.db().guard(|| {
        let mut all = BTreeSet::new();
        for table in Table::ALL {
            all.extend(providers(store, snapshot, table)?);
        }
        Ok::<_, DbError>((all_names(store, snapshot)?, all.into_iter().collect::<Vec<Box<str>>>()))
    })?;
    let other = names.get(OTHER).copied().unwrap_or(0);
    let rolled_up = RolledUp::of(store, view.manifest().clone());
    for (number, start) in days.starts.iter().enumerate() {
        let day = Tier::Day.bucket(*start, store.zone());
        if day.end <= view.raw_complete_from() {
            continue;
        }
        progress(&format!("tiers against events, day {} of {}", number + 1, days.starts.len()));
        let mut expected = Expected::default();
        let read = TimeRange { start: day.start, end: day.end.plus_ms(OVERHANG_MS) };
        let mut add = |batch: &Names, rows: &[Row]| {
            // A name the store does not know can only make a difference that is reported below.
            let ids: Vec<NameId> = batch.iter().map(|n| names.get(n).copied().unwrap_or(0)).collect();
            expected.add(batch, rows, &ids, other, store.zone());
        };
        rolled_up.each_sealed(read, &mut |names, rows| {
            add(names, rows);
            Ok(())
        })?;
        view.journal_rows(read, true, &mut |names, rows| {
            let mut rows: Vec<Row> = rows.iter().filter(|row| read.contains(row.ts)).copied().collect();
            rows.sort_by_key(|row| row.ts);
            add(names, &rows);
            Ok(())
        })?;
        let mut comparison = Comparison { store, view, snapshot, day, providers: &all_providers, found: &mut *found };
        store.db().guard(|| comparison.compare_all(expected))?;
    }
    Ok(())
}

fn all_names(store: &Store, snapshot: &ReadTransaction) -> Result<HashMap<String, NameId>, DbError> {
    let db = store.db();
    let table = snapshot.open_table(NAME_IDS).map_err(|e| db.error(e))?;
    let rows = table.iter().map_err(|e| db.error(e))?;
    rows.map(|row| row.map(|(name, id)| (name.value().to_owned(), id.value())).map_err(|e| db.error(e))).collect()
}

/// The stored rows of one day and where problems go.
struct Comparison<'a> {
    store: &'a Store,
    view: &'a View<'a>,
    snapshot: &'a ReadTransaction,
    day: TimeRange,
    providers: &'a [Box<str>],
    found: &'a mut Verification,
}

impl Comparison<'_> {
    fn compare_all(&mut self, expected: Expected) -> Result<(), DbError> {
        let Expected { buckets, dists, details } = expected;
        for (tier, expected) in Tier::ALL.into_iter().zip(buckets) {
            self.compare(Table::Tier(tier), expected)?;
        }
        for (table, expected) in [Table::DistHour, Table::DistDay].into_iter().zip(dists) {
            self.compare(table, expected)?;
        }
        self.compare(Table::DetailDay, details)
    }

    fn compare<V: RowValue>(&mut self, table: Table, mut expected: BTreeMap<Place, V>) -> Result<(), DbError> {
        let Span { complete_from, closed_to } = self.view.span(table);
        let from = complete_from.max(self.view.raw_complete_from()).max(self.day.start);
        expected.retain(|(_, start), _| from <= *start && *start < closed_to.min(self.day.end));
        let file = self.store.db().path().display().to_string();
        let found = &mut *self.found;
        let mut differs = |provider: &str, start: Timestamp, what: &str| {
            found.add(file.clone(), place(table, provider, start), what, Repair::Rebuild);
        };
        let mut compared = 0;
        let range = TimeRange { start: from, end: self.day.end.max(from) };
        each_row::<V>(self.store, self.snapshot, table, range, self.providers, &mut |provider, start, value| {
            compared += 1;
            match expected.remove(&(Box::from(provider), start)) {
                Some(wanted) if value.is_some_and(|value| value.agrees_with(&wanted)) => {}
                Some(_) => differs(provider, start, "it differs from the events"),
                None => differs(provider, start, "the events have nothing there"),
            }
        })?;
        for (provider, start) in expected.keys() {
            differs(provider, *start, "it is missing, the events have something there");
        }
        found.compared_buckets += compared;
        Ok(())
    }
}
