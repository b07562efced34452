//! The collector as an application sees it, read back from the store's journals.

use std::path::Path;

use ax_storage::clock::ManualClock;
use ax_storage::event::CostSource;
use ax_storage::journal::{Reader, list};
use ax_storage::row::{Batch, Body, RequestRow};

use super::*;
use crate::pricing::{self, Contents, Given, Override, PICO_PER_USD_MTOK, Price, When};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn read(dir: &Path) -> Batch {
    let mut batch = Batch::default();
    for path in list(&dir.join("journal")).unwrap() {
        Reader::open(&path).unwrap().read(0, u64::MAX, &mut batch).unwrap();
    }
    batch
}

fn requests(batch: &Batch) -> Vec<RequestRow> {
    let request = |row: &ax_storage::row::Row| match row.body {
        Body::Request(r) => Some(r),
        _ => None,
    };
    batch.rows.iter().filter_map(request).collect()
}

fn at(now: Timestamp) -> (Options, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(now));
    (Options { clock: Some(clock.clone()), zone: Some(Zone::utc()), ..Options::default() }, clock)
}

fn call(ts: Option<Timestamp>) -> Event<'static> {
    Event::Request(Request { ts, provider: "claude", model: "sonnet", ..Request::default() })
}

#[test]
fn an_application_records_in_three_ways() {
    let dir = tempfile::tempdir().unwrap();
    let collector = Collector::open(dir.path().join("store")).unwrap();
    let tokens = Tokens { input: 10, output: 5, ..Tokens::default() };
    collector.record(&Event::Request(Request { provider: "openai", user: "bob", tokens, ..Request::default() }));
    let series = collector.series("openai", "gpt", "bob");
    series.clone().record(&Measurement { tokens, outcome: Outcome::Error("timeout"), ..Measurement::default() });
    let guard = collector.start("claude", "sonnet");
    guard.user("alice").service_tier("batch");
    guard.first_token();
    guard.tokens(tokens);
    guard.cost(NanoUsd::from_nanos(7));
    guard.ok();
    drop(collector.start("claude", "sonnet"));
    collector.start("claude", "sonnet").error("rate_limited");
    collector.record(&Event::Cache(Cache { hit: true, key: "k", ..Cache::default() }));
    assert_eq!(collector.health(), Health { recorded: 6, ..Health::default() });
    collector.flush().unwrap();
    drop((collector, series));

    let batch = read(&dir.path().join("store"));
    let requests = requests(&batch);
    assert_eq!((batch.rows.len(), requests.len()), (6, 5));
    let errors: Vec<&str> = requests.iter().map(|r| batch.names.get(r.error)).collect();
    assert_eq!(errors, ["", "timeout", "", "abandoned", "rate_limited"]);
    let timed = requests[2];
    assert!(timed.ttft_us.get() <= timed.latency_us.get() && timed.latency_us.get().is_some());
    assert_eq!((timed.cost_nanos, timed.cost_source), (7, CostSource::Recorded));
    assert_eq!(batch.names.get(timed.service_tier), "batch");
    assert_eq!(requests[0].cost_source, CostSource::Unpriced);
    assert_eq!(batch.names.get(batch.rows[2].user), "alice");
}

#[test]
fn a_disabled_collector_does_nothing() {
    let collector = Collector::disabled();
    collector.record(&call(None));
    collector.series("a", "b", "c").record(&Measurement::default());
    collector.start("a", "b").ok();
    collector.flush().unwrap();
    assert_eq!(collector.health(), Health::default());
    assert!(!collector.is_enabled());
}

#[test]
fn times_that_cannot_be_are_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let (options, clock) = at(NOW);
    let collector = Collector::open_with(dir.path(), options).unwrap();
    collector.record(&call(None));
    collector.record(&call(Some(NOW.plus_ms(24 * 3600 * 1000))));
    collector.record(&call(Some(NOW.plus_ms(24 * 3600 * 1000 + 1))));
    collector.record(&call(Some(Timestamp::from_millis(5))));
    clock.set(Timestamp::from_millis(1000));
    collector.record(&call(None));
    let health = collector.health();
    assert_eq!(health.recorded, 2);
    assert_eq!(health.dropped_by_reason, [(DropReason::Invalid, 2), (DropReason::Clock, 1)]);
}

#[test]
fn what_has_no_cost_is_priced() {
    let dir = tempfile::tempdir().unwrap();
    let (options, _) = at(NOW);
    let collector = Collector::open_with(dir.path(), options).unwrap();
    let tokens = Tokens { input: 50, ..Tokens::default() };
    let request = Request { provider: "claude", model: "claude-3-opus-20240229", tokens, ..Request::default() };
    collector.record(&Event::Request(request));
    collector.record(&Event::Request(Request { model: "other", ..request }));
    collector.record(&Event::Request(Request { cost: Some(NanoUsd::from_nanos(3)), ..request }));
    collector.record(&Event::Request(Request { service_tier: "batch", ..request }));
    collector.record(&Event::Request(Request { service_tier: "unheard_of", ..request }));
    collector.record(&Event::Request(Request { tokens: Tokens::default(), ..request }));
    let series = collector.series("claude", "claude-3-opus-20240229", "");
    series.record(&Measurement { tokens, ..Measurement::default() });
    let failed = Outcome::Error("overloaded");
    series.record(&Measurement { outcome: failed, ..Measurement::default() });
    assert_eq!(collector.cost_of(&request), Some(NanoUsd::from_nanos(750_000)));
    drop((collector, series));
    let costs: Vec<_> = requests(&read(dir.path())).iter().map(|r| (r.cost_nanos, r.cost_source)).collect();
    let expected = [
        (750_000, CostSource::Computed),
        (0, CostSource::Unpriced),
        (3, CostSource::Recorded),
        (375_000, CostSource::Computed),
        (0, CostSource::Unpriced),
        (0, CostSource::Unpriced),
        (750_000, CostSource::Computed),
        (0, CostSource::Computed),
    ];
    assert_eq!(costs, expected);
}

/// A price of so many dollars a million tokens of input for any provider's `model`.
fn own_price(model: &str, usd: u64) -> Contents {
    let rates = Given { input: Some(usd * PICO_PER_USD_MTOK), ..Given::default() }.complete();
    let price = Price { when: When::ALWAYS, rates, long: vec![] };
    let own = Override { provider: String::new(), model: model.into(), price };
    Contents { set: vec![own], ..Contents::default() }
}

#[test]
fn a_running_recorder_takes_over_changed_prices() {
    for kind in [JournalKind::Mapped, JournalKind::Written] {
        let dir = tempfile::tempdir().unwrap();
        let (options, _) = at(NOW);
        let collector = Collector::open_with(dir.path(), Options { journal: kind, ..options }).unwrap();
        let series = collector.series("p", "own", "");
        let tokens = Tokens { input: 1, ..Tokens::default() };
        let request = Request { provider: "q", model: "own", tokens, ..Request::default() };
        let both = || {
            series.record(&Measurement { tokens, ..Measurement::default() });
            collector.record(&Event::Request(request));
        };
        both();
        for usd in [1, 2] {
            pricing::store(&pricing::path_in(dir.path()), &own_price("own", usd)).unwrap();
            let wait = std::time::Duration::from_millis(50);
            for _ in 0..400 {
                if collector.cost_of(&request) == Some(NanoUsd::from_nanos(usd * 1000)) {
                    break;
                }
                // Written journals look when events are written.
                collector.record(&Event::Cache(Cache { key: "k", ..Cache::default() }));
                std::thread::sleep(wait);
            }
            both();
        }
        std::fs::write(pricing::path_in(dir.path()), "damaged").unwrap();
        drop((collector, series));
        let costs: Vec<_> = requests(&read(dir.path())).iter().map(|r| r.cost_nanos).collect();
        assert_eq!(costs, [0, 0, 1000, 1000, 2000, 2000], "{kind:?}");
        // One that opens now prices by the list that comes along.
        let collector = Collector::open(dir.path()).unwrap();
        assert_eq!(collector.cost_of(&request), None);
    }
}

#[test]
fn what_cannot_be_a_store_is_an_error_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "x").unwrap();
    assert!(matches!(Collector::open(&file), Err(OpenError::NotADirectory { .. })));
    assert!(Collector::open(file.join("below")).is_err());
    assert!(matches!(Collector::open(dir.path()), Err(OpenError::NotAStore { .. })));
}
