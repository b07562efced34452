//! The bytes of a journal file: its header, and how frames lie in slots.
//!
//! ```text
//! 0        header, 4096 bytes
//! 4096     slot 0 | slot 1 | slot 2 …              64 bytes each, at most up to 16 MiB
//!          frame = 1..=32 slots: len u32 | crc u32 | payload (len bytes) | zeros up to the slot's end
//! ```
//! All numbers are little endian. `len` is stored last: 0 means "reserved, not published", or
//! "nothing yet". The CRC-32C of a frame covers recorder, sequence, 4 zero bytes, the frame's
//! offset in the file (u32), `len` and the payload, so bytes that were left over from another
//! file or another place cannot pass for a frame.

use crate::journal::crc::Crc;
use crate::journal::{DropReason, JournalId};
use crate::time::Timestamp;

/// The newest format version that this program reads, and the one that it writes.
pub const VERSION: u32 = 1;
/// First bytes of every journal. The line ends and the control byte notice a text-mode transfer.
pub const MAGIC: [u8; 8] = *b"AXJ\r\n\x1a\n\0";
/// Where the first slot begins; a page, so that slots never share one with the header.
pub const HEADER_BYTES: u32 = 4096;
/// Size of a slot: a cache line, and a divisor of every sector.
pub const SLOT_BYTES: u32 = 64;
/// Length and checksum before a payload.
pub const FRAME_HEAD_BYTES: usize = 8;
/// Most slots a frame may have.
pub const FRAME_SLOTS_MAX: u32 = 32;
/// Longest payload: five names of 256 bytes and all numbers fit.
pub const PAYLOAD_BYTES_MAX: usize = FRAME_SLOTS_MAX as usize * SLOT_BYTES as usize - FRAME_HEAD_BYTES;
/// Where a file ends at the latest, the header included; u32 holds any offset.
pub const FILE_BYTES_MAX: u32 = 16 << 20;
/// Slots of a file of the largest size.
pub const FILE_SLOTS_MAX: u32 = (FILE_BYTES_MAX - HEADER_BYTES) / SLOT_BYTES;

/// Bytes of the header that the header's CRC32 covers; it follows them.
const FIXED_BYTES: usize = 72;
/// `end` and its complement: where the last frame ends, or `u64::MAX` while frames may follow.
pub(crate) const END_AT: usize = 128;
/// Offset of the newest name frame, 0 = none: a hint, from which the names are walked backwards.
pub(crate) const LAST_NAME_AT: usize = 144;
/// Drop counters, each followed by its complement. Room for 64 reasons.
pub(crate) const DROPS_AT: usize = 256;
/// Bytes of the header that mean something; the rest is zero.
pub(crate) const HEADER_USED_BYTES: usize = DROPS_AT + 64 * 16;

/// The part of a header that never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Whose file it is.
    pub id: JournalId,
    /// The store it belongs to.
    pub store_uuid: u128,
    /// When it was created.
    pub created: Timestamp,
}

/// Why a header cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadHeader {
    /// The first eight bytes are others, or there are fewer.
    Magic,
    /// The version is newer than [`VERSION`], or 0.
    Version(u32),
    /// Sizes of header and slot are not those of version 1.
    Sizes,
    /// The checksum stored and the one computed.
    Crc(u32, u32),
}

impl Header {
    /// The whole header of a new file: no end, no names, `drops` as counted so far.
    pub fn encode(&self, drops: &[u64; DropReason::COUNT]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES as usize);
        bytes.extend(MAGIC);
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend(HEADER_BYTES.to_le_bytes());
        bytes.extend(self.id.recorder.to_le_bytes());
        bytes.extend(self.id.sequence.to_le_bytes());
        bytes.extend(SLOT_BYTES.to_le_bytes());
        bytes.extend(self.store_uuid.to_le_bytes());
        bytes.extend(self.created.millis().to_le_bytes());
        bytes.extend([0; 8]);
        debug_assert_eq!(bytes.len(), FIXED_BYTES);
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        bytes.resize(HEADER_BYTES as usize, 0);
        bytes[END_AT..END_AT + 16].copy_from_slice(&pair(u64::MAX));
        for (i, &count) in drops.iter().enumerate() {
            let at = DROPS_AT + 16 * i;
            bytes[at..at + 16].copy_from_slice(&pair(count));
        }
        bytes
    }

    /// Reads the beginning of a file.
    ///
    /// # Errors
    /// What is wrong first.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadHeader> {
        let fixed = bytes.get(..FIXED_BYTES + 4).filter(|b| b[..8] == MAGIC).ok_or(BadHeader::Magic)?;
        // A newer version may have another header behind these two fields.
        let version = u32_at(fixed, 8);
        if version == 0 || version > VERSION {
            return Err(BadHeader::Version(version));
        }
        let (stored, computed) = (u32_at(fixed, FIXED_BYTES), crc32fast::hash(&fixed[..FIXED_BYTES]));
        if stored != computed {
            return Err(BadHeader::Crc(stored, computed));
        }
        if u32_at(fixed, 12) != HEADER_BYTES || u32_at(fixed, 36) != SLOT_BYTES {
            return Err(BadHeader::Sizes);
        }
        let id = JournalId { recorder: u128_at(fixed, 16), sequence: u32_at(fixed, 32) };
        let created = Timestamp::from_millis(u64_at(fixed, 56));
        Ok(Self { id, store_uuid: u128_at(fixed, 40), created })
    }
}

/// A number and its complement, so that a half-written one is noticed.
pub(crate) fn pair(value: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&value.to_le_bytes());
    bytes[8..].copy_from_slice(&(!value).to_le_bytes());
    bytes
}

/// The number of a pair at `at`, if its complement agrees.
pub(crate) fn unpair(bytes: &[u8], at: usize) -> Option<u64> {
    let (value, complement) = (u64_at(bytes, at), u64_at(bytes, at + 8));
    (value == !complement).then_some(value)
}

/// The CRC register after what all frames of one file have in common.
pub(crate) fn frame_seed(id: JournalId) -> Crc {
    Crc::START.bytes(&id.recorder.to_le_bytes()).word(u64::from(id.sequence))
}

/// What a frame's CRC covers between the seed and the payload.
#[inline(always)]
pub(crate) fn frame_place(offset: u32, len: u32) -> u64 {
    u64::from(offset) | (u64::from(len) << 32)
}

/// Slots of a frame whose payload has `len` bytes.
#[inline(always)]
pub(crate) const fn slots_of(len: u32) -> u32 {
    (len + FRAME_HEAD_BYTES as u32).div_ceil(SLOT_BYTES)
}

/// Offset of a slot in the file.
#[inline(always)]
pub(crate) const fn offset_of(slot: u32) -> u32 {
    HEADER_BYTES + slot * SLOT_BYTES
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array_at(bytes, at))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, at))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, at))
}

fn u128_at(bytes: &[u8], at: usize) -> u128 {
    u128::from_le_bytes(array_at(bytes, at))
}

/// The `N` bytes at `at`; callers have checked that they are there.
#[inline(always)]
fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        let id = JournalId { recorder: 0x0123_4567_89ab_cdef_0011_2233_4455_6677, sequence: 7 };
        Header { id, store_uuid: 42, created: Timestamp::from_millis(1_700_000_000_123) }
    }

    #[test]
    fn a_header_comes_back() {
        let drops = std::array::from_fn(|i| i as u64 * 1000);
        let bytes = header().encode(&drops);
        assert_eq!(bytes.len(), HEADER_BYTES as usize);
        assert_eq!(Header::decode(&bytes), Ok(header()));
        assert_eq!(unpair(&bytes, END_AT), Some(u64::MAX));
        assert_eq!(unpair(&bytes, DROPS_AT + 16 * 3), Some(3000));
    }

    #[test]
    fn a_flipped_bit_in_the_fixed_part_is_noticed() {
        let good = header().encode(&[0; DropReason::COUNT]);
        for bit in 0..(FIXED_BYTES + 4) * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::decode(&bytes).is_err(), "bit {bit}");
        }
        for length in 0..FIXED_BYTES + 4 {
            assert_eq!(Header::decode(&good[..length]), Err(BadHeader::Magic));
        }
    }

    #[test]
    fn a_newer_version_is_named_whatever_follows_it() {
        let mut bytes = header().encode(&[0; DropReason::COUNT]);
        bytes[8] = 9;
        assert_eq!(Header::decode(&bytes), Err(BadHeader::Version(9)));
    }

    #[test]
    fn a_torn_pair_is_no_number() {
        let mut bytes = pair(77).to_vec();
        assert_eq!(unpair(&bytes, 0), Some(77));
        bytes[0] = 78;
        assert_eq!(unpair(&bytes, 0), None);
        assert_eq!(unpair(&[0; 16], 0), None, "never written");
    }

    #[test]
    fn slots_hold_their_frames() {
        assert_eq!((slots_of(1), slots_of(56), slots_of(57)), (1, 1, 2));
        assert_eq!(slots_of(PAYLOAD_BYTES_MAX as u32), FRAME_SLOTS_MAX);
        assert_eq!(offset_of(FILE_SLOTS_MAX), FILE_BYTES_MAX);
    }
}
