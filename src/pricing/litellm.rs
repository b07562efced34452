//! Reads `model_prices_and_context_window.json` of LiteLLM: one object a model, dollars a token.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::value::RawValue;

use super::decimal::scaled;
use super::imported::{NotAPriceFile, Read};
use super::name::{normalized, price_provider};
use super::rules::{Clause, Model, Provider};
use super::{Given, Long, Price, When};

/// The entry that explains the others.
const EXAMPLE: &str = "sample_spec";
/// Lengths of input, in thousands of tokens, from which on models cost more.
const LONG_THOUSANDS: [u64; 6] = [32, 100, 128, 200, 256, 272];

/// Reads the file.
///
/// # Errors
/// Why it is none.
pub(super) fn read(text: &str) -> Result<Read, NotAPriceFile> {
    let entries: BTreeMap<&str, &RawValue> =
        serde_json::from_str(text).map_err(|e| NotAPriceFile::Json(e.to_string()))?;
    let mut read = Read { kind: "litellm", providers: Vec::new(), without_price: 0, rounded: 0 };
    let mut found: BTreeMap<String, Vec<(String, Price)>> = BTreeMap::new();
    let mut seen_any = false;
    for (name, raw) in entries {
        let Ok(fields) = serde_json::from_str::<BTreeMap<&str, &RawValue>>(raw.get()) else { continue };
        let Some(provider) = fields.get("litellm_provider") else { continue };
        if name == EXAMPLE {
            continue;
        }
        seen_any = true;
        let provider: String = serde_json::from_str(provider.get())
            .map_err(|_| NotAPriceFile::wrong(name, "litellm_provider is no text"))?;
        match price(&fields, &mut read.rounded).map_err(|what| NotAPriceFile::wrong(name, what))? {
            Some(price) => found.entry(our_provider(&provider)).or_default().push((name.to_owned(), price)),
            None => read.without_price += 1,
        }
    }
    if !seen_any {
        return Err(NotAPriceFile::Unknown);
    }
    read.providers = found.into_iter().map(|(id, models)| provider(id, models)).collect();
    Ok(read)
}

/// The provider as applications name it.
fn our_provider(theirs: &str) -> String {
    let name = theirs.to_ascii_lowercase();
    let name = match name.as_str() {
        _ if name.starts_with("vertex_ai") => "google",
        "bedrock_converse" | "bedrock_mantle" => "bedrock",
        "azure_ai" | "azure_text" => "azure",
        "text-completion-openai" => "openai",
        "text-completion-codestral" | "codestral" => "mistral",
        "cohere_chat" => "cohere",
        "fireworks_ai-embedding-models" => "fireworks_ai",
        other => other,
    };
    price_provider(name)
}

/// The provider with its models. Whole names come first; the names that price lists know them by come
/// after all of those, and a name without a region before one that loses its region that way.
fn provider(id: String, mut models: Vec<(String, Price)>) -> Provider {
    models.sort_by(|(a, _), (b, _)| (a.len(), a).cmp(&(b.len(), b)));
    let mut taken = BTreeSet::new();
    let mut all = Vec::with_capacity(models.len());
    for whole in [true, false] {
        for (name, price) in &models {
            let lower = name.to_ascii_lowercase();
            let called = if whole { lower } else { normalized(&lower) };
            if taken.insert(called.clone()) {
                all.push(Model { id: name.clone(), is: Clause::Equals(called), prices: vec![price.clone()] });
            }
        }
    }
    let known_as = (id == "bedrock").then(|| {
        Clause::Any(["aws", "amazon", "amazon-bedrock", "aws_bedrock"].map(|n| Clause::Equals(n.into())).into())
    });
    Provider { id, known_as, fallbacks: vec![], models: all }
}

/// The price; none where no token has one.
fn price(fields: &BTreeMap<&str, &RawValue>, rounded: &mut u64) -> Result<Option<Price>, String> {
    let mut number = |name: &str| -> Result<Option<u64>, String> {
        let Some(raw) = fields.get(name).map(|raw| raw.get().trim_matches('"')).filter(|text| *text != "null") else {
            return Ok(None);
        };
        let (pico, exact) = scaled(raw, 12).ok_or_else(|| format!("{name} is {raw}, which is no price"))?;
        *rounded += u64::from(!exact);
        Ok(Some(pico))
    };
    let mut given = |suffix: &str| -> Result<Given, String> {
        Ok(Given {
            input: number(&format!("input_cost_per_token{suffix}"))?,
            cached: number(&format!("cache_read_input_token_cost{suffix}"))?,
            cache_write: number(&format!("cache_creation_input_token_cost{suffix}"))?,
            cache_write_1h: number(&format!("cache_creation_input_token_cost_above_1hr{suffix}"))?,
            output: number(&format!("output_cost_per_token{suffix}"))?,
            reasoning: number(&format!("output_cost_per_reasoning_token{suffix}"))?,
        })
    };
    let base = given("")?;
    if base.input.is_none() && base.output.is_none() {
        return Ok(None);
    }
    let mut long = Vec::new();
    for thousands in LONG_THOUSANDS {
        let dearer = given(&format!("_above_{thousands}k_tokens"))?;
        if dearer != Given::default() {
            long.push(Long { above: thousands * 1000, rates: or(dearer, base).complete() });
        }
    }
    Ok(Some(Price { when: When::ALWAYS, rates: base.complete(), long }))
}

/// What long input does not name costs as any other.
fn or(long: Given, base: Given) -> Given {
    Given {
        input: long.input.or(base.input),
        cached: long.cached.or(base.cached),
        cache_write: long.cache_write.or(base.cache_write),
        cache_write_1h: long.cache_write_1h.or(base.cache_write_1h),
        output: long.output.or(base.output),
        reasoning: long.reasoning.or(if long.output.is_some() { None } else { base.reasoning }),
    }
}
