//! The tables of `monitor.redb` and their values.
//!
//! Keys are plain redb types; values are bytes: buckets through [`crate::bucket::codec`], everything
//! else here through [`encode`] and [`decode`] (version byte, CRC32, bincode).

use bincode::{Decode, Encode};
use redb::TableDefinition;

use crate::bucket::Table;
use crate::time::TimeRange;

/// Key of a bucket: provider and start of the bucket in ms since 1970.
pub type BucketKey = (&'static str, u64);
/// A table of buckets.
pub type BucketTable = TableDefinition<'static, BucketKey, &'static [u8]>;

/// The redb table of `table`.
pub const fn bucket_table(table: Table) -> BucketTable {
    TableDefinition::new(table.name())
}

/// Names that bucket cells refer to, by id. Id 0 is `""` and not stored.
pub const NAMES: TableDefinition<'_, u32, &str> = TableDefinition::new("names");
/// The way back.
pub const NAME_IDS: TableDefinition<'_, &str, u32> = TableDefinition::new("name_ids");
/// Providers that ever had a bucket; value: first and last event time in ms.
pub const PROVIDERS: TableDefinition<'_, &str, (u64, u64)> = TableDefinition::new("providers");
/// What of each journal (recorder, sequence) is rolled up: a [`Checkpoint`].
pub const CHECKPOINTS: TableDefinition<'_, (u128, u32), &[u8]> = TableDefinition::new("checkpoints");
/// Sealed segments by UTC day (ms) and uuid: a [`SegmentEntry`].
pub const SEGMENTS: TableDefinition<'_, (u64, u128), &[u8]> = TableDefinition::new("segments");
/// Fingerprints of imported event ids, with the UTC day number of the event.
pub const SEEN_IDS: TableDefinition<'_, u128, u32> = TableDefinition::new("seen_ids");
/// An event id counts as seen for so many days of event time.
pub const SEEN_DAYS: u32 = 365;
/// What imports consumed of inputs: fingerprint of the head and hash of what was consumed, to its
/// length. Inputs that begin alike and are equally long stay apart.
pub const CONSUMED: TableDefinition<'_, (u128, u128), u64> = TableDefinition::new("consumed");
/// Events a recorder could not write, by its number and the reason's: what the headers of its
/// journals said before they were sealed and removed.
pub const DROPS: TableDefinition<'_, (u128, u8), u64> = TableDefinition::new("drops");
/// Single numbers, see the constants beginning with `META_`.
pub const META: TableDefinition<'_, &str, u128> = TableDefinition::new("meta");

/// [`META`]: the store's uuid, as in `store.id`.
pub const META_UUID: &str = "uuid";
/// [`META`]: format version of the tables.
pub const META_VERSION: &str = "version";

/// [`META`] key: buckets of `table` that start before this are closed.
pub fn closed_to_key(table: Table) -> String {
    format!("closed_to.{}", table.name())
}

/// [`META`] key: buckets of `table` that start before this are gone. Absent: none was ever removed.
pub fn complete_from_key(table: Table) -> String {
    format!("complete_from.{}", table.name())
}

/// [`META`]: single events before this are gone, and no segment is made of them any more.
pub const RAW_FROM: &str = "complete_from.raw";

/// How far a journal is rolled up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Checkpoint {
    /// Offset in the file up to which all is in the tiers.
    pub offset: u64,
    /// Events up to there.
    pub events: u64,
    /// Earliest event time among them, ms.
    pub min_ts: u64,
    /// Latest event time among them, ms.
    pub max_ts: u64,
    /// Its events are in sealed segments: a tombstone until the file is gone for good.
    pub retired: bool,
}

impl Checkpoint {
    /// Whether events of `range` may be among those that are rolled up.
    pub fn meets(&self, range: TimeRange) -> bool {
        self.events > 0 && !self.retired && self.min_ts < range.end.millis() && self.max_ts >= range.start.millis()
    }
}

/// A sealed segment in the manifest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct SegmentEntry {
    /// Events.
    pub rows: u64,
    /// File size.
    pub bytes: u64,
    /// Earliest event time, ms.
    pub min_ts: u64,
    /// Latest event time, ms.
    pub max_ts: u64,
}

const VALUE_VERSION: u8 = 1;
/// No value of these tables is near this size; a damaged length must not allocate more.
const VALUE_BYTES_MAX: usize = 1 << 20;

/// Bytes of a table value: version, CRC32 of table name, key bytes and body, body.
pub fn encode<V: Encode>(table: &str, key: &[u8], value: &V) -> Vec<u8> {
    let body = bincode::encode_to_vec(value, bincode::config::standard()).expect("plain data encodes");
    let mut bytes = vec![VALUE_VERSION];
    bytes.extend(checksum(table, key, &body).to_le_bytes());
    bytes.extend(body);
    bytes
}

/// The value in `bytes`; the text says what is wrong with them.
///
/// # Errors
/// A newer version, a wrong checksum or a wrong length.
pub fn decode<V: Decode<()>>(table: &str, key: &[u8], bytes: &[u8]) -> Result<V, String> {
    let body = checked(table, key, bytes)?;
    let config = bincode::config::standard().with_limit::<VALUE_BYTES_MAX>();
    match bincode::decode_from_slice(body, config) {
        Ok((value, used)) if used == body.len() => Ok(value),
        Ok(_) => Err("the value has bytes left over".into()),
        Err(e) => Err(e.to_string()),
    }
}

/// The body of a value whose checksum is right, whatever it means.
///
/// # Errors
/// A newer version or a wrong checksum, in words.
pub fn checked<'b>(table: &str, key: &[u8], bytes: &'b [u8]) -> Result<&'b [u8], String> {
    let Some((&version, rest)) = bytes.split_first() else { return Err("the value is empty".into()) };
    if version != VALUE_VERSION {
        return Err(format!("the value has version {version}, expected {VALUE_VERSION}"));
    }
    let Some((crc, body)) = rest.split_first_chunk::<4>() else { return Err("the value is cut short".into()) };
    if u32::from_le_bytes(*crc) != checksum(table, key, body) {
        return Err("the checksum does not fit the value".into());
    }
    Ok(body)
}

fn checksum(table: &str, key: &[u8], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(table.as_bytes());
    hasher.update(key);
    hasher.update(body);
    hasher.finalize()
}
