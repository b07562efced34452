//! Flags of `costs`.

use clap::{Args, Subcommand, ValueEnum};

use ax_storage::query::plan::Label;

use super::{BudgetFails, StatusFormat};
use crate::costs::{By, Span};

/// What calls cost, by provider, model, user or time, and what it will come to
#[derive(Clone, Debug, Default, Args)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
#[command(after_help = "\
\u{1b}[1;4mExamples\u{1b}[0m
  ax monitor costs                                this month
  ax monitor costs --range 30d --by user --top 10
  ax monitor costs --by day,provider --range week
  ax monitor costs --budget --fail-on projected   exit 3: one will be exceeded
  ax monitor costs --projection --json | jq .projection.month
  ax monitor costs advise                         how less could be spent")]
pub(crate) struct CostsArgs {
    #[command(subcommand)]
    pub verb: Option<CostsVerb>,
    /// Time span: month, today, week, 30d, 2025-10 … or FROM..TO [default: month]
    #[arg(long, value_name = "RANGE")]
    pub range: Option<String>,
    /// One row for each of these: provider, model, user, hour, day, week, month [default: provider,
    /// and model in a second table]
    #[arg(long, alias = "group-by", value_name = "NAMES", value_delimiter = ',')]
    pub by: Vec<CostsBy>,
    /// The amounts of the time before beside the change
    #[arg(long)]
    pub compare: bool,
    /// The dearest N rows, and the others as one
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub top: Option<u32>,
    /// Today, this month and the next 365 days projected by two methods, and how well that held before
    #[arg(long)]
    pub projection: bool,
    /// How each budget stands
    #[arg(long)]
    pub budget: bool,
    /// Layout; `line` has no drawing signs [default: table]
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<StatusFormat>,
    /// Exit with 3 when a budget is spent (budget), or will be by its end (projected); with 4 when
    /// there is nothing to judge
    #[arg(long, value_name = "WHEN")]
    pub fail_on: Option<BudgetFails>,
}

#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum CostsVerb {
    /// How less could be spent: each with the calls concerned, the arithmetic and what it takes for granted
    ///
    /// Of the last 30 complete days, and of nothing that fewer than 100 calls show: cheaper models and providers, prompts
    /// and answers that could be cached, failures that were paid for, models and users whose spend grew.
    Advise,
}

/// What `--by` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CostsBy(pub By);

impl ValueEnum for CostsBy {
    fn value_variants<'a>() -> &'a [Self] {
        &[
            Self(By::Label(Label::Provider)),
            Self(By::Label(Label::Model)),
            Self(By::Label(Label::User)),
            Self(By::Time(Span::Hour)),
            Self(By::Time(Span::Day)),
            Self(By::Time(Span::Week)),
            Self(By::Time(Span::Month)),
        ]
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(self.0.name()))
    }
}
