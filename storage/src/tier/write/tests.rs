//! Rows that are held back: seen by who asks for them, chained, and in full pages in the end.

use std::collections::BTreeMap;

use proptest::prelude::*;
use redb::ReadableTableMetadata;

use super::*;
use crate::bucket::{Dist, DistCell};

const PROVIDERS: [&str; 4] = ["a", "b", "bb", "c"];
const MINUTE_MS: u64 = 60_000;
const PAGE: u64 = 4096;

#[derive(Clone, Debug)]
enum Step {
    /// So many minutes of a provider, one after the other, from a minute on.
    Add { provider: usize, from: u64, minutes: u64 },
    /// A look at all minutes of a provider from one on.
    Scan { provider: usize, from: u64 },
    /// Many minutes of a provider are packed.
    Pack { provider: usize, from: u64 },
    /// The next transaction.
    Commit,
}

fn step() -> impl Strategy<Value = Step> {
    let (provider, from) = (0..PROVIDERS.len(), 0..100_u64);
    prop_oneof![
        8 => (provider.clone(), from.clone(), 1..30_u64)
            .prop_map(|(provider, from, minutes)| Step::Add { provider, from, minutes }),
        1 => (provider.clone(), from.clone()).prop_map(|(provider, from)| Step::Scan { provider, from }),
        1 => (provider, from).prop_map(|(provider, from)| Step::Pack { provider, from }),
        1 => Just(Step::Commit),
    ]
}

fn at(minute: u64) -> Timestamp {
    Timestamp::from_millis(minute * MINUTE_MS)
}

fn minutes(from: u64, to: u64) -> TimeRange {
    TimeRange { start: at(from), end: at(to) }
}

/// Some hundred bytes that differ from minute to minute.
fn row(minute: u64) -> Dist {
    let tokens = (0..50 + minute as u32 % 7 * 20).map(|i| (i * 3, minute % 5 + 1)).collect();
    Dist { cells: [((1, true), DistCell { tokens, cost: Vec::new() })].into(), missing: 1 }
}

fn db() -> (tempfile::TempDir, Db) {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::new(dir.path().join("monitor.redb"), 7);
    (dir, db)
}

/// All rows of the table, with the start of the one before each.
fn rows_of(db: &Db, table: Table) -> Vec<(String, Timestamp, Dist, Option<Timestamp>)> {
    let snapshot = db.snapshot().unwrap();
    let rows = snapshot.open_table(bucket_table(table)).unwrap();
    let decode = |(key, value): (redb::AccessGuard<'_, BucketKey>, redb::AccessGuard<'_, &[u8]>)| {
        let (provider, start) = key.value();
        let start = Timestamp::from_millis(start);
        let (row, meta) = Dist::decode(&RowKey { table, provider, start }, value.value()).unwrap();
        (provider.to_owned(), start, row, meta.previous)
    };
    rows.iter().unwrap().map(|row| decode(row.unwrap())).collect()
}

proptest! {
    #[test]
    fn rows_are_what_was_added_whatever_is_held_back(
        steps in prop::collection::vec(step(), 1..40),
        held_max in prop_oneof![Just(0), Just(12_000), Just(HELD_MAX)],
    ) {
        let (_dir, db) = db();
        let table = Table::DistHour;
        let mut expected: BTreeMap<(&str, u64), Dist> = BTreeMap::new();
        let mut puts = 0;
        for of_one in steps.split(|step| matches!(step, Step::Commit)) {
            puts += db.write(|transaction| {
                let mut writer = BucketWriter::open(&db, transaction, table)?;
                writer.held_max = held_max;
                for step in of_one {
                    match *step {
                        Step::Add { provider, from, minutes: n } => for minute in from..from + n {
                            let (provider, row) = (PROVIDERS[provider], row(minute));
                            writer.add(provider, minutes(minute, minute + 1), &row)?;
                            expected.entry((provider, minute)).or_default().merge(&row);
                        },
                        Step::Scan { provider, from } => {
                            let provider = PROVIDERS[provider];
                            let mut seen = Vec::new();
                            writer.scan::<Dist>(provider, minutes(from, 1_000), &mut |start, row| {
                                seen.push((start.millis() / MINUTE_MS, row));
                                Ok(())
                            })?;
                            let there = expected.range((provider, from)..(provider, 1_000));
                            assert_eq!(seen, there.map(|((_, m), row)| (*m, row.clone())).collect::<Vec<_>>());
                        }
                        Step::Pack { provider, from } => {
                            writer.pack(PROVIDERS[provider], minutes(from, from + 60))?;
                        }
                        Step::Commit => unreachable!("steps are cut there"),
                    }
                }
                writer.finish()
            }).unwrap();
        }
        let rows = rows_of(&db, table);
        prop_assert!(puts >= rows.len() as u64);
        prop_assert_eq!(rows.len(), expected.len());
        let mut before: Option<(&str, u64)> = None;
        for (found, ((provider, minute), row)) in rows.into_iter().zip(&expected) {
            let previous = before.filter(|(p, _)| p == provider).map(|(_, minute)| at(minute));
            prop_assert_eq!(found, ((*provider).to_owned(), at(*minute), row.clone(), previous));
            before = Some((provider, *minute));
        }
    }
}

#[test]
fn rows_that_come_in_batches_fill_the_pages_whatever_provider_they_are_of() {
    const BATCH: u64 = 400;
    let (_dir, db) = db();
    let table = Table::DistHour;
    for batch in 0..5 {
        db.write(|transaction| {
            let mut writer = BucketWriter::open(&db, transaction, table)?;
            // The last minute of the batch before goes on, and grows.
            for minute in (batch * BATCH).saturating_sub(1)..(batch + 1) * BATCH {
                for provider in PROVIDERS {
                    writer.add(provider, minutes(minute, minute + 1), &row(minute))?;
                }
            }
            writer.finish()
        })
        .unwrap();
    }
    check_full(&db, table);
}

#[test]
fn rows_that_come_one_by_one_fill_the_pages_once_they_are_packed() {
    let (_dir, db) = db();
    let table = Table::DistHour;
    for day in 0..3 {
        db.write(|transaction| {
            let mut writer = BucketWriter::open(&db, transaction, table)?;
            writer.held_max = 0;
            for minute in day * 480..(day + 1) * 480 {
                for provider in PROVIDERS {
                    writer.add(provider, minutes(minute, minute + 1), &row(minute))?;
                }
            }
            PROVIDERS.iter().try_for_each(|p| writer.pack(p, minutes(day * 480, (day + 1) * 480)))?;
            writer.finish()
        })
        .unwrap();
    }
    check_full(&db, table);
}

fn check_full(db: &Db, table: Table) {
    let snapshot = db.snapshot().unwrap();
    let stats = snapshot.open_table(bucket_table(table)).unwrap().stats().unwrap();
    let pages = stats.leaf_pages() * PAGE;
    assert!(stats.stored_bytes() * 100 > pages * 90, "{} bytes in pages of {pages}", stats.stored_bytes());
}
