//! Hostile bytes for what reads files; `storage/tests/fuzz_seeds.rs` replays the seeds through it.

use std::path::Path;

use ax_storage::bucket::codec::{BUCKET_VERSION, BucketView, RowKey, decode_bucket, decode_detail, decode_dist};
use ax_storage::bucket::{Measure, Table};
use ax_storage::histogram::{Accumulator, Entries, INDEX_END, Walker, decode};
use ax_storage::time::{Tier, Timestamp};

/// First byte: table; the rest: the body of a row, which gets a checksum that fits.
pub fn bucket(data: &[u8]) {
    let Some((&which, body)) = data.split_first() else { return };
    let table = [Table::Tier(Tier::Minute), Table::DistHour, Table::DetailDay][which as usize % 3];
    let key = RowKey { table, provider: "p", start: Timestamp::from_millis(1_700_000_040_000) };
    let bytes = row(&key, body);
    match table {
        Table::DistHour => drop(decode_dist(&bytes, &key)),
        Table::DetailDay => drop(decode_detail(&bytes, &key)),
        _ => tier(&bytes, &key),
    }
    // As it came it is damaged, or as good as the other.
    drop(decode_bucket(body, &key));
}

fn tier(bytes: &[u8], key: &RowKey<'_>) {
    drop(decode_bucket(bytes, key));
    let Ok(view) = BucketView::parse(bytes, key) else { return };
    let (mut cells, mut sum) = (view.requests(), Accumulator::default());
    let (mut walker, mut out) = (Walker::default(), Vec::new());
    while let Ok(Some(cell)) = cells.next() {
        let _ = Measure::ALL.map(|measure| cell.stat(measure));
        if let Ok(histogram) = cell.latency() {
            let _ = histogram.pour(&mut sum);
            let _ = walker.quantiles(&[histogram, histogram], &[500_000, 990_000], 0, u64::MAX, &mut out);
            let _ = (sum.quantile(990_000, 0, u64::MAX), sum.count_above(1000));
            sum.clear();
        }
    }
}

/// The bytes of a row with this body.
pub fn row(key: &RowKey<'_>, body: &[u8]) -> Vec<u8> {
    let mut crc = crc32fast::Hasher::new();
    for part in
        [key.table.name().as_bytes(), &[0], key.provider.as_bytes(), &[0], &key.start.millis().to_le_bytes(), body]
    {
        crc.update(part);
    }
    let mut bytes = vec![BUCKET_VERSION];
    bytes.extend(crc.finalize().to_le_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// Sparse counts: both readers agree, and what they read is in order.
pub fn histogram(data: &[u8]) {
    let mut list = Vec::new();
    let result = decode(data, |index, count| {
        assert!(index < INDEX_END && count > 0);
        assert!(list.last().is_none_or(|&(last, _)| last < index));
        list.push((index, count));
    });
    if result.is_ok() {
        let mut entries = Entries::new(data);
        for entry in list {
            assert_eq!(entries.next(), Ok(Some(entry)));
        }
        assert_eq!(entries.next(), Ok(None));
    }
    let mut sum = Accumulator::default();
    let _ = sum.add_encoded(data);
    let _ = (sum.quantile(990_000, 0, u64::MAX), sum.count_above(1000));
}

/// A journal file.
pub fn journal(data: &[u8]) {
    with_file(data, |path| {
        let Ok(mut reader) = ax_storage::journal::Reader::open(path) else { return };
        let mut batch = ax_storage::row::Batch::default();
        let _ = reader.drops();
        let _ = reader.read(0, 100_000, &mut batch);
        assert!(batch.rows.len() <= data.len() / 64, "an event takes a slot at least");
    });
}

/// A segment file, of whatever store it says, with all its events.
pub fn segment(data: &[u8]) {
    let store = data.get(16..32).and_then(|bytes| bytes.try_into().ok()).map_or(0, u128::from_le_bytes);
    with_file(data, |path| {
        let Ok(segment) = ax_storage::raw::Segment::open(path, store) else { return };
        let (mut scratch, mut batch) = (ax_storage::raw::Scratch::default(), ax_storage::row::Batch::default());
        for block in 0..segment.blocks().len() {
            drop(segment.rows(block, &mut scratch, &mut batch));
        }
        assert!(batch.rows.len() as u64 <= segment.meta().rows, "no more events than its footer says");
    });
}

fn with_file(data: &[u8], read: impl FnOnce(&Path)) {
    let Ok(dir) = tempfile::tempdir() else { return };
    let path = dir.path().join("file");
    if std::fs::write(&path, data).is_ok() {
        read(&path);
    }
}
