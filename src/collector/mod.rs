//! What an application records with: tens of nanoseconds an event, no server, no failure.
//!
//! ```no_run
//! use std::time::Duration;
//! use ax_monitor::collector::{Collector, Event, Outcome, Request, Tokens};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let collector = Collector::open("/var/lib/my-app/ax")?;
//! collector.record(&Event::Request(Request {
//!     provider: "claude",
//!     model: "claude-sonnet-4-5",
//!     user: "alice",
//!     latency: Some(Duration::from_millis(850)),
//!     tokens: Tokens { input: 1200, output: 300, ..Default::default() },
//!     ..Default::default()
//! }));
//!
//! let call = collector.start("claude", "claude-sonnet-4-5"); // times the call
//! call.first_token();
//! call.tokens(Tokens { input: 1200, output: 300, ..Default::default() });
//! call.error("rate_limited"); // or call.ok(); dropped unfinished it is an error `abandoned`
//! # Ok(()) }
//! ```
//!
//! Recording takes no lock, allocates nothing and makes no system call once names are known and
//! space is prepared; a helper thread prepares space ahead, and is woken a few times in every
//! 65,000 events. What cannot be written is dropped and counted: [`Collector::health`] and
//! `ax monitor status` show it.

mod call;
mod inner;
mod series;

use std::io;
use std::path::Path;
use std::sync::Arc;

pub use ax_storage::OpenError;
pub use ax_storage::event::{Cache, Event, NanoUsd, Outcome, RateLimit, Request, Tokens};
pub use ax_storage::journal::{DropReason, JournalKind, Measurement};
pub use ax_storage::time::{Timestamp, Zone};

use ax_storage::clock::Clock;

pub use call::Call;
use inner::Inner;
pub use series::Series;

/// How a collector works. The defaults are right unless there is a reason.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Options {
    /// Mapped or written journals; by default as the file system allows.
    pub journal: JournalKind,
    /// Zone whose midnights cut the days of a store that is made here, by default this machine's.
    /// A store that exists keeps its own.
    pub zone: Option<Zone>,
    /// Where the time comes from, for tests; by default the system's clock.
    pub clock: Option<Arc<dyn Clock>>,
}

/// How recording is going.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// Events written.
    pub recorded: u64,
    /// Events dropped, by reason.
    pub dropped_by_reason: Vec<(DropReason, u64)>,
    /// How often a recording thread had to prepare space itself.
    pub stalls: u64,
}

/// Records events into a store. Cheap to clone; all clones and threads share one journal.
///
/// Dropping the last clone finishes the journal; a process that ends or is killed without doing so
/// loses nothing that was recorded.
#[derive(Clone)]
pub struct Collector(Option<Arc<Inner>>);

impl Collector {
    /// A collector for the store in `dir`, which is made if there is nothing yet.
    ///
    /// When the medium refuses (full, read-only, no file handles left) it is given all the same:
    /// it drops and counts events and tries again, ever more rarely.
    ///
    /// # Errors
    /// When `dir` cannot be a store: it is a file, holds other things, is damaged, or was made by a
    /// newer version.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::open_with(dir, Options::default())
    }

    /// The same with options.
    ///
    /// # Errors
    /// As [`Collector::open`].
    pub fn open_with(dir: impl AsRef<Path>, options: Options) -> Result<Self, OpenError> {
        Inner::open(dir.as_ref(), options).map(|inner| Self(Some(Arc::new(inner))))
    }

    /// A collector that does nothing, for configurations without monitoring.
    pub const fn disabled() -> Self {
        Self(None)
    }

    /// Whether it is not [`Collector::disabled`].
    pub fn is_enabled(&self) -> bool {
        self.0.is_some()
    }

    /// Records an event. Never fails, never waits.
    ///
    /// Without `ts` it happened now. A request without `cost` is priced by the store's price lists (see
    /// [`crate::pricing`]), or stays unpriced: when they do not know its model or service tier, or when it
    /// did not fail and brings no tokens. An event that breaks a rule (see [`Event::check`]), or whose `ts` is before
    /// 2000 or more than a day ahead, is dropped and counted as invalid.
    #[inline]
    pub fn record(&self, event: &Event<'_>) {
        if let Some(inner) = &self.0 {
            inner.record(event);
        }
    }

    /// What a request costs that happens at its `ts`, or now: what it says, else by the store's price
    /// lists; `None` = unpriced, or the collector is disabled.
    pub fn cost_of(&self, request: &Request<'_>) -> Option<NanoUsd> {
        request.cost.or_else(|| self.0.as_ref()?.cost_of(request))
    }

    /// Looks names up once, for calls that are recorded often. At least one name is copied, so
    /// make series once and keep them.
    pub fn series(&self, provider: &str, model: &str, user: &str) -> Series {
        Series::new(self.0.as_ref(), provider, model, user)
    }

    /// Starts timing a call. The guard records it when it ends; see [`Call`].
    pub fn start<'a>(&self, provider: &'a str, model: &'a str) -> Call<'a> {
        Call::new(self.clone(), provider, model)
    }

    /// Counters since it was opened; in a forked child since it first recorded there.
    pub fn health(&self) -> Health {
        self.0.as_ref().map(|inner| inner.health()).unwrap_or_default()
    }

    /// Makes everything durable on the medium that was recorded before: it then survives a power
    /// loss. (Without it recorded events survive the end of the process, not that of the machine.)
    /// Takes milliseconds.
    ///
    /// # Errors
    /// When the medium refuses. The next call tries again.
    pub fn flush(&self) -> io::Result<()> {
        self.0.as_ref().map_or(Ok(()), |inner| inner.flush())
    }
}

impl std::fmt::Debug for Collector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Collector").field("dir", &self.0.as_ref().map(|inner| inner.dir())).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
