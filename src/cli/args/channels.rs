//! Arguments of `ax monitor alerts channels`.

use clap::{Args, Subcommand};

/// Where alerts go, and whether they arrive
///
/// Channels stand in the settings file as [[channel]]; `ax monitor config init` writes examples.
#[derive(Clone, Debug, Default, Args)]
#[command(disable_help_subcommand = true)]
#[command(after_help = "\
\u{1b}[1;4mExamples\u{1b}[0m
  ax monitor alerts channels
  ax monitor alerts channels test ops")]
pub(crate) struct ChannelsArgs {
    #[command(subcommand)]
    pub verb: Option<ChannelsVerb>,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum ChannelsVerb {
    /// Send a message marked as a test; exit with 6 when it does not arrive
    Test {
        /// The channel
        name: String,
    },
}
