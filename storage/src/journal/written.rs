//! The journal by `pwrite`: for file systems where a mapping is unsafe, and for hosts that want no
//! SIGBUS when somebody truncates a file.
//!
//! One lock around one system call an event. Frames are complete one after the other, so a reader
//! that meets a half-copied one finds nothing behind it and waits.

use std::io;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Stopwatch;
use crate::fs;
use crate::journal::DropReason;
use crate::journal::crc::Crc;
use crate::journal::file::{OwnFile, next_piece, set_aside};
use crate::journal::format::{
    FRAME_HEAD_BYTES, FRAME_SLOTS_MAX, HEADER_BYTES, LAST_NAME_AT, SLOT_BYTES, frame_place, frame_seed, slots_of,
};
use crate::journal::hold::{Held, hold, is_interrupted};
use crate::journal::log::{Backoff, Chore, Log, Refused, Setup};
use crate::journal::pending::Pending;

/// A journal written by system calls.
#[derive(Debug)]
pub(crate) struct Written {
    setup: Setup,
    /// Of the current file, 0 = none; changed under the lock, a hint outside it.
    sequence: AtomicU32,
    recorded: AtomicU64,
    state: Mutex<State>,
    /// One flush at a time: what another has taken is not durable before it ends.
    flushing: Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    current: Option<Current>,
    /// Sequence of the newest file that was made.
    last_sequence: u32,
    /// The newest finished file, for the drop counters while there is no other.
    last: Option<Arc<OwnFile>>,
    refusal: Option<Backoff>,
    pending: Pending,
    /// Since the chore was last done.
    chored: Option<Stopwatch>,
}

/// How often it is looked whether the file is still there.
const LOOK_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Current {
    own: Arc<OwnFile>,
    seed: Crc,
    /// Where the next frame goes.
    at: u32,
    /// Up to where space was set aside.
    room: u32,
    age: Stopwatch,
    life: Duration,
    /// The age at which it is looked whether the file is still there.
    look_at: Duration,
    /// The newest frame, and the one that was it at the last look.
    newest: u32,
    seen: u32,
}

impl Written {
    /// A journal whose first file is made at once if the medium lets us.
    pub(crate) fn new(setup: Setup) -> Self {
        let (sequence, recorded) = (AtomicU32::new(0), AtomicU64::new(0));
        let log = Self { setup, sequence, recorded, state: Mutex::default(), flushing: Mutex::default() };
        let _ = log.begin(&mut log.lock());
        log
    }

    fn lock(&self) -> Held<'_, State> {
        hold(&self.state)
    }

    /// Does the chore if it is time, outside the lock.
    fn do_chore(&self, chore: &Chore) {
        {
            let chored = &mut self.lock().chored;
            if chored.get_or_insert_with(Stopwatch::start).elapsed() < chore.every {
                return;
            }
            *chored = Some(Stopwatch::start());
        }
        (chore.work)();
    }

    /// Makes the next file, unless it was refused too recently.
    fn begin(&self, state: &mut State) -> Result<(), DropReason> {
        if let Some(refusal) = state.refusal.filter(|r| !r.left().is_zero()) {
            return Err(refusal.reason);
        }
        let sequence = state.last_sequence + 1;
        let (header, life) = self.setup.header(sequence);
        match OwnFile::create(&self.setup.options.journal_dir, header, &self.setup.drops.counts()) {
            Ok(own) => {
                let (seed, own) = (frame_seed(own.header.id), Arc::new(own));
                let (at, age) = (HEADER_BYTES, Stopwatch::start());
                let (room, look_at) = (HEADER_BYTES, LOOK_EVERY);
                state.current = Some(Current { own, seed, at, room, age, life, look_at, newest: at, seen: at });
                (state.last_sequence, state.last, state.refusal) = (sequence, None, None);
                state.pending.add_entry();
                self.sequence.store(sequence, Ordering::Relaxed);
                Ok(())
            }
            Err(e) => Err(self.refuse(state, &e)),
        }
    }

    /// Ends the current file where its last whole frame ends.
    fn finish(&self, state: &mut State) {
        self.sequence.store(0, Ordering::Relaxed);
        if let Some(current) = state.current.take() {
            current.own.note_drops(&self.setup.drops.counts());
            if current.own.finish(current.at) {
                state.pending.add_finished(current.own.path.clone());
                let _ = current.own.file.unlock();
                state.last = Some(current.own);
            }
        }
    }

    fn refuse(&self, state: &mut State, error: &io::Error) -> DropReason {
        let reason = DropReason::of(error);
        state.refusal = Some(Backoff::new(reason, state.refusal));
        self.finish(state);
        reason
    }

    fn write(&self, sequence: u32, payload: &[u8], name: bool) -> Result<u32, Refused> {
        let mut guard = self.lock();
        let state = &mut *guard;
        let len = payload.len() as u32;
        let bytes = slots_of(len) * SLOT_BYTES;
        let Some(current) = state.current.as_mut() else {
            return Err(self.begin(state).map_or_else(Refused::Dropped, |()| Refused::Rolled));
        };
        if current.own.header.id.sequence != sequence {
            return Err(Refused::Rolled);
        }
        let full = current.at + bytes > self.setup.file_bytes_max();
        let age = current.age.elapsed();
        if full || (current.at > HEADER_BYTES && age >= current.life) || current.is_lost(age) {
            self.finish(state);
            return Err(self.begin(state).map_or_else(Refused::Dropped, |()| Refused::Rolled));
        }
        match current.put(payload, bytes, name, self.setup.file_bytes_max()) {
            Ok(offset) => Ok(offset),
            // The file may not grow; another may begin, with what this one gives back.
            Err(_) if current.at > HEADER_BYTES => {
                self.finish(state);
                Err(self.begin(state).map_or_else(Refused::Dropped, |()| Refused::Rolled))
            }
            Err(e) => Err(Refused::Dropped(self.refuse(state, &e))),
        }
    }
}

impl Current {
    /// Looks now and then whether readers still find what is written.
    fn is_lost(&mut self, age: Duration) -> bool {
        if age < self.look_at {
            return false;
        }
        self.look_at = age + LOOK_EVERY;
        let seen = std::mem::replace(&mut self.seen, self.newest);
        self.at > HEADER_BYTES && self.own.is_lost(seen)
    }

    fn put(&mut self, payload: &[u8], bytes: u32, name: bool, file_bytes_max: u32) -> io::Result<u32> {
        let (offset, len) = (self.at, payload.len() as u32);
        if offset + bytes > self.room {
            let room = next_piece(self.room, file_bytes_max).max(offset + bytes);
            match set_aside(self.own.raw_fd(), self.room, room) {
                Ok(()) => {}
                // The write itself will find out.
                Err(e) if e.raw_os_error() == Some(libc::EOPNOTSUPP) => {}
                Err(e) => return Err(e),
            }
            self.room = room;
        }
        let mut frame = [0; (FRAME_SLOTS_MAX * SLOT_BYTES) as usize];
        let crc = self.seed.word(frame_place(offset, len)).bytes(payload).finish();
        frame[..4].copy_from_slice(&len.to_le_bytes());
        frame[4..8].copy_from_slice(&crc.to_le_bytes());
        frame[FRAME_HEAD_BYTES..FRAME_HEAD_BYTES + payload.len()].copy_from_slice(payload);
        fs::write_all_at(&self.own.file, &frame[..bytes as usize], u64::from(offset))?;
        (self.at, self.newest) = (offset + bytes, offset);
        if name {
            // A hint; without it readers walk.
            let _ = fs::write_all_at(&self.own.file, &offset.to_le_bytes(), LAST_NAME_AT as u64);
        }
        Ok(offset)
    }
}

impl Log for Written {
    fn sequence(&self) -> u32 {
        self.sequence.load(Ordering::Relaxed)
    }

    fn append_slot(&self, sequence: u32, words: &[u64; 7]) -> Result<(), Refused> {
        let mut payload = [0; 56];
        for (place, word) in payload.chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        self.append(sequence, &payload, false).map(|_| ())
    }

    fn append(&self, sequence: u32, payload: &[u8], name: bool) -> Result<u32, Refused> {
        if is_interrupted() {
            return Err(Refused::Dropped(DropReason::Stalled));
        }
        let offset = self.write(sequence, payload, name)?;
        if !name {
            self.recorded.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(chore) = &self.setup.options.chore {
            self.do_chore(chore);
        }
        Ok(offset)
    }

    fn flush(&self) -> io::Result<()> {
        let _alone = self.flushing.lock().unwrap_or_else(PoisonError::into_inner);
        // The medium takes milliseconds: others go on recording meanwhile.
        let (open, mut pending) = {
            let mut state = self.lock();
            let open: Vec<_> = state.current.iter().map(|c| Arc::clone(&c.own)).collect();
            (open, std::mem::take(&mut state.pending))
        };
        let done = pending.sync(&open, &self.setup);
        self.lock().pending.put_back(pending);
        done.map_err(|e| self.setup.not_durable(&e))
    }

    fn note_drops(&self) {
        if is_interrupted() {
            // Noted with the next drop, or at the end of the file.
            return;
        }
        let state = self.lock();
        if let Some(own) = state.current.as_ref().map(|c| &c.own).or(state.last.as_ref()) {
            own.note_drops(&self.setup.drops.counts());
        }
    }

    fn recorded(&self) -> u64 {
        self.recorded.load(Ordering::Relaxed)
    }

    fn stalls(&self) -> u64 {
        0
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        self.finish(&mut self.lock());
    }
}
