//! `[[budget]]` of the settings file.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

use crate::costs::budget::dollars;
use crate::metric::Money;

/// A budget as the settings file has it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BudgetSetting {
    pub name: String,
    pub limit: Amount,
    #[serde(default)]
    pub period: PeriodSetting,
    pub scope: Option<String>,
    /// In per cent.
    pub alert_at: Option<Vec<u16>>,
    pub tz: Option<String>,
}

/// How often a budget begins anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PeriodSetting {
    Daily,
    Weekly,
    #[default]
    Monthly,
}

/// Dollars as a number or a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Amount(pub Money);

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Dollars)
    }
}

struct Dollars;

impl Visitor<'_> for Dollars {
    type Value = Amount;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("dollars, such as 500 or \"1250.50\"")
    }

    fn visit_i64<E: Error>(self, v: i64) -> Result<Amount, E> {
        self.visit_str(&v.to_string())
    }

    fn visit_f64<E: Error>(self, v: f64) -> Result<Amount, E> {
        self.visit_str(&v.to_string())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Amount, E> {
        dollars(text).map(Amount).ok_or_else(|| E::custom(format!("'{text}' is no amount of dollars")))
    }
}
