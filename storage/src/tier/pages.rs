//! Checks every page of the database when it comes from the disk, before the database library sees it.
//!
//! The library keeps a checksum of each page beside each pointer to it, and looks at them only when it
//! repairs a file. What is read passes by here first, and always from the root down:
//!
//! ```text
//! header: two slots, each with its own checksum ─► roots of the trees of tables
//! leaf of a tree of tables: definitions         ─► roots of the tables
//! branch page                                   ─► its children
//! ```
//!
//! So whoever points to a page has been read and found right before the page itself, and has told what
//! it must hash to. A row that a bit hides, a value without a checksum of its own, a page of zeros: all
//! of them are noticed, for the price of one hash a page that is read, and with not a byte more on disk.
//! Pages that this process wrote are its own business: nothing is known of them until they are read
//! through a parent that was found right.
//!
//! The layout is that of the library's file format 3 (its `design.md`); another one is refused by the library.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;
use xxhash_rust::xxh3::xxh3_128;

use super::copy::has_row_checksums;

/// Bytes of the header: 64 about the file, and two slots.
const HEADER_BYTES: usize = 320;
const SLOTS: [usize; 2] = [64, 192];
const SLOT_BYTES: usize = 128;
/// In a slot: the number of its commit.
const SLOT_COMMIT: usize = 104;
const SLOT_CHECKSUM: usize = 112;
/// In the header: what state the file is in, by these bits.
const STATE_BYTE: usize = 9;
const SECOND_COUNTS: u8 = 1;
const UNCLEAN: u8 = 2;
const UNFLUSHED: u8 = 8;
/// A root in a slot and in a definition: page, checksum, number of rows.
const ROOT_BYTES: usize = 32;
const LEAF: u8 = 1;
const BRANCH: u8 = 2;
/// A definition of a table whose rows have one value.
const PLAIN_TABLE: u8 = 3;

/// A page that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct BadPage {
    /// Where it begins in the file.
    pub offset: u64,
    /// What is wrong with it.
    pub what: String,
}

/// What happens at a bad page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AtBadPage {
    /// The reading fails, and the library reads nothing more.
    Refuse,
    /// If it holds rows that have checksums of their own, it is handed on and noted: its whole rows are
    /// of use to those who say that there may have been others.
    NoteRows,
}

/// What is known of the pages of one open file.
#[derive(Debug)]
pub(super) struct Pages {
    at_bad_page: AtBadPage,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// A reading failed: the library says "previous I/O error" to every later one.
    failed: bool,
    /// Whether the header, when it was first read, had a newer commit than the one that counts.
    overtaken: Option<bool>,
    geometry: Geometry,
    /// By offset in the file.
    expected: HashMap<u64, Expected, RandomState>,
    tables: Vec<Box<str>>,
    bad: Vec<BadPage>,
}

#[derive(Clone, Copy, Debug)]
struct Expected {
    checksum: u128,
    tree: Tree,
}

/// What kind of tree a page belongs to.
#[derive(Clone, Copy, Debug)]
struct Tree {
    /// Position in [`State::tables`]; `None` = its rows are definitions of tables.
    table: Option<u32>,
    /// Bytes of a key and of a value, where all have the same.
    key: Option<usize>,
    value: Option<usize>,
}

const TABLES: Tree = Tree { table: None, key: None, value: None };

/// Where pages are.
#[derive(Clone, Copy, Debug, Default)]
struct Geometry {
    page_bytes: u64,
    header_pages: u64,
    region_pages: u64,
}

impl Geometry {
    /// Where the page with this number begins: 20 bits index, 20 bits region, highest 5 bits order.
    fn offset(self, number: u64) -> u64 {
        let order = number >> 59;
        let (index, region) = (number & (0xf_ffff >> order), number >> 20 & 0xf_ffff);
        let pages = 1 + region * (self.header_pages + self.region_pages) + self.header_pages + (index << order);
        self.page_bytes.saturating_mul(pages)
    }
}

impl Pages {
    pub(super) fn new(at_bad_page: AtBadPage) -> Self {
        Self { at_bad_page, state: Mutex::default() }
    }

    /// Looks at what was read at `offset`.
    ///
    /// # Errors
    /// A page that is not what was written.
    pub(super) fn check(&self, offset: u64, bytes: &[u8]) -> Result<(), BadPage> {
        let mut state = self.state();
        if offset == 0 {
            // The library itself refuses a header that makes no sense.
            return match state.learn_header(bytes) {
                Some(false) => {
                    let what = "the header points to an older commit than the last".into();
                    Err(BadPage { offset: STATE_BYTE as u64, what })
                }
                _ => Ok(()),
            };
        }
        let Some(&Expected { checksum, tree }) = state.expected.get(&offset) else { return Ok(()) };
        let whole = used(bytes, tree).and_then(|used| bytes.get(..used)).is_some_and(|b| xxh3_128(b) == checksum);
        if whole {
            // A checksum that is right and a content that is not: the library's own doing, and its to judge.
            let _ = state.learn(bytes, tree);
            return Ok(());
        }
        let table = tree.table.and_then(|table| state.tables.get(table as usize).cloned());
        let of_rows = bytes.first() == Some(&LEAF) && table.as_deref().is_some_and(has_row_checksums);
        let name = table.map_or_else(|| "the list of tables".into(), |name| name.escape_debug().to_string());
        let bad = BadPage { offset, what: format!("the checksum of a page of {name} does not fit") };
        if !state.bad.contains(&bad) {
            state.bad.push(bad.clone());
        }
        if of_rows && self.at_bad_page == AtBadPage::NoteRows { Ok(()) } else { Err(bad) }
    }

    /// Notes that a reading failed, for whatever reason.
    pub(super) fn note_failure(&self) {
        self.state().failed = true;
    }

    /// Whether a reading failed: nothing more can be read through the same opening.
    pub(super) fn failed(&self) -> bool {
        self.state().failed
    }

    /// Whether there was a newer commit than the one that counts, when the file was opened: a writer that
    /// was killed leaves it.
    pub(super) fn overtaken(&self) -> bool {
        self.state().overtaken.unwrap_or(true)
    }

    /// Forgets what lies where this process is about to write.
    pub(super) fn forget(&self, offset: u64, length: usize) {
        let mut state = self.state();
        let page = state.geometry.page_bytes.max(1);
        for at in (offset..offset.saturating_add(length as u64)).step_by(usize::try_from(page).unwrap_or(1)) {
            state.expected.remove(&at);
        }
    }

    /// Pages that were found bad so far.
    pub(super) fn bad(&self) -> Vec<BadPage> {
        self.state().bad.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is written instead of a header that says a file is closed while a newer commit than the one that
/// counts stands beside it; `None` for all others.
///
/// The library writes such a header while it repairs what a killed writer left, before [`super::db`] lets
/// another commit take the newer one's place. Who is killed between the two must leave a file that still
/// asks for a repair: one that is closed and points to an older commit is damaged.
pub(super) fn unclean_header(header: &[u8]) -> Option<Vec<u8>> {
    if State::default().learn_header(header)? {
        return None;
    }
    let mut unclean = header.to_vec();
    *unclean.get_mut(STATE_BYTE)? |= UNCLEAN;
    Some(unclean)
}

impl State {
    /// Learns what the header says: whether it points to the commit it should.
    ///
    /// Both slots have checksums, the byte that says which of them counts has none. A file that was
    /// closed holds the newer commit in that one, as [`super::db`] sees to after a writer was killed.
    fn learn_header(&mut self, bytes: &[u8]) -> Option<bool> {
        let bytes = bytes.get(..HEADER_BYTES)?;
        let word = |at| u32_at(bytes, at).map(u64::from);
        self.geometry = Geometry { page_bytes: word(12)?, header_pages: word(16)?, region_pages: word(20)? };
        let mut commits = [0; 2];
        // Roots of both slots: a reader may be served the older commit. No page is the root of two.
        for (commit, at) in commits.iter_mut().zip(SLOTS) {
            let slot = bytes.get(at..at + SLOT_BYTES)?;
            if xxh3_128(slot.get(..SLOT_CHECKSUM)?) != u128_at(slot, SLOT_CHECKSUM)? {
                continue;
            }
            *commit = u64_at(slot, SLOT_COMMIT)?;
            for (there, root) in [(1, 8), (2, 8 + ROOT_BYTES)] {
                if slot.get(there) != Some(&0) {
                    self.expect(u64_at(slot, root)?, u128_at(slot, root + 8)?, TABLES);
                }
            }
        }
        let state = *bytes.get(STATE_BYTE)?;
        let unclean = state & UNCLEAN != 0;
        let [counts, other] = if state & SECOND_COUNTS == 0 { commits } else { [commits[1], commits[0]] };
        self.overtaken.get_or_insert(counts < other);
        Some(unclean || (state & UNFLUSHED == 0 && counts >= other))
    }

    /// What a page that was found right says of others.
    fn learn(&mut self, page: &[u8], tree: Tree) -> Option<()> {
        match *page.first()? {
            BRANCH => {
                let children = usize::from(u16_at(page, 2)?) + 1;
                for child in 0..children {
                    let checksum = u128_at(page, 8 + 16 * child)?;
                    self.expect(u64_at(page, 8 + 16 * children + 8 * child)?, checksum, tree);
                }
            }
            LEAF if tree.table.is_none() => {
                let definitions: Vec<_> = rows(page)?.collect::<Option<_>>()?;
                definitions.into_iter().try_for_each(|(name, definition)| self.learn_table(name, definition))?;
            }
            _ => {}
        }
        Some(())
    }

    /// A table's root, from its definition.
    fn learn_table(&mut self, name: &[u8], definition: &[u8]) -> Option<()> {
        if (definition.first()?, definition.get(9)?) != (&PLAIN_TABLE, &1) {
            return Some(());
        }
        let width = |at| match definition.get(at)? {
            0 => Some(None),
            _ => u32_at(definition, at + 1).map(|width| Some(width as usize)),
        };
        let after_root = 10 + ROOT_BYTES;
        let (key, value) = (width(after_root)?, width(after_root + 5)?);
        let name = String::from_utf8_lossy(name);
        let table = self.tables.iter().position(|table| **table == *name).unwrap_or_else(|| {
            self.tables.push(name.into());
            self.tables.len() - 1
        });
        let tree = Tree { table: u32::try_from(table).ok(), key, value };
        self.expect(u64_at(definition, 10)?, u128_at(definition, 18)?, tree);
        Some(())
    }

    fn expect(&mut self, number: u64, checksum: u128, tree: Tree) {
        self.expected.insert(self.geometry.offset(number), Expected { checksum, tree });
    }
}

/// How many bytes of a page are in use, as it says itself: the checksum is of these.
fn used(page: &[u8], tree: Tree) -> Option<usize> {
    let rows = usize::from(u16_at(page, 2)?);
    let last = rows.checked_sub(1)?;
    match *page.first()? {
        LEAF => {
            let (keys, values) =
                (4 * rows * usize::from(tree.key.is_none()), 4 * rows * usize::from(tree.value.is_none()));
            let keys_end = match tree.key {
                Some(width) => 4 + values + width * rows,
                None => u32_at(page, 4 + 4 * last)? as usize,
            };
            match tree.value {
                Some(width) => keys_end.checked_add(width * rows),
                None => Some(u32_at(page, 4 + keys + 4 * last)? as usize),
            }
        }
        BRANCH => {
            let keys = 8 + 24 * (rows + 1);
            match tree.key {
                Some(width) => Some(keys + width * rows),
                None => Some(u32_at(page, keys + 4 * last)? as usize),
            }
        }
        _ => None,
    }
}

/// Keys and values of a leaf in which both have any length.
fn rows(page: &[u8]) -> Option<impl Iterator<Item = Option<(&[u8], &[u8])>>> {
    let rows = usize::from(u16_at(page, 2)?);
    let end = move |n: usize| Some(u32_at(page, 4 + 4 * n)? as usize);
    // Ends of keys, then ends of values: the first value begins where the last key ends.
    let range = move |n: usize| -> Option<Range<usize>> {
        let start = if n == 0 { 4 + 8 * rows } else { end(n - 1)? };
        Some(start..end(n)?)
    };
    Some((0..rows).map(move |n| Some((page.get(range(n)?)?, page.get(range(rows + n)?)?))))
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    array_at(bytes, at).map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    array_at(bytes, at).map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    array_at(bytes, at).map(u64::from_le_bytes)
}

fn u128_at(bytes: &[u8], at: usize) -> Option<u128> {
    array_at(bytes, at).map(u128::from_le_bytes)
}

#[cfg(test)]
mod tests;
