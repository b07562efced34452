//! Questions of metrics and filters of events as the command line gives them: text, flags, or both.
//!
//! Flags fill what the text leaves open. What both give is refused, so that nobody wonders which won.

use std::io::{IsTerminal, Read};

use ax_storage::query::plan::Label;

use crate::cli::args::OnlyArgs;
use crate::cli::context::Context;
use crate::dashboard::Only;
use crate::error::{Failure, Kind, Result};
use crate::metric::Aggregation;
use crate::query::ast::{At, Expr, Filter, FilterKind, Group, Query, Select, Versus};
use crate::query::planner::Question;
use crate::query::{self, ParseError, SOURCE_MAX, Span};

/// The text of a query; `-` stands for stdin.
///
/// # Errors
/// When stdin cannot be read, is too long or no text.
pub(crate) fn source(text: &str) -> Result<String> {
    if text != "-" {
        return Ok(text.to_owned());
    }
    let mut bytes = Vec::new();
    // One byte more than fits, so that too much is seen as such.
    let read = std::io::stdin().lock().take(SOURCE_MAX as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|e| Failure::io("read", "stdin", &e))?;
    String::from_utf8(bytes).map_err(|e| {
        Failure::usage(format!("the query is no UTF-8 text from byte {} on", e.utf8_error().valid_up_to()))
    })
}

/// Reads a query.
///
/// # Errors
/// A usage error with the place drawn.
pub(crate) fn query(source: &str) -> Result<Query> {
    query::parse(source).map_err(|e| refused(&e, source))
}

/// Reads a filter of events.
///
/// # Errors
/// As [`query`].
pub(crate) fn filter(source: &str) -> Result<Filter> {
    query::parse_filter(source).map_err(|e| refused(&e, source))
}

/// A refused text as a failure.
pub(crate) fn refused(error: &ParseError, source: &str) -> Failure {
    let color = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let failure = Failure {
        span: Some((error.span.start as usize, error.span.end as usize)),
        drawn: Some(error.render(source, color)),
        ..Failure::new(Kind::Usage, &error.message)
    };
    match &error.hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// The filter that flags make, with `text` (`--where`) joined to them.
///
/// # Errors
/// When the text is no filter, or has a label that a flag gives.
pub(crate) fn narrowed(only: &OnlyArgs, text: Option<&str>) -> Result<Option<Filter>> {
    let mut parts: Vec<Filter> = flags(only);
    if let Some(text) = text {
        let source = source(text)?;
        let written = filter(&source)?;
        given_once(only, &written)?;
        parts.push(written);
    }
    all(parts)
}

/// Gives every metric of `expr` the filter too.
///
/// # Errors
/// When a metric already filters a label that a flag gives.
pub(crate) fn narrow(expr: &mut Expr, only: &OnlyArgs, text: Option<&str>) -> Result<()> {
    let Some(filter) = narrowed(only, text)? else { return Ok(()) };
    let mut result = Ok(());
    expr.each_select_mut(&mut |select| {
        let mut add = || {
            if let Some(own) = &select.filter {
                given_once(only, own)?;
            }
            select.filter = all(select.filter.take().into_iter().chain([filter.clone()]).collect())?;
            Ok(())
        };
        if result.is_ok() {
            result = add();
        }
    });
    result
}

/// What flags say of a question beside its filter.
#[derive(Debug, Default)]
pub(crate) struct Clauses {
    /// `--by`.
    pub by: Vec<Label>,
    /// `--step` in milliseconds.
    pub step_ms: Option<u64>,
    /// `--agg`, beside a query.
    pub aggregation: Option<Aggregation>,
    /// `--compare`.
    pub compare: Option<Versus>,
    /// `--range`, `--since` or `--until` is given.
    pub range: bool,
}

/// Gives the metrics of `expr` what the flags say.
///
/// # Errors
/// When the query says it already.
pub(crate) fn complete(expr: &mut Expr, clauses: &Clauses) -> Result<()> {
    let twice = |what: &str, flag: &str| {
        Err(Failure::usage(format!("{what} is given by the query and by {flag}")).hint("leave one out"))
    };
    let mut result = Ok(());
    expr.each_select_mut(&mut |select| {
        let Select { group, every, range, versus, agg, .. } = select;
        let clash = [
            (!clauses.by.is_empty() && group.is_some(), "the grouping", "--by"),
            (clauses.aggregation.is_some() && agg.is_some(), "the aggregation", "--agg"),
            (clauses.step_ms.is_some() && every.is_some(), "the step", "--step"),
            (clauses.range && range.is_some(), "the time range", "--range, --since or --until"),
            (clauses.compare.is_some() && versus.is_some(), "what to compare with", "--compare"),
        ];
        if let Some((_, what, flag)) = clash.iter().find(|(clash, ..)| *clash)
            && result.is_ok()
        {
            result = twice(what, flag);
        }
        let at = |value| At { value, span: Span::default() };
        if !clauses.by.is_empty() {
            *group = Some(At { value: Group { without: false, labels: clauses.by.clone() }, span: Span::default() });
        }
        *every = every.or(clauses.step_ms.map(|ms| at(ms.saturating_mul(1_000_000))));
        *agg = agg.or(clauses.aggregation.map(|value| At { value, span: Span::default() }));
        *versus = versus.or(clauses.compare.map(|value| At { value, span: Span::default() }));
    });
    result
}

fn flags(only: &OnlyArgs) -> Vec<Filter> {
    let part = |(label, values): (Label, &[String])| {
        let kind = match values {
            [] => return None,
            [one] => FilterKind::Equals { label, negated: false, value: one.as_str().into() },
            many => {
                FilterKind::LabelIn { label, negated: false, items: many.iter().map(|v| v.as_str().into()).collect() }
            }
        };
        // A single condition is never too deep.
        Filter::new(kind, Span::default()).ok()
    };
    only.by_label().into_iter().filter_map(part).collect()
}

fn all(parts: Vec<Filter>) -> Result<Option<Filter>> {
    Filter::all(parts).map_err(|e| Failure::usage(&e.message))
}

/// A flag must not narrow a label that the text narrows too.
fn given_once(only: &OnlyArgs, written: &Filter) -> Result<()> {
    let given = only.by_label().into_iter().filter(|(_, values)| !values.is_empty());
    match given.map(|(label, _)| label).find(|label| written.mentions(*label)) {
        Some(label) => {
            let name = label.name();
            Err(Failure::usage(format!("the {name} is given by the query and by --{name}")).hint("leave one out"))
        }
        None => Ok(()),
    }
}

/// What flags, `--where` and a filter already read say together.
///
/// # Errors
/// As [`narrowed`].
pub(crate) fn joined(only: &OnlyArgs, text: Option<&str>, written: Option<Filter>) -> Result<Option<Filter>> {
    if let Some(written) = &written {
        given_once(only, written)?;
    }
    all(written.into_iter().chain(narrowed(only, text)?).collect())
}

/// The names that the metrics of a question are narrowed to.
pub(crate) fn names(question: &Question) -> Only {
    let mut only = Only::default();
    question.filters.iter().for_each(|f| collect(f, &mut only));
    only
}

/// The names that a filter asks for.
pub(crate) fn names_of(filter: &Filter) -> Only {
    let mut only = Only::default();
    collect(filter, &mut only);
    only
}

fn collect(filter: &Filter, only: &mut Only) {
    match &filter.kind {
        FilterKind::Bool(_, list) => list.iter().for_each(|f| collect(f, only)),
        FilterKind::Equals { label, negated: false, value } => only.0.push((*label, vec![value.clone()])),
        FilterKind::LabelIn { label, negated: false, items } => only.0.push((*label, items.clone())),
        _ => {}
    }
}

/// Warns of patterns that were perhaps meant to match a part: of a question that has no events.
pub(crate) fn warn_of_patterns(question: &Question, context: &Context) {
    question.filters.iter().for_each(|filter| patterns(filter, context));
}

fn patterns(filter: &Filter, context: &Context) {
    match &filter.kind {
        FilterKind::Bool(_, list) => list.iter().for_each(|f| patterns(f, context)),
        FilterKind::Matches { label, negated: false, pattern } => {
            let (label, source) = (label.name(), pattern.source());
            let message =
                format!("no {label} matches \"{source}\": regexes match the whole value; try \".*{source}.*\"");
            context.warn("no_match", message);
        }
        _ => {}
    }
}
