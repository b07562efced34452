//! Processes to do harm in, and pages they share with their parent.

use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use ax_storage::fs::{Step, faults};
use memmap2::MmapMut;

/// Set in a process that runs one test alone.
const ALONE: &str = "AX_TEST_ALONE";

/// Runs `test` in a process of its own in which no other thread lives, so that it may fork, set
/// limits, and do as it likes with what belongs to the whole process.
pub(crate) fn alone(test: &str, body: impl FnOnce()) {
    if std::env::var(ALONE).is_ok_and(|name| name == test) {
        return body();
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--include-ignored", "--test-threads=1", "--nocapture"])
        .env(ALONE, test)
        .output()
        .unwrap();
    print!("{}", String::from_utf8_lossy(&output.stdout));
    assert!(
        output.status.success(),
        "{}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Whether the large numbers are asked for.
pub(crate) fn soak() -> bool {
    std::env::var("AX_SOAK").is_ok_and(|v| v != "0")
}

/// How often: `ci` times, `soak` times under `AX_SOAK=1`, or the number in `AX_SOAK`.
pub(crate) fn times(ci: u64, large: u64) -> u64 {
    match std::env::var("AX_SOAK").ok().and_then(|v| v.parse().ok()) {
        None | Some(0) => ci,
        Some(1) => large,
        Some(n) => n,
    }
}

/// Where random numbers begin: the same at each run, or as `AX_SEED` says.
pub(crate) fn seed() -> u64 {
    std::env::var("AX_SEED").ok().and_then(|v| v.parse().ok()).unwrap_or(7)
}

/// A folder in memory where there is such a thing: stores sync a lot.
pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It returned.
    Done,
    /// It panicked; what is on stderr says why.
    Panicked,
    Signal(i32),
    /// It ran for too long, and was killed.
    Hung,
}

/// A forked process.
pub(crate) struct Child(libc::pid_t);

/// Runs `work` in a fork of this process, which must have no other threads.
pub(crate) fn fork(work: impl FnOnce()) -> Child {
    // SAFETY: no other thread lives in this process (see `alone`), so the child may go on as usual.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "{}", std::io::Error::last_os_error());
    if pid == 0 {
        let whole = catch_unwind(AssertUnwindSafe(work));
        // SAFETY: ends the process at once; nothing of the parent's is run.
        unsafe { libc::_exit(i32::from(whole.is_err())) };
    }
    Child(pid)
}

impl Child {
    /// Waits for its end.
    pub(crate) fn wait(self) -> End {
        self.poll(true).unwrap_or(End::Hung)
    }

    /// Waits at most so long, then kills it.
    pub(crate) fn wait_at_most(self, limit: Duration) -> End {
        let mut waited = Duration::ZERO;
        while waited < limit {
            if let Some(end) = self.poll(false) {
                return end;
            }
            let pause = (waited / 8).clamp(Duration::from_micros(200), Duration::from_millis(20));
            std::thread::sleep(pause);
            waited += pause;
        }
        self.kill();
        End::Hung
    }

    /// Kills it and waits.
    pub(crate) fn kill(self) -> End {
        // SAFETY: a child of ours that was not waited for.
        unsafe { libc::kill(self.0, libc::SIGKILL) };
        self.poll(true).unwrap_or(End::Hung)
    }

    fn poll(&self, block: bool) -> Option<End> {
        let mut status = 0;
        // SAFETY: a pointer to a local.
        let got = unsafe { libc::waitpid(self.0, &raw mut status, if block { 0 } else { libc::WNOHANG }) };
        assert!(got >= 0, "{}", std::io::Error::last_os_error());
        (got == self.0).then(|| match status {
            0 => End::Done,
            s if libc::WIFSIGNALED(s) => End::Signal(libc::WTERMSIG(s)),
            _ => End::Panicked,
        })
    }
}

/// Numbers that forked children and their parent share, outside of any store.
pub(crate) struct Page(MmapMut);

impl Page {
    pub(crate) fn new() -> Self {
        let file = tempfile::tempfile_in("/dev/shm").or_else(|_| tempfile::tempfile()).unwrap();
        file.set_len(4096).unwrap();
        // SAFETY: nobody else has the file; all go through atomics.
        Self(unsafe { MmapMut::map_mut(&file) }.unwrap())
    }
}

impl Deref for Page {
    type Target = [AtomicU64; 64];
    fn deref(&self) -> &Self::Target {
        // SAFETY: inside the page, aligned, and only ever used as atomics.
        unsafe { &*self.0.as_ptr().cast() }
    }
}

/// Numbers that look random, the same for the same seed.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

/// Has the engine's steps seen by `hook`, as long as this lives.
pub(crate) struct Hooked;

impl Hooked {
    pub(crate) fn new(hook: impl Fn(Step<'_>) -> std::io::Result<()> + Send + Sync + 'static) -> Self {
        faults::set(Some(Arc::new(hook)));
        Self
    }
}

impl Drop for Hooked {
    fn drop(&mut self) {
        faults::set(None);
    }
}

/// Ends this process as a power switch would.
pub(crate) fn die() -> ! {
    // SAFETY: no memory is touched; it does not return.
    unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
    loop {
        std::thread::park();
    }
}

/// Copies a folder with everything in it.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
