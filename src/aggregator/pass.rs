//! One upkeep pass: the store's own, then what stands on it. A failure there is reported and fails nothing.

use ax_storage::time::{Timestamp, Zone};
use ax_storage::{Store, TickError, TickReport};
use jiff::civil::Weekday;

use crate::alerts::{self, Rule, Surroundings};
use crate::query::planner::Nothing;

/// What a pass needs to know of the settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// Zone of rules that name none; `None` = the store's.
    pub zone: Option<Zone>,
    /// Where weeks start.
    pub week_start: Weekday,
    /// The rules of the settings file; `None` = no file was read, and those that are stored stay.
    pub rules: Option<Vec<Rule>>,
}

impl Default for Config {
    fn default() -> Self {
        Self { zone: None, week_start: Weekday::Monday, rules: None }
    }
}

/// When a pass rolls up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Now.
    Now,
    /// Unless another process did within the last minute.
    Due,
}

/// What a pass did.
#[derive(Clone, Debug, Default)]
pub struct Pass {
    /// Rolling up, closing, sealing.
    pub tick: TickReport,
    /// Judging the rules.
    pub alerts: alerts::Report,
    /// What failed beside that, in words.
    pub problems: Vec<String>,
}

/// Runs a pass.
///
/// # Errors
/// What stopped the store's own part; nothing is judged then, and the next pass makes up for it.
pub fn pass(store: &Store, config: &Config, when: When, now: Timestamp) -> Result<Pass, TickError> {
    let tick = match when {
        When::Now => store.tick(now)?,
        When::Due => store.tick_if_due(now)?,
    };
    let mut pass = Pass { tick, ..Pass::default() };
    judge(store, config, now, &mut pass);
    Ok(pass)
}

fn judge(store: &Store, config: &Config, now: Timestamp, pass: &mut Pass) {
    if let Some(rules) = &config.rules
        && let Err(error) = alerts::sync(store, rules)
    {
        pass.problems.push(format!("the rules of the settings file cannot be stored: {error}"));
    }
    let around = Surroundings {
        zone: config.zone.as_ref().unwrap_or_else(|| store.zone()),
        week_start: config.week_start,
        outside: &Nothing,
    };
    match alerts::evaluate(store, &around, now) {
        Ok(report) => pass.alerts = report,
        Err(error) => pass.problems.push(format!("alerts cannot be judged: {error}")),
    }
    for (rule, why) in &pass.alerts.problems {
        pass.problems.push(format!("rule {rule} cannot be judged: {why}"));
    }
}
