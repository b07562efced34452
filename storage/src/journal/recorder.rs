//! The recording side: events become frames of this process's own journal.
//!
//! `Recorder` is a pointer to a `Core`. After a fork the child finds that its core belongs to
//! another process, makes one of its own and leaves the inherited one alone for ever: its mutexes
//! may be held by threads that do not exist here, its mappings are not there.

use std::io;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, TryLockError};
use std::time::Duration;

use crate::event::{
    COST_NANOS_MAX, Cache, CostSource, Event, LATENCY_US_MAX, NAME_BYTES_MAX, NanoUsd, Outcome, RateLimit, Request,
    Tokens,
};
use crate::journal::file::can_be_mapped;
use crate::journal::fork;
use crate::journal::frame::{Buffer, Class, RequestNumbers, Who, compact};
use crate::journal::log::{Log, Refused, Setup};
use crate::journal::mapped::Mapped;
use crate::journal::names::{Entry, SERIES_MAX, Table, USERS_MAX, WORDS_MAX};
use crate::journal::written::Written;
use crate::journal::{DropReason, Drops, JournalKind, RecorderOptions};
use crate::row::Maybe;
use crate::time::Timestamp;

/// How often an event is tried again because the next file began under it.
const TRIES_MAX: u32 = 32;

/// Appends events to journals of this process's own. Cheap to clone, shared by all threads.
#[derive(Clone, Debug)]
pub struct Recorder(Arc<Shared>);

/// A provider, model and user whose look-up is done once.
#[derive(Clone, Debug)]
pub struct Series {
    recorder: Recorder,
    /// The core that the entries belong to.
    core: u64,
    entries: Option<(Arc<Entry>, Arc<Entry>)>,
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

#[derive(Debug)]
struct Core {
    /// The process it belongs to.
    generation: u32,
    /// Unique in this process and its forks.
    number: u64,
    log: AnyLog,
    drops: Arc<Drops>,
    series: Table,
    users: Table,
    words: Table,
    naming: Mutex<Naming>,
}

/// The newest name frame.
#[derive(Debug, Default)]
struct Naming {
    sequence: u32,
    offset: u32,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one a recorder, and a box would be one more hop a record")]
enum AnyLog {
    Mapped(Mapped),
    Written(Written),
}

impl AnyLog {
    fn new(setup: Setup) -> Self {
        let mapped = match setup.options.kind {
            JournalKind::Auto => can_be_mapped(&setup.options.journal_dir),
            kind => kind == JournalKind::Mapped,
        };
        let setup = if mapped { Mapped::new(setup).map(Self::Mapped) } else { Err(setup) };
        setup.unwrap_or_else(|setup| Self::Written(Written::new(setup)))
    }
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
        let entries = usable.then(|| core.series.get(provider, model).zip(core.users.get(user, ""))).flatten();
        Series {
            recorder: self.clone(),
            core: core.number,
            entries: entries.map(|(series, user)| (Arc::clone(series), Arc::clone(user))),
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
    /// When the medium refuses; the next call tries again.
    pub fn flush(&self) -> io::Result<()> {
        self.0.core().log.flush()
    }
}

impl Series {
    /// Records a request that ended at `ts`; `m.ts` is not looked at.
    #[inline]
    pub fn record(&self, m: &Measurement<'_>, ts: Timestamp, source: CostSource) {
        let core = self.recorder.0.core();
        let done = match &self.entries {
            Some((series, user)) if core.number == self.core => core.measured((series, user), m, ts, source),
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

/// Why names could not be announced.
enum Unannounced {
    /// The event should carry its names itself.
    Busy,
    Refused(Refused),
}

impl From<Refused> for Unannounced {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl Core {
    fn new(options: &RecorderOptions) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        fork::watch();
        let drops = Arc::new(Drops::default());
        // Without random bits two recorders of one moment could only collide in a file's name,
        // and then the second is refused.
        let now = options.clock.now().millis();
        let recorder =
            crate::identity::random_u128().unwrap_or_else(|_| u128::from(now) << 64 | u128::from(std::process::id()));
        let setup = Setup { options: options.clone(), recorder, drops: Arc::clone(&drops) };
        let _ = crate::fs::create_dir(&options.journal_dir);
        Self {
            generation: fork::generation(),
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
            log: AnyLog::new(setup),
            drops,
            series: Table::new(Class::Series, SERIES_MAX),
            users: Table::new(Class::User, USERS_MAX),
            words: Table::new(Class::Word, WORDS_MAX),
            naming: Mutex::default(),
        }
    }

    #[inline(always)]
    fn count(&self, done: Result<(), DropReason>) {
        if let Err(reason) = done {
            self.dropped(reason, 1);
        }
    }

    #[cold]
    fn dropped(&self, reason: DropReason, count: u64) {
        self.drops.add(reason, count);
        self.log.note_drops();
    }

    fn request(&self, r: &Request<'_>, ts: Timestamp, source: CostSource) -> Result<(), DropReason> {
        if r.provider.is_empty() || too_long(r.provider) || too_long(r.model) || too_long(r.user) {
            return Err(DropReason::Invalid);
        }
        let m = Measurement {
            ts: None,
            latency: r.latency,
            ttft: r.ttft,
            tokens: r.tokens,
            cost: r.cost,
            outcome: r.outcome,
            service_tier: r.service_tier,
        };
        match self.series.get(r.provider, r.model).zip(self.users.get(r.user, "")) {
            Some((series, user)) => self.measured((series, user), &m, ts, source),
            None => self.wide((r.provider, r.model, r.user), &m, ts, &numbers(&m, source)?),
        }
    }

    /// A request whose names have numbers.
    #[inline(always)]
    fn measured(
        &self,
        (series, user): (&Entry, &Entry),
        m: &Measurement<'_>,
        ts: Timestamp,
        source: CostSource,
    ) -> Result<(), DropReason> {
        let numbers = numbers(m, source)?;
        let error = match m.outcome {
            Outcome::Ok | Outcome::Error("") => None,
            Outcome::Error(kind) => Some(kind),
        };
        if error.is_some() || !m.service_tier.is_empty() {
            return self.worded((series, user), m, ts, &numbers);
        }
        if let Some(words) = compact(ts, (series.id, user.id), (0, 0), &numbers) {
            let sequence = self.log.sequence();
            if series.is_announced(sequence)
                && user.is_announced(sequence)
                && self.log.append_slot(sequence, &words).is_ok()
            {
                return Ok(());
            }
        }
        self.worded((series, user), m, ts, &numbers)
    }

    /// A request with an error or a service tier, or one that found its names not announced or
    /// the file full.
    #[inline(never)]
    fn worded(
        &self,
        (series, user): (&Entry, &Entry),
        m: &Measurement<'_>,
        ts: Timestamp,
        numbers: &RequestNumbers,
    ) -> Result<(), DropReason> {
        let (error, tier) = (error_of(m), m.service_tier);
        let word = |text: &str| if text.is_empty() { Some(None) } else { self.words.get(text, "").map(Some) };
        let id = |entry: Option<&Arc<Entry>>| entry.map_or(Some(0), |e| u16::try_from(e.id).ok());
        if let Some((error, tier)) = word(error).zip(word(tier))
            && let Some(ids) = id(error).zip(id(tier))
            && let Some(words) = compact(ts, (series.id, user.id), ids, numbers)
        {
            let entries = [Some(series), Some(user), error.map(|e| &**e), tier.map(|e| &**e)];
            match self.publish(&entries, |sequence| self.log.append_slot(sequence, &words)) {
                Err(Unannounced::Busy) => {}
                done => return settle(done),
            }
        }
        let ((provider, model), user) = (series.parts(), user.parts().0);
        self.wide((provider, model, user), m, ts, numbers)
    }

    /// A request with its names in the frame.
    #[cold]
    fn wide(
        &self,
        (provider, model, user): (&str, &str, &str),
        m: &Measurement<'_>,
        ts: Timestamp,
        numbers: &RequestNumbers,
    ) -> Result<(), DropReason> {
        let frame = Buffer::wide(ts, Who::Names { provider, model, user }, error_of(m), m.service_tier, numbers);
        self.publish_frame(&[], &frame)
    }

    fn cache(&self, c: &Cache<'_>, ts: Timestamp) -> Result<(), DropReason> {
        Event::Cache(*c).check().map_err(|_| DropReason::Invalid)?;
        let saved = (c.saved_cost.map(NanoUsd::nanos).into(), c.saved_tokens.into());
        self.event((c.provider, c.model, c.user), |who| Buffer::cache(ts, who, c.hit, saved, c.ttl_s.into(), c.key))
    }

    fn rate(&self, l: &RateLimit<'_>, ts: Timestamp) -> Result<(), DropReason> {
        Event::RateLimit(*l).check().map_err(|_| DropReason::Invalid)?;
        let state = (l.remaining.into(), l.limit.into());
        self.event((l.provider, l.model, l.user), |who| Buffer::rate(ts, who, l.allowed, state, (l.key, l.limit_type)))
    }

    /// An event of several slots, by ids if they can be had.
    fn event(
        &self,
        (provider, model, user): (&str, &str, &str),
        frame: impl Fn(Who<'_>) -> Buffer,
    ) -> Result<(), DropReason> {
        if let Some((s, u)) = self.series.get(provider, model).zip(self.users.get(user, "")) {
            let frame = frame(Who::Ids { series: s.id, user: u.id });
            match self.publish(&[Some(s), Some(u)], |sequence| self.append(sequence, &frame)) {
                Err(Unannounced::Busy) => {}
                done => return settle(done),
            }
        }
        self.publish_frame(&[], &frame(Who::Names { provider, model, user }))
    }

    fn publish_frame(&self, entries: &[Option<&Entry>], frame: &Buffer) -> Result<(), DropReason> {
        settle(self.publish(entries, |sequence| self.append(sequence, frame)))
    }

    fn append(&self, sequence: u32, frame: &Buffer) -> Result<(), Refused> {
        self.log.append(sequence, frame.payload(), false).map(|_| ())
    }

    /// Appends to one file after the names stand in it.
    fn publish(
        &self,
        entries: &[Option<&Entry>],
        append: impl Fn(u32) -> Result<(), Refused>,
    ) -> Result<(), Unannounced> {
        for _ in 0..TRIES_MAX {
            let sequence = self.log.sequence();
            let mut missing = entries.iter().flatten().filter(|e| !e.is_announced(sequence));
            let done = missing
                .try_for_each(|entry| self.announce(entry, sequence))
                .and_then(|()| append(sequence).map_err(Unannounced::from));
            match done {
                Err(Unannounced::Refused(Refused::Rolled)) => {}
                done => return done,
            }
        }
        Err(Refused::Dropped(DropReason::Stalled).into())
    }

    /// Publishes an entry's name frame in file `sequence`.
    #[cold]
    fn announce(&self, entry: &Entry, sequence: u32) -> Result<(), Unannounced> {
        let mut naming = match self.naming.try_lock() {
            Ok(naming) => naming,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(Unannounced::Busy),
        };
        if entry.is_announced(sequence) {
            return Ok(());
        }
        let previous = if naming.sequence == sequence { naming.offset } else { 0 };
        let (a, b) = entry.parts();
        let frame = Buffer::name(entry.class, entry.id, previous, a, b);
        let offset = self.log.append(sequence, frame.payload(), true)?;
        *naming = Naming { sequence, offset };
        entry.set_announced(sequence);
        Ok(())
    }
}

fn settle(done: Result<(), Unannounced>) -> Result<(), DropReason> {
    match done {
        Ok(()) => Ok(()),
        Err(Unannounced::Refused(Refused::Dropped(reason))) => Err(reason),
        // The callers have gone another way before.
        Err(Unannounced::Busy | Unannounced::Refused(Refused::Rolled)) => Err(DropReason::Stalled),
    }
}

fn error_of<'a>(m: &Measurement<'a>) -> &'a str {
    match m.outcome {
        Outcome::Ok => "",
        Outcome::Error(kind) => kind,
    }
}

#[inline(always)]
fn too_long(name: &str) -> bool {
    name.len() > NAME_BYTES_MAX
}

/// The numbers of a request, checked.
#[inline(always)]
fn numbers(m: &Measurement<'_>, source: CostSource) -> Result<RequestNumbers, DropReason> {
    let t = &m.tokens;
    let cost_nanos = m.cost.map_or(0, NanoUsd::nanos);
    if too_long(error_of(m)) || too_long(m.service_tier) || t.check().is_err() || cost_nanos > COST_NANOS_MAX {
        return Err(DropReason::Invalid);
    }
    Ok(RequestNumbers {
        ok: matches!(m.outcome, Outcome::Ok),
        latency_us: micros(m.latency)?,
        ttft_us: micros(m.ttft)?,
        tokens: *t,
        cost_nanos,
        cost_source: if m.cost.is_some() { source } else { CostSource::Unpriced },
    })
}

#[inline(always)]
fn micros(duration: Option<Duration>) -> Result<Maybe, DropReason> {
    let Some(d) = duration else { return Ok(Maybe::NONE) };
    // The seconds are compared first, so that the product cannot overflow.
    if d.as_secs() > LATENCY_US_MAX / 1_000_000 {
        return Err(DropReason::Invalid);
    }
    let us = d.as_secs() * 1_000_000 + u64::from(d.subsec_micros());
    if us > LATENCY_US_MAX { Err(DropReason::Invalid) } else { Ok(Maybe::some(us)) }
}

impl Log for AnyLog {
    #[inline(always)]
    fn sequence(&self) -> u32 {
        match self {
            Self::Mapped(log) => log.sequence(),
            Self::Written(log) => log.sequence(),
        }
    }

    #[inline(always)]
    fn append_slot(&self, sequence: u32, words: &[u64; 7]) -> Result<(), Refused> {
        match self {
            Self::Mapped(log) => log.append_slot(sequence, words),
            Self::Written(log) => log.append_slot(sequence, words),
        }
    }

    fn append(&self, sequence: u32, payload: &[u8], name: bool) -> Result<u32, Refused> {
        match self {
            Self::Mapped(log) => log.append(sequence, payload, name),
            Self::Written(log) => log.append(sequence, payload, name),
        }
    }

    fn flush(&self) -> io::Result<()> {
        match self {
            Self::Mapped(log) => log.flush(),
            Self::Written(log) => log.flush(),
        }
    }

    fn note_drops(&self) {
        match self {
            Self::Mapped(log) => log.note_drops(),
            Self::Written(log) => log.note_drops(),
        }
    }

    fn recorded(&self) -> u64 {
        match self {
            Self::Mapped(log) => log.recorded(),
            Self::Written(log) => log.recorded(),
        }
    }

    fn stalls(&self) -> u64 {
        match self {
            Self::Mapped(log) => log.stalls(),
            Self::Written(log) => log.stalls(),
        }
    }
}

#[cfg(test)]
mod tests;
