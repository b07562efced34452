//! Where a provider's rows end in a table, and what is to come there.

use crate::time::Timestamp;

/// A provider's last row in a table, and rows from there on that are held back.
#[derive(Debug)]
pub(super) struct End {
    /// Start of the last row in the table.
    stored: Option<Timestamp>,
    /// In order of time. The first may be another version of the last row in the table.
    held: Vec<Held>,
}

/// An encoded row that is held back.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) start: Timestamp,
    pub(super) bytes: Box<[u8]>,
}

impl Held {
    /// Bytes of memory, about: with its place in the list and what the allocator adds.
    fn cost(&self) -> usize {
        self.bytes.len() + size_of::<Self>() + 16
    }
}

/// Bytes of memory that `rows` take, about.
pub(super) fn cost(rows: &[Held]) -> usize {
    rows.iter().map(Held::cost).sum()
}

impl End {
    /// Nothing is held back behind `stored`.
    pub(super) fn new(stored: Option<Timestamp>) -> Self {
        Self { stored, held: Vec::new() }
    }

    /// Start of the last row, wherever it is.
    pub(super) fn last(&self) -> Option<Timestamp> {
        self.held.last().map(|row| row.start).or(self.stored)
    }

    /// Whether any rows are held back.
    pub(super) fn holds(&self) -> bool {
        !self.held.is_empty()
    }

    /// The row that begins at `start`, if it is held back.
    pub(super) fn get(&self, start: Timestamp) -> Option<&[u8]> {
        self.place(start).ok().map(|at| &*self.held[at].bytes)
    }

    /// Whether the row that begins at `start` can be held back: it is the last, or in the place of one that is.
    pub(super) fn takes(&self, start: Timestamp) -> bool {
        self.last().is_none_or(|last| last <= start) || self.place(start).is_ok()
    }

    /// Holds back a row that [`End::takes`], in place of the one that begins then: how many bytes of memory more
    /// are held now, and how many less.
    pub(super) fn hold(&mut self, start: Timestamp, bytes: Vec<u8>) -> (usize, usize) {
        let row = Held { start, bytes: bytes.into_boxed_slice() };
        let more = row.cost();
        match self.place(start) {
            Ok(at) => (more, std::mem::replace(&mut self.held[at], row).cost()),
            Err(at) => {
                self.held.insert(at, row);
                (more, 0)
            }
        }
    }

    /// Gives away what was held back, which is in the table from now on, with the last row there until then.
    pub(super) fn settle(&mut self) -> (Option<Timestamp>, Vec<Held>) {
        let last = self.last();
        (std::mem::replace(&mut self.stored, last), std::mem::take(&mut self.held))
    }

    fn place(&self, start: Timestamp) -> Result<usize, usize> {
        // Most rows come in order of time.
        match self.held.last() {
            Some(last) if last.start >= start => self.held.binary_search_by_key(&start, |row| row.start),
            _ => Err(self.held.len()),
        }
    }
}
