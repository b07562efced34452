//! What tokens cost: dated prices from several lists, names found in them, and exact arithmetic.
//!
//! ```text
//! overrides > imported lists > the list that comes along     Book ── resolve(provider, model) ──► Resolved ── cost(tokens)
//! ```
//! The price at the time of the call counts. A model that no price is known for costs nothing known:
//! `None`, never 0. Free is a price.

mod book;
mod cost;
mod decimal;
mod file;
mod genai;
mod imported;
mod list;
mod litellm;
mod live;
mod name;
mod rules;
mod table;

#[cfg(test)]
mod tests;

use ax_storage::time::{DAY_MS, Timestamp};
use bincode::{Decode, Encode};

pub use book::{Book, Origin, Override, Resolved, Sourced};
pub use cost::{Discount, cost};
pub use decimal::{BadPrice, pico_per_token, usd_per_mtok};
pub use file::{Contents, FileError, load, path_in, store};
pub use imported::{Imported, NotAPriceFile, read};
pub use list::{BadRow, PriceList};
pub use live::{Entry, LivePrices};
pub use name::{candidates, normalized, price_provider};
pub use rules::{Clause, Model, Provider};
pub use table::{Change, ChangeError, Settings, change};

/// Pico-dollars a token in a dollar a million tokens.
pub const PICO_PER_USD_MTOK: u64 = 1_000_000;

/// Prices of the token classes, in pico-dollars (1e-12 US dollars) a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Rates {
    /// Input neither read from nor written to a cache.
    pub input: u64,
    /// Input read from the provider's cache.
    pub cached: u64,
    /// Input written to the provider's cache for minutes.
    pub cache_write: u64,
    /// Input written to it for an hour.
    pub cache_write_1h: u64,
    /// Output that is no reasoning.
    pub output: u64,
    /// Output spent on reasoning.
    pub reasoning: u64,
}

/// Prices of the token classes of which some are not named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// See [`Rates`].
    pub input: Option<u64>,
    /// See [`Rates`].
    pub cached: Option<u64>,
    /// See [`Rates`].
    pub cache_write: Option<u64>,
    /// See [`Rates`].
    pub cache_write_1h: Option<u64>,
    /// See [`Rates`].
    pub output: Option<u64>,
    /// See [`Rates`].
    pub reasoning: Option<u64>,
}

impl Given {
    /// A class without a price costs as its parent: cached and written input as input, written for
    /// an hour as written, reasoning as output. What has no parent is free of charge.
    pub fn complete(self) -> Rates {
        let (input, output) = (self.input.unwrap_or(0), self.output.unwrap_or(0));
        let cache_write = self.cache_write.unwrap_or(input);
        Rates {
            input,
            cached: self.cached.unwrap_or(input),
            cache_write,
            cache_write_1h: self.cache_write_1h.unwrap_or(cache_write),
            output,
            reasoning: self.reasoning.unwrap_or(output),
        }
    }
}

/// When a price holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum When {
    /// From so many ms since 1970 on; 0 = ever since.
    From(u64),
    /// Between two times of each UTC day, in ms; the later one may lie after midnight.
    Daily {
        /// First moment.
        from_ms: u32,
        /// First moment behind.
        to_ms: u32,
    },
}

impl When {
    /// Ever since.
    pub const ALWAYS: Self = Self::From(0);

    /// Whether it holds at a time.
    #[inline]
    pub fn holds(self, at: Timestamp) -> bool {
        match self {
            Self::From(from_ms) => from_ms <= at.millis(),
            Self::Daily { from_ms, to_ms } => {
                let (now, from, to) = (at.millis() % DAY_MS, u64::from(from_ms), u64::from(to_ms));
                if from <= to { (from..to).contains(&now) } else { now >= from || now < to }
            }
        }
    }
}

/// Prices of a model while they hold.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Price {
    /// When they do.
    pub when: When,
    /// What tokens cost.
    pub rates: Rates,
    /// What all tokens of a call cost instead when its input is long, from short to long.
    pub long: Vec<Long>,
}

/// Prices of calls with long input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Long {
    /// Input tokens from which on they hold: more than so many.
    pub above: u64,
    /// What each token of the whole call costs.
    pub rates: Rates,
}

impl Price {
    /// The rates of a call with so much input.
    #[inline]
    pub fn rates_for(&self, input: u64) -> &Rates {
        self.long.iter().rev().find(|long| input > long.above).map_or(&self.rates, |long| &long.rates)
    }
}
