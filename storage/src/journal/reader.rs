//! Reads journals of any process, living or dead, without ever writing to them.
//!
//! Frames are published one by one while we read, and `pread` copies bytes in no promised order.
//! So a checksum decides what a frame is, and only what is still wrong when it was read again
//! behind an acquire fence is damage: by then the payload of a published length is there.
//!
//! Where the next frame is missing, the owner's lock decides. While he lives it is "not yet". When
//! he is dead (a shared lock can be had) all that will ever come is there: the reader looks again,
//! then walks on slot by slot to the all-zero tail, because a killed thread leaves a hole and a
//! power loss may take a page and leave the next. If that page was the header, which is all zeros then,
//! the file's name says whose frames follow.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{Ordering, fence};

use crate::fs;
use crate::journal::crc::Crc;
use crate::journal::file::parse_file_name;
use crate::journal::format::{
    BadHeader, DROPS_AT, END_AT, FILE_BYTES_MAX, FRAME_HEAD_BYTES, FRAME_SLOTS_MAX, HEADER_BYTES, HEADER_USED_BYTES,
    Header, LAST_NAME_AT, SLOT_BYTES, frame_seed, slots_of, u32_at, unpair,
};
use crate::journal::frame::{Frame, Malformed, decode, is_name};
use crate::journal::learn::Learnt;
use crate::journal::look::{Look, SLOT, look, read_up_to, valid_len};
use crate::journal::pass::{Gap, Pass, Progress, UnknownId};
use crate::journal::{DropReason, JournalError, JournalId};
use crate::row::Batch;
use crate::time::Timestamp;

/// Bytes read at once: fits the second-level cache, and a system call each costs nothing beside it.
const CHUNK_BYTES: usize = 256 << 10;
/// Below this offset all frames are walked to learn names; beyond it the chain of name frames is.
const WALK_BYTES: u64 = 128 << 10;

/// Bytes of the longest frame.
const FRAME_BYTES_MAX: u64 = (FRAME_SLOTS_MAX * SLOT_BYTES) as u64;

/// How far the meaning of ids is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// Nothing was learnt yet.
    Nothing,
    /// The chain of name frames was followed; after a power loss it may lack some.
    Chain,
    /// Every frame before the read position was looked at.
    All,
}

/// An open journal.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    file: File,
    header: Header,
    /// The header was lost with the power; `header` is what the name tells, the store is not known.
    headless: bool,
    seed: Crc,
    /// The owner was seen dead, which he stays.
    dead: bool,
    learnt: Learnt,
    known: Known,
    chunk: Vec<u8>,
}

/// The journals in a store's journal directory in the order of their names. A directory that is
/// not there has none.
///
/// # Errors
/// What the system says about the directory.
pub fn list(journal_dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = fs::list_dir(journal_dir)?;
    found.retain(|path| path.extension().is_some_and(|e| e == "axj"));
    found.sort();
    Ok(found)
}

impl Reader {
    /// Opens a journal and checks its header. Never waits.
    ///
    /// # Errors
    /// When it is gone, no journal, damaged in its header, or too new.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let io = |cause| JournalError::Io { path: path.to_owned(), cause };
        let file = fs::open_read(path).map_err(io)?;
        let mut start = vec![0; HEADER_BYTES as usize];
        let got = read_up_to(&file, &mut start, 0).map_err(io)?;
        let (header, headless) = match (Header::decode(&start[..got]), header_of_name(path)) {
            (Ok(header), _) => (header, false),
            // It was written before the file got its name, so an owner who lives has one.
            (Err(BadHeader::Magic), Some(header)) if is_zero(&start[..got]) && is_free(&file) => (header, true),
            (Err(bad), _) => return Err(refuse(path, bad)),
        };
        Ok(Self {
            path: path.to_owned(),
            file,
            header,
            headless,
            seed: frame_seed(header.id),
            dead: false,
            learnt: Learnt::default(),
            known: Known::Nothing,
            chunk: Vec::new(),
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Recorder and sequence.
    pub fn id(&self) -> JournalId {
        self.header.id
    }

    /// Whether it is one of this store's, as far as it can tell.
    pub fn belongs_to(&self, store_uuid: u128) -> bool {
        self.headless || self.header.store_uuid == store_uuid
    }

    /// When it was created.
    pub fn created(&self) -> Timestamp {
        self.header.created
    }

    /// Events its recorder has dropped in its whole life until now, by reason. Of several files of
    /// one recorder the one with the highest sequence knows best. `None` for a counter that a
    /// power loss has torn.
    ///
    /// # Errors
    /// When the header cannot be read.
    pub fn drops(&self) -> Result<Vec<(DropReason, Option<u64>)>, JournalError> {
        let bytes = self.header_bytes()?;
        Ok(DropReason::ALL.into_iter().map(|r| (r, unpair(&bytes, DROPS_AT + 16 * r as usize))).collect())
    }

    /// Whether the recorder that writes it is alive and has not finished it.
    ///
    /// # Errors
    /// When the header cannot be read.
    pub fn is_live(&self) -> Result<bool, JournalError> {
        Ok(!self.dead && self.end()?.is_none() && !self.owner_is_dead())
    }

    /// Makes everything that was read so far durable on the medium (`fdatasync`).
    ///
    /// # Errors
    /// When the medium refuses; what was read must then not be taken for stored.
    pub fn sync(&self) -> Result<(), JournalError> {
        fs::sync_data(&self.file).map_err(|cause| self.io(cause))
    }

    /// Adds events from offset `from` on (0 = the beginning) to `into`, at most `max_events`.
    ///
    /// # Errors
    /// When the file cannot be read, or `from` is no offset that an earlier call can have given.
    /// Damaged frames are no error but part of the answer.
    pub fn read(&mut self, from: u64, max_events: u64, into: &mut Batch) -> Result<Progress, JournalError> {
        self.read_until(from, u64::MAX, max_events, into)
    }

    /// As [`Reader::read`], but nothing that begins at `until` or behind it.
    ///
    /// # Errors
    /// As [`Reader::read`].
    pub fn read_until(
        &mut self,
        from: u64,
        until: u64,
        max_events: u64,
        into: &mut Batch,
    ) -> Result<Progress, JournalError> {
        let lost_header = self.headless && from == 0;
        let from = from.max(u64::from(HEADER_BYTES));
        if !from.is_multiple_of(u64::from(SLOT_BYTES)) || from > u64::from(FILE_BYTES_MAX) {
            let what = "an offset inside a slot was asked for".to_owned();
            return Err(JournalError::Damaged { path: self.path.clone(), offset: from, what });
        }
        if self.known == Known::Nothing {
            self.learn(from)?;
        }
        let mut pass = Pass::new(from, max_events);
        if lost_header {
            pass.progress.gaps.push(Gap { offset: 0, bytes: u64::from(HEADER_BYTES) });
        }
        let mut limit = self.limit(until)?;
        loop {
            match self.run(&mut pass, limit, into)? {
                Stop::Full => {
                    pass.progress.more = true;
                    break;
                }
                Stop::End => {
                    pass.progress.finished = true;
                    break;
                }
                Stop::Missing => {
                    // A finished file has a limit, which must be known before the owner is asked for.
                    let was_dead = self.dead;
                    self.dead = self.dead || self.owner_is_dead();
                    limit = self.limit(until)?;
                    if was_dead == self.dead && !self.step_over(&mut pass, limit)? {
                        break;
                    }
                }
            }
        }
        Ok(pass.progress)
    }

    /// Takes published frames from `pass.progress.next` on, until one is missing.
    fn run(&mut self, pass: &mut Pass, limit: Limit, into: &mut Batch) -> Result<Stop, JournalError> {
        let mut chunk = std::mem::take(&mut self.chunk);
        let stop = self.run_in(&mut chunk, pass, limit, into);
        self.chunk = chunk;
        stop
    }

    fn run_in(
        &mut self,
        chunk: &mut Vec<u8>,
        pass: &mut Pass,
        limit: Limit,
        into: &mut Batch,
    ) -> Result<Stop, JournalError> {
        chunk.resize(CHUNK_BYTES, 0);
        loop {
            let base = pass.progress.next;
            let wanted = usize::try_from(limit.bytes() - base.min(limit.bytes()))
                .map_or(CHUNK_BYTES, |left| left.min(CHUNK_BYTES));
            if wanted == 0 {
                return Ok(Stop::End);
            }
            let got = read_up_to(&self.file, &mut chunk[..wanted], base).map_err(|cause| self.io(cause))?;
            let bytes = &chunk[..got];
            let mut at = 0;
            while let Look::Frame { payload, slots } = look(self.seed, base, bytes, at) {
                if pass.progress.events == pass.max_events && !is_name(payload) {
                    pass.progress.next = base + at as u64;
                    return Ok(Stop::Full);
                }
                self.take(pass, base + at as u64, payload, into)?;
                at += slots * SLOT;
            }
            pass.progress.next = base + at as u64;
            if at == 0 {
                return Ok(Stop::Missing);
            }
        }
    }

    /// Takes in one frame with a right checksum.
    #[inline]
    fn take(&mut self, pass: &mut Pass, offset: u64, payload: &[u8], into: &mut Batch) -> Result<(), JournalError> {
        let frame = match decode(payload) {
            Ok(frame) => frame,
            Err(Malformed(what)) => {
                pass.damage(offset, format!("a frame with a wrong {what}"));
                return Ok(());
            }
        };
        if let Frame::Name { class, id, a, b, .. } = frame {
            self.learnt.define(class, id, a, b);
            return Ok(());
        }
        let row = match pass.row(&frame, &self.learnt, into) {
            Err(_) if self.known == Known::Chain => {
                self.walk(u64::from(HEADER_BYTES), offset)?;
                self.known = Known::All;
                pass.row(&frame, &self.learnt, into)
            }
            row => row,
        };
        match row {
            Ok(Some(row)) => {
                into.rows.push(row);
                pass.progress.events += 1;
            }
            Ok(None) => {}
            Err(UnknownId(id)) => pass.damage(offset, format!("an event of name {id}, which is not in the file")),
        }
        Ok(())
    }

    /// At a place without a frame: decides whether to wait (false) or goes on behind it (true).
    fn step_over(&mut self, pass: &mut Pass, limit: Limit) -> Result<bool, JournalError> {
        fence(Ordering::Acquire);
        let from = pass.progress.next;
        let reach = if self.dead { u64::MAX } else { FRAME_BYTES_MAX };
        let found = self.find(from, reach, limit)?;
        let here = found.first_bad == Some(from);
        if let Some(next) = found.frame {
            if next == from {
                return Ok(true);
            }
            if !self.dead && !here {
                return Ok(false);
            }
            pass.skip(from, next, found.first_bad);
            pass.progress.next = next;
            return Ok(true);
        }
        if !self.dead {
            return Ok(false);
        }
        // Behind this there is nothing. What was reserved last and never published is no loss.
        match (found.first_bad, limit) {
            (Some(bad), _) => pass.damage(bad, "bytes that are no frame, up to the end".to_owned()),
            (None, Limit::Finished(end)) => {
                pass.damage(from, format!("the file was finished at {end}, the rest is missing"))
            }
            (None, Limit::Until(_)) => {}
        }
        pass.progress.next = found.end.max(from);
        pass.progress.finished = true;
        Ok(false)
    }

    /// The first frame that begins at `from` or up to `reach` bytes behind it.
    fn find(&self, from: u64, reach: u64, limit: Limit) -> Result<Found, JournalError> {
        // Beside a living owner this happens at every poll: no more than what can decide is read.
        let mut bytes = vec![0; if self.dead { CHUNK_BYTES } else { 2 * FRAME_SLOTS_MAX as usize * SLOT }];
        let mut found = Found { frame: None, first_bad: None, end: from };
        let mut base = from;
        loop {
            let got = read_up_to(&self.file, &mut bytes, base).map_err(|cause| self.io(cause))?;
            let whole = got / SLOT * SLOT;
            let last = got < bytes.len();
            // A frame that begins in the last slots may be cut off by the chunk: next round.
            let starts = if last { whole } else { whole - (FRAME_SLOTS_MAX as usize - 1) * SLOT };
            for at in (0..starts).step_by(SLOT) {
                let offset = base + at as u64;
                if offset - from > reach || offset >= limit.bytes() {
                    return Ok(found);
                }
                match look(self.seed, base, &bytes[..got], at) {
                    Look::Frame { slots, .. } if offset + (slots * SLOT) as u64 <= limit.bytes() => {
                        found.frame = Some(offset);
                        return Ok(found);
                    }
                    // Or a frame that goes on behind the limit: `run` does not see it whole.
                    Look::Frame { .. } | Look::Bad => {
                        found.first_bad.get_or_insert(offset);
                    }
                    // Torn where the file ends: a write that never returned.
                    Look::Unpublished | Look::Cut => {}
                }
                found.end = offset + SLOT as u64;
            }
            if last {
                return Ok(found);
            }
            base += starts as u64;
        }
    }

    /// Learns the names that frames before `from` define.
    fn learn(&mut self, from: u64) -> Result<(), JournalError> {
        let chained = from > u64::from(HEADER_BYTES) + WALK_BYTES && self.follow_names()?;
        if !chained {
            self.walk(u64::from(HEADER_BYTES), from)?;
        }
        self.known = if chained { Known::Chain } else { Known::All };
        Ok(())
    }

    /// Follows the chain of name frames backwards: whether it was whole.
    fn follow_names(&mut self) -> Result<bool, JournalError> {
        let mut next = u64::from(u32_at(&self.header_bytes()?, LAST_NAME_AT));
        let mut bytes = vec![0; 64 << 10];
        let (mut base, mut got) = (0, 0);
        while next != 0 {
            if next < u64::from(HEADER_BYTES) || !next.is_multiple_of(u64::from(SLOT_BYTES)) {
                return Ok(false);
            }
            // Names stand close together: read a stretch that ends behind the longest frame.
            if next < base || next >= base + got as u64 || got == 0 {
                let behind = next + FRAME_BYTES_MAX;
                base = behind.saturating_sub(bytes.len() as u64).max(u64::from(HEADER_BYTES));
                got = read_up_to(&self.file, &mut bytes, base).map_err(|cause| self.io(cause))?;
            }
            let at = usize::try_from(next - base).unwrap_or(usize::MAX);
            let frame = match look(self.seed, base, &bytes[..got], at) {
                Look::Frame { payload, .. } => decode(payload),
                // The stretch ends inside the frame, and not because the file does: fetch one that does not.
                Look::Cut if got == bytes.len() && base + (got as u64) < next + FRAME_BYTES_MAX => {
                    (base, got) = (0, 0);
                    continue;
                }
                _ => return Ok(false),
            };
            match frame {
                Ok(Frame::Name { class, id, previous, a, b }) if u64::from(previous) < next => {
                    self.learnt.define(class, id, a, b);
                    next = u64::from(previous);
                }
                _ => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Learns the names of all frames in `from..to`, without checking others of one slot.
    fn walk(&mut self, from: u64, to: u64) -> Result<(), JournalError> {
        let mut bytes = vec![0; CHUNK_BYTES];
        let mut base = from;
        while base < to {
            let got = read_up_to(&self.file, &mut bytes, base).map_err(|cause| self.io(cause))?;
            let mut at = 0;
            while at + SLOT <= got && base + (at as u64) < to {
                let len = u32_at(&bytes, at);
                let mut slots = if valid_len(len) { slots_of(len) as usize } else { 1 };
                if at + slots * SLOT > got && got == bytes.len() {
                    break;
                }
                if slots > 1 || valid_len(len) && is_name(&bytes[at + FRAME_HEAD_BYTES..]) {
                    match look(self.seed, base, &bytes[..got], at) {
                        Look::Frame { payload, .. } => {
                            if let Ok(Frame::Name { class, id, a, b, .. }) = decode(payload) {
                                self.learnt.define(class, id, a, b);
                            }
                        }
                        // Names may stand in the slots that a wrong length covers.
                        _ => slots = 1,
                    }
                }
                at += slots * SLOT;
            }
            if at == 0 {
                break;
            }
            base += at as u64;
        }
        Ok(())
    }

    fn header_bytes(&self) -> Result<Vec<u8>, JournalError> {
        let mut bytes = vec![0; HEADER_USED_BYTES];
        read_up_to(&self.file, &mut bytes, 0).map_err(|cause| self.io(cause))?;
        Ok(bytes)
    }

    /// Where the file was finished, if it was.
    fn end(&self) -> Result<Option<u64>, JournalError> {
        let end = unpair(&self.header_bytes()?, END_AT);
        let possible = |end: &u64| {
            (u64::from(HEADER_BYTES)..=u64::from(FILE_BYTES_MAX)).contains(end)
                && end.is_multiple_of(u64::from(SLOT_BYTES))
        };
        Ok(end.filter(possible))
    }

    fn limit(&self, until: u64) -> Result<Limit, JournalError> {
        let end = self.end()?.filter(|end| *end <= until);
        Ok(end.map_or(Limit::Until(until), Limit::Finished))
    }

    /// A file system without locks says nothing: then he may be alive.
    fn owner_is_dead(&self) -> bool {
        is_free(&self.file)
    }

    fn io(&self, cause: io::Error) -> JournalError {
        JournalError::Io { path: self.path.clone(), cause }
    }
}

/// Whether nobody holds the lock.
fn is_free(file: &File) -> bool {
    let got = fs::try_lock_shared(file).unwrap_or(false);
    if got {
        // Nobody else asks for an exclusive lock, so keeping it would harm nobody either.
        let _ = file.unlock();
    }
    got
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

fn header_of_name(path: &Path) -> Option<Header> {
    parse_file_name(path).map(|(id, created)| Header { id, store_uuid: 0, created })
}

fn refuse(path: &Path, bad: BadHeader) -> JournalError {
    let path = path.to_owned();
    match bad {
        BadHeader::Version(version) if version != 0 => JournalError::TooNew { path, version },
        BadHeader::Version(_) => JournalError::Damaged { path, offset: 8, what: "format version 0".to_owned() },
        BadHeader::Magic => {
            JournalError::Damaged { path, offset: 0, what: "not the first bytes of a journal".to_owned() }
        }
        BadHeader::Sizes => {
            JournalError::Damaged { path, offset: 12, what: "sizes that version 1 does not have".to_owned() }
        }
        BadHeader::Crc(stored, computed) => {
            let what = format!("the header's checksum is {stored:08x}, its bytes give {computed:08x}");
            JournalError::Damaged { path, offset: 72, what }
        }
    }
}

/// Where frames end at the latest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    /// The file was finished here.
    Finished(u64),
    /// Frames may follow, and behind this nobody wants them.
    Until(u64),
}

impl Limit {
    fn bytes(self) -> u64 {
        match self {
            Self::Finished(end) => end,
            Self::Until(until) => until.min(u64::from(FILE_BYTES_MAX)),
        }
    }
}

enum Stop {
    /// As many events as were asked for.
    Full,
    /// The limit was reached.
    End,
    /// There is no frame where one should be.
    Missing,
}

struct Found {
    /// Where a frame begins.
    frame: Option<u64>,
    /// The first slot before it that is neither a frame nor unpublished.
    first_bad: Option<u64>,
    /// Behind the last slot looked at.
    end: u64,
}

#[cfg(test)]
mod tests;
