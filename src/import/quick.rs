//! The usual request, straight from its line to a row.
//!
//! Nearly all lines are requests with known fields, plain numbers and short names. They are read here in
//! one pass, without an allocation and without a text for errors. Whatever is unusual, everything wrong
//! included, is left to the readers that know all of it; the property tests hold them against each other.
//!
//! A program writes its members in one order, so each name is guessed from the line before and compared
//! as one number.

use ax_storage::event::{COST_NANOS_MAX, CostSource, LATENCY_US_MAX, NAME_BYTES_MAX, Tokens};
use ax_storage::row::{Batch, Body, Maybe, RequestRow, Row};
use ax_storage::time::{DAY_MS, Timestamp};

use super::fields::Rules;
use super::key::{Key, Keys};
use super::ndjson::plain_len;
use super::when::utc;

/// More members than there are fields are not usual.
const MEMBERS_MAX: usize = Key::ALL.len();
/// Digits that fit 64 bits whatever they are, their point not counted.
const DIGITS_MAX: usize = 18;
const POWERS_OF_TEN: [u64; 10] = [1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000];

/// A value as it stands in the text.
#[derive(Clone, Copy)]
pub(crate) enum Raw<'a> {
    Text(&'a str),
    Number(Decimal),
    Flag(bool),
}

/// `digits / 10^decimals`.
#[derive(Clone, Copy)]
pub(crate) struct Decimal {
    digits: u64,
    decimals: usize,
}

impl Decimal {
    /// The number that `text` begins with, and what follows it.
    #[inline]
    fn first(text: &[u8]) -> Option<(Self, &[u8])> {
        let (whole, whole_len) = digits(text)?;
        // JSON has no leading zeros.
        if whole_len == 0 || (whole_len > 1 && text[0] == b'0') {
            return None;
        }
        let rest = &text[whole_len..];
        let [b'.', fraction @ ..] = rest else { return Some((Self { digits: whole, decimals: 0 }, rest)) };
        let (part, decimals) = digits(fraction)?;
        if decimals == 0 || decimals >= POWERS_OF_TEN.len() || whole_len + decimals > DIGITS_MAX {
            return None;
        }
        let digits = whole * POWERS_OF_TEN[decimals] + part;
        Some((Self { digits, decimals }, &fraction[decimals..]))
    }

    /// `self * 10^scale` where that is whole.
    #[inline]
    fn scaled(self, scale: usize) -> Option<u64> {
        self.digits.checked_mul(*POWERS_OF_TEN.get(scale.checked_sub(self.decimals)?)?)
    }
}

/// The number that the digits at the beginning make, and how many they are; `None` when too many.
/// Eight at a time: pairs, then pairs of pairs, are added up in place.
#[inline]
fn digits(text: &[u8]) -> Option<(u64, usize)> {
    let (mut value, mut len) = (0u64, 0);
    while let Some(chunk) = text.get(len..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*chunk) ^ 0x3030_3030_3030_3030;
        // The top half of a byte is zero where a digit was, unless the low half is above nine.
        let strange = (word | word.wrapping_add(0x0606_0606_0606_0606)) & 0xf0f0_f0f0_f0f0_f0f0;
        let found = (strange.trailing_zeros() / 8) as usize;
        if found == 0 {
            return Some((value, len));
        }
        len += found;
        if len > DIGITS_MAX {
            return None;
        }
        // Zeros go before the digits that are there.
        let word = word << (8 * (8 - found));
        let word = (word.wrapping_mul(10) + (word >> 8)) & 0x00ff_00ff_00ff_00ff;
        let word = (word.wrapping_mul(100) + (word >> 16)) & 0x0000_ffff_0000_ffff;
        let eight = (word.wrapping_mul(10_000) + (word >> 32)) & 0xffff_ffff;
        value = value * POWERS_OF_TEN[found] + eight;
        if found < 8 {
            return Some((value, len));
        }
    }
    for digit in text[len..].iter().take_while(|b| b.is_ascii_digit()) {
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
        len += 1;
    }
    (len <= DIGITS_MAX).then_some((value, len))
}

/// The fields of a request; those not given are empty or zero.
#[derive(Default)]
pub(crate) struct Usual<'a> {
    /// Bits of [`Key::bit`].
    given: u32,
    ts: u64,
    provider: &'a str,
    model: &'a str,
    user: &'a str,
    error: &'a str,
    service_tier: &'a str,
    event_id: &'a str,
    latency_us: u64,
    ttft_us: u64,
    tokens: Tokens,
    cost_nanos: u64,
    cost_source: CostSource,
    ok: bool,
}

impl<'a> Usual<'a> {
    /// Takes a value; `None` = unusual.
    #[inline]
    pub(crate) fn set(&mut self, key: Key, value: Raw<'a>) -> Option<()> {
        if self.given & key.bit() != 0 {
            return None;
        }
        self.given |= key.bit();
        match value {
            Raw::Text(text) => self.set_text(key, text),
            Raw::Number(number) => self.set_number(key, number),
            Raw::Flag(flag) if key == Key::Ok => {
                self.ok = flag;
                Some(())
            }
            Raw::Flag(_) => None,
        }
    }

    #[inline]
    fn set_text(&mut self, key: Key, text: &'a str) -> Option<()> {
        let field = match key {
            Key::Provider => &mut self.provider,
            Key::Model => &mut self.model,
            Key::User => &mut self.user,
            Key::Error => &mut self.error,
            Key::ServiceTier => &mut self.service_tier,
            Key::EventId => &mut self.event_id,
            Key::Ts => {
                self.ts = utc(text.as_bytes())?.millis();
                return Some(());
            }
            Key::CostSource => {
                self.cost_source = match text {
                    "recorded" => CostSource::Recorded,
                    "computed" => CostSource::Computed,
                    _ => return None,
                };
                return Some(());
            }
            Key::Type => return (text == "request").then_some(()),
            _ => return None,
        };
        *field = text;
        (text.len() <= NAME_BYTES_MAX).then_some(())
    }

    #[inline]
    fn set_number(&mut self, key: Key, number: Decimal) -> Option<()> {
        let (field, scale, max) = match key {
            Key::Ts => (&mut self.ts, 0, Timestamp::MAX.millis()),
            Key::Latency => (&mut self.latency_us, 3, LATENCY_US_MAX),
            Key::Ttft => (&mut self.ttft_us, 3, LATENCY_US_MAX),
            Key::Cost => (&mut self.cost_nanos, 9, COST_NANOS_MAX),
            Key::Input => (&mut self.tokens.input, 0, u64::MAX),
            Key::Cached => (&mut self.tokens.cached, 0, u64::MAX),
            Key::CacheWrite => (&mut self.tokens.cache_write, 0, u64::MAX),
            Key::CacheWrite1h => (&mut self.tokens.cache_write_1h, 0, u64::MAX),
            Key::Output => (&mut self.tokens.output, 0, u64::MAX),
            Key::Reasoning => (&mut self.tokens.reasoning, 0, u64::MAX),
            _ => return None,
        };
        *field = number.scaled(scale)?;
        (*field <= max).then_some(())
    }

    const fn has(&self, key: Key) -> bool {
        self.given & key.bit() != 0
    }

    /// Adds the request to `batch`; `None` = unusual, and nothing was added.
    /// `priced` = what has no cost gets one from a price list.
    #[inline]
    pub(crate) fn push(&self, rules: &Rules, now: Timestamp, priced: bool, batch: &mut Batch) -> Option<()> {
        let ts = Timestamp::from_millis(self.ts);
        let times = rules.oldest.unwrap_or(Timestamp::YEAR_2000).max(Timestamp::YEAR_2000)..=now.plus_ms(DAY_MS);
        let defaults = &rules.defaults;
        let missing = |name: &str, default: &str| name.is_empty() && !default.is_empty();
        let unusual = !times.contains(&ts)
            || !self.has(Key::Ts)
            || self.provider.is_empty()
            || missing(self.model, &defaults.model)
            || missing(self.user, &defaults.user)
            || (self.ok && !self.error.is_empty())
            || (!self.has(Key::Cost) && (priced || self.has(Key::CostSource)))
            || self.tokens.check().is_err();
        if unusual {
            return None;
        }
        let cost_source = match (self.has(Key::Cost), self.has(Key::CostSource)) {
            (false, _) => CostSource::Unpriced,
            (true, false) => CostSource::Recorded,
            (true, true) => self.cost_source,
        };
        let names = &mut batch.names;
        let maybe = |key: Key, value: u64| Maybe::from(self.has(key).then_some(value));
        let body = RequestRow {
            ok: if self.has(Key::Ok) { self.ok } else { self.error.is_empty() },
            error: names.intern(self.error),
            service_tier: names.intern(self.service_tier),
            latency_us: maybe(Key::Latency, self.latency_us),
            ttft_us: maybe(Key::Ttft, self.ttft_us),
            tokens: self.tokens,
            cost_nanos: self.cost_nanos,
            cost_source,
        };
        let row = Row {
            ts,
            provider: names.intern(self.provider),
            model: names.intern(self.model),
            user: names.intern(self.user),
            event_id: names.intern(self.event_id),
            body: Body::Request(body),
        };
        batch.rows.push(row);
        Some(())
    }
}

/// The members' names of the line before, in their order.
#[derive(Default)]
pub(crate) struct Guesses {
    list: Vec<Guess>,
}

#[derive(Clone, Copy)]
struct Guess {
    /// The name with `":` behind it, as a number, and which of its bytes count.
    word: u128,
    mask: u128,
    len: usize,
    key: Key,
}

impl Guess {
    /// `None` for a name that does not fit into a number; what stands in its place never fits.
    fn of(name: &[u8], key: Key) -> Option<Self> {
        let len = name.len() + 2;
        let mask = if len < 16 { (1u128 << (8 * len)) - 1 } else { u128::MAX };
        let mut bytes = [0; 16];
        bytes.get_mut(..name.len())?.copy_from_slice(name);
        bytes.get_mut(name.len()..len)?.copy_from_slice(b"\":");
        Some(Self { word: u128::from_le_bytes(bytes), mask, len, key })
    }

    #[inline]
    fn fits(&self, rest: &[u8]) -> bool {
        let word = rest.first_chunk::<16>().map_or_else(|| padded(rest), |chunk| u128::from_le_bytes(*chunk));
        word & self.mask == self.word
    }
}

/// At most 16 bytes, zeros behind them: names have none.
fn padded(bytes: &[u8]) -> u128 {
    bytes.iter().rev().fold(0, |n, b| n << 8 | u128::from(*b))
}

impl Guesses {
    /// The fields of a line; `None` = unusual.
    #[inline]
    pub(crate) fn read<'a>(&mut self, line: &'a [u8], keys: &Keys) -> Option<Usual<'a>> {
        let mut usual = Usual::default();
        let mut rest = line.strip_prefix(b"{")?;
        for place in 0..MEMBERS_MAX {
            rest = rest.strip_prefix(b"\"")?;
            let key = match self.list.get(place) {
                Some(guess) if guess.fits(rest) => {
                    rest = &rest[guess.len..];
                    guess.key
                }
                _ => self.name(place, &mut rest, keys)?,
            };
            let value = value(&mut rest)?;
            usual.set(key, value)?;
            rest = match rest {
                [b'}'] => return Some(usual),
                [b',', b' ', rest @ ..] | [b',', rest @ ..] => rest,
                _ => return None,
            };
        }
        None
    }

    /// Looks the name up that `rest` begins with, and guesses it from now on.
    #[cold]
    fn name(&mut self, place: usize, rest: &mut &[u8], keys: &Keys) -> Option<Key> {
        let (name, behind) = rest.split_at(plain_len(rest)?);
        let key = keys.find(name)?;
        *rest = behind.strip_prefix(b"\":")?;
        self.list.truncate(place);
        if self.list.len() == place {
            self.list.push(Guess::of(name, key).unwrap_or(Guess { word: 1, mask: 0, len: 0, key }));
        }
        Some(key)
    }
}

/// Takes the value that `rest` begins with, perhaps behind a space.
#[inline]
fn value<'a>(rest: &mut &'a [u8]) -> Option<Raw<'a>> {
    if let Some(behind) = rest.strip_prefix(b" ") {
        *rest = behind;
    }
    match rest {
        [b'"', text @ ..] => {
            let (text, behind) = text.split_at(plain_len(text)?);
            *rest = behind.strip_prefix(b"\"")?;
            Some(Raw::Text(std::str::from_utf8(text).ok()?))
        }
        [b'0'..=b'9', ..] => {
            let (number, behind) = Decimal::first(rest)?;
            *rest = behind;
            Some(Raw::Number(number))
        }
        [b't', b'r', b'u', b'e', behind @ ..] => {
            *rest = behind;
            Some(Raw::Flag(true))
        }
        [b'f', b'a', b'l', b's', b'e', behind @ ..] => {
            *rest = behind;
            Some(Raw::Flag(false))
        }
        _ => None,
    }
}

/// The fields of a row without quotes; `None` = unusual. Empty cells are absent.
#[inline]
pub(crate) fn cells<'a>(row: &'a [u8], columns: &[Option<Key>]) -> Option<Usual<'a>> {
    let row = std::str::from_utf8(row).ok()?;
    let mut usual = Usual::default();
    let mut rest = Some(row);
    for key in columns {
        let text = rest?;
        let len = memchr::memchr(b',', text.as_bytes());
        let cell = &text[..len.unwrap_or(text.len())];
        rest = len.map(|len| &text[len + 1..]);
        match cell.as_bytes() {
            [] => continue,
            // A quoted cell, or one that is guarded from being a formula.
            [b'"' | b'\'', ..] => return None,
            _ => {}
        }
        if let Some(key) = *key {
            usual.set(key, cell_value(key, cell)?)?;
        }
    }
    rest.is_none().then_some(usual)
}

fn cell_value(key: Key, cell: &str) -> Option<Raw<'_>> {
    Some(match key {
        Key::Type | Key::EventId | Key::Provider | Key::Model | Key::User | Key::CostSource | Key::ServiceTier => {
            Raw::Text(cell)
        }
        Key::Error => Raw::Text(cell),
        Key::Ok => Raw::Flag(match cell {
            "true" => true,
            "false" => false,
            _ => return None,
        }),
        Key::Ts if cell.as_bytes().get(4) == Some(&b'-') => Raw::Text(cell),
        _ => match Decimal::first(cell.as_bytes())? {
            (number, []) => Raw::Number(number),
            _ => return None,
        },
    })
}

#[cfg(test)]
mod tests;
