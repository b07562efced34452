//! Names of a recorder by number: looked up without waiting on the recording path.
//!
//! ```text
//! slots    place of an entry, 0 = free; probed one after the other from the hash on
//! words    entry, entry, … as it was added; entry =
//!            file in which its name frame stands
//!            id u32 | bytes of a u16 | bytes of b u16
//!            a, b: each zero-filled to whole pairs of words
//! ```
//! A table never forgets and never moves: a slot is free, then holds its entry for good. Readers
//! need one acquire load a probe, and two cache lines: that of the slot, and that of the entry,
//! whose text they compare eight bytes at a time with what they hashed eight bytes at a time. Who
//! adds a name takes a lock with `try_lock` and gives up when it is taken: the event then carries
//! its names itself.
//!
//! An entry's first word is stored (release) after the name frame was published in that file, and
//! compared (acquire) before an event that uses the id is reserved, so in every file names stand
//! before the events that use them.

use std::alloc::{Layout, alloc_zeroed, handle_alloc_error};
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, TryLockError};

use crate::event::NAME_BYTES_MAX;
use crate::journal::frame::Class;

/// Series a recorder numbers; events of others carry their names.
pub(crate) const SERIES_MAX: u32 = 4096;
/// Users a recorder numbers.
pub(crate) const USERS_MAX: u32 = 16_384;
/// Kinds of error and service tiers a recorder numbers.
pub(crate) const WORDS_MAX: u32 = 1024;
/// Words of all names of a table, so that a recorder stays below 4 MB whatever its names are: as
/// many users as may be with names of 48 bytes. Pages that are not used yet are none.
const TEXT_WORDS_MAX: usize = 96 << 10;
/// Words before the text of an entry.
const HEAD_WORDS: usize = 2;

/// Names of one class.
#[derive(Debug)]
pub(crate) struct Table {
    class: Class,
    /// Twice as many as entries allowed, a power of two: a probe ends after two steps on average.
    slots: Box<[AtomicU32]>,
    /// The first pair is not used, so that no entry is at place 0.
    words: Box<[AtomicU64]>,
    /// What hashes depend on, so that nobody chooses names that collide.
    seeds: [u64; 2],
    entries_max: u32,
    adding: Mutex<Added>,
}

#[derive(Debug)]
struct Added {
    entries: u32,
    /// Where the next entry begins.
    end: usize,
}

/// Where a table has a name, and its number: for keeps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    at: u32,
    /// From 1; 0 stands for the empty word.
    pub(crate) id: u32,
}

/// A name of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Name<'a> {
    table: &'a Table,
    pub(crate) known: Known,
}

impl Name<'_> {
    /// Its number in its class.
    #[inline(always)]
    pub(crate) fn id(&self) -> u32 {
        self.known.id
    }

    pub(crate) fn class(&self) -> Class {
        self.table.class
    }

    #[inline(always)]
    fn word(&self, index: usize) -> &AtomicU64 {
        &self.table.words[self.known.at as usize + index]
    }

    /// Whether the name frame stands in file `sequence`.
    #[inline(always)]
    pub(crate) fn is_announced(&self, sequence: u32) -> bool {
        self.word(0).load(Ordering::Acquire) == u64::from(sequence)
    }

    /// Says that the name frame was published in file `sequence`.
    pub(crate) fn set_announced(&self, sequence: u32) {
        self.word(0).store(u64::from(sequence), Ordering::Release);
    }

    /// Calls `with` with the two parts.
    pub(crate) fn with_parts<R>(&self, with: impl FnOnce(&str, &str) -> R) -> R {
        let lengths = self.word(1).load(Ordering::Relaxed) >> 32;
        let (a, b) = (usize::from(lengths as u16), usize::from((lengths >> 16) as u16));
        let mut bytes = [0; 2 * NAME_BYTES_MAX];
        for (i, place) in bytes.chunks_exact_mut(8).enumerate().take(pairs(a) * 2 + pairs(b) * 2) {
            place.copy_from_slice(&self.word(HEAD_WORDS + i).load(Ordering::Relaxed).to_le_bytes());
        }
        let text = |from: usize, len| bytes.get(from..from + len).and_then(|bytes| std::str::from_utf8(bytes).ok());
        with(text(0, a).unwrap_or_default(), text(pairs(a) * 16, b).unwrap_or_default())
    }
}

impl Table {
    /// An empty table of at most `entries_max` names.
    pub(crate) fn new(class: Class, entries_max: u32) -> Self {
        let slots = (entries_max as usize * 2).next_power_of_two();
        let words = HEAD_WORDS * (1 + entries_max as usize) + TEXT_WORDS_MAX;
        let random = foldhash::fast::RandomState::default();
        Self {
            class,
            slots: zeroed(slots),
            words: zeroed(words),
            seeds: [random.hash_one(1), random.hash_one(2)],
            entries_max,
            adding: Mutex::new(Added { entries: 0, end: HEAD_WORDS }),
        }
    }

    /// A name that [`Name::known`] of the same table stands for.
    #[inline(always)]
    pub(crate) fn name(&self, known: Known) -> Name<'_> {
        Name { table: self, known }
    }

    /// The name, added when it is new. `None` when it is too long, when the table is full, or when
    /// another thread is adding just now.
    pub(crate) fn get(&self, a: &str, b: &str) -> Option<Name<'_>> {
        self.find(a, b).or_else(|| self.add(a, b))
    }

    /// The name, if it was added before.
    #[inline(always)]
    pub(crate) fn find(&self, a: &str, b: &str) -> Option<Name<'_>> {
        if a.len() > NAME_BYTES_MAX || b.len() > NAME_BYTES_MAX {
            return None;
        }
        self.probe(a.as_bytes(), b.as_bytes()).ok()
    }

    /// Where the name is, or the free slot where it would be.
    #[inline(always)]
    fn probe(&self, a: &[u8], b: &[u8]) -> Result<Name<'_>, usize> {
        let mask = self.slots.len() - 1;
        let mut slot = self.hash(a, b) as usize & mask;
        loop {
            let at = self.slots[slot].load(Ordering::Acquire);
            if at == 0 {
                return Err(slot);
            }
            if let Some(id) = self.id_if(at as usize, a, b) {
                return Ok(Name { table: self, known: Known { at, id } });
            }
            slot = (slot + 1) & mask;
        }
    }

    #[inline(always)]
    fn hash(&self, a: &[u8], b: &[u8]) -> u64 {
        let mut state = self.seeds[0];
        let mut take = |pair: [u64; 2]| {
            let product = u128::from(state ^ pair[0]) * u128::from(self.seeds[1] ^ pair[1]);
            state = product as u64 ^ (product >> 64) as u64;
        };
        each_pair(a, &mut take);
        each_pair(b, &mut take);
        state
    }

    /// The id of the entry at `at` if that is its name.
    #[inline(always)]
    fn id_if(&self, at: usize, a: &[u8], b: &[u8]) -> Option<u32> {
        let word = |index: usize| self.words[index].load(Ordering::Relaxed);
        let head = word(at + 1);
        if head >> 32 != lengths(a, b) {
            return None;
        }
        let (mut at, mut differ) = (at + HEAD_WORDS, 0);
        let mut compare = |pair: [u64; 2]| {
            differ |= (word(at) ^ pair[0]) | (word(at + 1) ^ pair[1]);
            at += 2;
        };
        each_pair(a, &mut compare);
        each_pair(b, &mut compare);
        (differ == 0).then_some(head as u32)
    }

    #[cold]
    fn add(&self, a: &str, b: &str) -> Option<Name<'_>> {
        let (a, b) = (a.as_bytes(), b.as_bytes());
        if a.len() > NAME_BYTES_MAX || b.len() > NAME_BYTES_MAX {
            return None;
        }
        let mut added = match self.adding.try_lock() {
            Ok(added) => added,
            // Nothing in here leaves the counts half changed.
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        let slot = match self.probe(a, b) {
            // Another thread was first.
            Ok(name) => return Some(name),
            Err(slot) => slot,
        };
        let (at, end) = (added.end, added.end + HEAD_WORDS + 2 * (pairs(a.len()) + pairs(b.len())));
        if added.entries == self.entries_max || end > self.words.len() {
            return None;
        }
        *added = Added { entries: added.entries + 1, end };
        let known = Known { at: at as u32, id: added.entries };
        let mut words = self.words[at + 1..end].iter();
        let mut put = |word| words.next().into_iter().for_each(|place| place.store(word, Ordering::Relaxed));
        put(u64::from(known.id) | lengths(a, b) << 32);
        each_pair(a, |pair| pair.into_iter().for_each(&mut put));
        each_pair(b, |pair| pair.into_iter().for_each(&mut put));
        // Whoever finds it sees all of the above.
        self.slots[slot].store(known.at, Ordering::Release);
        Some(self.name(known))
    }
}

/// Both lengths as an entry has them; names are at most [`NAME_BYTES_MAX`] long.
#[inline(always)]
fn lengths(a: &[u8], b: &[u8]) -> u64 {
    a.len() as u64 | (b.len() as u64) << 16
}

/// Pairs of words of a text.
#[inline(always)]
fn pairs(bytes: usize) -> usize {
    bytes.div_ceil(16)
}

/// Calls `take` with every 16 bytes of a text, as two little-endian words, the last ones with
/// zeros behind the end.
#[inline(always)]
fn each_pair(text: &[u8], mut take: impl FnMut([u64; 2])) {
    let mut rest = text;
    while let Some((pair, behind)) = rest.split_first_chunk::<16>() {
        take([head_word(pair), head_word(&pair[8..])]);
        rest = behind;
    }
    if !rest.is_empty() {
        take(last_pair(rest));
    }
}

/// Fewer than 16 bytes, by loads that overlap: no loop, and no call.
#[inline(always)]
fn last_pair(rest: &[u8]) -> [u64; 2] {
    let n = rest.len();
    if n >= 8 {
        // In two steps, because 64 bits at once cannot be shifted out.
        let shift = (16 - n) * 4;
        return [head_word(rest), head_word(&rest[n - 8..]) >> shift >> shift];
    }
    let byte = |at: usize| u64::from(rest[at]) << (8 * at);
    let half = |at: usize| rest[at..].first_chunk().map_or(0, |b| u64::from(u32::from_le_bytes(*b))) << (8 * at);
    [if n >= 4 { half(0) | half(n - 4) } else { byte(0) | byte(n / 2) | byte(n - 1) }, 0]
}

#[inline(always)]
fn head_word(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |b| u64::from_le_bytes(*b))
}

/// Atomic numbers of a type of which all-zero bytes are a value.
trait Zeroable {}
impl Zeroable for AtomicU32 {}
impl Zeroable for AtomicU64 {}

/// `len` zeros in memory that takes no pages before it is written.
fn zeroed<T: Zeroable>(len: usize) -> Box<[T]> {
    let Ok(layout) = Layout::array::<T>(len) else { unreachable!("tables have less than a gigabyte") };
    // SAFETY: no table has size 0.
    let start = unsafe { alloc_zeroed(layout) }.cast::<T>();
    if start.is_null() {
        handle_alloc_error(layout);
    }
    // SAFETY: allocated with the layout of such a slice, and zeros are values of `T`.
    unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(start, len)) }
}

#[cfg(test)]
mod tests;
