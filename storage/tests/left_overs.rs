//! What killed processes left in a store goes with the next upkeep, and what somebody still makes stays.

use std::fs::{self, File};
use std::path::Path;

use ax_storage::Store;
use ax_storage::event::{CostSource, Event, Request};
use ax_storage::row::Batch;
use ax_storage::time::{Timestamp, Zone};

const START: Timestamp = Timestamp::from_millis(1_762_732_800_000);

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn unfinished_files_that_nobody_owns_are_removed() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_or_create(dir.path(), &Zone::utc(), START).unwrap();
    let mut batch = Batch::default();
    let event = Event::Request(Request { provider: "claude", ..Request::default() });
    batch.push(&event, START, CostSource::Recorded, "");
    store.import().add(&mut batch, 1, None).unwrap();
    let (root, journal) = (dir.path(), store.paths().journal_dir());
    let before = names(root);
    for name in [".store.id.00ab", ".monitor.redb.00ab", ".compact.redb.00ab", ".rebuild.redb.00ab"] {
        fs::write(root.join(name), "half").unwrap();
    }
    let (dead, alive) = (".2025-11-10-0a-000001.axj.new", ".2025-11-10-0b-000001.axj.new");
    fs::write(journal.join(dead), "half").unwrap();
    let owned = File::create_new(journal.join(alive)).unwrap();
    owned.lock().unwrap();
    fs::write(root.join(".somebody-elses"), "").unwrap();

    store.tick(START).unwrap();
    assert_eq!(names(&journal), [alive]);
    let left: Vec<String> = names(root).into_iter().filter(|name| !before.contains(name)).collect();
    assert_eq!(left, [".somebody-elses"]);
}
