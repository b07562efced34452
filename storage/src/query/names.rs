//! One numbering of names for a whole answer, whatever numbered them where they were found.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::QueryError;
use super::plan::Label;
use super::source::Source;
use crate::row::{NameId, Names};

/// Labels of an event or a cell by [`Label`] as a number, in ids of a [`LabelNames`]. Those that
/// nobody asks for stay 0.
pub(crate) type Labels = [NameId; Label::ALL.len()];

/// A set of labels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LabelSet(u8);

impl LabelSet {
    pub(crate) const fn of(labels: &[Label]) -> Self {
        let (mut set, mut i) = (0, 0);
        while i < labels.len() {
            set |= 1 << labels[i] as u8;
            i += 1;
        }
        Self(set)
    }

    pub(crate) const fn has(self, label: Label) -> bool {
        self.0 & 1 << label as u8 != 0
    }

    pub(crate) const fn with(self, label: Label) -> Self {
        Self(self.0 | 1 << label as u8)
    }

    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(crate) const fn both(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Label> {
        Label::ALL.into_iter().filter(move |l| self.has(*l))
    }
}

/// The id of `"ok"`.
pub(crate) const OK: NameId = 1;
/// The id of `"error"`.
pub(crate) const ERROR: NameId = 2;

/// The status label of a request.
pub(crate) const fn status(ok: bool) -> NameId {
    if ok { OK } else { ERROR }
}

/// Names met while answering.
#[derive(Debug)]
pub(crate) struct LabelNames {
    names: Names,
    /// By the store's id, for those small enough to be places in an array; [`UNKNOWN`] where none was asked for.
    of_store: Vec<NameId>,
    /// The same for the others.
    of_store_rest: HashMap<NameId, NameId, RandomState>,
}

/// Ids of the store from here on are not places in an array.
const PLACES_MAX: NameId = 1 << 20;

impl LabelNames {
    pub(crate) fn new() -> Self {
        let mut names = Names::default();
        assert_eq!((names.intern("ok"), names.intern("error")), (OK, ERROR));
        Self { names, of_store: Vec::new(), of_store_rest: HashMap::default() }
    }

    /// The id of `name`, new or known.
    pub(crate) fn intern(&mut self, name: &str) -> NameId {
        self.names.intern(name)
    }

    /// The id of the store's name `id`, looked up once.
    #[inline]
    pub(crate) fn of_store(&mut self, source: &dyn Source, id: NameId) -> Result<NameId, QueryError> {
        match self.of_store.get(id as usize) {
            Some(&known) if known != UNKNOWN => Ok(known),
            _ => self.look_up(source, id),
        }
    }

    fn look_up(&mut self, source: &dyn Source, id: NameId) -> Result<NameId, QueryError> {
        if let Some(&known) = self.of_store_rest.get(&id) {
            return Ok(known);
        }
        let known = if id == 0 { 0 } else { self.names.intern(&source.name(id)?) };
        if id < PLACES_MAX {
            let places = (id as usize + 1).max(self.of_store.len());
            self.of_store.resize(places, UNKNOWN);
            self.of_store[id as usize] = known;
        } else {
            self.of_store_rest.insert(id, known);
        }
        Ok(known)
    }

    pub(crate) fn get(&self, id: NameId) -> &str {
        self.names.get(id)
    }
}

/// Ids of another set of names turned into those of a [`LabelNames`], each name looked up once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Translation {
    known: Vec<NameId>,
}

const UNKNOWN: NameId = NameId::MAX;

impl Translation {
    /// Starts over for a set of `len` names.
    pub(crate) fn reset(&mut self, len: usize) {
        self.known.clear();
        self.known.resize(len.max(1), UNKNOWN);
        self.known[0] = 0;
    }

    /// The id here of what the other set calls `id`; `name` finds it.
    #[inline]
    pub(crate) fn id<'n>(&mut self, names: &mut LabelNames, id: NameId, name: impl FnOnce() -> &'n str) -> NameId {
        match self.known.get(id as usize) {
            Some(&known) if known != UNKNOWN => known,
            Some(_) => {
                let known = names.intern(name());
                self.known[id as usize] = known;
                known
            }
            None => names.intern(name()),
        }
    }
}
