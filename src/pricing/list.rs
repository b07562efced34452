//! A list of prices: read from text, asked by provider, model and time.
//!
//! A row is `provider model from input cached write write_1h output [above input cached write
//! write_1h output]`, separated by tabs; prices are US dollars a million tokens, `-` is none. A
//! class without a price costs as its parent: cached and written input as input, written for an
//! hour as written. Several rows of a model are its prices over time.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use ax_storage::time::Timestamp;

use super::name::{candidates, normalized, price_provider};
use super::{Long, Price, Rates};

/// The list that comes with the program.
const EMBEDDED: &str = include_str!("prices.tsv");

/// Providers that also sell another's models at that one's prices.
const RESELLERS: [(&str, &str); 1] = [("google", "anthropic")];

/// Prices by provider and model.
#[derive(Clone, Debug, Default)]
pub struct PriceList {
    /// Of each model, from old to new.
    models: BTreeMap<String, BTreeMap<String, Vec<Price>>>,
}

/// A price, and until when it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found<'a> {
    /// The price.
    pub price: &'a Price,
    /// When another follows it, if one does.
    pub until: Option<Timestamp>,
}

/// A row that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct BadRow {
    /// From 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: &'static str,
}

impl PriceList {
    /// The list that comes with the program. A test reads all of it.
    pub fn embedded() -> &'static Self {
        static LIST: OnceLock<PriceList> = OnceLock::new();
        LIST.get_or_init(|| Self::parse(EMBEDDED).unwrap_or_default())
    }

    /// Reads rows; empty lines and those from `#` on are nothing.
    ///
    /// # Errors
    /// The first row that is none.
    pub fn parse(text: &str) -> Result<Self, BadRow> {
        let mut list = Self::default();
        for (i, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let (provider, model, price) = row(line).map_err(|why| BadRow { line: i + 1, why })?;
            list.add(provider, model, price);
        }
        Ok(list)
    }

    /// Adds a price; one from the same time is replaced.
    pub fn add(&mut self, provider: &str, model: &str, price: Price) {
        let models = self.models.entry(price_provider(provider)).or_default();
        let prices = models.entry(normalized(model)).or_default();
        match prices.binary_search_by_key(&price.from, |p| p.from) {
            Ok(same) => prices[same] = price,
            Err(place) => prices.insert(place, price),
        }
    }

    /// The price of a model at a time; `None` when none is known.
    pub fn find(&self, provider: &str, model: &str, at: Timestamp) -> Option<Found<'_>> {
        let (provider, model) = (price_provider(provider), normalized(model));
        let resold = RESELLERS.iter().filter(|(seller, _)| *seller == provider).map(|(_, maker)| *maker);
        std::iter::once(provider.as_str()).chain(resold).find_map(|provider| {
            let models = self.models.get(provider)?;
            let prices = candidates(&model).find_map(|name| models.get(name))?;
            let next = prices.partition_point(|p| p.from <= at);
            let price = prices.get(next.checked_sub(1)?)?;
            Some(Found { price, until: prices.get(next).map(|p| p.from) })
        })
    }

    /// How many models have a price.
    pub fn len(&self) -> usize {
        self.models.values().map(BTreeMap::len).sum()
    }

    /// Whether no model has a price.
    pub fn is_empty(&self) -> bool {
        self.models.is_empty()
    }
}

fn row(line: &str) -> Result<(&str, &str, Price), &'static str> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [provider, model, from, rest @ ..] = fields.as_slice() else { return Err("a row has 8 or 14 fields") };
    let from = match *from {
        "-" => Timestamp::MIN,
        date => {
            let midnight = if date.contains('T') { "" } else { "T00:00:00Z" };
            format!("{date}{midnight}").parse().map(Timestamp::from_jiff).map_err(|_| "the date is none")?
        }
    };
    let (base, long) = match rest.len() {
        5 => (rest, None),
        11 => {
            let above = rest[5].parse().map_err(|_| "the length of long input is no number")?;
            (&rest[..5], Some(Long { above, rates: rates(&rest[6..])? }))
        }
        _ => return Err("a row has 8 or 14 fields"),
    };
    Ok((provider, model, Price { from, rates: rates(base)?, long }))
}

fn rates(fields: &[&str]) -> Result<Rates, &'static str> {
    let [input, cached, write, write_1h, output] = fields else { return Err("a row has 8 or 14 fields") };
    let missing = "input and output need a price";
    let (input, output) = (pico(input)?.ok_or(missing)?, pico(output)?.ok_or(missing)?);
    let cache_write = pico(write)?.unwrap_or(input);
    Ok(Rates {
        input,
        cached: pico(cached)?.unwrap_or(input),
        cache_write,
        cache_write_1h: pico(write_1h)?.unwrap_or(cache_write),
        output,
    })
}

/// Dollars a million tokens, at most 6 decimals, as pico-dollars a token.
fn pico(text: &str) -> Result<Option<u64>, &'static str> {
    if text == "-" {
        return Ok(None);
    }
    let wrong = "a price is a number of at most 9 figures and 6 decimals";
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || whole.len() > 9 || decimals.len() > 6 || !digits(whole) || !digits(decimals) {
        return Err(wrong);
    }
    format!("{whole}{decimals:0<6}").parse().map(Some).map_err(|_| wrong)
}
