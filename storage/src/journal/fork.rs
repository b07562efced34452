//! What a `fork` must not carry over: a child writes to files of its own, and does not keep its
//! parent's locks alive.
//!
//! A lock by `flock` belongs to the open file, which parent and child share after a fork. So a
//! handler that the child runs before anything else *closes* its copies of the descriptors (to
//! unlock would take the lock from the parent) and counts up a number by which recorders see that
//! they are in a new process: they abandon what they inherited, mutexes included, and start anew.
//! A child of `vfork` or `posix_spawn` runs no handler and needs none: it calls `exec`, which
//! closes them.

use std::fs::File;
use std::ops::Deref;
use std::os::fd::AsRawFd;
use std::sync::Once;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

/// Journal files one process may have open and still close in a forked child. A recorder has two
/// or three, so this is room for a hundred recorders; files beyond it are inherited.
const OPEN_MAX: usize = 256;

/// Open descriptors, -1 = free. Threads claim a place by compare-exchange; only the child's handler
/// and the owner of a place clear it.
static OPEN: [AtomicI32; OPEN_MAX] = [const { AtomicI32::new(-1) }; OPEN_MAX];
/// How many forks lie between this process and the first one that recorded.
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// The number of this process among its ancestors; another number means "after a fork".
#[inline(always)]
pub(crate) fn generation() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

/// Has every fork from now on noticed.
pub(crate) fn watch() {
    static HANDLER: Once = Once::new();
    HANDLER.call_once(|| {
        // SAFETY: the handler is a plain function that only touches atomics and calls `close`, both
        // allowed in a child of a process with threads. Without memory for it forks are not
        // noticed, which an application out of memory has to bear.
        unsafe { pthread_atfork(None, None, Some(in_child)) };
    });
}

/// An open file that a forked child closes at once.
#[derive(Debug)]
pub(crate) struct Owned {
    file: File,
    place: Option<usize>,
}

impl Owned {
    /// Takes the file into the list that a child closes.
    pub(crate) fn new(file: File) -> Self {
        watch();
        let fd = file.as_raw_fd();
        let free = |place: &AtomicI32| place.compare_exchange(-1, fd, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        Self { place: OPEN.iter().position(free), file }
    }
}

impl Deref for Owned {
    type Target = File;
    fn deref(&self) -> &File {
        &self.file
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // Off the list first: once closed, the number may be somebody else's.
        if let Some(place) = self.place {
            OPEN[place].store(-1, Ordering::Release);
        }
    }
}

unsafe extern "C" {
    /// POSIX; in the C library of every system we build for, but not in the `libc` crate.
    fn pthread_atfork(
        prepare: Option<extern "C" fn()>,
        parent: Option<extern "C" fn()>,
        child: Option<extern "C" fn()>,
    ) -> i32;
}

extern "C" fn in_child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
    for place in &OPEN {
        let fd = place.swap(-1, Ordering::Relaxed);
        if fd >= 0 {
            // SAFETY: the descriptor is the child's copy of one that a recorder owned; that
            // recorder is abandoned in this process (it compares generations before it is used or
            // dropped), so nothing closes or uses it again.
            unsafe { libc::close(fd) };
        }
    }
}
