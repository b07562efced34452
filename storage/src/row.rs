//! Events with their names replaced by small numbers: the one form that journals, imports and
//! sealed segments produce, and that rollup, sealing and raw queries consume.

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use std::collections::HashMap;
use std::hash::BuildHasher;

use crate::event::{CostSource, Event, Outcome, Tokens};
use crate::time::Timestamp;

/// Index of a name in its [`Names`]. 0 is always the empty name.
pub type NameId = u32;

/// An interned set of names. Id 0 is `""`.
///
/// Each name is kept once and takes few bytes beside it: there may be a million of them.
#[derive(Clone, Debug)]
pub struct Names {
    /// All of them, one after the other.
    text: String,
    /// By id: where the name ends in `text`, and the one after it begins.
    ends: Vec<usize>,
    /// Names that fit into a number: they are hashed and compared as one.
    short: HashMap<u128, NameId, RandomState>,
    /// The others, by the hash of their text.
    long: HashTable<NameId>,
    hasher: RandomState,
}

impl Default for Names {
    fn default() -> Self {
        Self {
            text: String::new(),
            ends: vec![0],
            short: HashMap::default(),
            long: HashTable::new(),
            hasher: RandomState::default(),
        }
    }
}

/// Longest name that fits into a number.
const SHORT_BYTES_MAX: usize = 15;

/// A name of at most [`SHORT_BYTES_MAX`] bytes as a number: its bytes, and its length in the topmost one.
#[inline]
fn short(name: &[u8]) -> Option<u128> {
    let len = name.len();
    let eight = |bytes: &[u8]| bytes.first_chunk().map(|b| u128::from(u64::from_le_bytes(*b)));
    let four = |bytes: &[u8]| bytes.first_chunk().map(|b| u64::from(u32::from_le_bytes(*b)));
    // Two overlapping halves.
    let bytes = match len {
        8..=SHORT_BYTES_MAX => eight(name)? | eight(&name[len - 8..])? << (8 * (len - 8)),
        4..8 => (four(name)? | four(&name[len - 4..])? << (8 * (len - 4))).into(),
        0..4 => name.iter().rev().fold(0, |n, b| n << 8 | u128::from(*b)),
        _ => return None,
    };
    Some(bytes | (len as u128) << 120)
}

impl Names {
    /// The id of `name`, which is added when it is new.
    #[inline]
    pub fn intern(&mut self, name: &str) -> NameId {
        // Most optional names are absent, and then nothing is hashed.
        if name.is_empty() {
            return 0;
        }
        self.find(name).unwrap_or_else(|| self.add(name))
    }

    /// The id of a name that may be none: one that is new and not UTF-8 is not added.
    #[inline]
    pub fn intern_bytes(&mut self, name: &[u8]) -> Option<NameId> {
        if name.is_empty() {
            return Some(0);
        }
        self.find_bytes(name).or_else(|| Some(self.add(std::str::from_utf8(name).ok()?)))
    }

    #[cold]
    fn add(&mut self, name: &str) -> NameId {
        let id = NameId::try_from(self.ends.len()).expect("fewer than 2^32 names in a batch");
        self.text.push_str(name);
        self.ends.push(self.text.len());
        match short(name.as_bytes()) {
            Some(short) => {
                self.short.insert(short, id);
            }
            None => {
                let Self { text, ends, long, hasher, .. } = self;
                let hash = |name: &str| hasher.hash_one(name.as_bytes());
                long.insert_unique(hash(name), id, |id| hash(name_of(text, ends, *id)));
            }
        }
        id
    }

    /// The id of `name` if it is there.
    #[inline]
    pub fn find(&self, name: &str) -> Option<NameId> {
        if name.is_empty() { Some(0) } else { self.find_bytes(name.as_bytes()) }
    }

    /// The same of a name that is not empty.
    #[inline]
    fn find_bytes(&self, name: &[u8]) -> Option<NameId> {
        match short(name) {
            Some(short) => self.short.get(&short).copied(),
            None => self.long.find(self.hasher.hash_one(name), |id| self.get(*id).as_bytes() == name).copied(),
        }
    }

    /// The name of `id`. Panics on an id that another set gave out.
    pub fn get(&self, id: NameId) -> &str {
        name_of(&self.text, &self.ends, id)
    }

    /// How many names there are, the empty one included.
    #[expect(clippy::len_without_is_empty, reason = "the empty name is always there")]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// All names in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..).zip(&self.ends).map(|(id, _)| self.get(id))
    }
}

fn name_of<'a>(text: &'a str, ends: &[usize], id: NameId) -> &'a str {
    let id = id as usize;
    &text[if id == 0 { 0 } else { ends[id - 1] }..ends[id]]
}

/// A number that may be absent; absent is kept as `u64::MAX`, which no bound allows as a value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Maybe(u64);

impl Default for Maybe {
    fn default() -> Self {
        Self::NONE
    }
}

impl Maybe {
    /// Not reported.
    pub const NONE: Self = Self(u64::MAX);

    /// A reported value. `u64::MAX` itself becomes "not reported".
    pub const fn some(value: u64) -> Self {
        Self(value)
    }

    /// The value, if there is one.
    pub const fn get(self) -> Option<u64> {
        if self.0 == u64::MAX { None } else { Some(self.0) }
    }
}

impl From<Option<u64>> for Maybe {
    fn from(value: Option<u64>) -> Self {
        value.map_or(Self::NONE, Self::some)
    }
}

impl std::fmt::Debug for Maybe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.get().fmt(f)
    }
}

/// One event; names are ids in the [`Names`] beside it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// When it ended.
    pub ts: Timestamp,
    /// Provider name.
    pub provider: NameId,
    /// Model name.
    pub model: NameId,
    /// User name.
    pub user: NameId,
    /// The caller's id of the event, 0 = none. Only imports have one.
    pub event_id: NameId,
    /// The rest, by kind.
    pub body: Body,
}

/// The part of a row that differs by kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Body {
    /// A call of a provider.
    Request(RequestRow),
    /// A cache look-up.
    Cache(CacheRow),
    /// A rate limiter's decision.
    Rate(RateRow),
}

/// A request's own fields.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RequestRow {
    /// Success.
    pub ok: bool,
    /// Kind of failure; 0 when it succeeded or none was given.
    pub error: NameId,
    /// Service tier.
    pub service_tier: NameId,
    /// Whole call, microseconds.
    pub latency_us: Maybe,
    /// Time to first token, microseconds.
    pub ttft_us: Maybe,
    /// Token counts.
    pub tokens: Tokens,
    /// Nano-dollars; 0 when `cost_source` is `Unpriced`.
    pub cost_nanos: u64,
    /// Where the cost comes from.
    pub cost_source: CostSource,
}

/// A cache look-up's own fields.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CacheRow {
    /// Found or not.
    pub hit: bool,
    /// Cache key.
    pub key: NameId,
    /// Saved money in nano-dollars.
    pub saved_cost_nanos: Maybe,
    /// Saved tokens.
    pub saved_tokens: Maybe,
    /// Life of the entry, seconds.
    pub ttl_s: Maybe,
}

/// A rate limiter decision's own fields.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateRow {
    /// Let through or not.
    pub allowed: bool,
    /// What the limit is counted by.
    pub key: NameId,
    /// Kind of limit.
    pub limit_type: NameId,
    /// What is left.
    pub remaining: Maybe,
    /// The limit.
    pub limit: Maybe,
}

impl RateRow {
    /// 1 - remaining / limit in units of 1e-9, rounded to the nearest; `None` unless both were
    /// reported and the limit is above zero. More left than the limit counts as none used.
    pub fn utilization(&self) -> Option<u64> {
        let (remaining, limit) = (self.remaining.get()?, self.limit.get()?);
        let used = u128::from(limit.saturating_sub(remaining));
        let limit = u128::from(limit);
        (used * 1_000_000_000 + limit / 2).checked_div(limit).and_then(|u| u64::try_from(u).ok())
    }
}

/// Rows and the names they refer to.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Names of all rows.
    pub names: Names,
    /// The events, in any order.
    pub rows: Vec<Row>,
}

/// Rows read before it is asked whether a batch [`Batch::is_full`].
pub(crate) const PART_ROWS: usize = 16_384;
/// Most rows of a batch with few names.
const ROWS_MAX: usize = 131_072;
/// So few names are those of ordinary traffic.
const FEW_NAMES: usize = 4096;

impl Batch {
    /// Whether it holds as much as a pass should hold at once: many rows or, where each may have names and cells of its
    /// own, fewer.
    pub(crate) fn is_full(&self) -> bool {
        let rows_max = if self.names.len() > FEW_NAMES { PART_ROWS } else { ROWS_MAX };
        self.rows.len() >= rows_max
    }

    /// Adds an event that happened at `ts`. A request without `cost` becomes unpriced;
    /// `source` says where a present cost comes from.
    pub fn push(&mut self, event: &Event<'_>, ts: Timestamp, source: CostSource, event_id: &str) {
        let names = &mut self.names;
        let (provider, model, user, body) = match event {
            Event::Request(r) => {
                let (ok, error) = match r.outcome {
                    Outcome::Ok => (true, 0),
                    Outcome::Error(kind) => (false, names.intern(kind)),
                };
                let body = Body::Request(RequestRow {
                    ok,
                    error,
                    service_tier: names.intern(r.service_tier),
                    latency_us: r.latency.map(micros).into(),
                    ttft_us: r.ttft.map(micros).into(),
                    tokens: r.tokens,
                    cost_nanos: r.cost.map_or(0, |c| c.nanos()),
                    cost_source: if r.cost.is_some() { source } else { CostSource::Unpriced },
                });
                (r.provider, r.model, r.user, body)
            }
            Event::Cache(c) => {
                let body = Body::Cache(CacheRow {
                    hit: c.hit,
                    key: names.intern(c.key),
                    saved_cost_nanos: c.saved_cost.map(|c| c.nanos()).into(),
                    saved_tokens: c.saved_tokens.into(),
                    ttl_s: c.ttl_s.into(),
                });
                (c.provider, c.model, c.user, body)
            }
            Event::RateLimit(l) => {
                let body = Body::Rate(RateRow {
                    allowed: l.allowed,
                    key: names.intern(l.key),
                    limit_type: names.intern(l.limit_type),
                    remaining: l.remaining.into(),
                    limit: l.limit.into(),
                });
                (l.provider, l.model, l.user, body)
            }
        };
        let row = Row {
            ts,
            provider: names.intern(provider),
            model: names.intern(model),
            user: names.intern(user),
            event_id: names.intern(event_id),
            body,
        };
        self.rows.push(row);
    }
}

/// Whole microseconds, saturating.
fn micros(d: std::time::Duration) -> u64 {
    u64::try_from(d.as_micros()).unwrap_or(u64::MAX - 1)
}
