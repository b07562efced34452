//! `ax monitor serve`: an upkeep pass a minute until a signal says stop, and what alerts say delivered
//! meanwhile. SIGHUP or a changed settings file is taken over.

mod log;
mod settings;

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use ax_storage::Store;
use ax_storage::clock::{Clock, ManualClock, Stopwatch, SystemClock};
use ax_storage::time::MINUTE_MS;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::aggregator::{self, Pass, When};
use crate::alerts::notify::{self, Courier};
use crate::cli::commands::tick::{TickView, did_nothing, sentence};
use crate::cli::context::Context;
use crate::cli::interrupt::{self, Signals};
use crate::error::{Failure, Kind, Result, escaped, exit};
use log::Log;
use settings::{Settings, Stamp};

/// A pass begins so long after the whole minute: its events are on disk then, and rules may judge it.
const AFTER_MINUTE_MS: u64 = 6_000;
/// A pass under way when the signal comes may take so long; then it is cut off, which does no harm.
const PATIENCE: Duration = Duration::from_millis(400);
/// Deliveries under way then get so long; they go out again later if that is too short.
const GRACE: Duration = Duration::from_millis(300);
/// How often the settings file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Does the upkeep.
pub(crate) fn run(context: &Context) -> Result<u8> {
    let store = context.writable_store()?;
    let runtime = interrupt::runtime().map_err(|e| Failure::io("start", "the service", &e))?;
    let done = runtime.block_on(serve(context, &store));
    runtime.shutdown_timeout(PATIENCE);
    done
}

async fn serve(context: &Context, store: &Store) -> Result<u8> {
    let mut signals = Signals::listen().map_err(|e| Failure::io("listen to", "signals", &e))?;
    let mut stamp = Stamp::now(context);
    let mut settings = Settings::load(context)?;
    let log = Log::new(context.json(), clock(context));
    let courier = courier(context, store, &settings, log.clone())?;
    context.note(&format!("Upkeep of {} every minute. Ctrl-C ends it.", escaped(&store.dir().display().to_string())));
    let mut last_error = None;
    loop {
        let watch = Stopwatch::start();
        let now = context.clock();
        let (theirs, config) = (store.clone(), settings.upkeep.clone());
        let work = move || aggregator::pass(&theirs, &config, When::Due, now).map_err(Failure::from);
        let mut pass: JoinHandle<_> = spawn_blocking(work);
        let result = loop {
            tokio::select! {
                result = &mut pass => break result.unwrap_or_else(|e| Err(Failure::new(Kind::Bug, e))),
                event = next_event(&mut signals) => match event {
                    Event::End(code) => return Ok(code),
                    Event::Reload => stamp = Stamp::default(),
                },
            }
        };
        match result {
            Ok(report) => {
                last_error = None;
                log.note(&report);
                courier.wake();
                tell(context, &report, watch.elapsed())?;
            }
            // The next pass may do better: a disk can be full for a while. The same words once.
            Err(failure) => {
                if last_error.as_ref() != Some(&failure) {
                    context.complain(&failure);
                }
                last_error = Some(failure);
            }
        }
        let next = tokio::time::sleep(until_next_pass());
        tokio::pin!(next);
        loop {
            tokio::select! {
                () = &mut next => break,
                () = tokio::time::sleep(LOOK_EVERY) => {}
                event = next_event(&mut signals) => match event {
                    Event::End(code) => return Ok(code),
                    Event::Reload => stamp = Stamp::default(),
                },
            }
            let found = Stamp::now(context);
            if found != stamp {
                stamp = found;
                take_over(context, &mut settings, &courier);
            }
        }
    }
}

/// The clock of deliveries: it stands where that of the passes does.
fn clock(context: &Context) -> Arc<dyn Clock> {
    match context.is_stopped() {
        true => Arc::new(ManualClock::at(context.clock())),
        false => Arc::new(SystemClock),
    }
}

fn courier(context: &Context, store: &Store, settings: &Settings, log: Log) -> Result<Courier> {
    let options = notify::Options { grace: GRACE, clock: clock(context), ..notify::Options::default() };
    Courier::start(store.clone(), settings.channels.clone(), options, log)
        .map_err(|e| Failure::io("start", "the deliveries", &e))
}

/// Works by the settings as they are now, or by the old ones where those make no sense.
fn take_over(context: &Context, settings: &mut Settings, courier: &Courier) {
    match Settings::reload(context) {
        Ok(new) => {
            courier.set_channels(new.channels.clone());
            *settings = new;
            context.note("The settings were read again.");
        }
        Err(failure) => {
            context.complain(&failure);
            context.note("The settings of before stay.");
        }
    }
}

/// Prints a pass that did something.
fn tell(context: &Context, pass: &Pass, took: Duration) -> Result<()> {
    if did_nothing(pass) {
        return Ok(());
    }
    let now = context.clock();
    if context.json() {
        return context.print_json(&TickView::new(pass, now, took, Vec::new()));
    }
    for problem in pass.tick.problems.iter().chain(&pass.problems) {
        context.warn("upkeep", problem);
    }
    context.show_warnings();
    let time = now.to_string()[..19].replace('T', " ");
    let lines = sentence(pass, &context.style()?);
    context.print(&lines.lines().map(|line| format!("{time}  {line}\n")).collect::<String>())
}

/// The time to the next whole minute and a few seconds; by the system's clock, which may jump.
fn until_next_pass() -> Duration {
    let into = (SystemClock.now().millis() + MINUTE_MS - AFTER_MINUTE_MS) % MINUTE_MS;
    Duration::from_millis(MINUTE_MS - into)
}

/// What a signal asks for.
enum Event {
    /// The end, with this exit code.
    End(u8),
    /// The settings anew.
    Reload,
}

/// Waits for a signal.
async fn next_event(signals: &mut Signals) -> Event {
    match signals.next().await {
        exit::TERMINATED => Event::End(0),
        // In a terminal it means that the terminal went away.
        exit::HUNG_UP if !std::io::stdout().is_terminal() => Event::Reload,
        code => Event::End(code),
    }
}
