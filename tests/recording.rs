//! Recorders as real processes: killed at any moment, forked, on media that refuse.
//!
//! A child is this very test binary, told by environment variables what to do. Kills a test makes:
//! `AX_TEST_KILLS`; where their moments begin: `AX_SEED`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ax_storage::event::{CostSource, Event, NanoUsd, Outcome, Request, Tokens};
use ax_storage::journal::{
    DropReason, JournalKind, Measurement, Reader, Recorder, RecorderHealth, RecorderOptions, list,
};
use ax_storage::row::{Batch, Body};
use ax_storage::time::Timestamp;
use memmap2::MmapMut;

/// The journal directory a child works in.
const DIR: &str = "AX_TEST_RECORDING_DIR";
const KIND: &str = "AX_TEST_RECORDING_KIND";
const FILE_BYTES: &str = "AX_TEST_RECORDING_FILE_BYTES";
const KILLS: &str = "AX_TEST_KILLS";
const STORE: u128 = 77;
const KINDS: [JournalKind; 2] = [JournalKind::Mapped, JournalKind::Written];
/// Threads of a child that is killed.
const THREADS: u64 = 2;
const NOW: Timestamp = Timestamp::from_millis(1_762_768_800_000);

fn options(dir: &Path, kind: JournalKind) -> RecorderOptions {
    RecorderOptions { kind, ..RecorderOptions::new(dir.to_owned(), STORE) }
}

/// Event `n` of a thread, told apart by its cost.
fn cost(thread: u64, n: u64) -> NanoUsd {
    NanoUsd::from_nanos(thread << 40 | n)
}

fn record(recorder: &Recorder, thread: u64, n: u64) {
    let request = Request {
        provider: "claude",
        model: if n.is_multiple_of(3) { "small" } else { "large" },
        user: if n.is_multiple_of(50) { "alice" } else { "bob" },
        latency: Some(Duration::from_micros(n)),
        tokens: Tokens { input: n % 1000, ..Tokens::default() },
        cost: Some(cost(thread, n)),
        outcome: if n % 100 == 7 { Outcome::Error("overloaded") } else { Outcome::Ok },
        ..Request::default()
    };
    recorder.record(&Event::Request(request), NOW, CostSource::Recorded);
}

/// What the journals of a directory hold: per thread the numbers of its events, ascending; and how
/// many places were reserved and never published.
fn read(dir: &Path) -> (BTreeMap<u64, Vec<u64>>, usize) {
    let (mut batch, mut gaps) = (Batch::default(), 0);
    for path in list(dir).unwrap() {
        let mut reader = Reader::open(&path).unwrap();
        let progress = reader.read(0, u64::MAX, &mut batch).unwrap();
        assert!(progress.finished, "{path:?} {progress:?}");
        assert_eq!(progress.damaged, [], "{path:?}");
        gaps += progress.gaps.len();
    }
    let mut found: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for row in &batch.rows {
        let Body::Request(r) = row.body else { panic!("only requests were recorded") };
        let n = r.cost_nanos & ((1 << 40) - 1);
        assert_eq!(r.tokens.input, n % 1000, "a whole event");
        found.entry(r.cost_nanos >> 40).or_default().push(n);
    }
    found.values_mut().for_each(|numbers| numbers.sort_unstable());
    (found, gaps)
}

/// Words that a child and its parent share, outside of the journal: how many events each thread
/// has recorded for certain.
struct Acknowledged(MmapMut);

impl Acknowledged {
    fn at(path: &Path) -> Self {
        let file = std::fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).unwrap();
        file.set_len(4096).unwrap();
        // SAFETY: nobody cuts the file short, and all go through atomics.
        Self(unsafe { MmapMut::map_mut(&file) }.unwrap())
    }

    fn of(&self, thread: u64) -> &AtomicU64 {
        // SAFETY: inside the page, aligned, and only ever used as an atomic.
        unsafe { AtomicU64::from_ptr(self.0.as_ptr().add(thread as usize * 128).cast_mut().cast()) }
    }
}

fn acknowledged_path(dir: &Path) -> PathBuf {
    dir.with_extension("acknowledged")
}

/// A child that does `what` in `dir`.
fn child(what: &str, dir: &Path, kind: JournalKind) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([what, "--exact", "--test-threads=1", "--nocapture"]);
    command.env(DIR, dir).env(KIND, format!("{kind:?}")).stdout(Stdio::null());
    command
}

/// In a child: where it works and how.
fn work() -> Option<RecorderOptions> {
    let dir = PathBuf::from(std::env::var_os(DIR)?);
    let written = std::env::var(KIND).is_ok_and(|kind| kind == "Written");
    let mut options = options(&dir, if written { JournalKind::Written } else { JournalKind::Mapped });
    if let Some(bytes) = std::env::var(FILE_BYTES).ok().and_then(|bytes| bytes.parse().ok()) {
        options.file_bytes_max = bytes;
    }
    Some(options)
}

/// Records without end; the parent kills it.
#[test]
fn child_that_records() {
    let Some(options) = work() else { return };
    let acknowledged = Acknowledged::at(&acknowledged_path(&options.journal_dir));
    let recorder = Recorder::open(options);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (recorder, acknowledged) = (&recorder, acknowledged.of(thread));
            scope.spawn(move || {
                for n in 0.. {
                    record(recorder, thread, n);
                    acknowledged.store(n + 1, Ordering::Release);
                }
            });
        }
    });
}

/// Whatever `record` returned from is there, once, and of each thread at most the event it was at.
#[test]
fn a_killed_recorder_loses_nothing_it_acknowledged() {
    let number = |name, usual| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(usual);
    let kills: u64 = number(KILLS, 300);
    let (mut random, mut events, mut gaps): (u64, _, _) = (number("AX_SEED", 7), 0, 0);
    for kill in 0..kills {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("journal");
        let kind = KINDS[usize::from(kill % 5 == 4)];
        let mut command = child("child_that_records", &dir, kind);
        if kill % 2 == 1 {
            command.env(FILE_BYTES, "65536");
        }
        let acknowledged = Acknowledged::at(&acknowledged_path(&dir));
        let mut child = command.spawn().unwrap();
        while acknowledged.of(0).load(Ordering::Acquire) == 0 {
            assert!(child.try_wait().unwrap().is_none(), "the child ended by itself");
            std::thread::sleep(Duration::from_micros(100));
        }
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        std::thread::sleep(Duration::from_micros(500 + (random >> 33) % 24_500));
        child.kill().unwrap();
        child.wait().unwrap();
        let (found, holes) = read(&dir);
        for thread in 0..THREADS {
            let sure = acknowledged.of(thread).load(Ordering::Acquire);
            let numbers = found.get(&thread).map_or(&[][..], Vec::as_slice);
            let count = numbers.len() as u64;
            assert!(count == sure || count == sure + 1, "kill {kill}: {sure} acknowledged, {count} found");
            assert!(numbers.iter().copied().eq(0..count), "kill {kill}: something is missing or there twice");
            events += count;
        }
        gaps += holes;
    }
    println!("{kills} kills, {events} events, {gaps} holes");
}

/// Forks while another thread records; the forked child records too.
#[test]
fn child_that_forks() {
    let Some(options) = work() else { return };
    let recorder = Recorder::open(options);
    let (stop, begun) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            let mut n = 0;
            while stop.load(Ordering::Acquire) == 0 {
                record(&recorder, 1, n);
                begun.store(1, Ordering::Release);
                n += 1;
            }
            n
        });
        while begun.load(Ordering::Acquire) == 0 {
            std::thread::yield_now();
        }
        (0..1000).for_each(|n| record(&recorder, 0, n));
        // SAFETY: the child runs on in this function and leaves by `_exit`; allocating in it is
        // safe with the allocators of all systems we test on.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            let whole = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                (0..500).for_each(|n| record(&recorder, 2, n));
                assert_eq!(recorder.health(), RecorderHealth { recorded: 500, ..recorder.health() });
                let clone = recorder.clone();
                drop(clone);
            }));
            // SAFETY: ends the process at once: nothing is finished, as when it is killed.
            unsafe { libc::_exit(i32::from(whole.is_err())) };
        }
        (1000..2000).for_each(|n| record(&recorder, 0, n));
        let mut status = 0;
        // SAFETY: a pointer to a local.
        assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
        assert_eq!(status, 0);
        // The child is dead, and with it nothing of ours: a reader still waits for us.
        let live = list(&std::env::var_os(DIR).map(PathBuf::from).unwrap()).unwrap();
        let live = live.iter().filter(|path| Reader::open(path).unwrap().is_live().unwrap()).count();
        assert!(live >= 1, "the parent's lock went with the child");
        (2000..3000).for_each(|n| record(&recorder, 0, n));
        stop.store(1, Ordering::Release);
        let others = other.join().unwrap();
        let health = recorder.health();
        assert_eq!((health.recorded, health.dropped), (3000 + others, vec![]));
    });
}

#[test]
fn a_forked_child_records_into_files_of_its_own() {
    for kind in KINDS {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("journal");
        assert!(child("child_that_forks", &dir, kind).status().unwrap().success(), "{kind:?}");
        let recorders: std::collections::BTreeSet<u128> =
            list(&dir).unwrap().iter().map(|path| Reader::open(path).unwrap().id().recorder).collect();
        assert_eq!(recorders.len(), 2, "{kind:?}");
        let (found, gaps) = read(&dir);
        assert_eq!(gaps, 0);
        assert!(found[&0].iter().copied().eq(0..3000), "{kind:?}");
        assert!(found[&1].iter().copied().eq(0..found[&1].len() as u64), "{kind:?}");
        assert!(found[&2].iter().copied().eq(0..500), "{kind:?}");
    }
}

/// A small file system in memory, gone when this is dropped.
struct Tmpfs(tempfile::TempDir);

impl Tmpfs {
    /// `None` (and a word why) without the right to mount.
    fn new(size: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let options = format!("size={size}");
        let done = mount(&["-t", "tmpfs", "-o", &options, "ax-test"], dir.path());
        if !done {
            println!("skipped: only root may mount a small file system");
        }
        done.then(|| Self(dir))
    }

    fn journal(&self) -> PathBuf {
        self.0.path().join("journal")
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).stderr(Stdio::null()).status();
    }
}

fn mount(args: &[&str], at: &Path) -> bool {
    Command::new("mount").args(args).arg(at).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
}

fn dropped(recorder: &Recorder, reason: DropReason) -> u64 {
    let health = recorder.health();
    assert!(health.dropped.iter().all(|d| d.0 == reason), "{health:?}");
    health.dropped.iter().map(|d| d.1).sum()
}

/// Records until `recorded` grows again after a refusal; the numbers go on from `n`.
fn recovers(recorder: &Recorder, n: &mut u64) {
    let before = recorder.health().recorded;
    for _ in 0..2000 {
        record(recorder, 0, *n);
        *n += 1;
        if recorder.health().recorded > before {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("{:?}", recorder.health());
}

/// All that counts as recorded is there, once, and in the header stands what was not.
fn compare(dir: &Path, recorded: u64, reason: DropReason, dropped: u64) {
    let (found, gaps) = read(dir);
    let numbers = &found[&0];
    assert_eq!((numbers.len() as u64, gaps), (recorded, 0));
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]));
    let newest = list(dir).unwrap().pop().unwrap();
    let noted = Reader::open(&newest).unwrap().drops().unwrap();
    assert_eq!(noted[reason as usize], (reason, Some(dropped)));
}

#[test]
fn a_full_disk_is_counted_and_recording_resumes() {
    for kind in KINDS {
        let Some(disk) = Tmpfs::new("3m") else { return };
        let filler = disk.0.path().join("filler");
        std::fs::write(&filler, vec![1; 1 << 20]).unwrap();
        let recorder = Recorder::open(options(&disk.journal(), kind));
        let mut n = 0;
        while dropped(&recorder, DropReason::DiskFull) < 1000 {
            record(&recorder, 0, n);
            n += 1;
            assert!(n < 1_000_000, "{:?}", recorder.health());
        }
        assert!(recorder.health().recorded > 10_000, "{:?}", recorder.health());
        std::fs::remove_file(&filler).unwrap();
        recovers(&recorder, &mut n);
        let (recorded, lost) = (recorder.health().recorded, dropped(&recorder, DropReason::DiskFull));
        assert_eq!(recorded + lost, n);
        drop(recorder);
        compare(&disk.journal(), recorded, DropReason::DiskFull, lost);
    }
}

#[test]
fn a_medium_that_became_read_only_is_counted_and_recording_resumes() {
    for kind in KINDS {
        let Some(disk) = Tmpfs::new("3m") else { return };
        std::fs::create_dir(disk.journal()).unwrap();
        assert!(mount(&["-o", "remount,ro"], disk.0.path()));
        let recorder = Recorder::open(options(&disk.journal(), kind));
        let mut n = 0;
        while n < 10 {
            record(&recorder, 0, n);
            n += 1;
        }
        assert_eq!(dropped(&recorder, DropReason::ReadOnly), 10);
        assert!(mount(&["-o", "remount,rw"], disk.0.path()));
        recovers(&recorder, &mut n);
        let (recorded, lost) = (recorder.health().recorded, dropped(&recorder, DropReason::ReadOnly));
        drop(recorder);
        compare(&disk.journal(), recorded, DropReason::ReadOnly, lost);
    }
}

/// Sets the largest file this process may write.
fn limit_files(bytes: u64) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: pointers to a local of the right type.
    unsafe {
        assert_eq!(libc::getrlimit(libc::RLIMIT_FSIZE, &raw mut limit), 0);
        limit.rlim_cur = bytes.min(limit.rlim_max);
        assert_eq!(libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit), 0);
    }
}

/// To write beyond the limit would be a deadly signal.
#[test]
fn child_with_a_limit() {
    let Some(small) = work() else { return };
    let dir = small.journal_dir.with_file_name("refused");
    let none = RecorderOptions { journal_dir: dir.clone(), ..small.clone() };
    limit_files(1 << 20);
    let recorder = Recorder::open(small);
    (0..50_000).for_each(|n| record(&recorder, 0, n));
    assert_eq!(recorder.health().recorded, 50_000, "files that end at the limit take everything");
    drop(recorder);
    limit_files(4000);
    let recorder = Recorder::open(none);
    let mut n = 0;
    while n < 100 {
        record(&recorder, 0, n);
        n += 1;
    }
    assert_eq!(dropped(&recorder, DropReason::FileLimit), 100);
    limit_files(u64::MAX);
    recovers(&recorder, &mut n);
    let (recorded, lost) = (recorder.health().recorded, dropped(&recorder, DropReason::FileLimit));
    drop(recorder);
    compare(&dir, recorded, DropReason::FileLimit, lost);
}

#[test]
fn a_limit_on_file_sizes_is_kept_to() {
    for kind in KINDS {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("journal");
        let status = child("child_with_a_limit", &dir, kind).status().unwrap();
        assert!(status.success(), "{kind:?} {status}");
        assert!(read(&dir).0[&0].iter().copied().eq(0..50_000), "{kind:?}");
        assert!(list(&dir).unwrap().len() >= 3);
    }
}

/// Handles and the last clone dropped by different threads: each event is there once.
#[test]
fn recorders_dropped_while_others_record_finish_last() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("journal");
    let recorder = Recorder::open(options(&dir, JournalKind::Mapped));
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let series = recorder.series("claude", "small", "alice");
            scope.spawn(move || {
                for n in 0..1000 * (thread + 1) {
                    let tokens = Tokens { input: n % 1000, ..Tokens::default() };
                    let m = Measurement { cost: Some(cost(thread, n)), tokens, ..Measurement::default() };
                    series.record(&m, NOW, CostSource::Recorded);
                }
            });
        }
        drop(recorder);
    });
    let (found, gaps) = read(&dir);
    assert_eq!(gaps, 0);
    (0..4).for_each(|thread| assert!(found[&thread].iter().copied().eq(0..1000 * (thread + 1))));
}
