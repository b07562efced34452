//! Prices as the settings file writes them, and the lists in force for a command.

use std::collections::BTreeMap;

use ax_storage::Store;
use serde::Deserialize;

use crate::cli::config::Config;
use crate::cli::context::Context;
use crate::cli::time;
use crate::error::{Failure, Kind, Result, escaped};
use crate::pricing::{
    self, Book, Change, ChangeError, Contents, FileError, Given, Override, Price, Settings, When, pico_per_token,
};

/// One `[prices."model"]` of the settings file: the flags of `prices set`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PriceTable {
    pub provider: Option<String>,
    pub input: Option<Amount>,
    pub output: Option<Amount>,
    pub cached: Option<Amount>,
    pub cache_write: Option<Amount>,
    pub cache_write_1h: Option<Amount>,
    pub from: Option<Moment>,
}

/// `[prices]`, by model.
pub(crate) type PriceTables = BTreeMap<String, PriceTable>;

/// US dollars a million tokens, as written: a number or a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Amount(String);

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Whole(u64),
            Decimal(f64),
            Text(String),
        }
        Ok(Self(match Written::deserialize(deserializer)? {
            Written::Whole(n) => n.to_string(),
            // The shortest decimal that means this number: the one that was written.
            Written::Decimal(n) => n.to_string(),
            Written::Text(text) => text,
        }))
    }
}

/// A time as written: a text, a date of TOML, or milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moment(pub String);

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Text(String),
            Millis(u64),
            Date(toml::value::Datetime),
        }
        Ok(Self(match Written::deserialize(deserializer)? {
            Written::Text(text) => text,
            Written::Millis(ms) => ms.to_string(),
            Written::Date(date) => date.to_string(),
        }))
    }
}

impl From<&str> for Amount {
    fn from(text: &str) -> Self {
        Self(text.trim().trim_start_matches('$').to_owned())
    }
}

impl PriceTable {
    /// The price of `model`.
    ///
    /// # Errors
    /// A usage error.
    pub(crate) fn price(&self, model: &str, context: &Context) -> Result<Override> {
        let pico = |name: &str, amount: &Option<Amount>| {
            let read = amount.as_ref().map(|Amount(text)| {
                pico_per_token(text).map_err(|e| {
                    Failure::usage(format!("{name} is '{text}': {e}"))
                        .hint("US dollars a million tokens, such as 0.075")
                })
            });
            read.transpose()
        };
        let given = Given {
            input: pico("input", &self.input)?,
            cached: pico("cached", &self.cached)?,
            cache_write: pico("cache_write", &self.cache_write)?,
            cache_write_1h: pico("cache_write_1h", &self.cache_write_1h)?,
            output: pico("output", &self.output)?,
            reasoning: None,
        };
        if given.input.is_none() || given.output.is_none() {
            return Err(Failure::usage("a price needs input and output").hint("0 is free of charge"));
        }
        let when = match &self.from {
            None => When::ALWAYS,
            Some(Moment(text)) => When::From(time::moment(text, context.now(), &context.calendar()?)?.millis()),
        };
        let price = Price { when, rates: given.complete(), long: vec![] };
        Ok(Override { provider: self.provider.clone().unwrap_or_default(), model: model.to_owned(), price })
    }
}

/// What the settings file says about prices.
///
/// # Errors
/// A usage error that names the model.
pub(crate) fn settings(context: &Context) -> Result<Settings> {
    let config: &Config = context.config()?;
    let mut overrides = Vec::with_capacity(config.prices.len());
    for (model, table) in &config.prices {
        let price = table.price(model, context).map_err(|failure| Failure {
            message: format!("the price of {} in the settings file: {}", escaped(model), failure.message),
            ..failure
        })?;
        overrides.push(price);
    }
    let aliases = config.aliases.iter().map(|(name, means)| (name.clone(), means.clone())).collect();
    Ok(Settings { overrides, aliases })
}

/// The lists in force for a command. Where the store's price file does not say what the settings say, or
/// cannot be used, it is made anew, so that recorders price alike; with `look_only` nothing is written.
///
/// # Errors
/// When the settings are wrong.
pub(crate) fn book(store: Option<&Store>, look_only: bool, context: &Context) -> Result<Book> {
    let settings = settings(context)?;
    let with_settings = |contents: Contents| {
        let Settings { overrides, aliases } = settings.clone();
        Book::new(Contents { settings: overrides, aliases, ..contents })
    };
    let Some(store) = store else { return Ok(with_settings(Contents::default())) };
    let found = pricing::load(&pricing::path_in(store.dir()));
    let same = |c: &Contents| c.settings == settings.overrides && c.aliases == settings.aliases;
    if look_only || found.as_ref().is_ok_and(same) {
        return Ok(with_settings(found.unwrap_or_else(|e| {
            context.warn("prices", format!("{e}; priced by the list that comes along"));
            Contents::default()
        })));
    }
    match pricing::change(store, &settings, &Change::Nothing) {
        Ok((contents, _)) => Ok(Book::new(contents)),
        Err(e) => {
            context.warn("prices", format!("the price file could not be made anew: {e}"));
            Ok(with_settings(found.unwrap_or_default()))
        }
    }
}

/// A failure to change prices.
pub(crate) fn explain(error: ChangeError) -> Failure {
    match error {
        ChangeError::Database(error) => error.into(),
        ChangeError::File(FileError::Io { path, cause }) => Failure::io("write", path.display().to_string(), &cause),
        ChangeError::File(other) => Failure::new(Kind::Io, other),
    }
}
