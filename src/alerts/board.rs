//! What there is to see of all rules and alerts, in one look.

use std::collections::HashMap;

use ax_storage::Store;
use ax_storage::tier::db::DbError;

use super::table::{self, Entry, JUDGED, RULES, SILENCES, STATES, Silence, States, Stored};
use super::{Instance, Phase, Rule};

/// All rules and the states of their groups, of one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Board {
    /// The rules, by name.
    pub rules: Vec<Stored>,
    /// The groups of each rule.
    pub states: HashMap<String, States>,
    /// What is silenced.
    pub silences: HashMap<String, Silence>,
    /// The last judged minute, in milliseconds since 1970.
    pub judged_ms: Option<u64>,
}

/// One group of a rule.
#[derive(Clone, Copy, Debug)]
pub struct Listed<'b> {
    /// The rule.
    pub rule: &'b Rule,
    /// The group.
    pub group: &'b Instance,
    /// What keeps it quiet.
    pub silence: Option<&'b Silence>,
}

impl Listed<'_> {
    /// The id of its episode, if there is one.
    pub fn id(&self) -> Option<&str> {
        self.group.episode.as_ref().map(|e| e.id.as_str())
    }

    /// Somebody has seen it.
    pub fn is_acknowledged(&self) -> bool {
        self.group.episode.as_ref().is_some_and(|e| e.acknowledged.is_some())
    }
}

/// Why an alert was not found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FindError {
    /// None begins so.
    #[error("there is no alert '{0}' now")]
    Unknown(String),
    /// Several begin so.
    #[error("'{id}' may be {}", .of.join(" or "))]
    Ambiguous {
        /// As written.
        id: String,
        /// Which it may be.
        of: Vec<String>,
    },
}

impl Board {
    /// Looks.
    ///
    /// # Errors
    /// The database.
    pub fn look(store: &Store) -> Result<Self, DbError> {
        store.read_tables(|t| {
            let named =
                |rows: Vec<ax_storage::table::Row<States>>| rows.into_iter().map(|r| (r.name, r.value)).collect();
            Ok(Self {
                rules: t.all(&RULES)?.into_iter().map(|row| row.value).collect(),
                states: named(t.all(&STATES)?),
                silences: t.all(&SILENCES)?.into_iter().map(|row| (row.name, row.value)).collect(),
                judged_ms: t.get(&JUDGED, "", 0)?,
            })
        })
    }

    /// The rule of a name.
    pub fn rule(&self, name: &str) -> Option<&Stored> {
        self.rules.iter().find(|stored| stored.rule.name == name)
    }

    /// The groups of all rules that are on and were judged by the condition they have now: the worst
    /// first, then by how long they have been so.
    pub fn groups(&self, now_ms: u64) -> Vec<Listed<'_>> {
        let mut all: Vec<Listed<'_>> =
            self.rules.iter().filter(|s| s.rule.enabled).flat_map(|s| self.groups_of(&s.rule, now_ms)).collect();
        let rank = |l: &Listed<'_>| match l.group.phase {
            Phase::Firing if l.silence.is_some() => 2,
            Phase::Firing if l.is_acknowledged() => 1,
            Phase::Firing => 0,
            Phase::Pending => 3,
            Phase::NoData => 4,
            Phase::Inactive => 5,
        };
        all.sort_by(|a, b| {
            let severity = b.rule.severity.cmp(&a.rule.severity);
            rank(a).cmp(&rank(b)).then(severity).then(a.group.since_ms.cmp(&b.group.since_ms))
        });
        all
    }

    /// The groups of one rule.
    pub fn groups_of<'b>(&'b self, rule: &'b Rule, now_ms: u64) -> Vec<Listed<'b>> {
        let states = self.states.get(&rule.name).filter(|s| s.condition == rule.condition);
        let silence = |group: &Instance| {
            let of = |name: &str| self.silences.get(name).filter(|s| s.until_ms > now_ms);
            let own = group.episode.as_ref().and_then(|e| of(&table::silence_of(&e.id)));
            own.or_else(|| of(&rule.name))
        };
        let listed = |group| Listed { rule, group, silence: silence(group) };
        states.map(|s| s.groups.iter().map(listed).collect()).unwrap_or_default()
    }

    /// The running episode whose id begins so.
    ///
    /// # Errors
    /// When there is none, or several.
    pub fn find(&self, id: &str, now_ms: u64) -> Result<Listed<'_>, FindError> {
        let all = self.groups(now_ms);
        let found: Vec<&Listed<'_>> = all.iter().filter(|l| l.id().is_some_and(|own| own.starts_with(id))).collect();
        match found.as_slice() {
            [] => Err(FindError::Unknown(id.to_owned())),
            [one] => Ok(**one),
            several => Err(FindError::Ambiguous {
                id: id.to_owned(),
                of: several.iter().filter_map(|l| l.id().map(str::to_owned)).collect(),
            }),
        }
    }
}

/// Digits that tell ids apart, at least three.
pub fn short(ids: &[&str]) -> usize {
    let mut sorted = ids.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let common = |pair: &[&str]| pair[0].bytes().zip(pair[1].bytes()).take_while(|(a, b)| a == b).count();
    sorted.windows(2).map(|pair| common(pair) + 1).max().unwrap_or(0).max(3)
}

/// The history of a time, oldest first.
///
/// # Errors
/// The database.
pub fn history(store: &Store, from_ms: u64, to_ms: u64) -> Result<Vec<Entry>, DbError> {
    store.read_tables(|t| table::history(t, from_ms, to_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_as_short_as_they_can_be() {
        assert_eq!(short(&[]), 3);
        assert_eq!(short(&["a3f00000"]), 3);
        assert_eq!(short(&["a3f00000", "b01a0000"]), 3);
        assert_eq!(short(&["a3f01000", "a3f00000", "b01a0000", "b01a0000"]), 5);
    }
}
