//! The same tokens at other prices: of another model of the provider, of another provider of the model.

use ax_storage::event::Tokens;

use super::usage::{ModelUsage, Part, Usage};
use super::{Advice, CALLS_MIN, Class, Kind, Sure, alternatives};
use crate::metric::Money;
use crate::pricing::{self, Book, Discount, Price, Resolved, When};

/// What exceeds the list price by no more than this part is no mark-up.
const MARKED_UP_PART: i128 = 50;

/// Calls that can be compared, and what they cost there and here.
struct Compared {
    calls: u64,
    spent: Money,
    would_be: Money,
    /// All of it at the price that each call really has.
    exact: bool,
}

impl Compared {
    /// The same where list prices are exceeded as much as they are `here`, and whether they are. What is paid below the
    /// list here need not be so there.
    fn marked_up_like(self, here: &Self) -> Option<(Self, bool)> {
        let list = here.would_be.0.max(1);
        let above = here.spent.0 > list.checked_add(list / MARKED_UP_PART)?;
        if !above {
            return Some((self, false));
        }
        let would_be = Money(self.would_be.0.checked_mul(here.spent.0)? / list);
        Some((Self { would_be, exact: false, ..self }, true))
    }
}

/// Calls of a model as if another one of its provider had answered them: the best of each class.
pub(super) fn models(usage: &Usage, book: &Book) -> Vec<Advice> {
    let mut all = Vec::new();
    for model in usage.models.iter().filter(|m| m.calls >= CALLS_MIN) {
        let provider = book.provider(&model.provider);
        for class in [Class::Same, Class::Smaller] {
            let others = alternatives(&provider, &model.model).filter(|a| a.class == class);
            let advice = others.filter_map(|other| {
                let since = usage.range.is_some_and(|range| other.since <= range.end);
                let there = compare(model, &book.resolve(&model.provider, other.instead)).filter(|_| since)?;
                let here = compare(model, &book.resolve(&model.provider, &model.model))?;
                let (there, marked_up) = there.marked_up_like(&here)?;
                let kind = Kind::CheaperModel { instead: other.instead.to_owned(), class, marked_up };
                advice(kind, model, there, usage.days)
            });
            all.extend(advice.max_by_key(|a| a.saving));
        }
    }
    all
}

/// Calls of a model as if another provider that served it too had answered them.
pub(super) fn providers(usage: &Usage, book: &Book) -> Vec<Advice> {
    let served = |m: &&ModelUsage| m.calls >= CALLS_MIN;
    let advice = |model: &ModelUsage| {
        let others = usage.models.iter().filter(served).filter(|other| {
            book.provider(&other.provider) != book.provider(&model.provider)
                && released(&other.model) == released(&model.model)
        });
        let advice = others.filter_map(|other| {
            let there = compare(model, &book.resolve(&other.provider, &other.model))?;
            let kind =
                Kind::OtherProvider { instead: other.provider.clone(), model: other.model.clone(), calls: other.calls };
            advice(kind, model, there, usage.days)
        });
        advice.max_by_key(|a| a.saving)
    };
    usage.models.iter().filter(served).filter_map(advice).collect()
}

/// What a model is called whatever its release.
fn released(model: &str) -> String {
    let name = pricing::normalized(model);
    pricing::candidates(&name).last().unwrap_or(&name).to_owned()
}

fn advice(kind: Kind, model: &ModelUsage, there: Compared, days: u32) -> Option<Advice> {
    let about = (model.provider.as_str(), model.model.as_str());
    let mut advice = Advice::new(kind, about, there.calls, there.spent, there.would_be, days)?;
    if !there.exact {
        advice.sure = Sure::AtLeast;
    }
    Some(advice)
}

/// The calls of a model at the prices of another. Days with calls that have no price here are left out; `None`
/// where too few are left, or a price there is not known.
fn compare(model: &ModelUsage, prices: &Resolved) -> Option<Compared> {
    let mut sum = Compared { calls: 0, spent: Money(0), would_be: Money(0), exact: true };
    for part in model.parts.iter().filter(|part| part.unpriced == 0) {
        let (cost, exact) = priced(part, &part.tokens, prices)?;
        sum.calls += part.calls;
        sum.spent.0 = sum.spent.0.checked_add(part.cost.0)?;
        sum.would_be.0 = sum.would_be.0.checked_add(cost.0)?;
        sum.exact &= exact;
    }
    (sum.calls >= CALLS_MIN).then_some(sum)
}

/// What `tokens` cost that the calls of a part used together, and whether exactly that. Where a call of the day was
/// so long that it costs more, all of them are taken as that long: at most so much.
pub(super) fn priced(part: &Part, tokens: &Tokens, prices: &Resolved) -> Option<(Money, bool)> {
    // What depends on the hour cannot be told from a day.
    if prices.prices().iter().any(|p| matches!(p.price.when, When::Daily { .. })) {
        return None;
    }
    let price = &prices.at(part.start)?.price;
    let rates = *price.rates_for(part.longest);
    let discount = Discount::of(prices.provider(), &part.tier)?;
    let cost = pricing::cost(&Price { when: price.when, rates, long: Vec::new() }, tokens, discount);
    Some((Money(cost.nanos().into()), rates == price.rates))
}
