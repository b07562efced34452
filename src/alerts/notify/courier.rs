//! The courier: a thread that takes what is due from the outbox and delivers it, each message in a
//! thread of its own, so that a slow receiver delays nobody else.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use ax_storage::Store;
use ax_storage::clock::{Clock, Stopwatch, SystemClock};
use ax_storage::tier::db::DbError;

use super::channel::{Channel, ChannelKind};
use super::group::Pace;
use super::message::Message;
use super::outbox::{Batch, claim, release, settle};
use super::send::{LIMIT, SendError, send};

/// A result that could not be written down is tried again so often, and after so long.
const SETTLE_TRIES: u32 = 3;
const SETTLE_PAUSE: Duration = Duration::from_millis(200);

/// How a [`Courier`] works.
#[derive(Clone)]
pub struct Options {
    /// How fast things go out.
    pub pace: Pace,
    /// One delivery may take so long; less than the lease of `pace`.
    pub limit: Duration,
    /// How often the outbox is looked at unasked: another process may have put something in.
    pub look_every: Duration,
    /// Deliveries under way at the end get so long; then another process does them.
    pub grace: Duration,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            pace: Pace::default(),
            limit: LIMIT,
            look_every: Duration::from_secs(5),
            grace: Duration::from_millis(400),
            clock: Arc::new(SystemClock),
        }
    }
}

/// What a courier has to tell.
#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    /// A message arrived.
    Delivered {
        /// The message.
        message: Message,
        /// Which try it was, from 1.
        attempt: u32,
        /// How long it took.
        took: Duration,
    },
    /// It did not.
    Failed {
        /// The message.
        message: Message,
        /// Which try it was, from 1.
        attempt: u32,
        /// Tries there are.
        tries: u32,
        /// Why.
        error: SendError,
        /// Notifications of it that are given up.
        lost: u64,
    },
    /// The outbox cannot be used.
    Trouble(String),
}

/// What the owner of a courier does for it.
pub trait Desk: Send + Sync {
    /// Prints a message, if this process has a terminal or log to print to.
    ///
    /// # Errors
    /// When there is none.
    fn print(&self, message: &Message) -> Result<(), SendError>;

    /// Whether [`Desk::print`] is there at all.
    fn has_terminal(&self) -> bool;

    /// Takes note of what happened.
    fn report(&self, report: Report);
}

/// Delivers in the background until it is dropped.
pub struct Courier {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    store: Store,
    options: Options,
    desk: Box<dyn Desk>,
    state: Mutex<State>,
    changed: Condvar,
    stop: AtomicBool,
}

#[derive(Default)]
struct State {
    channels: Vec<Channel>,
    /// Somebody knows that there is something to do.
    woken: bool,
    under_way: Vec<Batch>,
}

impl Shared {
    /// A panic elsewhere must not end deliveries.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn trouble(&self, error: &DbError) {
        self.desk.report(Report::Trouble(error.to_string()));
    }
}

impl Courier {
    /// Starts to deliver what waits in `store` for `channels`.
    ///
    /// # Errors
    /// When there can be no thread.
    pub fn start(
        store: Store,
        channels: Vec<Channel>,
        options: Options,
        desk: impl Desk + 'static,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            store,
            options,
            desk: Box::new(desk),
            state: Mutex::new(State { channels, ..State::default() }),
            changed: Condvar::new(),
            stop: AtomicBool::new(false),
        });
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("ax-courier".into()).spawn(move || run(&theirs))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Looks at the outbox now: something was put in.
    pub fn wake(&self) {
        wake(&self.shared);
    }

    /// From now on these are the channels. What waits for others keeps waiting.
    pub fn set_channels(&self, channels: Vec<Channel>) {
        self.shared.lock().channels = channels;
        self.wake();
    }
}

impl Drop for Courier {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // One that panicked has nothing more to say.
            let _ = thread.join();
        }
    }
}

fn wake(shared: &Shared) {
    shared.lock().woken = true;
    shared.changed.notify_all();
}

fn run(shared: &Arc<Shared>) {
    while !shared.stopping() {
        let next = deliver_due(shared);
        let state = shared.lock();
        let asleep = |state: &mut State| !state.woken && !shared.stopping();
        let (mut state, _) =
            shared.changed.wait_timeout_while(state, next, asleep).unwrap_or_else(PoisonError::into_inner);
        state.woken = false;
    }
    let state = shared.lock();
    let busy = |state: &mut State| !state.under_way.is_empty();
    let (state, _) =
        shared.changed.wait_timeout_while(state, shared.options.grace, busy).unwrap_or_else(PoisonError::into_inner);
    let left = state.under_way.clone();
    drop(state);
    for batch in left {
        if let Err(error) = release(&shared.store, &batch) {
            shared.trouble(&error);
        }
    }
}

/// Starts what is due: how long there is nothing more to do.
fn deliver_due(shared: &Arc<Shared>) -> Duration {
    let channels = channels(shared);
    let names: Vec<&str> = channels.iter().map(|channel| channel.name.as_str()).collect();
    let now = shared.options.clock.now();
    let claim = match claim(&shared.store, &names, &shared.options.pace, now) {
        Ok(claim) => claim,
        Err(error) => {
            shared.trouble(&error);
            return shared.options.look_every;
        }
    };
    for batch in claim.batches {
        let Some(channel) = channels.iter().find(|channel| channel.name == batch.message.channel).cloned() else {
            continue;
        };
        shared.lock().under_way.push(batch.clone());
        let theirs = Arc::clone(shared);
        let work = batch.clone();
        let spawned =
            std::thread::Builder::new().name("ax-delivery".into()).spawn(move || deliver(&theirs, &channel, &work));
        if spawned.is_err() {
            finish(shared, &batch);
            let _ = release(&shared.store, &batch);
        }
    }
    let wait = claim.next.map_or(Duration::MAX, |next| Duration::from_millis(next.since(now).max(1)));
    wait.min(shared.options.look_every)
}

/// The channels there are now; a terminal is one also when nobody set it up.
fn channels(shared: &Shared) -> Vec<Channel> {
    let mut channels = shared.lock().channels.clone();
    let terminal = |channel: &Channel| channel.kind == ChannelKind::Terminal;
    match shared.desk.has_terminal() {
        false => channels.retain(|channel| !terminal(channel)),
        true if !channels.iter().any(|c| terminal(c) || c.name == "terminal") => {
            channels.push(Channel { name: "terminal".to_owned(), kind: ChannelKind::Terminal });
        }
        true => {}
    }
    channels
}

/// Sends one message and writes down how that ended.
fn deliver(shared: &Shared, channel: &Channel, batch: &Batch) {
    let watch = Stopwatch::start();
    let options = &shared.options;
    let message = &batch.message;
    let outcome = match channel.kind {
        ChannelKind::Terminal => shared.desk.print(message),
        _ => send(channel, message, options.clock.now(), options.limit, &shared.stop),
    };
    if outcome == Err(SendError::Stopped) {
        // The end of the courier gives it back.
        return;
    }
    let error = outcome.as_ref().err().map(ToString::to_string);
    let settled = settle_surely(shared, batch, error.as_deref().map_or(Ok(()), Err));
    let message = message.clone();
    let attempt = batch.attempt;
    match (settled, outcome) {
        (Err(error), _) => shared.trouble(&error),
        (Ok(_), Ok(())) => shared.desk.report(Report::Delivered { message, attempt, took: watch.elapsed() }),
        (Ok(settled), Err(error)) => {
            let tries = options.pace.tries;
            shared.desk.report(Report::Failed { message, attempt, tries, error, lost: settled.lost });
        }
    }
    finish(shared, batch);
    // More may wait for the same channel.
    wake(shared);
}

fn settle_surely(shared: &Shared, batch: &Batch, outcome: Result<(), &str>) -> Result<super::outbox::Settled, DbError> {
    let jitter = f64::from(u16::try_from(RandomState::new().hash_one(()) & 0xffff).unwrap_or(0)) / f64::from(u16::MAX);
    let mut tries = 1;
    loop {
        let now = shared.options.clock.now();
        match settle(&shared.store, batch, outcome, &shared.options.pace, jitter, now) {
            Err(_) if tries < SETTLE_TRIES && !shared.stopping() => std::thread::sleep(SETTLE_PAUSE),
            done => return done,
        }
        tries += 1;
    }
}

fn finish(shared: &Shared, batch: &Batch) {
    shared.lock().under_way.retain(|other| other != batch);
    shared.changed.notify_all();
}
