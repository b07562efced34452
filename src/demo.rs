//! Believable traffic for `ax monitor demo`: the same for the same seed and time.
//!
//! Calls arrive as a Poisson stream whose rate follows the hour (a working day over a base load from
//! everywhere), the weekday, and slow growth. A call draws a model, a user and token counts; its
//! latency is the time to the first token plus the time its output takes, both log-normal; its cost
//! follows the model's list price. On top lie stories worth finding:
//!
//! * the last 25 minutes: openai is slow and refuses calls;
//! * 3 days ago: gemini takes three times as long for 50 minutes;
//! * 9 days ago: claude is overloaded for 35 minutes;
//! * since 5 days ago: user batch-7 runs an expensive model every night.

use std::time::Duration;

use ax_storage::event::{Cache, CostSource, Event, NanoUsd, Outcome, RateLimit, Request, Tokens};
use ax_storage::row::Batch;
use ax_storage::time::{DAY_MS, Timestamp, Zone};

/// Rows a batch, at most: large enough for one transaction to pay, small enough to hold.
const BATCH_ROWS: usize = 100_000;
/// Calls an hour at an ordinary time.
const CALLS_AN_HOUR: f64 = 215.0;

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;

/// A model with its habits. Prices are nano-dollars a token (= USD a million tokens x 1,000).
struct Model {
    provider: &'static str,
    name: &'static str,
    share: f64,
    ttft_ms: f64,
    token_ms: f64,
    input: f64,
    output: f64,
    reasoning: f64,
    prices: Prices,
}

#[derive(Clone, Copy)]
struct Prices {
    input: u64,
    cached: u64,
    cache_write: u64,
    output: u64,
}

const fn prices(input: u64, cached: u64, cache_write: u64, output: u64) -> Prices {
    Prices { input, cached, cache_write, output }
}

#[expect(clippy::too_many_arguments, reason = "rows of a table")]
const fn model(
    provider: &'static str,
    name: &'static str,
    share: f64,
    ttft_ms: f64,
    token_ms: f64,
    input: f64,
    output: f64,
    reasoning: f64,
    prices: Prices,
) -> Model {
    Model { provider, name, share, ttft_ms, token_ms, input, output, reasoning, prices }
}

/// Providers' list prices of autumn 2025.
static MODELS: [Model; 8] = [
    model("claude", "claude-sonnet-4-5", 0.27, 420.0, 3.2, 2400.0, 210.0, 0.0, prices(3000, 300, 3750, 15_000)),
    model("claude", "claude-haiku-4-5", 0.23, 210.0, 1.6, 1500.0, 150.0, 0.0, prices(1000, 100, 1250, 5000)),
    model("claude", "claude-opus-4-5", 0.03, 700.0, 5.0, 3600.0, 380.0, 0.0, prices(5000, 500, 6250, 25_000)),
    model("openai", "gpt-5", 0.09, 900.0, 4.0, 1900.0, 420.0, 0.55, prices(1250, 125, 1250, 10_000)),
    model("openai", "gpt-5-mini", 0.15, 340.0, 2.0, 1300.0, 180.0, 0.3, prices(250, 25, 250, 2000)),
    model("gemini", "gemini-2.5-pro", 0.06, 620.0, 3.0, 2600.0, 300.0, 0.4, prices(1250, 125, 1250, 10_000)),
    model("gemini", "gemini-2.5-flash", 0.16, 190.0, 1.1, 1400.0, 160.0, 0.0, prices(300, 30, 300, 2500)),
    // Drawn by batch-7 only.
    model("openai", "gpt-4-turbo", 0.0, 650.0, 6.0, 3200.0, 260.0, 0.0, prices(10_000, 10_000, 10_000, 30_000)),
];
const TURBO: usize = 7;
const BATCH_USER: &str = "batch-7";

const USERS: [(&str, f64); 10] = [
    ("support-bot", 0.26),
    ("alice", 0.15),
    ("search", 0.13),
    ("bob", 0.11),
    ("ci", 0.10),
    ("carol", 0.08),
    ("dmitri", 0.06),
    ("erin", 0.05),
    ("newsletter", 0.04),
    ("", 0.02),
];

/// The stream of made-up events, in batches ready for an import.
#[derive(Clone, Debug)]
pub struct Traffic {
    random: fastrand::Rng,
    now: Timestamp,
    start: Timestamp,
    at_ms: f64,
    /// Offset of the zone's clock, so that working hours are local ones.
    clock_ms: i64,
}

impl Traffic {
    /// `days` of events up to `now`, all determined by `seed` and `now`.
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are below 2^53")]
    pub fn new(days: u32, seed: u64, now: Timestamp, zone: &Zone) -> Self {
        let start = now.minus_ms(u64::from(days) * DAY_MS);
        let clock_ms = i64::from(zone.tz().to_offset(now.to_jiff()).seconds()) * 1000;
        Self { random: fastrand::Rng::with_seed(seed), now, start, at_ms: start.millis() as f64, clock_ms }
    }

    /// Calls an hour around `t`.
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    fn rate(&self, t: Timestamp) -> f64 {
        let local = t.millis().saturating_add_signed(self.clock_ms);
        let hour = (local % DAY_MS) as f64 / HOUR as f64;
        // A hump from 8 to 20 o'clock around 14:00, over a base load.
        let day = libm::sin(std::f64::consts::PI * (hour - 8.0) / 12.0).max(0.0);
        // 1970-01-01 was a Thursday.
        let weekend = matches!((local / DAY_MS + 3) % 7, 5 | 6);
        let growth = 0.85 + 0.3 * t.since(self.start) as f64 / self.now.since(self.start).max(1) as f64;
        CALLS_AN_HOUR * growth * if weekend { 0.65 + 0.2 * day } else { 0.75 + 0.9 * day }
    }

    /// Whether the nightly batch of [`BATCH_USER`] runs at `t`.
    fn batch_job(&self, t: Timestamp) -> bool {
        let local = t.millis().saturating_add_signed(self.clock_ms);
        self.now.since(t) < 5 * DAY_MS && matches!(local % DAY_MS / HOUR, 1 | 2)
    }

    fn call(&mut self, t: Timestamp, batch: &mut Batch) {
        let ago = self.now.since(t);
        let nightly = self.batch_job(t) && self.random.f64() < 0.45;
        let model = if nightly { &MODELS[TURBO] } else { &MODELS[self.pick(MODELS.iter().map(|m| m.share))] };
        let user = if nightly { BATCH_USER } else { USERS[self.pick(USERS.iter().map(|u| u.1))].0 };
        let trouble = Trouble::of(model.provider, ago);

        let cacheable = model.provider != "gemini" && !nightly;
        if cacheable && self.random.f64() < 0.3 {
            let hit = self.random.f64() < 0.62;
            self.cache(t, model, user, hit, batch);
            if hit {
                return;
            }
        }
        let failure = (self.random.f64() < trouble.failing).then(|| self.failure(trouble.word));
        if self.random.f64() < 0.12 || failure == Some("rate_limited") {
            self.limit(t, model, user, failure != Some("rate_limited"), batch);
        }
        let request = match failure {
            Some(word) => self.failed(model, user, word),
            None => self.succeeded(model, user, trouble.slower),
        };
        batch.push(&Event::Request(request), t, CostSource::Recorded, "");
    }

    fn succeeded(&mut self, model: &Model, user: &'static str, slower: f64) -> Request<'static> {
        let input = self.tokens(model.input, 0.7);
        let output = self.tokens(model.output, 0.6);
        // Long prompts mostly repeat: part of them comes from the provider's cache, part goes into it.
        let cached = if input > 1024 && self.random.f64() < 0.55 { input * 7 / 10 } else { 0 };
        let writes = model.prices.cache_write > model.prices.input;
        let cache_write = if writes && input > 1024 && cached == 0 { input / 2 } else { 0 };
        let reasoning = self.part(output, model.reasoning);
        let ttft_ms = self.log_normal(model.ttft_ms, 0.28) * slower;
        let latency_ms = ttft_ms + whole_f64(output) * self.log_normal(model.token_ms, 0.18) * slower;
        let p = model.prices;
        let plain = input - cached - cache_write;
        let nanos = plain * p.input + cached * p.cached + cache_write * p.cache_write + output * p.output;
        Request {
            latency: Some(millis(latency_ms)),
            ttft: Some(millis(ttft_ms)),
            tokens: Tokens { input, cached, cache_write, cache_write_1h: 0, output, reasoning },
            cost: Some(NanoUsd::from_nanos(nanos)),
            ..named(model, user)
        }
    }

    fn failed(&mut self, model: &Model, user: &'static str, word: &'static str) -> Request<'static> {
        let median = match word {
            "timeout" => 30_000.0,
            "rate_limited" => 90.0,
            _ => 700.0,
        };
        let sigma = if word == "timeout" { 0.01 } else { 0.5 };
        let latency = Some(millis(self.log_normal(median, sigma)));
        let cost = Some(NanoUsd::from_nanos(0));
        Request { latency, cost, outcome: Outcome::Error(word), ..named(model, user) }
    }

    fn cache(&mut self, t: Timestamp, model: &Model, user: &'static str, hit: bool, batch: &mut Batch) {
        let tokens = self.tokens(model.input, 0.7) + self.tokens(model.output, 0.6);
        let saved = tokens * (model.prices.input * 4 + model.prices.output) / 5;
        let event = Cache {
            ts: None,
            provider: model.provider,
            model: model.name,
            user,
            hit,
            saved_cost: hit.then(|| NanoUsd::from_nanos(saved)),
            saved_tokens: hit.then_some(tokens),
            key: "",
            ttl_s: Some(3600),
        };
        batch.push(&Event::Cache(event), t, CostSource::Recorded, "");
    }

    fn limit(&mut self, t: Timestamp, model: &Model, user: &'static str, allowed: bool, batch: &mut Batch) {
        let limit = 600;
        let remaining = if allowed { limit - self.random.u64(20..420) } else { 0 };
        let event = RateLimit {
            ts: None,
            provider: model.provider,
            model: model.name,
            user,
            allowed,
            key: "team",
            limit_type: "requests_per_minute",
            remaining: Some(remaining),
            limit: Some(limit),
        };
        batch.push(&Event::RateLimit(event), t, CostSource::Recorded, "");
    }

    fn failure(&mut self, word: &'static str) -> &'static str {
        if self.random.f64() < 0.7 {
            return word;
        }
        ["timeout", "server_error", "invalid_request", "overloaded"][self.random.usize(0..4)]
    }

    /// Picks by shares that add up to about 1.
    fn pick(&mut self, shares: impl Iterator<Item = f64>) -> usize {
        let mut left = self.random.f64();
        let mut last = 0;
        for (i, share) in shares.enumerate() {
            if share > 0.0 {
                last = i;
            }
            left -= share;
            if left < 0.0 {
                return i;
            }
        }
        last
    }

    fn log_normal(&mut self, median: f64, sigma: f64) -> f64 {
        // Box and Muller; 1 - u keeps the logarithm away from 0.
        let radius = (-2.0 * libm::log(1.0 - self.random.f64())).sqrt();
        median * libm::exp(sigma * radius * libm::cos(std::f64::consts::TAU * self.random.f64()))
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few thousand")]
    fn tokens(&mut self, median: f64, sigma: f64) -> u64 {
        self.log_normal(median, sigma).clamp(1.0, 200_000.0) as u64
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below a token count")]
    fn part(&mut self, of: u64, share: f64) -> u64 {
        if share == 0.0 { 0 } else { (whole_f64(of) * share * (0.6 + 0.6 * self.random.f64())) as u64 }.min(of)
    }
}

impl Iterator for Traffic {
    type Item = Batch;

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "milliseconds since 1970")]
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are below 2^53")]
    fn next(&mut self) -> Option<Batch> {
        let end = self.now.millis() as f64;
        let mut batch = Batch::default();
        // A call adds up to three rows.
        while batch.rows.len() + 3 <= BATCH_ROWS {
            let rate = self.rate(Timestamp::from_millis(self.at_ms as u64));
            self.at_ms += -libm::log(1.0 - self.random.f64()) * HOUR as f64 / rate;
            if self.at_ms >= end {
                self.at_ms = end;
                break;
            }
            self.call(Timestamp::from_millis(self.at_ms as u64), &mut batch);
        }
        (!batch.rows.is_empty()).then_some(batch)
    }
}

/// What is wrong with a provider at a time.
struct Trouble {
    /// Share of calls that fail.
    failing: f64,
    /// How they mostly fail.
    word: &'static str,
    /// Times the usual latency.
    slower: f64,
}

impl Trouble {
    fn of(provider: &str, ago_ms: u64) -> Self {
        let since = |start: u64, minutes: u64| ago_ms <= start && ago_ms + minutes * MINUTE > start;
        match provider {
            // Milder at the end, so that the screen says degraded and not down.
            "openai" if ago_ms <= 5 * MINUTE => Self { failing: 0.12, word: "rate_limited", slower: 2.2 },
            "openai" if since(25 * MINUTE, 20) => Self { failing: 0.4, word: "rate_limited", slower: 2.2 },
            "openai" => Self { failing: 0.012, word: "rate_limited", slower: 1.0 },
            "gemini" if since(3 * DAY_MS + 2 * HOUR, 50) => Self { failing: 0.02, word: "timeout", slower: 3.0 },
            "gemini" => Self { failing: 0.003, word: "server_error", slower: 1.0 },
            _ if since(9 * DAY_MS + 5 * HOUR, 35) => Self { failing: 0.7, word: "overloaded", slower: 1.4 },
            _ => Self { failing: 0.006, word: "overloaded", slower: 1.0 },
        }
    }
}

fn named(model: &Model, user: &'static str) -> Request<'static> {
    Request { provider: model.provider, model: model.name, user, ..Request::default() }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "minutes at most")]
fn millis(ms: f64) -> Duration {
    Duration::from_micros((ms.clamp(1.0, 600_000.0) * 1e3) as u64)
}

#[expect(clippy::cast_precision_loss, reason = "a few thousand")]
fn whole_f64(n: u64) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use ax_storage::row::{Body, Row};

    const NOW: Timestamp = Timestamp::from_millis(1_795_511_220_000);

    fn rows(seed: u64) -> Vec<(String, String, Row)> {
        let batches = Traffic::new(30, seed, NOW, &Zone::utc());
        let named = |batch: Batch| {
            let name = |id| batch.names.get(id).to_owned();
            batch.rows.iter().map(|r| (name(r.provider), name(r.model), *r)).collect::<Vec<_>>()
        };
        batches.flat_map(named).collect()
    }

    #[test]
    fn the_same_seed_and_time_make_the_same_traffic() {
        let first = rows(1);
        assert_eq!(first, rows(1));
        assert_ne!(first, rows(2));
        assert!((100_000..250_000).contains(&first.len()), "{}", first.len());
        assert!(first.iter().all(|(_, _, r)| r.ts < NOW && r.ts >= NOW.minus_ms(30 * DAY_MS)));
    }

    #[test]
    fn the_last_hour_tells_a_story_at_any_time_of_day() {
        for hour in 0..24 {
            let now = NOW.minus_ms(hour * HOUR);
            let mut calls = std::collections::BTreeMap::<String, (u32, u32)>::new();
            for batch in Traffic::new(2, hour, now, &Zone::utc()) {
                for row in batch.rows.iter().filter(|r| now.since(r.ts) <= HOUR) {
                    if let Body::Request(r) = &row.body {
                        let cell = calls.entry(batch.names.get(row.provider).to_owned()).or_default();
                        cell.0 += 1;
                        cell.1 += u32::from(!r.ok);
                    }
                }
            }
            let (all, failed) = calls["openai"];
            assert!(all >= 20 && failed * 20 >= all, "openai is degraded {hour} h ago: {failed} of {all}");
            let (all, failed) = calls["claude"];
            assert!(all >= 20 && failed * 20 < all, "claude is healthy {hour} h ago: {failed} of {all}");
        }
    }

    #[test]
    fn every_event_is_one_that_the_store_takes() {
        for (provider, model, row) in rows(3) {
            assert!(!provider.is_empty() && !model.is_empty());
            if let Body::Request(r) = row.body {
                assert_eq!(r.tokens.check(), Ok(()));
                assert!(r.cost_nanos < 20_000_000_000 && r.latency_us.get() >= r.ttft_us.get());
            }
        }
    }
}
