//! The query language: text to tree, tree to checked plan. No clock and no storage in here.
//!
//! ```text
//! latency{provider="claude"} [1h] p95        provider=claude AND latency>1000
//! (cost / requests) [7d] by(model)           error_rate > baseline * 3
//! ```
//! [`parse`] reads questions, [`parse_filter`] filters of events, [`parse_condition`] alert
//! conditions. Each takes at most [`SOURCE_MAX`] bytes, runs in linear time and refuses with one
//! sentence, a place and a hint. A tree prints itself in canonical form.

pub mod ast;
#[cfg(feature = "cli")]
mod caret;
pub mod check;
mod error;
mod number;
mod parser;
pub mod planner;
mod printer;
mod range;
mod regex;
mod resolve;
mod token;

#[cfg(test)]
mod tests;

use crate::metric::Number;

pub use error::{ParseError, Span};
pub use number::DAYS_MAX;
pub use parser::{NESTING_MAX, PATTERNS_MAX, SOURCE_MAX, parse, parse_condition, parse_filter};
pub use regex::{PATTERN_MAX, Pattern};
pub use resolve::{RangeError, previous, resolve};

/// Whether it is true or false, and no number.
pub fn is_condition(expr: &ast::Expr) -> bool {
    check::infer(expr, check::Scope { of: expr }).is_ok_and(|ty| ty.dim.is_none())
}

/// A bound for the values of a query.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Threshold {
    /// How values compare with it.
    pub op: ast::CmpOp,
    /// In the unit of the values.
    pub value: Number,
}

/// Reads `> 2s`: a bound for the values of `of`.
///
/// # Errors
/// What it is instead, or that its unit does not fit.
pub fn parse_threshold(source: &str, of: &ast::Expr) -> Result<Threshold, ParseError> {
    let (op, literal) = parser::parse_bound(source)?;
    let compared = ast::Kind::Cmp(op, Box::new(of.clone()), Box::new(literal.clone()));
    let compared = ast::Expr::new(compared, literal.span)?;
    check::infer(&compared, check::Scope { of: &compared })?;
    // The parser lets no other literal through.
    let value = planner::constant(&literal).unwrap_or(Number::Whole(0));
    Ok(Threshold { op, value })
}

/// Reads what may stand in brackets; `None` when it is no range.
pub fn parse_range(text: &str) -> Option<ast::Range> {
    range::parse(text.trim(), Span::default()).ok()
}

/// A duration in nanoseconds as the language writes it: `1d2h`.
pub fn duration_text(nanos: u64) -> String {
    printer::Nanos(nanos).to_string()
}
