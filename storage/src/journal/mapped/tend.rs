//! The helper thread of a mapped journal: prepares space and files ahead of the recording threads,
//! gives back the pages behind them, and ends files by time.
//!
//! It sleeps until a recording thread has used half of what is prepared, an event was dropped, or
//! something is due. It alone lets files go, so what it took from `Admin` stays mapped while it
//! works without the lock.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use memmap2::{Advice, UncheckedAdvice};

use super::live::Extended;
use super::{Admin, Common, LEAD_BYTES_MAX, Open};
use crate::clock::Stopwatch;
use crate::journal::file::FIRST_PIECE_BYTES;
use crate::journal::format::{SLOT_BYTES, offset_of};

/// It calls little, but for the chore; most of this is never touched.
const STACK_BYTES: usize = 512 << 10;
/// Sleeps no longer, so that nothing forgotten is forgotten for ever.
const SLEEP_MAX: Duration = Duration::from_secs(3600);
/// While a closed file waits for a thread that sleeps between reserving and publishing.
const COMPLETE_EVERY: Duration = Duration::from_millis(20);
/// Drop counters are written to the header this often at most.
const NOTE_EVERY: Duration = Duration::from_millis(100);
/// Sleeps no shorter when something is refused.
const SLEEP_MIN: Duration = Duration::from_millis(1);
/// Pages are given back in stretches of this size.
const RELEASE_BYTES: u32 = 256 << 10;

/// Starts the thread; it ends when `stop` is set.
pub(super) fn spawn(common: &Arc<Common>) -> io::Result<JoinHandle<()>> {
    let common = Arc::clone(common);
    let tend = move || {
        block_signals();
        let (mut noted, mut chored) = (None, Stopwatch::start());
        while !common.stop.load(Ordering::Acquire) {
            let sleep = common.round(&mut noted).min(common.do_chore(&mut chored));
            if !sleep.is_zero() {
                std::thread::park_timeout(sleep);
            }
        }
    };
    Builder::new().name("ax-journal".to_owned()).stack_size(STACK_BYTES).spawn(tend)
}

/// The application's signal handlers shall not run on this small stack.
fn block_signals() {
    // SAFETY: calls on a local set, for the calling thread. Faults of its own stay deliverable.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigfillset(&raw mut set);
        for fault in [libc::SIGBUS, libc::SIGSEGV, libc::SIGILL, libc::SIGFPE] {
            libc::sigdelset(&raw mut set, fault);
        }
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
    }
}

impl Common {
    /// Does what there is to do: how long to sleep then.
    fn round(&self, noted: &mut Option<Stopwatch>) -> Duration {
        let note_in = self.tend_drops(noted);
        self.tend_current();
        let more = self.prepare();
        self.finish_retired();
        if more { Duration::ZERO } else { self.sleep().min(note_in) }
    }

    /// Does the chore if it is time: in what time to look again.
    fn do_chore(&self, chored: &mut Stopwatch) -> Duration {
        let Some(chore) = &self.setup.options.chore else { return SLEEP_MAX };
        if chored.elapsed() >= chore.every {
            *chored = Stopwatch::start();
            (chore.work)();
        }
        chore.every.saturating_sub(chored.elapsed()).max(SLEEP_MIN)
    }

    /// Writes changed drop counters: in what time to look again.
    fn tend_drops(&self, noted: &mut Option<Stopwatch>) -> Duration {
        if !self.drops_changed.load(Ordering::Acquire) {
            return SLEEP_MAX;
        }
        let left = noted.map_or(Duration::ZERO, |n| NOTE_EVERY.saturating_sub(n.elapsed()));
        if left.is_zero() {
            *noted = Some(Stopwatch::start());
            self.drops_changed.store(false, Ordering::Release);
            self.write_drops();
        }
        left.max(SLEEP_MIN)
    }

    fn write_drops(&self) {
        let own = {
            let admin = self.lock();
            admin.current.as_ref().map(|current| Arc::clone(&current.own)).or_else(|| admin.last.clone())
        };
        if let Some(own) = own {
            own.note_drops(&self.setup.drops.counts());
        }
    }

    /// Sees to the file that follows.
    fn tend_current(&self) {
        let mut admin = self.lock();
        let Some(current) = admin.current.clone() else {
            if may_try(&admin) {
                self.advance(&mut admin);
            }
            return;
        };
        // Somebody removed it or put another in its place.
        if let Some(standby) = admin.standby.take_if(|standby| standby.own.is_lost(0)) {
            standby.live.close();
            admin.retired.push(standby);
        }
        if current.live.is_closed() {
            self.advance(&mut admin);
        } else if current.own.is_lost(0) {
            current.live.close();
            self.advance(&mut admin);
        } else if current.age.elapsed() >= current.life {
            if current.live.taken() == 0 {
                // Nothing to end. The first event, at whatever time, ends it.
                current.live.call_on_next();
            } else if self.have_standby(&mut admin, FIRST_PIECE_BYTES) {
                current.live.close();
                self.advance(&mut admin);
            }
        }
    }

    fn have_standby(&self, admin: &mut Admin, lead: u32) -> bool {
        if admin.standby.is_none() && may_try(admin) {
            match self.make(admin, lead) {
                Ok(standby) => admin.standby = Some(standby),
                Err(e) => self.refuse(admin, &e),
            }
        }
        admin.standby.is_some()
    }

    /// Prepares a piece if there is less than there should be: whether to look again. What is behind
    /// is given back before, so what is in memory has a bound.
    fn prepare(&self) -> bool {
        let (current, standby) = {
            let admin = self.lock();
            let Some(current) = admin.current.clone() else { return false };
            (current, admin.standby.clone())
        };
        current.walk();
        if !current.live.is_told() {
            return false;
        }
        let lead = current.lead.load(Ordering::Relaxed) / SLOT_BYTES;
        let follows = standby.as_ref().map_or(0, |standby| standby.live.left());
        if current.live.left() + follows >= lead {
            // Woken when a quarter of it is used, for twice as much.
            current.live.arm((current.live.taken() + current.live.left() + follows).saturating_sub(lead / 4 * 3));
            current.lead.store((lead * SLOT_BYTES * 2).min(LEAD_BYTES_MAX), Ordering::Relaxed);
            return false;
        }
        if !current.live.is_last(current.live.room()) {
            return current.extend();
        }
        match standby {
            Some(standby) => standby.extend(),
            // Who fills files fills the next one too.
            None => self.have_standby(&mut self.lock(), LEAD_BYTES_MAX),
        }
    }

    /// Lets complete files go.
    fn finish_retired(&self) {
        let retired = self.lock().retired.clone();
        for open in retired {
            open.walk();
            if open.live.is_complete(open.walked.load(Ordering::Relaxed)) {
                self.finish(&open);
            }
        }
    }

    /// Ends a file in which nobody writes any more.
    fn finish(&self, open: &Arc<Open>) {
        open.own.note_drops(&self.setup.drops.counts());
        let kept = open.own.finish(offset_of(open.live.taken()));
        let _ = open.own.file.unlock();
        let mut admin = self.lock();
        admin.retired.retain(|other| !Arc::ptr_eq(other, open));
        admin.recorded += open.live.events();
        admin.idle.push(Arc::clone(&open.live));
        if kept {
            admin.pending.add_finished(open.own.path.clone());
            if admin.current.is_none() {
                admin.last = Some(Arc::clone(&open.own));
            }
        }
    }

    /// Ends everything. Nobody records and the helper has ended.
    pub(super) fn finish_all(&self) {
        self.write_drops();
        let retired = {
            let admin = &mut *self.lock();
            for open in admin.current.take().into_iter().chain(admin.standby.take()) {
                open.live.close();
                admin.retired.push(open);
            }
            admin.retired.clone()
        };
        retired.iter().for_each(|open| self.finish(open));
    }

    fn sleep(&self) -> Duration {
        let admin = self.lock();
        let retry = admin.refusal.map(|refusal| refusal.left().max(SLEEP_MIN));
        let due = match &admin.current {
            None => retry.unwrap_or(SLEEP_MIN),
            Some(current) => match current.life.saturating_sub(current.age.elapsed()) {
                Duration::ZERO => retry.unwrap_or(SLEEP_MAX),
                left => left,
            },
        };
        let complete = if admin.retired.is_empty() { SLEEP_MAX } else { COMPLETE_EVERY };
        due.min(complete).min(SLEEP_MAX)
    }
}

impl Open {
    /// Makes the next piece of space, with its pages: whether that is possible. A refusal is for the
    /// thread that really needs the space to find out.
    fn extend(&self) -> bool {
        let Extended::To(from, to) = self.live.extend(FIRST_PIECE_BYTES, self.own.raw_fd()) else { return false };
        let _ = self.map.advise_range(Advice::PopulateWrite, from as usize, (to - from) as usize);
        true
    }

    /// Walks on over published frames and gives back the pages behind.
    fn walk(&self) {
        let walked = self.live.published(self.walked.load(Ordering::Relaxed));
        self.walked.store(walked, Ordering::Relaxed);
        let (from, to) = (self.released.load(Ordering::Relaxed), offset_of(walked) / RELEASE_BYTES * RELEASE_BYTES);
        if to > from {
            // SAFETY: the pages of a shared mapping of a file come back from the file when they are
            // touched again; nothing is lost.
            let done = unsafe {
                self.map.unchecked_advise_range(UncheckedAdvice::DontNeed, from as usize, (to - from) as usize)
            };
            if done.is_ok() {
                self.released.store(to, Ordering::Relaxed);
            }
        }
    }
}

fn may_try(admin: &Admin) -> bool {
    admin.refusal.is_none_or(|refusal| refusal.left().is_zero())
}
