//! The usual request as the words of its slot, by arithmetic: nothing is copied, and one branch
//! asks whether everything is small and right.
//!
//! What is not usual (a number of more than 32 bits, an error, a service tier, a broken rule) goes
//! the long way by `numbers` and `compact`, which say what is wrong.

use std::time::Duration;

use crate::event::{COST_NANOS_MAX, CostSource, LATENCY_US_MAX, NAME_BYTES_MAX, NanoUsd, Outcome, Tokens};
use crate::journal::frame::{RequestNumbers, compact_head};
use crate::journal::{DropReason, Measurement};
use crate::row::Maybe;
use crate::time::Timestamp;

/// Longest duration in whole seconds whose microseconds have 32 bits in any case.
const SECONDS_MAX: u64 = (u32::MAX / 1_000_000) as u64 - 1;

/// What a caller said about a request besides names and time; made to be taken apart by the
/// compiler.
#[derive(Clone, Copy)]
pub(crate) struct Given<'a> {
    pub(crate) latency: Option<Duration>,
    pub(crate) ttft: Option<Duration>,
    pub(crate) tokens: &'a Tokens,
    pub(crate) cost: Option<NanoUsd>,
    pub(crate) outcome: Outcome<'a>,
    pub(crate) service_tier: &'a str,
}

impl<'a> Given<'a> {
    /// What a measurement says.
    #[inline(always)]
    pub(crate) fn of(m: &'a Measurement<'a>) -> Self {
        let (outcome, service_tier) = (m.outcome, m.service_tier);
        Self { latency: m.latency, ttft: m.ttft, tokens: &m.tokens, cost: m.cost, outcome, service_tier }
    }

    /// The seven words, `None` when it is not usual.
    #[inline(always)]
    pub(crate) fn words(self, ts: Timestamp, (series, user): (u32, u32), source: CostSource) -> Option<[u64; 7]> {
        let t = self.tokens;
        let ((latency, long), (ttft, longer)) = (micros(self.latency), micros(self.ttft));
        let cost = self.cost.map_or(0, NanoUsd::nanos);
        let (ok, named) = match self.outcome {
            Outcome::Ok => (true, false),
            Outcome::Error(kind) => (false, !kind.is_empty()),
        };
        let hour = t.cache_write_1h != 0;
        // Below 2^32 no sum of two runs over, and no count breaks a bound of its own.
        let large = (t.input | t.cached | t.cache_write | t.output | t.reasoning) >> 32 != 0;
        let unusual = large
            | long
            | longer
            | (hour & (t.cache_write_1h != t.cache_write))
            | (t.cached.wrapping_add(t.cache_write) > t.input)
            | (t.reasoning > t.output)
            | (cost > COST_NANOS_MAX)
            | named
            | !self.service_tier.is_empty();
        if unusual {
            return None;
        }
        let source = if self.cost.is_some() { source } else { CostSource::Unpriced };
        let head = compact_head(ok, source, self.latency.is_some(), self.ttft.is_some(), hour);
        Some([
            head | u64::from(series) << 32,
            ts.millis(),
            u64::from(user) | latency << 32,
            ttft | t.input << 32,
            t.cached | t.cache_write << 32,
            t.output | t.reasoning << 32,
            cost,
        ])
    }
}

/// Microseconds, and whether they may have more than 32 bits.
#[inline(always)]
fn micros(duration: Option<Duration>) -> (u64, bool) {
    let d = duration.unwrap_or(Duration::ZERO);
    let long = d.as_secs() > SECONDS_MAX;
    (d.as_secs().wrapping_mul(1_000_000).wrapping_add(u64::from(d.subsec_micros())), long)
}

/// The kind of error, empty when there is none.
pub(crate) fn error_of<'a>(m: &Measurement<'a>) -> &'a str {
    match m.outcome {
        Outcome::Ok => "",
        Outcome::Error(kind) => kind,
    }
}

#[inline(always)]
/// Whether a name breaks the bound of all names.
pub(crate) fn too_long(name: &str) -> bool {
    name.len() > NAME_BYTES_MAX
}

/// The numbers of a request, checked.
#[inline(always)]
pub(crate) fn numbers(m: &Measurement<'_>, source: CostSource) -> Result<RequestNumbers, DropReason> {
    let t = &m.tokens;
    let cost_nanos = m.cost.map_or(0, NanoUsd::nanos);
    if too_long(error_of(m)) || too_long(m.service_tier) || t.check().is_err() || cost_nanos > COST_NANOS_MAX {
        return Err(DropReason::Invalid);
    }
    Ok(RequestNumbers {
        ok: matches!(m.outcome, Outcome::Ok),
        latency_us: checked_micros(m.latency)?,
        ttft_us: checked_micros(m.ttft)?,
        tokens: *t,
        cost_nanos,
        cost_source: if m.cost.is_some() { source } else { CostSource::Unpriced },
    })
}

#[inline(always)]
fn checked_micros(duration: Option<Duration>) -> Result<Maybe, DropReason> {
    let Some(d) = duration else { return Ok(Maybe::NONE) };
    // The seconds are compared first, so that the product cannot overflow.
    if d.as_secs() > LATENCY_US_MAX / 1_000_000 {
        return Err(DropReason::Invalid);
    }
    let us = d.as_secs() * 1_000_000 + u64::from(d.subsec_micros());
    if us > LATENCY_US_MAX { Err(DropReason::Invalid) } else { Ok(Maybe::some(us)) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::TOKENS_MAX;
    use crate::journal::frame::compact;

    /// Small numbers mostly, and the neighbours of every bound.
    fn number() -> impl Strategy<Value = u64> {
        let bounds = [1 << 32, TOKENS_MAX, COST_NANOS_MAX, LATENCY_US_MAX, u64::MAX];
        prop_oneof![
            20 => 0..5u64,
            3 => 0..1u64 << 33,
            1 => (proptest::sample::select(bounds.to_vec()), 0..3u64).prop_map(|(bound, n)| (bound - 1).saturating_add(n)),
        ]
    }

    fn duration() -> impl Strategy<Value = Option<Duration>> {
        let long = prop_oneof![4290..4300u64, Just(u64::MAX), 0..5u64];
        proptest::option::of(prop_oneof![
            number().prop_map(Duration::from_micros),
            (long, 0..1_000_000_000u32).prop_map(|(seconds, nanos)| Duration::new(seconds, nanos)),
        ])
    }

    fn measurement() -> impl Strategy<Value = Measurement<'static>> {
        let outcome = proptest::sample::select(vec![Outcome::Ok, Outcome::Ok, Outcome::Error(""), Outcome::Error("e")]);
        let tier = proptest::sample::select(vec!["", "", "", "batch"]);
        let tokens = proptest::array::uniform6(number());
        let cost = prop_oneof![number(), COST_NANOS_MAX - 1..COST_NANOS_MAX + 3];
        let cost = proptest::option::of(cost.prop_map(NanoUsd::from_nanos));
        (duration(), duration(), tokens, cost, outcome, tier).prop_map(
            |(latency, ttft, t, cost, outcome, service_tier)| {
                let tokens = Tokens {
                    input: t[0],
                    cached: t[1],
                    cache_write: t[2],
                    cache_write_1h: t[3],
                    output: t[4],
                    reasoning: t[5],
                };
                Measurement { ts: None, latency, ttft, tokens, cost, outcome, service_tier }
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]
        #[test]
        fn the_straight_way_says_what_the_long_way_says(m in measurement(), at in 0..1u64 << 47, ids: (u32, u32)) {
            let ts = Timestamp::from_millis(at);
            let long = numbers(&m, CostSource::Computed).ok().and_then(|n| compact(ts, ids, (0, 0), &n));
            let worded = !error_of(&m).is_empty() || !m.service_tier.is_empty();
            let straight = Given::of(&m).words(ts, ids, CostSource::Computed);
            match straight {
                Some(words) => prop_assert!(!worded && long == Some(words)),
                // Within a second of 2^32 microseconds it does not go straight though it could.
                None => prop_assert!(worded || long.is_none() || [m.latency, m.ttft].into_iter().flatten().any(|d| d.as_secs() > SECONDS_MAX)),
            }
        }
    }
}
