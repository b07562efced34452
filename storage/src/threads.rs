//! Work of a few milliseconds, shared by two threads.
//!
//! A thread that is made begins on the processor of the one that made it, behind it or in its place,
//! and the system moves it to an idle one only after milliseconds. By then such work would be done: so
//! the new thread asks to be moved, and the other one steps aside once to let it ask.

use libc::{CPU_CLR, CPU_COUNT, cpu_set_t, sched_getaffinity, sched_getcpu, sched_setaffinity};

/// What both come to. `other` runs on another thread, or after `mine` where there is one processor only
/// or no thread can be had. A panic of either is passed on when both have ended.
pub(crate) fn join<A, B: Send>(mine: impl FnOnce() -> A, other: impl Fn() -> B + Sync) -> (A, B) {
    let Some(processors) = Processors::others() else { return (mine(), other()) };
    std::thread::scope(|scope| {
        let there = || {
            processors.confine_this_thread();
            other()
        };
        let helper = std::thread::Builder::new().spawn_scoped(scope, there);
        std::thread::yield_now();
        let mine = mine();
        let others = match helper.map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok(done)) => done,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            Err(_) => other(),
        };
        (mine, others)
    })
}

/// A set of them.
struct Processors(cpu_set_t);

impl Processors {
    /// Those the calling thread may use.
    fn allowed() -> Option<Self> {
        // SAFETY: zeros are the empty set, and the call writes within the size it is told.
        unsafe {
            let mut set = std::mem::zeroed();
            (sched_getaffinity(0, size_of::<cpu_set_t>(), &raw mut set) == 0).then_some(Self(set))
        }
    }

    /// These without the one the calling thread is on; `None` when there is no other, or none is told.
    fn others() -> Option<Self> {
        let Self(mut set) = Self::allowed()?;
        // SAFETY: without arguments.
        let here = usize::try_from(unsafe { sched_getcpu() }).ok()?;
        if here < 8 * size_of::<cpu_set_t>() {
            // SAFETY: `here` lies in the set.
            unsafe { CPU_CLR(here, &mut set) };
        }
        let others = Self(set);
        (others.count() > 0).then_some(others)
    }

    fn count(&self) -> i32 {
        // SAFETY: reads the set.
        unsafe { CPU_COUNT(&self.0) }
    }

    /// From now on the calling thread runs on these only. Where that is not granted, it is only slower.
    fn confine_this_thread(&self) {
        // SAFETY: the call reads the set.
        unsafe { sched_setaffinity(0, size_of::<cpu_set_t>(), &raw const self.0) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_are_done_and_keep_their_order() {
        assert_eq!(join(|| 1, || 2), (1, 2));
    }

    #[test]
    fn the_other_runs_elsewhere_where_there_is_another_processor() {
        let Some(others) = Processors::others() else { return };
        let allowed = || Processors::allowed().unwrap().count();
        let (mine, theirs) = join(allowed, || (allowed(), std::thread::current().id()));
        assert_eq!((mine, theirs.0), (others.count() + 1, others.count()), "the caller keeps all of its own");
        assert_ne!(theirs.1, std::thread::current().id());
    }

    #[test]
    fn a_panic_is_passed_on() {
        let caught = std::panic::catch_unwind(|| join(|| (), || std::panic::resume_unwind(Box::new("other"))));
        assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"other"));
    }
}
