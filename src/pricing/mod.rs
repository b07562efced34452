//! What tokens cost: a dated list of prices, names found in it, and exact arithmetic.
//!
//! The price at the time of the call counts. A model that no price is known for costs nothing known:
//! `None`, never 0. Free is a price.

mod cost;
mod list;
mod name;

#[cfg(test)]
mod tests;

use ax_storage::time::Timestamp;

pub use cost::{Discount, cost};
pub use list::{BadRow, Found, PriceList};
pub use name::{normalized, price_provider};

/// Pico-dollars a token in a dollar a million tokens.
pub const PICO_PER_USD_MTOK: u64 = 1_000_000;

/// Prices of the token classes, in pico-dollars (1e-12 US dollars) a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Input neither read from nor written to a cache.
    pub input: u64,
    /// Input read from the provider's cache.
    pub cached: u64,
    /// Input written to the provider's cache for minutes.
    pub cache_write: u64,
    /// Input written to it for an hour.
    pub cache_write_1h: u64,
    /// Output, reasoning included.
    pub output: u64,
}

/// Prices of a model from a time on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price {
    /// First moment it holds.
    pub from: Timestamp,
    /// What tokens cost.
    pub rates: Rates,
    /// What all tokens of a call cost instead when its input is long.
    pub long: Option<Long>,
}

/// Prices of calls with long input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Long {
    /// Input tokens from which on they hold: more than so many.
    pub above: u64,
    /// What each token of the whole call costs.
    pub rates: Rates,
}
