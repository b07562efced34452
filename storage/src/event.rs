//! An event as an application hands it in: borrowed names, plain numbers with units.

use std::fmt;
use std::time::Duration;

use crate::time::Timestamp;

/// Longest name (provider, model, user, error, key, service tier, limit type, event id) in bytes.
pub const NAME_BYTES_MAX: usize = 256;
/// Largest accepted cost of one call: one thousand million dollars.
pub const COST_NANOS_MAX: u64 = 1_000_000_000 * NanoUsd::PER_USD;
/// Largest accepted count in one token class.
pub const TOKENS_MAX: u64 = 1_000_000_000_000;
/// Longest accepted latency or time to first token: 7 days.
pub const LATENCY_US_MAX: u64 = 7 * 24 * 3600 * 1_000_000;

/// Money: whole nano-dollars (1e-9 US dollars). Never a float.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NanoUsd(u64);

impl NanoUsd {
    /// Nano-dollars in a dollar.
    pub const PER_USD: u64 = 1_000_000_000;

    /// Money from whole nano-dollars.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Whole nano-dollars.
    pub const fn nanos(self) -> u64 {
        self.0
    }
}

impl fmt::Display for NanoUsd {
    /// Dollars with all nine decimals, exactly.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}", self.0 / Self::PER_USD, self.0 % Self::PER_USD)
    }
}

/// Token counts of one call. `cached` and `cache_write` are subsets of `input`,
/// `cache_write_1h` of `cache_write`, `reasoning` of `output`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// All input, cached included.
    pub input: u64,
    /// Input read from the provider's prompt cache.
    pub cached: u64,
    /// Input written to the provider's prompt cache.
    pub cache_write: u64,
    /// The part of `cache_write` that was written for an hour.
    pub cache_write_1h: u64,
    /// All output, reasoning included.
    pub output: u64,
    /// Output spent on reasoning.
    pub reasoning: u64,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// It succeeded.
    #[default]
    Ok,
    /// It failed; the text is the kind of error (`rate_limited`), possibly empty.
    Error(&'a str),
}

/// How the cost of a call came about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum CostSource {
    /// No price is known; the cost is absent (not zero).
    #[default]
    Unpriced = 0,
    /// The application said it.
    Recorded = 1,
    /// It was computed from the price list when the call was recorded.
    Computed = 2,
}

/// One call of a provider.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Request<'a> {
    /// When the call ended; `None` = now.
    pub ts: Option<Timestamp>,
    /// `claude`, `openai` … Required.
    pub provider: &'a str,
    /// Model name as the provider writes it; may be empty.
    pub model: &'a str,
    /// Who caused the call; may be empty.
    pub user: &'a str,
    /// Duration of the whole call; `None` = not reported.
    pub latency: Option<Duration>,
    /// Time to the first token; `None` = not reported.
    pub ttft: Option<Duration>,
    /// Token counts.
    pub tokens: Tokens,
    /// What it cost; `None` = from the price list.
    pub cost: Option<NanoUsd>,
    /// Success or the kind of failure.
    pub outcome: Outcome<'a>,
    /// `batch`, `flex` … as the provider names it; may be empty.
    pub service_tier: &'a str,
}

/// One look-up in the application's own response cache.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cache<'a> {
    /// When; `None` = now.
    pub ts: Option<Timestamp>,
    /// Provider the call would have gone to; may be empty.
    pub provider: &'a str,
    /// Model the call would have used; may be empty.
    pub model: &'a str,
    /// Who asked; may be empty.
    pub user: &'a str,
    /// Found or not.
    pub hit: bool,
    /// Money the hit saved; `None` = not reported.
    pub saved_cost: Option<NanoUsd>,
    /// Tokens the hit saved; `None` = not reported.
    pub saved_tokens: Option<u64>,
    /// Cache key; may be empty.
    pub key: &'a str,
    /// Life of the entry in seconds; `None` = not reported.
    pub ttl_s: Option<u64>,
}

/// One decision of a rate limiter.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RateLimit<'a> {
    /// When; `None` = now.
    pub ts: Option<Timestamp>,
    /// Provider; may be empty.
    pub provider: &'a str,
    /// Model; may be empty.
    pub model: &'a str,
    /// User; may be empty.
    pub user: &'a str,
    /// Let through or not.
    pub allowed: bool,
    /// What the limit is counted by; may be empty.
    pub key: &'a str,
    /// Kind of limit (`requests_per_minute`); may be empty.
    pub limit_type: &'a str,
    /// What is left of the limit; `None` = not reported.
    pub remaining: Option<u64>,
    /// The limit; with `remaining` it gives the utilization. `None` = not reported.
    pub limit: Option<u64>,
}

/// Anything an application records.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event<'a> {
    /// A call of a provider.
    Request(Request<'a>),
    /// A look-up in a response cache.
    Cache(Cache<'a>),
    /// A rate limiter's decision.
    RateLimit(RateLimit<'a>),
}

/// Why an event is refused, wherever it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Invalid {
    /// A request without a provider.
    #[error("a request needs a provider")]
    NoProvider,
    /// A name over [`NAME_BYTES_MAX`].
    #[error("{0} is longer than 256 bytes")]
    NameTooLong(&'static str),
    /// Latency or ttft over [`LATENCY_US_MAX`].
    #[error("{0} is longer than 7 days")]
    TooSlow(&'static str),
    /// A token count over [`TOKENS_MAX`].
    #[error("{0} is over 10^12")]
    TooManyTokens(&'static str),
    /// cached + cache_write exceed input.
    #[error("cached_tokens + cache_write_tokens exceed input_tokens")]
    CachedOverInput,
    /// cache_write_1h exceeds cache_write.
    #[error("cache_write_1h_tokens exceed cache_write_tokens")]
    HourOverWrite,
    /// reasoning exceeds output.
    #[error("reasoning_tokens exceed output_tokens")]
    ReasoningOverOutput,
    /// Cost over [`COST_NANOS_MAX`].
    #[error("{0} is above 1e9 dollars")]
    TooExpensive(&'static str),
}

impl Event<'_> {
    /// Checks everything about the event but its time.
    ///
    /// # Errors
    /// The first rule that the event breaks.
    pub fn check(&self) -> Result<(), Invalid> {
        match self {
            Event::Request(r) => r.check(),
            Event::Cache(c) => {
                names(&[("provider", c.provider), ("model", c.model), ("user", c.user), ("key", c.key)])?;
                money("saved_cost_usd", c.saved_cost)?;
                tokens("saved_tokens", c.saved_tokens.unwrap_or(0))
            }
            Event::RateLimit(l) => names(&[
                ("provider", l.provider),
                ("model", l.model),
                ("user", l.user),
                ("key", l.key),
                ("limit_type", l.limit_type),
            ]),
        }
    }
}

impl Request<'_> {
    /// Checks everything about the request but its time.
    ///
    /// # Errors
    /// The first rule that the request breaks.
    pub fn check(&self) -> Result<(), Invalid> {
        if self.provider.is_empty() {
            return Err(Invalid::NoProvider);
        }
        let error = match self.outcome {
            Outcome::Ok => "",
            Outcome::Error(kind) => kind,
        };
        names(&[
            ("provider", self.provider),
            ("model", self.model),
            ("user", self.user),
            ("error", error),
            ("service_tier", self.service_tier),
        ])?;
        duration("latency_ms", self.latency)?;
        duration("ttft_ms", self.ttft)?;
        self.tokens.check()?;
        money("cost_usd", self.cost)
    }
}

impl Tokens {
    /// Checks the bounds and that subsets are subsets.
    ///
    /// # Errors
    /// The first rule that the counts break.
    #[inline]
    pub fn check(&self) -> Result<(), Invalid> {
        tokens("input_tokens", self.input)?;
        tokens("output_tokens", self.output)?;
        if self.cached.saturating_add(self.cache_write) > self.input {
            return Err(Invalid::CachedOverInput);
        }
        if self.cache_write_1h > self.cache_write {
            return Err(Invalid::HourOverWrite);
        }
        if self.reasoning > self.output {
            return Err(Invalid::ReasoningOverOutput);
        }
        Ok(())
    }
}

fn names(list: &[(&'static str, &str)]) -> Result<(), Invalid> {
    match list.iter().find(|(_, name)| name.len() > NAME_BYTES_MAX) {
        Some((what, _)) => Err(Invalid::NameTooLong(what)),
        None => Ok(()),
    }
}

fn duration(what: &'static str, value: Option<Duration>) -> Result<(), Invalid> {
    match value {
        Some(d) if d.as_micros() > u128::from(LATENCY_US_MAX) => Err(Invalid::TooSlow(what)),
        _ => Ok(()),
    }
}

#[inline]
fn tokens(what: &'static str, count: u64) -> Result<(), Invalid> {
    if count > TOKENS_MAX { Err(Invalid::TooManyTokens(what)) } else { Ok(()) }
}

fn money(what: &'static str, cost: Option<NanoUsd>) -> Result<(), Invalid> {
    match cost {
        Some(c) if c.nanos() > COST_NANOS_MAX => Err(Invalid::TooExpensive(what)),
        _ => Ok(()),
    }
}
