//! `ax monitor metrics`: one metric or a calculation over a window, asked by flags or by a query.

use ax_storage::Store;
use ax_storage::query::plan::{Kinds, Label, Plan};
use ax_storage::query::series::Series;
use ax_storage::time::{TimeRange, Timestamp};

use crate::answer::{self, Answer, Row, Value};
use crate::cli::args::{MetricsArgs, MetricsFormat};
use crate::cli::commands::asking::{self, Clauses};
use crate::cli::commands::nothing::{Asked, range_words};
use crate::cli::commands::{budgets, elapsed_ms, events, threshold};
use crate::cli::context::Context;
use crate::cli::time;
use crate::costs::Outside;
use crate::dashboard::{CatalogueView, MetricsView, Shown, automatic_step, step_millis};
use crate::error::{self, Failure, Result};
use crate::metric::{self, Aggregation, Metric};
use crate::query::ast::{At, Expr, Kind, Query, Range, Select, Versus};
use crate::query::planner::{self, Ask, Question};
use crate::query::{self, Span};
use crate::render;
use crate::words::nearest;

/// Asks.
pub(crate) fn run(args: &MetricsArgs, context: &Context) -> Result<u8> {
    if args.list {
        let view = CatalogueView::new(context.now());
        return match context.json() {
            true => context.print_json(&view),
            false => context.print(&render::catalogue(&view, &context.style()?)),
        }
        .map(|()| 0);
    }
    let (query, source) = match &args.query {
        Some(text) => {
            let source = asking::source(text)?;
            (asking::query(&source)?, source)
        }
        None => (Query::Expr(by_flags(args)?), String::new()),
    };
    match query {
        Query::Expr(expr) => answer(args, expr, &source, context),
        Query::Filter(filter) => {
            let unfit = [
                (args.step.is_some(), "--step"),
                (args.agg.is_some(), "--agg"),
                (!args.by.is_empty(), "--by"),
                (args.compare.is_some(), "--compare"),
                (args.fail_on.is_some(), "--fail-on"),
            ];
            if let Some((_, flag)) = unfit.iter().find(|(given, _)| *given) {
                return Err(Failure::usage(format!("{flag} makes no sense with a filter, which lists single events"))
                    .hint("ask for a metric: requests{…} [1h]"));
            }
            if args.format.is_some_and(|format| !matches!(format, MetricsFormat::Table | MetricsFormat::Json)) {
                return Err(Failure::usage("a filter lists single events, as a table or as JSON")
                    .hint("ax monitor export -q gives all of them as NDJSON or CSV"));
            }
            let filter = asking::joined(&args.only, args.filter.as_deref(), Some(filter))?;
            events::list(filter.as_ref(), &args.span, events::LIMIT_DEFAULT, context)
        }
    }
}

fn answer(args: &MetricsArgs, expr: Expr, source: &str, context: &Context) -> Result<u8> {
    let mut written = false;
    expr.each_select(&mut |s| written |= s.range.is_some());
    let (mut expr, source) = complete(expr, args, source, context)?;
    let source = source.as_str();
    let store = context.store()?;
    let raw_from = match store.as_ref().filter(|_| planner::depends_on_raw(&expr)) {
        Some(store) => store.raw_from()?,
        None => Timestamp::MIN,
    };
    let settings = budgets::settings(context)?;
    let outside = Outside::new(store.as_ref(), &settings, context.calendar()?);
    let ask = Ask {
        now: context.now(),
        calendar: context.calendar()?,
        window: context.range(&args.span)?,
        raw_from,
        outside: &outside,
    };
    let planned = |expr: &Expr| planner::plan(expr, &ask).map_err(|e| asking::refused(&e, source));
    let mut question = planned(&expr)?;
    let format = format(args, &question, context)?;
    if format == MetricsFormat::Chart && question.step.is_none() && is_plain(&expr) {
        let width = step_millis(automatic_step(question.range));
        asking::complete(&mut expr, &Clauses { step_ms: Some(width), ..Clauses::default() })?;
        question = planned(&expr)?;
    }
    let threshold = args.fail_on.as_deref().map(|text| threshold::read(text, &expr)).transpose()?;
    let answer = match &store {
        Some(store) => answer::answer(&question, &mut |plans: &[Plan]| store.run_all(plans))?,
        None => answer::answer(&question, &mut |plans: &[Plan]| Ok::<_, Failure>(nothing(plans)))?,
    };
    let range_text = range_text(&expr, &question, &ask, args, context)?;
    let shown = Shown { now: context.now(), elapsed_ms: elapsed_ms(context), range_text };
    // What could also ask about each call alone may have been meant so.
    if question.dim.is_none() && args.query.is_some() && query::parse_filter(source).is_ok() {
        let source = source.trim();
        context.warn("note", format!("all calls are judged together; single calls: ax monitor events -q '{source}'"));
    }
    let view = MetricsView::of(&question, &answer, shown);
    let verdict = threshold.map_or(0, |t| t.exit_code(&answer.rows));
    show(view, &question, &answer, store.as_ref(), format, written, context)?;
    Ok(verdict)
}

/// Prints the answer, or why there is none; `written` says that the text of the query has the window.
fn show(
    mut view: MetricsView,
    question: &Question,
    answer: &Answer,
    store: Option<&Store>,
    format: MetricsFormat,
    written: bool,
    context: &Context,
) -> Result<()> {
    let only = asking::names(question);
    let kinds = question.only.as_ref().map_or(Kinds::ALL, |s| metric::kinds(s.metric.value));
    // What reads no events is not made empty by their absence.
    let empty = !answer.seen && !question.selects.is_empty();
    // Nothing spent is an answer, and no other range can be tried.
    let page = empty && !question.only.as_ref().is_some_and(|s| s.metric.value.has_own_range());
    let words = range_words(view.range_text.as_deref());
    let asked = Asked { range: question.range, only: &only, kinds, zone: &question.zone, words, written };
    if let Some(store) = store.filter(|_| format.is_data() || !page) {
        // One of several metrics may have found nothing although the others have.
        asked.warn_of_unknown(store, empty || question.only.is_none(), context)?;
    }
    if empty {
        asking::warn_of_patterns(question, context);
    }
    context.warn_of_backlog(store)?;
    if format == MetricsFormat::Json {
        view.warnings.extend(context.take_warnings());
        return context.print_json(&view);
    }
    context.warn_all(&view.warnings);
    let known = answer.rows.iter().any(|row| row.value.truth().is_some() || had_something(row));
    if page && !known && !format.is_data() {
        return asked.explain(store, context);
    }
    let style = context.style()?;
    context.print(&match format {
        MetricsFormat::Chart => render::metrics_chart(&view, &style),
        MetricsFormat::Line => render::metrics_line(&view, &style),
        MetricsFormat::Ndjson => render::metrics_ndjson(&view),
        MetricsFormat::Csv => render::metrics_csv(&view),
        MetricsFormat::Markdown => render::metrics_markdown(&view, &style),
        MetricsFormat::Table | MetricsFormat::Json => render::metrics_table(&view, &style),
    })
}

/// Whether there was something in the window that it is compared with.
fn had_something(row: &Row) -> bool {
    matches!(&row.previous, Some((Value::Number(Some(before)), _)) if before.to_f64() != 0.0)
}

/// The answers of a store that is not there.
fn nothing(plans: &[Plan]) -> Vec<Series> {
    plans.iter().map(|plan| Series { range: Some(plan.range), ..Series::default() }).collect()
}

/// The layout: JSON when asked for, else as named, else a chart where a person looks at one line.
fn format(args: &MetricsArgs, question: &Question, context: &Context) -> Result<MetricsFormat> {
    Ok(match args.format {
        _ if context.json() => MetricsFormat::Json,
        Some(format) => format,
        None if question.group.is_none() && question.dim.is_some() && context.screen()?.terminal => {
            MetricsFormat::Chart
        }
        None => MetricsFormat::Table,
    })
}

/// The window of the answer in words, when it has any: what was written where all metrics agree.
fn range_text(
    expr: &Expr,
    question: &Question,
    ask: &Ask<'_>,
    args: &MetricsArgs,
    context: &Context,
) -> Result<Option<String>> {
    let mut written = Vec::new();
    let mut shifted = false;
    expr.each_select(&mut |s| {
        written.extend(s.range.map(|r| r.value));
        shifted |= s.offset.is_some();
    });
    match written.as_slice() {
        _ if question.selects.is_empty() => Ok(Some("now".to_owned())),
        _ if question.several_windows => Ok(Some("several windows".to_owned())),
        _ if shifted || args.span.since.is_some() || args.span.until.is_some() => Ok(None),
        [] if question.range == ask.window => context.range_text(&args.span),
        [first, rest @ ..] if rest.iter().all(|r| r == first) => Ok(Some(first.to_string())),
        _ => Ok(None),
    }
}

/// Whether every metric in it may be cut into steps: a number that asks nothing of the past.
fn is_plain(expr: &Expr) -> bool {
    match &expr.kind {
        Kind::Num(_) => true,
        Kind::Select(select) => !select.metric.value.has_own_range(),
        Kind::Neg(e) => is_plain(e),
        Kind::Arith(_, a, b) => is_plain(a) && is_plain(b),
        _ => false,
    }
}

/// Gives the query what flags say beside it: the whole query, and its text, which was read again so
/// that flags are held to what a query is.
fn complete(mut expr: Expr, args: &MetricsArgs, source: &str, context: &Context) -> Result<(Expr, String)> {
    let before = expr.clone();
    asking::narrow(&mut expr, &args.only, args.filter.as_deref())?;
    let clauses = Clauses {
        by: each_once(args.by.iter().map(|by| by.0)),
        step_ms: args.step.as_deref().map(|text| time::duration(text, "5m")).transpose()?,
        aggregation: args.agg.as_deref().filter(|_| args.query.is_some()).map(aggregation).transpose()?,
        compare: args.compare.as_deref().map(compare).transpose()?,
        range: args.span.range.is_some() || args.span.since.is_some() || args.span.until.is_some(),
    };
    if clauses.compare.is_some() && !matches!(expr.kind, Kind::Select(_)) {
        return Err(Failure::usage("--compare needs a query of one metric").hint("leave it out, or ask for one metric"));
    }
    asking::complete(&mut expr, &clauses)?;
    if let Some(range) = written_range(args, &expr, context)? {
        expr.each_select_mut(&mut |s| {
            if s.range.is_none() && (clauses.range || !s.metric.value.has_own_range()) {
                s.range = Some(At { value: range, span: Span::default() });
            }
        });
    }
    if expr == before && !source.is_empty() {
        return Ok((expr, source.to_owned()));
    }
    let text = expr.to_string();
    match asking::query(&text)? {
        Query::Expr(expr) => Ok((expr, text)),
        Query::Filter(_) => Err(Failure::new(error::Kind::Bug, format!("'{text}' became a filter"))),
    }
}

fn each_once(labels: impl Iterator<Item = Label>) -> Vec<Label> {
    let mut list = Vec::new();
    labels.for_each(|label| {
        if !list.contains(&label) {
            list.push(label);
        }
    });
    list
}

/// The time span of the flags, or the default, in the language's own words, where it has them.
fn written_range(args: &MetricsArgs, expr: &Expr, context: &Context) -> Result<Option<Range>> {
    let mut written = false;
    expr.each_select(&mut |s| written |= s.range.is_some());
    let given = args.span.range.is_some() || args.span.since.is_some() || args.span.until.is_some();
    if written || !(given || is_plain(expr)) {
        return Ok(None);
    }
    Ok(match context.range_text(&args.span)? {
        Some(text) => query::parse_range(&text),
        // What the language calls by its times ends now at the latest.
        None => Some(context.range(&args.span)?).filter(|r| r.end <= context.now()).and_then(exactly),
    })
}

/// A range from one whole second to another.
fn exactly(range: TimeRange) -> Option<Range> {
    let text = |t: Timestamp| t.millis().is_multiple_of(1000).then(|| format!("{}", t.to_jiff()));
    query::parse_range(&format!("{}..{}", text(range.start)?, text(range.end)?))
}

/// `previous`, or how long ago.
fn compare(text: &str) -> Result<Versus> {
    if text.eq_ignore_ascii_case("previous") {
        return Ok(Versus::Previous);
    }
    let ms = time::duration(text, "7d").map_err(|e| e.hint_if_none("write previous, or how long ago: 7d"))?;
    Ok(Versus::Ago(ms.saturating_mul(1_000_000)))
}

/// The metric that flags ask for.
fn by_flags(args: &MetricsArgs) -> Result<Expr> {
    let metric = named(args.metric.as_deref())?;
    let info = metric.info();
    let mut select = Select::new(metric, Span::default());
    if let Some(text) = &args.agg {
        let aggregation = aggregation(text)?;
        if !info.allowed.has(aggregation) {
            let named = Aggregation::NAMED.iter().filter(|a| info.allowed.has(**a)).map(|a| a.name());
            let named = named.collect::<Vec<_>>().join(", ");
            let hint = if named.is_empty() {
                "leave --agg out".to_owned()
            } else {
                format!("{} can be {named}", metric.name())
            };
            return Err(Failure::usage(format!("{aggregation} of {} is not defined", metric.name())).hint(hint));
        }
        select.agg = Some(At { value: aggregation, span: Span::default() });
    }
    if info.allowed.needs_step(select.aggregation()) && args.step.is_none() {
        return Err(Failure::usage(format!("{} of {} picks among steps", select.aggregation(), metric.name()))
            .hint("say how wide they are: --step 5m"));
    }
    // The query that stands below the answer says how it was summed up.
    select.agg = select.agg.or((!metric.has_own_range()).then_some(At { value: info.default, span: Span::default() }));
    Expr::new(Kind::Select(Box::new(select)), Span::default()).map_err(|e| Failure::usage(&e.message))
}

fn named(name: Option<&str>) -> Result<Metric> {
    let Some(name) = name else {
        return Err(Failure::usage("which metric?").hint("ax monitor metrics latency; `--help` lists them all"));
    };
    Metric::named(name).ok_or_else(|| {
        let failure = Failure::usage(format!("unknown metric '{name}'"));
        match nearest(name, Metric::ALL.iter().map(|m| m.name())) {
            Some(near) => failure.hint(format!("did you mean {near}?")),
            None => failure.hint("`ax monitor metrics --help` lists them"),
        }
    })
}

fn aggregation(text: &str) -> Result<Aggregation> {
    let lower = text.to_ascii_lowercase();
    if let Some(named) = Aggregation::NAMED.into_iter().find(|a| a.name() == lower) {
        return Ok(named);
    }
    if let Some(ppm) = lower.strip_prefix('p').and_then(percent_ppm) {
        return Ok(Aggregation::Quantile(ppm));
    }
    let near = match lower.as_str() {
        "mean" | "average" => Some("avg"),
        "median" => Some("p50"),
        "total" => Some("sum"),
        other => nearest(other, Aggregation::NAMED.iter().map(|a| a.name())),
    };
    let failure = Failure::usage(format!("unknown aggregation '{text}'"));
    Err(match near {
        Some(near) => failure.hint(format!("did you mean {near}?")),
        None => failure.hint("aggregations are avg sum min max count rate stddev and p0 to p100, such as p99.9"),
    })
}

/// `95`, `99.9` in millionths of the whole; at most 100 and four decimals.
fn percent_ppm(text: &str) -> Option<u32> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |s: &str, most: usize| !s.is_empty() && s.len() <= most && s.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole, 3) || !digits(part, 4) {
        return None;
    }
    let ppm = whole.parse::<u32>().ok()? * 10_000 + format!("{part:0<4}").parse::<u32>().ok()?;
    (ppm <= 1_000_000).then_some(ppm)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_read_exactly() {
        for (text, ppm) in [("p95", 950_000), ("P99.9", 999_000), ("p0", 0), ("p100", 1_000_000), ("p99.9999", 999_999)]
        {
            assert_eq!(aggregation(text), Ok(Aggregation::Quantile(ppm)), "{text}");
        }
        for text in ["p101", "p", "p95.", "p1234", "p99.99999", "p-5", "mean", "p100.0001"] {
            assert!(aggregation(text).is_err(), "{text}");
        }
    }
}
