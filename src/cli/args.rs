//! The command line as types: every command, flag and help text.

mod alerts;
mod budgets;
mod channels;
mod costs;
mod later;

use std::ffi::{OsStr, OsString};
use std::mem::ManuallyDrop;
use std::path::PathBuf;

use ax_storage::query::plan::Label;

use crate::metric::Metric;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum, ValueHint};

pub(crate) use alerts::{AlertsArgs, AlertsVerb, CheckArgs, HistoryArgs, ListArgs, RuleArgs, SilenceArgs, TestArgs};
pub(crate) use budgets::{BudgetFails, BudgetsArgs, BudgetsDeleteArgs, BudgetsListArgs, BudgetsSetArgs, BudgetsVerb};
pub(crate) use channels::{ChannelsArgs, ChannelsVerb};
pub(crate) use costs::{CostsArgs, CostsVerb};
pub(crate) use later::Later;

/// `ax`: the program that holds `monitor`.
#[derive(Debug, Parser)]
#[command(name = "ax", bin_name = "ax", version, about = "Tools for programs that call language models")]
#[command(subcommand_required = true, arg_required_else_help = true, disable_help_subcommand = true)]
pub(crate) struct Ax {
    #[command(subcommand)]
    pub tool: Tool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Tool {
    /// Latency, errors and cost of every LLM provider you call, on your own machine
    Monitor(Box<Monitor>),
}

#[derive(Debug, Args)]
#[command(version, help_template = MONITOR_HELP, disable_help_subcommand = true)]
#[command(override_usage = "ax monitor [COMMAND] [OPTIONS]")]
pub(crate) struct Monitor {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Help of `ax monitor`: commands by what one wants to do, which clap's own list cannot show. A
/// test compares it with the commands there are.
const MONITOR_HELP: &str = "\
{about}

\u{1b}[1;4mUsage:\u{1b}[0m ax monitor [COMMAND] [OPTIONS]

\u{1b}[1;4mAsk\u{1b}[0m
  \u{1b}[1mstatus\u{1b}[0m       How every provider is doing now; what `ax monitor` alone shows
  \u{1b}[1mmetrics\u{1b}[0m      One metric, such as latency or cost, as table, chart or JSON
  \u{1b}[1mevents\u{1b}[0m       The newest single events
  \u{1b}[1mexplain\u{1b}[0m      What a query means, and what it would read
  \u{1b}[1mcosts\u{1b}[0m        What calls cost, on what, and what it will come to
  \u{1b}[1mbudgets\u{1b}[0m      Limits of spending: how each stands, set, delete
  \u{1b}[1mforecast\u{1b}[0m     What a series of days or hours will add up to
  \u{1b}[1malerts\u{1b}[0m       What fires and by which rules; would one have fired (test)

\u{1b}[1;4mFeed\u{1b}[0m
  \u{1b}[1mrecord\u{1b}[0m       Take events as they happen, from flags or NDJSON on stdin
  \u{1b}[1mimport\u{1b}[0m       Take files, or the logs of Claude Code, Codex, Gemini CLI
  \u{1b}[1mexport\u{1b}[0m       Give events back as NDJSON or CSV
  \u{1b}[1mprices\u{1b}[0m       What tokens cost: list, set, import a list, see what has no price

\u{1b}[1;4mKeep\u{1b}[0m
  \u{1b}[1mserve\u{1b}[0m        Do the upkeep every minute until stopped
  \u{1b}[1mtick\u{1b}[0m         Do the upkeep once, now
  \u{1b}[1mcompact\u{1b}[0m      Make the store small: merge, seal, shrink; beside recorders
  \u{1b}[1mstore\u{1b}[0m        Size (info), proof (verify), backup, set-retention

\u{1b}[1;4mSet up\u{1b}[0m
  \u{1b}[1mdemo\u{1b}[0m         Any command on made-up traffic, in a store that goes away again
  \u{1b}[1mconfig\u{1b}[0m       The settings file: path, show, init, validate
  \u{1b}[1mcompletions\u{1b}[0m  Completion script for a shell
  \u{1b}[1mman\u{1b}[0m          Manual page
  \u{1b}[1mhelp\u{1b}[0m         The query language (help query)

\u{1b}[1;4mEverywhere\u{1b}[0m
  \u{1b}[1m--store\u{1b}[0m DIR  \u{1b}[1m--config\u{1b}[0m FILE Where the store and the settings are
  \u{1b}[1m--tz\u{1b}[0m ZONE                  Zone of days and printed times, such as Europe/Berlin
  \u{1b}[1m--at\u{1b}[0m TIME                  Answer as if it were then: RFC 3339, a date, or epoch ms
  \u{1b}[1m--json\u{1b}[0m                     The numbers of the screen, for programs
  \u{1b}[1m--color\u{1b}[0m WHEN  \u{1b}[1m--ascii\u{1b}[0m      auto, always or never; plain signs only
  \u{1b}[1m--quiet\u{1b}[0m  \u{1b}[1m--no-input\u{1b}[0m        No hints and progress; no questions
  \u{1b}[1m--help\u{1b}[0m  \u{1b}[1m--version\u{1b}[0m          Help, also behind each command; the version

\u{1b}[1;4mExamples\u{1b}[0m
  ax monitor demo                                    see it work
  ax monitor import calls.ndjson.gz                  your own events
  ax monitor metrics latency --by model --range 7d
  ax monitor metrics error_rate --provider openai --step 5m --format chart
";

/// Flags that every command takes.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Global {
    /// Directory of the store [env: AX_MONITOR_STORE] [default: ~/.local/share/ax/monitor]
    #[arg(long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath, hide_short_help = true)]
    pub store: Option<PathBuf>,
    /// Settings file [env: AX_MONITOR_CONFIG] [default: ~/.config/ax/monitor.toml]
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath, hide_short_help = true)]
    pub config: Option<PathBuf>,
    /// Time zone of days and printed times, such as Europe/Berlin [env: AX_MONITOR_TZ]
    #[arg(long, global = true, value_name = "ZONE", hide_short_help = true)]
    pub tz: Option<String>,
    /// Answer as if it were then: RFC 3339, a date, or epoch ms [env: AX_MONITOR_NOW]
    #[arg(long, global = true, value_name = "TIME", hide_short_help = true)]
    pub at: Option<String>,
    /// Print JSON: the same numbers as the screen, for programs
    #[arg(long, global = true, hide_short_help = true)]
    pub json: bool,
    /// When to colour [env: AX_MONITOR_COLOR]
    #[arg(long, global = true, value_name = "WHEN", hide_short_help = true)]
    pub color: Option<ColorChoice>,
    /// Draw with ASCII signs only
    #[arg(long, global = true, hide_short_help = true)]
    pub ascii: bool,
    /// Print results only: no hints, no progress
    #[arg(long, global = true, hide_short_help = true)]
    pub quiet: bool,
    /// Never ask anything
    #[arg(long, global = true, hide_short_help = true)]
    pub no_input: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorChoice {
    #[default]
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Status(Later<StatusArgs>),
    Metrics(Later<MetricsArgs>),
    Events(Later<EventsArgs>),
    Explain(Later<ExplainArgs>),
    Costs(Later<CostsArgs>),
    Budgets(Later<BudgetsArgs>),
    Forecast(Later<ForecastArgs>),
    Alerts(Later<AlertsArgs>),
    Record(Later<RecordArgs>),
    Import(Later<ImportArgs>),
    Export(Later<ExportArgs>),
    Prices(Later<super::commands::prices::PricesArgs>),
    Serve(Later<ServeArgs>),
    Tick(Later<TickArgs>),
    Compact(Later<super::commands::compact::CompactArgs>),
    Store(Later<StoreArgs>),
    Demo(Later<DemoArgs>),
    Config(Later<ConfigArgs>),
    Completions(Later<CompletionsArgs>),
    Man(Later<ManArgs>),
    Help(Later<HelpArgs>),
}

impl Command {
    /// Whether its own flags ask for JSON, as `--json` does.
    pub(crate) fn is_json(&self) -> bool {
        match self {
            Self::Status(args) => args.format == Some(StatusFormat::Json),
            Self::Metrics(args) => args.format == Some(MetricsFormat::Json),
            Self::Costs(args) => args.format == Some(StatusFormat::Json),
            _ => false,
        }
    }
}

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
    /// Exit with 3 when a provider is degraded or down (warning), or down (critical); with 4 when
    /// there were no calls to judge
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

/// Which events count.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct OnlyArgs {
    /// Only this provider; may be repeated
    #[arg(long, value_name = "P")]
    pub provider: Vec<String>,
    /// Only this model; may be repeated
    #[arg(long, value_name = "M")]
    pub model: Vec<String>,
    /// Only this user; may be repeated
    #[arg(long, value_name = "U")]
    pub user: Vec<String>,
}

/// Which time counts.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct SpanArgs {
    /// Time span up to now: 15m, 1h, 7d, today, month … or FROM..TO
    #[arg(long, value_name = "RANGE", conflicts_with_all = ["since", "until"])]
    pub range: Option<String>,
    /// From this time on: RFC 3339, a date, or epoch ms
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Up to, not including, this time; a date includes its whole day [default: now]
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
}

/// A label as `--by` takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ByLabel(pub Label);

impl ValueEnum for ByLabel {
    fn value_variants<'a>() -> &'a [Self] {
        const ALL: [ByLabel; Label::ALL.len()] = {
            let mut all = [ByLabel(Label::Provider); Label::ALL.len()];
            let mut i = 0;
            while i < all.len() {
                all[i] = ByLabel(Label::ALL[i]);
                i += 1;
            }
            all
        };
        &ALL
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(self.0.name()))
    }
}

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

/// The query language, or the help of a command
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct HelpArgs {
    /// `query`, or a command
    #[arg(value_name = "TOPIC")]
    pub topic: Option<String>,
}

/// What a series of days or hours will add up to, and within which bounds
///
/// Reads lines of ts,value, one for each complete day or hour, the oldest first. Opens no store.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
\u{1b}[1;4mExamples\u{1b}[0m
  ax monitor forecast --input spend.csv --horizon 30
  ax monitor forecast --input - --horizon 24 --step 1h --json < requests.csv | jq .total")]
pub(crate) struct ForecastArgs {
    /// Lines of ts,value, also .gz; `-` is stdin
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub input: PathBuf,
    /// How many steps ahead
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=9600))]
    pub horizon: u32,
    /// Width of a step
    #[arg(long, value_name = "STEP", default_value = "1d")]
    pub step: ForecastStep,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ForecastStep {
    #[value(name = "1d")]
    Day,
    #[value(name = "1h")]
    Hour,
}

/// Take events as they happen: one from flags, or NDJSON from stdin
#[derive(Clone, Debug, Default, Args)]
#[command(allow_negative_numbers = true)]
#[command(after_help = "\
Without flags each line of stdin is one event, on disk as soon as it is read. A wrong line is
refused with its number and reason, the others are taken.

\u{1b}[1;4mExamples\u{1b}[0m
  ax monitor record --provider claude --model claude-sonnet-4-5 --latency-ms 850 \\
      --input-tokens 1200 --output-tokens 300
  ax monitor record --provider openai --model gpt-4.1 --error rate_limited
  echo '{\"provider\":\"claude\",\"latency_ms\":850,\"cost_usd\":0.0123}' | ax monitor record
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

/// Take files of events, or the logs that other tools keep
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = "\
Importing a file twice adds nothing; a file that has grown continues where it stopped. A folder stands for the
files below it. Without any name the logs of Claude Code, Codex and Gemini CLI are looked for in their usual
places, and a person is asked.

\u{1b}[1;4mFormats\u{1b}[0m
  ndjson       one JSON object a line, as `export` writes it
  csv          a header row with the same names
  claude-code  $CLAUDE_CONFIG_DIR, ~/.config/claude/projects, ~/.claude/projects
  codex        $CODEX_HOME or ~/.codex: sessions, archived_sessions
  gemini       ~/.gemini/tmp/*/chats, and files of telemetry
  litellm      spend-log rows, and payloads of the logging callbacks

\u{1b}[1;4mExamples\u{1b}[0m
  ax monitor import
  ax monitor import claude-code
  ax monitor import codex ~/old-laptop/.codex --dry-run
  ax monitor import ndjson calls.ndjson.gz
  ax monitor import csv usage.csv --map model_name=model --map duration=latency_ms
  zcat *.gz | ax monitor import ndjson -
  ax monitor import ndjson calls.ndjson --dry-run")]
pub(crate) struct ImportArgs {
    /// ndjson, csv, claude-code, codex, gemini or litellm; by the content when left out
    #[arg(value_name = "FORMAT|PATH")]
    pub first: Option<String>,
    /// Files and folders; `-` is stdin
    #[arg(value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,
    /// Read and check everything, keep nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Without a format or path: take all logs that are found, without a question
    #[arg(long)]
    pub yes: bool,
    /// A column or key of theirs that means one of ours; may be repeated
    #[arg(long, value_name = "THEIRS=OURS")]
    pub map: Vec<String>,
    /// Take an unterminated last CSV line too: the file will not grow
    #[arg(long = "final")]
    pub last_line: bool,
}

/// Give events back: all of them, or those of a time span
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = "\
\u{1b}[1;4mExamples\u{1b}[0m
  ax monitor export > all.ndjson
  ax monitor export -q 'status=error' --range 30d > failures.ndjson
  ax monitor export --format csv --range 7d --provider claude -o claude.csv")]
pub(crate) struct ExportArgs {
    /// Form of the text
    #[arg(long, value_name = "FORMAT", default_value = "ndjson")]
    pub format: ExportFormat,
    /// Only events that match: 'model=~"gpt.*" AND cost > $0.1'; `-` reads it from stdin
    #[arg(short, long = "query", alias = "where", value_name = "FILTER")]
    pub query: Option<String>,
    #[command(flatten)]
    pub only: OnlyArgs,
    #[command(flatten)]
    pub span: SpanArgs,
    /// Write to this file (it must not exist) instead of stdout
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    #[default]
    Ndjson,
    Csv,
}

/// Do the upkeep every minute until SIGTERM or Ctrl-C
///
/// Not needed where an application runs the upkeep itself.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ServeArgs {}

/// Do one upkeep pass now: roll up, close, seal, remove what is too old
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct TickArgs {}

/// Look at the store itself
#[derive(Clone, Debug, Args)]
#[command(disable_help_subcommand = true)]
pub(crate) struct StoreArgs {
    #[command(subcommand)]
    pub verb: Option<StoreVerb>,
}

#[derive(Clone, Debug, Default, Subcommand)]
pub(crate) enum StoreVerb {
    /// What it holds, how big it is, how far the upkeep is behind; what `store` alone shows
    #[default]
    Info,
    Verify(super::commands::verify::VerifyArgs),
    Backup(super::commands::backup::BackupArgs),
    /// What `verify` starts for the part that damage may kill
    #[command(hide = true)]
    CheckDatabase {
        /// The database
        file: PathBuf,
    },
    SetRetention(SetRetentionArgs),
}

/// Set how long single events and buckets are kept, or show it
///
/// The upkeep removes what is older, at most once an hour.
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = "\
\u{1b}[1;4mParts\u{1b}[0m
  raw     single events, whole UTC days              7d unless set
  1m 5m   buckets of a minute, of five minutes       30d 35d
  1h 1d   buckets of an hour, of a day               90d 365d
  detail  counters by user and day                   365d

\u{1b}[1;4mExamples\u{1b}[0m
  ax monitor store set-retention
  ax monitor store set-retention raw=30d 1m=30d
  ax monitor store set-retention 1d=forever")]
pub(crate) struct SetRetentionArgs {
    /// What is kept how long: at least 1d, or forever
    #[arg(value_name = "PART=DURATION")]
    pub settings: Vec<String>,
    /// Remove what is older then without a question
    #[arg(long)]
    pub yes: bool,
}

/// Run any command on made-up traffic, in a temporary store
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = "\
\u{1b}[1;4mExamples\u{1b}[0m
  ax monitor demo
  ax monitor demo -- metrics latency --by model --range 7d
  ax monitor demo --days 90 --seed 7 -- metrics cost --step 1d --range 90d --format chart")]
pub(crate) struct DemoArgs {
    /// How many days of traffic, 1 to 365
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=365))]
    pub days: u32,
    /// Another number makes other traffic
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// The command to run on it [default: status]
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

/// The settings file
#[derive(Clone, Debug, Args)]
#[command(disable_help_subcommand = true)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    pub verb: Option<ConfigVerb>,
}

#[derive(Clone, Copy, Debug, Default, Subcommand)]
pub(crate) enum ConfigVerb {
    /// Where it is
    Path,
    /// Every setting in force and where it comes from; what `config` alone shows
    #[default]
    Show,
    /// Write a commented file to start from
    Init,
    /// Check it
    Validate,
}

/// Print a completion script
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
\u{1b}[1;4mExamples\u{1b}[0m
  ax monitor completions bash > ~/.local/share/bash-completion/completions/ax
  ax monitor completions zsh > ~/.zfunc/_ax
  ax monitor completions fish > ~/.config/fish/completions/ax.fish")]
pub(crate) struct CompletionsArgs {
    /// Shell
    #[arg(value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

/// Print the manual page: `ax monitor man | man -l -`
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ManArgs {}

/// Parses the arguments of the process, the program's name first.
///
/// # Errors
/// clap's, which is also how help and version come out.
pub(crate) fn parse(args: &[OsString]) -> Result<Monitor, clap::Error> {
    // Taking it apart again would take as long as the parsing did.
    let mut command = ManuallyDrop::new(command());
    let mut matches = command.try_get_matches_from_mut(args)?;
    let ax = Ax::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))?;
    let Tool::Monitor(monitor) = ax.tool;
    Ok(*monitor)
}

/// The whole command line, for completions and the manual.
pub(crate) fn command() -> clap::Command {
    Ax::command()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clap_finds_no_contradiction() {
        command().debug_assert();
    }

    #[test]
    fn the_grouped_help_names_every_command_and_global_flag() {
        let ax = command();
        let monitor = ax.find_subcommand("monitor").unwrap();
        let bold = MONITOR_HELP.split("\u{1b}[1m").skip(1).filter_map(|l| l.split('\u{1b}').next());
        let (flags, commands): (Vec<&str>, Vec<&str>) = bold.partition(|word| word.starts_with('-'));
        let there: Vec<&str> = monitor.get_subcommands().map(clap::Command::get_name).collect();
        assert_eq!(commands, there);
        for argument in monitor.get_arguments().filter_map(clap::Arg::get_long) {
            assert!(flags.contains(&format!("--{argument}").as_str()), "--{argument}");
        }
    }
}
