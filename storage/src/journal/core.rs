//! What a recorder of one process is made of, and the ways an event takes into the journal.
//!
//! The usual request goes straight: names are found, seven words computed, a slot reserved and
//! published. Whatever stands in its way (names that are new or not announced in this file, a file
//! that is full, an error, a service tier, large numbers) sends it the long way round, which may
//! wait and never loses it silently.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, TryLockError};

use crate::event::{Cache, CostSource, Event, NanoUsd, RateLimit, Request};
use crate::journal::file::can_be_mapped;
use crate::journal::fork;
use crate::journal::frame::{Buffer, Class, RequestNumbers, Who, compact};
use crate::journal::log::{Log, Refused, Setup};
use crate::journal::mapped::Mapped;
use crate::journal::names::{Known, Name, SERIES_MAX, Table, USERS_MAX, WORDS_MAX};
use crate::journal::usual::{Given, error_of, numbers, too_long};
use crate::journal::written::Written;
use crate::journal::{DropReason, Drops, JournalKind, Measurement, RecorderOptions};
use crate::time::Timestamp;

/// How often an event is tried again because the next file began under it.
const TRIES_MAX: u32 = 32;

#[derive(Debug)]
pub(super) struct Core {
    /// The process it belongs to.
    pub(super) generation: u32,
    /// Unique in this process and its forks.
    pub(super) number: u64,
    pub(super) log: AnyLog,
    pub(super) drops: Arc<Drops>,
    pub(super) series: Table,
    pub(super) users: Table,
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
pub(super) enum AnyLog {
    Mapped(Mapped),
    Written(Written),
}

impl AnyLog {
    fn new(setup: Setup) -> Self {
        let mapped = match setup.options.kind {
            JournalKind::Auto => can_be_mapped(&setup.options.journal_dir),
            kind => kind == JournalKind::Mapped,
        };
        let mapped = mapped.then(|| Mapped::new(setup.clone())).flatten();
        mapped.map_or_else(|| Self::Written(Written::new(setup)), Self::Mapped)
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
    pub(super) fn new(options: &RecorderOptions) -> Self {
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
    pub(super) fn count(&self, done: Result<(), DropReason>) {
        if let Err(reason) = done {
            self.dropped(reason, 1);
        }
    }

    #[cold]
    pub(super) fn dropped(&self, reason: DropReason, count: u64) {
        self.drops.add(reason, count);
        self.log.note_drops();
    }

    #[inline(always)]
    pub(super) fn request(&self, r: &Request<'_>, ts: Timestamp, source: CostSource) -> Result<(), DropReason> {
        let given = Given {
            latency: r.latency,
            ttft: r.ttft,
            tokens: &r.tokens,
            cost: r.cost,
            outcome: r.outcome,
            service_tier: r.service_tier,
        };
        if !r.provider.is_empty()
            && let Some(series) = self.series.find(r.provider, r.model)
            && let Some(user) = self.users.find(r.user, "")
            && self.usual((series, user), given, ts, source)
        {
            return Ok(());
        }
        self.unusual(r, ts, source)
    }

    /// A measurement of a series whose names have numbers.
    #[inline(always)]
    pub(super) fn measured(
        &self,
        (series, user): (Known, Known),
        m: &Measurement<'_>,
        ts: Timestamp,
        source: CostSource,
    ) -> Result<(), DropReason> {
        let names = (self.series.name(series), self.users.name(user));
        if self.usual(names, Given::of(m), ts, source) { Ok(()) } else { self.worded(names, m, ts, source) }
    }

    /// The straight way; false when something stands in it.
    #[inline(always)]
    fn usual(&self, (series, user): (Name<'_>, Name<'_>), given: Given<'_>, ts: Timestamp, source: CostSource) -> bool {
        let Some(words) = given.words(ts, (series.id(), user.id()), source) else { return false };
        let sequence = self.log.sequence();
        series.is_announced(sequence) && user.is_announced(sequence) && self.log.append_slot(sequence, &words).is_ok()
    }

    /// A request that cannot go straight.
    #[inline(never)]
    fn unusual(&self, r: &Request<'_>, ts: Timestamp, source: CostSource) -> Result<(), DropReason> {
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
            Some(names) => self.worded(names, &m, ts, source),
            None => self.wide((r.provider, r.model, r.user), &m, ts, &numbers(&m, source)?),
        }
    }

    /// A request with an error or a service tier, or one that found its names not announced or
    /// the file full.
    #[inline(never)]
    fn worded(
        &self,
        (series, user): (Name<'_>, Name<'_>),
        m: &Measurement<'_>,
        ts: Timestamp,
        source: CostSource,
    ) -> Result<(), DropReason> {
        let numbers = numbers(m, source)?;
        let word = |text: &str| if text.is_empty() { Some(None) } else { self.words.get(text, "").map(Some) };
        let id = |name: Option<Name<'_>>| name.map_or(Some(0), |n| u16::try_from(n.id()).ok());
        if let Some((error, tier)) = word(error_of(m)).zip(word(m.service_tier))
            && let Some(ids) = id(error).zip(id(tier))
            && let Some(words) = compact(ts, (series.id(), user.id()), ids, &numbers)
        {
            let names = [Some(series), Some(user), error, tier];
            match self.publish(&names, |sequence| self.log.append_slot(sequence, &words)) {
                Err(Unannounced::Busy) => {}
                done => return settle(done),
            }
        }
        series.with_parts(|provider, model| {
            user.with_parts(|user, _| self.wide((provider, model, user), m, ts, &numbers))
        })
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
        self.publish_frame(&frame)
    }

    pub(super) fn cache(&self, c: &Cache<'_>, ts: Timestamp) -> Result<(), DropReason> {
        Event::Cache(*c).check().map_err(|_| DropReason::Invalid)?;
        let saved = (c.saved_cost.map(NanoUsd::nanos).into(), c.saved_tokens.into());
        self.event((c.provider, c.model, c.user), |who| Buffer::cache(ts, who, c.hit, saved, c.ttl_s.into(), c.key))
    }

    pub(super) fn rate(&self, l: &RateLimit<'_>, ts: Timestamp) -> Result<(), DropReason> {
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
            let frame = frame(Who::Ids { series: s.id(), user: u.id() });
            match self.publish(&[Some(s), Some(u)], |sequence| self.append(sequence, &frame)) {
                Err(Unannounced::Busy) => {}
                done => return settle(done),
            }
        }
        self.publish_frame(&frame(Who::Names { provider, model, user }))
    }

    fn publish_frame(&self, frame: &Buffer) -> Result<(), DropReason> {
        settle(self.publish(&[], |sequence| self.append(sequence, frame)))
    }

    fn append(&self, sequence: u32, frame: &Buffer) -> Result<(), Refused> {
        self.log.append(sequence, frame.payload(), false).map(|_| ())
    }

    /// Appends to one file after the names stand in it.
    fn publish(
        &self,
        names: &[Option<Name<'_>>],
        append: impl Fn(u32) -> Result<(), Refused>,
    ) -> Result<(), Unannounced> {
        for _ in 0..TRIES_MAX {
            let sequence = self.log.sequence();
            let mut missing = names.iter().flatten().filter(|name| !name.is_announced(sequence));
            let done = missing
                .try_for_each(|name| self.announce(name, sequence))
                .and_then(|()| append(sequence).map_err(Unannounced::from));
            match done {
                Err(Unannounced::Refused(Refused::Rolled)) => {}
                done => return done,
            }
        }
        Err(Refused::Dropped(DropReason::Stalled).into())
    }

    /// Publishes a name's frame in file `sequence`.
    #[cold]
    fn announce(&self, name: &Name<'_>, sequence: u32) -> Result<(), Unannounced> {
        let mut naming = match self.naming.try_lock() {
            Ok(naming) => naming,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(Unannounced::Busy),
        };
        if name.is_announced(sequence) {
            return Ok(());
        }
        let previous = if naming.sequence == sequence { naming.offset } else { 0 };
        let frame = name.with_parts(|a, b| Buffer::name(name.class(), name.id(), previous, a, b));
        let offset = self.log.append(sequence, frame.payload(), true)?;
        *naming = Naming { sequence, offset };
        name.set_announced(sequence);
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
