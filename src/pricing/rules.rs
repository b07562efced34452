//! Lists whose models are found by rules over their names, in the order of the list.

use bincode::{Decode, Encode};
use regex::{Regex, RegexBuilder};

use super::Price;
use super::name::{bare, candidates, normalized};

/// Rules may be nested so deep.
pub(super) const CLAUSE_DEPTH_MAX: usize = 8;
/// Largest compiled expression in bytes.
const REGEX_BYTES_MAX: usize = 1 << 20;

/// A rule over a name in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Clause {
    /// The name is this.
    Equals(String),
    /// It begins so.
    StartsWith(String),
    /// It ends so.
    EndsWith(String),
    /// This is in it.
    Contains(String),
    /// The expression is found in it.
    Matches(String),
    /// One of these holds.
    Any(Vec<Self>),
    /// All of these hold.
    All(Vec<Self>),
}

impl Clause {
    fn holds(&self, name: &str) -> bool {
        match self {
            Self::Equals(text) => name == text,
            Self::StartsWith(text) => name.starts_with(text.as_str()),
            Self::EndsWith(text) => name.ends_with(text.as_str()),
            Self::Contains(text) => name.contains(text.as_str()),
            Self::Matches(text) => expression(text).is_some_and(|regex| regex.is_match(name)),
            Self::Any(clauses) => clauses.iter().any(|clause| clause.holds(name)),
            Self::All(clauses) => clauses.iter().all(|clause| clause.holds(name)),
        }
    }
}

/// A compiled expression, if it is one. Few rules are expressions and a name is looked up once, so
/// they are compiled when they are asked.
pub(super) fn expression(text: &str) -> Option<Regex> {
    RegexBuilder::new(text).case_insensitive(true).size_limit(REGEX_BYTES_MAX).build().ok()
}

/// A provider of an imported list.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Provider {
    /// Its name in lower case.
    pub id: String,
    /// Other names that mean it.
    pub known_as: Option<Clause>,
    /// Providers whose prices hold for models that are not in its own list.
    pub fallbacks: Vec<String>,
    /// Its models; the first whose rule holds counts.
    pub models: Vec<Model>,
}

/// A model of an imported list.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Model {
    /// Its name.
    pub id: String,
    /// Names that mean it.
    pub is: Clause,
    /// Its prices; of those that hold at a time the last counts.
    pub prices: Vec<Price>,
}

/// The provider that is called `raw`, or `known` among price lists.
fn provider<'a>(providers: &'a [Provider], raw: &str, known: &str) -> Option<&'a Provider> {
    let named = |name: &str| providers.iter().find(|p| p.id == name);
    let ruled = |name: &str| providers.iter().find(|p| p.known_as.as_ref().is_some_and(|rule| rule.holds(name)));
    named(known).or_else(|| named(raw)).or_else(|| ruled(raw)).or_else(|| ruled(known))
}

/// The model that a call to `raw` (or `known`, as price lists call it) means. The name is tried as
/// it is, without what stands before it, and without what only dates a release.
pub(super) fn find<'a>(providers: &'a [Provider], raw: &str, known: &str, model: &str) -> Option<&'a Model> {
    let (own, lower) = (provider(providers, &raw.to_ascii_lowercase(), known)?, model.trim().to_ascii_lowercase());
    let (plain, normal) = (bare(&lower), normalized(model));
    let names: Vec<&str> =
        std::iter::once(lower.as_str()).chain(candidates(plain)).chain(candidates(&normal)).collect();
    let others = own.fallbacks.iter().filter_map(|id| providers.iter().find(|p| p.id == *id));
    std::iter::once(own)
        .chain(others)
        .find_map(|provider| names.iter().find_map(|name| provider.models.iter().find(|model| model.is.holds(name))))
}
