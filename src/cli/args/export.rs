//! Flags of `export`.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

use super::{OnlyArgs, SpanArgs};

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
