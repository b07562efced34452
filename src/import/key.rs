//! The names of an event's fields, aliases included.

use std::collections::HashMap;

use foldhash::fast::RandomState;

/// A field of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub(crate) enum Key {
    Type,
    Ts,
    EventId,
    Provider,
    Model,
    User,
    Latency,
    Ttft,
    Input,
    Cached,
    CacheWrite,
    CacheWrite1h,
    Output,
    Reasoning,
    Cost,
    CostSource,
    ServiceTier,
    Ok,
    Error,
    Event,
    SavedCost,
    SavedTokens,
    Entry,
    Ttl,
    LimitType,
    Remaining,
    Limit,
}

impl Key {
    /// The field that a key of the text formats means.
    pub(crate) fn find(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"ts" | b"at" | b"timestamp" => Self::Ts,
            b"type" => Self::Type,
            b"provider" => Self::Provider,
            b"model" => Self::Model,
            b"user" | b"userId" => Self::User,
            b"latency_ms" | b"latency" => Self::Latency,
            b"ttft_ms" => Self::Ttft,
            b"input_tokens" => Self::Input,
            b"output_tokens" => Self::Output,
            b"cached_tokens" => Self::Cached,
            b"cache_write_tokens" => Self::CacheWrite,
            b"cache_write_1h_tokens" => Self::CacheWrite1h,
            b"reasoning_tokens" => Self::Reasoning,
            b"cost_usd" | b"cost" => Self::Cost,
            b"cost_source" => Self::CostSource,
            b"service_tier" => Self::ServiceTier,
            b"ok" | b"success" => Self::Ok,
            b"error" => Self::Error,
            b"event_id" => Self::EventId,
            b"event" => Self::Event,
            b"saved_cost_usd" | b"savedCost" => Self::SavedCost,
            b"saved_tokens" | b"savedTokens" => Self::SavedTokens,
            b"key" => Self::Entry,
            b"ttl_s" => Self::Ttl,
            b"limit_type" => Self::LimitType,
            b"remaining" => Self::Remaining,
            b"limit" => Self::Limit,
            _ => return name.strip_prefix(b"tokens.").and_then(Self::find_in_tokens),
        })
    }

    /// The field that a key inside of a `tokens` object means.
    pub(crate) fn find_in_tokens(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"input" => Self::Input,
            b"output" => Self::Output,
            b"cached" => Self::Cached,
            b"cache_write" => Self::CacheWrite,
            b"cache_write_1h" => Self::CacheWrite1h,
            b"reasoning" => Self::Reasoning,
            _ => return None,
        })
    }

    /// All fields, in the order in which exports write them.
    pub(crate) const ALL: [Self; 27] = [
        Self::Type,
        Self::Ts,
        Self::EventId,
        Self::Provider,
        Self::Model,
        Self::User,
        Self::Latency,
        Self::Ttft,
        Self::Input,
        Self::Cached,
        Self::CacheWrite,
        Self::CacheWrite1h,
        Self::Output,
        Self::Reasoning,
        Self::Cost,
        Self::CostSource,
        Self::ServiceTier,
        Self::Ok,
        Self::Error,
        Self::Event,
        Self::SavedCost,
        Self::SavedTokens,
        Self::Entry,
        Self::Ttl,
        Self::LimitType,
        Self::Remaining,
        Self::Limit,
    ];

    /// The canonical name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Type => "type",
            Self::Ts => "ts",
            Self::EventId => "event_id",
            Self::Provider => "provider",
            Self::Model => "model",
            Self::User => "user",
            Self::Latency => "latency_ms",
            Self::Ttft => "ttft_ms",
            Self::Input => "input_tokens",
            Self::Cached => "cached_tokens",
            Self::CacheWrite => "cache_write_tokens",
            Self::CacheWrite1h => "cache_write_1h_tokens",
            Self::Output => "output_tokens",
            Self::Reasoning => "reasoning_tokens",
            Self::Cost => "cost_usd",
            Self::CostSource => "cost_source",
            Self::ServiceTier => "service_tier",
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Event => "event",
            Self::SavedCost => "saved_cost_usd",
            Self::SavedTokens => "saved_tokens",
            Self::Entry => "key",
            Self::Ttl => "ttl_s",
            Self::LimitType => "limit_type",
            Self::Remaining => "remaining",
            Self::Limit => "limit",
        }
    }

    /// The bit of this field in a set of fields.
    pub(crate) const fn bit(self) -> u32 {
        1 << self as u8
    }
}

/// How the keys of one input are read: the fields' own names, and those that `--map` gives them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keys {
    renamed: HashMap<Box<[u8]>, Key, RandomState>,
}

impl Keys {
    /// Keys with pairs of (the input's name, ours).
    ///
    /// # Errors
    /// The first of our names that is none.
    pub(crate) fn new(map: &[(String, String)]) -> Result<Self, String> {
        let mut keys = Self::default();
        for (theirs, ours) in map {
            let key = Key::find(ours.as_bytes()).ok_or_else(|| ours.clone())?;
            keys.renamed.insert(theirs.as_bytes().into(), key);
        }
        Ok(keys)
    }

    /// The field that `name` means.
    #[inline]
    pub(crate) fn find(&self, name: &[u8]) -> Option<Key> {
        if !self.renamed.is_empty()
            && let Some(key) = self.renamed.get(name)
        {
            return Some(*key);
        }
        Key::find(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_are_found() {
        for (alias, key) in [
            ("at", Key::Ts),
            ("timestamp", Key::Ts),
            ("success", Key::Ok),
            ("latency", Key::Latency),
            ("cost", Key::Cost),
            ("userId", Key::User),
            ("savedCost", Key::SavedCost),
            ("savedTokens", Key::SavedTokens),
            ("tokens.input", Key::Input),
            ("tokens.output", Key::Output),
        ] {
            assert_eq!(Key::find(alias.as_bytes()), Some(key), "{alias}");
        }
        for none in ["", "t", "tokens", "Ts", "latency_us", "input_token", "tokens.total", "cache_write_2h_tokens"] {
            assert_eq!(Key::find(none.as_bytes()), None, "{none}");
        }
    }

    #[test]
    fn every_canonical_name_is_found_again() {
        for (i, key) in Key::ALL.into_iter().enumerate() {
            assert_eq!(Key::find(key.name().as_bytes()), Some(key));
            assert_eq!(key as usize, i, "ALL is in the order of the enum");
        }
    }
}
