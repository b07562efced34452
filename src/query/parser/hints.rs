//! Hints that rewrite what was written.

use ax_storage::query::plan::Label;

use super::{Mode, Parser};
use crate::query::ast::{Expr, Filter, Select};
use crate::query::error::{ParseError, Span};

/// Longest rewriting that is shown.
const SHOWN_MAX: usize = 120;

/// The condition with its leading label moved into the braces of its first metric, when that is all
/// that is wrong with it.
pub(super) fn in_braces(source: &str, place: Span, label: Label) -> String {
    rewritten(source, place)
        .filter(|text| text.len() <= SHOWN_MAX)
        .unwrap_or_else(|| format!("avg(latency{{{}=\"…\"}}) > 2s", label.name()))
}

fn rewritten(source: &str, place: Span) -> Option<String> {
    if !source.get(..place.start as usize)?.trim().is_empty() {
        return None;
    }
    let mut parser = Parser::new(source, Mode::Filter).ok()?;
    let filter = parser.comparison().ok()?;
    if !parser.eat_word("and").ok()? {
        return None;
    }
    // As anything else it would ask for the same hint again: at the next label, or in the next braces.
    parser.mode = Mode::Hint;
    let mut rest = parser.expr(0).ok()?;
    add_filter(&mut rest, filter);
    Some(rest.to_string())
}

fn add_filter(expr: &mut Expr, filter: Filter) {
    let mut filter = Some(filter);
    expr.each_select_mut(&mut |select: &mut Select| {
        let Some(new) = filter.take() else { return };
        let parts = std::iter::once(new).chain(select.filter.take()).collect();
        select.filter = Filter::all(parts).ok().flatten();
    });
}

/// The error about an aggregation in a filter, in a text that mixes both.
pub(super) fn mixed(source: &str, call: Span) -> ParseError {
    let first = source.split_whitespace().next().unwrap_or_default();
    let name = first.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default();
    let start = source.find(first).unwrap_or(0);
    match super::clause::label(name) {
        Some(label) => {
            let span = Span::new(start, start + name.len());
            ParseError::new(span, format!("'{}' is a label; put it in braces", label.name()))
                .hint(in_braces(source, span, label))
        }
        None => ParseError::new(call, "labels stand in braces where a number is calculated")
            .hint("avg(latency{provider=\"claude\"}) > 2s"),
    }
}
