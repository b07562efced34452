//! Questions to a store.

use std::ops::ControlFlow;

use super::Store;
use super::view::View;
use crate::query::plan::{Filter, Plan};
use crate::query::series::Series;
use crate::query::{self, EventsSummary, QueryError};
use crate::row::{Names, Row};
use crate::time::TimeRange;

/// How often a question is asked anew when upkeep removes a file that was about to be read.
const TRIES: usize = 5;

impl Store {
    /// Answers `plan` from one consistent view.
    ///
    /// # Errors
    /// See [`QueryError`]. Damage that leaves an answer is named in [`Series::missing`] instead.
    pub fn run(&self, plan: &Plan) -> Result<Series, QueryError> {
        self.ask(|view| {
            let mut series = query::execute(&view, plan)?;
            series.missing.extend(view.problems());
            Ok(series)
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
            let result = query::events(&view, range, filter, newest, &mut each);
            match result {
                // Starting over would hand events on twice.
                Err(QueryError::Io { file, cause }) if handed_on => {
                    Err(QueryError::Database(format!("{file} went away while it was read: {cause}; try again")))
                }
                Err(e) => Err(e),
                Ok(mut summary) => {
                    summary.missing.extend(view.problems());
                    Ok(summary)
                }
            }
        })
    }

    /// Asks again when a file that the view names is gone.
    pub(crate) fn ask<T>(&self, mut question: impl FnMut(View<'_>) -> Result<T, QueryError>) -> Result<T, QueryError> {
        let mut tries = 1;
        loop {
            match View::open(self).and_then(&mut question) {
                Err(QueryError::Io { cause, .. }) if cause.kind() == std::io::ErrorKind::NotFound && tries < TRIES => {
                    tries += 1;
                }
                result => return result,
            }
        }
    }
}
