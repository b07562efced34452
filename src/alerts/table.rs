//! Where rules, states, history and silences are kept.

use ax_storage::table::{Table, Tables, TablesWriter};
use ax_storage::tier::db::DbError;
use bincode::{Decode, Encode};

use super::{Instance, Rule, Severity, Transition};

/// Rules that commands made, by name.
pub const RULES: Table<Rule> = Table::new("alert_rules");
/// The groups of each rule, by its name.
pub const STATES: Table<States> = Table::new("alert_states");
/// What happened, by rule and a number that grows.
pub const HISTORY: Table<Entry> = Table::new("alert_history");
/// What is silenced: by rule, or by the id of an episode with a `#` before it.
pub const SILENCES: Table<Silence> = Table::new("alert_silences");
/// The last judged minute, at ("", 0).
pub const JUDGED: Table<u64> = Table::new("alert_judged");

/// Entries of the history that are kept a rule.
pub const HISTORY_MAX: usize = 10_000;
/// Entries are kept for so long.
pub const HISTORY_MS: u64 = 365 * 24 * 3_600_000;

/// All groups of a rule.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
pub struct States {
    /// The condition that these were judged by.
    pub condition: String,
    /// Each group.
    pub groups: Vec<Instance>,
    /// Why it could not be judged in the last minute.
    pub problem: Option<String>,
}

/// A line of the history.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Entry {
    /// What happened.
    pub what: Transition,
    /// The condition at that time, with its `for`.
    pub condition: String,
    /// How bad it was said to be.
    pub severity: Severity,
    /// What somebody said.
    pub comment: String,
}

/// A silence.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Silence {
    /// Up to here, in milliseconds since 1970.
    pub until_ms: u64,
    /// When it was said.
    pub at_ms: u64,
    /// Why.
    pub comment: String,
}

/// The name under which the silence of an episode is kept.
pub fn silence_of(id: &str) -> String {
    format!("#{id}")
}

/// Adds a line to the history of a rule.
///
/// # Errors
/// The database, or damage in a row.
pub fn note(tables: &mut TablesWriter<'_>, rule: &str, entry: &Entry) -> Result<(), DbError> {
    // Ordered by time; several in one minute stay in the order they came in.
    let mut number = entry.what.at_ms.saturating_mul(IN_A_MS);
    while tables.get(&HISTORY, rule, number)?.is_some() {
        number += 1;
    }
    tables.put(&HISTORY, rule, number, entry)
}

/// Numbers of the history that one millisecond has.
pub const IN_A_MS: u64 = 1 << 20;

/// The history from `from_ms` on, oldest first, of all rules.
///
/// # Errors
/// The database, or damage in a row.
pub fn history(tables: &Tables<'_>, from_ms: u64, to_ms: u64) -> Result<Vec<(String, Entry)>, DbError> {
    let mut all: Vec<(String, Entry)> = tables
        .all(&HISTORY)?
        .into_iter()
        .filter(|row| (from_ms..to_ms).contains(&row.value.what.at_ms))
        .map(|row| (row.name, row.value))
        .collect();
    all.sort_by_key(|(_, entry)| entry.what.at_ms);
    Ok(all)
}
