//! Hostile bytes for what reads files; `storage/tests/fuzz_seeds.rs` replays the seeds through it.

use std::path::Path;

#[path = "mend.rs"]
pub mod mend;

use ax_storage::bucket::codec::{BUCKET_VERSION, BucketView, RowKey, decode_bucket, decode_detail, decode_dist};
use ax_storage::bucket::{Measure, Table};
use ax_storage::histogram::{Accumulator, Entries, Histogram, INDEX_END, Walker, decode};
use ax_storage::journal::{Progress, Reader};
use ax_storage::raw::{ColumnSet, Scratch, Segment};
use ax_storage::row::Batch;
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
    let _ = Histogram::whole(decode(data, |_, _| ()).unwrap_or(5), data).pour(&mut sum);
    let _ = (sum.quantile(990_000, 0, u64::MAX), sum.count_above(1000));
}

/// A journal file, as it came and with checksums that fit.
pub fn journal(data: &[u8]) {
    for data in [data, &mend::journal(data)] {
        with_file(data, |path| {
            let all = journal_from(path, 0, u64::MAX, u64::MAX);
            assert!(all.events <= data.len() as u64 / 64, "an event takes a slot at least");
            // Another reader goes on where one stopped: it has to learn the names that stand before.
            let begun = journal_from(path, 0, u64::MAX, all.events / 2);
            let rest = journal_from(path, begun.next, u64::MAX, u64::MAX);
            assert_eq!(begun.events + rest.events, all.events, "read in two parts");
            // Up to a place that need not be the end of a frame, in which others may be hidden.
            journal_from(path, 0, 4096 + data.len() as u64 / 2 % 4096, u64::MAX);
        });
    }
}

fn journal_from(path: &Path, from: u64, until: u64, max_events: u64) -> Progress {
    let read = |mut reader: Reader| {
        let mut batch = Batch::default();
        let _ = reader.drops();
        let progress = reader.read_until(from, until, max_events, &mut batch);
        assert!(progress.as_ref().map_or(true, |progress| progress.events == batch.rows.len() as u64));
        progress
    };
    Reader::open(path).and_then(read).unwrap_or_default()
}

/// Blocks that are read of a segment: each may say that all its many rows are alike, in twenty bytes.
const BLOCKS: usize = 20;

/// A segment file, of whatever store it says, with all its events; as it came and with checksums that fit.
pub fn segment(data: &[u8]) {
    for data in [data, &mend::segment(data)] {
        let store = data.get(16..32).and_then(|bytes| bytes.try_into().ok()).map_or(0, u128::from_le_bytes);
        with_file(data, |path| {
            let Ok(segment) = Segment::open(path, store) else { return };
            let mut scratch = Scratch::default();
            for (number, block) in segment.blocks().iter().enumerate().take(BLOCKS) {
                let mut batch = Batch::default();
                if segment.rows(number, &mut scratch, &mut batch).is_ok() {
                    assert_eq!(batch.rows.len(), block.rows);
                }
                columns(&segment, number, &mut scratch);
            }
        });
    }
}

/// Each column by itself, as values and as they are packed.
fn columns(segment: &Segment, block: usize, scratch: &mut Scratch) {
    for column in segment.blocks()[block].kind.columns().iter() {
        let Ok(mut reader) = segment.read(block, ColumnSet::of(&[column]), scratch) else { continue };
        for group in 0..reader.groups() {
            reader.decode(group, ColumnSet::of(&[column]));
            let value = reader.values(column)[0];
            let _ = reader.words_within(column, group, (value, value.saturating_add(1000)));
        }
    }
}

fn with_file(data: &[u8], read: impl FnOnce(&Path)) {
    // In memory where there is such a folder: a file a try.
    let Ok(dir) = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()) else { return };
    let path = dir.path().join("file");
    if std::fs::write(&path, data).is_ok() {
        read(&path);
    }
}
