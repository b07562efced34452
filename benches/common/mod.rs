//! Seeded traffic for measuring: five providers, twenty models, a thousand users over seven days.

#![allow(dead_code, reason = "each bench uses a part of it")]

use std::path::Path;
use std::time::Duration;

use ax_monitor::{Event, NanoUsd, Outcome, Request, Tokens};
use ax_storage::Store;
use ax_storage::clock::Stopwatch;
use ax_storage::event::CostSource;
use ax_storage::row::Batch;
use ax_storage::time::{Timestamp, Zone};

/// First moment of the week: 2025-11-03T00:00:00Z.
pub(crate) const START_MS: u64 = 1_762_128_000_000;
/// First moment after it.
pub(crate) const END_MS: u64 = START_MS + 7 * 86_400_000;

/// Provider, model, share of traffic, median latency in ms, nano-dollars an input and an output token.
pub(crate) const MODELS: [(&str, &str, u32, f64, u64, u64); 20] = [
    ("claude", "claude-sonnet", 180, 1100.0, 3000, 15_000),
    ("openai", "gpt-mini", 160, 700.0, 150, 600),
    ("gemini", "gemini-flash", 120, 500.0, 300, 2500),
    ("openai", "gpt-large", 90, 1500.0, 2500, 10_000),
    ("claude", "claude-haiku", 80, 600.0, 1000, 5000),
    ("claude", "claude-opus", 60, 2100.0, 15_000, 75_000),
    ("openai", "gpt-nano", 50, 400.0, 50, 400),
    ("mistral", "mistral-small", 40, 600.0, 100, 300),
    ("gemini", "gemini-pro", 40, 1900.0, 1250, 10_000),
    ("local", "llama-8b", 30, 2400.0, 5, 10),
    ("openai", "o-reason", 25, 6000.0, 1100, 4400),
    ("gemini", "gemini-flash-lite", 25, 350.0, 100, 400),
    ("claude", "claude-sonnet-long", 20, 2500.0, 6000, 22_500),
    ("mistral", "mistral-large", 20, 1400.0, 2000, 6000),
    ("gemini", "gemini-think", 15, 4000.0, 1250, 10_000),
    ("openai", "gpt-audio", 15, 2000.0, 2500, 10_000),
    ("local", "qwen-32b", 10, 5000.0, 20, 40),
    ("openai", "gpt-old", 8, 1800.0, 10_000, 30_000),
    ("claude", "claude-old", 7, 1600.0, 3000, 15_000),
    ("mistral", "codestral", 5, 500.0, 300, 900),
];

/// A small fast generator (splitmix64).
pub(crate) struct Random(u64);

impl Random {
    /// The same seed gives the same numbers.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

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
}

/// The users' names.
pub(crate) fn users() -> Vec<String> {
    (0..1000).map(|n| format!("u{n:04}")).collect()
}

/// Event number `i` of `n`, spread evenly with some jitter over the week.
pub(crate) fn event<'a>(random: &mut Random, users: &'a [String], i: u64, n: u64) -> Event<'a> {
    let mut pick = random.below(1000) as u32;
    let (provider, model, _, latency, input_price, output_price) = *MODELS
        .iter()
        .find(|m| {
            pick < m.2 || {
                pick -= m.2;
                false
            }
        })
        .unwrap_or(&MODELS[0]);
    // Zipf-like: the user's rank is exponential in a uniform number.
    let user = ((1000f64.powf(random.unit()) - 1.0) as usize).min(users.len() - 1);
    let tokens =
        Tokens { input: random.lognormal(600.0, 0.9), output: random.lognormal(250.0, 0.8), ..Tokens::default() };
    let failed = random.below(100) < 2;
    let step = (END_MS - START_MS) / n.max(1);
    Event::Request(Request {
        ts: Some(Timestamp::from_millis(START_MS + i * step + random.below(step.max(1)))),
        provider,
        model,
        user: &users[user],
        latency: Some(Duration::from_millis(random.lognormal(latency, 0.6))),
        tokens,
        cost: Some(NanoUsd::from_nanos(if failed {
            0
        } else {
            tokens.input * input_price + tokens.output * output_price
        })),
        outcome: if failed { Outcome::Error("overloaded") } else { Outcome::Ok },
        ..Request::default()
    })
}

/// How often what is measured is repeated: once when it only has to run.
pub(crate) fn rounds(measuring: bool) -> usize {
    if measuring { 5 } else { 1 }
}

/// The middle of the values.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A store of the week, closed and sealed.
pub(crate) fn fill(folder: &Path, events: u64) -> Store {
    let now = Timestamp::from_millis(END_MS + 60_000);
    let store = Store::open_or_create(folder, &Zone::utc(), now).expect("a store");
    let (users, mut random) = (users(), Random::new(7));
    let mut batch = Batch::default();
    for i in 0..events {
        let event = event(&mut random, &users, i, events);
        let ax_storage::event::Event::Request(request) = event else { continue };
        let ts = request.ts.expect("it has a time");
        batch.push(&event, ts, CostSource::Recorded, "");
        if batch.rows.len() == 500_000 || i + 1 == events {
            store.import().add(&mut batch, 1, None).expect("it imports");
            batch = Batch::default();
        }
    }
    store.tick(now).expect("it closes");
    store
}

/// Milliseconds that `run` takes, in the middle.
pub(crate) fn time(measuring: bool, mut run: impl FnMut()) -> f64 {
    let once = |run: &mut dyn FnMut()| {
        let watch = Stopwatch::start();
        run();
        watch.elapsed().as_secs_f64() * 1000.0
    };
    median((0..rounds(measuring) * 5).map(|_| once(&mut run)).collect())
}
