//! Budgets and projections as the query language refers to them: `budget`, `forecast(month)`.

use std::cell::{OnceCell, RefCell};

use ax_storage::Store;
use ax_storage::time::Timestamp;

use super::budget::{Budget, Ready};
use super::outlook::{self, Outlook};
use super::running::{self, Running};
use super::table;
use crate::calendar::{Calendar, Period};
use crate::metric::Money;
use crate::projection::{Status, Step};
use crate::query::ast::Filter;
use crate::query::planner::{self, Budget as Limit};

/// What queries may refer to, looked up when one does.
pub struct Outside<'a> {
    store: Option<&'a Store>,
    settings: &'a [Budget],
    calendar: Calendar<'a>,
    known: OnceCell<Vec<Ready>>,
    running: RefCell<Vec<Running>>,
}

impl<'a> Outside<'a> {
    /// The budgets of `store` and of the settings, and projections by the days of `calendar` where no
    /// budget says another zone.
    pub const fn new(store: Option<&'a Store>, settings: &'a [Budget], calendar: Calendar<'a>) -> Self {
        Self { store, settings, calendar, known: OnceCell::new(), running: RefCell::new(Vec::new()) }
    }

    fn known(&self) -> Result<&[Ready], String> {
        if let Some(known) = self.known.get() {
            return Ok(known);
        }
        let known = match self.store {
            Some(store) => {
                store
                    .read_tables(|t| table::known(t, self.settings))
                    .map_err(|e| format!("the budgets cannot be read: {e}"))?
                    .budgets
            }
            None => self.settings.iter().filter_map(|b| Ready::of(b.clone()).ok()).collect(),
        };
        Ok(self.known.get_or_init(|| known))
    }

    fn limit(ready: &Ready, now: Timestamp) -> Limit {
        Limit {
            limit: ready.budget.limit,
            period: ready.budget.every.period(),
            since: ready.period(now).start,
            scope: ready.scope.clone(),
        }
    }

    /// The projection of a period, of what `scope` lets through.
    fn outlook(&self, period: Period, scope: Option<&Filter>, now: Timestamp) -> Option<Outlook> {
        let store = self.store?;
        let same = |ready: &&Ready| ready.budget.every.period() == period && ready.scope.as_ref() == scope;
        let budget = self.known().ok()?.iter().find(same);
        let calendar = budget.map_or(self.calendar, Ready::calendar);
        let range = calendar.period(period, now);
        let filter = scope.map_or(ax_storage::query::plan::Filter::All, planner::lower);
        let (step, plan) = match period {
            Period::Day => (Step::Hour, outlook::hour_plan(filter, now, &calendar)),
            _ => (Step::Day, outlook::day_plan(range.start, filter, now, &calendar)),
        };
        let series = running::run(store, &mut self.running.borrow_mut(), &plan)?;
        Some(outlook::outlook(&series, range, step, now, &calendar))
    }
}

impl planner::Outside for Outside<'_> {
    fn budget(&self, name: Option<&str>, period: Option<Period>, now: Timestamp) -> Result<Option<Limit>, String> {
        let known = self.known()?;
        if let Some(name) = name {
            let of_name = known.iter().find(|r| r.budget.name == name);
            return of_name.map(|r| Some(Self::limit(r, now))).ok_or_else(|| unknown(name, known));
        }
        let fitting: Vec<&Ready> = known.iter().filter(|r| Some(r.budget.every.period()) == period).collect();
        match (fitting.as_slice(), known) {
            ([one], _) => Ok(Some(Self::limit(one, now))),
            ([], [one]) => Ok(Some(Self::limit(one, now))),
            ([], []) => Ok(None),
            ([], many) => Err(ambiguous(many.iter())),
            (many, _) => Err(ambiguous(many.iter().copied())),
        }
    }

    fn forecast(&self, period: Period, scope: Option<&Filter>, now: Timestamp) -> Option<Money> {
        // A plain average drawn out is no ground to act on.
        self.outlook(period, scope, now).filter(|o| o.status == Status::Ok).and_then(|o| o.estimate())
    }
}

fn ambiguous<'r>(fitting: impl Iterator<Item = &'r Ready>) -> String {
    format!("several budgets fit: {}", names(fitting))
}

fn unknown(name: &str, known: &[Ready]) -> String {
    let missing = format!("there is no budget '{}'", crate::words::escaped(name));
    if known.is_empty() { missing } else { format!("{missing}; known: {}", names(known.iter())) }
}

fn names<'r>(budgets: impl Iterator<Item = &'r Ready>) -> String {
    budgets.map(|r| crate::words::escaped(&r.budget.name)).collect::<Vec<_>>().join(", ")
}
