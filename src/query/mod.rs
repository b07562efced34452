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
mod printer;
mod range;
mod regex;
mod resolve;
mod token;

#[cfg(test)]
mod tests;

pub use error::{ParseError, Span};
pub use number::DAYS_MAX;
pub use parser::{NESTING_MAX, PATTERNS_MAX, SOURCE_MAX, parse, parse_condition, parse_filter};
pub use regex::{PATTERN_MAX, Pattern};
pub use resolve::{RangeError, previous, resolve};
