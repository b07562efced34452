//! The words by which threads share one mapped file, and the only code that writes into a mapping.
//!
//! ```text
//! next   sequence << 32 | slots taken      a reservation is one fetch_add
//! soft   sequence << 32 | slots            below it there is space, and nobody need be told
//! room   sequence << 32 | SHUT | CLAIMED | slots     below it there is space; SHUT: it will not grow
//! ```
//! Reservations tile the line of slots. Of those that cross `room` exactly one begins at or before
//! it, the *straddler*: it sets more space aside when the helper is late, and if there will be none
//! its beginning is where the file ends. All others wait for it or give up.
//!
//! **Who makes space** fills it with zeros, and must be alone in that: a frame could be there
//! already. So he claims it first, and `room` is raised only from the word that he made by that.
//! Who finds it claimed waits as for a straddler; who gives up shuts the file, and the claim is void.
//!
//! **Who may touch the mapping.** A reservation below `room` pins the file: nothing is unmapped
//! before `end` is set and every frame up to it was published, and whatever is below the final
//! `room` is below `end` or crosses it. A reservation that gives up never touches the mapping.
//!
//! **Recycling.** A `Live` is used for many files and freed with the recorder. A thread may sleep
//! between finding a `Live` and reserving in it. Then its reservation has the tag of another file:
//! it fills what it got with a pad, if it got something, and goes to the file of now.

use std::os::fd::RawFd;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Stopwatch;
use crate::journal::crc::Crc;
use crate::journal::file::{FIRST_PIECE_BYTES, fill};
use crate::journal::format::{
    FILE_SLOTS_MAX, FRAME_HEAD_BYTES, HEADER_BYTES, LAST_NAME_AT, SLOT_BYTES, frame_place, offset_of, slots_of,
};
use crate::journal::frame::COMPACT_BYTES;
use crate::journal::hold::{Busy, is_interrupted};

/// In `room`: no more space will come.
const SHUT: u64 = 1 << 31;
/// In `room`: somebody is making space behind it.
const CLAIMED: u64 = 1 << 30;
/// Added to `next` it is beyond every file. Once a file: twice would change the tag.
const CLOSE: u64 = 1 << 31;
/// `end` of a file that goes on.
const NO_END: u32 = u32::MAX;
/// How long a thread waits for space that another is preparing.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// What all recording threads change, away from what they only read: 128 bytes, because processors
/// fetch cache lines in pairs.
#[derive(Debug)]
#[repr(align(128))]
struct Hot {
    next: AtomicU64,
    /// Slots that are not the first of an event: names, pads, the rest of long frames.
    extra: AtomicU32,
}

/// One file as recording threads see it.
#[derive(Debug)]
pub(super) struct Live {
    hot: Hot,
    soft: AtomicU64,
    room: AtomicU64,
    /// Slots in the finished file.
    end: AtomicU32,
    /// Slots the file may have.
    capacity: AtomicU32,
    /// The CRC register that frames begin with.
    seed: AtomicU32,
    fd: AtomicI32,
    base: AtomicPtr<u8>,
}

/// What a file needs to be opened to threads.
pub(super) struct Opening {
    pub(super) sequence: u32,
    pub(super) seed: Crc,
    pub(super) fd: RawFd,
    /// Where the file is mapped, up to `capacity` slots.
    pub(super) base: *mut u8,
    pub(super) capacity: u32,
    /// Slots set aside.
    pub(super) room: u32,
}

/// Slots in which the holder, and nobody else, writes one frame. They are below `room`, so the
/// mapping stays until they are published.
pub(super) struct Place<'a> {
    live: &'a Live,
    slot: u32,
}

/// A reservation of which it is not clear what it got.
pub(super) struct Unclear(u64);

/// What it got.
pub(super) enum Reserved<'a> {
    /// Slots of the file that was asked for.
    Here(Place<'a>),
    /// Slots of a later file, in which names may not have been announced.
    Elsewhere(Place<'a>),
    /// Nothing: that file takes no more.
    Full,
}

/// What came of an attempt to make space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extended {
    /// Space is there between these bytes of the file.
    To(u32, u32),
    /// Another was at it, or there is an end to it.
    Elsewhere,
    /// The medium does not give it.
    Refused,
}

/// What a thread that was not on the straight path has to tell.
pub(super) trait Watch {
    /// A good part of what was prepared is used.
    fn wake(&self);
    /// A recording thread prepares space itself.
    fn stalled(&self);
}

fn word(sequence: u32, low: u32) -> u64 {
    u64::from(sequence) << 32 | u64::from(low)
}

fn tag(word: u64) -> u32 {
    (word >> 32) as u32
}

/// The slots that `room` speaks of.
fn slots_in(room: u64) -> u32 {
    (room & !(SHUT | CLAIMED)) as u32
}

impl Live {
    /// One that refuses everything.
    pub(super) fn idle() -> Self {
        Self {
            hot: Hot { next: AtomicU64::new(CLOSE), extra: AtomicU32::new(0) },
            soft: AtomicU64::new(0),
            room: AtomicU64::new(SHUT),
            end: AtomicU32::new(0),
            capacity: AtomicU32::new(0),
            seed: AtomicU32::new(0),
            fd: AtomicI32::new(-1),
            base: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// Opens it for a file. To be called by one thread, and only when no file is in it or the one
    /// that is was finished and unmapped; and the mapping must stay until [`Live::is_complete`].
    pub(super) fn open(&self, file: &Opening) {
        self.base.store(file.base, Ordering::Relaxed);
        self.fd.store(file.fd, Ordering::Relaxed);
        self.seed.store(file.seed.register(), Ordering::Relaxed);
        self.capacity.store(file.capacity, Ordering::Relaxed);
        self.end.store(NO_END, Ordering::Relaxed);
        self.hot.extra.store(0, Ordering::Relaxed);
        self.room.store(word(file.sequence, file.room), Ordering::Relaxed);
        self.soft.store(word(file.sequence, file.room / 2), Ordering::Relaxed);
        // Whoever reserves in this file sees all of the above.
        self.hot.next.store(word(file.sequence, 0), Ordering::Release);
    }

    /// Reserves `slots` slots, for a frame of file `sequence`.
    #[inline(always)]
    pub(super) fn reserve(&self, sequence: u32, slots: u32) -> Result<Place<'_>, Unclear> {
        let taken = self.hot.next.fetch_add(u64::from(slots), Ordering::Acquire);
        // Of another tag, or beyond `soft`, it is a huge number.
        let left = self.soft.load(Ordering::Acquire).wrapping_sub(taken + u64::from(slots));
        if left <= u64::from(FILE_SLOTS_MAX) && (taken >> 32) as u32 == sequence {
            return Ok(Place { live: self, slot: taken as u32 });
        }
        Err(Unclear(taken))
    }

    /// What the reservation of `slots` for file `sequence` got. Waits for space if need be.
    #[cold]
    pub(super) fn clear_up(&self, taken: Unclear, sequence: u32, slots: u32, watch: &impl Watch) -> Reserved<'_> {
        let Unclear(taken) = taken;
        if !self.has_space(taken, slots, watch) {
            return Reserved::Full;
        }
        let place = Place { live: self, slot: taken as u32 };
        if tag(taken) == sequence { Reserved::Here(place) } else { Reserved::Elsewhere(place) }
    }

    /// Whether there is, or soon was, space for the reservation `taken`.
    fn has_space(&self, taken: u64, slots: u32, watch: &impl Watch) -> bool {
        let (at, behind) = (taken as u32, taken as u32 + slots);
        let mut waiting = Waiting::default();
        loop {
            let room = self.room.load(Ordering::Acquire);
            if tag(room) != tag(taken) {
                // Finished without us, so we had nothing.
                return false;
            }
            if behind <= slots_in(room) {
                self.tell(word(tag(room), slots_in(room)), watch);
                return true;
            }
            let straddler = at <= slots_in(room);
            if self.is_last(room) {
                if straddler {
                    self.end.store(at, Ordering::Release);
                }
                return false;
            }
            if straddler && room & CLAIMED == 0 {
                watch.stalled();
                let _busy = Busy::new();
                // The descriptor is open: the file is not finished before we have set its end.
                match self.extend(FIRST_PIECE_BYTES, self.fd.load(Ordering::Relaxed)) {
                    // The helper, if it found the space claimed, has gone to sleep.
                    Extended::To(..) => watch.wake(),
                    Extended::Elsewhere => {}
                    Extended::Refused => _ = self.room.fetch_or(SHUT, Ordering::AcqRel),
                }
            } else if is_interrupted() || !waiting.again() {
                let _ = self.room.compare_exchange(room, room | SHUT, Ordering::AcqRel, Ordering::Relaxed);
            }
        }
    }

    /// Wakes the helper once a piece. The caller's reservation pins the file.
    fn tell(&self, room: u64, watch: &impl Watch) {
        let soft = self.soft.load(Ordering::Relaxed);
        if soft != room && self.soft.compare_exchange(soft, room, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            watch.wake();
        }
    }

    /// Makes the next `piece` bytes of space. The caller pins the file, of which `fd` is the
    /// descriptor.
    pub(super) fn extend(&self, piece: u32, fd: RawFd) -> Extended {
        let room = self.room();
        let (claimed, raised) = (room | CLAIMED, word(tag(room), self.slots_after(room, piece)));
        let swap = |from, to| self.room.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        if room & CLAIMED != 0 || self.is_last(room) || !swap(room, claimed) {
            return Extended::Elsewhere;
        }
        let (from, to) = (self.room_bytes(room), self.room_bytes(raised));
        if fill(fd, from, to).is_err() {
            // Void if the file was shut meanwhile.
            swap(claimed, room);
            return Extended::Refused;
        }
        let told = self.is_told();
        if !swap(claimed, raised) {
            return Extended::Elsewhere;
        }
        if told {
            // Whoever raises it watches on until it arms the file again.
            self.soft.store(raised, Ordering::Release);
        }
        Extended::To(from, to)
    }

    /// Slots in the file when the next `piece` bytes are there, which end at a round offset.
    fn slots_after(&self, room: u64, piece: u32) -> u32 {
        let end = (self.room_bytes(room) / FIRST_PIECE_BYTES * FIRST_PIECE_BYTES).saturating_add(piece);
        (end.saturating_sub(HEADER_BYTES) / SLOT_BYTES).min(self.capacity.load(Ordering::Relaxed))
    }

    /// Has the helper woken when the slot `soft` is taken. The caller pins the file.
    pub(super) fn arm(&self, soft: u32) {
        let room = self.room();
        self.soft.store(word(tag(room), soft.min(slots_in(room))), Ordering::Release);
    }

    /// `room` as it is.
    pub(super) fn room(&self) -> u64 {
        self.room.load(Ordering::Acquire)
    }

    /// Up to which byte there is space.
    pub(super) fn room_bytes(&self, room: u64) -> u32 {
        offset_of(slots_in(room))
    }

    /// Whether there will never be more space than now.
    pub(super) fn is_last(&self, room: u64) -> bool {
        room & SHUT != 0 || slots_in(room) >= self.capacity.load(Ordering::Relaxed)
    }

    /// Slots that are there and not taken.
    pub(super) fn left(&self) -> u32 {
        slots_in(self.room()).saturating_sub(self.taken())
    }

    /// Slots taken up to now, those behind the space not counted.
    pub(super) fn taken(&self) -> u32 {
        let taken = self.hot.next.load(Ordering::Relaxed) as u32;
        match self.end.load(Ordering::Acquire) {
            NO_END => taken.min(slots_in(self.room())),
            end => end,
        }
    }

    /// Events in the file: exact once it is complete.
    pub(super) fn events(&self) -> u64 {
        u64::from(self.taken().saturating_sub(self.hot.extra.load(Ordering::Relaxed)))
    }

    /// Whether nothing more can be reserved.
    pub(super) fn is_closed(&self) -> bool {
        let room = self.room();
        self.is_last(room) && self.hot.next.load(Ordering::Relaxed) as u32 > slots_in(room)
    }

    /// Has nothing more reserved. To be called at most once a file, by its owner.
    pub(super) fn close(&self) {
        if self.is_closed() {
            return;
        }
        let room = self.room.fetch_or(SHUT, Ordering::AcqRel);
        let taken = self.hot.next.fetch_add(CLOSE, Ordering::AcqRel) as u32;
        if taken <= slots_in(room) {
            // We are the straddler.
            self.end.store(taken, Ordering::Release);
        }
    }

    /// Whether the helper was told that half of the last piece is used.
    pub(super) fn is_told(&self) -> bool {
        let (soft, room) = (self.soft.load(Ordering::Acquire), self.room());
        soft == word(tag(room), slots_in(room))
    }

    /// The next event wakes the helper.
    pub(super) fn call_on_next(&self) {
        self.soft.fetch_and(u64::MAX << 32, Ordering::AcqRel);
    }

    /// A thread that makes space and never comes back.
    #[cfg(test)]
    pub(super) fn claim_for_test(&self) {
        self.room.fetch_or(CLAIMED, Ordering::Relaxed);
    }

    /// A reservation whose thread never comes back.
    #[cfg(test)]
    pub(super) fn skip_for_test(&self, slots: u32) {
        self.hot.next.fetch_add(u64::from(slots), Ordering::Relaxed);
    }

    /// Walks over published frames from `slot` on: where they end now. The caller keeps the
    /// mapping.
    pub(super) fn published(&self, mut slot: u32) -> u32 {
        let (base, taken) = (self.base.load(Ordering::Relaxed), self.taken());
        while slot < taken {
            // SAFETY: the slot is below `taken`, which is not above `room`, in a mapping that the
            // caller keeps; it is aligned to 64 bytes. Frames change this word by atomic stores.
            let head = unsafe { AtomicU64::from_ptr(base.add(offset_of(slot) as usize).cast()) };
            match head.load(Ordering::Acquire) as u32 {
                0 => break,
                len => slot += slots_of(u32::from_le(len)),
            }
        }
        slot
    }

    /// Where the file ends, if all frames up to there are published and `walked` says so.
    pub(super) fn is_complete(&self, walked: u32) -> bool {
        walked == self.end.load(Ordering::Acquire)
    }
}

impl Place<'_> {
    /// Offset in the file.
    #[inline(always)]
    pub(super) fn offset(&self) -> u32 {
        offset_of(self.slot)
    }

    #[inline(always)]
    fn head(&self) -> *mut u64 {
        // SAFETY: the slot is below `room`, so inside the mapping, which a place keeps.
        unsafe { self.live.base.load(Ordering::Relaxed).add(self.offset() as usize).cast() }
    }

    #[inline(always)]
    fn seed(&self) -> Crc {
        Crc::from_register(self.live.seed.load(Ordering::Relaxed))
    }

    /// Publishes a one-slot frame.
    #[inline(always)]
    pub(super) fn publish_slot(self, words: &[u64; 7]) {
        let crc = self.seed().words(frame_place(self.offset(), COMPACT_BYTES), words).finish();
        let head = self.head();
        for (i, word) in words.iter().enumerate() {
            // SAFETY: the 56 bytes behind the head of a slot that is ours alone.
            unsafe { head.add(1 + i).write(word.to_le()) };
        }
        self.finish(COMPACT_BYTES, crc);
    }

    /// Publishes a frame of as many slots as were reserved.
    pub(super) fn publish(self, payload: &[u8]) {
        let len = payload.len() as u32;
        let crc = self.seed().word(frame_place(self.offset(), len)).bytes(payload).finish();
        // SAFETY: head and payload fill the reserved slots at most, which are ours alone.
        unsafe {
            ptr::copy_nonoverlapping(payload.as_ptr(), self.head().cast::<u8>().add(FRAME_HEAD_BYTES), payload.len());
        }
        self.finish(len, crc);
    }

    /// Stores length and checksum, after which the place is no longer ours.
    #[inline(always)]
    fn finish(self, len: u32, crc: u32) {
        let head = u64::from(len) | u64::from(crc) << 32;
        // SAFETY: as in `head`; aligned to 64 bytes.
        unsafe { AtomicU64::from_ptr(self.head()) }.store(head.to_le(), Ordering::Release);
    }

    /// Counts slots of this place that are no events. Before it is published.
    pub(super) fn count_extra(&self, slots: u32) {
        self.live.hot.extra.fetch_add(slots, Ordering::Relaxed);
    }

    /// Tells the header that the newest name is here. Before it is published.
    pub(super) fn note_name(&self) {
        // SAFETY: the header is mapped as long as this place is; the word is aligned.
        let hint =
            unsafe { AtomicU32::from_ptr(self.live.base.load(Ordering::Relaxed).add(LAST_NAME_AT).cast::<u32>()) };
        hint.store(self.offset().to_le(), Ordering::Release);
    }
}

/// Waits ever longer, up to [`PATIENCE`] in all.
#[derive(Default)]
pub(super) struct Waiting {
    turns: u32,
    since: Option<Stopwatch>,
}

impl Waiting {
    /// Waits a little: false when it was enough.
    pub(super) fn again(&mut self) -> bool {
        self.turns += 1;
        let since = *self.since.get_or_insert_with(Stopwatch::start);
        match self.turns {
            0..64 => std::hint::spin_loop(),
            64..128 => std::thread::yield_now(),
            _ => std::thread::sleep(Duration::from_micros(50)),
        }
        since.elapsed() < PATIENCE
    }
}
