//! Checksums that fit hostile bytes, so that what lies behind a checksum is tried too. After `storage/FORMAT.md`,
//! not by the engine's code: bytes that are no journal or segment come back as they are, as far as they are not.

use std::ops::Range;

const JOURNAL_MAGIC: &[u8] = b"AXJ\r\n\x1a\n\0";
const JOURNAL_HEADER_BYTES: usize = 4096;
const SLOT_BYTES: usize = 64;
const PAYLOAD_BYTES_MAX: usize = 2040;

/// A journal with right checksums, and an end whose complement agrees. Bytes that do not begin as one are frames behind a good header: length u16
/// and payload each, a length of 0 a slot that was never published.
pub fn journal(data: &[u8]) -> Vec<u8> {
    let mut bytes = if data.starts_with(JOURNAL_MAGIC) { data.to_vec() } else { framed(data) };
    if bytes.len() < JOURNAL_HEADER_BYTES {
        return bytes;
    }
    put_crc(&mut bytes, 0..72, 72);
    for at in 128..136 {
        bytes[at + 8] = !bytes[at];
    }
    let mut seed = bytes[16..36].to_vec();
    seed.extend([0; 4]);
    let mut at = JOURNAL_HEADER_BYTES;
    while at + SLOT_BYTES <= bytes.len() {
        let length = u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]) as usize;
        let frame = at..at + (length.min(PAYLOAD_BYTES_MAX) + 8).next_multiple_of(SLOT_BYTES);
        if length == 0 || length > PAYLOAD_BYTES_MAX || frame.end > bytes.len() {
            at += SLOT_BYTES;
            continue;
        }
        let place = [(at as u32).to_le_bytes(), (length as u32).to_le_bytes()].concat();
        let crc = crc32c([&seed, &place, &bytes[at + 8..at + 8 + length]]);
        bytes[at + 4..at + 8].copy_from_slice(&crc.to_le_bytes());
        at = frame.end;
    }
    bytes
}

fn framed(mut data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; JOURNAL_HEADER_BYTES];
    bytes[..8].copy_from_slice(JOURNAL_MAGIC);
    bytes[8] = 1;
    bytes[12..16].copy_from_slice(&(JOURNAL_HEADER_BYTES as u32).to_le_bytes());
    bytes[36] = SLOT_BYTES as u8;
    while let Some((length, rest)) = data.split_first_chunk() {
        let length = usize::from(u16::from_le_bytes(*length)) % (PAYLOAD_BYTES_MAX + 1);
        let (payload, rest) = rest.split_at(length.min(rest.len()));
        bytes.extend((payload.len() as u64).to_le_bytes());
        bytes.extend(payload);
        bytes.resize(bytes.len().next_multiple_of(SLOT_BYTES), 0);
        data = rest;
    }
    bytes
}

const SEGMENT_HEADER_BYTES: usize = 64;
const TRAILER_BYTES: usize = 32;

/// A segment with right checksums and sizes. What makes its chunks longer or shorter than its footer says is given
/// to the last one.
pub fn segment(data: &[u8]) -> Vec<u8> {
    let mut bytes = data.to_vec();
    let Some(trailer_at) = bytes.len().checked_sub(TRAILER_BYTES).filter(|at| *at >= SEGMENT_HEADER_BYTES) else {
        return bytes;
    };
    put_crc(&mut bytes, 0..60, 60);
    let word = |at: usize| bytes[at..].first_chunk().map_or(0, |word| u64::from_le_bytes(*word) as usize);
    let (footer_at, grown) = (word(trailer_at), bytes.len().wrapping_sub(word(trailer_at + 8)));
    // What was put in or taken out lies in the footer or before it.
    let found = [footer_at, footer_at.wrapping_add(grown)].into_iter().find_map(|at| {
        let footer = bytes.get(at.max(SEGMENT_HEADER_BYTES)..trailer_at)?.to_vec();
        Some((at, chunks(&footer)?, footer))
    });
    let Some((footer_at, chunks, mut footer)) = found else { return bytes };
    let mut from = SEGMENT_HEADER_BYTES;
    for (nth, chunk) in chunks.iter().enumerate() {
        let last = nth + 1 == chunks.len();
        let to = if last { footer_at } else { from.saturating_add(chunk.length).min(footer_at) };
        let crc = crc32fast::hash(bytes.get(from..to).unwrap_or_default());
        footer[chunk.crc_at..chunk.crc_at + 4].copy_from_slice(&crc.to_le_bytes());
        if last && to > from {
            footer.splice(chunk.length_at.clone(), varint(to - from));
        }
        from = to;
    }
    bytes.truncate(footer_at);
    let size = footer_at + footer.len() + TRAILER_BYTES;
    let mut trailer = [(footer_at as u64).to_le_bytes(), (size as u64).to_le_bytes()].concat();
    trailer.extend(crc32fast::hash(&footer).to_le_bytes());
    trailer.extend(crc32fast::hash(&trailer).to_le_bytes());
    trailer.extend(b"AXSEGMT\n");
    [bytes, footer, trailer].concat()
}

/// Where a footer speaks of a chunk that has bytes.
struct Chunk {
    length: usize,
    length_at: Range<usize>,
    crc_at: usize,
}

/// All chunks that a footer lists; `None` when it cannot be walked.
fn chunks(footer: &[u8]) -> Option<Vec<Chunk>> {
    let mut walk = Walk { bytes: footer, at: 0 };
    for _ in 0..walk.varint()? {
        walk.skip(16)?;
        walk.varints(2)?;
    }
    if walk.varint()? > 0 {
        walk.skip(16)?;
    }
    for _ in 0..walk.varint()? {
        walk.skip(16)?;
    }
    let mut text = 0_usize;
    for _ in 0..walk.varint()? {
        text = text.checked_add(walk.varint()?)?;
    }
    walk.skip(text)?;
    for _ in 0..walk.varint()? {
        walk.varints(2)?;
    }
    let mut found = Vec::new();
    for _ in 0..walk.varint()? {
        walk.skip(1)?;
        walk.varint()?;
        let columns = *footer.get(walk.at)?;
        walk.skip(1)?;
        for _ in 0..columns {
            walk.skip(1)?;
            let start = walk.at;
            let length = walk.varint()?;
            let length_at = start..walk.at;
            walk.varints(2)?;
            if length > 0 {
                found.push(Chunk { length, length_at, crc_at: walk.at });
                walk.skip(4)?;
            }
        }
    }
    Some(found)
}

struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Walk<'_> {
    fn skip(&mut self, bytes: usize) -> Option<()> {
        self.at = self.at.checked_add(bytes).filter(|at| *at <= self.bytes.len())?;
        Some(())
    }

    fn varints(&mut self, count: usize) -> Option<()> {
        (0..count).try_for_each(|_| self.varint().map(|_| ()))
    }

    fn varint(&mut self) -> Option<usize> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = *self.bytes.get(self.at)?;
            self.at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value as usize);
            }
        }
        None
    }
}

fn varint(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

fn put_crc(bytes: &mut [u8], of: Range<usize>, at: usize) {
    let crc = crc32fast::hash(&bytes[of]);
    bytes[at..at + 4].copy_from_slice(&crc.to_le_bytes());
}

/// CRC-32C of all parts together.
fn crc32c(parts: [&[u8]; 3]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut byte = 0;
        while byte < 256 {
            let (mut crc, mut bit) = (byte as u32, 0);
            while bit < 8 {
                crc = crc >> 1 ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 };
                bit += 1;
            }
            table[byte] = crc;
            byte += 1;
        }
        table
    };
    !parts.into_iter().flatten().fold(u32::MAX, |crc, byte| crc >> 8 ^ TABLE[(crc as u8 ^ byte) as usize])
}
