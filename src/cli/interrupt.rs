//! Ctrl-C and SIGTERM for commands that must tidy up first. Every other command simply dies of them.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::exit;

/// From now on the first Ctrl-C, SIGTERM or SIGHUP runs `tidy` on a thread of its own. The process
/// may then go on to its own end for as long as `tidy` says; a second signal ends it at once.
///
/// Where signals cannot be had the process keeps dying of them.
pub(crate) fn on_interrupt(tidy: impl FnOnce() -> Duration + Send + 'static) {
    let (ready, wait) = mpsc::channel();
    let watcher = thread::Builder::new().name("signals".to_owned()).spawn(move || {
        if let Ok(runtime) = runtime()
            && let Some(code) = runtime.block_on(watch(ready, tidy))
        {
            std::process::exit(code.into());
        }
    });
    if watcher.is_ok() {
        // Not before the handlers are in place; an error means that there will be none.
        let _ = wait.recv();
    }
}

/// What waits for signals.
///
/// # Errors
/// What the system says.
pub(crate) fn runtime() -> io::Result<Runtime> {
    // Where no file handles are left for its pipe of signals, tokio panics. It needs fewer than these.
    let room = [UnixStream::pair()?, UnixStream::pair()?, UnixStream::pair()?, UnixStream::pair()?];
    drop(room);
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// Waits for the signal and the end of its grace: the exit code that belongs to it.
async fn watch(ready: mpsc::Sender<()>, tidy: impl FnOnce() -> Duration) -> Option<u8> {
    let mut signals = Signals::listen().ok()?;
    let _ = ready.send(());
    let code = signals.next().await;
    let grace = tidy();
    tokio::select! {
        () = tokio::time::sleep(grace) => {}
        _ = signals.next() => {}
    }
    Some(code)
}

/// The signals that end a process.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    /// Takes them over from the system.
    pub(crate) fn listen() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The exit code of the next one.
    pub(crate) async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.interrupt.recv() => exit::INTERRUPTED,
            _ = self.terminate.recv() => exit::TERMINATED,
            _ = self.hangup.recv() => exit::HUNG_UP,
        }
    }
}
