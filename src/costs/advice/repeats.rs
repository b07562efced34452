//! Identical requests that came again: how many more a response cache would have found, had its entries lived longer.

use std::collections::HashMap;
use std::hash::RandomState;

use ax_storage::time::{DAY_MS, HOUR_MS, Timestamp};

use super::{Advice, CALLS_MIN, Kind, Sure};
use crate::metric::Money;

/// Most look-ups that are compared: the newest.
pub const LOOK_UPS_MAX: usize = 200_000;
/// Lives of an entry that are tried, in milliseconds: what caches are usually set to.
pub const LIVES_MS: [u64; 5] = [5 * 60_000, HOUR_MS, 6 * HOUR_MS, DAY_MS, 7 * DAY_MS];
/// The life that is advised reaches this part of what the longest does, in per cent.
const REACHED_PERCENT: u64 = 90;

/// A look-up in the application's cache, by its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LookUp {
    /// When.
    pub at: Timestamp,
    /// Any number that tells keys apart.
    pub key: u64,
    /// Found.
    pub hit: bool,
    /// What that saved, if it says.
    pub saved: Option<u64>,
}

/// What longer lives of entries would have found and saved, from look-ups in order of time over `days`. What a hit
/// saves is what hits saved that say so, on average. `None` where no hit says so, where few look-ups have a key, or
/// where no key came again.
pub fn repeats(look_ups: &[LookUp], days: u32) -> Option<Advice> {
    let all = look_ups.len() as u64;
    let hits = look_ups.iter().filter(|l| l.hit).count() as u64;
    let told: Vec<u64> = look_ups.iter().filter_map(|l| l.saved.filter(|_| l.hit)).collect();
    if all < CALLS_MIN || (told.len() as u64) < CALLS_MIN || days == 0 {
        return None;
    }
    let missed = missed_within(look_ups);
    let longest = missed[missed.len() - 1];
    let place = missed.iter().position(|n| n * 100 >= longest * REACHED_PERCENT)?;
    let (more, life_ms) = (missed[place], LIVES_MS[place]);
    if more < CALLS_MIN {
        return None;
    }
    let saved = told.iter().map(|s| u128::from(*s)).sum::<u128>();
    let spent = Money::from(saved * u128::from(more) / told.len() as u128);
    #[expect(clippy::cast_precision_loss, reason = "a share is a float")]
    let share = |n: u64| n as f64 / all as f64;
    let curve = LIVES_MS.iter().zip(missed).map(|(life, n)| (*life, share(hits + n))).collect();
    let kind = Kind::ResponseCache { found: share(hits), curve, life_ms };
    let advice = Advice::new(kind, ("", ""), more, spent, Money(0), days)?;
    Some(Advice { sure: Sure::Depends, ..advice })
}

/// Of the look-ups that found nothing, how many had one of the same key before within each of the lives.
fn missed_within(look_ups: &[LookUp]) -> [u64; LIVES_MS.len()] {
    let mut last: HashMap<u64, Timestamp, RandomState> = HashMap::new();
    let mut missed = [0; LIVES_MS.len()];
    for look_up in look_ups {
        let before = last.insert(look_up.key, look_up.at);
        let Some(since) = before.filter(|_| !look_up.hit).map(|t| look_up.at.since(t)) else { continue };
        for (count, life) in missed.iter_mut().zip(LIVES_MS) {
            *count += u64::from(since <= life);
        }
    }
    missed
}
