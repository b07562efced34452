//! What the minutely upkeep does about costs: tells of budgets, keeps the day's projections.

use ax_storage::Store;
use ax_storage::query::QueryError;
use ax_storage::query::plan::Filter;
use ax_storage::table::TablesWriter;
use ax_storage::tier::db::DbError;
use ax_storage::time::{TimeRange, Timestamp};
use jiff::ToSpan;

use super::budget::{Budget, BudgetError, Ready};
use super::outlook;
use super::standing::{self, Histories, Standing};
use super::table::{self, Crossing};
use crate::calendar::{Calendar, Period};
use crate::metric::Money;
use crate::projection::Step;

/// Why budgets could not be judged.
#[derive(Debug, thiserror::Error)]
pub enum CostsError {
    /// The store's tables.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The store's answers.
    #[error(transparent)]
    Query(#[from] QueryError),
}

/// Finds the parts that spend has reached for the first time in their periods, and writes them down
/// in one transaction with what `tell` writes of them; when `tell` fails nothing is written, and
/// the next pass finds them again. Several processes that do this at once find each only once.
///
/// # Errors
/// Those of the store, and of `tell`.
pub fn budgets(
    store: &Store,
    settings: &[Budget],
    now: Timestamp,
    tell: impl FnOnce(&mut TablesWriter<'_>, &[Crossing]) -> Result<(), DbError>,
) -> Result<Vec<Crossing>, CostsError> {
    let known = store.read_tables(|t| table::known(t, settings))?.budgets;
    if known.is_empty() {
        return Ok(Vec::new());
    }
    let sums = standing::spent(store, &known, now)?;
    let spent: Vec<(&Ready, Money)> = known.iter().zip(sums).collect();
    if !store.read_tables(|t| table::crosses(t, &spent, now))? {
        return Ok(Vec::new());
    }
    Ok(store.write_tables(|t| {
        let crossings = table::cross(t, &spent, now)?;
        tell(t, &crossings)?;
        Ok::<_, DbError>(crossings)
    })?)
}

/// Keeps the day's projections of all spend, once a day of the store's zone: whether it did.
///
/// # Errors
/// Those of the store.
pub fn projections(store: &Store, now: Timestamp) -> Result<bool, CostsError> {
    let calendar = Calendar::new(store.zone());
    let day = calendar.period(Period::Day, now);
    if store.read_tables(|t| table::has_projections(t, day.start))? {
        return Ok(false);
    }
    let plans = [outlook::day_plan(now, Filter::All, now, &calendar), outlook::hour_plan(Filter::All, now, &calendar)];
    let [days, hours] = store.run_all(&plans)?.try_into().unwrap_or_default();
    if outlook::first_day(&days).is_none() {
        // Nothing to project from; and a store that holds nothing stays as it is.
        return Ok(false);
    }
    let year = TimeRange::new(now, calendar.midnight(calendar.date(now).saturating_add(365.days())));
    let month = calendar.period(Period::Month, now);
    let all = [
        ("day", outlook::outlook(&hours, day, Step::Hour, now, &calendar)),
        ("month", outlook::outlook(&days, month, Step::Day, now, &calendar)),
        ("year", outlook::outlook(&days, year, Step::Day, now, &calendar)),
    ];
    Ok(store.write_tables(|t| table::keep_projections(t, &all, day.start, now))?)
}

/// How all budgets stand, by name, and which make no sense any more.
///
/// # Errors
/// Those of the store.
pub fn standings(store: &Store, settings: &[Budget], now: Timestamp) -> Result<Standings, CostsError> {
    let known = read(store, settings, now)?;
    let mut histories = Histories::default();
    let places: Vec<usize> = known.budgets.iter().map(|(ready, _)| histories.add_budget(ready, now)).collect();
    let series = store.run_all(histories.plans())?;
    let budgets = known
        .budgets
        .into_iter()
        .zip(places)
        .filter_map(|((ready, told), place)| Some(standing::stand(&ready, series.get(place)?, told, now)))
        .collect();
    Ok(Standings { budgets, wrong: known.wrong })
}

/// How budgets stand.
#[derive(Clone, Debug, Default)]
pub struct Standings {
    /// Each, by name.
    pub budgets: Vec<Standing>,
    /// Names of those that make no sense, and why.
    pub wrong: Vec<(String, BudgetError)>,
}

/// Budgets with what was told of them in the running period.
#[derive(Clone, Debug, Default)]
pub struct WithTold {
    /// Each, by name.
    pub budgets: Vec<(Ready, Vec<u16>)>,
    /// Names of those that make no sense, and why.
    pub wrong: Vec<(String, BudgetError)>,
}

/// Reads all budgets and what was told of them.
///
/// # Errors
/// The database.
pub fn read(store: &Store, settings: &[Budget], now: Timestamp) -> Result<WithTold, DbError> {
    store.read_tables(|t| {
        let known = table::known(t, settings)?;
        let told = |ready: Ready| table::told(t, &ready, now).map(|told| (ready, told));
        let budgets = known.budgets.into_iter().map(told).collect::<Result<_, DbError>>()?;
        Ok(WithTold { budgets, wrong: known.wrong })
    })
}
