//! An open segment: header and footer checked, blocks read on demand.
//!
//! The file: header (64 bytes) | chunks of all blocks | footer | trailer (32 bytes). The trailer
//! says where the footer is; each of the four parts has its own CRC32. `storage/FORMAT.md` has
//! the bytes.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::fs;
use crate::raw::footer::{self, BlockInfo, Footer, SegmentMeta};
use crate::raw::wire::Cursor;
use crate::row::NameId;
use crate::time::{DAY_MS, Timestamp};

pub(super) const MAGIC: &[u8; 8] = b"AXSEGMT\n";
pub(super) const VERSION: u32 = 1;
pub(super) const HEADER_BYTES: usize = 64;
pub(super) const TRAILER_BYTES: usize = 32;
/// Longer footers are refused: a day with ten million distinct names stays below.
const FOOTER_BYTES_MAX: u64 = 1 << 30;

/// Why a segment cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SegmentError {
    /// The system refused.
    #[error("cannot read {file}: {cause}")]
    Io {
        /// The segment's path.
        file: String,
        /// What the system said.
        cause: io::Error,
    },
    /// Bytes are wrong.
    #[error("{file} is damaged at {offset}: {what}")]
    Damaged {
        /// The segment's path.
        file: String,
        /// Byte offset in the file.
        offset: u64,
        /// What was expected and found.
        what: String,
    },
    /// It belongs to another store.
    #[error("{file} belongs to the store {found:032x}")]
    OtherStore {
        /// The segment's path.
        file: String,
        /// The store it names.
        found: u128,
    },
    /// A later version wrote it.
    #[error("{file} has format {version}, this program reads up to {VERSION}")]
    TooNew {
        /// The segment's path.
        file: String,
        /// Its version.
        version: u32,
    },
}

/// The names a segment's columns refer to by id. Ids mean nothing outside their segment.
#[derive(Debug)]
pub struct Dictionary {
    text: Box<str>,
    /// Name `i` is `text[ends[i]..ends[i + 1]]`.
    ends: Vec<u32>,
    series: Vec<(NameId, NameId)>,
}

impl Dictionary {
    pub(super) fn new(text: Box<str>, ends: Vec<u32>, series: Vec<(NameId, NameId)>) -> Self {
        Self { text, ends, series }
    }

    /// The name of `id`; `""` for 0 and for ids that do not exist.
    pub fn name(&self, id: NameId) -> &str {
        let i = id as usize;
        match (self.ends.get(i), self.ends.get(i + 1)) {
            (Some(&start), Some(&end)) => &self.text[start as usize..end as usize],
            _ => "",
        }
    }

    /// How many names there are, the empty one included: all ids are below.
    pub fn names_len(&self) -> usize {
        self.ends.len() - 1
    }

    /// All names in the order of their ids.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.ends.windows(2).map(|w| &self.text[w[0] as usize..w[1] as usize])
    }

    /// Ids of provider and model by series number.
    pub fn series(&self) -> &[(NameId, NameId)] {
        &self.series
    }
}

/// An open segment.
#[derive(Debug)]
pub struct Segment {
    file: File,
    path: PathBuf,
    meta: SegmentMeta,
    dictionary: Dictionary,
    blocks: Vec<BlockInfo>,
}

impl Segment {
    /// Opens the segment at `path` of the store `store_uuid`: three reads; blocks stay untouched.
    ///
    /// # Errors
    /// See [`SegmentError`].
    pub fn open(path: &Path, store_uuid: u128) -> Result<Self, SegmentError> {
        let named = || path.display().to_string();
        let io = |cause| SegmentError::Io { file: named(), cause };
        let file = fs::open_read(path).map_err(io)?;
        let size = file.metadata().map_err(io)?.len();
        let damaged = |offset: u64, what: &str| SegmentError::Damaged { file: named(), offset, what: what.to_owned() };
        if size < (HEADER_BYTES + TRAILER_BYTES) as u64 {
            return Err(damaged(size, "it is too short for a segment"));
        }
        let mut head = [0; HEADER_BYTES];
        fs::read_exact_at(&file, &mut head, 0).map_err(io)?;
        let header = Header::decode(&head).map_err(|wrong| match wrong {
            Wrong::Version(version) => SegmentError::TooNew { file: named(), version },
            Wrong::Bytes(what) => damaged(0, what),
        })?;
        if header.store != store_uuid {
            return Err(SegmentError::OtherStore { file: named(), found: header.store });
        }
        let trailer_at = size - TRAILER_BYTES as u64;
        let mut tail = [0; TRAILER_BYTES];
        fs::read_exact_at(&file, &mut tail, trailer_at).map_err(io)?;
        let trailer = Trailer::decode(&tail).ok_or_else(|| damaged(trailer_at, "the trailer's checksum is wrong"))?;
        let length = trailer_at.checked_sub(trailer.footer_at).filter(|l| *l <= FOOTER_BYTES_MAX);
        let (Some(length), true) = (length, trailer.footer_at >= HEADER_BYTES as u64 && trailer.size == size) else {
            return Err(damaged(trailer_at, &format!("the file has {size} bytes, its trailer says {}", trailer.size)));
        };
        let mut bytes = vec![0; length as usize];
        fs::read_exact_at(&file, &mut bytes, trailer.footer_at).map_err(io)?;
        if crc32fast::hash(&bytes) != trailer.footer_crc {
            return Err(damaged(trailer.footer_at, "the footer's checksum is wrong"));
        }
        let Footer { sources, dictionary, blocks } =
            footer::decode(&bytes, HEADER_BYTES as u64, trailer.footer_at, header.day)
                .map_err(|(at, what)| damaged(trailer.footer_at + at as u64, what))?;
        let meta = SegmentMeta {
            uuid: header.uuid,
            day: header.day,
            rows: blocks.iter().map(|b| b.rows as u64).sum(),
            bytes: size,
            min_ts: blocks.iter().map(|b| b.min_ts).min().unwrap_or(header.day),
            max_ts: blocks.iter().map(|b| b.max_ts).max().unwrap_or(header.day),
            sources,
        };
        Ok(Self { file, path: path.to_owned(), meta, dictionary, blocks })
    }

    /// What the manifest says about it, from the file itself.
    pub fn meta(&self) -> &SegmentMeta {
        &self.meta
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The names its columns refer to.
    pub fn names(&self) -> &Dictionary {
        &self.dictionary
    }

    /// Its blocks. Those of one kind follow each other in the order of time.
    pub fn blocks(&self) -> &[BlockInfo] {
        &self.blocks
    }

    /// Reads bytes of the file; `buffer` is set to the length.
    pub(super) fn fetch(&self, from: u64, to: u64, buffer: &mut Vec<u8>) -> Result<(), SegmentError> {
        // Both ends lie in the file as it was when opened: `footer::decode` saw to that.
        let start = buffer.len();
        buffer.resize(start + (to - from) as usize, 0);
        fs::read_exact_at(&self.file, &mut buffer[start..], from)
            .map_err(|cause| SegmentError::Io { file: self.path.display().to_string(), cause })
    }

    pub(super) fn damaged(&self, offset: u64, what: String) -> SegmentError {
        SegmentError::Damaged { file: self.path.display().to_string(), offset, what }
    }
}

/// The first bytes of a segment.
pub(super) struct Header {
    pub(super) day: Timestamp,
    pub(super) store: u128,
    pub(super) uuid: u128,
}

enum Wrong {
    Version(u32),
    Bytes(&'static str),
}

impl Header {
    pub(super) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&((self.day.millis() / DAY_MS) as u32).to_le_bytes());
        bytes[16..32].copy_from_slice(&self.store.to_le_bytes());
        bytes[32..48].copy_from_slice(&self.uuid.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..60]);
        bytes[60..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<Self, Wrong> {
        let mut c = Cursor::new(bytes);
        let cut = Wrong::Bytes("the header is cut short");
        if c.take(8) != Some(MAGIC) {
            return Err(Wrong::Bytes("it does not begin with AXSEGMT"));
        }
        let (Some(version), Some(day), Some(store), Some(uuid)) = (c.u32(), c.u32(), c.u128(), c.u128()) else {
            return Err(cut);
        };
        // The magic, the version and the last CRC stay where they are in every later version.
        if bytes[60..] != crc32fast::hash(&bytes[..60]).to_le_bytes() {
            return Err(Wrong::Bytes("the header's checksum is wrong"));
        }
        if version != VERSION {
            return Err(if version > VERSION { Wrong::Version(version) } else { Wrong::Bytes("it has version 0") });
        }
        Ok(Self { day: Timestamp::from_millis(u64::from(day) * DAY_MS), store, uuid })
    }
}

/// The last bytes of a segment.
pub(super) struct Trailer {
    pub(super) footer_at: u64,
    pub(super) footer_crc: u32,
    /// Of the whole file.
    pub(super) size: u64,
}

impl Trailer {
    pub(super) fn encode(&self) -> [u8; TRAILER_BYTES] {
        let mut bytes = [0; TRAILER_BYTES];
        bytes[..8].copy_from_slice(&self.footer_at.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.size.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.footer_crc.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..20]);
        bytes[20..24].copy_from_slice(&crc.to_le_bytes());
        bytes[24..].copy_from_slice(MAGIC);
        bytes
    }

    fn decode(bytes: &[u8; TRAILER_BYTES]) -> Option<Self> {
        let mut c = Cursor::new(bytes);
        let trailer = Self { footer_at: c.u64()?, size: c.u64()?, footer_crc: c.u32()? };
        (c.u32()? == crc32fast::hash(&bytes[..20]) && c.take(8)? == MAGIC).then_some(trailer)
    }
}
