//! How every provider does right now: the first screen.

use std::collections::BTreeMap;

use ax_storage::bucket::Measure;
use ax_storage::query::plan::{Kinds, Label, Plan, Quantiles};
use ax_storage::query::series::{Aggregate, Series};
use ax_storage::time::{DAY_MS, TimeRange, Timestamp, Zone};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{AlertView, BudgetView, Only, SourceView, Time, Warning, Window, step};
use crate::calendar::{Calendar, Period};
use crate::metric::{Money, thousands};

/// A provider is down when at least half of at least so many calls failed in [`DOWN_MS`].
const DOWN_CALLS_MIN: u64 = 5;
/// The stretch of time up to now that decides whether a provider is down.
const DOWN_MS: u64 = 5 * 60_000;
/// A provider is degraded when 5 % of at least so many calls in the window failed.
const DEGRADED_CALLS_MIN: u64 = 20;
/// Providers without calls in the window are still listed when they had some in this time.
const KNOWN_MS: u64 = 7 * DAY_MS;

/// A question about all providers, with absolute times.
#[derive(Clone, Debug)]
pub struct StatusQuestion {
    /// The window; its end is "now" for the judgement.
    pub range: TimeRange,
    /// The window as the user wrote it.
    pub range_text: String,
    /// Which providers.
    pub only: Only,
    /// A row a model as well.
    pub verbose: bool,
    /// Zone of today.
    pub zone: Zone,
}

/// The plans of a status screen, or the series that answer them: all of one view of the store.
#[derive(Clone, Debug)]
pub struct StatusSeries<T> {
    /// The window by provider and step.
    pub window: T,
    /// The last minutes by provider.
    pub recent: T,
    /// Today by provider.
    pub today: T,
    /// The last days by provider, counts only.
    pub known: T,
    /// The window by provider and model.
    pub models: Option<T>,
}

/// What the store says about its recorders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Upkeep {
    /// Recorders that are alive.
    pub recorders: u64,
    /// Events that could not be written, by reason.
    pub dropped: Vec<(String, u64)>,
}

impl StatusQuestion {
    /// The local day of the window's end, up to that end.
    fn today(&self) -> TimeRange {
        Calendar::new(&self.zone).so_far(Period::Day, self.range.end)
    }

    /// The plans that answer it.
    pub fn plans(&self) -> StatusSeries<Plan> {
        let now = self.range.end;
        let plan = |range, group: &[Label]| {
            let mut plan = Plan::new(range, self.zone.clone());
            plan.filter = self.only.filter();
            plan.group = group.to_vec();
            plan
        };
        let by_provider = |range| plan(range, &[Label::Provider]);
        let quantiles = Some(Quantiles { of: Measure::Latency, ppm: vec![500_000, 950_000, 990_000] });
        let window = Plan {
            measures: vec![Measure::Latency, Measure::Cost],
            quantiles: quantiles.clone(),
            step: Some(step::trend_step(self.range)),
            ..by_provider(self.range)
        };
        let requests = Kinds { requests: true, caches: false, rates: false };
        let recent = Plan { kinds: requests, ..by_provider(TimeRange::new(now.minus_ms(DOWN_MS), now)) };
        let today = Plan { measures: vec![Measure::Cost, Measure::SavedCost], ..by_provider(self.today()) };
        let known = Plan { kinds: requests, ..by_provider(TimeRange::new(now.minus_ms(KNOWN_MS), now)) };
        let models = self.verbose.then(|| Plan {
            kinds: Kinds { rates: false, ..Kinds::ALL },
            measures: vec![Measure::Latency, Measure::Cost, Measure::Ttft, Measure::Tokens],
            quantiles,
            ..plan(self.range, &[Label::Provider, Label::Model])
        });
        StatusSeries { window, recent, today, known, models }
    }

    /// The view of the plans' answers.
    pub fn view(&self, series: &StatusSeries<Series>, upkeep: Upkeep, now: Timestamp, elapsed_ms: f64) -> StatusView {
        let window = Groups::of(&series.window);
        let (recent, today, known) = (Groups::of(&series.recent), Groups::of(&series.today), Groups::of(&series.known));
        let nothing = Aggregate::default();
        let mut names: Vec<&str> = [&window, &known, &today].iter().flat_map(|g| g.0.keys().copied()).collect();
        names.sort_unstable();
        names.dedup();
        let mut data: Vec<ProviderView> = names
            .into_iter()
            .filter(|name| {
                let calls = |groups: &Groups<'_>| groups.get(name).is_some_and(|a| a.counts.requests > 0);
                calls(&window) || calls(&known) || calls(&today)
            })
            .map(|name| {
                let total = window.get(name).unwrap_or(&nothing);
                let points = series.window.groups.iter().find(|g| &*g.labels[0] == name).map(|g| g.points.as_slice());
                let trend = points.unwrap_or_default().iter().map(|p| latency_ms(p, 1)).collect();
                let (state, reasons) = judge(total, recent.get(name).unwrap_or(&nothing));
                ProviderView {
                    provider: name.into(),
                    state,
                    failing: matches!(state, State::Degraded | State::Down),
                    reasons,
                    numbers: TotalView::of(total, today.get(name)),
                    trend,
                }
            })
            .collect();
        data.sort_by(|a, b| b.numbers.requests.cmp(&a.numbers.requests).then_with(|| a.provider.cmp(&b.provider)));
        let all = &series.window.all;
        let models = series.models.as_ref().map(|models| model_rows(models, self.range.millis()));
        let saved = stat(&series.today.all, 1);
        let counts = &all.counts;
        let sources = [&series.window, &series.recent, &series.today, &series.known];
        let mut missing: Vec<&String> = sources.iter().flat_map(|s| &s.missing).collect();
        missing.sort_unstable();
        missing.dedup();
        let warning = |what| Warning { code: "missing", message: format!("could not be read: {what}") };
        StatusView {
            generated_at: now,
            range: Window { range: series.window.range.unwrap_or(self.range), zone: self.zone.clone() },
            range_text: self.range_text.clone(),
            budgets: Vec::new(),
            total: TotalView::of(all, Some(&series.today.all)),
            trend: overall_trend(&series.window),
            data,
            models,
            cache: (counts.hits + counts.misses > 0 || series.today.all.counts.hits > 0).then(|| CacheView {
                hits: counts.hits,
                misses: counts.misses,
                hit_rate: ratio(counts.hits, counts.hits + counts.misses),
                saved_today: saved.map_or(0, |s| s.sum).into(),
            }),
            rate_limit: (counts.allowed + counts.denied > 0).then(|| RateLimitView {
                allowed: counts.allowed,
                denied: counts.denied,
                denied_rate: ratio(counts.denied, counts.allowed + counts.denied),
            }),
            events: counts.requests + counts.hits + counts.misses + counts.allowed + counts.denied,
            newest: series.window.newest,
            upkeep,
            alerts: Vec::new(),
            source: SourceView::of(&series.window.source, elapsed_ms),
            warnings: missing.into_iter().map(warning).collect(),
        }
    }
}

/// How a provider does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nothing is known against it.
    Healthy,
    /// It works, but not well.
    Degraded,
    /// It does not work.
    Down,
    /// Nobody called it.
    Idle,
}

impl State {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Down => "down",
            Self::Idle => "idle",
        }
    }
}

/// The state by errors alone, with the reasons in words.
fn judge(window: &Aggregate, recent: &Aggregate) -> (State, Vec<String>) {
    let of =
        |failed: u64, calls: u64| format!("{} of {} calls failed", thousands(failed.into()), thousands(calls.into()));
    let (calls, failed) = (recent.counts.requests, recent.counts.errors);
    if calls >= DOWN_CALLS_MIN && failed * 2 >= calls {
        return (State::Down, vec![format!("{} in the last 5m", of(failed, calls))]);
    }
    let (calls, failed) = (window.counts.requests, window.counts.errors);
    if calls == 0 {
        return (State::Idle, vec!["no calls".to_owned()]);
    }
    if calls >= DEGRADED_CALLS_MIN && u128::from(failed) * 100 >= u128::from(calls) * 5 {
        return (State::Degraded, vec![of(failed, calls)]);
    }
    (State::Healthy, Vec::new())
}

struct Groups<'a>(BTreeMap<&'a str, &'a Aggregate>);

impl<'a> Groups<'a> {
    fn of(series: &'a Series) -> Self {
        Self(series.groups.iter().map(|g| (&*g.labels[0], &g.total)).collect())
    }

    fn get(&self, name: &str) -> Option<&'a Aggregate> {
        self.0.get(name).copied()
    }
}

fn model_rows(series: &Series, millis: u64) -> Vec<ModelView> {
    let mut rows: Vec<ModelView> = series
        .groups
        .iter()
        .map(|group| {
            let (total, counts) = (&group.total, &group.total.counts);
            ModelView {
                provider: group.labels[0].clone(),
                model: group.labels[1].clone(),
                numbers: TotalView { cost_today: None, ..TotalView::of(total, None) },
                ttft_avg_ms: stat(total, 2).and_then(|s| s.mean()).map(|us| us / 1e3),
                tokens: stat(total, 3).map_or(0, |s| s.sum),
                requests_per_second: per_second(counts.requests, millis),
                hit_rate: ratio(counts.hits, counts.hits + counts.misses),
            }
        })
        .collect();
    rows.sort_by(|a, b| {
        let by_calls = b.numbers.requests.cmp(&a.numbers.requests);
        by_calls.then_with(|| (&a.provider, &a.model).cmp(&(&b.provider, &b.model)))
    });
    rows
}

/// The p95 of all providers by step is not among the groups' numbers, so the slowest stands for it.
fn overall_trend(series: &Series) -> Vec<Option<f64>> {
    let worst = |i: usize| {
        let values = series.groups.iter().filter_map(|g| g.points.get(i)).filter_map(|p| latency_ms(p, 1));
        values.max_by(f64::total_cmp)
    };
    (0..series.steps.len()).map(worst).collect()
}

fn stat(aggregate: &Aggregate, place: usize) -> Option<&ax_storage::bucket::Stat> {
    aggregate.stats.get(place)
}

/// What calls cost; `None` where there are some and none has a price.
fn spent(aggregate: &Aggregate, place: usize) -> Option<Money> {
    (!aggregate.counts.are_unpriced()).then(|| stat(aggregate, place).map_or(0, |s| s.sum).into())
}

#[expect(clippy::cast_precision_loss, reason = "microseconds are far below 2^53")]
fn latency_ms(aggregate: &Aggregate, quantile: usize) -> Option<f64> {
    aggregate.quantiles.get(quantile).copied().flatten().map(|us| us as f64 / 1e3)
}

#[expect(clippy::cast_precision_loss, reason = "a ratio is a float")]
fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[expect(clippy::cast_precision_loss, reason = "a rate is a float")]
fn per_second(events: u64, millis: u64) -> Option<f64> {
    (millis > 0).then(|| events as f64 * 1e3 / millis as f64)
}

/// Every provider, what it does and what it costs.
#[derive(Clone, Debug)]
pub struct StatusView {
    /// When it was asked.
    pub generated_at: Timestamp,
    /// The window really used.
    pub range: Window,
    /// The window as the user wrote it.
    pub range_text: String,
    /// A row a provider, most calls first.
    pub data: Vec<ProviderView>,
    /// All providers together.
    pub total: TotalView,
    /// The slowest provider's p95 by step.
    pub trend: Vec<Option<f64>>,
    /// A row a model, when asked for.
    pub models: Option<Vec<ModelView>>,
    /// How budgets stand; put in by who asks the store for them.
    pub budgets: Vec<BudgetView>,
    /// Response cache, when anybody sends its events.
    pub cache: Option<CacheView>,
    /// Rate limiter, when anybody sends its events.
    pub rate_limit: Option<RateLimitView>,
    /// Events of all kinds in the window.
    pub events: u64,
    /// The latest event the store knows of.
    pub newest: Option<Timestamp>,
    /// Recorders and drops.
    pub upkeep: Upkeep,
    /// What fires, the worst first.
    pub alerts: Vec<AlertView>,
    /// What it was made from.
    pub source: SourceView,
    /// What else a user should know.
    pub warnings: Vec<Warning>,
}

impl StatusView {
    /// Adds what fires; a provider that an alert is about is degraded.
    pub fn alarm(&mut self, alerts: Vec<AlertView>) {
        for alert in &alerts {
            let about = alert.provider();
            for provider in self.data.iter_mut().filter(|p| about.as_deref() == Some(&*p.provider)) {
                if matches!(provider.state, State::Healthy | State::Idle) {
                    provider.state = State::Degraded;
                }
                provider.reasons.push(format!("alert {} fires", alert.rule));
            }
        }
        self.alerts = alerts;
    }
}

/// A provider.
#[derive(Clone, Debug)]
pub struct ProviderView {
    /// Its name.
    pub provider: Box<str>,
    /// How it does.
    pub state: State,
    /// Its errors alone make it degraded or down.
    pub failing: bool,
    /// Why, in words.
    pub reasons: Vec<String>,
    /// Its numbers.
    pub numbers: TotalView,
    /// p95 in milliseconds by step.
    pub trend: Vec<Option<f64>>,
}

/// Numbers of one provider, model, or of all.
#[derive(Clone, Debug, Default)]
pub struct TotalView {
    /// Calls in the window.
    pub requests: u64,
    /// Of these, failed.
    pub errors: u64,
    /// Of these, without a price.
    pub unpriced: u64,
    /// Failed share.
    pub error_rate: Option<f64>,
    /// The other share.
    pub success_rate: Option<f64>,
    /// Latency in milliseconds.
    pub latency_ms: LatencyView,
    /// Cost in the window; `None` where no call has a price.
    pub cost: Option<Money>,
    /// Cost since local midnight; `None` where it was not asked, and where no call has a price.
    pub cost_today: Option<Money>,
}

impl TotalView {
    fn of(window: &Aggregate, today: Option<&Aggregate>) -> Self {
        let counts = &window.counts;
        Self {
            requests: counts.requests,
            errors: counts.errors,
            unpriced: counts.unpriced,
            error_rate: ratio(counts.errors, counts.requests),
            success_rate: ratio(counts.requests.saturating_sub(counts.errors), counts.requests),
            latency_ms: LatencyView {
                p50: latency_ms(window, 0),
                p95: latency_ms(window, 1),
                p99: latency_ms(window, 2),
            },
            cost: spent(window, 1),
            cost_today: today.map_or(Some(Money(0)), |today| spent(today, 0)),
        }
    }

    fn write<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        map.serialize_entry("requests", &self.requests)?;
        map.serialize_entry("errors", &self.errors)?;
        map.serialize_entry("error_rate", &self.error_rate)?;
        map.serialize_entry("success_rate", &self.success_rate)?;
        map.serialize_entry("latency_ms", &self.latency_ms)?;
        map.serialize_entry("cost_usd", &self.cost)?;
        map.serialize_entry("unpriced_requests", &self.unpriced)?;
        map.serialize_entry("cost_today_usd", &self.cost_today)
    }
}

/// Percentiles of latency in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct LatencyView {
    pub p50: Option<f64>,
    pub p95: Option<f64>,
    pub p99: Option<f64>,
}

/// A model.
#[derive(Clone, Debug)]
pub struct ModelView {
    /// Its provider.
    pub provider: Box<str>,
    /// Its name.
    pub model: Box<str>,
    /// Its numbers; nothing of today.
    pub numbers: TotalView,
    /// Mean time to the first token.
    pub ttft_avg_ms: Option<f64>,
    /// Input and output tokens.
    pub tokens: u128,
    /// Calls a second.
    pub requests_per_second: Option<f64>,
    /// Share of cache look-ups that found something.
    pub hit_rate: Option<f64>,
}

/// The application's response cache.
#[derive(Clone, Copy, Debug)]
pub struct CacheView {
    /// Found in the window.
    pub hits: u64,
    /// Not found in the window.
    pub misses: u64,
    /// Share of look-ups that found something.
    pub hit_rate: Option<f64>,
    /// Money saved since local midnight.
    pub saved_today: Money,
}

/// The application's rate limiter.
#[derive(Clone, Copy, Debug)]
pub struct RateLimitView {
    /// Let through.
    pub allowed: u64,
    /// Refused.
    pub denied: u64,
    /// Share of decisions that refused.
    pub denied_rate: Option<f64>,
}

impl Serialize for ProviderView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("provider", &self.provider)?;
        map.serialize_entry("state", &self.state)?;
        map.serialize_entry("reasons", &self.reasons)?;
        self.numbers.write(&mut map)?;
        map.serialize_entry("trend", &self.trend)?;
        map.end()
    }
}

impl Serialize for TotalView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.write(&mut map)?;
        map.end()
    }
}

impl Serialize for ModelView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("provider", &self.provider)?;
        map.serialize_entry("model", &self.model)?;
        self.numbers.write(&mut map)?;
        map.serialize_entry("ttft_avg_ms", &self.ttft_avg_ms)?;
        map.serialize_entry("tokens", &self.tokens)?;
        map.serialize_entry("requests_per_second", &self.requests_per_second)?;
        map.serialize_entry("hit_rate", &self.hit_rate)?;
        map.end()
    }
}

impl Serialize for CacheView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("hits", &self.hits)?;
        map.serialize_entry("misses", &self.misses)?;
        map.serialize_entry("hit_rate", &self.hit_rate)?;
        map.serialize_entry("saved_today_usd", &self.saved_today)?;
        map.end()
    }
}

impl Serialize for RateLimitView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("allowed", &self.allowed)?;
        map.serialize_entry("denied", &self.denied)?;
        map.serialize_entry("denied_rate", &self.denied_rate)?;
        map.end()
    }
}

impl Serialize for StatusView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let dropped: BTreeMap<&str, u64> = self.upkeep.dropped.iter().map(|(r, n)| (r.as_str(), *n)).collect();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("schema", "ax.monitor.status/1")?;
        map.serialize_entry("generated_at", &Time(self.generated_at))?;
        map.serialize_entry("range", &self.range)?;
        map.serialize_entry("data", &self.data)?;
        map.serialize_entry("total", &self.total)?;
        if let Some(models) = &self.models {
            map.serialize_entry("models", models)?;
        }
        map.serialize_entry("alerts", &self.alerts)?;
        map.serialize_entry("budgets", &self.budgets)?;
        map.serialize_entry("cache", &self.cache)?;
        map.serialize_entry("rate_limit", &self.rate_limit)?;
        map.serialize_entry("recorders", &self.upkeep.recorders)?;
        map.serialize_entry("dropped", &dropped)?;
        map.serialize_entry("events", &self.events)?;
        map.serialize_entry("newest", &self.newest.map(Time))?;
        map.serialize_entry("source", &self.source)?;
        map.serialize_entry("warnings", &self.warnings)?;
        map.end()
    }
}
