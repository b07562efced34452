//! Flags of `record`, which are those of an event.

use clap::{Args, ValueEnum};

/// Take events as they happen: one from flags, or NDJSON from stdin
#[derive(Clone, Debug, Default, Args)]
#[command(allow_negative_numbers = true)]
#[command(after_help = "\
Without flags each line of stdin is one event, on disk as soon as it is read. A
wrong line is refused with its number and reason, the others are taken.

\u{1b}[1;4mExamples\u{1b}[0m
  ax monitor record --provider claude --model claude-sonnet-4-5 \\
      --latency-ms 850 --input-tokens 1200 --output-tokens 300
  ax monitor record --provider openai --model gpt-4.1 --error rate_limited
  echo '{\"provider\":\"claude\",\"latency_ms\":850}' | ax monitor record
  node app.js | ax monitor record --quiet")]
pub(crate) struct RecordArgs {
    #[command(flatten)]
    pub event: EventArgs,
}

/// An event as flags; names are those of the NDJSON keys.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "The event")]
pub(crate) struct EventArgs {
    /// Kind of event [default: request]
    #[arg(long = "type", value_name = "TYPE")]
    pub kind: Option<EventKind>,
    /// When it ended: RFC 3339 or epoch ms [default: now]
    #[arg(long, value_name = "TIME")]
    pub ts: Option<String>,
    /// Who was called: claude, openai, gemini …
    #[arg(long, value_name = "NAME")]
    pub provider: Option<String>,
    /// Model as the provider writes it
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// Who caused the call
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// Duration of the whole call
    #[arg(long, value_name = "MS")]
    pub latency_ms: Option<String>,
    /// Time to the first token
    #[arg(long, value_name = "MS")]
    pub ttft_ms: Option<String>,
    /// All input, cached included
    #[arg(long, value_name = "N")]
    pub input_tokens: Option<String>,
    /// All output, reasoning included
    #[arg(long, value_name = "N")]
    pub output_tokens: Option<String>,
    /// Of the input, read from the provider's cache
    #[arg(long, value_name = "N")]
    pub cached_tokens: Option<String>,
    /// Of the input, written to the provider's cache
    #[arg(long, value_name = "N")]
    pub cache_write_tokens: Option<String>,
    /// Of that, written for an hour
    #[arg(long, value_name = "N")]
    pub cache_write_1h_tokens: Option<String>,
    /// Of the output, spent on reasoning
    #[arg(long, value_name = "N")]
    pub reasoning_tokens: Option<String>,
    /// What it cost [default: from the price list]
    #[arg(long, value_name = "USD")]
    pub cost_usd: Option<String>,
    /// batch, flex, priority … as the provider names it
    #[arg(long, value_name = "NAME")]
    pub service_tier: Option<String>,
    /// It failed, with this kind of error
    #[arg(long, value_name = "KIND")]
    pub error: Option<String>,
    /// hit or miss (cache), allowed or denied (rate_limit)
    #[arg(long, value_name = "WHAT")]
    pub event: Option<String>,
    /// Money a cache hit saved
    #[arg(long, value_name = "USD")]
    pub saved_cost_usd: Option<String>,
    /// Tokens a cache hit saved
    #[arg(long, value_name = "N")]
    pub saved_tokens: Option<String>,
    /// Cache key, or what a limit is counted by
    #[arg(long, value_name = "NAME")]
    pub key: Option<String>,
    /// Life of a cache entry
    #[arg(long, value_name = "SECONDS")]
    pub ttl_s: Option<String>,
    /// Kind of limit, such as requests_per_minute
    #[arg(long, value_name = "NAME")]
    pub limit_type: Option<String>,
    /// What is left of the limit
    #[arg(long, value_name = "N")]
    pub remaining: Option<String>,
    /// The limit
    #[arg(long, value_name = "N")]
    pub limit: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum EventKind {
    Request,
    Cache,
    RateLimit,
}
