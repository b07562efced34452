//! Questions to a store.

use std::ops::ControlFlow;

use super::Store;
use super::view::{View, is_gone};
use crate::query::plan::{Filter, Plan};
use crate::query::series::Series;
use crate::query::source::Source;
use crate::query::{self, EventsSummary, QueryError};
use crate::row::{Names, Row};
use crate::time::{TimeRange, Timestamp};

/// How often a question is asked anew when upkeep removes a file that was about to be read.
const TRIES: usize = 5;

/// Events in journals that no tier holds yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// How many.
    pub events: u64,
    /// Time of the earliest.
    pub oldest: Option<Timestamp>,
}

impl Store {
    /// Answers `plan` from one consistent view.
    ///
    /// # Errors
    /// See [`QueryError`]. Damage that leaves an answer is named in [`Series::missing`] instead.
    pub fn run(&self, plan: &Plan) -> Result<Series, QueryError> {
        self.run_all(std::slice::from_ref(plan))?.pop().ok_or_else(|| QueryError::Database("no answer".into()))
    }

    /// Answers several plans from one and the same view: their numbers fit together.
    ///
    /// # Errors
    /// See [`Store::run`]; the first that fails.
    pub fn run_all(&self, plans: &[Plan]) -> Result<Vec<Series>, QueryError> {
        self.run_in_turn(plans, &|_| Vec::new())
    }

    /// Answers several plans, and then those that `next` makes of all answers so far, until it makes none: all
    /// from one and the same view.
    ///
    /// # Errors
    /// See [`Store::run_all`].
    pub fn run_in_turn(
        &self,
        plans: &[Plan],
        next: &dyn Fn(&[Series]) -> Vec<Plan>,
    ) -> Result<Vec<Series>, QueryError> {
        self.ask(|view| {
            let run = |plan: &Plan| query::execute(&view, plan);
            let mut answers: Vec<Series> = plans.iter().map(run).collect::<Result<_, _>>()?;
            loop {
                let more = next(&answers);
                if more.is_empty() {
                    break;
                }
                answers.extend(more.iter().map(run).collect::<Result<Vec<_>, _>>()?);
            }
            let problems = view.problems();
            answers.iter_mut().for_each(|series| series.missing.extend(problems.iter().cloned()));
            Ok(answers)
        })
    }

    /// From when on single events are all there.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub fn raw_from(&self) -> Result<Timestamp, QueryError> {
        self.ask(|view| Ok(view.raw_complete_from()))
    }

    /// What no pass has rolled up yet.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub fn backlog(&self) -> Result<Backlog, QueryError> {
        self.ask(|view| {
            let mut backlog = Backlog::default();
            view.journal_rows(TimeRange::ALL, false, &mut |_, rows| {
                backlog.events += rows.len() as u64;
                backlog.oldest = backlog.oldest.into_iter().chain(rows.iter().map(|r| r.ts)).min();
                Ok(())
            })?;
            Ok(backlog)
        })
    }

    /// Hands the `newest` events of `range` that match `filter` to `each`, the oldest of them first.
    /// `usize::MAX` streams all of them in bounded memory.
    ///
    /// # Errors
    /// See [`QueryError`]. A `Break` of `each` ends the listing, which is no error.
    pub fn events(
        &self,
        range: TimeRange,
        filter: &Filter,
        newest: usize,
        each: &mut dyn FnMut(&Names, &Row) -> ControlFlow<()>,
    ) -> Result<EventsSummary, QueryError> {
        let mut handed_on = false;
        self.ask(|view| {
            let mut each = |names: &Names, row: &Row| {
                handed_on = true;
                each(names, row)
            };
            let kept_from = view.raw_complete_from();
            let gone = view.extent()?.is_some_and(|extent| extent.start.max(range.start) < kept_from);
            // Days before that are going or gone; what is left of them would look like all there was.
            let range = range.intersect(&TimeRange { start: kept_from, end: Timestamp::MAX });
            let result = query::events(&view, range, filter, newest, &mut each);
            match result {
                // Starting over would hand events on twice.
                Err(QueryError::Io { file, cause }) if handed_on => {
                    Err(QueryError::Database(format!("{file} went away while it was read: {cause}; try again")))
                }
                Err(e) => Err(e),
                Ok(mut summary) => {
                    summary.missing.extend(view.problems());
                    summary.kept_from = gone.then_some(kept_from);
                    Ok(summary)
                }
            }
        })
    }

    /// Asks again when a file that the view names is gone.
    pub(crate) fn ask<T>(&self, mut question: impl FnMut(View<'_>) -> Result<T, QueryError>) -> Result<T, QueryError> {
        let mut tries = 1;
        loop {
            match View::open(self, tries == TRIES).and_then(&mut question) {
                Err(error) if is_gone(&error) && tries < TRIES => tries += 1,
                result => return result,
            }
        }
    }
}
