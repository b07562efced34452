//! Made-up calls, the same for the same seed: five providers, twenty models, a thousand users.
//!
//! Arrivals follow the hour (seven times as many in the afternoon as at night) and the weekday. Users are
//! drawn by Zipf's law, models by their share; latency and tokens are log-normal, latency in whole milliseconds.
//! One call in seventy fails: refused at once, overloaded after a while, or timed out after 30 s, and costs nothing.

use std::f64::consts::TAU;
use std::sync::LazyLock;
use std::time::Duration;

use ax_monitor::{NanoUsd, Outcome, Request, Tokens};
use ax_storage::time::{DAY_MS, HOUR_MS, Timestamp};

use super::END_MS;

/// A model with its habits.
pub(crate) struct Model {
    pub(crate) provider: &'static str,
    pub(crate) name: &'static str,
    /// Of a thousand calls.
    share: u32,
    /// Median latency in ms, and its spread: the deviation of the logarithm.
    latency: (f64, f64),
    /// Nano-dollars a token.
    input: u64,
    output: u64,
    /// Failures in ten thousand calls.
    failures: u64,
}

const fn model(
    (provider, name): (&'static str, &'static str),
    share: u32,
    latency: (f64, f64),
    (input, output): (u64, u64),
    failures: u64,
) -> Model {
    Model { provider, name, share, latency, input, output, failures }
}

/// The models; their shares add up to a thousand.
pub(crate) const MODELS: [Model; 20] = [
    model(("claude", "claude-sonnet"), 191, (1250.0, 0.5), (3000, 15_000), 110),
    model(("openai", "gpt-mini"), 140, (490.0, 0.5), (150, 600), 160),
    model(("openai", "gpt-large"), 120, (1500.0, 0.6), (5000, 15_000), 200),
    model(("claude", "claude-haiku"), 109, (520.0, 0.45), (800, 4000), 100),
    model(("gemini", "gemini-flash"), 89, (430.0, 0.45), (75, 300), 130),
    model(("gemini", "gemini-pro"), 61, (1700.0, 0.55), (1250, 10_000), 190),
    model(("claude", "claude-opus"), 51, (2400.0, 0.55), (15_000, 75_000), 120),
    model(("openai", "gpt-nano"), 50, (260.0, 0.45), (100, 400), 160),
    model(("gemini", "gemini-flash-lite"), 30, (310.0, 0.4), (38, 150), 100),
    model(("openai", "o-reason"), 30, (9500.0, 0.8), (15_000, 60_000), 220),
    model(("mistral", "mistral-large"), 20, (1350.0, 0.5), (2000, 6000), 170),
    model(("mistral", "mistral-small"), 20, (550.0, 0.45), (200, 600), 160),
    model(("local", "llama-70b"), 15, (3800.0, 0.65), (50, 50), 270),
    model(("mistral", "codestral"), 15, (650.0, 0.5), (300, 900), 190),
    model(("local", "llama-8b"), 14, (920.0, 0.5), (10, 10), 270),
    model(("claude", "claude-legacy"), 10, (900.0, 0.6), (8000, 24_000), 210),
    model(("local", "qwen-32b"), 10, (2250.0, 0.6), (30, 30), 220),
    model(("openai", "gpt-legacy"), 10, (820.0, 0.55), (500, 1500), 160),
    model(("gemini", "gemini-think"), 10, (7000.0, 0.75), (2500, 15_000), 170),
    model(("mistral", "ministral"), 5, (330.0, 0.4), (100, 100), 200),
];

/// Calls in order of time, spread over the days before `END_MS`.
pub(crate) struct Traffic {
    random: Random,
    from_ms: u64,
    /// Share of the calls that have arrived at the end of each hour.
    arrived: Vec<f64>,
    made: u64,
    n: u64,
}

impl Traffic {
    /// So many calls in a week.
    pub(crate) fn week(n: u64, seed: u64) -> Self {
        Self::new(n, 7, seed)
    }

    /// So many calls in so many days.
    pub(crate) fn new(n: u64, days: u64, seed: u64) -> Self {
        let from_ms = END_MS - days * DAY_MS;
        let mut sum = 0.0;
        let mut arrived: Vec<f64> = (0..days * 24)
            .map(|hour| {
                sum += rate(from_ms / HOUR_MS + hour);
                sum
            })
            .collect();
        arrived.iter_mut().for_each(|part| *part /= sum);
        Self { random: Random(seed), from_ms, arrived, made: 0, n }
    }

    /// When the next call arrives: the moment up to which its share of all calls has arrived.
    fn arrival(&mut self) -> Timestamp {
        let share = (self.made as f64 + self.random.unit()) / self.n as f64;
        let hour = self.arrived.partition_point(|&until| until <= share).min(self.arrived.len() - 1);
        let from = if hour == 0 { 0.0 } else { self.arrived[hour - 1] };
        let within = (share - from) / (self.arrived[hour] - from) * HOUR_MS as f64;
        Timestamp::from_millis(self.from_ms + hour as u64 * HOUR_MS + (within as u64).min(HOUR_MS - 1))
    }
}

impl Iterator for Traffic {
    type Item = Request<'static>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.made == self.n {
            return None;
        }
        let ts = self.arrival();
        self.made += 1;
        let random = &mut self.random;
        let model = random.model();
        let failure = (random.below(10_000) < model.failures).then(|| random.failure());
        let latency_ms = failure.map_or_else(|| random.lognormal(model.latency.0, model.latency.1), |(_, ms)| ms);
        let tokens = Tokens {
            input: random.lognormal(600.0, 1.0),
            output: if failure.is_some() { 0 } else { random.lognormal(250.0, 0.85) },
            ..Tokens::default()
        };
        let paid = tokens.input * model.input + tokens.output * model.output;
        Some(Request {
            ts: Some(ts),
            provider: model.provider,
            model: model.name,
            user: random.user(),
            latency: Some(Duration::from_millis(latency_ms)),
            tokens,
            cost: Some(NanoUsd::from_nanos(if failure.is_some() { 0 } else { paid })),
            outcome: failure.map_or(Outcome::Ok, |(kind, _)| Outcome::Error(kind)),
            ..Request::default()
        })
    }
}

/// How busy an hour since 1970 is (a Thursday): most at half past two, little at weekends.
fn rate(hour: u64) -> f64 {
    let daily = 1.0 + 0.74 * ((hour % 24) as f64 / 24.0 * TAU - 14.5 / 24.0 * TAU).cos();
    let weekend = matches!(hour / 24 % 7, 2 | 3);
    if weekend { daily * 0.55 } else { daily }
}

/// The users' names, and the part of all calls that the user and those before make: the n-th one 1/n^1.1 of the first.
static USERS: LazyLock<Vec<(String, f64)>> = LazyLock::new(|| {
    let weight = |rank: usize| (rank as f64).powf(-1.1);
    let all: f64 = (1..=1000).map(weight).sum();
    let mut sum = 0.0;
    (1..=1000)
        .map(|rank| {
            sum += weight(rank) / all;
            (format!("u{:04}", rank - 1), sum)
        })
        .collect()
});

/// A small fast generator (splitmix64), and what is drawn with it.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// About normal: the sum of twelve uniform numbers.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }

    fn lognormal(&mut self, median: f64, sigma: f64) -> u64 {
        (median * (sigma * self.normal()).exp()).max(1.0) as u64
    }

    fn model(&mut self) -> &'static Model {
        let mut pick = self.below(1000) as u32;
        for model in &MODELS {
            if pick < model.share {
                return model;
            }
            pick -= model.share;
        }
        &MODELS[0]
    }

    fn user(&mut self) -> &'static str {
        let pick = self.unit();
        let rank = USERS.partition_point(|(_, until)| *until <= pick);
        &USERS[rank.min(USERS.len() - 1)].0
    }

    /// What went wrong, and after how many ms.
    fn failure(&mut self) -> (&'static str, u64) {
        match self.below(100) {
            0..35 => ("rate_limit", self.lognormal(80.0, 0.4)),
            35..62 => ("overloaded", 100 + self.below(2900)),
            62..80 => ("timeout", 30_000 + self.below(200)),
            80..94 => ("server_error", 100 + self.below(2900)),
            _ => ("invalid_request", self.lognormal(80.0, 0.4)),
        }
    }
}
