//! `Monitor`: a thread of the application's own that runs the upkeep pass each minute and, with the
//! feature `notify`, delivers what alerts say.

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use ax_storage::clock::{Clock, SystemClock};
use ax_storage::time::{MINUTE_MS, Timestamp, Zone};
use ax_storage::{OpenError, Store, TickReport};

use super::{Config, When, pass};
use crate::alerts;

/// Minutes are judged five seconds after their end, at the earliest.
const AFTER_MINUTE_MS: u64 = 6_000;

/// How a [`Monitor`] works.
#[derive(Clone)]
pub struct Options {
    /// Time between two passes; a minute unless said otherwise.
    pub every: Duration,
    /// Zone whose midnights cut the days of a store that is made here; `None` = the system's. A store
    /// that exists keeps its own.
    pub zone: Option<Zone>,
    /// What passes judge by.
    pub config: Config,
    /// Where alerts go; what is for other channels waits for another process.
    #[cfg(feature = "notify")]
    pub channels: Vec<alerts::notify::Channel>,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            every: Duration::from_secs(60),
            zone: None,
            config: Config::default(),
            #[cfg(feature = "notify")]
            channels: Vec::new(),
            clock: Arc::new(SystemClock),
        }
    }
}

/// What the passes so far came to.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// Passes run by this monitor; those that another process ran in time are not among them.
    pub passes: u64,
    /// What the last one did.
    pub last: Option<TickReport>,
    /// What judging the rules came to in it.
    pub alerts: Option<alerts::Report>,
    /// Why the last one failed, if it did. The next one tries again.
    pub error: Option<String>,
    /// Why the last delivery of an alert failed, if it did. It is tried again.
    pub undelivered: Option<String>,
}

/// Runs the upkeep pass in a thread until it is dropped.
///
/// Several monitors on one store, in one process or many, do no harm: one of them does the work.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let monitor = ax_monitor::Monitor::start("/var/lib/my-app/ax", Default::default())?;
/// // … the application runs …
/// drop(monitor); // ends the thread after the pass it is in
/// # Ok(()) }
/// ```
pub struct Monitor {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    stop: bool,
    status: Status,
}

impl Shared {
    /// A panic elsewhere must not take the application down with it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Monitor {
    /// Opens or makes the store in `dir` and starts the thread. The first pass begins at once.
    ///
    /// # Errors
    /// When the directory cannot be a store, see [`OpenError`], or no thread can be started.
    pub fn start(dir: impl AsRef<Path>, options: Options) -> Result<Self, OpenError> {
        let dir = dir.as_ref();
        let zone = options.zone.clone().unwrap_or_else(Zone::local);
        let store = Store::open_or_create(dir, &zone, options.clock.now())?;
        let shared = Arc::new(Shared { state: Mutex::default(), wake: Condvar::new() });
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("ax-monitor".into())
            .spawn(move || {
                ax_storage::fs::outlive_file_size_limit();
                run(&store, &options, &theirs);
            })
            .map_err(|cause| OpenError::Io { path: dir.display().to_string(), cause })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// What the passes so far came to.
    pub fn status(&self) -> Status {
        self.shared.lock().status.clone()
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.wake.notify_all();
        if let Some(thread) = self.thread.take() {
            // A pass that panicked has nothing more to say.
            let _ = thread.join();
        }
    }
}

fn run(store: &Store, options: &Options, shared: &Arc<Shared>) {
    #[cfg(feature = "notify")]
    let courier = delivery::start(store, options, shared);
    loop {
        let result = pass(store, &options.config, When::Due, options.clock.now());
        let mut state = shared.lock();
        match result {
            Ok(done) => {
                state.status.passes += u64::from(!done.tick.skipped);
                state.status.last = Some(done.tick);
                state.status.alerts = Some(done.alerts);
                state.status.error = (!done.problems.is_empty()).then(|| done.problems.join("; "));
            }
            Err(error) => state.status.error = Some(error.to_string()),
        }
        #[cfg(feature = "notify")]
        if let Some(courier) = &courier {
            courier.wake();
        }
        let pause = until_next(options.clock.now(), options.every);
        let (state, _) =
            shared.wake.wait_timeout_while(state, pause, |state| !state.stop).unwrap_or_else(PoisonError::into_inner);
        if state.stop {
            return;
        }
    }
}

/// Time to the next multiple of `every`, so that the passes of several processes meet and one wins; of
/// whole minutes a little later, when rules may judge the minute.
fn until_next(now: Timestamp, every: Duration) -> Duration {
    let every_ms = u64::try_from(every.as_millis()).unwrap_or(u64::MAX).max(1);
    let after_ms = if every_ms >= MINUTE_MS { AFTER_MINUTE_MS } else { 0 };
    Duration::from_millis(every_ms - now.minus_ms(after_ms).millis() % every_ms)
}

/// Deliveries of a monitor: quiet, but for what its status says.
#[cfg(feature = "notify")]
mod delivery {
    use super::{Arc, Options, Shared, Store};
    use crate::alerts::notify::{self, Courier, Desk, Message, Report, SendError};

    struct Quiet(Arc<Shared>);

    impl Desk for Quiet {
        fn print(&self, _: &Message) -> Result<(), SendError> {
            Err(SendError::Unable("a library does not print"))
        }

        fn has_terminal(&self) -> bool {
            false
        }

        fn report(&self, report: Report) {
            self.0.lock().status.undelivered = match report {
                Report::Delivered { .. } => None,
                Report::Failed { message, error, .. } => Some(format!("{}: {error}", message.channel)),
                Report::Trouble(what) => Some(what),
            };
        }
    }

    pub(super) fn start(store: &Store, options: &Options, shared: &Arc<Shared>) -> Option<Courier> {
        if options.channels.is_empty() {
            return None;
        }
        let how = notify::Options { clock: Arc::clone(&options.clock), ..notify::Options::default() };
        let courier = Courier::start(store.clone(), options.channels.clone(), how, Quiet(Arc::clone(shared)));
        courier.map_err(|e| shared.lock().status.undelivered = Some(e.to_string())).ok()
    }
}
