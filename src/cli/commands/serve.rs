//! `ax monitor serve`: an upkeep pass a minute until a signal says stop.

use std::time::Duration;

use ax_storage::Store;
use ax_storage::clock::{Clock, Stopwatch, SystemClock};
use ax_storage::time::MINUTE_MS;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::aggregator::{self, Pass, When};
use crate::cli::commands::tick::{TickView, did_nothing, sentence};
use crate::cli::context::Context;
use crate::error::{Failure, Kind, Result, escaped, exit};

/// A pass begins so long after the whole minute: its events are on disk then, and rules may judge it.
const AFTER_MINUTE_MS: u64 = 6_000;
/// A pass under way when the signal comes may take so long; then it is cut off, which does no harm.
const PATIENCE: Duration = Duration::from_millis(700);

/// Does the upkeep.
pub(crate) fn run(context: &Context) -> Result<u8> {
    let store = context.writable_store()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::io("start", "the service", &e))?;
    let done = runtime.block_on(serve(context, &store));
    runtime.shutdown_timeout(PATIENCE);
    done
}

async fn serve(context: &Context, store: &Store) -> Result<u8> {
    let listen = |kind| signal(kind).map_err(|e| Failure::io("listen to", "signals", &e));
    let mut stop = Stop { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? };
    context.note(&format!("Upkeep of {} every minute. Ctrl-C ends it.", escaped(&store.dir().display().to_string())));
    let mut last_error = None;
    loop {
        let watch = Stopwatch::start();
        let now = context.clock();
        let theirs = store.clone();
        let config = context.upkeep()?;
        let work = move || aggregator::pass(&theirs, &config, When::Due, now).map_err(Failure::from);
        let pass: JoinHandle<_> = spawn_blocking(work);
        let result = tokio::select! {
            result = pass => result.unwrap_or_else(|e| Err(Failure::new(Kind::Bug, e))),
            code = stop.wait() => return Ok(code),
        };
        match result {
            Ok(report) => {
                last_error = None;
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
        tokio::select! {
            () = tokio::time::sleep(until_next_pass()) => {}
            code = stop.wait() => return Ok(code),
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

/// The signals that end the service.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    /// Waits for one of them: the exit code that belongs to it.
    async fn wait(&mut self) -> u8 {
        tokio::select! {
            _ = self.interrupt.recv() => exit::INTERRUPTED,
            _ = self.terminate.recv() => 0,
        }
    }
}
