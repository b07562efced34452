//! What may stand behind which metric, and which clauses go together.

use super::{Dim, Scalar, Type};
use crate::metric::{Aggregation, Allowed, Metric, Unit};
use crate::query::ast::{At, Detector, Expr, Range, Select};
use crate::query::error::{ParseError, Span};

/// The type of a metric with its clauses, which must go together.
pub(super) fn type_of(select: &Select) -> Result<Type, ParseError> {
    let metric = select.metric.value;
    if metric.has_own_range() {
        own_range(select)?;
    }
    if let Some(agg) = select.agg {
        allowed(metric, agg)?;
    }
    let agg = select.aggregation();
    if metric.info().allowed.needs_step(agg) && select.every.is_none() {
        let place = select.agg.map_or(select.metric.span, |a| a.span);
        return Err(ParseError::new(place, format!("{agg} of '{}' needs steps to choose among", metric.name()))
            .hint("add every 5m"));
    }
    if let (Some(top), None) = (select.top, &select.group) {
        return Err(ParseError::new(top.span, "topk needs groups to choose among").hint("add by(model) before it"));
    }
    Ok(Type { dim: Some(dim(metric, agg)), group: select.group.as_ref().map(|g| g.value.resolved()) })
}

/// What the aggregated metric measures.
fn dim(metric: Metric, agg: Aggregation) -> Dim {
    let unit = metric.info().unit;
    match agg {
        Aggregation::Count => Dim::scalar(Scalar::Count),
        Aggregation::Rate if unit == Unit::PerSecond => Dim::of(unit),
        // Of durations the number of values is what has a rate.
        Aggregation::Rate if unit == Unit::Time => Dim::scalar(Scalar::Count).per_second(),
        Aggregation::Rate => Dim::of(unit).per_second(),
        _ => Dim::of(unit),
    }
}

fn own_range(select: &Select) -> Result<(), ParseError> {
    let name = select.metric.value.name();
    let clauses = [
        (select.range.map(|r| r.span), "time range"),
        (select.every.map(|e| e.span), "'every'"),
        (select.offset.map(|o| o.span), "'offset'"),
    ];
    for (span, what) in clauses {
        if let Some(span) = span {
            return Err(ParseError::new(span, format!("'{name}' has a time range of its own and takes no {what}"))
                .hint("use cost with any time range: cost [7d] sum"));
        }
    }
    Ok(())
}

fn allowed(metric: Metric, agg: At<Aggregation>) -> Result<(), ParseError> {
    let info = metric.info();
    if info.allowed.has(agg.value) {
        return Ok(());
    }
    let name = info.name;
    let (why, hint) = match info.allowed {
        Allowed::Ratios => ("it is already a ratio", format!("use {name} max every 5m")),
        Allowed::Counts => ("it is a count", format!("use {name} max every 5m")),
        Allowed::Rates => ("it is already a rate", format!("use {name} max every 5m")),
        Allowed::Averages => ("it is already an average", format!("use cost {}", agg.value)),
        Allowed::Gauges => ("only its extremes and average are kept", format!("use {name} max")),
        Allowed::Sum | Allowed::All => ("only its sum is", format!("use {name} sum")),
        Allowed::Nothing => ("it is already a sum", format!("write {name} alone")),
    };
    Err(ParseError::new(agg.span, format!("{} of '{name}' is not defined: {why}", agg.value)).hint(hint))
}

/// The type of a metric that a detector looks at.
pub(super) fn detected(select: &Select, what: Detector) -> Result<Type, ParseError> {
    let keyword = if what == Detector::Trend { "trend" } else { "anomaly" };
    let clauses = [
        (select.top.map(|t| t.span), "topk"),
        (select.versus.map(|v| v.span), "vs"),
        (select.offset.map(|o| o.span), "offset"),
    ];
    for (span, clause) in clauses {
        if let Some(span) = span {
            return Err(ParseError::new(span, format!("'{clause}' cannot stand inside {keyword}(…)"))
                .hint(format!("leave '{clause}' out")));
        }
    }
    if select.metric.value.has_own_range() {
        return Err(ParseError::new(
            select.metric.span,
            format!("{keyword}(…) needs a metric without a time range of its own"),
        )
        .hint("use cost [1d] sum"));
    }
    type_of(select)
}

/// `vs` and `topk` only where `root` says.
pub(super) fn placement(expr: &Expr, root: bool, why: &str) -> Result<(), ParseError> {
    let mut misplaced: Option<(Span, &str)> = None;
    if !root {
        expr.each_select(&mut |s| {
            let here = [(s.top.map(|t| t.span), "topk"), (s.versus.map(|v| v.span), "vs")];
            for (span, what) in here {
                misplaced = misplaced.or(span.map(|span| (span, what)));
            }
        });
    }
    steps(expr)?;
    match misplaced {
        Some((span, what)) => {
            Err(ParseError::new(span, format!("'{what}' cannot stand here: {why}")).hint(format!("leave '{what}' out")))
        }
        None => Ok(()),
    }
}

/// All written steps of a query must be one, so that points match.
fn steps(expr: &Expr) -> Result<(), ParseError> {
    let mut first: Option<u64> = None;
    let mut differs: Option<Span> = None;
    expr.each_select(&mut |s| {
        let Some(every) = s.every else { return };
        match first {
            Some(other) if other != every.value => differs = differs.or(Some(every.span)),
            _ => first = Some(every.value),
        }
    });
    differs.map_or(Ok(()), |span| {
        Err(ParseError::new(span, "two different steps in one query").hint("use the same 'every' everywhere"))
    })
}

/// Within one comparison or calculation a metric without a range takes the only one written there.
pub(super) fn ranges(scope: &Expr) -> Result<(), ParseError> {
    let mut written: Option<Range> = None;
    let mut several = false;
    let mut missing: Option<Span> = None;
    scope.each_select(&mut |s| match s.range {
        Some(range) => {
            several |= written.is_some_and(|other| other != range.value);
            written = Some(range.value);
        }
        None if s.metric.value.has_own_range() => {}
        None => missing = missing.or(Some(s.metric.span)),
    });
    match missing.filter(|_| several) {
        Some(span) => Err(ParseError::new(span, "which time range is meant here? two different ones are written")
            .hint("write one here too: [5m]")),
        None => Ok(()),
    }
}
