//! Each call once: the mentions of all files, and which of them counts.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use ax_storage::row::{NameId, Names};
use foldhash::fast::RandomState;

use super::{Call, Given, Keep};
use crate::import::Mark;

/// Calls of any number of files.
#[derive(Default)]
pub(crate) struct Gathered {
    pub(crate) names: Names,
    pub(crate) list: Vec<Mention>,
    by_id: HashMap<(NameId, NameId), usize, RandomState>,
}

/// A call, and where it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mention {
    pub(crate) call: Call,
    /// Index of the input.
    pub(crate) input: usize,
    /// Its line, from 1.
    pub(crate) line: u64,
}

impl Gathered {
    /// Takes what a file gave. How many of its calls were mentioned before.
    pub(crate) fn add(&mut self, given: &Given, input: usize, keep: Keep) -> u64 {
        let mut repeats = 0;
        for (call, line) in &given.calls {
            let mention = Mention { call: *call, input, line: *line };
            if call.id != 0 {
                match self.by_id.entry((call.provider, call.id)) {
                    Entry::Occupied(at) => {
                        repeats += 1;
                        let before = &mut self.list[*at.get()];
                        if counts_more(call, &before.call, keep) {
                            before.call = *call;
                        }
                        continue;
                    }
                    Entry::Vacant(place) => {
                        place.insert(self.list.len());
                    }
                }
            }
            self.list.push(mention);
        }
        repeats
    }

    /// The marks by which an import recognises what was told by the other side, in their order: for each mention with an
    /// answer's id its own and that of the other side. The main conversation is one side, all beside it the other.
    pub(crate) fn marks(&self) -> Vec<(Mark, Mark)> {
        let mark = |m: &&Mention, aside: bool| {
            let (provider, message) = (self.names.get(m.call.provider), self.names.get(m.call.message));
            let name = format!("\0{}:{message}", if aside { "aside" } else { "main" });
            Mark::new(provider, &name, m.call.ts)
        };
        let told = self.list.iter().filter(|m| m.call.message != 0);
        told.map(|m| (mark(&m, m.call.aside), mark(&m, !m.call.aside))).collect()
    }

    /// Leaves out those of [`Gathered::marks`] that an earlier import took from the other side. How many, by input.
    pub(crate) fn drop_known(&mut self, known: &[bool]) -> Vec<usize> {
        let mut known = known.iter();
        let mut dropped = Vec::new();
        self.list.retain(|m| {
            let retold = m.call.message != 0 && known.next().is_some_and(|known| *known);
            if retold {
                dropped.push(m.input);
            }
            !retold
        });
        dropped
    }

    /// Leaves out what conversations beside the main one retell under a call id of their own. How many, by input.
    pub(crate) fn drop_retold(&mut self) -> Vec<usize> {
        let mut main: HashMap<NameId, NameId, RandomState> = HashMap::default();
        for mention in self.list.iter().filter(|m| m.call.message != 0 && !m.call.aside) {
            main.insert(mention.call.message, mention.call.id);
        }
        let mut dropped = Vec::new();
        self.list.retain(|m| {
            let retold = m.call.aside && main.get(&m.call.message).is_some_and(|id| *id != m.call.id);
            if retold {
                dropped.push(m.input);
            }
            !retold
        });
        dropped
    }
}

fn counts_more(new: &Call, old: &Call, keep: Keep) -> bool {
    match keep {
        Keep::Last => true,
        Keep::Largest => (new.total(), !new.aside) > (old.total(), !old.aside),
    }
}
