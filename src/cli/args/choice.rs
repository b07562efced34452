//! Flags that several commands take: which events count, over which time, by which labels.

use ax_storage::query::plan::Label;
use clap::{Args, ValueEnum};

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

impl OnlyArgs {
    /// The values given for each label; its flag has the label's name.
    pub(crate) fn by_label(&self) -> [(Label, &[String]); 3] {
        [(Label::Provider, &self.provider), (Label::Model, &self.model), (Label::User, &self.user)]
    }
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
