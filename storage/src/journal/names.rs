//! Names of a recorder by number: looked up without waiting on the recording path.
//!
//! A table never forgets and never moves: a slot is empty, then holds its entry for good. Readers
//! need one acquire load a probe (inside `OnceLock`); who adds a name takes a lock with `try_lock`
//! and gives up when it is taken: the event then carries its names itself.
//!
//! `Entry::announced` is the number of the file in which the entry's name frame stands. It is
//! stored (release) after that frame was published, and compared (acquire) before an event that
//! uses the id is reserved, so in every file names stand before the events that use them.

use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, TryLockError};

use foldhash::fast::RandomState;

use crate::journal::frame::Class;

/// Series a recorder numbers; events of others carry their names.
pub(crate) const SERIES_MAX: u32 = 4096;
/// Users a recorder numbers.
pub(crate) const USERS_MAX: u32 = 16_384;
/// Kinds of error and service tiers a recorder numbers.
pub(crate) const WORDS_MAX: u32 = 1024;
/// Bytes of all names of a table, so that a recorder stays below 4 MB whatever its names are.
const TEXT_BYTES_MAX: usize = 512 << 10;

/// One name (of a series: two) with its number.
#[derive(Debug)]
pub(crate) struct Entry {
    /// From 1; 0 stands for the empty word.
    pub(crate) id: u32,
    pub(crate) class: Class,
    announced: AtomicU32,
    /// Both parts, one after the other.
    text: Box<str>,
    first_bytes: usize,
}

impl Entry {
    /// The two parts.
    pub(crate) fn parts(&self) -> (&str, &str) {
        self.text.split_at(self.first_bytes)
    }

    /// Whether the name frame stands in file `sequence`.
    #[inline(always)]
    pub(crate) fn is_announced(&self, sequence: u32) -> bool {
        self.announced.load(Ordering::Acquire) == sequence
    }

    /// Says that the name frame was published in file `sequence`.
    pub(crate) fn set_announced(&self, sequence: u32) {
        self.announced.store(sequence, Ordering::Release);
    }

    #[inline]
    fn is(&self, a: &str, b: &str) -> bool {
        let text = self.text.as_bytes();
        self.first_bytes == a.len()
            && text.len() == a.len() + b.len()
            && &text[..a.len()] == a.as_bytes()
            && &text[a.len()..] == b.as_bytes()
    }
}

/// Names of one class.
#[derive(Debug)]
pub(crate) struct Table {
    class: Class,
    /// Twice as many as entries allowed, a power of two: a probe ends after two steps on average.
    slots: Box<[OnceLock<Arc<Entry>>]>,
    entries_max: u32,
    hasher: RandomState,
    adding: Mutex<Added>,
}

#[derive(Debug, Default)]
struct Added {
    entries: u32,
    text_bytes: usize,
}

impl Table {
    /// An empty table of at most `entries_max` names.
    pub(crate) fn new(class: Class, entries_max: u32) -> Self {
        let slots = (entries_max as usize * 2).next_power_of_two();
        Self {
            class,
            slots: (0..slots).map(|_| OnceLock::new()).collect(),
            entries_max,
            hasher: RandomState::default(),
            adding: Mutex::default(),
        }
    }

    /// The entry of a name, added when it is new. `None` when the table is full or another thread
    /// is adding just now.
    #[inline]
    pub(crate) fn get(&self, a: &str, b: &str) -> Option<&Arc<Entry>> {
        let mut slot = self.start(a, b);
        loop {
            match self.slots[slot].get() {
                Some(entry) if entry.is(a, b) => return Some(entry),
                Some(_) => slot = (slot + 1) & (self.slots.len() - 1),
                None => return self.add(a, b),
            }
        }
    }

    #[inline]
    fn start(&self, a: &str, b: &str) -> usize {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(a.as_bytes());
        hasher.write(b.as_bytes());
        // The mask keeps the low bits, which is all a 32-bit machine has.
        hasher.finish() as usize & (self.slots.len() - 1)
    }

    #[cold]
    fn add(&self, a: &str, b: &str) -> Option<&Arc<Entry>> {
        let mut added = match self.adding.try_lock() {
            Ok(added) => added,
            // Nothing in here leaves the counts half changed.
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        let text_bytes = added.text_bytes + a.len() + b.len();
        if added.entries == self.entries_max || text_bytes > TEXT_BYTES_MAX {
            return None;
        }
        let mut slot = self.start(a, b);
        loop {
            match self.slots[slot].get() {
                // Another thread was first.
                Some(entry) if entry.is(a, b) => return Some(entry),
                Some(_) => slot = (slot + 1) & (self.slots.len() - 1),
                None => break,
            }
        }
        *added = Added { entries: added.entries + 1, text_bytes };
        let entry = Entry {
            id: added.entries,
            class: self.class,
            announced: AtomicU32::new(0),
            text: [a, b].concat().into(),
            first_bytes: a.len(),
        };
        Some(self.slots[slot].get_or_init(|| Arc::new(entry)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_number_and_parts_do_not_run_together() {
        let table = Table::new(Class::Series, 10);
        let id = |a, b| table.get(a, b).unwrap().id;
        assert_eq!(id("ab", "c"), 1);
        assert_eq!(id("a", "bc"), 2);
        assert_eq!(id("", "abc"), 3);
        assert_eq!(id("ab", "c"), 1);
        assert_eq!(table.get("ab", "c").unwrap().parts(), ("ab", "c"));
    }

    #[test]
    fn a_full_table_knows_the_old_and_refuses_the_new() {
        let table = Table::new(Class::User, 3);
        for name in ["a", "b", "c"] {
            assert!(table.get(name, "").is_some());
        }
        assert!(table.get("d", "").is_none());
        assert_eq!(table.get("b", "").unwrap().id, 2);
        let table = Table::new(Class::User, USERS_MAX);
        let long = "x".repeat(200);
        let taken = (0..USERS_MAX).take_while(|i| table.get(&format!("{long}{i}"), "").is_some()).count();
        assert!((2000..3000).contains(&taken), "{taken}");
    }

    #[test]
    fn threads_that_add_at_once_agree() {
        let table = Table::new(Class::User, 1000);
        let ids = |_| {
            let id = |i: u32| loop {
                // Taken by another thread at this moment: an event would carry its name.
                if let Some(entry) = table.get(&format!("user{i}"), "") {
                    return entry.id;
                }
            };
            (0..1000).map(id).collect::<Vec<_>>()
        };
        let all: Vec<Vec<u32>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|t| scope.spawn(move || ids(t))).collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        assert!(all.iter().all(|ids| *ids == all[0]));
        let mut sorted = all[0].clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (1..=1000).collect::<Vec<_>>());
    }
}
