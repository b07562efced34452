//! Each bucket against one made anew from the events, one local day after the other.

use std::collections::{BTreeMap, BTreeSet};

use redb::{ReadTransaction, ReadableTable};

use super::files::Days;
use super::rows::{each_row, providers};
use super::{Repair, Verification};
use crate::bucket::{OTHER, Table};
use crate::query::QueryError;
use crate::query::source::{Source, Span};
use crate::rollup::{Expected, Place};
use crate::row::{NameId, Names, Row};
use crate::store::{RolledUp, Store, View};
use crate::tier::db::DbError;
use crate::tier::schema::NAME_IDS;
use crate::tier::{RowValue, place};
use crate::time::{Tier, TimeRange, Timestamp, Zone};

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
        Ok::<_, DbError>((StoreNames::read(store, snapshot)?, all.into_iter().collect::<Vec<Box<str>>>()))
    })?;
    let rolled_up = RolledUp::of(store, view.manifest().clone());
    for (number, start) in days.starts.iter().enumerate() {
        let day = Tier::Day.bucket(*start, store.zone());
        if day.end <= view.raw_complete_from() {
            continue;
        }
        progress(&format!("tiers against events, day {} of {}", number + 1, days.starts.len()));
        // As many providers at a time as there is room for the cells of: nearly always all.
        let mut rest = all_providers.as_slice();
        let mut first = None;
        loop {
            let events = Events { rolled_up: &rolled_up, view, names: &names, zone: store.zone(), day, first };
            let (expected, count) = events.of_providers(rest)?;
            let (providers, later) = rest.split_at(count);
            let mut comparison = Comparison { store, view, snapshot, day, providers, found: &mut *found };
            store.db().guard(|| comparison.compare_all(expected))?;
            rest = later;
            first = rest.first().map(|provider| &**provider);
            if first.is_none() {
                break;
            }
        }
    }
    Ok(())
}

/// What the store calls names.
struct StoreNames {
    names: Names,
    /// By id in `names`.
    ids: Vec<NameId>,
}

impl StoreNames {
    fn read(store: &Store, snapshot: &ReadTransaction) -> Result<Self, DbError> {
        let db = store.db();
        let table = snapshot.open_table(NAME_IDS).map_err(|e| db.error(e))?;
        let (mut names, mut ids) = (Names::default(), vec![0]);
        for row in table.iter().map_err(|e| db.error(e))? {
            let (name, id) = row.map_err(|e| db.error(e))?;
            // Each name is there once; an empty one would be no name.
            if names.intern(name.value()) as usize == ids.len() {
                ids.push(id.value());
            }
        }
        Ok(Self { names, ids })
    }

    /// The store's id of `name`. One that it does not know can only make a difference that is reported.
    fn id(&self, name: &str) -> NameId {
        self.names.find(name).map_or(0, |id| self.ids[id as usize])
    }
}

/// The events of a day.
struct Events<'a> {
    rolled_up: &'a RolledUp<'a>,
    view: &'a View<'a>,
    names: &'a StoreNames,
    zone: &'a Zone,
    day: TimeRange,
    /// Only those of this provider and of later ones.
    first: Option<&'a str>,
}

impl Events<'_> {
    /// The rows that the events of providers make, up to one that there is no room for any more; and how many of
    /// `providers`, from the first on, these are. Providers that are not among them are some that no table knows.
    fn of_providers(&self, providers: &[Box<str>]) -> Result<(Expected, usize), QueryError> {
        let (mut expected, mut count) = (Expected::default(), providers.len());
        let read = TimeRange { start: self.day.start, end: self.day.end.plus_ms(OVERHANG_MS) };
        let other = self.names.id(OTHER);
        let mut add = |batch: &Names, rows: &[Row]| {
            let ids: Vec<NameId> = batch.iter().map(|name| self.names.id(name)).collect();
            let end = providers.get(count).map(|provider| &**provider);
            let wanted = |row: &&Row| {
                let provider = batch.get(row.provider);
                self.first.is_none_or(|first| first <= provider) && end.is_none_or(|end| provider < end)
            };
            if self.first.is_none() && end.is_none() {
                expected.add(batch, rows, &ids, other, self.zone);
            } else {
                let rows: Vec<Row> = rows.iter().filter(wanted).copied().collect();
                expected.add(batch, &rows, &ids, other, self.zone);
            }
            count = expected.fit(&providers[..count]);
        };
        self.rolled_up.each_sealed(read, &mut |names, rows| {
            add(names, rows);
            Ok(())
        })?;
        self.view.journal_rows(read, true, &mut |names, rows| {
            let mut rows: Vec<Row> = rows.iter().filter(|row| read.contains(row.ts)).copied().collect();
            rows.sort_by_key(|row| row.ts);
            add(names, &rows);
            Ok(())
        })?;
        Ok((expected, count))
    }
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
