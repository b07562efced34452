//! Each call once: the mentions of all files, and which of them counts.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use ax_storage::row::{NameId, Names};
use foldhash::fast::RandomState;

use super::{Call, Given, Keep};

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
