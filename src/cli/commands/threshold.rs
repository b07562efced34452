//! `--fail-on '> 2s'`: a bound that turns an answer into an exit code.

use crate::answer::{self, Row};
use crate::error::{Failure, Result, exit};
use crate::query::ast::Expr;
use crate::query::{self, Threshold};

use super::asking::refused;

/// A bound, or a truth value that is waited for.
pub(crate) enum FailOn {
    Bound(Threshold),
    Truth(bool),
}

/// Reads the bound for the values of `expr`.
///
/// # Errors
/// A usage error with the place drawn.
pub(crate) fn read(text: &str, expr: &Expr) -> Result<FailOn> {
    let is_condition = query::is_condition(expr);
    match text.trim() {
        "true" if is_condition => Ok(FailOn::Truth(true)),
        "false" if is_condition => Ok(FailOn::Truth(false)),
        _ if is_condition => {
            Err(Failure::usage(format!("'{text}' cannot judge what is true or false")).hint("write --fail-on true"))
        }
        _ => query::parse_threshold(text, expr).map(FailOn::Bound).map_err(|e| refused(&e, text)),
    }
}

impl FailOn {
    /// 3 when it is reached in any row, 4 when no row has data, else 0.
    pub(crate) fn exit_code(&self, rows: &[Row]) -> u8 {
        let judged: Vec<bool> = rows.iter().filter_map(|row| self.holds(row)).collect();
        match judged.iter().any(|holds| *holds) {
            true => exit::FAIL_ON,
            false if judged.is_empty() => exit::NOTHING_TO_JUDGE,
            false => 0,
        }
    }

    fn holds(&self, row: &Row) -> Option<bool> {
        match self {
            Self::Truth(wanted) => row.value.truth().map(|truth| truth == *wanted),
            Self::Bound(Threshold { op, value }) => Some(answer::compare(*op, row.value.number()?, *value)),
        }
    }
}
