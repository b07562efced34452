//! Flags of `metrics`.

use std::ffi::OsStr;

use clap::{Args, ValueEnum};

use super::{ByLabel, OnlyArgs, SpanArgs};
use crate::metric::Metric;

/// One metric over a time span: a number, a table by group, or a chart
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = "\
\u{1b}[1;4mMetrics\u{1b}[0m
  latency ttft · requests throughput errors error_rate success_rate
  tokens input_tokens output_tokens cached_tokens reasoning_tokens
  cost cost_per_request · cache_hits cache_misses hit_rate miss_rate
  saved_cost saved_tokens · allowed denied violations utilization

\u{1b}[1;4mExamples\u{1b}[0m
  ax monitor metrics latency --provider claude --range 7d
  ax monitor metrics latency --agg p99 --by model
  ax monitor metrics cost --by provider,model --range month
  ax monitor metrics error_rate --step 5m --format chart
  ax monitor metrics requests --since 2025-11-10 --until 2025-11-12T12:00:00Z")]
pub(crate) struct MetricsArgs {
    /// What to show: latency, error_rate, cost …
    #[arg(value_name = "METRIC", conflicts_with = "query", value_parser = MetricNames, hide_possible_values = true)]
    pub metric: Option<String>,
    /// A query: 'latency{provider="claude"} [1h] p95'; `-` reads it from stdin
    #[arg(short, long, value_name = "QUERY", allow_hyphen_values = true)]
    pub query: Option<String>,
    #[command(flatten)]
    pub only: OnlyArgs,
    #[command(flatten)]
    pub span: SpanArgs,
    /// How to sum up: avg sum min max count rate stddev p50 p95 p99 p99.9 … [default: the metric's own]
    #[arg(long, value_name = "AGG")]
    pub agg: Option<String>,
    /// One row for each value of these labels
    #[arg(long, alias = "group-by", value_name = "LABELS", value_delimiter = ',')]
    pub by: Vec<ByLabel>,
    /// One point for each such stretch of time: 1m, 5m, 1h, 1d …
    #[arg(long, value_name = "WIDTH")]
    pub step: Option<String>,
    /// The same of the time before beside it: previous, or so long ago (7d)
    #[arg(long, value_name = "previous|AGO")]
    pub compare: Option<String>,
    /// Only events that match: 'model=~"gpt.*" AND latency > 2s'
    #[arg(long = "where", value_name = "FILTER")]
    pub filter: Option<String>,
    /// Exit with 3 when a value is such: '> 2s'; with 4 when there is none
    #[arg(long, value_name = "BOUND", allow_hyphen_values = true)]
    pub fail_on: Option<String>,
    /// Layout [default: chart on a terminal when there is one group, else table]
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<MetricsFormat>,
    /// The metrics there are: unit, meaning, aggregations, how far back
    #[arg(long, conflicts_with_all = ["metric", "query"])]
    pub list: bool,
}

/// Offers the metrics there are to completions; what is none of them is refused later, with a better
/// sentence than clap's.
#[derive(Clone)]
struct MetricNames;

impl clap::builder::TypedValueParser for MetricNames {
    type Value = String;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<String, clap::Error> {
        clap::builder::StringValueParser::new().parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = clap::builder::PossibleValue> + '_>> {
        let all = Metric::ALL.iter().map(|m| clap::builder::PossibleValue::new(m.name()).help(m.info().meaning));
        Some(Box::new(all))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum MetricsFormat {
    /// A row a group or step, with bars
    Table,
    /// A line over time, one a group
    Chart,
    /// One fact a line, no drawing signs: for screen readers
    Line,
    /// What `--json` prints
    Json,
    /// A JSON object a row, or a point where there is a step
    Ndjson,
    /// The same as CSV
    Csv,
    /// A table for a document
    Markdown,
}

impl MetricsFormat {
    /// Whether programs read it: then an empty answer is one too, and not a page of advice.
    pub(crate) fn is_data(self) -> bool {
        matches!(self, Self::Json | Self::Ndjson | Self::Csv)
    }
}
