//! The keys of an input that mean nothing, for one warning about all of them in bounded memory.

use std::collections::BTreeMap;

use super::Warning;
use super::error::shown;

/// Unknown keys that are named; the others are counted together.
const UNKNOWN_KEYS_MAX: usize = 50;

/// Keys that mean nothing, with how often they came.
#[derive(Default)]
pub(crate) struct Unknown {
    names: BTreeMap<String, u64>,
    others: u64,
}

impl Unknown {
    pub(crate) fn count(&mut self, name: &str, times: u64) {
        if let Some(count) = self.names.get_mut(name) {
            *count += times;
        } else if self.names.len() < UNKNOWN_KEYS_MAX {
            self.names.insert(name.to_owned(), times);
        } else {
            self.others += times;
        }
    }

    pub(crate) fn add(&mut self, other: Self) {
        for (name, times) in other.names {
            self.count(&name, times);
        }
        self.others += other.others;
    }

    /// What to tell of them, if there are any.
    pub(crate) fn warning(&self) -> Option<Warning> {
        let counts = self.names.iter().filter(|(_, times)| **times > 0);
        let mut list: Vec<String> = counts.map(|(name, times)| format!("{} ({times})", shown(name))).collect();
        if self.others > 0 {
            list.push(format!("others ({})", self.others));
        }
        let message = format!("unknown keys, left out: {}", list.join(", "));
        (!list.is_empty()).then_some(Warning { code: "unknown_key", message })
    }
}
