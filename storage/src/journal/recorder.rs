//! The recording side: events become frames of this process's own journal.
//!
//! `Recorder` is a pointer to a `Core`. After a fork the child finds that its core belongs to
//! another process, makes one of its own and leaves the inherited one alone for ever: its mutexes
//! may be held by threads that do not exist here, its mappings are not there.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::time::Duration;

use crate::event::{CostSource, Event, NAME_BYTES_MAX, NanoUsd, Outcome, Request, Tokens};
use crate::journal::core::Core;
use crate::journal::fork;
use crate::journal::log::Log;
use crate::journal::names::Known;
use crate::journal::{DropReason, RecorderOptions};
use crate::time::Timestamp;

/// Appends events to journals of this process's own. Cheap to clone, shared by all threads.
#[derive(Clone, Debug)]
pub struct Recorder(Arc<Shared>);

/// A provider, model and user whose look-up is done once.
#[derive(Clone, Debug)]
pub struct Series {
    recorder: Recorder,
    /// The core whose tables know the names.
    core: u64,
    known: Option<(Known, Known)>,
    provider: Box<str>,
    model: Box<str>,
    user: Box<str>,
}

/// A request's own data: what differs from call to call of one series.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measurement<'a> {
    /// When the call ended; `None` = now.
    pub ts: Option<Timestamp>,
    /// Duration of the whole call; `None` = not reported.
    pub latency: Option<Duration>,
    /// Time to the first token; `None` = not reported.
    pub ttft: Option<Duration>,
    /// Token counts.
    pub tokens: Tokens,
    /// What it cost; `None` = from the price list.
    pub cost: Option<NanoUsd>,
    /// Success or the kind of failure.
    pub outcome: Outcome<'a>,
    /// `batch`, `flex` … as the provider names it; may be empty.
    pub service_tier: &'a str,
}

/// How a recorder is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecorderHealth {
    /// Events written.
    pub recorded: u64,
    /// Events dropped, by reason.
    pub dropped: Vec<(DropReason, u64)>,
    /// How often a recording thread had to prepare space itself because the helper was late.
    pub stalls: u64,
}

#[derive(Debug)]
struct Shared {
    options: RecorderOptions,
    /// From `Box::into_raw`; replaced only in a forked child, where the former one is leaked.
    core: AtomicPtr<Core>,
}

impl Recorder {
    /// A recorder with its first file, if the medium lets it make one; else it drops and counts
    /// events, and tries again.
    pub fn open(options: RecorderOptions) -> Self {
        let core = Box::into_raw(Box::new(Core::new(&options)));
        Self(Arc::new(Shared { options, core: AtomicPtr::new(core) }))
    }

    /// Records an event that happened at `ts`; `source` says where a cost that is there comes from.
    /// Never fails: what cannot be written is dropped and counted.
    #[inline]
    pub fn record(&self, event: &Event<'_>, ts: Timestamp, source: CostSource) {
        let core = self.0.core();
        let done = match event {
            Event::Request(r) => core.request(r, ts, source),
            Event::Cache(c) => core.cache(c, ts),
            Event::RateLimit(l) => core.rate(l, ts),
        };
        core.count(done);
    }

    /// Looks up names once for many records.
    pub fn series(&self, provider: &str, model: &str, user: &str) -> Series {
        let core = self.0.core();
        let usable = !provider.is_empty() && [provider, model, user].iter().all(|n| n.len() <= NAME_BYTES_MAX);
        let names = usable.then(|| core.series.get(provider, model).zip(core.users.get(user, ""))).flatten();
        Series {
            recorder: self.clone(),
            core: core.number,
            known: names.map(|(series, user)| (series.known, user.known)),
            provider: provider.into(),
            model: model.into(),
            user: user.into(),
        }
    }

    /// Counts events that cannot be recorded for a reason that only the caller knows.
    pub fn drop_events(&self, reason: DropReason, count: u64) {
        self.0.core().dropped(reason, count);
    }

    /// Counters since it was opened (in a forked child: since its first use there).
    pub fn health(&self) -> RecorderHealth {
        let core = self.0.core();
        RecorderHealth { recorded: core.log.recorded(), dropped: core.drops.list(), stalls: core.log.stalls() }
    }

    /// Makes everything durable that was recorded before. Takes milliseconds.
    ///
    /// # Errors
    /// When the medium refuses. The next call tries again, but a file that was not taken in whole stays
    /// an error until upkeep has sealed its events: the system forgets which of its pages it could not write.
    pub fn flush(&self) -> io::Result<()> {
        self.0.core().log.flush()
    }
}

impl Series {
    /// Records a request that ended at `ts`; `m.ts` is not looked at.
    #[inline]
    pub fn record(&self, m: &Measurement<'_>, ts: Timestamp, source: CostSource) {
        let core = self.recorder.0.core();
        let done = match self.known {
            Some(known) if core.number == self.core => core.measured(known, m, ts, source),
            _ => core.request(&self.request(m), ts, source),
        };
        core.count(done);
    }

    /// The recorder it belongs to.
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// Provider, model and user.
    pub fn names(&self) -> (&str, &str, &str) {
        (&self.provider, &self.model, &self.user)
    }

    fn request<'a>(&'a self, m: &Measurement<'a>) -> Request<'a> {
        Request {
            ts: m.ts,
            provider: &self.provider,
            model: &self.model,
            user: &self.user,
            latency: m.latency,
            ttft: m.ttft,
            tokens: m.tokens,
            cost: m.cost,
            outcome: m.outcome,
            service_tier: m.service_tier,
        }
    }
}

impl Shared {
    #[inline(always)]
    fn core(&self) -> &Core {
        // SAFETY: the pointer came from a box that lives as long as `self`, or for ever.
        let core = unsafe { &*self.core.load(Ordering::Acquire) };
        if core.generation == fork::generation() { core } else { self.renew() }
    }

    /// In a forked child: a core of its own.
    #[cold]
    fn renew(&self) -> &Core {
        let inherited = self.core.load(Ordering::Acquire);
        // SAFETY: as in `core`; only the plain number is read.
        if unsafe { (*inherited).generation } != fork::generation() {
            let fresh = Box::into_raw(Box::new(Core::new(&self.options)));
            let placed = self.core.compare_exchange(inherited, fresh, Ordering::AcqRel, Ordering::Acquire);
            if placed.is_err() {
                // SAFETY: nobody else has seen the pointer. Another thread was first.
                drop(unsafe { Box::from_raw(fresh) });
            }
        }
        // SAFETY: as in `core`.
        unsafe { &*self.core.load(Ordering::Acquire) }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let core = *self.core.get_mut();
        // SAFETY: as in `Shared::core`; only the plain number is read.
        if unsafe { (*core).generation } == fork::generation() {
            // SAFETY: the box was made by `Box::into_raw` and nobody else is left.
            drop(unsafe { Box::from_raw(core) });
        }
    }
}

#[cfg(test)]
mod tests;
