//! Payloads of frames: names, requests, cache look-ups, rate limiter decisions.
//!
//! ```text
//! every payload begins with its kind (u8); what a reader does not know it skips
//! 1 name      class u8 | len a u16 | id u32 | previous name frame u32 | len b u16 | 0 u16 | a | b
//! 2 request   one slot, see `Compact`
//! 3 request, 4 cache, 5 rate limit:
//!             flags u8 | 0 u16 | series u32 | ts 6 bytes | 0 u16 | user u32 | 0 u32
//!             numbers, u64 each | texts, each len u16 and its bytes
//! ```
//! Numbers of 3: latency, ttft (us), input, cached, cache_write, cache_write_1h, output, reasoning,
//! cost; of 4: saved cost, saved tokens, ttl (s); of 5: remaining, limit. Texts of 3: error, service
//! tier; of 4: key; of 5: key, limit type. With flag `INLINE` the series and user ids are 0 and
//! provider, model, user stand as texts before these: the way out when an id cannot be had.

use crate::event::{COST_NANOS_MAX, CostSource, LATENCY_US_MAX, NAME_BYTES_MAX, Tokens};
use crate::journal::format::{PAYLOAD_BYTES_MAX, u16_at, u32_at, u64_at};
use crate::row::Maybe;
use crate::time::Timestamp;

/// Fills slots that were reserved in vain.
pub(crate) const PAD: u8 = 0;
const NAME: u8 = 1;
const REQUEST: u8 = 2;
const WIDE_REQUEST: u8 = 3;
const CACHE: u8 = 4;
const RATE: u8 = 5;

/// The call succeeded, the look-up hit, the limiter let it through.
const GOOD: u8 = 1;
/// Two bits: how the cost came about.
const SOURCE_SHIFT: u8 = 1;
/// Latency is there (request); saved cost (cache); remaining (rate).
const HAS_FIRST: u8 = 8;
/// Time to first token; saved tokens; limit.
const HAS_SECOND: u8 = 16;
/// Life of the entry (cache). In a one-slot request: all of `cache_write` was for an hour.
const THIRD: u8 = 32;
/// Names stand in the frame itself.
const INLINE: u8 = 128;

/// Largest id of a series or user that a reader accepts, so that a hostile file cannot make it
/// reserve gigabytes.
pub(crate) const ID_MAX: u32 = 1 << 20;
/// Bytes of a one-slot request.
pub(crate) const COMPACT_BYTES: u32 = 56;

/// What a name frame defines an id for; each class counts for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Provider and model.
    Series = 1,
    /// A user.
    User = 2,
    /// Kind of error or service tier.
    Word = 3,
}

/// Who an event belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who<'a> {
    /// Ids that name frames of the same file have defined.
    Ids {
        /// Provider and model.
        series: u32,
        /// User.
        user: u32,
    },
    /// The names themselves.
    Names {
        /// Provider.
        provider: &'a str,
        /// Model.
        model: &'a str,
        /// User.
        user: &'a str,
    },
}

/// The numbers of a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct RequestNumbers {
    pub(crate) ok: bool,
    pub(crate) latency_us: Maybe,
    pub(crate) ttft_us: Maybe,
    pub(crate) tokens: Tokens,
    pub(crate) cost_nanos: u64,
    pub(crate) cost_source: CostSource,
}

/// A decoded payload.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Frame<'a> {
    /// A pad, or a kind of a later version.
    Skip,
    /// The meaning of an id.
    Name {
        class: Class,
        id: u32,
        /// Offset of the name frame before this one, 0 = none.
        previous: u32,
        /// The name; of a series the provider.
        a: &'a str,
        /// Of a series the model.
        b: &'a str,
    },
    /// A request of one slot; its texts are ids of class `Word`, 0 = empty.
    Compact { ts: Timestamp, series: u32, user: u32, error: u16, tier: u16, numbers: RequestNumbers },
    /// A request of several slots.
    Wide { ts: Timestamp, who: Who<'a>, error: &'a str, tier: &'a str, numbers: RequestNumbers },
    /// A cache look-up.
    Cache { ts: Timestamp, who: Who<'a>, hit: bool, saved_cost: Maybe, saved_tokens: Maybe, ttl_s: Maybe, key: &'a str },
    /// A rate limiter's decision.
    Rate {
        ts: Timestamp,
        who: Who<'a>,
        allowed: bool,
        remaining: Maybe,
        limit: Maybe,
        key: &'a str,
        limit_type: &'a str,
    },
}

/// A payload whose checksum is right and whose content breaks a rule: what it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

/// A request in the seven words of one slot, when its numbers are small enough: counts and times
/// in microseconds below 2^32, and of the cache writes none or all for an hour.
#[inline(always)]
pub(crate) fn compact(
    ts: Timestamp,
    (series, user): (u32, u32),
    (error, tier): (u16, u16),
    r: &RequestNumbers,
) -> Option<[u64; 7]> {
    let t = &r.tokens;
    let (latency, ttft) = (r.latency_us.get().unwrap_or(0), r.ttft_us.get().unwrap_or(0));
    let all = latency | ttft | t.input | t.cached | t.cache_write | t.output | t.reasoning;
    let hour = t.cache_write_1h != 0;
    if all >> 32 != 0 || (hour && t.cache_write_1h != t.cache_write) {
        return None;
    }
    let flags = request_flags(r) | flag(hour, THIRD);
    Some([
        u64::from(REQUEST) | (u64::from(flags) << 8) | (u64::from(error) << 16) | (u64::from(series) << 32),
        ts.millis() | (u64::from(tier) << 48),
        u64::from(user) | (latency << 32),
        ttft | (t.input << 32),
        t.cached | (t.cache_write << 32),
        t.output | (t.reasoning << 32),
        r.cost_nanos,
    ])
}

/// A payload of several slots under construction; lives on the stack.
pub(crate) struct Buffer {
    bytes: [u8; PAYLOAD_BYTES_MAX],
    len: usize,
}

impl Buffer {
    fn new(kind: u8) -> Self {
        let mut buffer = Self { bytes: [0; PAYLOAD_BYTES_MAX], len: 0 };
        buffer.put(&[kind]);
        buffer
    }

    /// What was put in.
    pub(crate) fn payload(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn put(&mut self, bytes: &[u8]) {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    /// Names are at most 256 bytes each, which callers have checked; five fit.
    fn text(&mut self, text: &str) {
        debug_assert!(text.len() <= NAME_BYTES_MAX);
        self.put(&(text.len() as u16).to_le_bytes());
        self.put(text.as_bytes());
    }

    /// A pad that fills `slots` slots.
    pub(crate) fn pad(slots: u32) -> Self {
        let mut buffer = Self::new(PAD);
        buffer.len = slots as usize * 64 - 8;
        buffer
    }

    /// A name frame.
    pub(crate) fn name(class: Class, id: u32, previous: u32, a: &str, b: &str) -> Self {
        debug_assert!(a.len() <= NAME_BYTES_MAX && b.len() <= NAME_BYTES_MAX);
        let mut buffer = Self::new(NAME);
        buffer.put(&[class as u8]);
        buffer.put(&(a.len() as u16).to_le_bytes());
        buffer.put(&id.to_le_bytes());
        buffer.put(&previous.to_le_bytes());
        buffer.put(&(b.len() as u16).to_le_bytes());
        buffer.put(&[0; 2]);
        buffer.put(a.as_bytes());
        buffer.put(b.as_bytes());
        buffer
    }

    fn event(kind: u8, flags: u8, ts: Timestamp, who: Who<'_>, numbers: &[u64]) -> Self {
        let mut buffer = Self::new(kind);
        let (series, user, inline) = match who {
            Who::Ids { series, user } => (series, user, 0),
            Who::Names { .. } => (0, 0, INLINE),
        };
        buffer.put(&[flags | inline, 0, 0]);
        buffer.put(&series.to_le_bytes());
        buffer.put(&ts.millis().to_le_bytes());
        buffer.put(&u64::from(user).to_le_bytes());
        for number in numbers {
            buffer.put(&number.to_le_bytes());
        }
        if let Who::Names { provider, model, user } = who {
            [provider, model, user].into_iter().for_each(|n| buffer.text(n));
        }
        buffer
    }

    /// A request of any size.
    pub(crate) fn wide(ts: Timestamp, who: Who<'_>, error: &str, tier: &str, r: &RequestNumbers) -> Self {
        let flags = request_flags(r);
        let t = &r.tokens;
        let (latency, ttft) = (or_zero(r.latency_us), or_zero(r.ttft_us));
        let numbers =
            [latency, ttft, t.input, t.cached, t.cache_write, t.cache_write_1h, t.output, t.reasoning, r.cost_nanos];
        let mut buffer = Self::event(WIDE_REQUEST, flags, ts, who, &numbers);
        buffer.text(error);
        buffer.text(tier);
        buffer
    }

    /// A cache look-up; `saved` is money and tokens.
    pub(crate) fn cache(
        ts: Timestamp,
        who: Who<'_>,
        hit: bool,
        saved: (Maybe, Maybe),
        ttl_s: Maybe,
        key: &str,
    ) -> Self {
        let flags = flag(hit, GOOD) | has(saved.0, saved.1) | flag(ttl_s != Maybe::NONE, THIRD);
        let numbers = [or_zero(saved.0), or_zero(saved.1), or_zero(ttl_s)];
        let mut buffer = Self::event(CACHE, flags, ts, who, &numbers);
        buffer.text(key);
        buffer
    }

    /// A rate limiter's decision; `state` is what remains and the limit.
    pub(crate) fn rate(ts: Timestamp, who: Who<'_>, allowed: bool, state: (Maybe, Maybe), texts: (&str, &str)) -> Self {
        let flags = flag(allowed, GOOD) | has(state.0, state.1);
        let mut buffer = Self::event(RATE, flags, ts, who, &[or_zero(state.0), or_zero(state.1)]);
        buffer.text(texts.0);
        buffer.text(texts.1);
        buffer
    }
}

#[inline(always)]
fn request_flags(r: &RequestNumbers) -> u8 {
    flag(r.ok, GOOD) | ((r.cost_source as u8) << SOURCE_SHIFT) | has(r.latency_us, r.ttft_us)
}

/// Kind and flags of a one-slot request without an error: of the word in which the series follows.
#[inline(always)]
pub(crate) fn compact_head(ok: bool, source: CostSource, latency: bool, ttft: bool, hour: bool) -> u64 {
    let flags = flag(ok, GOOD) | flag(latency, HAS_FIRST) | flag(ttft, HAS_SECOND) | flag(hour, THIRD);
    u64::from(REQUEST) | u64::from(flags | (source as u8) << SOURCE_SHIFT) << 8
}

#[inline(always)]
fn has(first: Maybe, second: Maybe) -> u8 {
    flag(first != Maybe::NONE, HAS_FIRST) | flag(second != Maybe::NONE, HAS_SECOND)
}

#[inline(always)]
fn flag(on: bool, flag: u8) -> u8 {
    u8::from(on) * flag
}

fn or_zero(value: Maybe) -> u64 {
    value.get().unwrap_or(0)
}

/// Whether a payload is one that names nothing and counts nothing but ids: looked at by readers
/// that only learn names.
pub(crate) fn is_name(payload: &[u8]) -> bool {
    payload.first() == Some(&NAME)
}

/// Reads a payload whose checksum was right.
///
/// # Errors
/// What breaks a rule of the format or a bound of events.
#[inline]
pub(crate) fn decode(payload: &[u8]) -> Result<Frame<'_>, Malformed> {
    match payload.first() {
        Some(&REQUEST) => decode_compact(payload),
        Some(&NAME) => decode_name(payload),
        Some(&WIDE_REQUEST) => {
            let (head, n, mut texts) = decode_event::<9>(payload)?;
            let [latency, ttft, input, cached, cache_write, cache_write_1h, output, reasoning, cost] = n;
            let tokens = Tokens { input, cached, cache_write, cache_write_1h, output, reasoning };
            let numbers = request_numbers(head.flags, latency, ttft, tokens, cost)?;
            let who = head.who(&mut texts)?;
            Ok(Frame::Wide { ts: head.ts, who, error: texts.next()?, tier: texts.next()?, numbers })
        }
        Some(&CACHE) => {
            let (head, [cost, tokens, ttl], mut texts) = decode_event::<3>(payload)?;
            let who = head.who(&mut texts)?;
            let saved_cost = head.maybe(HAS_FIRST, cost);
            let saved_tokens = head.maybe(HAS_SECOND, tokens);
            let ttl_s = head.maybe(THIRD, ttl);
            bound(saved_cost, COST_NANOS_MAX, "saved cost")?;
            bound(saved_tokens, crate::event::TOKENS_MAX, "saved tokens")?;
            let hit = head.flags & GOOD != 0;
            Ok(Frame::Cache { ts: head.ts, who, hit, saved_cost, saved_tokens, ttl_s, key: texts.next()? })
        }
        Some(&RATE) => {
            let (head, [remaining, limit], mut texts) = decode_event::<2>(payload)?;
            Ok(Frame::Rate {
                ts: head.ts,
                who: head.who(&mut texts)?,
                allowed: head.flags & GOOD != 0,
                remaining: head.maybe(HAS_FIRST, remaining),
                limit: head.maybe(HAS_SECOND, limit),
                key: texts.next()?,
                limit_type: texts.next()?,
            })
        }
        Some(_) => Ok(Frame::Skip),
        None => Err(Malformed("empty payload")),
    }
}

#[inline]
fn decode_compact(payload: &[u8]) -> Result<Frame<'_>, Malformed> {
    let words: &[u8; COMPACT_BYTES as usize] = payload.try_into().map_err(|_| Malformed("length of a request"))?;
    let word = |i: usize| u64_at(words, i * 8);
    let (low, high) = (|i: usize| word(i) & 0xffff_ffff, |i: usize| word(i) >> 32);
    let flags = words[1];
    let cache_write = high(4);
    let tokens = Tokens {
        input: high(3),
        cached: low(4),
        cache_write,
        cache_write_1h: if flags & THIRD != 0 { cache_write } else { 0 },
        output: low(5),
        reasoning: high(5),
    };
    Ok(Frame::Compact {
        ts: time(word(1) & TS_MASK)?,
        series: u32_at(words, 4),
        user: u32_at(words, 16),
        error: u16_at(words, 2),
        tier: u16_at(words, 14),
        numbers: request_numbers(flags, high(2), low(3), tokens, word(6))?,
    })
}

fn decode_name(payload: &[u8]) -> Result<Frame<'_>, Malformed> {
    if payload.len() < 16 {
        return Err(Malformed("length of a name"));
    }
    let class = match payload[1] {
        1 => Class::Series,
        2 => Class::User,
        3 => Class::Word,
        // A class of a later version.
        _ => return Ok(Frame::Skip),
    };
    let (len_a, len_b) = (usize::from(u16_at(payload, 2)), usize::from(u16_at(payload, 12)));
    let (id, previous) = (u32_at(payload, 4), u32_at(payload, 8));
    let texts = &payload[16..];
    if len_a > NAME_BYTES_MAX || len_b > NAME_BYTES_MAX || texts.len() != len_a + len_b {
        return Err(Malformed("length of a name"));
    }
    if id > ID_MAX {
        return Err(Malformed("id of a name"));
    }
    Ok(Frame::Name { class, id, previous, a: text(&texts[..len_a])?, b: text(&texts[len_a..])? })
}

const TS_MASK: u64 = (1 << 48) - 1;

struct EventHead {
    flags: u8,
    ts: Timestamp,
    series: u32,
    user: u32,
}

impl EventHead {
    fn who<'a>(&self, texts: &mut Texts<'a>) -> Result<Who<'a>, Malformed> {
        if self.flags & INLINE == 0 {
            return Ok(Who::Ids { series: self.series, user: self.user });
        }
        Ok(Who::Names { provider: texts.next()?, model: texts.next()?, user: texts.next()? })
    }

    fn maybe(&self, flag: u8, value: u64) -> Maybe {
        if self.flags & flag != 0 { Maybe::some(value) } else { Maybe::NONE }
    }
}

/// Head, `N` numbers and the texts of an event of several slots.
fn decode_event<const N: usize>(payload: &[u8]) -> Result<(EventHead, [u64; N], Texts<'_>), Malformed> {
    let texts = payload.get(24 + 8 * N..).ok_or(Malformed("length of an event"))?;
    let head = EventHead {
        flags: payload[1],
        ts: time(u64_at(payload, 8) & TS_MASK)?,
        series: u32_at(payload, 4),
        user: u32_at(payload, 16),
    };
    Ok((head, std::array::from_fn(|i| u64_at(payload, 24 + 8 * i)), Texts(texts)))
}

struct Texts<'a>(&'a [u8]);

impl<'a> Texts<'a> {
    fn next(&mut self) -> Result<&'a str, Malformed> {
        let (len, rest) = self.0.split_first_chunk::<2>().ok_or(Malformed("length of a text"))?;
        let len = usize::from(u16::from_le_bytes(*len));
        if len > NAME_BYTES_MAX || len > rest.len() {
            return Err(Malformed("length of a text"));
        }
        let (bytes, rest) = rest.split_at(len);
        self.0 = rest;
        text(bytes)
    }
}

fn text(bytes: &[u8]) -> Result<&str, Malformed> {
    std::str::from_utf8(bytes).map_err(|_| Malformed("text that is not UTF-8"))
}

#[inline]
fn time(ms: u64) -> Result<Timestamp, Malformed> {
    if ms > Timestamp::MAX.millis() { Err(Malformed("time")) } else { Ok(Timestamp::from_millis(ms)) }
}

fn bound(value: Maybe, max: u64, what: &'static str) -> Result<(), Malformed> {
    if value.get().unwrap_or(0) > max { Err(Malformed(what)) } else { Ok(()) }
}

#[inline]
fn request_numbers(
    flags: u8,
    latency: u64,
    ttft: u64,
    tokens: Tokens,
    cost_nanos: u64,
) -> Result<RequestNumbers, Malformed> {
    let cost_source = match (flags >> SOURCE_SHIFT) & 3 {
        0 if cost_nanos == 0 => CostSource::Unpriced,
        1 => CostSource::Recorded,
        2 => CostSource::Computed,
        _ => return Err(Malformed("source of the cost")),
    };
    if latency > LATENCY_US_MAX || ttft > LATENCY_US_MAX {
        return Err(Malformed("duration"));
    }
    if cost_nanos > COST_NANOS_MAX {
        return Err(Malformed("cost"));
    }
    if tokens.check().is_err() {
        return Err(Malformed("token counts"));
    }
    let present = |flag, value| if flags & flag != 0 { Maybe::some(value) } else { Maybe::NONE };
    Ok(RequestNumbers {
        ok: flags & GOOD != 0,
        latency_us: present(HAS_FIRST, latency),
        ttft_us: present(HAS_SECOND, ttft),
        tokens,
        cost_nanos,
        cost_source,
    })
}
