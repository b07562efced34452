//! Single events as a list.

use ax_storage::event::CostSource;
use ax_storage::row::{Body, Maybe, Names, Row};
use ax_storage::time::Timestamp;
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{Time, Warning, Window};
use crate::metric::Money;

/// The newest events that match.
#[derive(Clone, Debug)]
pub struct EventsView {
    /// When it was asked.
    pub generated_at: Timestamp,
    /// The window.
    pub range: Window,
    /// How many events match; `events` holds the newest of them.
    pub count: u64,
    /// The newest ones, oldest of them first.
    pub events: Vec<EventView>,
    /// What else a user should know.
    pub warnings: Vec<Warning>,
}

/// One event with its names. In JSON it is the line that `record` and `import` take.
#[derive(Clone, Debug)]
pub struct EventView {
    /// When.
    pub ts: Timestamp,
    /// Provider; may be empty.
    pub provider: Box<str>,
    /// Model; may be empty.
    pub model: Box<str>,
    /// User; may be empty.
    pub user: Box<str>,
    /// The caller's id; may be empty.
    pub event_id: Box<str>,
    /// The rest. Name ids in it belong to the batch it comes from: use the names beside it.
    pub body: Body,
    /// Kind of failure, or key of the cache or limit; may be empty.
    pub detail: Box<str>,
    /// Service tier or limit type; may be empty.
    pub kind: Box<str>,
}

impl EventView {
    /// An event out of a batch.
    pub fn of(names: &Names, row: &Row) -> Self {
        let (detail, kind) = match row.body {
            Body::Request(r) => (r.error, r.service_tier),
            Body::Cache(c) => (c.key, 0),
            Body::Rate(l) => (l.key, l.limit_type),
        };
        let name = |id| names.get(id).into();
        Self {
            ts: row.ts,
            provider: name(row.provider),
            model: name(row.model),
            user: name(row.user),
            event_id: name(row.event_id),
            body: row.body,
            detail: name(detail),
            kind: name(kind),
        }
    }
}

/// Microseconds as milliseconds: a whole number where it is one.
struct Millis(u64);

impl Serialize for Millis {
    #[expect(clippy::cast_precision_loss, reason = "at most 7 days of microseconds")]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 % 1000 {
            0 => serializer.serialize_u64(self.0 / 1000),
            _ => serializer.serialize_f64(self.0 as f64 / 1e3),
        }
    }
}

impl Serialize for EventView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let kind = match self.body {
            Body::Request(_) => "request",
            Body::Cache(_) => "cache",
            Body::Rate(_) => "rate_limit",
        };
        map.serialize_entry("type", kind)?;
        map.serialize_entry("ts", &Time(self.ts))?;
        let names =
            [("event_id", &self.event_id), ("provider", &self.provider), ("model", &self.model), ("user", &self.user)];
        for (key, name) in names.iter().filter(|(_, name)| !name.is_empty()) {
            map.serialize_entry(key, name)?;
        }
        match &self.body {
            Body::Request(r) => {
                if let Some(us) = r.latency_us.get() {
                    map.serialize_entry("latency_ms", &Millis(us))?;
                }
                if let Some(us) = r.ttft_us.get() {
                    map.serialize_entry("ttft_ms", &Millis(us))?;
                }
                map.serialize_entry("input_tokens", &r.tokens.input)?;
                map.serialize_entry("output_tokens", &r.tokens.output)?;
                for (key, n) in [
                    ("cached_tokens", r.tokens.cached),
                    ("cache_write_tokens", r.tokens.cache_write),
                    ("cache_write_1h_tokens", r.tokens.cache_write_1h),
                    ("reasoning_tokens", r.tokens.reasoning),
                ] {
                    if n > 0 {
                        map.serialize_entry(key, &n)?;
                    }
                }
                let source = match r.cost_source {
                    CostSource::Unpriced => "unpriced",
                    CostSource::Recorded => "recorded",
                    CostSource::Computed => "computed",
                };
                if r.cost_source != CostSource::Unpriced {
                    map.serialize_entry("cost_usd", &Money(r.cost_nanos.into()))?;
                }
                map.serialize_entry("cost_source", source)?;
                if !self.kind.is_empty() {
                    map.serialize_entry("service_tier", &self.kind)?;
                }
                map.serialize_entry("ok", &r.ok)?;
                if !self.detail.is_empty() {
                    map.serialize_entry("error", &self.detail)?;
                }
            }
            Body::Cache(c) => {
                map.serialize_entry("event", if c.hit { "hit" } else { "miss" })?;
                if let Some(nanos) = c.saved_cost_nanos.get() {
                    map.serialize_entry("saved_cost_usd", &Money(nanos.into()))?;
                }
                optional(&mut map, "saved_tokens", c.saved_tokens)?;
                if !self.detail.is_empty() {
                    map.serialize_entry("key", &self.detail)?;
                }
                optional(&mut map, "ttl_s", c.ttl_s)?;
            }
            Body::Rate(l) => {
                map.serialize_entry("event", if l.allowed { "allowed" } else { "denied" })?;
                for (key, name) in [("key", &self.detail), ("limit_type", &self.kind)] {
                    if !name.is_empty() {
                        map.serialize_entry(key, name)?;
                    }
                }
                optional(&mut map, "remaining", l.remaining)?;
                optional(&mut map, "limit", l.limit)?;
            }
        }
        map.end()
    }
}

fn optional<M: SerializeMap>(map: &mut M, key: &'static str, value: Maybe) -> Result<(), M::Error> {
    match value.get() {
        Some(n) => map.serialize_entry(key, &n),
        None => Ok(()),
    }
}

impl Serialize for EventsView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(6))?;
        map.serialize_entry("schema", "ax.monitor.events/1")?;
        map.serialize_entry("generated_at", &Time(self.generated_at))?;
        map.serialize_entry("range", &self.range)?;
        map.serialize_entry("count", &self.count)?;
        map.serialize_entry("events", &self.events)?;
        map.serialize_entry("warnings", &self.warnings)?;
        map.end()
    }
}
