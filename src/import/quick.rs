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
use super::when::utc;

mod digits;
mod line;

use digits::Decimal;

pub(crate) use line::Guesses;

/// A value as it stands in the text.
#[derive(Clone, Copy)]
pub(crate) enum Raw<'a> {
    Text(&'a str),
    Number(Decimal),
    Flag(bool),
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
    #[inline]
    pub(crate) fn push(&self, rules: &Rules, now: Timestamp, batch: &mut Batch) -> Option<()> {
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
