//! Power lost for real, as near as a machine gets to it by itself: an ext4 on a loop device stops between two
//! instructions, nothing that it had in memory reaches the device, and it is mounted again.
//!
//! Needs root and a loop device; elsewhere it says so and passes.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::Duration;

use ax_storage::Store;
use ax_storage::journal::JournalKind;
use ax_storage::time::{HOUR_MS, Zone};

use crate::scenario::{START, at};
use crate::support::{End, Page, Random, alone, folder, fork, seed, times};
use crate::witness::{Claim, MINUTE, Writer, check};

/// `EXT4_IOC_SHUTDOWN`, and "without the log".
const SHUTDOWN: libc::c_ulong = 0x8004_587d;
static NO_LOG_FLUSH: u32 = 2;
const IMAGE_BYTES: u64 = 48 << 20;

/// A mounted file system in a file. The file has no other copy: what is in it is what the medium has.
struct Disk {
    folder: tempfile::TempDir,
}

impl Disk {
    /// `None`, and a word why, where it cannot be made.
    fn new() -> Option<Self> {
        let disk = Self { folder: folder() };
        let image = disk.folder.path().join("image");
        File::create(&image).unwrap().set_len(IMAGE_BYTES).unwrap();
        std::fs::create_dir(disk.mounted()).unwrap();
        let made = run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image));
        if made && disk.mount() {
            return Some(disk);
        }
        println!("skipped: only root, with a loop device and mkfs.ext4, may make a file system and stop it");
        None
    }

    fn mounted(&self) -> std::path::PathBuf {
        self.folder.path().join("mounted")
    }

    fn mount(&self) -> bool {
        run(Command::new("mount")
            .args(["-t", "ext4", "-o", "loop"])
            .arg(self.folder.path().join("image"))
            .arg(self.mounted()))
    }

    /// The power goes.
    fn stop(&self) {
        let root = File::open(self.mounted()).unwrap();
        // SAFETY: the call reads one u32.
        let done = unsafe { libc::ioctl(root.as_raw_fd(), SHUTDOWN, &raw const NO_LOG_FLUSH) };
        assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
    }

    /// And comes back.
    fn start(&self) {
        assert!(run(Command::new("umount").arg(self.mounted())));
        assert!(self.mount());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        run(Command::new("umount").arg("-l").arg(self.mounted()));
    }
}

fn run(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Records, flushes, imports and keeps up until the medium is gone; says in `page` what is safe.
fn live(dir: &Path, kind: JournalKind, page: &Page) {
    let Ok(store) = Store::open_or_create(dir, &Zone::utc(), at(START)) else { return };
    page[0].store(1, Ordering::SeqCst);
    let writer = Writer { kind };
    let recorder = writer.recorder(&store, START);
    for round in 0.. {
        writer.record(&recorder, 0, round * 25..(round + 1) * 25, START);
        // Each three times a life, and in every order.
        if round % 3 != 2 {
            let recorded = recorder.health().recorded;
            if recorder.flush().is_err() {
                return;
            }
            page[1].store(recorded, Ordering::SeqCst);
        }
        if round < 3 {
            if writer.import(&store, round).is_err() {
                return;
            }
            page[2].store(round + 1, Ordering::SeqCst);
        }
        if round % 4 != 1 && store.tick(at(START + HOUR_MS + round * 40 * MINUTE)).is_err() {
            return;
        }
    }
}

/// Says that a process is at its end.
struct Ended<'a>(&'a Page);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0[3].store(1, Ordering::SeqCst);
    }
}

#[test]
fn power_lost_for_real() {
    alone("outage::power_lost_for_real", || {
        let Some(disk) = Disk::new() else { return };
        let mut random = Random(seed());
        let (cycles, mut safe) = (times(20, 500), 0);
        for cycle in 0..cycles {
            let page = Page::new();
            let kind = [JournalKind::Mapped, JournalKind::Written][(cycle % 2) as usize];
            let root = disk.mounted().join(format!("cycle{cycle}"));
            std::fs::create_dir(&root).unwrap();
            File::open(disk.mounted()).unwrap().sync_all().unwrap();
            let child = fork(|| {
                let _ended = Ended(&page);
                live(&root.join("store"), kind, &page);
            });
            // Some are stopped before anything is safe.
            let wanted = random.below(500);
            while page[1].load(Ordering::SeqCst) < wanted && page[3].load(Ordering::SeqCst) == 0 {
                std::thread::yield_now();
            }
            std::thread::sleep(Duration::from_micros(random.below(12_000)));
            // Nobody hears of a sync that the power cut short. Here one may still return, and ext4 may call
            // it done when its log is given up meanwhile: what is said from now on does not count.
            let claim = Claim::of(&page);
            disk.stop();
            let end = child.kill();
            let expected = [End::Done, End::Signal(libc::SIGKILL), End::Signal(libc::SIGBUS)];
            assert!(expected.contains(&end), "cycle {cycle}: {end:?}");
            disk.start();
            safe += claim.events.iter().sum::<u64>();
            if let Err(what) = check(&root, &claim) {
                panic!("cycle {cycle}, {kind:?}, {claim:?}: {what}");
            }
            std::fs::remove_dir_all(&root).unwrap();
        }
        println!("{cycles} cycles, {safe} events said to be safe");
        assert!(safe > 0);
    });
}
