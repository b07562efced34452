//! What stands in a slot: the one place that decides whether bytes are a frame.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use crate::fs::{self, Step};
use crate::journal::crc::Crc;
use crate::journal::format::{FRAME_HEAD_BYTES, PAYLOAD_BYTES_MAX, SLOT_BYTES, frame_place, slots_of, u32_at};

/// A slot's size as an index.
pub(super) const SLOT: usize = SLOT_BYTES as usize;

/// What stands in a slot.
pub(super) enum Look<'a> {
    Frame {
        payload: &'a [u8],
        slots: usize,
    },
    /// Length 0.
    Unpublished,
    /// The bytes given end inside it.
    Cut,
    /// Anything else.
    Bad,
}

pub(super) fn valid_len(len: u32) -> bool {
    len != 0 && len as usize <= PAYLOAD_BYTES_MAX
}

/// Looks at the slot at `at` in `bytes`, which begin at `base` in the file.
#[inline]
pub(super) fn look(seed: Crc, base: u64, bytes: &[u8], at: usize) -> Look<'_> {
    let Some(slot) = bytes.get(at..).filter(|rest| rest.len() >= SLOT) else { return Look::Cut };
    let len = u32_at(slot, 0);
    if len == 0 {
        return Look::Unpublished;
    }
    if !valid_len(len) {
        return Look::Bad;
    }
    let slots = slots_of(len) as usize;
    if slots * SLOT > slot.len() {
        return Look::Cut;
    }
    let payload = &slot[FRAME_HEAD_BYTES..FRAME_HEAD_BYTES + len as usize];
    // Offsets are below 16 MiB; a larger one cannot have been written.
    let offset = u32::try_from(base + at as u64).unwrap_or(u32::MAX);
    let crc = seed.word(frame_place(offset, len)).bytes(payload);
    if crc.finish() == u32_at(slot, 4) { Look::Frame { payload, slots } } else { Look::Bad }
}

/// Fills `bytes` from `offset` on as far as the file goes.
pub(super) fn read_up_to(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    fs::step(Step::Read(file.as_raw_fd()))?;
    let mut got = 0;
    while got < bytes.len() {
        match file.read_at(&mut bytes[got..], offset + got as u64) {
            Ok(0) => break,
            Ok(n) => got += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(got)
}
