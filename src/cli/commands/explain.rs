//! `ax monitor explain`: what a query means and what it would read; no store is opened.

use ax_storage::query::QueryError;
use ax_storage::retention::{Part, Retention};
use serde::Serialize;

use crate::cli::args::{ExplainArgs, TextKind};
use crate::cli::commands::{asking, budgets};
use crate::cli::context::Context;
use crate::costs::Outside;
use crate::dashboard::ExplainView;
use crate::error::{Failure, Result, exit};
use crate::query::ast::{Expr, Filter, Query};
use crate::query::planner::{self, Ask};
use crate::query::{self, ParseError};
use crate::render;

/// Explains.
pub(crate) fn run(args: &ExplainArgs, context: &Context) -> Result<u8> {
    let source = asking::source(&args.query)?;
    let view = match read(&source, args.kind) {
        Ok(text) => match view(&text, context)? {
            Ok(view) => view,
            Err(error) => return refuse(&error, &source, context),
        },
        Err(error) => return refuse(&error, &source, context),
    };
    if context.json() {
        context.print_json(&view)?;
    } else {
        context.print(&render::explain(&view, context.zone()?, &context.style()?))?;
    }
    Ok(0)
}

/// A text that was understood.
enum Text {
    Query(Expr),
    Filter(Filter),
    Condition { expr: Expr, text: String, hold: Option<u64> },
}

fn read(source: &str, kind: TextKind) -> Result<Text, ParseError> {
    Ok(match kind {
        TextKind::Query => match query::parse(source)? {
            Query::Expr(expr) => Text::Query(expr),
            Query::Filter(filter) => Text::Filter(filter),
        },
        TextKind::Filter => Text::Filter(query::parse_filter(source)?),
        TextKind::Condition => {
            let condition = query::parse_condition(source)?;
            let (text, hold) = (condition.to_string(), condition.hold.map(|h| h.value));
            Text::Condition { expr: condition.expr, text, hold }
        }
    })
}

/// Windows of metrics that name none: an hour in questions, five minutes in conditions.
const QUERY_MS: u64 = 3_600_000;
const CONDITION_MS: u64 = 300_000;

fn view(text: &Text, context: &Context) -> Result<Result<ExplainView, ParseError>> {
    let (now, zone) = (context.now(), context.zone()?);
    let window = |ms| ax_storage::time::TimeRange::new(now.minus_ms(ms), now);
    let calendar = context.calendar()?;
    // No store is opened: of budgets only those of the settings are known.
    let settings = budgets::settings(context)?;
    let outside = Outside::new(None, &settings, calendar);
    let raw_from = now.minus_ms(Retention::default().get(Part::Raw));
    let plan = |expr: &Expr, ms| {
        let ask = Ask { now, calendar, window: window(ms), raw_from, outside: &outside };
        planner::plan(expr, &ask)
    };
    let question = match text {
        Text::Filter(filter) => {
            let lowered = planner::lower(filter);
            let view = ExplainView::of_filter(filter.to_string(), lowered, window(QUERY_MS), zone, now);
            return Ok(view.map_err(|e| unanswerable(&e)));
        }
        Text::Query(expr) => plan(expr, QUERY_MS),
        Text::Condition { expr, .. } => plan(expr, CONDITION_MS),
    };
    let question = match question {
        Ok(question) => question,
        Err(error) => return Ok(Err(error)),
    };
    let view = match text {
        Text::Condition { text, hold, .. } => ExplainView::of_question("condition", &question, now)
            .map(|view| ExplainView { canonical: text.clone(), hold: hold.map(query::duration_text), ..view }),
        _ => ExplainView::of_question("query", &question, now),
    };
    Ok(view.map_err(|e| unanswerable(&e)))
}

/// A query that no store with default retention answers, about the whole text.
fn unanswerable(error: &QueryError) -> ParseError {
    let failure = Failure::from_ref(error);
    ParseError { message: failure.message, hint: failure.hint, ..ParseError::default() }
}

/// Says what is wrong: as data with `--json`, for that is what was asked for.
fn refuse(error: &ParseError, source: &str, context: &Context) -> Result<u8> {
    let failure = asking::refused(error, source);
    if !context.json() {
        return Err(failure);
    }
    context.print_json(&Refusal::of(&failure))?;
    Ok(exit::USAGE)
}

#[derive(Serialize)]
struct Refusal<'a> {
    schema: &'static str,
    ok: bool,
    error: Place<'a>,
}

#[derive(Serialize)]
struct Place<'a> {
    start: Option<usize>,
    end: Option<usize>,
    message: &'a str,
    hint: Option<&'a str>,
}

impl<'a> Refusal<'a> {
    fn of(failure: &'a Failure) -> Self {
        let (start, end) = failure.span.unzip();
        let error = Place { start, end, message: &failure.message, hint: failure.hint.as_deref() };
        Self { schema: "ax.monitor.explain/1", ok: false, error }
    }
}
