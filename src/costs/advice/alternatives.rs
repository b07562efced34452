//! Which models can take another's place: of the same class and newer, or a class smaller. A row of the list is
//! `provider model instead class since`, separated by tabs; `-` = for as long as there is a price.

use std::sync::OnceLock;

use ax_storage::time::Timestamp;

use crate::pricing::{candidates, normalized};

/// The list.
const LIST: &str = include_str!("alternatives.tsv");

/// How a model compares with the one it could replace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Meant for the same work.
    Same,
    /// Meant for easier work.
    Smaller,
}

impl Class {
    /// As users read it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Smaller => "smaller",
        }
    }
}

/// A model that can take another's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alternative {
    provider: &'static str,
    model: &'static str,
    /// Its name.
    pub instead: &'static str,
    /// How it compares.
    pub class: Class,
    /// From when on it can be had.
    pub since: Timestamp,
}

/// What can take the place of a model, by the provider as price lists know it.
pub fn alternatives(provider: &str, model: &str) -> impl Iterator<Item = &'static Alternative> {
    let name = normalized(model);
    let of = |name: &str| list().iter().any(|a| a.provider == provider && a.model == name);
    let known = candidates(&name).find(|name| of(name)).map(str::to_owned);
    let provider = provider.to_owned();
    list().iter().filter(move |a| a.provider == provider && known.as_deref() == Some(a.model))
}

fn list() -> &'static [Alternative] {
    static PARSED: OnceLock<Vec<Alternative>> = OnceLock::new();
    PARSED.get_or_init(|| LIST.lines().filter_map(row).collect())
}

fn row(line: &'static str) -> Option<Alternative> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [provider, model, instead, class, since] = fields.as_slice() else { return None };
    let class = match *class {
        "same" => Class::Same,
        "smaller" => Class::Smaller,
        _ => return None,
    };
    let since = match *since {
        "-" => Timestamp::MIN,
        date => Timestamp::from_jiff(format!("{date}T00:00:00Z").parse().ok()?),
    };
    Some(Alternative { provider, model, instead, class, since })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pricing::PriceList;

    #[test]
    fn every_row_names_a_cheaper_model_that_has_a_price() {
        let rows = LIST.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).count();
        assert_eq!(list().len(), rows, "a row that is none");
        let prices = PriceList::embedded();
        let now = Timestamp::from_jiff("2026-11-20T00:00:00Z".parse().unwrap());
        let price = |provider: &str, model: &str| {
            let found = prices.find(provider, model).unwrap_or_else(|| panic!("{provider} {model} has no price"));
            let price = found.iter().rfind(|p| p.when.holds(now)).unwrap().rates;
            4 * price.input + price.output
        };
        for a in list() {
            assert_eq!(normalized(a.model), a.model);
            assert!(price(a.provider, a.instead) < price(a.provider, a.model), "{} {}", a.model, a.instead);
        }
    }

    #[test]
    fn alternatives_are_found_by_the_names_that_are_recorded() {
        let of = |model: &str| alternatives("anthropic", model).map(|a| a.instead).collect::<Vec<_>>();
        assert_eq!(of("claude-sonnet-4-5-20250929"), ["claude-haiku-4-5"]);
        assert_eq!(of("us.anthropic.claude-sonnet-4-5-20250929-v1:0"), ["claude-haiku-4-5"]);
        assert!(of("claude-sonnet-9").is_empty());
        assert!(alternatives("openai", "claude-sonnet-4-5").next().is_none());
    }
}
