//! Reads `data.json` of genai-prices: providers with rules over names, prices with conditions.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::decimal::scaled;
use super::imported::{NotAPriceFile, Read};
use super::rules::{CLAUSE_DEPTH_MAX, Clause, Model, Provider, expression};
use super::{Given, Long, Price, When, price_provider};

#[derive(Deserialize)]
struct TheirProvider<'a> {
    id: String,
    #[serde(default)]
    provider_match: Option<TheirClause>,
    #[serde(default)]
    fallback_model_providers: Option<Vec<String>>,
    #[serde(borrow)]
    models: Vec<TheirModel<'a>>,
}

#[derive(Deserialize)]
struct TheirModel<'a> {
    id: String,
    #[serde(rename = "match")]
    is: TheirClause,
    #[serde(borrow)]
    prices: Several<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum TheirClause {
    Equals(String),
    StartsWith(String),
    EndsWith(String),
    Contains(String),
    Regex(String),
    Or(Vec<Self>),
    And(Vec<Self>),
}

/// One price, or several under conditions.
struct Several<'a>(Vec<Conditional<'a>>);

type Prices<'a> = BTreeMap<String, &'a RawValue>;

#[derive(Deserialize)]
struct Conditional<'a> {
    #[serde(default)]
    constraint: Option<Constraint>,
    #[serde(borrow)]
    prices: Prices<'a>,
}

#[derive(Default, Deserialize)]
struct Constraint {
    #[serde(default)]
    start_date: Option<String>,
    #[serde(default)]
    start_time: Option<String>,
    #[serde(default)]
    end_time: Option<String>,
}

#[derive(Deserialize)]
struct Tiered<'a> {
    #[serde(borrow)]
    base: &'a RawValue,
    #[serde(borrow)]
    tiers: Vec<TheirTier<'a>>,
}

#[derive(Deserialize)]
struct TheirTier<'a> {
    start: u64,
    #[serde(borrow)]
    price: &'a RawValue,
}

impl<'de: 'a, 'a> Deserialize<'de> for Several<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw: &'a RawValue = Deserialize::deserialize(deserializer)?;
        let several = if raw.get().trim_start().starts_with('[') {
            serde_json::from_str(raw.get())
        } else {
            serde_json::from_str(raw.get()).map(|prices| vec![Conditional { constraint: None, prices }])
        };
        several.map(Self).map_err(serde::de::Error::custom)
    }
}

/// Reads the file.
///
/// # Errors
/// Why it is none.
pub(super) fn read(text: &str) -> Result<Read, NotAPriceFile> {
    let theirs: Vec<TheirProvider<'_>> = serde_json::from_str(text).map_err(|e| NotAPriceFile::Json(e.to_string()))?;
    let mut read = Read { kind: "genai-prices", providers: Vec::new(), without_price: 0, rounded: 0 };
    for their in theirs {
        let mut provider = Provider {
            id: their.id.to_ascii_lowercase(),
            known_as: Some(known_as(&their)?),
            fallbacks: their.fallback_model_providers.unwrap_or_default(),
            models: Vec::with_capacity(their.models.len()),
        };
        for model in their.models {
            let place = format!("{} {}", their.id, model.id);
            let is = clause(&model.is, 0).map_err(|what| NotAPriceFile::wrong(place.as_str(), what))?;
            let mut prices = Vec::new();
            for conditional in &model.prices.0 {
                let wrong = |what: String| NotAPriceFile::wrong(place.as_str(), what);
                prices.extend(price(conditional, &mut read.rounded).map_err(wrong)?);
            }
            if prices.is_empty() {
                // The model stays: its rule must hide those behind it.
                read.without_price += 1;
            }
            provider.models.push(Model { id: model.id, is, prices });
        }
        read.providers.push(provider);
    }
    Ok(read)
}

/// Names that mean the provider, ours among them.
fn known_as(their: &TheirProvider<'_>) -> Result<Clause, NotAPriceFile> {
    let mut all = vec![Clause::Equals(price_provider(&their.id))];
    if let Some(rule) = &their.provider_match {
        all.push(clause(rule, 0).map_err(|what| NotAPriceFile::wrong(their.id.as_str(), what))?);
    }
    Ok(Clause::Any(all))
}

fn clause(theirs: &TheirClause, depth: usize) -> Result<Clause, String> {
    if depth > CLAUSE_DEPTH_MAX {
        return Err("the rule is nested too deep".to_owned());
    }
    let all = |clauses: &[TheirClause]| clauses.iter().map(|c| clause(c, depth + 1)).collect::<Result<Vec<_>, _>>();
    let lower = |text: &str| text.to_ascii_lowercase();
    Ok(match theirs {
        TheirClause::Equals(text) => Clause::Equals(lower(text)),
        TheirClause::StartsWith(text) => Clause::StartsWith(lower(text)),
        TheirClause::EndsWith(text) => Clause::EndsWith(lower(text)),
        TheirClause::Contains(text) => Clause::Contains(lower(text)),
        TheirClause::Regex(text) if expression(text).is_none() => {
            return Err(format!("the rule holds no regular expression: {text}"));
        }
        TheirClause::Regex(text) => Clause::Matches(text.clone()),
        TheirClause::Or(clauses) => Clause::Any(all(clauses)?),
        TheirClause::And(clauses) => Clause::All(all(clauses)?),
    })
}

/// The price; none where only other things than tokens have one. No price at all means free.
fn price(conditional: &Conditional<'_>, rounded: &mut u64) -> Result<Option<Price>, String> {
    let classes = ["input_mtok", "cache_read_mtok", "cache_write_mtok", "cache_write_1h_mtok", "output_mtok"];
    let classes = classes.into_iter().chain(["output_reasoning_mtok"]);
    let mut given = [const { None::<Class> }; 6];
    for (place, name) in given.iter_mut().zip(classes) {
        if let Some(raw) = conditional.prices.get(name) {
            *place = Some(class(raw, rounded).map_err(|what| format!("{name}: {what}"))?);
        }
    }
    if given.iter().all(Option::is_none) && !conditional.prices.is_empty() {
        return Ok(None);
    }
    let rates = |input: u64| {
        let at = |class: &Option<Class>| class.as_ref().map(|class| class.at(input));
        let [input, cached, cache_write, cache_write_1h, output, reasoning] = &given;
        let (input, cached, cache_write) = (at(input), at(cached), at(cache_write));
        let (cache_write_1h, output, reasoning) = (at(cache_write_1h), at(output), at(reasoning));
        Given { input, cached, cache_write, cache_write_1h, output, reasoning }.complete()
    };
    let mut starts: Vec<u64> = given.iter().flatten().flat_map(|class| class.tiers.iter().map(|t| t.0)).collect();
    starts.sort_unstable();
    starts.dedup();
    let long = starts.into_iter().map(|above| Long { above, rates: rates(above.saturating_add(1)) }).collect();
    Ok(Some(Price { when: when(conditional.constraint.as_ref())?, rates: rates(0), long }))
}

/// The price of a class: pico-dollars a token, and those of long input.
struct Class {
    base: u64,
    tiers: Vec<(u64, u64)>,
}

impl Class {
    fn at(&self, input: u64) -> u64 {
        self.tiers.iter().rev().find(|(above, _)| input > *above).map_or(self.base, |(_, price)| *price)
    }
}

fn class(raw: &RawValue, rounded: &mut u64) -> Result<Class, String> {
    if !raw.get().starts_with('{') {
        return Ok(Class { base: number(raw, rounded)?, tiers: vec![] });
    }
    let tiered: Tiered<'_> = serde_json::from_str(raw.get()).map_err(|e| e.to_string())?;
    let mut tiers = Vec::with_capacity(tiered.tiers.len());
    for tier in &tiered.tiers {
        tiers.push((tier.start, number(tier.price, rounded)?));
    }
    tiers.sort_unstable();
    Ok(Class { base: number(tiered.base, rounded)?, tiers })
}

fn number(raw: &RawValue, rounded: &mut u64) -> Result<u64, String> {
    let (pico, exact) = scaled(raw.get(), 6).ok_or_else(|| format!("{} is no price", raw.get()))?;
    *rounded += u64::from(!exact);
    Ok(pico)
}

fn when(constraint: Option<&Constraint>) -> Result<When, String> {
    let Some(constraint) = constraint else { return Ok(When::ALWAYS) };
    match (&constraint.start_date, &constraint.start_time, &constraint.end_time) {
        (Some(date), None, None) => {
            let from: jiff::Timestamp =
                format!("{date}T00:00:00Z").parse().map_err(|_| format!("{date} is no date"))?;
            Ok(When::From(u64::try_from(from.as_millisecond()).unwrap_or(0)))
        }
        (None, Some(start), Some(end)) => Ok(When::Daily { from_ms: time_of_day(start)?, to_ms: time_of_day(end)? }),
        _ => Err("the constraint is of an unknown kind".to_owned()),
    }
}

/// `16:30:00Z` as ms since midnight UTC.
fn time_of_day(text: &str) -> Result<u32, String> {
    let wrong = || format!("{text} is no time of day in UTC");
    let time = text.strip_suffix('Z').or_else(|| text.strip_suffix("+00:00")).ok_or_else(wrong)?;
    let time: jiff::civil::Time = time.parse().map_err(|_| wrong())?;
    let seconds = i64::from(time.hour()) * 3600 + i64::from(time.minute()) * 60 + i64::from(time.second());
    u32::try_from(seconds * 1000).map_err(|_| wrong())
}
