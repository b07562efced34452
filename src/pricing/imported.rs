//! Price files of others: which kind one is, and what is in it.

use std::collections::BTreeSet;

use bincode::{Decode, Encode};

use super::rules::Provider;
use super::{genai, litellm};

/// A list that was imported.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Imported {
    /// Which kind of file it is from; a second import of the same kind replaces the first.
    pub kind: String,
    /// The name of the file.
    pub file: String,
    /// When it was imported, in ms since 1970.
    pub at_ms: u64,
    /// Its prices.
    pub providers: Vec<Provider>,
}

impl Imported {
    /// How many models have a price.
    pub fn priced(&self) -> u64 {
        let of = |provider: &Provider| {
            let priced = provider.models.iter().filter(|m| !m.prices.is_empty());
            priced.map(|m| m.id.as_str()).collect::<BTreeSet<_>>().len() as u64
        };
        self.providers.iter().map(of).sum()
    }
}

/// Why a file gives no prices.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAPriceFile {
    /// It is no JSON.
    #[error("is no JSON: {0}")]
    Json(String),
    /// It is JSON of another kind.
    #[error("is neither LiteLLM's model_prices_and_context_window.json nor genai-prices' data.json")]
    Unknown,
    /// It is one of them, and something in it is not as it should be.
    #[error("{place}: {what}")]
    Wrong {
        /// Provider and model.
        place: String,
        /// What is wrong.
        what: String,
    },
    /// Nothing in it has a price for tokens.
    #[error("holds no price of tokens")]
    Empty,
}

impl NotAPriceFile {
    pub(super) fn wrong(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Wrong { place: place.into(), what: what.into() }
    }
}

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// Which kind of file it is.
    pub kind: &'static str,
    /// Its prices.
    pub providers: Vec<Provider>,
    /// Models that are left out because no token of theirs has a price.
    pub without_price: u64,
    /// Prices with more decimals than are kept, rounded.
    pub rounded: u64,
}

/// Reads a price file, whichever kind it is.
///
/// # Errors
/// Why it is none.
pub fn read(text: &str) -> Result<Read, NotAPriceFile> {
    let read = match text.trim_start().as_bytes().first() {
        Some(b'[') => genai::read(text)?,
        Some(b'{') => litellm::read(text)?,
        _ => {
            return Err(serde_json::from_str::<serde::de::IgnoredAny>(text)
                .map_or_else(|e| NotAPriceFile::Json(e.to_string()), |_| NotAPriceFile::Unknown));
        }
    };
    if read.providers.iter().all(|p| p.models.is_empty()) { Err(NotAPriceFile::Empty) } else { Ok(read) }
}
