//! Thresholds of budgets over simulated months: told once each, whatever restarts.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::sync::Arc;

use ax_monitor::collector::Options;
use ax_monitor::costs::{self, Budget, Crossing, Every, Origin};
use ax_monitor::metric::Money;
use ax_monitor::{Collector, Event, NanoUsd, Request};
use ax_storage::Store;
use ax_storage::clock::ManualClock;
use ax_storage::retention::{Clocks, Part, Retention};
use ax_storage::tier::db::DbError;
use ax_storage::time::{DAY_MS, HOUR_MS, Timestamp, Zone};
use jiff::civil::Weekday;

const DOLLAR: u64 = 1_000_000_000;

fn at(text: &str) -> Timestamp {
    Timestamp::from_jiff(text.parse().unwrap())
}

fn budget(name: &str, every: Every, dollars: i128, zone: &str) -> Budget {
    Budget {
        name: name.to_owned(),
        limit: Money(dollars * i128::from(DOLLAR)),
        every,
        scope: None,
        alert_at: vec![50, 80, 95, 100],
        zone: zone.to_owned(),
        week_start: Weekday::Monday,
        origin: Origin::Settings,
    }
}

/// A recorder that lives at `t`.
fn recorder(dir: &Path, t: Timestamp) -> Collector {
    let mut options = Options::default();
    options.clock = Some(Arc::new(ManualClock::at(t)));
    Collector::open_with(dir, options).unwrap()
}

fn spend(collector: &Collector, t: Timestamp, provider: &str, dollars: u64) {
    let cost = Some(NanoUsd::from_nanos(dollars * DOLLAR));
    collector.record(&Event::Request(Request { ts: Some(t), provider, cost, ..Request::default() }));
}

/// A month of 2 dollars every sixth hour from its first local hour on. Ten minutes after each, budgets
/// are judged twice: the second time finds nothing. Once a day recorder and store start anew.
fn month(zone: &str, start: &str, end: &str, budgets: &[Budget]) -> Vec<Crossing> {
    let dir = tempfile::tempdir().unwrap();
    Store::open_or_create(dir.path(), &Zone::load(zone).unwrap(), at(start)).unwrap();
    let mut all = Vec::new();
    let mut day = at(start);
    while day < at(end) {
        let collector = recorder(dir.path(), day);
        let store = Store::open(dir.path()).unwrap();
        for t in (0..4).map(|i| day.plus_ms(i * 6 * HOUR_MS)).filter(|t| *t < at(end)) {
            spend(&collector, t, "openai", 2);
            let now = t.plus_ms(HOUR_MS / 6);
            for again in [false, true] {
                let found = costs::budgets(&store, budgets, now, |_, _| Ok(())).unwrap();
                assert!(!again || found.is_empty(), "told twice: {found:?}");
                all.extend(found);
            }
        }
        drop(collector);
        day = day.plus_ms(DAY_MS);
        store.tick(day).unwrap();
    }
    all
}

/// Crossings of a budget as (percent, dollars spent, local time).
fn of(all: &[Crossing], name: &str, zone: &str) -> Vec<(u16, i128, String)> {
    let zone = Zone::load(zone).unwrap();
    let local = |t: Timestamp| t.to_jiff().to_zoned_datetime(zone.tz().clone()).strftime("%m-%d %H:%M").to_string();
    all.iter().filter(|c| c.budget == name).map(|c| (c.percent, c.spent.0 / i128::from(DOLLAR), local(c.at))).collect()
}

#[test]
fn each_threshold_is_told_once_a_month_over_a_change_of_clocks() {
    for (zone, start, end, days) in [
        // March in Berlin has 743 hours, the 29th only 23; November in New York 721, the 1st 25.
        ("Europe/Berlin", "2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z", 31),
        ("America/New_York", "2026-11-01T04:00:00Z", "2026-12-01T05:00:00Z", 30),
    ] {
        let budgets = [
            budget("month", Every::Month, 200, zone),
            budget("day", Every::Day, 8, zone),
            budget("far", Every::Month, 1000, zone),
        ];
        let all = month(zone, start, end, &budgets);
        let monthly = of(&all, "month", zone);
        let told: Vec<(u16, i128)> = monthly.iter().map(|(p, spent, _)| (*p, *spent)).collect();
        assert_eq!(told, [(50, 100), (80, 160), (95, 190), (100, 200)], "{zone}");
        assert!(of(&all, "far", zone).is_empty(), "a quarter of it is spent");
        // Each local day, whatever its length: 4 dollars are half of the limit, 8 all of it at once.
        let daily = of(&all, "day", zone);
        assert_eq!(daily.len(), days * 4, "{zone}");
        for told in daily.chunks(4) {
            let parts: Vec<(u16, i128)> = told.iter().map(|(p, spent, _)| (*p, *spent)).collect();
            assert_eq!(parts, [(50, 4), (80, 8), (95, 8), (100, 8)], "{zone} {told:?}");
            assert!(told.iter().all(|(_, _, t)| t[..5] == told[0].2[..5]), "{told:?}");
        }
        let last = all.iter().rfind(|c| c.budget == "month").unwrap();
        assert_eq!((last.period.start, last.period.end), (at(start), at(end)), "{zone}");
    }
}

#[test]
fn what_could_not_be_told_is_found_again_and_several_passes_find_it_once() {
    let dir = tempfile::tempdir().unwrap();
    let now = at("2026-03-10T12:00:00Z");
    let store = Store::open_or_create(dir.path(), &Zone::utc(), now).unwrap();
    let collector = recorder(dir.path(), now);
    spend(&collector, now.minus_ms(HOUR_MS), "openai", 9);
    spend(&collector, now.minus_ms(HOUR_MS), "claude", 2);
    let scoped = Budget { scope: Some("provider = openai".to_owned()), ..budget("scoped", Every::Month, 10, "UTC") };
    let budgets = [scoped];
    let failed = costs::budgets(&store, &budgets, now, |_, _| Err(DbError::Missing { path: "x".into() }));
    assert!(failed.is_err());
    let found: usize = std::thread::scope(|scope| {
        let pass = || costs::budgets(&store, &budgets, now, |_, _| Ok(())).unwrap().len();
        let passes: Vec<_> = (0..4).map(|_| scope.spawn(pass)).collect();
        passes.into_iter().map(|p| p.join().unwrap()).sum()
    });
    assert_eq!(found, 2, "50 % and 80 % of 10 dollars, of 9 spent in its scope");
}

/// Spend of one user, told by days of New York, in a store whose days are those of UTC and whose single events of the
/// first weeks are gone: what is left are whole days of UTC.
#[test]
fn days_that_are_kept_in_another_zone_only_are_said_and_counted_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_or_create(dir.path(), &Zone::utc(), at("2026-02-20T00:00:00Z")).unwrap();
    store.set_retention(&Retention::default().with(Part::Raw, 7 * DAY_MS)).unwrap();
    let mut day = at("2026-02-20T12:00:00Z");
    while day < at("2026-04-20T00:00:00Z") {
        let cost = Some(NanoUsd::from_nanos(DOLLAR));
        let request = Request { ts: Some(day), provider: "openai", user: "alice", cost, ..Request::default() };
        let collector = recorder(dir.path(), day);
        collector.record(&Event::Request(request));
        drop(collector);
        store.tick(day.plus_ms(HOUR_MS)).unwrap();
        day = day.plus_ms(DAY_MS);
    }
    let now = at("2026-04-20T00:00:00Z");
    store.tick(now).unwrap();
    store.retain(now, Clocks::Trusted).unwrap().unwrap();
    let scope = Some("user=alice".to_owned());
    let of = |zone| Budget { scope: scope.clone(), ..budget("alice", Every::Month, 19, zone) };
    for (zone, said) in [("America/New_York", true), ("UTC", false)] {
        let standing = costs::standings(&store, &[of(zone)], now).unwrap().budgets.remove(0);
        assert_eq!((standing.spent(), standing.store_days_until.is_some()), (Money(19_000_000_000), said), "{zone}");
        let told = costs::budgets(&store, &[of(zone)], now, |_, _| Ok(())).unwrap();
        assert!(told.iter().all(|c| c.spent == standing.spent()), "{told:?}");
    }
}
