//! What batches become together.

use super::*;
use crate::bucket::codec::{RowKey, decode_detail};
use crate::bucket::{DETAIL_CELLS_MAX, Detail, Table};
use crate::event::{CostSource, Event, Request};
use crate::tier::schema::bucket_table;
use crate::time::Zone;

const DAY: Timestamp = Timestamp::from_millis(1_762_128_000_000);

/// One request by each of so many users.
fn users(range: std::ops::Range<usize>) -> Batch {
    let mut batch = Batch::default();
    for n in range {
        let user = format!("user {n}");
        let request = Request { provider: "p", model: "m", user: &user, ..Request::default() };
        batch.push(&Event::Request(request), DAY, CostSource::Unpriced, "");
    }
    batch
}

fn detail(store: &Store) -> Detail {
    let db = store.db();
    let read = db.read(|transaction| {
        let table = transaction.open_table(bucket_table(Table::DetailDay)).map_err(|e| db.error(e))?;
        let row = table.get(("p", DAY.millis())).map_err(|e| db.error(e))?.unwrap();
        let key = RowKey { table: Table::DetailDay, provider: "p", start: DAY };
        Ok::<_, DbError>(decode_detail(row.value(), &key).unwrap().0)
    });
    read.unwrap()
}

#[test]
fn users_of_a_day_are_bounded_over_several_batches() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_or_create(dir.path(), &Zone::utc(), DAY.plus_ms(30 * DAY_MS)).unwrap();
    let mut import = store.import();
    let half = DETAIL_CELLS_MAX / 2 + 10;
    for range in [0..half, half..2 * half] {
        import.add(&mut users(range), 1, None).unwrap();
    }
    let detail = detail(&store);
    assert!(detail.cells.len() <= DETAIL_CELLS_MAX, "{}", detail.cells.len());
    assert_eq!(detail.cells.values().map(|cell| cell.count).sum::<u64>(), 2 * half as u64);
}
