//! Cost from tokens: what would be the widest column is nearly always a sum of tokens times prices.
//!
//! A block keeps the prices it finds by (series, failed or not, service tier) and, as an ordinary
//! column, what the prediction misses by: mostly nothing. The prediction is
//!
//! ```text
//! round((input - cached - written) * p0 + cached * p1 + (written - written_1h) * p2
//!       + written_1h * p3 + (output - reasoning) * p4 + reasoning * p5) / scale)
//! ```
//!
//! in wrapping u64 arithmetic, half to even; `scale` is 1 or, for prices finer than a nano-dollar a
//! token, 1000. Rows without prices and unpriced rows are predicted as 0. Because writer and reader
//! compute the same wrapping sum, any cost comes back whatever the prices are: finding good ones
//! is a matter of size, never of correctness.
//!
//! Finding them: a few rows of a key make a system of equations, solved exactly in integers (Bareiss
//! elimination); prices that are whole, not negative, and right for three rows in four are taken.
//! Where costs were rounded to whole nano-dollars no exact solution exists: then least squares in
//! floating point come close, and the nearest round prices that explain the rows are taken. Failed
//! calls are often free, hence the key.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::numbers::{Numbered, Numbers};
use crate::raw::schema::Column;
use crate::raw::wire::{Cursor, put_varint};

/// Token classes that do not overlap, each with its own price.
pub(super) const CLASSES: usize = 6;
/// Input that was neither read from nor written to a cache.
pub(super) const INPUT: usize = 0;
/// Output without reasoning.
pub(super) const OUTPUT: usize = 4;
/// Rows a price is judged by.
const SAMPLE_ROWS: usize = 24;
/// Of these, so many must come out right.
const AGREE_PERCENT: usize = 75;
/// Attempts with different rows.
const ATTEMPTS: usize = 6;
/// Prices finer than a nano-dollar are kept in units of 1e-12 dollars.
const FINE: u64 = 1000;
/// Most prices of a block, so that a key that never repeats cannot fill it.
const ENTRIES_MAX: usize = 4096;

/// What prices hang on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    pub(super) series: u32,
    pub(super) failed: bool,
    pub(super) tier: u32,
}

/// What [`classes`] takes, in its order.
pub(super) const TOKEN_COLUMNS: [Column; CLASSES] = [
    Column::InputTokens,
    Column::CachedTokens,
    Column::CacheWriteTokens,
    Column::CacheWrite1hTokens,
    Column::OutputTokens,
    Column::ReasoningTokens,
];

/// Tokens of one row by class, from the columns input, cached, written, written 1h, output, reasoning.
pub(super) fn classes([input, cached, write, hour, output, reasoning]: [u64; CLASSES]) -> [u64; CLASSES] {
    [
        input.wrapping_sub(cached).wrapping_sub(write),
        cached,
        write.wrapping_sub(hour),
        hour,
        output.wrapping_sub(reasoning),
        reasoning,
    ]
}

/// Prices of one key in units of 1 / scale nano-dollars a token.
pub(super) type Prices = [u64; CLASSES];

/// `tokens * prices`.
#[inline]
pub(super) fn product(tokens: &[u64; CLASSES], prices: &Prices) -> u64 {
    tokens.iter().zip(prices).fold(0, |sum, (t, p)| sum.wrapping_add(t.wrapping_mul(*p)))
}

/// `round(tokens * prices / scale)`.
fn predict(tokens: &[u64; CLASSES], prices: &Prices, scale: u64) -> u64 {
    let sum = product(tokens, prices);
    if scale == 1 { sum } else { half_even(sum, scale) }
}

fn half_even(sum: u64, scale: u64) -> u64 {
    let (whole, rest) = (sum / scale, sum % scale);
    whole + u64::from(2 * rest > scale || (2 * rest == scale && whole % 2 == 1))
}

/// The prices of a block, for look-ups.
#[derive(Debug, Default)]
pub(super) struct Table {
    scale: u64,
    /// Sorted by key.
    keys: Vec<Key>,
    /// In the same order.
    prices: Vec<Prices>,
    /// By `2 * series + failed`: the first entry of that series, or the end.
    first: Vec<u32>,
    /// Likewise the prices in service tier `of_tier`, when one was asked for.
    of_tier: Option<u64>,
    slots: Vec<Prices>,
}

impl Table {
    /// The prices for `key`, all 0 when there are none.
    pub(super) fn prices_of(&self, key: Key) -> &Prices {
        const NOTHING: &Prices = &[0; CLASSES];
        let slot = 2 * key.series as usize + usize::from(key.failed);
        let first = self.first.get(slot).map_or(self.keys.len(), |first| *first as usize);
        // Service tiers are nearly always one a series.
        for (found, prices) in self.keys[first..].iter().zip(&self.prices[first..]) {
            if *found == key {
                return prices;
            }
            if found.series != key.series || found.failed != key.failed {
                break;
            }
        }
        NOTHING
    }

    /// Prices in service tier `tier` by `2 * series + failed`; those beyond the end are 0. Found once a block.
    pub(super) fn slots(&mut self, tier: u64) -> &[Prices] {
        if self.of_tier != Some(tier) {
            let slot = |at: u32| *self.prices_of(Key { series: at / 2, failed: at % 2 == 1, tier: tier as u32 });
            self.slots = (0..self.first.len() as u32).map(slot).collect();
            self.of_tier = Some(tier);
        }
        &self.slots
    }

    /// What `tokens` cost under `key`.
    pub(super) fn predict(&self, key: Key, tokens: &[u64; CLASSES]) -> u64 {
        predict(tokens, self.prices_of(key), self.scale)
    }

    /// Turns sums into nano-dollars.
    pub(super) fn round(&self, sums: &mut [u64]) {
        if self.scale != 1 {
            // The divisor is a constant, so that no division is left.
            sums.iter_mut().for_each(|sum| *sum = half_even(*sum, FINE));
        }
    }

    fn new(scale: u64, mut entries: Vec<(Key, Prices)>) -> Self {
        let mut table = Self { scale, ..Self::default() };
        entries.sort_unstable_by_key(|(key, _)| *key);
        entries.iter().for_each(|(key, prices)| table.push(*key, prices));
        table.index();
        table
    }

    fn push(&mut self, key: Key, prices: &Prices) {
        self.keys.push(key);
        self.prices.push(*prices);
    }

    fn index(&mut self) {
        let slots = self.keys.last().map_or(0, |k| 2 * k.series as usize + 2);
        self.of_tier = None;
        self.first.clear();
        self.first.resize(slots, self.keys.len() as u32);
        for (i, key) in self.keys.iter().enumerate().rev() {
            self.first[2 * key.series as usize + usize::from(key.failed)] = i as u32;
        }
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, self.scale);
        put_varint(out, self.keys.len() as u64);
        for (key, prices) in self.keys.iter().zip(&self.prices) {
            put_varint(out, 2 * u64::from(key.series) + u64::from(key.failed));
            put_varint(out, key.tier.into());
            prices.iter().for_each(|price| put_varint(out, *price));
        }
    }

    /// Reads a table into this one; series must be below `series`.
    pub(super) fn decode(&mut self, c: &mut Cursor<'_>, series: usize) -> Option<()> {
        self.scale = c.varint()?;
        if self.scale != 1 && self.scale != FINE {
            return None;
        }
        self.keys.clear();
        self.prices.clear();
        for _ in 0..c.count(2 + CLASSES)? {
            let slot = c.varint()?;
            let key = Key { series: u32::try_from(slot / 2).ok()?, failed: slot % 2 == 1, tier: c.varint_u32()? };
            let ascending = self.keys.last().is_none_or(|last| *last < key);
            if key.series as usize >= series || !ascending {
                return None;
            }
            let mut prices = [0; CLASSES];
            for price in &mut prices {
                *price = c.varint()?;
            }
            self.push(key, &prices);
        }
        self.index();
        Some(())
    }
}

/// Finds prices block by block and remembers them, as they rarely change.
#[derive(Default)]
pub(super) struct Finder {
    known: HashMap<Key, Prices, RandomState>,
}

/// A row that has a price.
#[derive(Clone, Copy)]
pub(super) struct Priced {
    pub(super) tokens: [u64; CLASSES],
    pub(super) cost: u64,
}

/// The first rows of a key in a block, spread over it.
#[derive(Default)]
struct Sample {
    seen: usize,
    rows: Vec<u32>,
}

impl Numbered for Key {
    #[inline]
    fn place(self) -> u32 {
        self.series.wrapping_mul(2) + u32::from(self.failed)
    }
}

impl Finder {
    /// Prices for these rows; `None` when they help less than half of them. `keys` gives the key of each, or `None`
    /// for one without a price, and `row` the row at a place.
    pub(super) fn find(
        &mut self,
        keys: impl Iterator<Item = Option<Key>>,
        row: impl Fn(usize) -> Priced,
    ) -> Option<Table> {
        let (mut numbers, mut samples) = (Numbers::default(), Vec::<Sample>::new());
        for (i, key) in keys.enumerate() {
            let Some(key) = key else { continue };
            let number = numbers.of(key) as usize;
            samples.resize_with(numbers.list().len(), Sample::default);
            let sample = &mut samples[number];
            sample.seen += 1;
            // The first rows, then ever sparser ones in their place: all of the block has a say.
            if sample.rows.len() < SAMPLE_ROWS {
                sample.rows.push(i as u32);
            } else if sample.seen.is_power_of_two() {
                let place = sample.seen.trailing_zeros() as usize % SAMPLE_ROWS;
                sample.rows[place] = i as u32;
            }
        }
        let mut entries = Vec::new();
        let mut helped = 0;
        let mut priced = 0;
        for (&key, sample) in numbers.list().iter().zip(samples) {
            priced += sample.seen;
            let rows: Vec<Priced> = sample.rows.iter().map(|&i| row(i as usize)).collect();
            let Some(prices) = self.prices(key, &rows) else { continue };
            helped += sample.seen;
            // Without an entry the prediction is 0 as well.
            if prices != [0; CLASSES] {
                entries.push((key, prices));
            }
        }
        if helped * 2 < priced || priced == 0 || entries.len() > ENTRIES_MAX {
            return None;
        }
        let fine = entries.iter().any(|(_, prices)| prices.iter().any(|p| p % FINE != 0));
        if !fine {
            entries.iter_mut().for_each(|(_, prices)| prices.iter_mut().for_each(|p| *p /= FINE));
        }
        Some(Table::new(if fine { FINE } else { 1 }, entries))
    }

    /// Prices of one key in 1e-12 dollars a token.
    fn prices(&mut self, key: Key, sample: &[Priced]) -> Option<Prices> {
        let good = |prices: &Prices| agrees(prices, sample);
        if let Some(prices) = self.known.get(&key).filter(|p| good(p)) {
            return Some(*prices);
        }
        if good(&[0; CLASSES]) {
            return Some([0; CLASSES]);
        }
        let step = sample.len().div_ceil(ATTEMPTS).max(1);
        let exact = (0..ATTEMPTS).filter_map(|a| solve(sample, a * step)).find(|p| good(p));
        let found = exact.or_else(|| round_prices(sample).find(|p| good(p)))?;
        self.known.insert(key, found);
        Some(found)
    }
}

fn agrees(prices: &Prices, sample: &[Priced]) -> bool {
    let right = sample.iter().filter(|row| predict(&row.tokens, prices, FINE) == row.cost).count();
    right * 100 >= sample.len() * AGREE_PERCENT
}

/// Round prices near the least-squares solution, the roundest first.
fn round_prices(sample: &[Priced]) -> impl Iterator<Item = Prices> {
    const UNITS: [f64; 8] = [500.0, 250.0, 100.0, 50.0, 25.0, 10.0, 5.0, 1.0];
    let near = least_squares(sample);
    UNITS.into_iter().map(move |unit| near.map(|p| ((p / unit).round() * unit).max(0.0) as u64))
}

/// Prices in 1e-12 dollars that come nearest to all rows; 0 for classes that do not occur or
/// cannot be told apart.
fn least_squares(sample: &[Priced]) -> [f64; CLASSES] {
    let mut normal = [[0.0; CLASSES + 1]; CLASSES];
    for row in sample {
        let tokens = row.tokens.map(|t| t as f64);
        let cost = row.cost as f64 * FINE as f64;
        for (line, a) in normal.iter_mut().zip(tokens) {
            line.iter_mut().zip(tokens.into_iter().chain([cost])).for_each(|(n, b)| *n += a * b);
        }
    }
    let size: [f64; CLASSES] = std::array::from_fn(|i| normal[i][i]);
    for i in 0..CLASSES {
        // What is left of a class beside the others: next to nothing when it depends on them.
        if normal[i][i] <= size[i] * 1e-9 {
            continue;
        }
        let line = normal[i];
        for (_, other) in normal.iter_mut().enumerate().filter(|(j, _)| *j != i) {
            let times = other[i] / line[i];
            other.iter_mut().zip(line).for_each(|(o, l)| *o -= times * l);
        }
    }
    std::array::from_fn(|i| if normal[i][i] <= size[i] * 1e-9 { 0.0 } else { normal[i][CLASSES] / normal[i][i] })
}

/// A row of the system of equations: tokens by class, then the cost.
type Equation = [i128; CLASSES + 1];

/// Solves for the prices of the classes that occur, from independent rows beginning with number
/// `start`. `None` when the solution is not whole or is negative, or the numbers grow too large.
fn solve(sample: &[Priced], start: usize) -> Option<Prices> {
    let used: Vec<usize> = (0..CLASSES).filter(|&c| sample.iter().any(|row| row.tokens[c] > 0)).collect();
    let mut echelon: Vec<(usize, Equation)> = Vec::new();
    for i in 0..sample.len() {
        if echelon.len() == used.len() {
            break;
        }
        let row = sample[(start + i) % sample.len()];
        let mut equation = [0; CLASSES + 1];
        for &c in &used {
            equation[c] = i128::from(row.tokens[c]);
        }
        equation[CLASSES] = i128::from(row.cost) * i128::from(FINE);
        for (pivot, known) in &echelon {
            eliminate(&mut equation, known, *pivot)?;
        }
        if let Some(&pivot) = used.iter().find(|&&c| equation[c] != 0) {
            for (_, known) in echelon.iter_mut() {
                eliminate(known, &equation, pivot)?;
            }
            echelon.push((pivot, equation));
        }
    }
    let mut prices = [0; CLASSES];
    for (pivot, equation) in &echelon {
        let (whole, rest) = (equation[CLASSES] / equation[*pivot], equation[CLASSES] % equation[*pivot]);
        if rest != 0 {
            return None;
        }
        prices[*pivot] = u64::try_from(whole).ok()?;
    }
    Some(prices)
}

/// Takes the multiple of `known` off `equation` that makes its `pivot` zero, in whole numbers,
/// divided by what they then have in common.
fn eliminate(equation: &mut Equation, known: &Equation, pivot: usize) -> Option<()> {
    if equation[pivot] == 0 {
        return Some(());
    }
    let (a, b) = (known[pivot], equation[pivot]);
    let mut common = 0u128;
    for (e, k) in equation.iter_mut().zip(known) {
        *e = e.checked_mul(a)?.checked_sub(k.checked_mul(b)?)?;
        common = gcd(e.unsigned_abs(), common);
    }
    if common > 1 {
        let common = i128::try_from(common).ok()?;
        equation.iter_mut().for_each(|e| *e /= common);
    }
    Some(())
}

fn gcd(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(count: u64, cost: impl Fn(u64, &[u64; CLASSES]) -> u64) -> Vec<Priced> {
        let mut state = 7u64;
        let mut next = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        (0..count)
            .map(|i| {
                let (cached, reasoning) = (next(500), next(300));
                let tokens = classes([1000 + next(4000), cached, 0, 0, 300 + next(900), reasoning]);
                let cost = cost(i, &tokens);
                Priced { tokens, cost }
            })
            .collect()
    }

    fn misses(rows: &[Priced]) -> Option<usize> {
        let keys = rows.iter().map(|_| Some(Key::default()));
        let table = Finder::default().find(keys, |i| rows[i])?;
        let wrong = |row: &&Priced| table.predict(Key::default(), &row.tokens) != row.cost;
        Some(rows.iter().filter(wrong).count())
    }

    #[test]
    fn whole_prices_are_found_exactly() {
        let linear = |t: &[u64; CLASSES]| t[0] * 3000 + t[1] * 300 + (t[4] + t[5]) * 15_000;
        assert_eq!(misses(&rows(5000, |_, t| linear(t))), Some(0));
        // One call in ten costs something else.
        assert_eq!(misses(&rows(5000, |i, t| linear(t) + if i % 10 == 9 { 12_345 } else { 0 })), Some(500));
    }

    #[test]
    fn prices_below_a_nano_dollar_are_found_under_their_rounding() {
        for (input, cached, output) in [(37_500u64, 2_500, 150_000), (75_500, 18_750, 300_000), (100, 25, 400)] {
            let cost = |t: &[u64; CLASSES]| half_even(t[0] * input + t[1] * cached + (t[4] + t[5]) * output, FINE);
            let missed = misses(&rows(5000, |_, t| cost(t)));
            assert_eq!(missed, Some(0), "{input} {cached} {output}");
        }
    }

    #[test]
    fn costs_without_a_rule_are_left_alone() {
        assert_eq!(misses(&rows(5000, |i, t| t[0].wrapping_mul(i * 77_777) % 1_000_003)), None);
    }
}
