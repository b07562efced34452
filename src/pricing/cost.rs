//! Tokens times prices, in integers, rounded once.

use ax_storage::event::{NanoUsd, Tokens};

use super::{Price, Rates};

/// Pico-dollars in a nano-dollar.
const PICO_IN_NANO: u128 = 1000;

/// A part of the price that is not paid for slower service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discount {
    /// The whole price.
    None,
    /// Half of it: batches, and flexible processing.
    Half,
    /// Half of it, but for input read from the cache, which costs as ever.
    HalfButCached,
}

impl Discount {
    /// By provider and service tier of a call as the provider names it; `None` when what that
    /// costs is not known. The provider is one of [`super::price_provider`].
    #[inline]
    pub fn of(provider: &str, tier: &str) -> Option<Self> {
        if tier.is_empty() {
            return Some(Self::None);
        }
        Self::of_named(provider, tier)
    }

    fn of_named(provider: &str, tier: &str) -> Option<Self> {
        match (tier, provider) {
            ("standard" | "standard_only" | "default" | "auto" | "on_demand", _) => Some(Self::None),
            // At the price of any other call, when there is room.
            ("flex", "groq") => Some(Self::None),
            ("batch" | "flex", "google") => Some(Self::HalfButCached),
            ("batch" | "flex", _) => Some(Self::Half),
            _ => None,
        }
    }
}

/// What a call costs: the exact sum of pico-dollars, rounded half to even once.
///
/// Counts of parts that exceed their whole are taken as the whole, so nothing is paid for twice.
pub fn cost(price: &Price, tokens: &Tokens, discount: Discount) -> NanoUsd {
    let (all, cached) = pico(price.rates_for(tokens.input), tokens);
    let (pico, divisor) = match discount {
        Discount::None => (all, PICO_IN_NANO),
        Discount::Half => (all, 2 * PICO_IN_NANO),
        Discount::HalfButCached => (all.saturating_add(cached), 2 * PICO_IN_NANO),
    };
    let (nanos, rest) = (pico / divisor, pico % divisor);
    let up = rest * 2 > divisor || (rest * 2 == divisor && nanos % 2 == 1);
    NanoUsd::from_nanos(u64::try_from(nanos + u128::from(up)).unwrap_or(u64::MAX))
}

/// What all tokens cost, and those read from the cache among them. No product of two u64
/// overflows, and tokens are bounded by their whole.
fn pico(rates: &Rates, tokens: &Tokens) -> (u128, u128) {
    let cached = tokens.cached.min(tokens.input);
    let written = tokens.cache_write.min(tokens.input - cached);
    let written_1h = tokens.cache_write_1h.min(written);
    let reasoning = tokens.reasoning.min(tokens.output);
    let parts = [
        (tokens.input - cached - written, rates.input),
        (written - written_1h, rates.cache_write),
        (written_1h, rates.cache_write_1h),
        (tokens.output - reasoning, rates.output),
        (reasoning, rates.reasoning),
    ];
    let cached = u128::from(cached) * u128::from(rates.cached);
    let add = |sum: u128, (count, rate): &(u64, u64)| sum.saturating_add(u128::from(*count) * u128::from(*rate));
    (parts.iter().fold(cached, add), cached)
}
