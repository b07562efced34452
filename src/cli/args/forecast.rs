//! Flags of `forecast`.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

/// What a series of days or hours will add up to, and within which bounds
///
/// Reads lines of ts,value, one for each complete day or hour, the oldest first. Opens no store.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
\u{1b}[1;4mExamples\u{1b}[0m
  ax monitor forecast --input spend.csv --horizon 30
  ax monitor forecast --input - --horizon 24 --step 1h --json < calls.csv")]
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
