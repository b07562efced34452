//! The journal through a mapping: a record is an atomic addition, a copy and a store.
//!
//! Recording threads meet in `Live` (see there) and take no lock, make no system call and allocate
//! nothing as long as the helper thread (`tend`) keeps ahead of them with prepared space. `Admin`
//! is everything else, behind a lock that recording threads only ever *try*: where one file ends
//! and the next is not there yet, and then for a second at most.

mod live;
mod tend;

use std::io;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

use memmap2::{Advice, MmapOptions, MmapRaw};

use self::live::{Live, Opening, Place, Reserved, Unclear, Waiting, Watch};
use crate::clock::Stopwatch;
use crate::journal::DropReason;
use crate::journal::file::{FIRST_PIECE_BYTES, OwnFile, fill};
use crate::journal::format::{HEADER_BYTES, SLOT_BYTES, frame_seed, slots_of};
use crate::journal::frame::Buffer;
use crate::journal::hold::{Held, hold, is_interrupted, try_hold};
use crate::journal::log::{Backoff, Log, Refused, Setup};
use crate::journal::pending::Pending;

/// The helper keeps so far ahead of recording threads at most: with a piece more, and what it has not
/// given back yet, less than 9 MiB of journal are in memory.
const LEAD_BYTES_MAX: u32 = 4 << 20;

/// A journal written through mappings.
#[derive(Debug)]
pub(crate) struct Mapped {
    common: Arc<Common>,
    helper: Option<JoinHandle<()>>,
}

/// What recording threads and the helper share.
#[derive(Debug)]
struct Common {
    /// Of the current file, 0 = none. Stored after `live`, under the lock.
    sequence: AtomicU32,
    /// Never null; what it points to is in `admin` for ever.
    live: AtomicPtr<Live>,
    /// Why there is no current file: place of the reason in `DropReason::ALL`.
    refused_for: AtomicU8,
    drops_changed: AtomicBool,
    stop: AtomicBool,
    stalls: AtomicU64,
    helper: OnceLock<Thread>,
    setup: Setup,
    admin: Mutex<Admin>,
    /// One flush at a time: what another has taken is not durable before it ends.
    flushing: Mutex<()>,
}

#[derive(Debug, Default)]
struct Admin {
    current: Option<Arc<Open>>,
    /// Follows `current` without delay.
    standby: Option<Arc<Open>>,
    /// Closed, and perhaps not yet complete.
    retired: Vec<Arc<Open>>,
    /// Not in use, to be recycled. Freed with the recorder only.
    idle: Vec<Arc<Live>>,
    last_sequence: u32,
    /// Events of finished files.
    recorded: u64,
    /// The newest finished file while there is no current one, for the drop counters.
    last: Option<Arc<OwnFile>>,
    refusal: Option<Backoff>,
    pending: Pending,
}

/// A file and its mapping, which goes with the last pointer to it: only the helper lets files go.
#[derive(Debug)]
struct Open {
    live: Arc<Live>,
    own: Arc<OwnFile>,
    map: MmapRaw,
    age: Stopwatch,
    life: Duration,
    /// Bytes that the helper prepares ahead of the recording threads.
    lead: AtomicU32,
    /// Slots up to which the helper has seen every frame published.
    walked: AtomicU32,
    /// Bytes whose pages it has given back.
    released: AtomicU32,
}

impl Mapped {
    /// A journal whose first file is made at once if the medium lets us. `None` where files
    /// cannot be mapped or no thread can be had.
    pub(crate) fn new(setup: Setup) -> Option<Self> {
        let idle = Arc::new(Live::idle());
        let common = Arc::new(Common {
            sequence: AtomicU32::new(0),
            live: AtomicPtr::new(Arc::as_ptr(&idle).cast_mut()),
            refused_for: AtomicU8::new(DropReason::Io as u8),
            drops_changed: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            stalls: AtomicU64::new(0),
            helper: OnceLock::new(),
            setup,
            admin: Mutex::new(Admin { idle: vec![idle], ..Admin::default() }),
            flushing: Mutex::default(),
        });
        let first = common.make(&mut common.lock(), FIRST_PIECE_BYTES);
        let mut mapped = Self { common, helper: None };
        let possible = !matches!(&first, Err(e) if matches!(e.raw_os_error(), Some(libc::EOPNOTSUPP | libc::ENODEV)));
        mapped.common.install(&mut mapped.common.lock(), first);
        if possible && let Ok(helper) = tend::spawn(&mapped.common) {
            let _ = mapped.common.helper.set(helper.thread().clone());
            mapped.helper = Some(helper);
            return Some(mapped);
        }
        // The drop removes the file, in which nothing was recorded.
        None
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        self.common.stop.store(true, Ordering::Release);
        if let Some(helper) = self.helper.take() {
            helper.thread().unpark();
            let _ = helper.join();
        }
        // Nobody records any more: the recorder is being dropped.
        self.common.finish_all();
    }
}

impl Common {
    fn lock(&self) -> Held<'_, Admin> {
        hold(&self.admin)
    }

    /// The lock for a recording thread, which must come back whatever the holder is doing: it may
    /// be the thread itself, interrupted by a signal whose handler records.
    fn lock_with_patience(&self) -> Option<Held<'_, Admin>> {
        let mut waiting = Waiting::default();
        while !is_interrupted() {
            let admin = try_hold(&self.admin);
            if admin.is_some() || !waiting.again() {
                return admin;
            }
        }
        None
    }

    #[inline(always)]
    fn live(&self) -> &Live {
        // SAFETY: the pointer is that of an `Arc` which `admin` keeps in one of its lists as long as
        // `self` lives.
        unsafe { &*self.live.load(Ordering::Acquire) }
    }

    /// Makes the next file with its first piece; the helper is to keep `lead` bytes ahead in it.
    fn make(&self, admin: &mut Admin, lead: u32) -> io::Result<Arc<Open>> {
        let sequence = admin.last_sequence + 1;
        let (header, life) = self.setup.header(sequence);
        let own = OwnFile::create(&self.setup.options.journal_dir, header, &self.setup.drops.counts())?;
        admin.last_sequence = sequence;
        let mapped = map(&own, self.setup.file_bytes_max());
        let (map, room) = mapped.inspect_err(|_| {
            own.finish(HEADER_BYTES);
        })?;
        let live = admin.idle.pop().unwrap_or_else(|| Arc::new(Live::idle()));
        live.open(&Opening {
            sequence,
            seed: frame_seed(header.id),
            fd: own.raw_fd(),
            base: map.as_mut_ptr(),
            capacity: slots_up_to(self.setup.file_bytes_max()),
            room: slots_up_to(room),
        });
        admin.pending.add_entry();
        Ok(Arc::new(Open {
            live,
            own: Arc::new(own),
            map,
            age: Stopwatch::start(),
            life,
            lead: AtomicU32::new(lead),
            walked: AtomicU32::new(0),
            released: AtomicU32::new(0),
        }))
    }

    /// Makes `next` the current file and retires the former one.
    fn install(&self, admin: &mut Admin, next: io::Result<Arc<Open>>) {
        let former = match next {
            Ok(next) => {
                self.live.store(Arc::as_ptr(&next.live).cast_mut(), Ordering::Release);
                self.sequence.store(next.own.header.id.sequence, Ordering::Release);
                (admin.refusal, admin.last) = (None, None);
                admin.current.replace(next)
            }
            Err(e) => {
                self.refuse(admin, &e);
                self.sequence.store(0, Ordering::Release);
                admin.current.take()
            }
        };
        admin.retired.extend(former);
    }

    fn refuse(&self, admin: &mut Admin, error: &io::Error) {
        let reason = DropReason::of(error);
        admin.refusal = Some(Backoff::new(reason, admin.refusal));
        self.refused_for.store(reason as u8, Ordering::Relaxed);
    }

    /// Goes on in the next file, prepared or made now.
    fn advance(&self, admin: &mut Admin) {
        let next = match admin.standby.take() {
            Some(standby) => Ok(standby),
            None => self.make(admin, LEAD_BYTES_MAX),
        };
        self.install(admin, next);
    }

    /// Slots for a frame of file `sequence`.
    #[inline(always)]
    fn reserve(&self, sequence: u32, slots: u32) -> Result<Place<'_>, Refused> {
        if sequence == 0 {
            return Err(self.without_file());
        }
        let live = self.live();
        match live.reserve(sequence, slots) {
            Ok(place) => Ok(place),
            Err(taken) => self.reserve_late(live, taken, sequence, slots),
        }
    }

    #[cold]
    fn reserve_late<'a>(
        &self,
        live: &'a Live,
        taken: Unclear,
        sequence: u32,
        slots: u32,
    ) -> Result<Place<'a>, Refused> {
        match live.clear_up(taken, sequence, slots, self) {
            Reserved::Here(place) => return Ok(place),
            Reserved::Elsewhere(place) => {
                place.count_extra(slots);
                place.publish(Buffer::pad(slots).payload());
            }
            Reserved::Full => {}
        }
        Err(self.behind(sequence))
    }

    /// When file `sequence` took nothing: sees to it that there is another.
    #[cold]
    fn behind(&self, sequence: u32) -> Refused {
        let Some(mut admin) = self.lock_with_patience() else { return Refused::Dropped(DropReason::Stalled) };
        // Unless somebody was first.
        if self.sequence.load(Ordering::Acquire) == sequence
            && admin.current.as_ref().is_some_and(|current| current.live.is_closed())
        {
            if admin.standby.is_none() {
                self.stalled();
            }
            self.advance(&mut admin);
            self.wake();
        }
        match admin.refusal {
            Some(refusal) if admin.current.is_none() => Refused::Dropped(refusal.reason),
            _ => Refused::Rolled,
        }
    }

    /// Where there is no file: one is made when it is time to try again. Never waits.
    #[cold]
    fn without_file(&self) -> Refused {
        if is_interrupted() {
            return Refused::Dropped(DropReason::Stalled);
        }
        if let Some(mut admin) = try_hold(&self.admin) {
            if admin.current.is_none() && admin.refusal.is_none_or(|r| r.left().is_zero()) {
                self.advance(&mut admin);
            }
            if admin.current.is_some() {
                return Refused::Rolled;
            }
        }
        let reason = usize::from(self.refused_for.load(Ordering::Relaxed));
        Refused::Dropped(DropReason::ALL.get(reason).copied().unwrap_or(DropReason::Io))
    }
}

impl Watch for Common {
    fn wake(&self) {
        if let Some(helper) = self.helper.get() {
            helper.unpark();
        }
    }

    fn stalled(&self) {
        self.stalls.fetch_add(1, Ordering::Relaxed);
    }
}

impl Log for Mapped {
    #[inline(always)]
    fn sequence(&self) -> u32 {
        self.common.sequence.load(Ordering::Acquire)
    }

    #[inline(always)]
    fn append_slot(&self, sequence: u32, words: &[u64; 7]) -> Result<(), Refused> {
        self.common.reserve(sequence, 1)?.publish_slot(words);
        Ok(())
    }

    fn append(&self, sequence: u32, payload: &[u8], name: bool) -> Result<u32, Refused> {
        let slots = slots_of(payload.len() as u32);
        let place = self.common.reserve(sequence, slots)?;
        place.count_extra(if name { slots } else { slots - 1 });
        if name {
            place.note_name();
        }
        let offset = place.offset();
        place.publish(payload);
        Ok(offset)
    }

    fn flush(&self) -> io::Result<()> {
        let _alone = self.common.flushing.lock().unwrap_or_else(PoisonError::into_inner);
        let (open, mut pending) = {
            let mut admin = self.common.lock();
            let open = admin.retired.iter().chain(&admin.current);
            let open: Vec<_> = open.map(|open| Arc::clone(&open.own)).collect();
            (open, std::mem::take(&mut admin.pending))
        };
        // `fdatasync` takes what was stored through the mapping too.
        let done = pending.sync(&open, &self.common.setup);
        self.common.lock().pending.put_back(pending);
        done.map_err(|e| self.common.setup.not_durable(&e))
    }

    fn note_drops(&self) {
        if !self.common.drops_changed.swap(true, Ordering::AcqRel) {
            self.common.wake();
        }
    }

    fn recorded(&self) -> u64 {
        let admin = self.common.lock();
        let open = admin.retired.iter().chain(&admin.current);
        admin.recorded + open.map(|open| open.live.events()).sum::<u64>()
    }

    fn stalls(&self) -> u64 {
        self.common.stalls.load(Ordering::Relaxed)
    }
}

/// Sets the first piece of a new file aside and maps all that the file may have: the mapping and
/// where the piece ends.
fn map(own: &OwnFile, file_bytes_max: u32) -> io::Result<(MmapRaw, u32)> {
    let room = FIRST_PIECE_BYTES.min(file_bytes_max);
    fill(own.raw_fd(), HEADER_BYTES, room)?;
    let map = MmapOptions::new().len(file_bytes_max as usize).map_raw(&*own.file)?;
    // A child has no business in it: it would keep the file, and with it the lock, alive.
    map.advise(Advice::DontFork)?;
    // Before Linux 5.14 pages are made one by one when they are first written.
    let _ = map.advise_range(Advice::PopulateWrite, 0, room as usize);
    Ok((map, room))
}

fn slots_up_to(bytes: u32) -> u32 {
    bytes.saturating_sub(HEADER_BYTES) / SLOT_BYTES
}

#[cfg(test)]
mod tests;
