//! The command line as types: every command, flag and help text.

mod alerts;
mod budgets;
mod channels;
mod choice;
mod costs;
mod events;
mod explain;
mod export;
mod forecast;
mod import;
mod later;
mod metrics;
mod record;
mod setup;
mod status;
mod store;

use std::ffi::OsString;
use std::mem::ManuallyDrop;
use std::path::PathBuf;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum, ValueHint};

pub(crate) use alerts::{AlertsArgs, AlertsVerb, CheckArgs, HistoryArgs, ListArgs, RuleArgs, SilenceArgs, TestArgs};
pub(crate) use budgets::{BudgetFails, BudgetsArgs, BudgetsDeleteArgs, BudgetsListArgs, BudgetsSetArgs, BudgetsVerb};
pub(crate) use channels::{ChannelsArgs, ChannelsVerb};
pub(crate) use choice::{ByLabel, OnlyArgs, SpanArgs};
pub(crate) use costs::{CostsArgs, CostsVerb};
pub(crate) use events::EventsArgs;
pub(crate) use explain::{ExplainArgs, TextKind};
pub(crate) use export::{ExportArgs, ExportFormat};
pub(crate) use forecast::{ForecastArgs, ForecastStep};
pub(crate) use import::ImportArgs;
pub(crate) use later::Later;
pub(crate) use metrics::{MetricsArgs, MetricsFormat};
pub(crate) use record::{EventArgs, EventKind, RecordArgs};
pub(crate) use setup::{CompletionsArgs, ConfigArgs, ConfigVerb, DemoArgs, HelpArgs, ManArgs};
pub(crate) use status::{Severity, StatusArgs, StatusFormat};
pub(crate) use store::{SetRetentionArgs, StoreArgs, StoreVerb};

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

/// Do the upkeep every minute until SIGTERM or Ctrl-C
///
/// Not needed where an application runs the upkeep itself.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ServeArgs {}

/// Do one upkeep pass now: roll up, close, seal, remove what is too old
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct TickArgs {}

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

    /// What is longer is broken in the middle of a command that somebody wants to copy.
    #[test]
    fn examples_fit_a_terminal_of_80_columns() {
        fn check(command: &clap::Command) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            for line in help.lines() {
                assert!(line.chars().count() <= 80, "{}: {line}", command.get_name());
            }
            command.get_subcommands().for_each(check);
        }
        let mut ax = command();
        ax.build();
        assert!(ax.find_subcommand("monitor").unwrap().find_subcommand("costs").unwrap().get_after_help().is_some());
        check(&ax);
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
