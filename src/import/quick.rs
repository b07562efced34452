//! The usual request, straight from its line to a row.
//!
//! Nearly all lines are requests with known fields, plain numbers and short names. They are read here in
//! one pass, without an allocation and without a text for errors. Whatever is unusual, everything wrong
//! included, is left to the readers that know all of it; the property tests hold them against each other.

use ax_storage::event::{COST_NANOS_MAX, CostSource, LATENCY_US_MAX, NAME_BYTES_MAX, Tokens};
use ax_storage::row::{Batch, Body, Maybe, RequestRow, Row};
use ax_storage::time::{DAY_MS, Timestamp};

use super::fields::Rules;
use super::key::Key;
use super::ndjson::{ONES, zeros};
use super::when::utc;

mod digits;
mod line;

use digits::Decimal;

pub(crate) use line::Guesses;

/// A value as it stands in the text.
#[derive(Clone, Copy)]
pub(crate) enum Raw<'a> {
    /// Of any bytes: names are looked up as they are, and only new ones must be UTF-8 first.
    Text(&'a [u8]),
    Number(Decimal),
    Flag(bool),
}

/// The fields of a request; those not given are empty or zero.
#[derive(Default)]
pub(crate) struct Usual<'a> {
    /// Bits of [`Key::bit`].
    given: u32,
    ts: u64,
    provider: &'a [u8],
    model: &'a [u8],
    user: &'a [u8],
    error: &'a [u8],
    service_tier: &'a [u8],
    event_id: &'a [u8],
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
    fn set_text(&mut self, key: Key, text: &'a [u8]) -> Option<()> {
        let field = match key {
            Key::Provider => &mut self.provider,
            Key::Model => &mut self.model,
            Key::User => &mut self.user,
            Key::Error => &mut self.error,
            Key::ServiceTier => &mut self.service_tier,
            Key::EventId => &mut self.event_id,
            Key::Ts => {
                self.ts = utc(text)?.millis();
                return Some(());
            }
            Key::CostSource => {
                self.cost_source = match text {
                    b"recorded" => CostSource::Recorded,
                    b"computed" => CostSource::Computed,
                    _ => return None,
                };
                return Some(());
            }
            Key::Type => return (text == b"request").then_some(()),
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

    /// Adds the request to `batch`; `None` = unusual, and no row was added.
    #[inline]
    pub(crate) fn push(&self, rules: &Rules, now: Timestamp, batch: &mut Batch) -> Option<()> {
        let ts = Timestamp::from_millis(self.ts);
        let times = rules.oldest.unwrap_or(Timestamp::YEAR_2000).max(Timestamp::YEAR_2000)..=now.plus_ms(DAY_MS);
        let defaults = &rules.defaults;
        let missing = |name: &[u8], default: &str| name.is_empty() && !default.is_empty();
        let unusual = !times.contains(&ts)
            || !self.has(Key::Ts)
            || self.provider.is_empty()
            || missing(self.model, &defaults.model)
            || missing(self.user, &defaults.user)
            || (self.ok && !self.error.is_empty())
            || (!self.has(Key::Cost) && self.has(Key::CostSource))
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
            error: names.intern_bytes(self.error)?,
            service_tier: names.intern_bytes(self.service_tier)?,
            latency_us: maybe(Key::Latency, self.latency_us),
            ttft_us: maybe(Key::Ttft, self.ttft_us),
            tokens: self.tokens,
            cost_nanos: self.cost_nanos,
            cost_source,
        };
        let row = Row {
            ts,
            provider: names.intern_bytes(self.provider)?,
            model: names.intern_bytes(self.model)?,
            user: names.intern_bytes(self.user)?,
            event_id: names.intern_bytes(self.event_id)?,
            body: Body::Request(body),
        };
        batch.rows.push(row);
        Some(())
    }
}

/// Reads the fields of a row without quotes; `None` = unusual. Empty cells are absent.
#[inline]
pub(crate) fn cells<'a>(row: &'a [u8], columns: &[Option<Key>], usual: &mut Usual<'a>) -> Option<()> {
    let mut rest = row;
    for (place, key) in columns.iter().enumerate() {
        if place > 0 {
            rest = rest.strip_prefix(b",")?;
        }
        match (key, rest) {
            (_, [] | [b',', ..]) => {}
            (Some(key), _) => usual.set(*key, cell_value(*key, &mut rest)?)?,
            (None, _) => drop(std::str::from_utf8(cell_text(&mut rest)?).ok()?),
        }
    }
    rest.is_empty().then_some(())
}

/// Takes the cell that `rest` begins with; a comma or the end must follow.
#[inline]
fn cell_value<'a>(key: Key, rest: &mut &'a [u8]) -> Option<Raw<'a>> {
    match key {
        Key::Type | Key::EventId | Key::Provider | Key::Model | Key::User | Key::CostSource | Key::ServiceTier => {
            cell_text(rest).map(Raw::Text)
        }
        Key::Error => cell_text(rest).map(Raw::Text),
        Key::Ts if rest.get(4) == Some(&b'-') => cell_text(rest).map(Raw::Text),
        Key::Ok => {
            let flag = rest.starts_with(b"true");
            *rest = rest.strip_prefix(if flag { &b"true"[..] } else { b"false" })?;
            Some(Raw::Flag(flag))
        }
        _ => {
            let (number, behind) = Decimal::first(rest)?;
            *rest = behind;
            Some(Raw::Number(number))
        }
    }
}

/// Takes a cell without quotes and escapes.
#[inline]
fn cell_text<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    // A quoted cell, or one that is guarded from being a formula.
    if matches!(rest, [b'"' | b'\'', ..]) {
        return None;
    }
    let len = find_one_of(rest, [b',', b'\\']).unwrap_or(rest.len());
    let (text, behind) = rest.split_at(len);
    *rest = behind;
    (behind.first() != Some(&b'\\')).then_some(text)
}

/// Where the first of two bytes is.
#[inline]
fn find_one_of(bytes: &[u8], [one, other]: [u8; 2]) -> Option<usize> {
    let mut len = 0;
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let x = u64::from_le_bytes(chunk.try_into().ok()?);
        let found = zeros(x ^ (ONES * u64::from(one))) | zeros(x ^ (ONES * u64::from(other)));
        if found != 0 {
            return Some(len + found.trailing_zeros() as usize / 8);
        }
        len += 8;
    }
    chunks.remainder().iter().position(|b| *b == one || *b == other).map(|at| len + at)
}

#[cfg(test)]
mod tests;
