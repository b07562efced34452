//! What a process costs from its start to its end.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitStatus};

/// Of a process and those it waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// Processor time, that of the kernel included.
    pub(crate) cpu_ms: f64,
    /// The most memory that was resident.
    pub(crate) peak_mb: f64,
}

/// Runs a command to its end.
///
/// # Panics
/// It cannot be started, or fails.
pub(crate) fn cost(command: &mut Command) -> Cost {
    #[expect(clippy::zombie_processes, reason = "wait4 below waits for it, and says what it cost")]
    let child = command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let (mut status, mut usage) = (0, std::mem::MaybeUninit::<libc::rusage>::zeroed());
    let pid = libc::pid_t::try_from(child.id()).expect("process ids fit");
    // SAFETY: both pointers are to our own variables; a rusage of zeros is valid, so it may be read whatever is written.
    let (waited, usage) = unsafe { (libc::wait4(pid, &raw mut status, 0, usage.as_mut_ptr()), usage.assume_init()) };
    assert!(waited == pid && ExitStatus::from_raw(status).success(), "{command:?} failed: {status}");
    let ms = |time: libc::timeval| time.tv_sec as f64 * 1e3 + time.tv_usec as f64 / 1e3;
    Cost { cpu_ms: ms(usage.ru_utime) + ms(usage.ru_stime), peak_mb: usage.ru_maxrss as f64 / 1024.0 }
}
