//! The collector's state: time, price, and the way from a medium that refuses to a recorder.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ax_storage::clock::{Clock, Stopwatch, SystemClock};
use ax_storage::event::{CostSource, Event, NanoUsd, Outcome, Request};
use ax_storage::journal::{self, Chore, DropReason, Drops, Measurement, Recorder, RecorderOptions};
use ax_storage::time::{DAY_MS, Timestamp, Zone};
use ax_storage::{OpenError, Store};

use super::{Health, Options};
use crate::pricing::{Entry, LivePrices, Resolved};

/// After a refusal the store is opened again at the earliest after this time, then after twice
/// as long each time.
const RETRY_FIRST_US: u64 = 50_000;
/// And at the latest after this time, if there is something to record.
const RETRY_LONGEST_US: u64 = 5_000_000;

/// How often the store's price file is looked at.
const PRICES_EVERY: Duration = Duration::from_millis(if cfg!(test) { 50 } else { 5000 });

/// What all clones of a collector share.
pub(super) struct Inner {
    dir: PathBuf,
    options: Options,
    /// Empty while the medium refuses the store itself.
    recorder: OnceLock<Recorder>,
    prices: Arc<LivePrices>,
    /// Events dropped while there was no recorder; moved to it when there is.
    early: Drops,
    /// Since the collector was made; the retry times count from it.
    watch: Stopwatch,
    retry: Retry,
}

/// When to try again, without a lock: whoever moves `next_us` on makes the attempt.
#[derive(Default)]
struct Retry {
    next_us: AtomicU64,
    delay_us: AtomicU64,
    /// The newest refusal, as its place in `DropReason::ALL`.
    reason: AtomicU64,
}

impl Inner {
    pub(super) fn open(dir: &Path, options: Options) -> Result<Self, OpenError> {
        let inner = Self {
            dir: dir.to_owned(),
            options,
            recorder: OnceLock::new(),
            prices: Arc::new(LivePrices::open(dir)),
            early: Drops::default(),
            watch: Stopwatch::start(),
            retry: Retry::default(),
        };
        match inner.open_store() {
            Ok(recorder) => {
                let _ = inner.recorder.set(recorder);
            }
            Err(OpenError::Io { cause, .. }) if is_refusal(&cause) => inner.refused(DropReason::of(&cause)),
            Err(wrong) => return Err(wrong),
        }
        Ok(inner)
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    #[inline]
    pub(super) fn record(&self, event: &Event<'_>) {
        let Some(recorder) = self.recorder.get().or_else(|| self.reopen()) else { return self.dropped() };
        let given = match event {
            Event::Request(r) => r.ts,
            Event::Cache(c) => c.ts,
            Event::RateLimit(l) => l.ts,
        };
        let ts = match self.moment(given) {
            Ok(ts) => ts,
            Err(reason) => return recorder.drop_events(reason, 1),
        };
        if let Event::Request(r) = event
            && r.cost.is_none()
        {
            let cost = self.prices.with(r.provider, r.model, |prices| price(prices, &measurement(r), ts));
            return recorder.record(&Event::Request(Request { cost, ..*r }), ts, CostSource::Computed);
        }
        recorder.record(event, ts, CostSource::Recorded);
    }

    /// `prices` are those of the series.
    #[inline]
    pub(super) fn record_series(&self, series: &journal::Series, prices: &Entry, m: &Measurement<'_>) {
        let ts = match self.moment(m.ts) {
            Ok(ts) => ts,
            Err(reason) => return series.recorder().drop_events(reason, 1),
        };
        if m.cost.is_none() {
            let cost = price(prices.prices(), m, ts);
            return series.record(&Measurement { cost, ..*m }, ts, CostSource::Computed);
        }
        series.record(m, ts, CostSource::Recorded);
    }

    pub(super) fn cost_of(&self, r: &Request<'_>) -> Option<NanoUsd> {
        let ts = self.moment(r.ts).ok()?;
        self.prices.with(r.provider, r.model, |prices| price(prices, &measurement(r), ts))
    }

    /// The prices of a model, to keep.
    pub(super) fn prices(&self, provider: &str, model: &str) -> Arc<Entry> {
        self.prices.entry(provider, model)
    }

    /// The recorder, if the medium has ever let us have one.
    pub(super) fn recorder(&self) -> Option<&Recorder> {
        self.recorder.get()
    }

    pub(super) fn health(&self) -> Health {
        match self.recorder.get() {
            Some(recorder) => {
                let health = recorder.health();
                Health { recorded: health.recorded, dropped_by_reason: health.dropped, stalls: health.stalls }
            }
            None => Health { dropped_by_reason: self.early.list(), ..Health::default() },
        }
    }

    pub(super) fn flush(&self) -> io::Result<()> {
        self.recorder.get().map_or(Ok(()), Recorder::flush)
    }

    #[inline(always)]
    fn now(&self) -> Timestamp {
        match &self.options.clock {
            None => SystemClock.now(),
            Some(clock) => clock.now(),
        }
    }

    /// When the event happened.
    #[inline(always)]
    fn moment(&self, given: Option<Timestamp>) -> Result<Timestamp, DropReason> {
        let now = self.now();
        match given {
            None if now >= Timestamp::YEAR_2000 => Ok(now),
            None => Err(DropReason::Clock),
            Some(ts) if ts >= Timestamp::YEAR_2000 && ts <= now.plus_ms(DAY_MS) => Ok(ts),
            Some(_) => Err(DropReason::Invalid),
        }
    }

    fn open_store(&self) -> Result<Recorder, OpenError> {
        let zone = self.options.zone.clone().unwrap_or_else(Zone::local);
        let store = Store::open_or_create(&self.dir, &zone, self.now())?;
        let options = RecorderOptions::new(store.paths().journal_dir(), store.uuid());
        let prices = Arc::clone(&self.prices);
        let work = move || {
            prices.refresh();
        };
        let chore = Some(Arc::new(Chore { every: PRICES_EVERY, work: Box::new(work) }));
        let options = RecorderOptions { kind: self.options.journal, chore, ..options };
        let options = match &self.options.clock {
            Some(clock) => RecorderOptions { clock: clock.clone(), ..options },
            None => options,
        };
        Ok(Recorder::open(options))
    }

    /// Tries again to get a recorder when it is time.
    #[cold]
    fn reopen(&self) -> Option<&Recorder> {
        let (now_us, next_us) = (self.elapsed_us(), self.retry.next_us.load(Ordering::Relaxed));
        let mine = now_us >= next_us
            && self
                .retry
                .next_us
                .compare_exchange(next_us, now_us + RETRY_LONGEST_US, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if !mine {
            return self.recorder.get();
        }
        match self.open_store() {
            Ok(recorder) => {
                for (reason, count) in self.early.list() {
                    recorder.drop_events(reason, count);
                }
                Some(self.recorder.get_or_init(|| recorder))
            }
            Err(OpenError::Io { cause, .. }) => {
                self.refused(DropReason::of(&cause));
                None
            }
            // Somebody has put another thing in its place meanwhile.
            Err(_) => {
                self.refused(DropReason::Io);
                None
            }
        }
    }

    fn refused(&self, reason: DropReason) {
        let delay_us = (self.retry.delay_us.load(Ordering::Relaxed) * 2).clamp(RETRY_FIRST_US, RETRY_LONGEST_US);
        self.retry.delay_us.store(delay_us, Ordering::Relaxed);
        self.retry.reason.store(reason as u64, Ordering::Relaxed);
        self.retry.next_us.store(self.elapsed_us() + delay_us, Ordering::Relaxed);
    }

    #[cold]
    fn dropped(&self) {
        let place = usize::try_from(self.retry.reason.load(Ordering::Relaxed)).unwrap_or(0);
        self.early.add(DropReason::ALL.get(place).copied().unwrap_or(DropReason::Io), 1);
    }

    fn elapsed_us(&self) -> u64 {
        u64::try_from(self.watch.elapsed().as_micros()).unwrap_or(u64::MAX / 2)
    }
}

/// The medium has an error: the number is the same on every system that Rust knows.
const EIO: i32 = 5;

/// Whether the medium may let us later. Anything else is a wrong path.
fn is_refusal(cause: &io::Error) -> bool {
    DropReason::of(cause) != DropReason::Io || matches!(cause.raw_os_error(), Some(EIO))
}

#[inline]
fn price(prices: &Resolved, m: &Measurement<'_>, ts: Timestamp) -> Option<NanoUsd> {
    prices.cost(ts, &m.tokens, m.service_tier, m.outcome != Outcome::Ok)
}

fn measurement<'a>(r: &Request<'a>) -> Measurement<'a> {
    Measurement {
        ts: r.ts,
        latency: r.latency,
        ttft: r.ttft,
        tokens: r.tokens,
        cost: r.cost,
        outcome: r.outcome,
        service_tier: r.service_tier,
    }
}
