//! Advice on spending less, each with the numbers it rests on.
//!
//! ```text
//! 30 complete days by provider, model, status and service tier ─► Usage ─┬─► cheaper   the same tokens at other prices
//!                                                                        ├─► prompts   as much input cached as elsewhere
//!                                                                        ├─► failures  paid for and of no use
//!                                                                        └─► growth    the last week against those before
//! look-ups of the application's own cache, by key ───────────────────────► repeats     had entries lived longer
//! ```
//! Nothing is said of fewer than [`CALLS_MIN`] calls, of less than [`DAYS_MIN`] days, or of less than a hundredth of
//! what is spent. Tokens are priced in integers; where only a bound is known, it is the one that saves less.

mod alternatives;
mod cheaper;
mod growth;
mod prompts;
mod repeats;
mod usage;

use ax_storage::time::{TimeRange, Timestamp};
use jiff::ToSpan;

use crate::calendar::Calendar;
use crate::metric::Money;
use crate::pricing::Book;

pub use alternatives::{Alternative, Class, alternatives};
pub use growth::{WEEKS, user_plans, users};
pub use repeats::{LIVES_MS, LOOK_UPS_MAX, LookUp, repeats};
pub use usage::{Usage, plan};

/// Days looked at, which is also what a month is taken as.
pub const DAYS: u32 = 30;
/// Fewest complete days that anything is said of.
pub const DAYS_MIN: u32 = 7;
/// Fewest calls that anything is said of.
pub const CALLS_MIN: u64 = 100;
/// The same for calls that failed, each of which should not have been.
pub const FAILURES_MIN: u64 = 20;
/// A saving below this part of all spend is left out.
const PART_MIN: i128 = 100;
/// Most pieces of advice.
const ADVICE_MAX: usize = 12;
/// Part of the calls that a smaller model is counted for: not all calls are easy ones.
const SMALLER_PERCENT: i128 = 30;

/// What an advice is about.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Calls of a model would cost less at another of the same provider.
    CheaperModel {
        /// The other model.
        instead: String,
        /// How it compares.
        class: Class,
        /// The calls cost more than list prices say, and are taken to cost as much more there.
        marked_up: bool,
    },
    /// Calls of a model would cost less at another provider that served it too.
    OtherProvider {
        /// The other provider.
        instead: String,
        /// The model's name there.
        model: String,
        /// Calls that it served.
        calls: u64,
    },
    /// Less of a model's input comes from the provider's cache than of another model's.
    PromptCache {
        /// Cached part of its input, 0..=1.
        share: f64,
        /// The model that reaches more.
        other: String,
        /// What that one reaches.
        reached: f64,
    },
    /// Identical requests came again after their cache entry had ended.
    ResponseCache {
        /// Of all look-ups with a key so many were found, 0..=1.
        found: f64,
        /// How many would have been, by life of an entry in milliseconds.
        curve: Vec<(u64, f64)>,
        /// The life that is advised.
        life_ms: u64,
    },
    /// Calls failed and were paid for.
    PaidFailures,
    /// More is spent than in the weeks before.
    Growth {
        /// Spent in the last 7 days.
        week: Money,
        /// The middle one of the weeks before.
        usual: Money,
        /// Their dearest.
        highest: Money,
        /// How many they are.
        weeks: usize,
    },
}

/// How sure a saving is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sure {
    /// Calculated from the very tokens of the calls.
    Calculated,
    /// At least so much: where a price is not known for sure, the higher one is taken.
    AtLeast,
    /// It rests on something that the events do not tell.
    Depends,
}

impl Sure {
    /// As users read it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Calculated => "calculated",
            Self::AtLeast => "at_least",
            Self::Depends => "depends",
        }
    }
}

/// A way to spend less, with its arithmetic.
#[derive(Clone, Debug, PartialEq)]
pub struct Advice {
    /// What it is about.
    pub kind: Kind,
    /// Whose calls; empty where all are meant.
    pub provider: String,
    /// Which model's calls, likewise.
    pub model: String,
    /// Which user's calls, likewise.
    pub user: String,
    /// Calls looked at.
    pub calls: u64,
    /// What they cost in the days looked at.
    pub spent: Money,
    /// What they would have cost, had all of them been as advised.
    pub would_be: Money,
    /// What 10, 30 and 100 % of them done so save in a month.
    pub shares: [Money; 3],
    /// What is expected of it in a month: one of the shares.
    pub saving: Money,
    /// How sure that is.
    pub sure: Sure,
}

/// The parts of the calls whose saving is told, in per cent.
pub const SHARES: [i128; 3] = [10, 30, 100];

impl Advice {
    /// An advice on `calls` that cost `spent` in `days` and would have cost `would_be`; `None` when that saves nothing.
    fn new(kind: Kind, about: (&str, &str), calls: u64, spent: Money, would_be: Money, days: u32) -> Option<Self> {
        let less = spent.0.checked_sub(would_be.0).filter(|less| *less > 0)?;
        let month = less.checked_mul(i128::from(DAYS))? / i128::from(days.max(1));
        let shares = SHARES.map(|percent| Money(month * percent / 100));
        let percent = match kind {
            Kind::CheaperModel { class: Class::Smaller, .. } => SMALLER_PERCENT,
            _ => 100,
        };
        Some(Self {
            kind,
            provider: about.0.to_owned(),
            model: about.1.to_owned(),
            user: String::new(),
            calls,
            spent,
            would_be,
            shares,
            saving: Money(month * percent / 100),
            sure: Sure::Calculated,
        })
    }

    /// Whether it names money that need not be spent, and not only that more is spent than usual.
    pub fn is_a_saving(&self) -> bool {
        !matches!(self.kind, Kind::Growth { .. })
    }
}

/// The days that advice looks at: complete ones up to now.
pub fn window(now: Timestamp, calendar: &Calendar<'_>) -> TimeRange {
    let today = calendar.date(now);
    TimeRange::new(calendar.midnight(today.saturating_sub(i64::from(DAYS).days())), calendar.midnight(today))
}

/// What can be said of calls, the greatest saving first, from the answer to [`plan`].
pub fn advise(usage: &Usage, book: &Book) -> Vec<Advice> {
    if usage.days < DAYS_MIN {
        return Vec::new();
    }
    let mut all = cheaper::models(usage, book);
    all.extend(cheaper::providers(usage, book));
    all.extend(prompts::prompts(usage, book));
    all.extend(failures(usage));
    all.extend(growth::models(usage));
    worth_saying(all, usage)
}

/// Those that save enough to be read, the greatest first; what only grew comes last.
pub fn worth_saying(mut all: Vec<Advice>, usage: &Usage) -> Vec<Advice> {
    let least = usage.spent.0 * i128::from(DAYS) / i128::from(usage.days.max(1)) / PART_MIN;
    all.retain(|advice| advice.saving.0 >= least.max(1));
    let name = |a: &Advice| (a.provider.clone(), a.model.clone(), a.user.clone());
    all.sort_by_key(|a| (!a.is_a_saving(), std::cmp::Reverse(a.saving), name(a)));
    all.truncate(ADVICE_MAX);
    all
}

/// What all of them save in a month: of several about the same calls only the greatest counts. What cached answers would
/// save is left out: it is no part of what these calls cost.
pub fn saving(all: &[Advice]) -> Money {
    let mut counted: Vec<(&str, &str)> = Vec::new();
    let mut sum = 0_i128;
    // The greatest stand first.
    for advice in all.iter().filter(|a| a.is_a_saving()) {
        let about = (advice.provider.as_str(), advice.model.as_str());
        match advice.kind {
            Kind::ResponseCache { .. } => continue,
            // These are other calls than those that succeeded.
            Kind::PaidFailures => {}
            _ if counted.contains(&about) => continue,
            _ => counted.push(about),
        }
        sum = sum.saturating_add(advice.saving.0);
    }
    Money(sum)
}

/// Calls that failed and were paid for.
fn failures(usage: &Usage) -> Vec<Advice> {
    let paid = usage.models.iter().filter(|m| m.failed_calls >= FAILURES_MIN);
    paid.filter_map(|m| {
        let about = (m.provider.as_str(), m.model.as_str());
        Advice::new(Kind::PaidFailures, about, m.failed_calls, m.failed_cost, Money(0), usage.days)
    })
    .collect()
}

#[cfg(test)]
mod tests;
