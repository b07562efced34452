//! Flags of what sets things up and shows how they work: `demo`, `config`, `completions`, `man`, `help`.

use std::ffi::OsString;

use clap::{Args, Subcommand};

/// Run any command on made-up traffic, in a temporary store
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = "\
\u{1b}[1;4mExamples\u{1b}[0m
  ax monitor demo
  ax monitor demo -- metrics latency --by model --range 7d
  ax monitor demo --days 90 --seed 7 -- metrics cost --range 90d --format chart")]
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

/// The query language, or the help of a command
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct HelpArgs {
    /// `query`, or a command
    #[arg(value_name = "TOPIC")]
    pub topic: Option<String>,
}
