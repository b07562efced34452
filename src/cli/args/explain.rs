//! Flags of `explain`.

use clap::{Args, ValueEnum};

/// Show what a query means and what it would read; opens no store
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
\u{1b}[1;4mExamples\u{1b}[0m
  ax monitor explain 'latency{provider=\"claude\"} [7d] p95 every 1h'
  ax monitor explain --as condition 'error_rate > baseline * 3 for 5m'
  echo 'provider=claude AND latency>1000' | ax monitor explain - --json")]
pub(crate) struct ExplainArgs {
    /// The query; `-` reads it from stdin
    #[arg(value_name = "QUERY", allow_hyphen_values = true)]
    pub query: String,
    /// What it is meant to be
    #[arg(long = "as", value_name = "KIND", default_value = "query")]
    pub kind: TextKind,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum TextKind {
    #[default]
    Query,
    Filter,
    Condition,
}
