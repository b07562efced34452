//! The words of a `Live` in all orders that threads can meet in, and what the helper does.

use std::sync::atomic::AtomicU32;
use std::time::Duration;

use super::live::{Live, Opening, Reserved, Watch};
use super::*;
use crate::journal::{Drops, Reader, RecorderOptions, list};

#[derive(Default)]
struct Counting {
    woken: AtomicU32,
    stalls: AtomicU32,
}

impl Watch for Counting {
    fn wake(&self) {
        self.woken.fetch_add(1, Ordering::Relaxed);
    }

    fn stalled(&self) {
        self.stalls.fetch_add(1, Ordering::Relaxed);
    }
}

/// Memory in place of a mapping, as aligned as one.
struct Memory(Vec<[u64; 512]>);

impl Memory {
    fn new() -> Self {
        Self(vec![[0; 512]; 64])
    }

    /// Opens `live` over it; the descriptor is none, so that space is always refused.
    fn open(&mut self, live: &Live, sequence: u32, capacity: u32, room: u32) {
        self.0.fill([0; 512]);
        let seed = crate::journal::crc::Crc::START;
        live.open(&Opening { sequence, seed, fd: -1, base: self.0.as_mut_ptr().cast(), capacity, room });
    }
}

/// Reserves and publishes: whether it was in the file asked for, `None` when that is full.
fn put(live: &Live, sequence: u32, slots: u32, watch: &Counting) -> Option<bool> {
    let (place, here) = match live.reserve(sequence, slots) {
        Ok(place) => (place, true),
        Err(taken) => match live.clear_up(taken, sequence, slots, watch) {
            Reserved::Here(place) => (place, true),
            Reserved::Elsewhere(place) => (place, false),
            Reserved::Full => return None,
        },
    };
    place.publish(Buffer::pad(slots).payload());
    Some(here)
}

#[test]
fn the_file_ends_where_the_first_frame_did_not_fit() {
    let (live, mut memory, watch) = (Live::idle(), Memory::new(), Counting::default());
    memory.open(&live, 1, 100, 100);
    for _ in 0..11 {
        assert_eq!(put(&live, 1, 9, &watch), Some(true));
    }
    assert!(!live.is_closed());
    assert_eq!((put(&live, 1, 2, &watch), put(&live, 1, 1, &watch)), (None, None), "also what would have fitted");
    assert!(live.is_closed());
    assert_eq!((live.taken(), live.published(0)), (99, 99));
    assert!(live.is_complete(99) && !live.is_complete(90));
    live.close();
    assert_eq!(live.taken(), 99, "closing changes nothing then");
    assert_eq!(watch.woken.into_inner(), 1, "once, at half");
}

#[test]
fn refused_space_ends_the_file_and_a_sleeper_keeps_it() {
    let (live, mut memory, watch) = (Live::idle(), Memory::new(), Counting::default());
    memory.open(&live, 1, 4000, 64);
    let Ok(sleeper) = live.reserve(1, 1) else { panic!() };
    assert_eq!(put(&live, 1, 30, &watch), Some(true));
    assert_eq!(put(&live, 1, 32, &watch), Some(true));
    assert_eq!(put(&live, 1, 8, &watch), None);
    assert_eq!(watch.stalls.load(Ordering::Relaxed), 1);
    assert_eq!((live.taken(), live.published(0)), (63, 0));
    assert!(live.is_closed() && !live.is_complete(live.published(0)));
    sleeper.publish(&[0; 56]);
    assert!(live.is_complete(live.published(0)));
}

#[test]
fn who_slept_through_a_recycling_fills_what_he_got_with_a_pad() {
    let (live, mut memory, watch) = (Live::idle(), Memory::new(), Counting::default());
    assert_eq!(put(&live, 1, 1, &watch), None, "nothing is open");
    memory.open(&live, 1, 100, 100);
    assert_eq!(put(&live, 1, 1, &watch), Some(true));
    live.close();
    assert_eq!((put(&live, 1, 1, &watch), live.taken()), (None, 1));
    memory.open(&live, 5, 100, 100);
    assert_eq!(put(&live, 1, 3, &watch), Some(false));
    assert_eq!(put(&live, 5, 1, &watch), Some(true));
    live.close();
    assert!(live.is_complete(live.published(0)) && live.taken() == 4);
}

#[test]
fn a_thread_that_waits_for_space_in_vain_gives_up() {
    let (live, mut memory, watch) = (Live::idle(), Memory::new(), Counting::default());
    memory.open(&live, 1, 4000, 64);
    // The straddler is stopped between reserving and setting space aside.
    live.skip_for_test(70);
    let began = Stopwatch::start();
    assert_eq!(put(&live, 1, 1, &watch), None);
    assert!(began.elapsed() >= live::PATIENCE);
    assert!(live.is_closed() && !live.is_complete(0), "the straddler has to say where it ends");
}

#[test]
fn nobody_makes_space_that_another_has_claimed() {
    let (live, mut memory, watch) = (Live::idle(), Memory::new(), Counting::default());
    memory.open(&live, 1, 4000, 64);
    live.claim_for_test();
    assert_eq!(live.extend(256 << 10, -1), live::Extended::Elsewhere, "and no refusal");
    assert_eq!(put(&live, 1, 32, &watch), Some(true));
    assert_eq!(put(&live, 1, 30, &watch), Some(true));
    // The straddler: it gives up after its patience, and the file ends where it would have begun.
    assert_eq!(put(&live, 1, 4, &watch), None);
    assert_eq!((live.is_closed(), live.taken(), watch.stalls.into_inner()), (true, 62, 0));
    assert!(live.is_complete(live.published(0)));
}

/// A mapped journal in a new directory.
fn open(dir: &std::path::Path, file_bytes_max: u32) -> Mapped {
    let options = RecorderOptions { file_bytes_max, ..RecorderOptions::new(dir.to_owned(), 1) };
    Mapped::new(Setup { options, recorder: 9, drops: Arc::new(Drops::default()) }).expect("a file system that maps")
}

fn wait_until(what: &str, done: impl Fn() -> bool) {
    for _ in 0..1000 {
        if done() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{what} did not happen");
}

#[test]
fn the_helper_prepares_space_and_files_ahead_and_lets_complete_ones_go() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path(), 1 << 20);
    let room = |log: &Mapped| log.common.live().room_bytes(log.common.live().room());
    assert_eq!(room(&log), 256 << 10);
    let append = |n: u32| (0..n).for_each(|_| log.append_slot(1, &[0; 7]).unwrap());
    append(2100);
    wait_until("the second piece", || room(&log) == 512 << 10);
    append(4000);
    wait_until("the third piece", || room(&log) == 1 << 20);
    assert!(log.common.lock().standby.is_none());
    append(7000);
    wait_until("the next file", || log.common.lock().standby.is_some());
    wait_until("giving pages back", || {
        log.common.lock().current.as_ref().unwrap().released.load(Ordering::Relaxed) >= 512 << 10
    });
    // A thread that sleeps before it publishes holds the file, not the others.
    let Ok(sleeper) = log.common.reserve(1, 1) else { panic!() };
    while log.append_slot(1, &[0; 7]).is_ok() {}
    assert_eq!(log.sequence(), 2);
    log.append_slot(2, &[0; 7]).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(log.common.lock().retired.len(), 1);
    let is_live = |i: usize| Reader::open(&list(dir.path()).unwrap()[i]).unwrap().is_live().unwrap();
    assert!(is_live(0));
    sleeper.publish_slot(&[0; 7]);
    wait_until("letting it go", || log.common.lock().retired.is_empty());
    assert!(!is_live(0) && is_live(1));
    let slots = u64::from(slots_up_to(1 << 20));
    assert_eq!((log.recorded(), log.stalls()), (slots + 1, 0));
    assert_eq!(list(dir.path()).unwrap()[0].metadata().unwrap().len(), 1 << 20);
}
