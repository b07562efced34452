//! Buckets as the bytes of a table row, and back.
//!
//! ```text
//! version u8 | CRC32 u32 | bincode { length ms, ms back to the provider's previous row, cells … }
//! ```
//! The checksum covers table, provider and bucket start besides the body, so a row under a wrong key
//! is noticed; the link to the previous row shows one that vanished. The cells are byte strings of
//! their own (see the files beside this one) so that a query reads what it wants and skips the rest.
//! `FORMAT.md` describes all of it for readers in other languages.

mod cache;
mod detail;
mod dist;
mod rate;
mod request;
mod stat;
#[cfg(test)]
mod tests;

use bincode::{BorrowDecode, Encode};

pub use cache::CacheCells;
pub use detail::{DetailCells, DetailView, UserView, Users, decode_detail, encode_detail};
pub use dist::{DistCellView, DistCells, DistView, decode_dist, encode_dist};
pub use rate::RateCells;
pub use request::{ErrorKinds, RequestCells, RequestView};

use super::{Bucket, Table};
use crate::histogram::Malformed;
use crate::histogram::varint::{self, Input};
use crate::time::Timestamp;

/// Version of the bytes that [`encode_bucket`] and its sisters write.
pub const BUCKET_VERSION: u8 = 1;
/// Largest value that is written or read: many times a day's 100,000 cells by user.
pub const BUCKET_BYTES_MAX: usize = 64 << 20;

/// About what a cell of few requests takes.
const CELL_BYTES: usize = 64;

/// Where a row stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RowKey<'a> {
    /// The table.
    pub table: Table,
    /// Whose bucket; may be empty.
    pub provider: &'a str,
    /// Its start.
    pub start: Timestamp,
}

/// What a row says beside its cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RowMeta {
    /// End of the bucket: a local day has not always 24 hours.
    pub end: Timestamp,
    /// Start of the provider's row before this one in the same table.
    pub previous: Option<Timestamp>,
}

/// Bytes that are not the row they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damaged {
    /// Cut, changed, or moved under another key.
    #[error("the checksum does not fit the row")]
    Checksum,
    /// Written by a newer version of this program.
    #[error("the row has version {version}, this program knows {BUCKET_VERSION}")]
    TooNew {
        /// Its version.
        version: u8,
    },
    /// The checksum fits but the content makes no sense.
    #[error("{0}")]
    Content(#[from] Malformed),
}

/// A bucket that cannot be written: a mistake of ours, found before it reaches the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unencodable {
    /// The end is before the start or the previous row not before it.
    #[error("the times of a bucket are out of order")]
    Times,
    /// A histogram does not hold as many values as its counters say, or others.
    #[error("a histogram and its counters differ")]
    Histogram,
    /// Over [`BUCKET_BYTES_MAX`].
    #[error("a bucket is over 64 MiB")]
    TooLarge,
}

/// What bincode sees of a row: three byte strings and two numbers.
#[derive(Clone, Copy, Debug, Encode, BorrowDecode)]
struct Body<'a> {
    length_ms: u64,
    /// 0 = there is no previous row.
    back_ms: u64,
    parts: (&'a [u8], &'a [u8], &'a [u8]),
}

/// Appends the bytes of `bucket` to `out`.
///
/// # Errors
/// A bucket that contradicts itself; `out` is as before then.
pub fn encode_bucket(bucket: &Bucket, key: &RowKey<'_>, meta: RowMeta, out: &mut Vec<u8>) -> Result<(), Unencodable> {
    let (mut caches, mut rates) = (Vec::new(), Vec::new());
    let mut requests = Vec::with_capacity(CELL_BYTES * bucket.requests.len());
    request::encode(&bucket.requests, &mut requests)?;
    cache::encode(&bucket.caches, &mut caches);
    rate::encode(&bucket.rates, key.start, &mut rates);
    seal((&requests, &caches, &rates), key, meta, out)
}

/// The bucket in `bytes`.
///
/// # Errors
/// Damaged bytes.
pub fn decode_bucket(bytes: &[u8], key: &RowKey<'_>) -> Result<(Bucket, RowMeta), Damaged> {
    let view = BucketView::parse(bytes, key)?;
    let mut bucket = Bucket::default();
    let mut requests = view.requests();
    while let Some(cell) = requests.next()? {
        bucket.requests.insert(cell.key, Box::new(cell.to_cell()?));
    }
    let mut caches = view.caches();
    while let Some((model, cell)) = caches.next()? {
        bucket.caches.insert(model, cell);
    }
    let mut rates = view.rates();
    while let Some((kind, cell)) = rates.next()? {
        bucket.rates.insert(kind, cell);
    }
    Ok((bucket, view.meta))
}

/// An encoded bucket whose checksum was found right; its cells are read when asked for.
#[derive(Clone, Copy, Debug)]
pub struct BucketView<'a> {
    /// End and previous row.
    pub meta: RowMeta,
    start: Timestamp,
    requests: &'a [u8],
    caches: &'a [u8],
    rates: &'a [u8],
}

impl<'a> BucketView<'a> {
    /// Checks `bytes` and finds the cells in them.
    ///
    /// # Errors
    /// Damaged bytes, or those of another row.
    pub fn parse(bytes: &'a [u8], key: &RowKey<'_>) -> Result<Self, Damaged> {
        let (meta, (requests, caches, rates)) = unseal(bytes, key)?;
        Ok(Self { meta, start: key.start, requests, caches, rates })
    }

    /// The request cells, by model, success and service tier.
    pub fn requests(&self) -> RequestCells<'a> {
        RequestCells::new(self.requests)
    }

    /// The cache cells, by model.
    pub fn caches(&self) -> CacheCells<'a> {
        CacheCells::new(self.caches)
    }

    /// The rate cells, by kind of limit.
    pub fn rates(&self) -> RateCells<'a> {
        RateCells::new(self.rates, self.start)
    }
}

/// A row's byte strings; which cells they hold depends on the table.
type Parts<'a> = (&'a [u8], &'a [u8], &'a [u8]);

/// Appends the row around `parts`.
fn seal(parts: Parts<'_>, key: &RowKey<'_>, meta: RowMeta, out: &mut Vec<u8>) -> Result<(), Unencodable> {
    let start = key.start.millis();
    let length_ms = meta.end.millis().checked_sub(start).ok_or(Unencodable::Times)?;
    let back_ms = match meta.previous {
        None => 0,
        Some(previous) => start.checked_sub(previous.millis()).filter(|&ms| ms > 0).ok_or(Unencodable::Times)?,
    };
    let before = out.len();
    // Two numbers and three lengths come with the parts.
    out.reserve(parts.0.len() + parts.1.len() + parts.2.len() + 5 + 5 * 9);
    out.push(BUCKET_VERSION);
    out.extend([0; 4]);
    let body = Body { length_ms, back_ms, parts };
    let written = bincode::encode_into_std_write(body, out, bincode::config::standard());
    if written.is_err() || out.len() - before - 5 > BUCKET_BYTES_MAX {
        out.truncate(before);
        return Err(Unencodable::TooLarge);
    }
    let crc = checksum(key, &out[before + 5..]);
    out[before + 1..before + 5].copy_from_slice(&crc.to_le_bytes());
    Ok(())
}

/// The second part of a row that is folded from events: how many of them could not be read any more.
/// Empty = none.
fn put_missing(missing: u64) -> Vec<u8> {
    let mut part = Vec::new();
    if missing > 0 {
        varint::put(&mut part, missing);
    }
    part
}

fn missing(part: &[u8]) -> Result<u64, Malformed> {
    if part.is_empty() {
        return Ok(0);
    }
    let mut input = Input::new(part);
    match input.number()? {
        0 => Err(Malformed("a count of missing events is 0")),
        missing if input.is_empty() => Ok(missing),
        _ => Err(Malformed("the row has bytes left over")),
    }
}

/// Whether `bytes` are those of the row at `key`, of any table.
///
/// # Errors
/// Damaged bytes, or those of another row.
pub fn check_row(bytes: &[u8], key: &RowKey<'_>) -> Result<(), Damaged> {
    unseal(bytes, key).map(drop)
}

/// Start of the provider's row before the one in `bytes`, which begins at `start`. Looks at nothing
/// else: that the row is whole has been checked.
pub fn previous_row(bytes: &[u8], start: Timestamp) -> Option<Timestamp> {
    let config = bincode::config::standard();
    let ((_length_ms, back_ms), _) = bincode::decode_from_slice::<(u64, u64), _>(bytes.get(5..)?, config).ok()?;
    start.millis().checked_sub(back_ms).filter(|_| back_ms > 0).map(Timestamp::from_millis)
}

/// Checks a row and takes it apart.
fn unseal<'a>(bytes: &'a [u8], key: &RowKey<'_>) -> Result<(RowMeta, Parts<'a>), Damaged> {
    let (&version, rest) = bytes.split_first().ok_or(Damaged::Checksum)?;
    if version > BUCKET_VERSION {
        return Err(Damaged::TooNew { version });
    }
    let (crc, body) = rest.split_first_chunk::<4>().ok_or(Damaged::Checksum)?;
    if version != BUCKET_VERSION || u32::from_le_bytes(*crc) != checksum(key, body) {
        return Err(Damaged::Checksum);
    }
    let config = bincode::config::standard().with_limit::<BUCKET_BYTES_MAX>();
    let body = match bincode::borrow_decode_from_slice::<Body<'a>, _>(body, config) {
        Ok((parsed, used)) if used == body.len() => parsed,
        Ok(_) => return Err(Malformed("the row has bytes left over").into()),
        Err(_) => return Err(Malformed("the row is cut short").into()),
    };
    let start = key.start.millis();
    let end = start.checked_add(body.length_ms).filter(|&end| end <= Timestamp::MAX.millis());
    let previous = start.checked_sub(body.back_ms);
    let (Some(end), Some(previous)) = (end, previous) else {
        return Err(Malformed("the times of the row are out of range").into());
    };
    let meta = RowMeta {
        end: Timestamp::from_millis(end),
        previous: (body.back_ms > 0).then_some(Timestamp::from_millis(previous)),
    };
    Ok((meta, body.parts))
}

fn checksum(key: &RowKey<'_>, body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    // A zero byte ends each name, so that no two keys give the same bytes.
    hasher.update(key.table.name().as_bytes());
    hasher.update(&[0]);
    hasher.update(key.provider.as_bytes());
    hasher.update(&[0]);
    hasher.update(&key.start.millis().to_le_bytes());
    hasher.update(body);
    hasher.finalize()
}
