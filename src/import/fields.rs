//! The fields of one event as they are gathered from a text line, and the event they make.
//!
//! Every text format ends here: a format finds names and values, [`Fields::set`] turns a value into the
//! field's own type and unit, [`Fields::finish`] applies the rules that need the whole event.

use std::borrow::Cow;
use std::time::Duration;

use ax_storage::event::{
    Cache, CostSource, Event, Invalid, NAME_BYTES_MAX, NanoUsd, Outcome, RateLimit, Request, Tokens,
};
use ax_storage::row::Names;
use ax_storage::time::{DAY_MS, Timestamp, Zone};

use super::decimal::{NotScaled, Rounding, scaled};
use super::error::{LineError, shown};
use super::key::Key;
use super::logs::{Call, CallKind};
use super::when::{NotATime, rfc3339};

/// What applies to every line of an input.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Zone of times without an offset; without one they are refused.
    pub zone: Option<Zone>,
    /// Older events are refused: no tier would keep them.
    pub oldest: Option<Timestamp>,
    /// For events that don't say it themselves.
    pub defaults: Defaults,
}

/// Values for what a line leaves out.
#[derive(Clone, Debug, Default)]
pub struct Defaults {
    /// When; `None` = a line without a time is refused.
    pub ts: Option<Timestamp>,
    /// Provider of requests and other events.
    pub provider: String,
    /// Model.
    pub model: String,
    /// User.
    pub user: String,
}

/// A value as a text format knows it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Null,
    Bool(bool),
    /// A number's own digits.
    Number(&'a str),
    Text(Cow<'a, str>),
    /// A CSV cell: no type of its own; empty = absent.
    Cell(Cow<'a, str>),
    /// An array or object.
    Other,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Request,
    Cache,
    RateLimit,
}

/// One event on its way in.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Fields<'a> {
    /// Which fields have a value: bits of [`Key::bit`].
    given: u32,
    kind: Kind,
    ts: Timestamp,
    event_id: Cow<'a, str>,
    provider: Cow<'a, str>,
    model: Cow<'a, str>,
    user: Cow<'a, str>,
    latency_us: u64,
    ttft_us: u64,
    tokens: Tokens,
    cost_nanos: u64,
    cost_source: CostSource,
    service_tier: Cow<'a, str>,
    ok: bool,
    error: Cow<'a, str>,
    event: Cow<'a, str>,
    saved_cost_nanos: u64,
    saved_tokens: u64,
    key: Cow<'a, str>,
    ttl_s: u64,
    limit_type: Cow<'a, str>,
    remaining: u64,
    limit: u64,
    /// Keys that mean nothing here.
    pub(crate) unknown: Vec<Cow<'a, str>>,
}

/// An event read from a line.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed<'a> {
    fields: Box<Fields<'a>>,
    provider: Cow<'a, str>,
    model: Cow<'a, str>,
    user: Cow<'a, str>,
    ts: Timestamp,
    /// `hit` or `allowed`.
    positive: bool,
}

const COMMON: u32 =
    Key::Type.bit() | Key::Ts.bit() | Key::EventId.bit() | Key::Provider.bit() | Key::Model.bit() | Key::User.bit();

impl Kind {
    /// The fields that events of this kind have.
    const fn fields(self) -> u32 {
        COMMON
            | match self {
                Self::Request => {
                    Key::Latency.bit()
                        | Key::Ttft.bit()
                        | Key::Input.bit()
                        | Key::Cached.bit()
                        | Key::CacheWrite.bit()
                        | Key::CacheWrite1h.bit()
                        | Key::Output.bit()
                        | Key::Reasoning.bit()
                        | Key::Cost.bit()
                        | Key::CostSource.bit()
                        | Key::ServiceTier.bit()
                        | Key::Ok.bit()
                        | Key::Error.bit()
                }
                Self::Cache => {
                    Key::Event.bit() | Key::SavedCost.bit() | Key::SavedTokens.bit() | Key::Entry.bit() | Key::Ttl.bit()
                }
                Self::RateLimit => {
                    Key::Event.bit() | Key::Entry.bit() | Key::LimitType.bit() | Key::Remaining.bit() | Key::Limit.bit()
                }
            }
    }
}

impl<'a> Fields<'a> {
    /// What a log tells of a call.
    pub(crate) fn of_call(call: &Call, names: &'a Names) -> Box<Self> {
        let name = |id| Cow::Borrowed(names.get(id));
        let micros = |d: Option<Duration>| d.map_or(0, |d| u64::try_from(d.as_micros()).unwrap_or(u64::MAX));
        let nanos = |cost: Option<NanoUsd>| cost.map_or(0, NanoUsd::nanos);
        let mut fields = Box::new(Self {
            ts: call.ts,
            event_id: name(call.id),
            provider: name(call.provider),
            model: name(call.model),
            user: name(call.user),
            latency_us: micros(call.latency),
            ttft_us: micros(call.ttft),
            tokens: call.tokens,
            cost_nanos: nanos(call.cost),
            service_tier: name(call.service_tier),
            ..Self::default()
        });
        let mut given = vec![Key::Ts];
        match call.kind {
            CallKind::Request { error: None } => fields.ok = true,
            CallKind::Request { error: Some(error) } => fields.error = name(error),
            CallKind::Hit { saved_cost, saved_tokens } => {
                (fields.kind, fields.event) = (Kind::Cache, "hit".into());
                fields.saved_cost_nanos = nanos(saved_cost);
                fields.saved_tokens = saved_tokens;
                given.push(Key::SavedTokens);
                given.extend(saved_cost.map(|_| Key::SavedCost));
            }
            CallKind::Miss => (fields.kind, fields.event) = (Kind::Cache, "miss".into()),
        }
        if fields.kind == Kind::Request {
            given.push(Key::Ok);
            given.extend(call.latency.map(|_| Key::Latency));
            given.extend(call.ttft.map(|_| Key::Ttft));
            given.extend(call.cost.map(|_| Key::Cost));
        }
        fields.given = given.into_iter().fold(0, |all, key| all | key.bit());
        fields
    }

    /// Takes one value. A null is as good as absent; saying the same twice is harmless.
    ///
    /// # Errors
    /// A value of the wrong type or out of bounds, or one that differs from what was said before.
    #[inline]
    pub(crate) fn set(&mut self, key: Key, value: Value<'a>, zone: Option<&Zone>) -> Result<(), LineError> {
        match &value {
            Value::Null => return Ok(()),
            Value::Cell(text) if text.is_empty() => return Ok(()),
            _ => {}
        }
        if self.has(key) {
            return self.set_again(key, value, zone);
        }
        self.store(key, value, zone)?;
        self.given |= key.bit();
        Ok(())
    }

    /// A field that has a value already: fine when the new one is the same.
    #[cold]
    fn set_again(&mut self, key: Key, value: Value<'a>, zone: Option<&Zone>) -> Result<(), LineError> {
        let before = self.clone();
        self.store(key, value, zone)?;
        if *self == before { Ok(()) } else { Err(LineError::Twice(key.name())) }
    }

    fn store(&mut self, key: Key, value: Value<'a>, zone: Option<&Zone>) -> Result<(), LineError> {
        match key {
            Key::Ts => self.ts = time(value, zone)?,
            Key::Type => self.kind = kind(&text(key, value)?)?,
            Key::EventId => self.event_id = text(key, value)?,
            Key::Provider => self.provider = text(key, value)?,
            Key::Model => self.model = text(key, value)?,
            Key::User => self.user = text(key, value)?,
            Key::Latency => self.latency_us = micros(key, &value)?,
            Key::Ttft => self.ttft_us = micros(key, &value)?,
            Key::Input => self.tokens.input = whole(key, &value)?,
            Key::Cached => self.tokens.cached = whole(key, &value)?,
            Key::CacheWrite => self.tokens.cache_write = whole(key, &value)?,
            Key::CacheWrite1h => self.tokens.cache_write_1h = whole(key, &value)?,
            Key::Output => self.tokens.output = whole(key, &value)?,
            Key::Reasoning => self.tokens.reasoning = whole(key, &value)?,
            Key::Cost => self.cost_nanos = nanos(key, &value)?,
            Key::CostSource => self.cost_source = cost_source(&text(key, value)?)?,
            Key::ServiceTier => self.service_tier = text(key, value)?,
            Key::Ok => self.ok = flag(key, &value)?,
            Key::Error => self.error = text(key, value)?,
            Key::Event => self.event = text(key, value)?,
            Key::SavedCost => self.saved_cost_nanos = nanos(key, &value)?,
            Key::SavedTokens => self.saved_tokens = whole(key, &value)?,
            Key::Entry => self.key = text(key, value)?,
            Key::Ttl => self.ttl_s = whole(key, &value)?,
            Key::LimitType => self.limit_type = text(key, value)?,
            Key::Remaining => self.remaining = whole(key, &value)?,
            Key::Limit => self.limit = whole(key, &value)?,
        }
        Ok(())
    }

    /// Whether the field has a value.
    pub(crate) const fn has(&self, key: Key) -> bool {
        self.given & key.bit() != 0
    }

    fn given(&self, key: Key, value: u64) -> Option<u64> {
        self.has(key).then_some(value)
    }

    /// The event, once all fields are in.
    ///
    /// # Errors
    /// The first rule that the event breaks.
    pub(crate) fn finish(mut self: Box<Self>, rules: &Rules, now: Timestamp) -> Result<Parsed<'a>, LineError> {
        let ts = self.time(rules, now)?;
        let positive = self.positive()?;
        self.cost_agrees()?;
        if self.ok && !self.error.is_empty() {
            return Err(LineError::OkWithError(shown(&self.error)));
        }
        if self.event_id.len() > NAME_BYTES_MAX {
            return Err(Invalid::NameTooLong("event_id").into());
        }
        let strange = self.given & !self.kind.fields();
        if strange != 0 {
            let strange = Key::ALL.into_iter().filter(|k| strange & k.bit() != 0);
            self.unknown.extend(strange.map(|k| Cow::Borrowed(k.name())));
        }
        let defaults = &rules.defaults;
        let parsed = Parsed {
            provider: or_default(&mut self.provider, &defaults.provider),
            model: or_default(&mut self.model, &defaults.model),
            user: or_default(&mut self.user, &defaults.user),
            ts,
            positive,
            fields: self,
        };
        parsed.event().check()?;
        Ok(parsed)
    }

    fn time(&self, rules: &Rules, now: Timestamp) -> Result<Timestamp, LineError> {
        let ts = if self.has(Key::Ts) { self.ts } else { rules.defaults.ts.ok_or(LineError::NoTime)? };
        if ts < Timestamp::YEAR_2000 {
            // 2000 to 2128 as epoch seconds.
            let seconds = (946_684_800..5_000_000_000).contains(&ts.millis());
            return Err(if seconds { LineError::Seconds(ts.millis()) } else { LineError::Before2000 });
        }
        if ts > now.plus_ms(DAY_MS) {
            return Err(LineError::Future(ts));
        }
        match rules.oldest {
            Some(oldest) if ts < oldest => Err(LineError::TooOld { ts, oldest }),
            _ => Ok(ts),
        }
    }

    /// What `event` says for the kinds that have it.
    fn positive(&self) -> Result<bool, LineError> {
        let (yes, no) = match self.kind {
            Kind::Request => return Ok(false),
            Kind::Cache => ("hit", "miss"),
            Kind::RateLimit => ("allowed", "denied"),
        };
        match &*self.event {
            event if event == yes => Ok(true),
            event if event == no => Ok(false),
            event => Err(LineError::Event { yes, no, found: shown(event) }),
        }
    }

    fn cost_agrees(&self) -> Result<(), LineError> {
        if self.kind != Kind::Request || !self.has(Key::CostSource) {
            return Ok(());
        }
        match (self.cost_source, self.has(Key::Cost)) {
            (CostSource::Unpriced, true) => Err(LineError::CostOfUnpriced),
            (CostSource::Recorded | CostSource::Computed, false) => Err(LineError::SourceWithoutCost),
            _ => Ok(()),
        }
    }
}

/// The value, or the default when there is none (an empty name is none).
fn or_default<'a>(value: &mut Cow<'a, str>, default: &str) -> Cow<'a, str> {
    if value.is_empty() && !default.is_empty() { Cow::Owned(default.to_owned()) } else { std::mem::take(value) }
}

impl Parsed<'_> {
    /// When it happened.
    pub fn ts(&self) -> Timestamp {
        self.ts
    }

    /// Whether the line itself said when.
    pub fn ts_given(&self) -> bool {
        self.fields.has(Key::Ts)
    }

    /// The caller's id of the event, possibly empty.
    pub fn event_id(&self) -> &str {
        &self.fields.event_id
    }

    /// Where the cost comes from; `Unpriced` without one.
    pub fn cost_source(&self) -> CostSource {
        match (self.fields.has(Key::Cost), self.fields.has(Key::CostSource)) {
            (false, _) => CostSource::Unpriced,
            (true, true) => self.fields.cost_source,
            (true, false) => CostSource::Recorded,
        }
    }

    /// Whether the price list may fill in the cost: there is none, and the line doesn't say that this is on purpose.
    pub fn wants_price(&self) -> bool {
        self.fields.kind == Kind::Request && !self.fields.has(Key::Cost) && !self.fields.has(Key::CostSource)
    }

    /// The names of keys that mean nothing for this event.
    pub fn unknown_keys(&self) -> impl Iterator<Item = &str> {
        self.fields.unknown.iter().map(|k| &**k)
    }

    /// The event itself, checked; its `ts` is [`Parsed::ts`].
    #[inline]
    pub fn event(&self) -> Event<'_> {
        let (f, ts) = (&self.fields, Some(self.ts));
        let (provider, model, user) = (&*self.provider, &*self.model, &*self.user);
        match f.kind {
            Kind::Request => {
                let failed = if f.has(Key::Ok) { !f.ok } else { !f.error.is_empty() };
                Event::Request(Request {
                    ts,
                    provider,
                    model,
                    user,
                    latency: f.given(Key::Latency, f.latency_us).map(Duration::from_micros),
                    ttft: f.given(Key::Ttft, f.ttft_us).map(Duration::from_micros),
                    tokens: f.tokens,
                    cost: f.given(Key::Cost, f.cost_nanos).map(NanoUsd::from_nanos),
                    outcome: if failed { Outcome::Error(&f.error) } else { Outcome::Ok },
                    service_tier: &f.service_tier,
                })
            }
            Kind::Cache => Event::Cache(Cache {
                ts,
                provider,
                model,
                user,
                hit: self.positive,
                saved_cost: f.given(Key::SavedCost, f.saved_cost_nanos).map(NanoUsd::from_nanos),
                saved_tokens: f.given(Key::SavedTokens, f.saved_tokens),
                key: &f.key,
                ttl_s: f.given(Key::Ttl, f.ttl_s),
            }),
            Kind::RateLimit => Event::RateLimit(RateLimit {
                ts,
                provider,
                model,
                user,
                allowed: self.positive,
                key: &f.key,
                limit_type: &f.limit_type,
                remaining: f.given(Key::Remaining, f.remaining),
                limit: f.given(Key::Limit, f.limit),
            }),
        }
    }
}

fn wrong(key: Key, wanted: &'static str, value: &Value<'_>) -> LineError {
    let found = match value {
        Value::Null => "null".to_owned(),
        Value::Bool(b) => b.to_string(),
        Value::Number(digits) => shown(digits),
        Value::Text(text) | Value::Cell(text) => format!("\"{}\"", shown(text)),
        Value::Other => "an array or object".to_owned(),
    };
    LineError::Wrong { key: key.name(), wanted, found }
}

fn text<'a>(key: Key, value: Value<'a>) -> Result<Cow<'a, str>, LineError> {
    match value {
        Value::Text(text) | Value::Cell(text) => Ok(text),
        other => Err(wrong(key, "text", &other)),
    }
}

fn kind(text: &str) -> Result<Kind, LineError> {
    match text {
        "request" => Ok(Kind::Request),
        "cache" => Ok(Kind::Cache),
        "rate_limit" => Ok(Kind::RateLimit),
        other => Err(LineError::Type(shown(other))),
    }
}

fn cost_source(text: &str) -> Result<CostSource, LineError> {
    match text {
        "recorded" => Ok(CostSource::Recorded),
        "computed" => Ok(CostSource::Computed),
        "unpriced" => Ok(CostSource::Unpriced),
        other => Err(LineError::CostSource(shown(other))),
    }
}

fn flag(key: Key, value: &Value<'_>) -> Result<bool, LineError> {
    match value {
        Value::Bool(b) => Ok(*b),
        Value::Cell(text) if text == "1" || text.eq_ignore_ascii_case("true") => Ok(true),
        Value::Cell(text) if text == "0" || text.eq_ignore_ascii_case("false") => Ok(false),
        other => Err(wrong(key, "true or false", other)),
    }
}

/// Epoch milliseconds or RFC 3339.
pub(crate) fn time(value: Value<'_>, zone: Option<&Zone>) -> Result<Timestamp, LineError> {
    let wanted = "RFC 3339 or whole epoch milliseconds";
    let millis = |digits| match scaled(digits, 0, Rounding::Refused) {
        Ok(ms) => Ok(Timestamp::from_millis(ms)),
        Err(NotScaled::Negative) => Err(LineError::Before2000),
        Err(_) => Err(wrong(Key::Ts, wanted, &Value::Number(digits))),
    };
    match &value {
        Value::Number(digits) => millis(digits),
        Value::Text(text) | Value::Cell(text) => {
            if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
                return millis(text);
            }
            rfc3339(text, zone).map_err(|why| match why {
                NotATime::Syntax => wrong(Key::Ts, wanted, &value),
                NotATime::NoOffset => LineError::NoOffset(shown(text)),
            })
        }
        other => Err(wrong(Key::Ts, wanted, other)),
    }
}

pub(crate) fn micros(key: Key, value: &Value<'_>) -> Result<u64, LineError> {
    let digits = number(key, value, "a number")?;
    match scaled(digits, 3, Rounding::HalfEven) {
        Err(NotScaled::TooLarge) => Err(Invalid::TooSlow(key.name()).into()),
        result => result.map_err(|why| not_scaled(key, "a number", value, why)),
    }
}

fn whole(key: Key, value: &Value<'_>) -> Result<u64, LineError> {
    let digits = number(key, value, "a whole number")?;
    match scaled(digits, 0, Rounding::Refused) {
        // u64::MAX stands for "absent" in a row.
        Ok(u64::MAX) | Err(NotScaled::TooLarge) => Err(LineError::TooLarge(key.name())),
        result => result.map_err(|why| not_scaled(key, "a whole number", value, why)),
    }
}

pub(crate) fn nanos(key: Key, value: &Value<'_>) -> Result<u64, LineError> {
    let digits = match value {
        Value::Text(text) => text,
        other => number(key, other, "an amount of dollars")?,
    };
    match scaled(digits, 9, Rounding::HalfEven) {
        Err(NotScaled::TooLarge) => Err(Invalid::TooExpensive(key.name()).into()),
        result => result.map_err(|why| not_scaled(key, "an amount of dollars", value, why)),
    }
}

fn number<'v>(key: Key, value: &'v Value<'_>, wanted: &'static str) -> Result<&'v str, LineError> {
    match value {
        Value::Number(digits) => Ok(digits),
        Value::Cell(text) => Ok(text.trim_matches(' ')),
        other => Err(wrong(key, wanted, other)),
    }
}

#[cold]
fn not_scaled(key: Key, wanted: &'static str, value: &Value<'_>, why: NotScaled) -> LineError {
    match why {
        NotScaled::Negative => LineError::Negative(key.name()),
        _ => wrong(key, wanted, value),
    }
}
