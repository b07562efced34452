//! The pass over all rules: judges the minutes since the last one and keeps what came of it.
//!
//! Minutes end five seconds before now, so that events on their way do not make an alert flap. Questions
//! are asked first; then one transaction takes the states as they are by then, steps them, and writes
//! states, history and outbox together. It gives up when another process has judged the minute meanwhile,
//! so nothing is ever told twice.

use std::collections::HashMap;

use ax_storage::Store;
use ax_storage::table::{Row, TablesWriter};
use ax_storage::tier::db::DbError;
use ax_storage::time::{DAY_MS, HOUR_MS, MINUTE_MS, Timestamp};

use super::judge::{GROUPS_MAX, Judged, Ready, Surroundings, judge_all};
use super::table::{self, Entry, JUDGED, RULES, SILENCES, STATES, Silence, States, Stored};
use super::{
    Evaluation, Instance, Labels, Notification, Outcome, Phase, Reason, Rule, Severity, Told, Transition, notify, step,
};

/// Minutes are judged so long after their end.
const SETTLE_MS: u64 = 5_000;
/// Missed minutes that are made up for.
const CATCH_UP: u64 = 60;
/// The judged minute is this far ahead of the clock: the clock was wrong then.
const AHEAD_MS: u64 = 10 * MINUTE_MS;
/// A group without events for so long is forgotten.
const FORGET_MS: u64 = 7 * DAY_MS;
/// States without news are written once in so long.
const REFRESH_MS: u64 = HOUR_MS;

/// What a pass over the rules came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Minutes that were judged; 0 when another process had done it.
    pub minutes: u64,
    /// Rules that are on.
    pub rules: usize,
    /// What changed, in order.
    pub changes: Vec<Change>,
    /// Rules that could not be judged, and why.
    pub problems: Vec<(String, String)>,
}

/// A change of a rule's group.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The rule.
    pub rule: String,
    /// How bad it is.
    pub severity: Severity,
    /// What happened.
    pub what: Transition,
}

/// The end of the last minute that may be judged at `now`.
pub fn minute_of(now: Timestamp) -> Timestamp {
    let settled = now.minus_ms(SETTLE_MS).millis();
    Timestamp::from_millis(settled - settled % MINUTE_MS)
}

/// The first minute that a pass judges up to `minute`, when the last one judged `last`.
pub fn next_minute(last: Timestamp, minute: Timestamp) -> Timestamp {
    last.plus_ms(MINUTE_MS).max(minute.minus_ms((CATCH_UP - 1) * MINUTE_MS))
}

/// Makes the stored rules those of the settings file, beside those that commands made.
///
/// # Errors
/// The database.
pub fn sync(store: &Store, file: &[Rule]) -> Result<(), DbError> {
    let stored = store.read_tables(|t| t.all(&RULES))?;
    let gone = |row: &&Row<Stored>| row.value.from_file && !file.iter().any(|rule| rule.name == row.name);
    let new = |rule: &&Rule| !stored.iter().any(|row| row.value.from_file && row.value.rule == **rule);
    if !stored.iter().any(|row| gone(&row)) && !file.iter().any(|rule| new(&rule)) {
        return Ok(());
    }
    store.write_tables(|t| {
        for row in stored.iter().filter(gone) {
            t.remove(&RULES, &row.name, 0)?;
        }
        for rule in file.iter().filter(new) {
            t.put(&RULES, &rule.name, 0, &Stored { rule: rule.clone(), from_file: true })?;
        }
        Ok(())
    })
}

/// Judges every rule in the minutes since the last pass and keeps what came of it. What cannot be judged
/// is unknown, and reported.
///
/// # Errors
/// The database.
pub fn evaluate(store: &Store, around: &Surroundings<'_>, now: Timestamp) -> Result<Report, DbError> {
    let minute = minute_of(now);
    let (rules, states, last) =
        store.read_tables(|t| Ok::<_, DbError>((t.all(&RULES)?, t.all(&STATES)?, t.get(&JUDGED, "", 0)?)))?;
    let rules: Vec<Rule> = rules.into_iter().map(|row| row.value.rule).filter(|rule| rule.enabled).collect();
    if rules.is_empty() && states.is_empty() {
        return Ok(Report::default());
    }
    let last = last.map(Timestamp::from_millis).filter(|last| last.minus_ms(AHEAD_MS) < minute);
    let first = match last {
        Some(last) if last >= minute => return Ok(Report { rules: rules.len(), ..Report::default() }),
        Some(last) => next_minute(last, minute),
        None => minute,
    };
    let mut report = Report { rules: rules.len(), ..Report::default() };
    let mut at = first;
    while at <= minute {
        let judged = judgements(store, &rules, &states, around, at);
        let done = store.write_tables(|t| {
            let seen = t.get(&JUDGED, "", 0)?.map(Timestamp::from_millis);
            if seen.is_some_and(|seen| seen >= at && seen.minus_ms(AHEAD_MS) < at) {
                return Ok(None);
            }
            keep(t, &rules, &judged, at).map(Some)
        })?;
        let Some(changes) = done else { break };
        report.minutes += 1;
        report.changes.extend(changes);
        report.problems = problems(&judged);
        at = at.plus_ms(MINUTE_MS);
    }
    Ok(report)
}

/// What a minute says of each rule, by name.
type Judgements = HashMap<String, Result<Vec<Judged>, String>>;

/// Judges all rules now and keeps nothing.
pub fn check(store: &Store, rules: &[Rule], around: &Surroundings<'_>, now: Timestamp) -> Judgements {
    judgements(store, rules, &[], around, minute_of(now))
}

fn judgements(
    store: &Store,
    rules: &[Rule],
    states: &[Row<States>],
    around: &Surroundings<'_>,
    minute: Timestamp,
) -> Judgements {
    let known: HashMap<&str, &States> = states.iter().map(|row| (row.name.as_str(), &row.value)).collect();
    let groups = |rule: &Rule| -> Vec<Labels> {
        let states = known.get(rule.name.as_str()).filter(|s| s.condition == rule.condition);
        states.map(|s| s.groups.iter().map(|g| g.labels.clone()).collect()).unwrap_or_default()
    };
    let mut all = Judgements::new();
    let mut ready = Vec::new();
    for rule in rules {
        match Ready::new(rule) {
            Ok(one) => ready.push((one, groups(rule))),
            Err(why) => {
                all.insert(rule.name.clone(), Err(why));
            }
        }
    }
    let judged = judge_all(store, &ready, around, minute);
    all.extend(ready.iter().map(|(one, _)| one.rule.name.clone()).zip(judged));
    all
}

fn problems(judged: &Judgements) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> =
        judged.iter().filter_map(|(name, result)| Some((name.clone(), result.as_ref().err()?.clone()))).collect();
    all.sort();
    all
}

/// Steps all states and writes what comes of it.
fn keep(
    t: &mut TablesWriter<'_>,
    rules: &[Rule],
    judged: &Judgements,
    minute: Timestamp,
) -> Result<Vec<Change>, DbError> {
    let now_ms = minute.millis();
    let silences = silences(t, now_ms)?;
    let mut states: HashMap<String, States> = t.all(&STATES)?.into_iter().map(|row| (row.name, row.value)).collect();
    let mut changes = Vec::new();
    let mut told = Vec::new();
    for rule in rules {
        let Some(result) = judged.get(&rule.name) else { continue };
        let before = states.remove(&rule.name).unwrap_or_default();
        let (after, transitions) = next(rule, before.clone(), result, &silences, now_ms);
        if is_news(&before, &after, now_ms) {
            t.put(&STATES, &rule.name, 0, &after)?;
        }
        for what in transitions {
            told.extend(message(rule, &what));
            if what.outcome != Outcome::Reminder {
                table::note(t, &entry(rule, &what))?;
            }
            changes.push(Change { rule: rule.name.clone(), severity: rule.severity, what });
        }
    }
    // What is left has no rule any more.
    for (name, mut left) in states {
        let stored = t.get(&RULES, &name, 0)?.map(|stored| stored.rule);
        if stored.as_ref().is_some_and(|rule| rule.enabled) {
            // It was made after this pass began.
            continue;
        }
        t.remove(&STATES, &name, 0)?;
        let rule = stored.or_else(|| Rule::new(&name, &left.condition).ok());
        for group in &mut left.groups {
            let over = group.end(Reason::RuleChanged, Phase::Inactive, false, now_ms);
            for (rule, what) in rule.iter().zip(over) {
                told.extend(message(rule, &what));
                table::note(t, &entry(rule, &what))?;
                changes.push(Change { rule: name.clone(), severity: rule.severity, what });
            }
        }
    }
    notify::enqueue(t, &told, minute)?;
    t.put(&JUDGED, "", 0, &now_ms)?;
    if now_ms.is_multiple_of(DAY_MS) {
        table::forget(t, now_ms)?;
    }
    Ok(changes)
}

fn silences(t: &mut TablesWriter<'_>, now_ms: u64) -> Result<HashMap<String, Silence>, DbError> {
    let (on, over): (Vec<_>, Vec<_>) = t.all(&SILENCES)?.into_iter().partition(|row| row.value.until_ms > now_ms);
    for row in over {
        t.remove(&SILENCES, &row.name, 0)?;
    }
    Ok(on.into_iter().map(|row| (row.name, row.value)).collect())
}

/// The groups of a rule after a minute, and what happened.
pub(super) fn next(
    rule: &Rule,
    before: States,
    result: &Result<Vec<Judged>, String>,
    silences: &HashMap<String, Silence>,
    now_ms: u64,
) -> (States, Vec<Transition>) {
    let mut transitions = Vec::new();
    let mut groups = before.groups;
    if before.condition != rule.condition {
        for group in &mut groups {
            transitions.extend(group.end(Reason::RuleChanged, Phase::Inactive, false, now_ms));
        }
        groups.clear();
    }
    let mut judged: HashMap<&Labels, &Judged> = HashMap::new();
    let mut problem = result.as_ref().err().cloned();
    for one in result.iter().flatten() {
        judged.insert(&one.labels, one);
    }
    let mut new: Vec<Instance> = result
        .iter()
        .flatten()
        .filter(|one| one.labels.is_empty() || one.truth.is_some())
        .filter(|one| !groups.iter().any(|g| g.labels == one.labels))
        .map(|one| Instance { seen_ms: now_ms, since_ms: now_ms, ..Instance::new(one.labels.clone()) })
        .collect();
    if groups.len() + new.len() > GROUPS_MAX {
        new.truncate(GROUPS_MAX.saturating_sub(groups.len()));
        problem.get_or_insert_with(|| format!("more than {GROUPS_MAX} groups: only these are judged"));
    }
    groups.append(&mut new);
    let mut after = Vec::with_capacity(groups.len());
    for mut group in groups {
        let covers = |id: &str| silences.contains_key(&table::silence_of(id));
        let silenced = silences.contains_key(&rule.name) || group.episode.as_ref().is_some_and(|e| covers(&e.id));
        if !group.labels.is_empty() && now_ms.saturating_sub(group.seen_ms) > FORGET_MS {
            transitions.extend(group.end(Reason::NoData, Phase::NoData, silenced, now_ms));
            continue;
        }
        let evaluation = match judged.get(&group.labels) {
            Some(one) => Evaluation { truth: one.truth, evidence: one.evidence.clone(), silenced },
            None => Evaluation { silenced, ..Evaluation::default() },
        };
        let (group, all) = step(rule, group, &evaluation, now_ms);
        transitions.extend(all);
        after.push(group);
    }
    let states = States { condition: rule.condition.clone(), groups: after, problem, written_ms: now_ms };
    (states, transitions)
}

/// Whether the row is worth writing: numbers of groups that are fine are not.
fn is_news(before: &States, after: &States, now_ms: u64) -> bool {
    let quiet = |s: &States| s.groups.iter().all(|g| g.phase == Phase::Inactive && g.unknown.is_none());
    let same = before.groups.len() == after.groups.len();
    !quiet(before)
        || !quiet(after)
        || !same
        || before.condition != after.condition
        || before.problem != after.problem
        || now_ms.saturating_sub(before.written_ms) >= REFRESH_MS
}

fn entry(rule: &Rule, what: &Transition) -> Entry {
    Entry {
        rule: rule.name.clone(),
        what: what.clone(),
        condition: rule.condition_text(),
        severity: rule.severity,
        comment: String::new(),
    }
}

/// What channels are told of a transition.
fn message(rule: &Rule, what: &Transition) -> Option<Notification> {
    let state = match what.outcome {
        _ if !what.told => return None,
        Outcome::Firing => Told::Firing,
        Outcome::Reminder => Told::Reminder,
        Outcome::Resolved => Told::Resolved,
        _ => return None,
    };
    Some(Notification {
        id: what.id.clone(),
        rule: rule.name.clone(),
        labels: what.labels.clone(),
        severity: rule.severity,
        state,
        value: what.evidence.value,
        threshold: what.evidence.threshold,
        unit: what.evidence.unit.clone(),
        condition: rule.condition_text(),
        since_ms: what.since_ms,
        at_ms: what.at_ms,
        reason: what.reason.filter(|r| *r != Reason::Over).map(|r| r.word().to_owned()),
        channels: rule.channels.clone(),
    })
}

#[cfg(test)]
mod tests;
