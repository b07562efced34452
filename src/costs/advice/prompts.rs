//! Prompts that could come from the provider's cache more often, by what another of its models reaches.

use ax_storage::event::Tokens;

use super::cheaper::priced;
use super::usage::{ModelUsage, Usage};
use super::{Advice, CALLS_MIN, Kind, Sure};
use crate::metric::Money;
use crate::pricing::Book;

/// A prompt shorter than this no provider caches.
const PROMPT_MIN: u64 = 1024;
/// The cached part of input that a model must reach to be an example, in per cent.
const EXAMPLE_PERCENT: u128 = 20;

/// Models with long prompts of which less than half as much is cached as of another model of the same provider.
pub(super) fn prompts(usage: &Usage, book: &Book) -> Vec<Advice> {
    let long: Vec<(&ModelUsage, Tokens)> = usage
        .models
        .iter()
        .filter(|m| m.calls >= CALLS_MIN)
        .map(|m| (m, m.tokens()))
        .filter(|(m, tokens)| tokens.input / m.calls >= PROMPT_MIN)
        .collect();
    let advice = |(model, tokens): &(&ModelUsage, Tokens)| {
        let provider = book.provider(&model.provider);
        let same = long.iter().filter(|(other, _)| book.provider(&other.provider) == provider);
        let (other, best) = same.max_by(|(_, a), (_, b)| share(a).total_cmp(&share(b)))?;
        let example = u128::from(best.cached) * 100 >= u128::from(best.input) * EXAMPLE_PERCENT;
        if !example || share(tokens) * 2.0 >= share(best) {
            return None;
        }
        let (spent, saved, calls) = saved(model, best, book)?;
        let kind = Kind::PromptCache { share: share(tokens), other: other.model.clone(), reached: share(best) };
        let would_be = Money(spent.0 - saved.0);
        let about = (model.provider.as_str(), model.model.as_str());
        let advice = Advice::new(kind, about, calls, spent, would_be, usage.days)?;
        Some(Advice { sure: Sure::Depends, ..advice })
    };
    long.iter().filter_map(advice).collect()
}

/// The cached part of input.
#[expect(clippy::cast_precision_loss, reason = "a share is a float")]
fn share(tokens: &Tokens) -> f64 {
    tokens.cached as f64 / tokens.input.max(1) as f64
}

/// What calls cost, what of it would be saved if as much of their input were read from and written to the cache as of
/// `best`, and how many they are. The difference is that of list prices, whatever was really paid.
fn saved(model: &ModelUsage, best: &Tokens, book: &Book) -> Option<(Money, Money, u64)> {
    let prices = book.resolve(&model.provider, &model.model);
    let (mut spent, mut saved, mut calls) = (0_i128, 0_i128, 0);
    for part in model.parts.iter().filter(|part| part.unpriced == 0) {
        let now = priced(part, &part.tokens, &prices)?.0;
        let then = priced(part, &cached_like(&part.tokens, best), &prices)?.0;
        spent = spent.checked_add(part.cost.0)?;
        saved = saved.checked_add(now.0 - then.0)?;
        calls += part.calls;
    }
    (calls >= CALLS_MIN && saved > 0 && saved < spent).then_some((Money(spent), Money(saved), calls))
}

/// Tokens with the cached and written parts of input that `best` has.
fn cached_like(tokens: &Tokens, best: &Tokens) -> Tokens {
    let like = |part: u64| {
        let part = u128::from(tokens.input) * u128::from(part) / u128::from(best.input.max(1));
        u64::try_from(part).unwrap_or(u64::MAX)
    };
    Tokens {
        cached: like(best.cached),
        cache_write: like(best.cache_write),
        cache_write_1h: like(best.cache_write_1h),
        ..*tokens
    }
}
