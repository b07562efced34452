//! Random events and plans.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;

use ax_storage::bucket::Measure;
use ax_storage::event::{self, CostSource, NanoUsd, Outcome, Tokens};
use ax_storage::query::plan::{Compare, Filter, Kinds, Label, NameTest, Plan, Quantiles, Reach, Step};
use ax_storage::row::Maybe;
use ax_storage::time::{TimeRange, Timestamp, Zone};

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// Events lie within so many days.
const DAYS: u64 = 5;

#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) ts: Timestamp,
    pub(crate) provider: &'static str,
    pub(crate) model: &'static str,
    pub(crate) user: &'static str,
    pub(crate) body: EventBody,
}

#[derive(Clone, Debug)]
pub(crate) enum EventBody {
    Request {
        ok: bool,
        error: &'static str,
        service_tier: &'static str,
        latency: Maybe,
        ttft: Maybe,
        tokens: Tokens,
        cost: u64,
        source: CostSource,
    },
    Cache {
        hit: bool,
        key: &'static str,
        saved_cost: Maybe,
        saved_tokens: Maybe,
    },
    Rate {
        allowed: bool,
        key: &'static str,
        kind: &'static str,
        remaining: Maybe,
        limit: Maybe,
    },
}

impl Event {
    /// As an application would hand it in.
    pub(crate) fn as_input(&self) -> event::Event<'static> {
        let &Self { provider, model, user, ref body, .. } = self;
        let micros = |m: Maybe| m.get().map(Duration::from_micros);
        let nanos = |m: Maybe| m.get().map(NanoUsd::from_nanos);
        match *body {
            EventBody::Request { ok, error, service_tier, latency, ttft, tokens, cost, source } => {
                event::Event::Request(event::Request {
                    ts: None,
                    provider,
                    model,
                    user,
                    latency: micros(latency),
                    ttft: micros(ttft),
                    tokens,
                    cost: (source != CostSource::Unpriced).then_some(NanoUsd::from_nanos(cost)),
                    outcome: if ok { Outcome::Ok } else { Outcome::Error(error) },
                    service_tier,
                })
            }
            EventBody::Cache { hit, key, saved_cost, saved_tokens } => event::Event::Cache(event::Cache {
                provider,
                model,
                user,
                hit,
                saved_cost: nanos(saved_cost),
                saved_tokens: saved_tokens.get(),
                key,
                ..event::Cache::default()
            }),
            EventBody::Rate { allowed, key, kind, remaining, limit } => event::Event::RateLimit(event::RateLimit {
                ts: None,
                provider,
                model,
                user,
                allowed,
                key,
                limit_type: kind,
                remaining: remaining.get(),
                limit: limit.get(),
            }),
        }
    }

    /// Where its cost comes from.
    pub(crate) fn source(&self) -> CostSource {
        match self.body {
            EventBody::Request { source, .. } => source,
            EventBody::Cache { .. } | EventBody::Rate { .. } => CostSource::Unpriced,
        }
    }
}

const PROVIDERS: [&str; 3] = ["claude", "openai", "gemini"];
const MODELS: [&str; 3] = ["", "opus", "mini"];
const USERS: [&str; 4] = ["", "alice", "bob", "(other)"];
const KEYS: [&str; 3] = ["", "k1", "k2"];
const KINDS: [&str; 3] = ["", "rpm", "tpm"];
const TIERS: [&str; 3] = ["", "", "batch"];
const ERRORS: [&str; 3] = ["", "timeout", "rate_limited"];

fn value() -> impl Strategy<Value = u64> {
    prop_oneof![0..20_u64, 100..4000_u64, 100_000..5_000_000_u64, Just(1_000_000), 0..1_u64 << 39]
}

fn maybe() -> impl Strategy<Value = Maybe> {
    prop::option::weighted(0.8, value()).prop_map(Maybe::from)
}

fn request() -> impl Strategy<Value = EventBody> {
    let tokens = (0..5000_u64, 0..3000_u64, 0..=1000_u64, 0..=1000_u64).prop_map(|(i, o, a, b)| Tokens {
        input: i,
        output: o,
        cached: i * a / 1000 / 2,
        cache_write: i * b / 1000 / 2,
        cache_write_1h: i * b / 1000 / 4,
        reasoning: o * a / 1000,
    });
    let outcome = (prop::bool::weighted(0.8), select(&ERRORS[..]));
    let cost = (value(), select(vec![CostSource::Unpriced, CostSource::Recorded, CostSource::Computed]));
    (outcome, select(&TIERS[..]), maybe(), maybe(), tokens, cost).prop_map(
        |((ok, error), service_tier, latency, ttft, tokens, (cost, source))| EventBody::Request {
            ok,
            error: if ok { "" } else { error },
            service_tier,
            latency,
            ttft,
            tokens,
            cost: if source == CostSource::Unpriced { 0 } else { cost },
            source,
        },
    )
}

fn body() -> impl Strategy<Value = EventBody> {
    prop_oneof![
        6 => request(),
        1 => (any::<bool>(), select(&KEYS[..]), maybe(), maybe())
            .prop_map(|(hit, key, saved_cost, saved_tokens)| EventBody::Cache { hit, key, saved_cost, saved_tokens }),
        1 => (any::<bool>(), select(&KEYS[..]), select(&KINDS[..]), prop::option::of(0..120_u64), prop::option::of(0..100_u64))
            .prop_map(|(allowed, key, kind, remaining, limit)| EventBody::Rate {
                allowed, key, kind, remaining: remaining.into(), limit: limit.into()
            }),
    ]
}

/// Times that fall together: bursts within minutes of a few moments, edges of buckets among them.
pub(crate) fn moment() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..DAYS * DAY,
        (0..DAYS * 24, 0..3 * MINUTE).prop_map(|(h, ms)| h * HOUR + ms),
        (0..DAYS * 24 * 60).prop_map(|m| m * MINUTE),
        (0..DAYS * 24 * 60).prop_map(|m| (m * MINUTE).saturating_sub(1)),
    ]
}

/// Zones, and moments shortly before something is odd there.
const ODD: [(&str, &str); 11] = [
    ("UTC", "2025-10-24T23:53:20Z"),
    // Before 2000 nothing is recorded; a leap day; the end of seconds in 32 bits.
    ("UTC", "2000-01-01T00:05:00Z"),
    ("UTC", "2028-02-27T12:00:00Z"),
    ("America/New_York", "2106-02-05T12:00:00Z"),
    // Clocks go back and forth, by half an hour too.
    ("Europe/Berlin", "2025-10-24T23:53:20Z"),
    ("America/New_York", "2025-10-31T22:33:20Z"),
    ("America/New_York", "2026-03-06T12:00:00Z"),
    ("Australia/Lord_Howe", "2025-10-03T11:13:20Z"),
    ("Australia/Lord_Howe", "2026-04-02T12:00:00Z"),
    // Midnight at a quarter past; a day that never was.
    ("Asia/Kathmandu", "2025-10-24T23:53:20Z"),
    ("Pacific/Apia", "2011-12-28T12:00:00Z"),
];

/// A zone, and a moment a day or two before its clocks or its calendar do something odd.
pub(crate) fn place() -> impl Strategy<Value = (Zone, u64)> {
    select(&ODD[..]).prop_map(|(zone, base)| {
        let base = Timestamp::from_jiff(base.parse().unwrap());
        (Zone::load(zone).unwrap(), base.millis())
    })
}

/// An event whose time counts from a base.
pub(crate) fn event() -> impl Strategy<Value = Event> {
    (moment(), select(&PROVIDERS[..]), select(&MODELS[..]), select(&USERS[..]), body()).prop_map(
        |(at, provider, model, user, body)| {
            let anonymous = !matches!(body, EventBody::Request { .. }) && at % 3 == 0;
            let provider = if anonymous { "" } else { provider };
            Event { ts: Timestamp::from_millis(at), provider, model, user, body }
        },
    )
}

#[derive(Debug)]
struct Contains(&'static str);

impl NameTest for Contains {
    fn test(&self, name: &str) -> bool {
        name.contains(self.0)
    }
}

fn label() -> impl Strategy<Value = Label> {
    select(&Label::ALL[..])
}

fn measure() -> impl Strategy<Value = Measure> {
    select(&Measure::ALL[..])
}

fn names() -> impl Strategy<Value = Box<str>> {
    let all: Vec<Box<str>> = [
        "claude",
        "openai",
        "gemini",
        "",
        "opus",
        "mini",
        "alice",
        "bob",
        "k1",
        "k2",
        "rpm",
        "tpm",
        "batch",
        "timeout",
        "rate_limited",
        "ok",
        "error",
        "nobody",
    ]
    .map(Box::from)
    .into();
    select(all)
}

fn filter() -> impl Strategy<Value = Filter> {
    let compare = select(vec![
        Compare::Equal,
        Compare::NotEqual,
        Compare::Less,
        Compare::LessOrEqual,
        Compare::Greater,
        Compare::GreaterOrEqual,
    ]);
    let leaf = prop_oneof![
        4 => (select(vec![Label::Provider, Label::Model, Label::Status]), prop::collection::vec(names(), 1..4))
            .prop_map(|(label, list)| Filter::In(label, list)),
        3 => (label(), prop::collection::vec(names(), 1..5)).prop_map(|(label, list)| Filter::In(label, list)),
        1 => prop::collection::vec((names(), names()), 1..4).prop_map(|list| {
            let list = list.into_iter().map(|(provider, model)| vec![provider, model]).collect();
            Filter::Among(vec![Label::Provider, Label::Model], list)
        }),
        1 => (label(), select(vec!["o", "i", "e"])).prop_map(|(l, part)| Filter::Test(l, Arc::new(Contains(part)))),
        1 => (measure(), compare, value()).prop_map(|(m, c, v)| Filter::Number(m, c, v)),
    ];
    let tree = leaf.prop_recursive(2, 5, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Filter::And),
            prop::collection::vec(inner.clone(), 0..3).prop_map(Filter::Or),
            inner.prop_map(|f| Filter::Not(Box::new(f))),
        ]
    });
    prop_oneof![2 => Just(Filter::All), 3 => tree]
}

/// A plan whose times count from a base.
#[derive(Clone, Debug)]
pub(crate) struct RandomPlan {
    window: Option<(u64, u64)>,
    plan: Plan,
    raw_from: Option<u64>,
    minute_from: Option<u64>,
    own_zone: bool,
}

impl RandomPlan {
    /// The plan for a store of `zone`.
    pub(crate) fn against(&self, base: u64, zone: &Zone) -> Plan {
        let at = |ms: u64| Timestamp::from_millis(base + ms);
        let mut plan = self.plan.clone();
        if let Some((a, b)) = self.window {
            plan.range = TimeRange::new(at(a.min(b)), at(a.max(b)));
        }
        plan.reach = Reach { raw_from: self.raw_from.map(at), minute_from: self.minute_from.map(at) };
        if !self.own_zone {
            plan.zone = zone.clone();
        }
        plan
    }
}

fn aligned(tier: Option<u64>) -> impl Fn((u64, u64)) -> (u64, u64) {
    move |(a, b)| tier.map_or((a, b), |ms| (a / ms * ms, b / ms * ms))
}

pub(crate) fn plan() -> impl Strategy<Value = RandomPlan> {
    let span = (moment(), moment(), select(vec![None, None, Some(MINUTE), Some(HOUR)]));
    let window = prop::option::weighted(0.85, span.prop_map(|(a, b, unit)| aligned(unit)((a, b))));
    let kinds =
        select(vec![Kinds::ALL, Kinds::REQUESTS, Kinds::REQUESTS, Kinds::REQUESTS, Kinds::CACHES, Kinds::RATES]);
    let of =
        prop_oneof![3 => select(vec![Measure::Latency, Measure::Ttft, Measure::Tokens, Measure::Cost]), 1 => measure()];
    let ppm = prop::collection::vec(select(vec![0, 1, 500_000, 950_000, 990_000, 999_000, 1_000_000]), 1..4);
    let quantiles = prop::option::weighted(0.6, (of, ppm).prop_map(|(of, ppm)| Quantiles { of, ppm }));
    let mut labels = vec![Label::Provider, Label::Model, Label::User, Label::Status];
    labels.extend(Label::ALL);
    let group = prop::collection::vec(select(labels), 0..3).prop_map(|mut list| {
        list.sort_unstable();
        list.dedup();
        list
    });
    let step = prop::option::weighted(
        0.5,
        prop_oneof![
            select(vec![15 * MINUTE, HOUR, 6 * HOUR, DAY]).prop_map(Step::Millis),
            (1..3_u32).prop_map(Step::Days),
            (MINUTE..12 * HOUR).prop_map(|ms| Step::FromStart(ms * 7)),
        ],
    );
    let flags = (any::<bool>(), any::<bool>(), prop::bool::weighted(0.1), prop::bool::weighted(0.3));
    let reach = (prop::option::weighted(0.15, moment()), prop::option::weighted(0.15, moment()));
    let zone = select(vec!["UTC", "Asia/Kathmandu", "America/New_York"]);
    let measures = prop::collection::vec(measure(), 0..4);
    let above = prop::collection::vec(prop_oneof![0..5000_u64, 0..5_000_000_000_u64], 0..3);
    let what = (kinds, measures, (quantiles, above), filter(), group, step);
    (window, what, flags, reach, zone).prop_map(
        |(
            window,
            (kinds, measures, (quantiles, above), filter, group, step),
            (sums_only, outcomes, violations, own_zone),
            reach,
            zone,
        )| {
            let plan = Plan::new(TimeRange::ALL, Zone::load(zone).unwrap());
            let plan = Plan { kinds, measures, sums_only, outcomes, violations, quantiles, above, ..plan };
            let plan = Plan { filter, group, step, ..plan };
            RandomPlan { window, plan, raw_from: reach.0, minute_from: reach.1, own_zone }
        },
    )
}
