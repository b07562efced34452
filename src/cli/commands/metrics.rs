//! `ax monitor metrics`: one metric over a window.

use ax_storage::query::series::Series;

use crate::cli::args::{MetricsArgs, MetricsFormat};
use crate::cli::commands::nothing::{Asked, events};
use crate::cli::commands::{elapsed_ms, only};
use crate::cli::context::Context;
use crate::cli::time;
use crate::dashboard::{MetricsQuestion, automatic_step};
use crate::error::{Failure, Result};
use crate::metric::{self, Aggregation, Metric};
use crate::render;
use crate::words::nearest;

/// Asks.
pub(crate) fn run(args: &MetricsArgs, context: &Context) -> Result<u8> {
    let format = format(args, context)?;
    let question = question(args, format, context)?;
    let store = context.store()?;
    let series = match &store {
        Some(store) => store.run(&question.plan())?,
        None => Series { range: Some(question.range), ..Series::default() },
    };
    let mut view = question.view(&series, context.now(), elapsed_ms(context));
    let kinds = metric::kinds(question.metric);
    let empty = events(&series.all, kinds) == 0;
    let asked = Asked { range: question.range, only: &question.only, kinds, zone: &question.zone };
    if let Some(store) = store.as_ref().filter(|_| context.json() || !empty) {
        asked.warn_of_unknown(store, empty, context)?;
    }
    context.warn_of_backlog(store.as_ref())?;
    if format == MetricsFormat::Json {
        view.warnings.extend(context.take_warnings());
        context.print_json(&view)?;
        return Ok(0);
    }
    context.warn_all(&view.warnings);
    if empty {
        asked.explain(store.as_ref(), context)?;
        return Ok(0);
    }
    let style = context.style()?;
    context.print(&match format {
        MetricsFormat::Chart => render::metrics_chart(&view, &style),
        MetricsFormat::Line => render::metrics_line(&view, &style),
        _ => render::metrics_table(&view, &style),
    })?;
    Ok(0)
}

/// The layout: JSON when asked for, else as named, else a chart where a person looks at one line.
fn format(args: &MetricsArgs, context: &Context) -> Result<MetricsFormat> {
    Ok(match args.format {
        _ if context.json() => MetricsFormat::Json,
        Some(format) => format,
        None if args.by.is_empty() && context.screen()?.terminal => MetricsFormat::Chart,
        None => MetricsFormat::Table,
    })
}

fn question(args: &MetricsArgs, format: MetricsFormat, context: &Context) -> Result<MetricsQuestion> {
    let metric = named(args.metric.as_deref())?;
    let info = metric.info();
    let aggregation = match &args.agg {
        Some(text) => aggregation(text)?,
        None => info.default,
    };
    let range = context.range(&args.span)?;
    let step = match &args.step {
        Some(text) => Some(time::step(text)?),
        None => (format == MetricsFormat::Chart).then(|| automatic_step(range)),
    };
    if args.agg.is_some() && !info.allowed.has(aggregation) {
        let named = Aggregation::NAMED.iter().filter(|a| info.allowed.has(**a)).map(|a| a.name());
        let named = named.collect::<Vec<_>>().join(", ");
        return Err(Failure::usage(format!("{aggregation} of {} is not defined", metric.name()))
            .hint(format!("{} can be {named}", metric.name())));
    }
    if info.allowed.needs_step(aggregation) && step.is_none() {
        return Err(Failure::usage(format!("{aggregation} of {} picks among steps", metric.name()))
            .hint("say how wide they are: --step 5m"));
    }
    Ok(MetricsQuestion {
        metric,
        aggregation,
        range,
        range_text: context.range_text(&args.span)?,
        only: only(&args.only),
        group: args.by.iter().map(|by| by.0).collect(),
        step,
        zone: context.zone()?.clone(),
    })
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
