//! Budgets, what was told of them, and the day's projections, in the store's own tables.

use ax_storage::Store;
use ax_storage::table::{Table, Tables, TablesWriter};
use ax_storage::tier::db::DbError;
use ax_storage::time::{TimeRange, Timestamp};
use bincode::{Decode, Encode};
use jiff::civil::Weekday;

use super::budget::{BUDGETS_MAX, Budget, BudgetError, Every, Origin, Ready, reached};
use super::outlook::Outlook;
use crate::metric::Money;

/// Budgets by name; the number is 0.
const BUDGETS: Table<Stored> = Table::new("budgets");
/// Parts told, by budget and start of the period.
const TOLD: Table<Told> = Table::new("budget_crossings");

/// Projections of all spend by what they are of (`day`, `month`, `year`) and the day they were made.
const PROJECTIONS: Table<StoredProjection> = Table::new("projections");

/// Days whose projections are kept.
const PROJECTIONS_KEPT: usize = 400;
/// Periods of a budget whose crossings are kept.
const PERIODS_KEPT: usize = 64;

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
struct Stored {
    limit_nanos: i128,
    /// Place in [`Every::ALL`].
    every: u8,
    scope: Option<String>,
    alert_at: Vec<u16>,
    zone: String,
    /// Days from Monday.
    week_start: u8,
}

#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
struct Told {
    /// Place in [`Every::ALL`]: a budget that was made a monthly one on the first of a month has told
    /// nothing of the month.
    every: u8,
    parts: Vec<TellPart>,
}

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
struct TellPart {
    percent: u16,
    at_ms: u64,
    spent_nanos: i128,
    limit_nanos: i128,
}

/// A projection as it was made on a day.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct StoredProjection {
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// The end of what it is of, likewise.
    pub end_ms: u64,
    /// Spent in the period then, in nano-dollars.
    pub spent_nanos: i128,
    /// Spend at its end, in nano-dollars.
    pub estimate_nanos: i128,
    /// The 10th percentile of it; `None` with too short a history.
    pub low_nanos: Option<i128>,
    /// The 90th, likewise.
    pub high_nanos: Option<i128>,
    /// The plain average drawn out.
    pub linear_nanos: i128,
}

/// A part of a budget that spend has reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crossing {
    /// The budget.
    pub budget: String,
    /// In per cent of the limit.
    pub percent: u16,
    /// Spent when it was seen.
    pub spent: Money,
    /// The limit then.
    pub limit: Money,
    /// The period, to its end in the future.
    pub period: TimeRange,
    /// When it was seen.
    pub at: Timestamp,
}

fn place(every: Every) -> u8 {
    Every::ALL.iter().position(|e| *e == every).and_then(|i| u8::try_from(i).ok()).unwrap_or(0)
}

impl Stored {
    fn of(budget: &Budget) -> Self {
        Self {
            limit_nanos: budget.limit.0,
            every: place(budget.every),
            scope: budget.scope.clone(),
            alert_at: budget.alert_at.clone(),
            zone: budget.zone.clone(),
            week_start: budget.week_start.to_monday_zero_offset().unsigned_abs(),
        }
    }

    fn budget(self, name: String) -> Budget {
        Budget {
            name,
            limit: Money(self.limit_nanos),
            every: Every::ALL.get(usize::from(self.every)).copied().unwrap_or(Every::Month),
            scope: self.scope,
            alert_at: self.alert_at,
            zone: self.zone,
            week_start: i8::try_from(self.week_start)
                .ok()
                .and_then(|day| Weekday::from_monday_zero_offset(day).ok())
                .unwrap_or(Weekday::Monday),
            origin: Origin::Store,
        }
    }
}

/// Budgets that are understood, by name, and what is wrong with the others.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Those of the settings file come before those of the store of the same name.
    pub budgets: Vec<Ready>,
    /// The names of those that make no sense any more, and why.
    pub wrong: Vec<(String, BudgetError)>,
}

/// Every budget: those of the settings and those of the store.
///
/// # Errors
/// The database.
pub fn known(tables: &Tables<'_>, settings: &[Budget]) -> Result<Known, DbError> {
    let stored = tables.all(&BUDGETS)?.into_iter().map(|row| row.value.budget(row.name));
    let stored = stored.filter(|b| settings.iter().all(|s| s.name != b.name));
    let mut all: Vec<Budget> = settings.iter().cloned().chain(stored).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    let mut known = Known::default();
    for budget in all.into_iter().take(BUDGETS_MAX) {
        let name = budget.name.clone();
        match Ready::of(budget) {
            Ok(ready) => known.budgets.push(ready),
            Err(why) => known.wrong.push((name, why)),
        }
    }
    Ok(known)
}

/// Keeps a budget, over one of the same name: whether there was one.
///
/// # Errors
/// When there are too many, or the database.
pub fn set(store: &Store, ready: &Ready) -> Result<bool, SetError> {
    store.write_tables(|t| {
        let all = t.all(&BUDGETS)?;
        let there = all.iter().any(|row| row.name == ready.budget.name);
        if !there && all.len() >= BUDGETS_MAX {
            return Err(BudgetError::TooMany.into());
        }
        t.put(&BUDGETS, &ready.budget.name, 0, &Stored::of(&ready.budget))?;
        Ok(there)
    })
}

/// Why a budget was not kept.
#[derive(Debug, thiserror::Error)]
pub enum SetError {
    /// It is none.
    #[error(transparent)]
    Budget(#[from] BudgetError),
    /// The database refused.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Names of the budgets that the store keeps.
///
/// # Errors
/// The database.
pub fn names(store: &Store) -> Result<Vec<String>, DbError> {
    store.read_tables(|t| Ok(t.all(&BUDGETS)?.into_iter().map(|row| row.name).collect()))
}

/// Removes a budget and what was told of it, but for the last period: one that is set anew within that tells nothing
/// twice. Whether there was one.
///
/// # Errors
/// The database.
pub fn delete(store: &Store, name: &str) -> Result<bool, DbError> {
    store.write_tables(|t| {
        let told = t.of(&TOLD, name)?;
        for row in &told[..told.len().saturating_sub(1)] {
            t.remove(&TOLD, name, row.number)?;
        }
        t.remove(&BUDGETS, name, 0)
    })
}

/// Parts of a budget told in the period that `now` lies in.
///
/// # Errors
/// The database.
pub fn told(tables: &Tables<'_>, ready: &Ready, now: Timestamp) -> Result<Vec<u16>, DbError> {
    let told = row(tables, ready, now)?;
    Ok(told.parts.iter().map(|p| p.percent).collect())
}

fn row(tables: &Tables<'_>, ready: &Ready, now: Timestamp) -> Result<Told, DbError> {
    let (every, start) = (place(ready.budget.every), ready.period(now).start);
    let row = tables.get(&TOLD, &ready.budget.name, start.millis())?;
    Ok(row.filter(|told| told.every == every).unwrap_or(Told { every, parts: Vec::new() }))
}

/// Writes down which parts of the budgets spend has reached for the first time in their periods, and
/// gives those. Inside one transaction with what tells somebody, each is told once, whatever restarts.
///
/// # Errors
/// The database.
pub fn cross(t: &mut TablesWriter<'_>, spent: &[(&Ready, Money)], now: Timestamp) -> Result<Vec<Crossing>, DbError> {
    let mut crossings = Vec::new();
    for (ready, spent) in spent {
        let budget = &ready.budget;
        let mut told = row(t, ready, now)?;
        let before: Vec<u16> = told.parts.iter().map(|p| p.percent).collect();
        let new = reached(*spent, budget.limit, &budget.alert_at, &before);
        if new.is_empty() {
            continue;
        }
        let period = ready.period(now);
        for percent in new {
            let part = TellPart { percent, at_ms: now.millis(), spent_nanos: spent.0, limit_nanos: budget.limit.0 };
            told.parts.push(part);
            let (budget, limit, spent) = (budget.name.clone(), budget.limit, *spent);
            crossings.push(Crossing { budget, percent, spent, limit, period, at: now });
        }
        t.put(&TOLD, &budget.name, period.start.millis(), &told)?;
        let rows = t.of(&TOLD, &budget.name)?;
        for old in &rows[..rows.len().saturating_sub(PERIODS_KEPT)] {
            t.remove(&TOLD, &budget.name, old.number)?;
        }
    }
    Ok(crossings)
}

/// Whether [`cross`] would find something: then a transaction is worth it.
///
/// # Errors
/// The database.
pub fn crosses(tables: &Tables<'_>, spent: &[(&Ready, Money)], now: Timestamp) -> Result<bool, DbError> {
    for (ready, spent) in spent {
        let told = told(tables, ready, now)?;
        if !reached(*spent, ready.budget.limit, &ready.budget.alert_at, &told).is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the projections of the day that starts then are kept.
///
/// # Errors
/// The database.
pub fn has_projections(tables: &Tables<'_>, day: Timestamp) -> Result<bool, DbError> {
    Ok(tables.get(&PROJECTIONS, "month", day.millis())?.is_some())
}

/// Keeps the projections of a day, unless they are: whether it did.
///
/// # Errors
/// The database.
pub fn keep_projections(
    t: &mut TablesWriter<'_>,
    all: &[(&str, Outlook)],
    day: Timestamp,
    now: Timestamp,
) -> Result<bool, DbError> {
    if has_projections(t, day)? {
        return Ok(false);
    }
    for (name, outlook) in all {
        let (low, high) = outlook.bounds().unzip();
        let stored = StoredProjection {
            at_ms: now.millis(),
            end_ms: outlook.period.end.millis(),
            spent_nanos: outlook.spent.0,
            estimate_nanos: outlook.estimate().unwrap_or(outlook.spent).0,
            low_nanos: low.map(|m| m.0),
            high_nanos: high.map(|m| m.0),
            linear_nanos: outlook.linear().unwrap_or(outlook.spent).0,
        };
        t.put(&PROJECTIONS, name, day.millis(), &stored)?;
        let rows = t.of(&PROJECTIONS, name)?;
        for old in &rows[..rows.len().saturating_sub(PROJECTIONS_KEPT)] {
            t.remove(&PROJECTIONS, name, old.number)?;
        }
    }
    Ok(true)
}

/// Projections of `name` (`day`, `month`, `year`), the oldest first, by the day they were made.
///
/// # Errors
/// The database.
pub fn projections(tables: &Tables<'_>, name: &str) -> Result<Vec<(Timestamp, StoredProjection)>, DbError> {
    let rows = tables.of(&PROJECTIONS, name)?.into_iter();
    Ok(rows.map(|row| (Timestamp::from_millis(row.number), row.value)).collect())
}
