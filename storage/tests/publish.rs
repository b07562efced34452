//! Reserving and publishing in a mapped journal, in every order that threads and memory allow.
//!
//! A model of `journal/mapped/live.rs`: the same words, the same steps and the same orderings, over a
//! file of a few slots, with cells that report when two threads touch them without one seeing the other.
//! Each ordering is also weakened in turn, and that must be caught: an ordering that nothing depends on
//! would be one that the model does not check.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use loom::thread;

/// Slots the file may have, and slots with space at first.
const CAPACITY: u64 = 3;
const ROOM: u64 = 1;
const SHUT: u64 = 1 << 31;
const CLAIMED: u64 = 1 << 30;
const CLOSE: u64 = 1 << 31;
const NO_END: u64 = u32::MAX as u64;
/// The event in a slot that was made ready and not written.
const ZERO: u64 = 0;

/// What each step promises, as in `live.rs`.
#[derive(Clone, Copy)]
struct Orders {
    /// `open` lets threads in.
    open: Ordering,
    /// `reserve` takes slots.
    take: Ordering,
    /// Whoever looks where space ends.
    look: Ordering,
    /// `extend` says that there is more, to whoever asks `room` and to whoever asks `soft`.
    raise: [Ordering; 2],
    /// A frame is there.
    publish: Ordering,
    /// The helper, or a reader, finds it.
    find: Ordering,
}

const REAL: Orders =
    Orders { open: Release, take: Acquire, look: Acquire, raise: [AcqRel, Release], publish: Release, find: Acquire };

struct Live {
    orders: Orders,
    next: AtomicU64,
    soft: AtomicU64,
    room: AtomicU64,
    end: AtomicU64,
    seed: AtomicU32,
    /// Length and payload of each slot. A payload that is not mapped must not be touched.
    lengths: Vec<AtomicU32>,
    payloads: Vec<UnsafeCell<u64>>,
}

fn slots_in(room: u64) -> u64 {
    room & !(SHUT | CLAIMED)
}

fn is_last(room: u64) -> bool {
    room & SHUT != 0 || slots_in(room) >= CAPACITY
}

impl Live {
    fn new(orders: Orders) -> Self {
        Self {
            orders,
            next: AtomicU64::new(CLOSE),
            soft: AtomicU64::new(0),
            room: AtomicU64::new(SHUT),
            end: AtomicU64::new(0),
            seed: AtomicU32::new(0),
            lengths: (0..CAPACITY).map(|_| AtomicU32::new(0)).collect(),
            payloads: (0..CAPACITY).map(|_| UnsafeCell::new(ZERO)).collect(),
        }
    }

    fn put(&self, slot: u64, event: u64) {
        // SAFETY: the model checks that nobody else is there.
        self.payloads[slot as usize].with_mut(|payload| unsafe { *payload = event });
    }

    fn get(&self, slot: u64) -> u64 {
        // SAFETY: as in `put`.
        self.payloads[slot as usize].with(|payload| unsafe { *payload })
    }

    fn open(&self, sequence: u64) {
        self.seed.store(sequence as u32, Relaxed);
        self.end.store(NO_END, Relaxed);
        self.room.store(ROOM, Relaxed);
        self.soft.store(ROOM, Relaxed);
        self.next.store(sequence << 32, self.orders.open);
    }

    /// Records one event: whether there was a slot.
    fn record(&self, event: u64) -> bool {
        let taken = self.next.fetch_add(1, self.orders.take) as u32 as u64;
        if taken < self.soft.load(self.orders.look) || self.has_space(taken) {
            self.put(taken, event);
            self.lengths[taken as usize].store(1, self.orders.publish);
            return true;
        }
        false
    }

    fn has_space(&self, taken: u64) -> bool {
        loop {
            let room = self.room.load(self.orders.look);
            if taken < slots_in(room) {
                return true;
            }
            let straddler = taken <= slots_in(room);
            if is_last(room) {
                if straddler {
                    self.end.store(taken, Release);
                }
                return false;
            }
            if straddler && room & CLAIMED == 0 {
                self.extend();
            } else {
                thread::yield_now();
            }
        }
    }

    /// Fills the next slot with zeros, unless another is at it.
    fn extend(&self) {
        let room = self.room.load(self.orders.look);
        let swap = |from, to| self.room.compare_exchange(from, to, self.orders.raise[0], Relaxed).is_ok();
        if room & CLAIMED != 0 || is_last(room) || !swap(room, room | CLAIMED) {
            return;
        }
        self.put(slots_in(room), ZERO);
        if swap(room | CLAIMED, slots_in(room) + 1) {
            self.soft.store(slots_in(room) + 1, self.orders.raise[1]);
        }
    }

    /// Has nothing more reserved.
    fn close(&self) {
        let room = self.room.fetch_or(SHUT, AcqRel);
        let taken = self.next.fetch_add(CLOSE, AcqRel) as u32 as u64;
        if taken <= slots_in(room) {
            self.end.store(taken, Release);
        }
    }

    /// What the helper does when it lets a file go: whether it could. All payloads go.
    fn unmap(&self) -> bool {
        let end = self.end.load(Acquire);
        let published = |slot: u64| self.lengths[slot as usize].load(self.orders.find) != 0;
        let complete = end != NO_END && (0..end).all(published);
        if complete {
            (0..CAPACITY).for_each(|slot| self.put(slot, ZERO));
        }
        complete
    }
}

fn explore(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

fn recorders(live: &Arc<Live>) -> Vec<thread::JoinHandle<bool>> {
    let record = |event| {
        let live = Arc::clone(live);
        thread::spawn(move || live.record(event))
    };
    (1..=2).map(record).collect()
}

fn recorded(recorders: Vec<thread::JoinHandle<bool>>) -> u64 {
    recorders.into_iter().map(|recorder| u64::from(recorder.join().unwrap())).sum()
}

/// Two threads record, the helper makes space, a reader reads what is published.
fn record_and_read(orders: Orders) {
    explore(move || {
        let live = Arc::new(Live::new(orders));
        live.open(1);
        let recorders = recorders(&live);
        live.extend();
        if live.lengths[0].load(orders.find) != 0 {
            assert_ne!(live.get(0), ZERO, "published before it was written");
        }
        assert_eq!(recorded(recorders), 2);
        assert_eq!(live.get(0) + live.get(1), 3, "each event is there once");
    });
}

/// The file is closed and let go while threads record.
fn record_and_close(orders: Orders) {
    explore(move || {
        let live = Arc::new(Live::new(orders));
        live.open(1);
        let recorders = recorders(&live);
        live.close();
        let early = live.unmap();
        let recorded = recorded(recorders);
        assert_eq!(live.end.load(Acquire), recorded, "the file ends behind the last event");
        assert!(early || live.unmap(), "everything up to the end is published");
    });
}

/// A thread sleeps between finding a file and reserving in it; meanwhile the next file may be opened there.
fn record_and_recycle(orders: Orders) {
    explore(move || {
        let live = Arc::new(Live::new(orders));
        live.open(1);
        let late = Arc::clone(&live);
        let late = thread::spawn(move || {
            let taken = late.next.fetch_add(1, orders.take);
            if u64::from(taken as u32) < ROOM {
                assert_eq!(u64::from(late.seed.load(Relaxed)), taken >> 32, "a checksum of another file");
                late.put(0, 1);
                late.lengths[0].store(1, orders.publish);
            }
        });
        live.close();
        if live.unmap() {
            live.lengths[0].store(0, Relaxed);
            live.open(2);
        }
        late.join().unwrap();
    });
}

type Model = fn(Orders);

const MODELS: [(&str, Model); 3] =
    [("read", record_and_read), ("close", record_and_close), ("recycle", record_and_recycle)];

#[test]
fn nothing_is_written_twice_or_read_early_or_let_go_too_soon() {
    MODELS.iter().for_each(|(_, model)| model(REAL));
}

#[test]
fn a_weaker_ordering_is_caught() {
    let weaker = [
        ("open", Orders { open: Relaxed, ..REAL }),
        ("take", Orders { take: Relaxed, ..REAL }),
        ("look", Orders { look: Relaxed, ..REAL }),
        ("raise room", Orders { raise: [Relaxed, Release], ..REAL }),
        ("raise soft", Orders { raise: [AcqRel, Relaxed], ..REAL }),
        ("publish", Orders { publish: Relaxed, ..REAL }),
        ("find", Orders { find: Relaxed, ..REAL }),
    ];
    for (name, orders) in weaker {
        // A thread of its own: a model that failed leaves one of no more use.
        let caught = |model: Model| std::thread::spawn(move || model(orders)).join().is_err();
        let by: Vec<&str> = MODELS.iter().filter(|(_, model)| caught(*model)).map(|(name, _)| *name).collect();
        println!("{name}: caught by {by:?}");
        assert!(!by.is_empty(), "{name} is weaker, and nothing shows it");
    }
}
