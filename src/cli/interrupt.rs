//! Ctrl-C and SIGTERM for commands that must tidy up first. Every other command simply dies of them.

use std::sync::mpsc;
use std::thread;

use tokio::signal::unix::{SignalKind, signal};

use crate::error::exit;

/// From now on the first Ctrl-C, SIGTERM or SIGHUP runs `tidy` on a thread of its own, and then ends
/// the process as its return value says: `true` = at once.
///
/// Where signals cannot be had the process keeps dying of them.
pub(crate) fn on_interrupt(tidy: impl FnOnce() -> bool + Send + 'static) {
    let (ready, wait) = mpsc::channel();
    let watcher = thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let code = runtime.ok().and_then(|runtime| runtime.block_on(first_signal(&ready)));
        drop(ready);
        if let Some(code) = code
            && tidy()
        {
            std::process::exit(code.into());
        }
    });
    if watcher.is_ok() {
        // Not before the handlers are in place; an error means that there will be none.
        let _ = wait.recv();
    }
}

/// Waits for a signal: the exit code that belongs to it.
async fn first_signal(ready: &mpsc::Sender<()>) -> Option<u8> {
    let mut interrupt = signal(SignalKind::interrupt()).ok()?;
    let mut terminate = signal(SignalKind::terminate()).ok()?;
    let mut hangup = signal(SignalKind::hangup()).ok()?;
    let _ = ready.send(());
    Some(tokio::select! {
        _ = interrupt.recv() => exit::INTERRUPTED,
        _ = terminate.recv() => exit::TERMINATED,
        _ = hangup.recv() => exit::HUNG_UP,
    })
}
