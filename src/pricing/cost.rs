//! Tokens times prices, in integers, rounded once.

use ax_storage::event::{NanoUsd, Tokens};

use super::{Price, Rates};

/// Pico-dollars in a nano-dollar.
const PICO_IN_NANO: u128 = 1000;

/// A part of the price that is paid for slower service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discount {
    /// The whole price.
    None,
    /// Half of it: batches, and flexible processing.
    Half,
}

impl Discount {
    /// By the service tier of a call as providers name it; `None` when what it costs is not known.
    pub fn of_tier(tier: &str) -> Option<Self> {
        match tier {
            "" | "standard" | "standard_only" | "default" | "auto" | "on_demand" => Some(Self::None),
            "batch" | "flex" => Some(Self::Half),
            _ => None,
        }
    }

    const fn divisor(self) -> u128 {
        match self {
            Self::None => 1,
            Self::Half => 2,
        }
    }
}

/// What a call costs: the exact sum of pico-dollars, rounded half to even once.
///
/// Counts of parts that exceed their whole are taken as the whole, so nothing is paid for twice.
pub fn cost(price: &Price, tokens: &Tokens, discount: Discount) -> NanoUsd {
    let rates = match price.long {
        Some(long) if tokens.input > long.above => long.rates,
        _ => price.rates,
    };
    let divisor = PICO_IN_NANO * discount.divisor();
    let pico = pico(&rates, tokens);
    let (nanos, rest) = (pico / divisor, pico % divisor);
    let up = rest * 2 > divisor || (rest * 2 == divisor && nanos % 2 == 1);
    NanoUsd::from_nanos(u64::try_from(nanos + u128::from(up)).unwrap_or(u64::MAX))
}

/// At most 5 products of two u64 of which none exceeds 2^127: tokens are bounded by their whole.
fn pico(rates: &Rates, tokens: &Tokens) -> u128 {
    let cached = tokens.cached.min(tokens.input);
    let written = tokens.cache_write.min(tokens.input - cached);
    let written_1h = tokens.cache_write_1h.min(written);
    let plain = tokens.input - cached - written;
    let parts = [
        (plain, rates.input),
        (cached, rates.cached),
        (written - written_1h, rates.cache_write),
        (written_1h, rates.cache_write_1h),
        (tokens.output, rates.output),
    ];
    parts.iter().fold(0_u128, |sum, (count, rate)| sum.saturating_add(u128::from(*count) * u128::from(*rate)))
}
