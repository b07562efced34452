//! Locks of a recorder that know whether a signal handler has interrupted their own holder.
//!
//! A handler that records may run in the middle of the very thread that it would have to wait for. So
//! each thread notes that it is at it, and who finds that note gives up at once: its event is dropped and counted.

use std::cell::Cell;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

thread_local! {
    static BUSY: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread has been interrupted where others may have to wait for it.
pub(crate) fn is_interrupted() -> bool {
    BUSY.get()
}

/// As long as it lives, others may have to wait for this thread.
#[derive(Debug)]
pub(crate) struct Busy {
    before: bool,
}

impl Busy {
    pub(crate) fn new() -> Self {
        Self { before: BUSY.replace(true) }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        BUSY.set(self.before);
    }
}

/// What a lock guards. The fields are dropped in this order: the note goes last.
pub(crate) struct Held<'a, T> {
    guard: MutexGuard<'a, T>,
    _busy: Busy,
}

impl<T> Deref for Held<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T> DerefMut for Held<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

/// Takes the lock. A panic under it would be ours; what it guards is changed in single assignments.
pub(crate) fn hold<T>(mutex: &Mutex<T>) -> Held<'_, T> {
    let _busy = Busy::new();
    Held { guard: mutex.lock().unwrap_or_else(PoisonError::into_inner), _busy }
}

/// Takes the lock if nobody has it.
pub(crate) fn try_hold<T>(mutex: &Mutex<T>) -> Option<Held<'_, T>> {
    let _busy = Busy::new();
    match mutex.try_lock() {
        Ok(guard) => Some(Held { guard, _busy }),
        Err(TryLockError::Poisoned(poisoned)) => Some(Held { guard: poisoned.into_inner(), _busy }),
        Err(TryLockError::WouldBlock) => None,
    }
}
