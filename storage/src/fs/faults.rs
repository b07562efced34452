//! For tests: a function that sees each step of the engine before it is done, and may refuse it or
//! end the process there.
//!
//! Only in builds with the feature `faults`. What is written through a mapping is no step.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::Step;

/// Sees each step; an error is what the step fails with.
pub type Hook = dyn Fn(Step<'_>) -> io::Result<()> + Send + Sync;

static ARMED: AtomicBool = AtomicBool::new(false);
static HOOK: RwLock<Option<Arc<Hook>>> = RwLock::new(None);

/// Has `hook` called before each step of this process, from whatever thread; `None` = no more.
pub fn set(hook: Option<Arc<Hook>>) {
    ARMED.store(hook.is_some(), Ordering::SeqCst);
    *HOOK.write().unwrap_or_else(PoisonError::into_inner) = hook;
}

#[inline]
pub(crate) fn step(step: Step<'_>) -> io::Result<()> {
    if ARMED.load(Ordering::Relaxed) { tell(step) } else { Ok(()) }
}

#[cold]
fn tell(step: Step<'_>) -> io::Result<()> {
    let hook = HOOK.read().unwrap_or_else(PoisonError::into_inner).clone();
    hook.map_or(Ok(()), |hook| hook(step))
}
