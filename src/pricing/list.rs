//! A list of prices by exact names, and the one that comes with the program.
//!
//! A row is `provider model from input cached write write_1h output [above input cached write
//! write_1h output]`, separated by tabs; prices are US dollars a million tokens, `-` is none. A
//! class without a price costs as its parent. Several rows of a model are its prices over time.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::decimal::pico_per_token;
use super::name::{candidates, normalized, price_provider};
use super::{Given, Long, Price, Rates, When};

/// The list that comes with the program.
const EMBEDDED: &str = include_str!("prices.tsv");

/// Prices by provider and model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PriceList {
    /// Of each model, from old to new.
    models: BTreeMap<String, BTreeMap<String, Vec<Price>>>,
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

    /// Adds a price; one that holds from the same time is replaced.
    pub fn add(&mut self, provider: &str, model: &str, price: Price) {
        let models = self.models.entry(price_provider(provider)).or_default();
        let prices = models.entry(normalized(model)).or_default();
        let from = |price: &Price| match price.when {
            When::From(from_ms) => (from_ms, 0),
            When::Daily { from_ms, to_ms } => (u64::MAX, u64::from(from_ms) << 32 | u64::from(to_ms)),
        };
        match prices.binary_search_by_key(&from(&price), from) {
            Ok(same) => prices[same] = price,
            Err(place) => prices.insert(place, price),
        }
    }

    /// The prices of a model over time, by its name and the provider that [`price_provider`] says.
    pub fn find(&self, provider: &str, model: &str) -> Option<&[Price]> {
        let models = self.models.get(provider)?;
        let model = normalized(model);
        candidates(&model).find_map(|name| models.get(name)).map(Vec::as_slice)
    }

    /// Every provider, model and its prices, in order of their names.
    pub fn rows(&self) -> impl Iterator<Item = (&str, &str, &[Price])> {
        self.models.iter().flat_map(|(provider, models)| {
            models.iter().map(|(model, prices)| (provider.as_str(), model.as_str(), prices.as_slice()))
        })
    }
}

fn row(line: &str) -> Result<(&str, &str, Price), &'static str> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [provider, model, from, rest @ ..] = fields.as_slice() else { return Err("a row has 8 or 14 fields") };
    let when = match *from {
        "-" => When::ALWAYS,
        date => {
            let midnight = if date.contains('T') { "" } else { "T00:00:00Z" };
            let from: jiff::Timestamp = format!("{date}{midnight}").parse().map_err(|_| "the date is none")?;
            When::From(u64::try_from(from.as_millisecond()).map_err(|_| "the date is none")?)
        }
    };
    let (base, long) = match rest.len() {
        5 => (rest, vec![]),
        11 => {
            let above = rest[5].parse().map_err(|_| "the length of long input is no number")?;
            (&rest[..5], vec![Long { above, rates: rates(&rest[6..])? }])
        }
        _ => return Err("a row has 8 or 14 fields"),
    };
    Ok((provider, model, Price { when, rates: rates(base)?, long }))
}

fn rates(fields: &[&str]) -> Result<Rates, &'static str> {
    let [input, cached, write, write_1h, output] = fields else { return Err("a row has 8 or 14 fields") };
    let given = Given {
        input: pico(input)?,
        cached: pico(cached)?,
        cache_write: pico(write)?,
        cache_write_1h: pico(write_1h)?,
        output: pico(output)?,
        reasoning: None,
    };
    match (given.input, given.output) {
        (Some(_), Some(_)) => Ok(given.complete()),
        _ => Err("input and output need a price"),
    }
}

fn pico(text: &str) -> Result<Option<u64>, &'static str> {
    match text {
        "-" => Ok(None),
        text => pico_per_token(text).map(Some).map_err(|_| "a price is a number of at most 9 figures and 6 decimals"),
    }
}
