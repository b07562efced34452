//! What people do about alerts and rules: each one transaction, noted in the history where it is about an
//! alert.

use ax_storage::Store;
use ax_storage::table::TablesWriter;
use ax_storage::tier::db::DbError;

use super::table::{self, Entry, RULES, SILENCES, STATES, Silence, Stored};
use super::{Acknowledged, Outcome, Phase, Rule};

/// Acknowledges the firing episode `id` of `rule`: whether it still fires.
///
/// # Errors
/// The database.
pub fn acknowledge(store: &Store, rule: &Rule, id: &str, comment: &str, now_ms: u64) -> Result<bool, DbError> {
    store.write_tables(|t| {
        let Some(mut states) = t.get(&STATES, &rule.name, 0)? else { return Ok(false) };
        let firing = states.groups.iter_mut().filter(|g| g.phase == Phase::Firing);
        let Some(group) = firing.into_iter().find(|g| g.episode.as_ref().is_some_and(|e| e.id == id)) else {
            return Ok(false);
        };
        if let Some(episode) = &mut group.episode {
            episode.acknowledged = Some(Acknowledged { at_ms: now_ms, comment: comment.to_owned() });
        }
        let what = group.transition(Outcome::Acknowledged, now_ms);
        t.put(&STATES, &rule.name, 0, &states)?;
        note(t, rule, what, comment)?;
        Ok(true)
    })
}

/// Silences a rule, or with `id` one of its episodes.
///
/// # Errors
/// The database.
pub fn silence(store: &Store, rule: &Rule, id: Option<&str>, silence: &Silence) -> Result<(), DbError> {
    store.write_tables(|t| {
        t.put(&SILENCES, &id.map_or_else(|| rule.name.clone(), table::silence_of), 0, silence)?;
        for what in concerned(t, rule, id, Outcome::Silenced, silence.at_ms)? {
            note(t, rule, what, &silence.comment)?;
        }
        Ok(())
    })
}

/// Lifts the silences of a rule, or with `id` that of one of its episodes: whether there were any.
///
/// # Errors
/// The database.
pub fn unsilence(store: &Store, rule: &Rule, id: Option<&str>, now_ms: u64) -> Result<bool, DbError> {
    store.write_tables(|t| {
        let mut any = match id {
            Some(id) => t.remove(&SILENCES, &table::silence_of(id), 0)?,
            None => false,
        };
        any |= t.remove(&SILENCES, &rule.name, 0)?;
        if any {
            for what in concerned(t, rule, id, Outcome::Unsilenced, now_ms)? {
                note(t, rule, what, "")?;
            }
        }
        Ok(any)
    })
}

/// Keeps a rule, new or changed.
///
/// # Errors
/// The database.
pub fn put(store: &Store, rule: &Rule) -> Result<(), DbError> {
    store.write_tables(|t| t.put(&RULES, &rule.name, 0, &Stored { rule: rule.clone(), from_file: false }))
}

/// Deletes a rule and its silence: whether there was one. What fires of it ends with the next pass.
///
/// # Errors
/// The database.
pub fn delete(store: &Store, name: &str) -> Result<bool, DbError> {
    store.write_tables(|t| {
        t.remove(&SILENCES, name, 0)?;
        t.remove(&RULES, name, 0)
    })
}

/// A transition for each firing group that is meant.
fn concerned(
    t: &TablesWriter<'_>,
    rule: &Rule,
    id: Option<&str>,
    outcome: Outcome,
    now_ms: u64,
) -> Result<Vec<super::Transition>, DbError> {
    let states = t.get(&STATES, &rule.name, 0)?.unwrap_or_default();
    let meant = states.groups.iter().filter(|g| g.phase == Phase::Firing);
    let meant = meant.filter(|g| id.is_none_or(|id| g.episode.as_ref().is_some_and(|e| e.id == id)));
    Ok(meant.map(|g| g.transition(outcome, now_ms)).collect())
}

fn note(t: &mut TablesWriter<'_>, rule: &Rule, what: super::Transition, comment: &str) -> Result<(), DbError> {
    let entry = Entry {
        rule: rule.name.clone(),
        what,
        condition: rule.condition_text(),
        severity: rule.severity,
        comment: comment.to_owned(),
    };
    table::note(t, &entry)
}
