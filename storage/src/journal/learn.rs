//! What the ids of one journal file stand for, as a reader learns it.

use crate::journal::frame::Class;
use crate::row::{NameId, Names};

/// Names by id, as the name frames of one file define them.
#[derive(Debug, Default)]
pub(crate) struct Learnt {
    series: Vec<Option<(Box<str>, Box<str>)>>,
    users: Vec<Option<Box<str>>>,
    words: Vec<Option<Box<str>>>,
}

impl Learnt {
    /// Takes in a name frame. Ids are bounded by the decoder.
    pub(crate) fn define(&mut self, class: Class, id: u32, a: &str, b: &str) {
        match class {
            Class::Series => *slot(&mut self.series, id) = Some((a.into(), b.into())),
            Class::User => *slot(&mut self.users, id) = Some(a.into()),
            Class::Word => *slot(&mut self.words, id) = Some(a.into()),
        }
    }
}

fn slot<T>(list: &mut Vec<Option<T>>, id: u32) -> &mut Option<T> {
    let id = id as usize;
    if list.len() <= id {
        list.resize_with(id + 1, || None);
    }
    &mut list[id]
}

/// The same ids as ids of a batch, interned on first use.
#[derive(Debug, Default)]
pub(crate) struct Translation {
    series: Vec<(NameId, NameId)>,
    users: Vec<NameId>,
    words: Vec<NameId>,
}

const UNSEEN: NameId = NameId::MAX;

impl Translation {
    /// Provider and model of a series; `None` when no name frame has defined it.
    #[inline]
    pub(crate) fn series(&mut self, id: u32, learnt: &Learnt, names: &mut Names) -> Option<(NameId, NameId)> {
        match self.series.get(id as usize) {
            Some(&known) if known.0 != UNSEEN => Some(known),
            _ => {
                let (provider, model) = learnt.series.get(id as usize)?.as_ref()?;
                let known = (names.intern(provider), names.intern(model));
                keep(&mut self.series, id, known, (UNSEEN, UNSEEN));
                Some(known)
            }
        }
    }

    /// A user; `None` when no name frame has defined it.
    #[inline]
    pub(crate) fn user(&mut self, id: u32, learnt: &Learnt, names: &mut Names) -> Option<NameId> {
        translate(&mut self.users, id, &learnt.users, names)
    }

    /// A kind of error or a service tier; 0 is the empty one.
    #[inline]
    pub(crate) fn word(&mut self, id: u16, learnt: &Learnt, names: &mut Names) -> Option<NameId> {
        if id == 0 { Some(0) } else { translate(&mut self.words, u32::from(id), &learnt.words, names) }
    }
}

#[inline]
fn translate(seen: &mut Vec<NameId>, id: u32, learnt: &[Option<Box<str>>], names: &mut Names) -> Option<NameId> {
    match seen.get(id as usize) {
        Some(&known) if known != UNSEEN => Some(known),
        _ => {
            let known = names.intern(learnt.get(id as usize)?.as_ref()?);
            keep(seen, id, known, UNSEEN);
            Some(known)
        }
    }
}

/// Only ids that a name frame has defined get here, so the list is no longer than the learnt one.
#[cold]
fn keep<T: Copy>(seen: &mut Vec<T>, id: u32, value: T, unseen: T) {
    let id = id as usize;
    if seen.len() <= id {
        seen.resize(id + 1, unseen);
    }
    seen[id] = value;
}
