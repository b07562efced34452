//! The power goes at any sync, and of what was not synced any part is lost: what was said to be safe
//! is there, tiers and events agree, nothing counts twice.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use ax_storage::Store;
use ax_storage::journal::{JournalKind, Recorder};
use ax_storage::retention::{Clocks, Part, Retention};
use ax_storage::time::{DAY_MS, HOUR_MS, Zone};

use crate::medium::{Cut, EXTREMES, Luck, Medium};
use crate::scenario::{LATE, START, at};
use crate::support::{alone, folder, seed, times};
use crate::witness::{BATCH, Checked, Claim, MINUTE, Writer, check};

/// A life of a store under observation.
struct Life<'a> {
    folder: &'a Path,
    medium: &'a Medium<Claim>,
    writer: Writer,
}

impl Life<'_> {
    /// Records eight at a time: between them, what is stored through a mapping may reach the medium.
    fn record(&self, recorder: &Recorder, source: usize, numbers: std::ops::Range<u64>, from: u64) {
        let end = numbers.end;
        for n in numbers.step_by(8) {
            self.writer.record(recorder, source, n..(n + 8).min(end), from);
            self.medium.look();
        }
    }

    fn flush(&self, recorder: &Recorder, source: usize) {
        let recorded = recorder.health().recorded;
        recorder.flush().unwrap();
        self.medium.say(|claim| claim.events[source] = recorded);
    }

    fn import(&self, store: &Store, batch: u64) {
        self.writer.import(store, batch).unwrap();
        self.medium.say(|claim| claim.events[2] = (batch + 1) * BATCH);
    }

    fn live(&self) {
        let store = Store::open_or_create(&self.folder.join("store"), &Zone::utc(), at(START)).unwrap();
        self.medium.say(|claim| claim.store = true);
        let first = self.writer.recorder(&store, START);
        self.record(&first, 0, 0..10, START);
        self.flush(&first, 0);
        self.record(&first, 0, 10..20, START);
        // Rolled up, and nobody has flushed them.
        store.tick(at(START + 10 * MINUTE)).unwrap();
        self.record(&first, 0, 20..230, START);
        let second = self.writer.recorder(&store, START + HOUR_MS);
        self.record(&second, 1, 0..15, START + HOUR_MS);
        self.import(&store, 0);
        store.tick(at(START + HOUR_MS)).unwrap();
        self.flush(&first, 0);
        self.record(&first, 0, 230..240, START);
        drop(first);
        store.tick(at(START + 5 * HOUR_MS)).unwrap();
        self.record(&second, 1, 15..20, START + HOUR_MS);
        self.flush(&second, 1);
        self.import(&store, 1);
        store.backup(&self.folder.join("backup"), &mut |_, _| ()).unwrap();
        self.medium.say(|claim| claim.backup = Some(claim.events));
        self.record(&second, 1, 20..25, START + HOUR_MS);
        drop(second);
        store.tick(at(START + 2 * DAY_MS)).unwrap();
        self.import(&store, 2);
        store.compact(at(START + 2 * DAY_MS + HOUR_MS), &mut |_| ()).unwrap();
        store.rebuild(at(START + 2 * DAY_MS + 2 * HOUR_MS), &mut |_, _| ()).unwrap();
        let retention = Retention::default().with(Part::Raw, DAY_MS).with(Part::Minute, DAY_MS);
        store.set_retention(&retention).unwrap();
        store.retain(at(LATE), Clocks::Trusted).unwrap();
        store.tick(at(LATE)).unwrap();
    }
}

/// So many states of a cut, each looked at once: with little to lose, most are drawn again and again.
/// How many there were.
fn try_states(cut: &Cut<Claim>, seed: u64, states: u64) -> Checked<usize> {
    let mut tried = HashSet::new();
    for turn in 0..states {
        let (root, mut luck) = (folder(), Luck::new(seed, turn));
        cut.restore(root.path(), &mut luck);
        if tried.insert(luck.drawn()) {
            // A backup that was told of is synced: states that differ have the same.
            let backup = cut.claim.backup.filter(|_| turn < EXTREMES);
            let claim = Claim { backup, ..cut.claim };
            catch_unwind(AssertUnwindSafe(|| check(root.path(), &claim)))
                .unwrap_or_else(|_| Err("a panic".into()))
                .map_err(|what| format!("state {turn}: {what}"))?;
        }
    }
    Ok(tried.len())
}

fn lose_power(kind: JournalKind, states: u64) {
    let root = folder();
    let medium = Medium::new(root.path(), Claim::default());
    {
        let _hooked = medium.observe();
        Life { folder: root.path(), medium: &medium, writer: Writer { kind } }.live();
    }
    let cuts = medium.cuts();
    let each = states.div_ceil(cuts.len() as u64);
    let (next, different) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        let mut failed = Vec::new();
        while let Some((place, cut)) = Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|n| Some((n, cuts.get(n)?)))
        {
            match try_states(cut, seed() << 32 | place as u64, each) {
                Ok(tried) => _ = different.fetch_add(tried, Ordering::Relaxed),
                Err(what) => failed.push(format!("cut {place}, {what}\n{:#?}\n{:?}", cut.claim, cut.unsynced())),
            }
        }
        failed
    };
    let failed: Vec<String> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..2).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|w| w.join().unwrap()).collect()
    });
    let (drawn, different) = (each * cuts.len() as u64, different.into_inner());
    println!("{kind:?}: {} cuts, {drawn} states drawn, {different} different ones tried", cuts.len());
    assert!(cuts.len() > 100);
    assert!(failed.is_empty(), "{} cuts failed\n{}", failed.len(), failed.join("\n\n"));
}

#[test]
fn power_lost_at_every_sync_written() {
    alone("power::power_lost_at_every_sync_written", || lose_power(JournalKind::Written, times(10_000, 500_000)));
}

#[test]
fn power_lost_at_every_sync_mapped() {
    alone("power::power_lost_at_every_sync_mapped", || lose_power(JournalKind::Mapped, times(10_000, 500_000)));
}
