//! The one way in: who may write, what a failure leaves, what damage is called.

use super::*;
use crate::tier::schema::{NAMES, PROVIDERS};

fn db() -> (tempfile::TempDir, Db) {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::new(dir.path().join("monitor.redb"), 7);
    (dir, db)
}

fn put(db: &Db, name: &str) -> Result<(), DbError> {
    db.write(|t| {
        t.open_table(PROVIDERS).map_err(|e| db.error(e))?.insert(name, (1, 2)).map_err(|e| db.error(e))?;
        Ok(())
    })
}

fn count(db: &Db) -> u64 {
    use redb::ReadableTableMetadata;
    db.read(|t| t.open_table(PROVIDERS).map_err(|e| db.error(e))?.len().map_err(|e| db.error(e))).unwrap()
}

#[test]
fn a_missing_file_is_made_by_the_first_writer_only() {
    let (_dir, db) = db();
    assert!(matches!(db.snapshot(), Err(DbError::Missing { .. })));
    put(&db, "claude").unwrap();
    assert_eq!(count(&db), 1);
}

#[test]
fn a_failed_piece_of_work_changes_nothing() {
    let (_dir, db) = db();
    put(&db, "claude").unwrap();
    let failed: Result<(), DbError> = db.write(|t| {
        t.open_table(PROVIDERS).map_err(|e| db.error(e))?.insert("x", (0, 0)).map_err(|e| db.error(e))?;
        Err(db.damaged("here", "a test"))
    });
    assert!(failed.is_err());
    assert_eq!(count(&db), 1);
}

#[test]
fn readers_and_a_writer_work_side_by_side() {
    let (_dir, db) = db();
    put(&db, "claude").unwrap();
    let snapshot = db.snapshot().unwrap();
    put(&db, "openai").unwrap();
    use redb::ReadableTableMetadata;
    assert_eq!(snapshot.open_table(PROVIDERS).unwrap().len().unwrap(), 1);
    assert_eq!(count(&db), 2);
}

#[test]
fn a_database_that_is_kept_open_follows_what_is_committed_and_what_is_put_in_its_place() {
    let (_dir, db) = db();
    let kept = db.clone().kept_open();
    assert!(matches!(kept.snapshot(), Err(DbError::Missing { .. })));
    (0..200).for_each(|i| put(&db, &format!("provider {i}")).unwrap());
    let before = kept.snapshot().unwrap();
    assert_eq!(count(&kept), 200);
    put(&db, "claude").unwrap();
    assert_eq!(count(&kept), 201);
    let file = || fs::identity(db.path()).unwrap();
    let old = file();
    db.rewrite().unwrap();
    assert_ne!(file(), old, "it has another file now");
    put(&db, "openai").unwrap();
    assert_eq!(count(&kept), 202);
    use redb::ReadableTableMetadata;
    assert_eq!(before.open_table(PROVIDERS).unwrap().len().unwrap(), 200);
}

/// Each answer names what is damaged, and what is not can be read.
#[test]
fn a_bad_page_of_one_table_leaves_the_others_of_a_database_that_is_kept_open() {
    let (_dir, db) = db();
    put(&db, "claude").unwrap();
    db.write(|t| {
        t.open_table(NAMES).map_err(|e| db.error(e))?.insert(1, "a-name-to-find").map_err(|e| db.error(e))?;
        Ok::<_, DbError>(())
    })
    .unwrap();
    let mut bytes = std::fs::read(db.path()).unwrap();
    let at: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(b"a-name-to-find")).collect();
    at.iter().for_each(|at| bytes[*at] = b'A');
    std::fs::write(db.path(), bytes).unwrap();
    let kept = db.kept_open();
    for _ in 0..2 {
        let name = kept.read(|t| {
            let names = t.open_table(NAMES).map_err(|e| kept.error(e))?;
            names.get(1).map(|name| name.is_some()).map_err(|e| kept.error(e))
        });
        let said = name.unwrap_err().to_string();
        assert!(said.contains("a page of names does not fit"), "{said}");
        assert_eq!(count(&kept), 1);
    }
}

#[test]
fn a_file_of_another_store_is_refused() {
    let (_dir, db) = db();
    put(&db, "claude").unwrap();
    let other = Db::new(db.path().to_owned(), 8);
    assert!(matches!(other.snapshot(), Err(DbError::Damaged { .. })));
    assert!(matches!(put(&other, "x"), Err(DbError::Damaged { .. })));
}

#[test]
fn a_file_that_is_no_database_is_damage() {
    let (_dir, db) = db();
    for bytes in [vec![0x5a; 300_000], b"dear diary".to_vec(), Vec::new()] {
        std::fs::write(db.path(), &bytes).unwrap();
        let read = db.snapshot().err();
        assert!(matches!(read, Some(DbError::Damaged { .. })), "{} bytes: {read:?}", bytes.len());
    }
}

#[test]
fn a_page_of_zeros_is_damage_and_not_a_panic() {
    let (_dir, db) = db();
    for i in 0..2000 {
        if i % 500 == 0 {
            put(&db, &format!("provider {i}")).unwrap();
        }
    }
    let good = std::fs::read(db.path()).unwrap();
    std::panic::set_hook(Box::new(|info| {
        if !in_database() {
            eprintln!("{info}");
        }
    }));
    for page in 0..good.len() / 4096 {
        let mut bad = good.clone();
        bad[page * 4096..(page + 1) * 4096].fill(0);
        std::fs::write(db.path(), &bad).unwrap();
        let read: Result<u64, DbError> = db.read(|t| {
            let table = t.open_table(PROVIDERS).map_err(|e| db.error(e))?;
            let mut n = 0;
            for row in table.iter().map_err(|e| db.error(e))? {
                row.map_err(|e| db.error(e))?;
                n += 1;
            }
            Ok(n)
        });
        assert!(read.is_err() || read.is_ok_and(|n| n <= 4), "page {page}");
    }
}
