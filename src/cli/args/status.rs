//! Flags of `status`.

use clap::{Args, ValueEnum};

/// How every provider is doing: requests, latency, errors, cost
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = "\
\u{1b}[1;4mExamples\u{1b}[0m
  ax monitor status --provider claude --provider openai --range 24h
  ax monitor status --json | jq '.data[] | select(.state != \"healthy\")'")]
pub(crate) struct StatusArgs {
    /// Only this provider; may be repeated
    #[arg(long, value_name = "P")]
    pub provider: Vec<String>,
    /// Time span up to now: 15m, 1h, 7d, today, month … [default: 1h]
    #[arg(long, value_name = "RANGE")]
    pub range: Option<String>,
    /// One row a model as well
    #[arg(long)]
    pub verbose: bool,
    /// Layout; `line` has no drawing signs [default: table]
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<StatusFormat>,
    /// Show it anew, every 2s or as often as said, until Ctrl-C
    #[arg(long, value_name = "EVERY", num_args = 0..=1, require_equals = true, default_missing_value = "2s")]
    #[arg(conflicts_with = "fail_on")]
    pub watch: Option<String>,
    /// Exit with 3 when a provider is degraded or down (warning), or down (critical), or an alert of that
    /// severity fires; with 4 when there were no calls to judge
    #[arg(long, value_name = "SEVERITY")]
    pub fail_on: Option<Severity>,
}

/// From which state on a provider fails a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Severity {
    Warning,
    Critical,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StatusFormat {
    Table,
    Line,
    Json,
}
