//! All price lists together: which prices hold for a model, and what a call costs by them.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use ax_storage::event::{COST_NANOS_MAX, NanoUsd, Outcome, Request, Tokens};
use ax_storage::time::Timestamp;
use bincode::{Decode, Encode};

use super::rules::find;
use super::{Contents, Discount, Price, PriceList, When, cost, price_provider};

/// Providers that also sell another's models at that one's prices.
const RESELLERS: [(&str, &str); 3] = [("google", "anthropic"), ("azure", "openai"), ("azure", "anthropic")];

/// Which list a price is from; later ones win.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The one that comes with the program.
    Embedded,
    /// One that was imported.
    Imported,
    /// The user's own.
    Override,
}

impl Origin {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Imported => "imported",
            Self::Override => "override",
        }
    }
}

/// A price of the user's own.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Override {
    /// For calls to this provider; empty = to any.
    pub provider: String,
    /// Model, as price lists know it.
    pub model: String,
    /// What it costs.
    pub price: Price,
}

/// The lists in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Book {
    contents: Contents,
    /// The overrides, those of the settings over those of the store.
    own: [PriceList; 2],
    aliases: BTreeMap<String, String>,
}

/// A price and where it is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sourced {
    /// Where from.
    pub origin: Origin,
    /// The price.
    pub price: Price,
}

/// Everything that a call of one model can cost; empty = unpriced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolved {
    /// The provider as price lists know it.
    provider: String,
    /// Of those that hold at a time the last counts.
    prices: Vec<Sourced>,
}

impl Book {
    /// Lists with these contents over the list that comes along.
    pub fn new(contents: Contents) -> Self {
        let list = |overrides: &[Override]| {
            let mut list = PriceList::default();
            overrides.iter().for_each(|o| list.add(&o.provider, &o.model, o.price.clone()));
            list
        };
        let own = [list(&contents.set), list(&contents.settings)];
        let aliases = contents.aliases.iter().map(|(name, means)| (name.to_ascii_lowercase(), means.clone())).collect();
        Self { contents, own, aliases }
    }

    /// The list that comes along, alone.
    pub fn embedded() -> &'static Self {
        static BOOK: OnceLock<Book> = OnceLock::new();
        BOOK.get_or_init(Self::default)
    }

    /// What was added to the list that comes along.
    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    /// The provider whose prices hold for calls to `provider`.
    pub fn provider(&self, provider: &str) -> String {
        let name = provider.trim().to_ascii_lowercase();
        price_provider(self.aliases.get(&name).unwrap_or(&name))
    }

    /// Everything that calls of a model can cost, by the names that were recorded.
    pub fn resolve(&self, provider: &str, model: &str) -> Resolved {
        let known = self.provider(provider);
        let mut prices = Vec::new();
        let mut add = |origin: Origin, found: &[Price]| {
            prices.extend(found.iter().map(|price| Sourced { origin, price: price.clone() }));
        };
        let resold = RESELLERS.iter().filter(|(seller, _)| *seller == known).map(|(_, maker)| *maker);
        let embedded = PriceList::embedded();
        let found = std::iter::once(known.as_str()).chain(resold).find_map(|maker| embedded.find(maker, model));
        add(Origin::Embedded, found.unwrap_or_default());
        for list in &self.contents.imported {
            add(Origin::Imported, find(&list.providers, provider, &known, model).map_or(&[], |m| m.prices.as_slice()));
        }
        for list in &self.own {
            add(Origin::Override, list.find("", model).unwrap_or_default());
            add(Origin::Override, list.find(&known, model).unwrap_or_default());
        }
        // What is always hidden need not be looked at.
        if let Some(first) = prices.iter().rposition(|p| p.price.when == When::ALWAYS) {
            prices.drain(..first);
        }
        Resolved { provider: known, prices }
    }

    /// Whether the list that comes along has a say in what calls of a model cost.
    pub fn uses_embedded(&self, provider: &str, model: &str) -> bool {
        self.resolve(provider, model).prices.iter().any(|p| p.origin == Origin::Embedded)
    }

    /// What a request costs that ended at `at`; `None` = no price is known.
    pub fn cost(&self, request: &Request<'_>, at: Timestamp) -> Option<NanoUsd> {
        let failed = request.outcome != Outcome::Ok;
        self.resolve(request.provider, request.model).cost(at, &request.tokens, request.service_tier, failed)
    }
}

impl Resolved {
    /// The price that holds at a time.
    #[inline]
    pub fn at(&self, at: Timestamp) -> Option<&Sourced> {
        self.prices.iter().rev().find(|sourced| sourced.price.when.holds(at))
    }

    /// All prices; of those that hold at a time the last counts.
    pub fn prices(&self) -> &[Sourced] {
        &self.prices
    }

    /// The provider as price lists know it.
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// What a call costs; `None` = no price is known, or none for its service tier, or its tokens are
    /// not known: a call that did not fail used some. Allocates nothing.
    #[inline]
    pub fn cost(&self, at: Timestamp, tokens: &Tokens, service_tier: &str, failed: bool) -> Option<NanoUsd> {
        let Sourced { price, .. } = self.at(at)?;
        if tokens.input == 0 && tokens.output == 0 && !failed {
            return None;
        }
        let cost = cost(price, tokens, Discount::of(&self.provider, service_tier)?);
        (cost.nanos() <= COST_NANOS_MAX).then_some(cost)
    }
}
