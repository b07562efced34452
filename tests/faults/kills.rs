//! Processes killed at random moments, again and again over one store: an import, a sealing, a
//! compaction, a backup. After each kill the sums are right at once, and nobody repairs anything by hand.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ax_storage::Store;
use ax_storage::clock::{ManualClock, Stopwatch};
use ax_storage::event::{CostSource, Event};
use ax_storage::import::Consumed;
use ax_storage::journal::{JournalKind, Recorder, RecorderOptions};
use ax_storage::row::Batch;
use ax_storage::time::{DAY_MS, HOUR_MS, Zone};

use crate::scenario::{START, Totals, ask, at, request};
use crate::support::{Child, End, Page, Random, alone, folder, fork, seed, times};

const HEAD: u128 = 7;
/// Events of a batch of the import, and of a recorder's life.
const BATCH: u64 = 20;
/// An unharmed run is measured this often, to know when to kill.
const MEASURED: u64 = 5;

/// A store that many processes work on, and what must be in it.
struct World {
    dir: PathBuf,
    recorded: u64,
    imported: u64,
    rounds: u64,
}

impl World {
    fn new(dir: &Path) -> Self {
        Store::open_or_create(dir, &Zone::utc(), at(START)).unwrap();
        Self { dir: dir.to_owned(), recorded: 0, imported: 0, rounds: 0 }
    }

    fn open(&self) -> Store {
        Store::open(&self.dir).unwrap()
    }

    /// A time in which what was recorded before is old enough to be sealed.
    fn now(&self) -> u64 {
        START + 4 * HOUR_MS + self.rounds * 10_000
    }

    /// One recorder's life.
    fn record(&mut self) {
        let store = self.open();
        let recorder = Recorder::open(RecorderOptions {
            kind: if self.rounds.is_multiple_of(2) { JournalKind::Written } else { JournalKind::Mapped },
            file_bytes_max: 64 << 10,
            clock: Arc::new(ManualClock::at(at(START))),
            ..RecorderOptions::new(store.paths().journal_dir(), store.uuid())
        });
        for n in self.recorded..self.recorded + BATCH {
            let ts = at(START + n * 1009 % (2 * HOUR_MS));
            recorder.record(&Event::Request(request(n)), ts, CostSource::Recorded);
        }
        assert_eq!(recorder.health().recorded, BATCH);
        self.recorded += BATCH;
    }

    /// Batches of one input that are done.
    fn done(store: &Store) -> u64 {
        store.import().remembered(HEAD).unwrap().last().map_or(0, |c| c.len)
    }

    fn import(store: &Store, batch: u64) {
        let mut rows = Batch::default();
        for n in batch * BATCH..(batch + 1) * BATCH {
            // Over three days, so that a batch makes several segments.
            let (ts, id) = (at(START - 2 * DAY_MS + n * 7_654_321 % (3 * DAY_MS)), format!("id{n}"));
            rows.push(&Event::Request(request(1_000_000 + n)), ts, CostSource::Recorded, &id);
        }
        let consumed = Consumed { len: batch + 1, hash: u128::from(batch) };
        store.import().add(&mut rows, HEAD, Some(consumed)).unwrap();
    }

    fn import_next(&mut self) {
        let store = self.open();
        Self::import(&store, Self::done(&store));
        self.imported = Self::done(&store) * BATCH;
    }

    /// All that must be there is, once, in tiers and in files.
    fn check(&self, deep: bool) {
        let store = self.open();
        let numbers = (0..self.recorded).chain((0..self.imported).map(|n| 1_000_000 + n));
        assert_eq!(ask(&store), Totals::of(numbers), "after {} kills", self.rounds);
        if deep {
            assert_eq!(store.verify(&mut |_| ()).unwrap().problems, [], "after {} kills", self.rounds);
        }
    }

    /// After the last kill: the next pass, and nothing is left to do.
    fn finish(&self) {
        let store = self.open();
        store.compact(at(self.now() + 2 * HOUR_MS), &mut |_| ()).unwrap();
        self.check(true);
        let info = store.info().unwrap();
        assert_eq!((info.events_raw, info.backlog_events), (self.recorded + self.imported, 0));
        let hidden = std::fs::read_dir(&self.dir).unwrap().map(|e| e.unwrap().file_name());
        let left: Vec<_> = hidden.filter(|name| name.as_encoded_bytes().starts_with(b".")).collect();
        assert!(left.iter().all(|name| name.as_encoded_bytes().starts_with(b".monitor.redb.")), "{left:?}");
    }
}

/// Rounds of: `prepare`, then `work` in a process that is killed while it is at it, then a look. A few
/// rounds at first go unharmed, to know how long the work takes.
fn killed_at_random(
    rounds: u64,
    prepare: impl Fn(&mut World),
    work: impl Fn(&World, &Store),
    look: impl Fn(&mut World),
) {
    let (root, started) = (folder(), Page::new());
    let mut world = World::new(&root.path().join("store"));
    let (mut random, mut lasted, mut killed) = (Random(seed()), Vec::new(), 0);
    for round in 0..rounds + MEASURED {
        world.rounds = round;
        prepare(&mut world);
        let store = world.open();
        started[0].store(0, Ordering::SeqCst);
        let child: Child = fork(|| {
            started[0].store(1, Ordering::SeqCst);
            work(&world, &store);
        });
        while started[0].load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        if round < MEASURED {
            let watch = Stopwatch::start();
            assert_eq!(child.wait(), End::Done);
            lasted.push(watch.elapsed());
            lasted.sort_unstable();
        } else {
            // The median: on a busy machine the longest would be too late for nearly all.
            let usual = lasted[lasted.len() / 2].as_nanos() as u64;
            std::thread::sleep(Duration::from_nanos(random.below(usual * 5 / 4)));
            let end = child.kill();
            assert!(matches!(end, End::Done | End::Signal(libc::SIGKILL)), "{end:?}");
            killed += u64::from(end != End::Done);
        }
        look(&mut world);
        world.check(round % 10 == 9);
    }
    println!("{killed} of {rounds} killed at work");
    assert!(killed * 10 > rounds, "only {killed} of {rounds} were killed at work");
    world.finish();
}

fn rounds() -> u64 {
    times(100, 2_500)
}

#[test]
fn an_import_killed_at_random() {
    let work = |_: &World, store: &Store| {
        let done = World::done(store);
        (done..done + 3).for_each(|batch| World::import(store, batch));
    };
    let look = |world: &mut World| {
        let store = world.open();
        world.imported = World::done(&store) * BATCH;
        if world.rounds.is_multiple_of(5) {
            store.tick(at(world.now())).unwrap();
        }
    };
    alone("kills::an_import_killed_at_random", || killed_at_random(rounds(), World::record, work, look));
}

#[test]
fn a_sealing_killed_at_random() {
    let work = |world: &World, store: &Store| _ = store.tick(at(world.now())).unwrap();
    alone("kills::a_sealing_killed_at_random", || killed_at_random(rounds(), World::record, work, |_| ()));
}

#[test]
fn a_compaction_killed_at_random() {
    let prepare = |world: &mut World| {
        world.record();
        world.import_next();
    };
    let work = |world: &World, store: &Store| {
        let now = at(world.now());
        match world.rounds % 3 {
            2 => _ = store.rebuild(now, &mut |_, _| ()).unwrap(),
            _ => _ = store.compact(now, &mut |_| ()).unwrap(),
        }
    };
    alone("kills::a_compaction_killed_at_random", || killed_at_random(rounds(), prepare, work, |_| ()));
}

/// The target is not there, or it is a whole store.
#[test]
fn a_backup_killed_at_random() {
    let prepare = |world: &mut World| {
        world.record();
        if world.rounds.is_multiple_of(4) {
            world.import_next();
            world.open().tick(at(world.now())).unwrap();
        }
    };
    let target = |world: &World| world.dir.with_file_name("copy");
    let work = |world: &World, store: &Store| _ = store.backup(&target(world), &mut |_, _| ()).unwrap();
    let look = |world: &mut World| {
        let copy = target(world);
        if copy.exists() {
            World { dir: copy.clone(), ..*world }.check(true);
        }
        for entry in std::fs::read_dir(copy.parent().unwrap()).unwrap().map(Result::unwrap) {
            if entry.path() != world.dir {
                std::fs::remove_dir_all(entry.path()).unwrap();
            }
        }
    };
    alone("kills::a_backup_killed_at_random", || killed_at_random(rounds(), prepare, work, look));
}

/// Five passes begin together in processes of their own: the events count once, nobody fails and
/// nobody waits for the others.
#[test]
fn many_passes_begin_together_and_count_once() {
    alone("kills::many_passes_begin_together_and_count_once", || {
        const PASSES: usize = 5;
        let root = folder();
        let mut world = World::new(&root.path().join("store"));
        for round in 0..times(100, 2_000) {
            world.rounds = round;
            world.record();
            let (store, page) = (world.open(), Page::new());
            let (ready, events) = (&page[0], &page[1]);
            let pass = || {
                ready.fetch_add(1, Ordering::SeqCst);
                while ready.load(Ordering::SeqCst) < PASSES as u64 {
                    std::thread::yield_now();
                }
                let report = store.tick(at(world.now())).unwrap();
                events.fetch_add(report.events, Ordering::SeqCst);
            };
            let passes: Vec<Child> = (0..PASSES).map(|_| fork(pass)).collect();
            for pass in passes {
                assert_eq!(pass.wait_at_most(Duration::from_secs(30)), End::Done, "round {round}");
            }
            assert_eq!(events.load(Ordering::SeqCst), BATCH, "round {round}");
            world.check(round % 20 == 19);
        }
        world.finish();
    });
}
