//! Where rules, states, history and silences are kept.

use ax_storage::table::{Table, Tables, TablesWriter};
use ax_storage::tier::db::DbError;
use ax_storage::time::DAY_MS;
use bincode::{Decode, Encode};

use super::{Instance, Rule, Severity, Transition};

/// All rules, by name.
pub const RULES: Table<Stored> = Table::new("alert_rules");
/// The groups of each rule, by its name.
pub const STATES: Table<States> = Table::new("alert_states");
/// What happened, at "" and a number that grows with time.
pub const HISTORY: Table<Entry> = Table::new("alert_history");
/// What is silenced: by rule, or by the id of an episode with a `#` before it.
pub const SILENCES: Table<Silence> = Table::new("alert_silences");
/// The last judged minute, at ("", 0).
pub const JUDGED: Table<u64> = Table::new("alert_judged");

/// The history is kept for so long.
pub const HISTORY_MS: u64 = 365 * DAY_MS;
/// At most so many entries of the history are kept.
pub const HISTORY_MAX: usize = 100_000;
/// Numbers of the history that one millisecond has.
const IN_A_MS: u64 = 1 << 20;

/// A rule and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Stored {
    /// The rule.
    pub rule: Rule,
    /// The settings file says it: commands cannot change it, and it goes when it goes there.
    pub from_file: bool,
}

/// All groups of a rule.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
pub struct States {
    /// The condition that these were judged by.
    pub condition: String,
    /// Each group.
    pub groups: Vec<Instance>,
    /// Why it could not be judged in the last minute.
    pub problem: Option<String>,
    /// The judged minute of this row, in milliseconds since 1970.
    pub written_ms: u64,
}

/// A line of the history.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Entry {
    /// The rule.
    pub rule: String,
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

/// Adds a line to the history.
///
/// # Errors
/// The database, or damage in a row.
pub fn note(tables: &mut TablesWriter<'_>, entry: &Entry) -> Result<(), DbError> {
    let first = entry.what.at_ms.saturating_mul(IN_A_MS);
    // Several of one minute stay in the order they came in.
    let last = tables.range(&HISTORY, "", first..first.saturating_add(IN_A_MS))?.pop();
    tables.put(&HISTORY, "", last.map_or(first, |row| row.number + 1), entry)
}

/// The history of a time, oldest first.
///
/// # Errors
/// The database, or damage in a row.
pub fn history(tables: &Tables<'_>, from_ms: u64, to_ms: u64) -> Result<Vec<Entry>, DbError> {
    let number = |ms: u64| ms.saturating_mul(IN_A_MS);
    let rows = tables.range(&HISTORY, "", number(from_ms)..number(to_ms))?;
    Ok(rows.into_iter().map(|row| row.value).collect())
}

/// Removes what is too old of the history, or too much.
///
/// # Errors
/// The database, or damage in a row.
pub fn forget(tables: &mut TablesWriter<'_>, now_ms: u64) -> Result<(), DbError> {
    let old = now_ms.saturating_sub(HISTORY_MS).saturating_mul(IN_A_MS);
    let rows = tables.all(&HISTORY)?;
    let too_many = rows.len().saturating_sub(HISTORY_MAX);
    for (i, row) in rows.iter().enumerate() {
        if i < too_many || row.number < old {
            tables.remove(&HISTORY, "", row.number)?;
        }
    }
    Ok(())
}
