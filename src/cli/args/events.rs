//! Flags of `events`.

use clap::Args;

use super::{OnlyArgs, SpanArgs};

/// The newest single events, the last one at the bottom
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = "\
\u{1b}[1;4mExamples\u{1b}[0m
  ax monitor events -n 50 --provider openai
  ax monitor events -q 'provider=claude AND latency > 1s' --range 7d
  ax monitor events -q status=error --follow
  ax monitor events --range 1h --json | jq '.events[].error'")]
pub(crate) struct EventsArgs {
    /// Only events that match: 'provider=claude AND latency > 1s'; `-` reads it from stdin
    #[arg(short, long = "query", alias = "where", value_name = "FILTER")]
    pub query: Option<String>,
    /// Go on showing events as they come, until Ctrl-C
    #[arg(short, long)]
    pub follow: bool,
    #[command(flatten)]
    pub only: OnlyArgs,
    #[command(flatten)]
    pub span: SpanArgs,
    /// How many
    #[arg(short = 'n', long = "limit", value_name = "N", default_value_t = 20)]
    pub limit: usize,
}
