//! LiteLLM's spend-log rows and the payloads of its logging callbacks: a JSON object a call.
//!
//! Their types are loose: `"None"` and `"True"` are texts, metadata may be JSON within a text, a time is
//! text without a zone (UTC) or a number of seconds. What its cache answered is no call of a provider. A cost of
//! 0 for another one that used tokens means that the proxy knew no price.

use std::borrow::Cow;
use std::time::Duration;

use ax_storage::event::{NanoUsd, Tokens};
use ax_storage::time::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::Value as Json;
use serde_json::value::RawValue;

use super::{Call, CallKind, Calls, Habits, Keep, Parser, form};
use crate::import::LineError;
use crate::import::decimal::{Rounding, scaled};
use crate::import::fields::nanos;
use crate::import::key::Key;
use crate::import::ndjson::{Text, plain};

/// What calls are filed under whose provider is not told.
const PROVIDER: &str = "litellm";
/// What the proxy calls the key of a cache that is off.
const CACHE_OFF: &str = "Cache OFF";

/// Reads rows and payloads.
pub(crate) struct Rows;

type Raw<'a> = Option<&'a RawValue>;

#[derive(Deserialize)]
struct Row<'a> {
    #[serde(borrow)]
    request_id: Raw<'a>,
    id: Raw<'a>,
    call_type: Raw<'a>,
    status: Raw<'a>,
    model: Raw<'a>,
    custom_llm_provider: Raw<'a>,
    user: Raw<'a>,
    end_user: Raw<'a>,
    spend: Raw<'a>,
    response_cost: Raw<'a>,
    saved_cache_cost: Raw<'a>,
    prompt_tokens: Raw<'a>,
    completion_tokens: Raw<'a>,
    #[serde(rename = "startTime")]
    start: Raw<'a>,
    #[serde(rename = "endTime")]
    end: Raw<'a>,
    #[serde(rename = "completionStartTime")]
    first_token: Raw<'a>,
    cache_hit: Raw<'a>,
    cache_key: Raw<'a>,
    metadata: Raw<'a>,
    error_information: Raw<'a>,
    /// A payload within what a callback was called with.
    standard_logging_object: Raw<'a>,
    /// Rows as the proxy's own interface hands them out.
    data: Raw<'a>,
}

impl Parser for Rows {
    fn value(&mut self, json: &[u8], calls: &mut Calls<'_>) -> Result<(), LineError> {
        let row: Row<'_> = serde_json::from_slice(json).map_err(form)?;
        if let Some(inner) = row.standard_logging_object {
            return self.value(inner.get().as_bytes(), calls);
        }
        if let (Some(data), None) = (row.data, row.call_type) {
            let rows: Vec<&RawValue> = serde_json::from_str(data.get()).map_err(form)?;
            return rows.iter().try_for_each(|row| self.value(row.get().as_bytes(), calls));
        }
        row.calls(calls)
    }

    fn habits(&self) -> Habits {
        Habits { keep: Keep::Last, partial: false, stateless: true }
    }
}

impl Row<'_> {
    fn calls(&self, calls: &mut Calls<'_>) -> Result<(), LineError> {
        let (start, ended) = (micros_of(self.start)?, micros_of(self.end)?);
        let end = ended.or(start).ok_or(LineError::NoTime)?;
        let metadata = inner(self.metadata);
        let names = &mut *calls.names;
        let id = text(self.request_id).or(text(self.id)).unwrap_or_default();
        let model = text(self.model).unwrap_or_default();
        let provider =
            text(self.custom_llm_provider).or_else(|| model.split_once('/').map(|(p, _)| p.to_owned().into()));
        let mut call = Call::at(Timestamp::from_millis(end / 1000));
        call.id = names.intern(&id);
        call.provider = names.intern(provider.as_deref().unwrap_or(PROVIDER));
        call.model = names.intern(&model);
        call.user = names.intern(&self.user(&metadata));
        call.tokens = self.tokens(&metadata)?;
        call.latency = ended.zip(start).and_then(|(e, s)| e.checked_sub(s)).map(Duration::from_micros);
        let first = micros_of(self.first_token)?.filter(|first| ended.is_none_or(|ended| *first < ended));
        call.ttft = first.zip(start).and_then(|(f, s)| f.checked_sub(s)).map(Duration::from_micros);
        let cost = money(self.spend.or(self.response_cost))?;
        let failed = text(self.status).is_some_and(|status| status == "failure");
        if failed {
            call.kind = CallKind::Request { error: Some(names.intern(&self.error(&metadata))) };
        }
        call.cost = cost.filter(|cost| cost.nanos() > 0 || call.total() == 0 || failed);
        let hit = text(self.cache_hit).is_some_and(|hit| hit.eq_ignore_ascii_case("true"));
        if hit || text(self.cache_key).is_some_and(|key| key != CACHE_OFF) {
            let saved_cost = money(self.saved_cache_cost)?.filter(|saved| saved.nanos() > 0);
            let kind = if hit { CallKind::Hit { saved_cost, saved_tokens: call.total() } } else { CallKind::Miss };
            let known = if id.is_empty() { 0 } else { names.intern(&format!("{id}#cache")) };
            calls.list.push(Call { id: known, kind, ..call });
            if hit {
                return Ok(());
            }
        }
        calls.list.push(call);
        Ok(())
    }

    fn user(&self, metadata: &Json) -> String {
        let named = text(self.end_user).or(text(self.user)).map(Cow::into_owned);
        let keys = ["user_api_key_end_user_id", "user_api_key_user_id", "user_api_key_alias"];
        let noted = || keys.iter().find_map(|key| metadata[*key].as_str().filter(|t| !t.is_empty()).map(str::to_owned));
        named.or_else(noted).unwrap_or_default()
    }

    fn tokens(&self, metadata: &Json) -> Result<Tokens, LineError> {
        let usage = &metadata["usage_object"];
        let n = |value: &Json| value.as_u64().unwrap_or(0);
        let most = |a: &Json, b: &Json| n(a).max(n(b));
        let input = count(self.prompt_tokens)?.unwrap_or_else(|| n(&usage["prompt_tokens"]));
        let output = count(self.completion_tokens)?.unwrap_or_else(|| n(&usage["completion_tokens"]));
        let details = &usage["prompt_tokens_details"];
        let cached = most(&usage["cache_read_input_tokens"], &details["cached_tokens"]).min(input);
        let written = most(&usage["cache_creation_input_tokens"], &details["cache_creation_tokens"]);
        let cache_write = written.min(input - cached);
        Ok(Tokens {
            input,
            cached,
            cache_write,
            cache_write_1h: 0,
            output,
            reasoning: n(&usage["completion_tokens_details"]["reasoning_tokens"]).min(output),
        })
    }

    /// The kind of a failure: its class, else its code.
    fn error(&self, metadata: &Json) -> String {
        let own = inner(self.error_information);
        let about = if own.is_object() { &own } else { &metadata["error_information"] };
        let filled = |key: &str| match &about[key] {
            Json::String(text) if !text.is_empty() => Some(text.clone()),
            Json::Number(code) => Some(code.to_string()),
            _ => None,
        };
        filled("error_class").or_else(|| filled("error_code")).unwrap_or_else(|| "failure".to_owned())
    }
}

/// A text that says something.
fn text(raw: Raw<'_>) -> Option<Cow<'_, str>> {
    let raw = raw?.get();
    let text = match serde_json::from_str::<Text<'_>>(raw) {
        Ok(text) => text.0,
        Err(_) if raw == "true" || raw == "false" || !raw.starts_with(['{', '[']) => Cow::Borrowed(raw),
        Err(_) => return None,
    };
    (!text.is_empty() && text != "None" && text != "null").then_some(text)
}

/// JSON, or JSON within a text.
fn inner(raw: Raw<'_>) -> Json {
    match raw.and_then(|raw| serde_json::from_str(raw.get()).ok()) {
        Some(Json::String(text)) => serde_json::from_str(&text).unwrap_or_default(),
        Some(value) => value,
        None => Json::Null,
    }
}

fn count(raw: Raw<'_>) -> Result<Option<u64>, LineError> {
    let Some(text) = text(raw) else { return Ok(None) };
    // Python writes whole numbers as 12.0 now and then.
    scaled(&text, 0, Rounding::Refused).map(Some).map_err(|_| LineError::Form(format!("{text} is no count of tokens")))
}

fn money(raw: Raw<'_>) -> Result<Option<NanoUsd>, LineError> {
    let Some(text) = text(raw) else { return Ok(None) };
    nanos(Key::Cost, &plain(&text)?).map(|nanos| Some(NanoUsd::from_nanos(nanos)))
}

/// Microseconds since 1970, where it is told.
fn micros_of(raw: Raw<'_>) -> Result<Option<u64>, LineError> {
    let Some(text) = text(raw) else { return Ok(None) };
    let wrong = || LineError::Form(format!("{} is no time", crate::import::error::shown(&text)));
    if let Ok(micros) = scaled(&text, 6, Rounding::HalfEven) {
        return Ok(Some(micros));
    }
    if text.len() > 64 {
        return Err(wrong());
    }
    let moment = text
        .parse::<jiff::Timestamp>()
        .or_else(|_| text.parse::<DateTime>().and_then(|local| TimeZone::UTC.to_timestamp(local)));
    moment.ok().and_then(|t| u64::try_from(t.as_microsecond()).ok()).map(Some).ok_or_else(wrong)
}
