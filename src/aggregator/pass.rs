//! One upkeep pass: the store's own, then what stands on it. A failure there is reported and fails nothing.

use ax_storage::time::{Timestamp, Zone};
use ax_storage::{Store, TickError, TickReport};
use jiff::civil::Weekday;

use crate::alerts::notify;
use crate::alerts::{self, Notification, Rule, Severity, Surroundings, Told};
use crate::calendar::Calendar;
use crate::costs::{self, Budget, Crossing, Outside};
use crate::metric::{Money, Number};

/// What a pass needs to know of the settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// Zone of rules that name none; `None` = the store's.
    pub zone: Option<Zone>,
    /// Where weeks start.
    pub week_start: Weekday,
    /// The rules of the settings file; `None` = no file was read, and those that are stored stay.
    pub rules: Option<Vec<Rule>>,
    /// The budgets of the settings file, beside those that are stored.
    pub budgets: Vec<Budget>,
}

impl Default for Config {
    fn default() -> Self {
        Self { zone: None, week_start: Weekday::Monday, rules: None, budgets: Vec::new() }
    }
}

impl Config {
    /// The budgets and projections that rules refer to.
    pub fn outside<'a>(&'a self, store: &'a Store) -> Outside<'a> {
        let calendar = Calendar::new(self.zone(store)).week_from(self.week_start);
        Outside::new(Some(store), &self.budgets, calendar)
    }

    /// Where rules are judged, in a pass and by whoever tries them.
    pub fn around<'a>(&'a self, store: &'a Store, outside: &'a Outside<'a>) -> Surroundings<'a> {
        Surroundings { zone: self.zone(store), week_start: self.week_start, outside }
    }

    fn zone<'a>(&'a self, store: &'a Store) -> &'a Zone {
        self.zone.as_ref().unwrap_or_else(|| store.zone())
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
    /// Parts of budgets that spend has reached for the first time.
    pub crossings: Vec<Crossing>,
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
    budgets(store, config, now, &mut pass);
    Ok(pass)
}

fn judge(store: &Store, config: &Config, now: Timestamp, pass: &mut Pass) {
    if let Some(rules) = &config.rules
        && let Err(error) = alerts::sync(store, rules)
    {
        pass.problems.push(format!("the rules of the settings file cannot be stored: {error}"));
    }
    let outside = config.outside(store);
    match alerts::evaluate(store, &config.around(store, &outside), now) {
        Ok(report) => pass.alerts = report,
        Err(error) => pass.problems.push(format!("alerts cannot be judged: {error}")),
    }
    for (rule, why) in &pass.alerts.problems {
        pass.problems.push(format!("rule {rule} cannot be judged: {why}"));
    }
}

/// Tells of budgets, in the transaction that remembers it, and keeps the day's projections.
fn budgets(store: &Store, config: &Config, now: Timestamp, pass: &mut Pass) {
    let told = costs::budgets(store, &config.budgets, now, |t, crossings| {
        let notifications: Vec<Notification> = crossings.iter().map(notification).collect();
        notify::enqueue(t, &notifications, now)
    });
    match told {
        Ok(crossings) => pass.crossings = crossings,
        Err(error) => pass.problems.push(format!("budgets cannot be judged: {error}")),
    }
    if let Err(error) = costs::projections(store, now) {
        pass.problems.push(format!("the day's projections cannot be kept: {error}"));
    }
}

/// What channels are told of a part of a budget.
fn notification(crossing: &Crossing) -> Notification {
    let Crossing { budget, percent, spent, limit, period, at } = crossing;
    let rule = format!("budget {budget}");
    let part = vec![("threshold".to_owned(), format!("{percent}%"))];
    Notification {
        id: alerts::episode_id(&rule, &part, period.start.millis()),
        labels: part,
        severity: if *percent >= 100 { Severity::Critical } else { Severity::Warning },
        state: Told::Firing,
        value: Some(Number::Money(*spent)),
        threshold: Some(Number::Money(Money(limit.0.saturating_mul(i128::from(*percent)) / 100))),
        unit: "usd".to_owned(),
        condition: format!("spend >= {percent} % of {}", notify::figure(Number::Money(*limit), "usd")),
        since_ms: at.millis(),
        at_ms: at.millis(),
        reason: None,
        channels: Vec::new(),
        rule,
    }
}
