//! Flags of `budgets`.

use clap::{Args, Subcommand, ValueEnum};

use crate::costs::Every;

/// Limits of spending: how each stands, and setting and removing them
#[derive(Clone, Debug, Default, Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "\
\u{1b}[1;4mExamples\u{1b}[0m
  ax monitor budgets set team --limit 500 --period monthly
  ax monitor budgets set gpt --limit 20 --period daily --scope provider=openai
  ax monitor budgets                            how each stands
  ax monitor budgets list --fail-on projected   exit 3: one will be exceeded")]
pub(crate) struct BudgetsArgs {
    #[command(subcommand)]
    pub verb: Option<BudgetsVerb>,
    #[command(flatten)]
    pub list: BudgetsListArgs,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum BudgetsVerb {
    List(BudgetsListArgs),
    Set(BudgetsSetArgs),
    Delete(BudgetsDeleteArgs),
}

/// How each budget stands; what `budgets` alone shows
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct BudgetsListArgs {
    /// Exit with 3 when a budget is spent (budget), or will be by its end (projected); with 4 when
    /// there is nothing to judge
    #[arg(long, value_name = "WHEN")]
    pub fail_on: Option<BudgetFails>,
}

/// Set a budget, or change one
///
/// What an existing budget has and no flag names stays as it is.
#[derive(Clone, Debug, Args)]
pub(crate) struct BudgetsSetArgs {
    /// What it is called
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Dollars a period: 500, 1250.50
    #[arg(long, value_name = "USD")]
    pub limit: Option<String>,
    /// How often it begins anew [default: monthly]
    #[arg(long, value_name = "PERIOD")]
    pub period: Option<BudgetPeriod>,
    /// Which calls count: 'provider=openai', 'user=alice AND model=~"gpt.*"'; '' = all
    #[arg(long, value_name = "FILTER")]
    pub scope: Option<String>,
    /// Used parts in per cent that are told [default: 50,80,95,100]
    #[arg(long, value_name = "PERCENT", value_delimiter = ',')]
    pub alert_at: Vec<String>,
}

/// Remove a budget
#[derive(Clone, Debug, Args)]
pub(crate) struct BudgetsDeleteArgs {
    /// What it is called
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Without a question
    #[arg(long)]
    pub yes: bool,
}

/// What fails a check of budgets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BudgetFails {
    /// A limit is spent
    Budget,
    /// A limit is spent, or more than it is projected for the end of its period
    Projected,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BudgetPeriod {
    Daily,
    Weekly,
    Monthly,
}

impl BudgetPeriod {
    pub(crate) const fn every(self) -> Every {
        match self {
            Self::Daily => Every::Day,
            Self::Weekly => Every::Week,
            Self::Monthly => Every::Month,
        }
    }
}
