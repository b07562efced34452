//! A store that answers queries: the engine's handle with the query language on top.

use std::ops::Deref;
use std::path::Path;

use ax_storage::OpenError;
use ax_storage::query::QueryError;
use ax_storage::query::plan::Plan;
use ax_storage::time::{HOUR_MS, TimeRange, Timestamp, Zone};

use crate::answer::{self, Answer};
use crate::calendar::Calendar;
use crate::costs::Outside;
use crate::query::ast::Query;
use crate::query::planner::{self, Ask};
use crate::query::{self, ParseError};

/// A store to ask.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = ax_monitor::Store::open("/var/lib/my-app/ax".as_ref())?;
/// let answer = store.query(r#"latency{provider="claude"} [1h] p95"#, ax_monitor::now())?;
/// println!("{:?} ms", answer.rows[0].value.number());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Store(ax_storage::Store);

/// Why a query got no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The text is no query.
    #[error("{0}")]
    Query(ParseError),
    /// The text is a filter of events, which has no number for an answer.
    #[error("this lists single events: use Store::events for it")]
    Filter,
    /// The store cannot answer it.
    #[error(transparent)]
    Store(#[from] QueryError),
}

impl Store {
    /// Opens a store that is there.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        ax_storage::Store::open(dir).map(Self)
    }

    /// Answers a query in the process's time zone; what names no time range is about the last hour.
    ///
    /// # Errors
    /// See [`AskError`].
    pub fn query(&self, text: &str, now: Timestamp) -> Result<Answer, AskError> {
        self.query_in(text, now, &Zone::local())
    }

    /// The same in another time zone.
    ///
    /// # Errors
    /// See [`AskError`].
    pub fn query_in(&self, text: &str, now: Timestamp, zone: &Zone) -> Result<Answer, AskError> {
        let Query::Expr(expr) = query::parse(text).map_err(AskError::Query)? else { return Err(AskError::Filter) };
        let raw_from = if planner::depends_on_raw(&expr) { self.0.raw_from()? } else { Timestamp::MIN };
        let ask = Ask {
            now,
            calendar: Calendar::new(zone),
            window: TimeRange::new(now.minus_ms(HOUR_MS), now),
            raw_from,
            outside: &Outside::new(Some(&self.0), &[], Calendar::new(zone)),
        };
        let question = planner::plan(&expr, &ask).map_err(AskError::Query)?;
        Ok(answer::answer(&question, &mut |plans: &[Plan]| self.0.run_all(plans))?)
    }
}

impl From<ax_storage::Store> for Store {
    fn from(store: ax_storage::Store) -> Self {
        Self(store)
    }
}

impl Deref for Store {
    type Target = ax_storage::Store;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}
