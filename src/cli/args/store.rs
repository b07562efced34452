//! Flags of `store`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::commands::backup::BackupArgs;
use crate::cli::commands::verify::VerifyArgs;

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
    Verify(VerifyArgs),
    Backup(BackupArgs),
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
