//! `ax monitor demo`: any command on made-up traffic, in a store that goes away again.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use ax_storage::Store;
use ax_storage::time::{Timestamp, Zone};
use tempfile::TempDir;

use crate::cli::args::{self, Command, DemoArgs, Global, Later, Monitor};
use crate::cli::commands;
use crate::cli::context::Context;
use crate::cli::explain_usage;
use crate::cli::interrupt::on_interrupt;
use crate::demo::Traffic;
use crate::error::{Failure, Kind, Result};

/// The input that the traffic counts as.
const HEAD: u128 = 0;
/// A directory in use is removed so often, with a pause between: for a second, the patience of a signal.
const REMOVALS_MAX: usize = 200;
const PAUSE: Duration = Duration::from_millis(5);

/// Makes traffic, runs the command on it, and removes it.
pub(crate) fn run(args: &DemoArgs, context: &Context) -> Result<u8> {
    let line: Vec<OsString> = ["ax", "monitor"].map(OsString::from).into_iter().chain(args.command.clone()).collect();
    let monitor = match args::parse(&line) {
        Ok(monitor) => monitor,
        Err(error) => return Ok(explain_usage(&error, context.json())),
    };
    let (command, flags) = inner(monitor, context.flags())?;
    // The signal's thread must know before there is something to remove.
    let end = Arc::new(End::default());
    let signalled = Arc::clone(&end);
    on_interrupt(move || {
        signalled.remove();
        Duration::ZERO
    });
    let home = TempDir::with_prefix("ax-monitor-demo-").map_err(|e| {
        let place = std::env::temp_dir();
        Failure::io("make a directory in", place.display(), &e).hint("TMPDIR says where the demo may put its store")
    })?;
    // Nobody has set it before.
    let _ = end.place.set(home.path().to_owned());
    let done = show(args, &command, &home.path().join("store"), context, flags);
    // What failed because its store was taken away is nobody's news: the signal's own exit code is.
    if end.has_come() {
        end.settle();
    }
    // A reader that went away must not keep the directory alive, and neither must an error.
    drop(home);
    done
}

/// Fills the store and runs the command on it.
fn show(args: &DemoArgs, command: &Command, dir: &Path, context: &Context, flags: Global) -> Result<u8> {
    let mut inner = context.for_demo(flags, dir.to_owned())?;
    fill(dir, args, inner.now(), inner.zone()?)?;
    // Nobody wants to know how long the making took.
    inner.restart_watch();
    match command {
        // These say it on their screens.
        Command::Status(_) | Command::Metrics(_) | Command::Events(_) => {}
        Command::Costs(_) | Command::Budgets(_) | Command::Alerts(_) => {}
        _ => inner.note("DEMO DATA: made-up traffic in a temporary store, gone when this command ends"),
    }
    if inner.json() {
        inner.warn("demo", "made-up traffic in a temporary store");
    }
    let done = commands::run(command, &inner);
    inner.show_warnings();
    done
}

/// The command behind `--`, with the global flags of both sides; its own win.
fn inner(monitor: Monitor, outer: &Global) -> Result<(Command, Global)> {
    let own_store = || {
        Failure::usage("demo has a store of its own: --store makes no sense with it")
            .hint("leave out demo to ask a store that exists")
    };
    let (command, own) = (monitor.command.unwrap_or(Command::Status(Later::default())), monitor.global);
    if outer.store.is_some() || own.store.is_some() {
        return Err(own_store());
    }
    if matches!(command, Command::Demo(_)) {
        return Err(Failure::usage("a demo of demo is no use").hint("ax monitor demo -- status"));
    }
    let json = outer.json || own.json || command.is_json();
    let flags = Global {
        store: None,
        config: own.config.or_else(|| outer.config.clone()),
        tz: own.tz.or_else(|| outer.tz.clone()),
        at: own.at.or_else(|| outer.at.clone()),
        json,
        color: own.color.or(outer.color),
        ascii: own.ascii || outer.ascii,
        quiet: own.quiet || outer.quiet,
        no_input: own.no_input || outer.no_input,
    };
    Ok((command, flags))
}

/// A store with traffic up to `now`, rolled up.
fn fill(dir: &Path, args: &DemoArgs, now: Timestamp, zone: &Zone) -> Result<()> {
    let store = Store::open_or_create(dir, zone, now)?;
    let mut session = store.import();
    for mut batch in Traffic::new(args.days, args.seed, now, zone) {
        session.add(&mut batch, HEAD, None).map_err(|e| Failure::new(Kind::Io, e))?;
    }
    store.tick(now)?;
    Ok(())
}

/// How the thread that got a signal and the one that works agree on the end.
#[derive(Default)]
struct End {
    /// What to remove, once it is there.
    place: OnceLock<PathBuf>,
    /// A signal came.
    come: AtomicBool,
    /// The command has ended and makes no file any more.
    settled: AtomicBool,
}

impl End {
    fn has_come(&self) -> bool {
        self.come.load(Ordering::SeqCst)
    }

    /// Leaves the rest to the thread with the signal, which ends the process.
    fn settle(&self) -> ! {
        self.settled.store(true, Ordering::SeqCst);
        loop {
            thread::park();
        }
    }

    /// Takes the directory away from under a command that may be writing into it and making it anew,
    /// until the command has failed of it.
    fn remove(&self) {
        self.come.store(true, Ordering::SeqCst);
        for _ in 0..REMOVALS_MAX {
            let settled = self.settled.load(Ordering::SeqCst);
            // A failure is tried again, for the last time when the command has settled.
            let _ = self.place.get().map(std::fs::remove_dir_all);
            if settled {
                return;
            }
            thread::sleep(PAUSE);
        }
    }
}
