//! Arguments of `ax monitor alerts`.

use clap::{Args, Subcommand, ValueEnum};

/// What fires, and the rules that decide it
#[derive(Clone, Debug, Args)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
#[command(after_help = "\
`serve`, `tick` and `Monitor` judge the rules; `serve` and `Monitor` deliver.

\u{1b}[1;4mExamples\u{1b}[0m
  ax monitor alerts create --name slow --when 'avg(latency) > 2000 for 5m'
  ax monitor alerts test --when 'error_rate by(provider) > baseline * 3'
  ax monitor alerts
  ax monitor alerts ack a3f --comment 'on it'
  ax monitor alerts check --fail-on warning")]
pub(crate) struct AlertsArgs {
    #[command(subcommand)]
    pub verb: Option<AlertsVerb>,
    #[command(flatten)]
    pub list: ListArgs,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum AlertsVerb {
    List(ListArgs),
    /// One alert, explained: its numbers, where they come from, what happened
    Show {
        /// Its id, or as much of it as is clear
        id: String,
    },
    /// Say that somebody looks into it: it stays, and reminds no more
    Ack {
        /// Ids of alerts
        #[arg(required = true)]
        ids: Vec<String>,
        /// What the others should know
        #[arg(long, default_value = "")]
        comment: String,
    },
    Silence(SilenceArgs),
    /// Let it be heard again
    Unsilence {
        /// Id of an alert
        #[arg(required_unless_present = "rule")]
        id: Option<String>,
        /// All alerts of this rule
        #[arg(long, conflicts_with = "id")]
        rule: Option<String>,
    },
    /// All rules: what they judge, how they stand, how often they fired
    Rules,
    Create(Box<RuleArgs>),
    /// Change a rule: what is not given stays
    Edit {
        /// Its name
        rule: String,
        #[command(flatten)]
        args: Box<RuleArgs>,
    },
    /// Delete a rule; what it fired is over then
    Delete {
        /// Its name
        rule: String,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Judge a rule again
    Enable {
        /// Its name
        rule: String,
    },
    /// Keep a rule and do not judge it
    Disable {
        /// Its name
        rule: String,
    },
    History(HistoryArgs),
    Check(CheckArgs),
    Test(TestArgs),
    Channels(super::ChannelsArgs),
}

/// What fires or is about to; what `alerts` alone shows
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct ListArgs {
    /// Only what fires
    #[arg(long, group = "which")]
    pub firing: bool,
    /// Only what somebody has acknowledged
    #[arg(long, group = "which")]
    pub acked: bool,
    /// What is over since a week
    #[arg(long, group = "which")]
    pub resolved: bool,
    /// All of it, and what cannot be judged
    #[arg(long, group = "which")]
    pub all: bool,
}

/// Send nothing about it for a while; it is judged all the same
#[derive(Clone, Debug, Args)]
pub(crate) struct SilenceArgs {
    /// Id of an alert
    #[arg(required_unless_present = "rule")]
    pub id: Option<String>,
    /// All alerts of this rule
    #[arg(long, conflicts_with = "id")]
    pub rule: Option<String>,
    /// For how long: 30m, 2h, 1d
    #[arg(long = "for", value_name = "TIME")]
    pub length: String,
    /// Why
    #[arg(long, default_value = "")]
    pub comment: String,
}

/// Make a rule; on a terminal without flags it offers ready ones
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = "\
\u{1b}[1;4mExamples\u{1b}[0m
  ax monitor alerts create --name slow --when 'avg(latency) > 2000 for 5m'
  ax monitor alerts create --name errors --severity critical --for 1m \\
      --when 'error_rate by(provider) > baseline * 3'")]
pub(crate) struct RuleArgs {
    /// What it is called
    #[arg(long)]
    pub name: Option<String>,
    /// The condition: 'avg(latency) > 2s', 'error_rate by(provider) > baseline * 3'
    #[arg(long, value_name = "CONDITION")]
    pub when: Option<String>,
    /// So long it must be true before it fires [default: at once]
    #[arg(long = "for", value_name = "TIME")]
    pub hold: Option<String>,
    /// So long it must not be true before it is over [default: at once]
    #[arg(long, value_name = "TIME")]
    pub keep_firing_for: Option<String>,
    /// How bad it is [default: warning]
    #[arg(long)]
    pub severity: Option<AlertSeverity>,
    /// Channel that is told, or all; may be repeated [default: all]
    #[arg(long, value_name = "NAME")]
    pub channel: Vec<String>,
    /// Events a window needs to count [default: 20 for ratios and percentiles]
    #[arg(long, value_name = "N")]
    pub min_events: Option<u64>,
    /// Tell again so often while it fires [default: never]
    #[arg(long, value_name = "TIME")]
    pub renotify: Option<String>,
    /// Zone of its days, such as Europe/Berlin [default: that of the upkeep]
    #[arg(long = "rule-tz", value_name = "ZONE")]
    pub zone: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AlertSeverity {
    Info,
    Warning,
    Critical,
}

impl AlertSeverity {
    /// The severity.
    pub(crate) const fn severity(self) -> crate::alerts::Severity {
        match self {
            Self::Info => crate::alerts::Severity::Info,
            Self::Warning => crate::alerts::Severity::Warning,
            Self::Critical => crate::alerts::Severity::Critical,
        }
    }
}

/// What happened: everything that alerts and people did
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct HistoryArgs {
    /// Time span up to now [default: 7d]
    #[arg(long, value_name = "RANGE")]
    pub range: Option<String>,
    /// Only this rule
    #[arg(long)]
    pub rule: Option<String>,
}

/// Judge all rules once, now, and keep nothing
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct CheckArgs {
    /// Exit with 3 when a rule of at least this severity would fire; with 4 when none can be judged
    #[arg(long, value_name = "SEVERITY")]
    pub fail_on: Option<AlertSeverity>,
}

/// Would it have fired? Replays history minute by minute
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct TestArgs {
    /// A rule
    #[arg(required_unless_present = "when")]
    pub rule: Option<String>,
    /// A condition instead: 'p95(latency) > 2s for 5m'
    #[arg(long, value_name = "CONDITION", conflicts_with = "rule")]
    pub when: Option<String>,
    /// Time span up to now [default: 7d]
    #[arg(long, value_name = "RANGE")]
    pub range: Option<String>,
}
