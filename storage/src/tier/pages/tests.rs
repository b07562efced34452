//! Every bit of a database is flipped, and every page taken away, under plain rows and values that
//! have no checksum of their own.

use std::os::unix::fs::FileExt;

use redb::{ReadableTable, TableDefinition, TableHandle};

use super::super::db::{Db, DbError};
use super::super::schema::{META, NAMES, PROVIDERS, SEEN_IDS};
use super::{HEADER_BYTES, SECOND_COUNTS, STATE_BYTE, UNCLEAN, unclean_header};

/// Rows of a layer above: large enough for branches, and for pages of more than 4 KiB.
const LAYER: TableDefinition<'_, (&str, u64), &[u8]> = TableDefinition::new("notes");

fn filled(rows: u64) -> (tempfile::TempDir, Db) {
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let db = Db::new(dir.path().join("monitor.redb"), 7);
    for part in 0..3 {
        db.write(|t| {
            let mut names = t.open_table(NAMES).unwrap();
            let mut providers = t.open_table(PROVIDERS).unwrap();
            let mut seen = t.open_table(SEEN_IDS).unwrap();
            let mut layer = t.open_table(LAYER).unwrap();
            for n in (part * rows)..(part + 1) * rows {
                let name = format!("name {n}");
                names.insert(n as u32 + 1, name.as_str()).unwrap();
                providers.insert(name.as_str(), (n, n * 2)).unwrap();
                seen.insert(u128::from(n) << 90, n as u32).unwrap();
                let size = if n % 7 == 0 { 9_000 } else { 50 };
                layer.insert((name.as_str(), n), vec![n as u8; size].as_slice()).unwrap();
            }
            Ok::<_, DbError>(())
        })
        .unwrap();
    }
    (dir, db)
}

/// All there is, as text.
fn everything(db: &Db) -> Result<String, DbError> {
    let mut all = String::new();
    db.read(|t| {
        macro_rules! add {
            ($table:expr) => {{
                let table = t.open_table($table).map_err(|e| db.error(e))?;
                for row in table.iter().map_err(|e| db.error(e))? {
                    let (key, value) = row.map_err(|e| db.error(e))?;
                    all.push_str(&format!("{} {:?} {:?}\n", $table.name(), key.value(), value.value()));
                }
            }};
        }
        add!(META);
        add!(NAMES);
        add!(PROVIDERS);
        add!(SEEN_IDS);
        add!(LAYER);
        Ok(())
    })
    .map(|()| all)
}

/// Whether harm was not noticed, or only by the library when it fell over it.
fn silent(found: &Result<String, DbError>, right: &str) -> bool {
    match found {
        Ok(all) => all != right,
        Err(error) => error.to_string().contains("gave up"),
    }
}

/// A repair that is killed before it is done leaves a file that is repaired by who comes next.
#[test]
fn a_file_is_not_said_to_be_closed_while_a_newer_commit_does_not_count() {
    let (_dir, db) = filled(50);
    let right = everything(&db).unwrap();
    let file = std::fs::OpenOptions::new().read(true).write(true).open(db.path()).unwrap();
    let mut header = [0; HEADER_BYTES];
    file.read_exact_at(&mut header, 0).unwrap();
    assert_eq!(unclean_header(&header), None);
    // The commit before the last one counts.
    header[STATE_BYTE] ^= SECOND_COUNTS;
    file.write_all_at(&header, 0).unwrap();
    assert!(everything(&db).is_err(), "a closed file whose last commit does not count is damaged");
    let unclean = unclean_header(&header).unwrap();
    assert_eq!(unclean_header(&unclean), None);
    file.write_all_at(&unclean, 0).unwrap();
    // The last commit is that of closing, which changes no row.
    assert_eq!(everything(&db).unwrap(), right);
    file.read_exact_at(&mut header, 0).unwrap();
    assert_eq!((header[STATE_BYTE] & UNCLEAN, unclean_header(&header)), (0, None), "the repair closed it");
}

fn quiet() {
    std::panic::set_hook(Box::new(|info| {
        if !super::super::db::in_database() {
            eprintln!("{info}");
        }
    }));
}

#[test]
fn a_bit_that_flipped_anywhere_is_noticed_before_anything_is_made_of_it() {
    quiet();
    let (_dir, db) = filled(20);
    let right = everything(&db).unwrap();
    let good = std::fs::read(db.path()).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(db.path()).unwrap();
    let mut noticed = 0;
    for (at, byte) in good.iter().enumerate() {
        let header = at < super::HEADER_BYTES;
        // A sample: a few bits of each page. Pages that were never written are all alike.
        let page = &good[at / 4096 * 4096..][..4096];
        if !header && (at % 97 != 0 || page.iter().all(|b| *b == 0)) {
            continue;
        }
        for bit in if at == super::STATE_BYTE { 0..8 } else { (at % 8)..(at % 8 + 1) } {
            file.write_all_at(&[byte ^ 1 << bit], at as u64).unwrap();
            let found = everything(&db);
            assert!(!silent(&found, &right), "byte {at} bit {bit}: {:?}", found.map(|all| all.len()));
            noticed += usize::from(found.is_err());
            match header {
                // A repair may have written elsewhere.
                true => std::fs::write(db.path(), &good).unwrap(),
                false => file.write_all_at(&[*byte], at as u64).unwrap(),
            }
        }
    }
    // Most of the file is free or holds what former commits needed.
    assert!(noticed > 300, "{noticed}");
}

#[test]
fn a_page_of_zeros_or_of_an_older_time_is_noticed() {
    quiet();
    let (_dir, db) = filled(40);
    let older = std::fs::read(db.path()).unwrap();
    db.write(|t| {
        let mut names = t.open_table(NAMES).unwrap();
        (1..100_u32).step_by(3).for_each(|n| drop(names.insert(n, "renamed").unwrap()));
        Ok::<_, DbError>(())
    })
    .unwrap();
    let right = everything(&db).unwrap();
    let good = std::fs::read(db.path()).unwrap();
    let mut noticed = 0;
    for (from, page) in (4096..good.len()).step_by(4096).flat_map(|page| [(None, page), (Some(&older), page)]) {
        let range = page..page + 4096;
        let mut bad = good.clone();
        match from.map(|old| old.get(range.clone())) {
            None => bad[range].fill(0),
            Some(Some(old)) => bad[range].copy_from_slice(old),
            Some(None) => continue,
        }
        std::fs::write(db.path(), &bad).unwrap();
        let found = everything(&db);
        assert!(!silent(&found, &right), "page at {page}, old: {}", from.is_some());
        noticed += usize::from(found.is_err());
    }
    assert!(noticed > 10, "{noticed}");
}

/// A pass that wrote beside a bad row would give its page a right checksum.
#[test]
fn a_page_is_not_written_over_while_something_on_it_is_wrong() {
    let (_dir, db) = filled(40);
    let good = std::fs::read(db.path()).unwrap();
    let wanted = b"name 77";
    for at in (0..good.len() - 7).filter(|at| good[*at..].starts_with(wanted)) {
        let mut bad = good.clone();
        bad[at] = b'N';
        std::fs::write(db.path(), &bad).unwrap();
        if everything(&db).is_ok() {
            continue;
        }
        for n in 0..120 {
            let _ = db.write(|t| {
                t.open_table(NAMES).map_err(|e| db.error(e))?.insert(n + 1, "new").map_err(|e| db.error(e))?;
                Ok::<_, DbError>(())
            });
        }
        assert!(everything(&db).is_err(), "byte {at}");
    }
}

/// Rows that have checksums of their own are still of use.
#[test]
fn whole_rows_beside_a_bad_one_can_be_read_by_those_who_say_so() {
    let (_dir, db) = filled(5);
    let mut bytes = std::fs::read(db.path()).unwrap();
    let value = [13_u8; 50];
    let places: Vec<usize> = (0..bytes.len() - 50).filter(|at| bytes[*at..].starts_with(&value)).collect();
    places.iter().for_each(|at| bytes[*at] = 0);
    std::fs::write(db.path(), &bytes).unwrap();
    assert!(everything(&db).is_err());
    let snapshot = db.snapshot_with_bad_pages().unwrap();
    assert_eq!(snapshot.bad_pages(), []);
    let rows = snapshot.open_table(LAYER).unwrap();
    assert_eq!(rows.iter().unwrap().count(), 15);
    let bad = snapshot.bad_pages();
    assert!(matches!(&bad[..], [bad] if bad.what == "the checksum of a page of notes does not fit"), "{bad:?}");
}
