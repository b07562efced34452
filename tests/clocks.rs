//! Words of the calendar, daily steps, budgets and daily buckets where clocks and calendars are odd, against
//! events counted one by one, each by the local date that the time zone library gives it.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::sync::Arc;

use ax_monitor::collector::Options;
use ax_monitor::costs::{self, Budget, Every, Origin};
use ax_monitor::metric::Money;
use ax_monitor::{Collector, Store};
use ax_storage::clock::{Clock, ManualClock};
use ax_storage::event::{CostSource, Event, NanoUsd, Request};
use ax_storage::query::plan::Plan;
use ax_storage::retention::{Clocks, Part, Retention};
use ax_storage::row::Batch;
use ax_storage::time::{DAY_MS, HOUR_MS, TimeRange, Timestamp, Zone};
use jiff::civil::{Date, Weekday};

/// Zones, and moments at which something odd happens in them.
const ODD: [(&str, &str); 11] = [
    // Clocks go back and forth by an hour, and by half of one.
    ("America/New_York", "2025-11-02T06:00:00Z"),
    ("America/New_York", "2026-03-08T07:00:00Z"),
    ("Australia/Lord_Howe", "2025-10-04T15:30:00Z"),
    ("Australia/Lord_Howe", "2026-04-04T15:00:00Z"),
    // The 30th of December never was.
    ("Pacific/Apia", "2011-12-30T10:00:00Z"),
    // Midnight is at a quarter past; a new year.
    ("Asia/Kathmandu", "2025-12-31T18:15:00Z"),
    // Leap days, one of them of a century.
    ("UTC", "2028-02-29T00:00:00Z"),
    ("Asia/Kathmandu", "2028-02-29T12:00:00Z"),
    ("UTC", "2000-02-29T12:00:00Z"),
    // Seconds do not fit into 32 bits any more.
    ("UTC", "2106-02-07T06:28:16Z"),
    ("America/New_York", "2106-02-07T06:28:16Z"),
];

const DOLLAR: u64 = 1_000_000_000;
const PERIODS: [(&str, &str, Every); 3] =
    [("today", "yesterday", Every::Day), ("week", "last week", Every::Week), ("month", "last month", Every::Month)];

/// A store of that zone with a call every 47 minutes around the odd moment, a dollar each.
struct World {
    _dir: tempfile::TempDir,
    store: Store,
    zone: Zone,
    odd: Timestamp,
    end: Timestamp,
    calls: Vec<Timestamp>,
}

impl World {
    fn new(zone: &str, odd: &str) -> Self {
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let (zone, odd) = (Zone::load(zone).unwrap(), Timestamp::from_jiff(odd.parse().unwrap()));
        // So that two months before are whole, but for those before 2000.
        let (start, end) = (odd.minus_ms(95 * DAY_MS).max(Timestamp::YEAR_2000), odd.plus_ms(6 * DAY_MS));
        let inner = ax_storage::Store::open_or_create(dir.path(), &zone, start).unwrap();
        let call = |n: u64| start.plus_ms(n * 47 * 60_000 + n * 7919 % 60_000);
        let calls: Vec<Timestamp> = (0..).map(call).take_while(|t| *t < end).collect();
        let mut batch = Batch::default();
        let request = Request { provider: "a", cost: Some(NanoUsd::from_nanos(DOLLAR)), ..Request::default() };
        calls.iter().for_each(|t| batch.push(&Event::Request(request), *t, CostSource::Recorded, ""));
        inner.import().add(&mut batch, 1, None).unwrap();
        inner.tick(end).unwrap();
        Self { _dir: dir, store: inner.into(), zone, odd, end, calls }
    }

    fn date(&self, t: Timestamp) -> Date {
        t.to_jiff().to_zoned_datetime(self.zone.tz().clone()).date()
    }

    /// Calls before `until` of the period that `t` lies in.
    fn count(&self, every: Every, t: Timestamp, until: Timestamp) -> u64 {
        let wanted = period(every, self.date(t));
        self.calls.iter().filter(|c| **c < until && period(every, self.date(**c)) == wanted).count() as u64
    }

    /// A moment of the period before the one that `t` lies in.
    fn before(&self, every: Every, t: Timestamp) -> Timestamp {
        let this = period(every, self.date(t));
        let earlier = |hours: &u64| t.minus_ms(hours * HOUR_MS);
        (1..).map(|hours| earlier(&hours)).find(|t| period(every, self.date(*t)) != this).unwrap()
    }

    /// Calls that an answer counts, and those of each of its steps.
    fn ask(&self, query: &str, now: Timestamp) -> (u64, Vec<u64>) {
        let answer = self.store.query_in(query, now, &self.zone).unwrap();
        let points = |row: &ax_monitor::answer::Row| row.points.iter().map(|p| p.count).collect();
        answer.rows.first().map_or((0, Vec::new()), |row| (row.count, points(row)))
    }

    fn nows(&self) -> impl Iterator<Item = Timestamp> {
        (0..17).map(|n| self.odd.minus_ms(2 * DAY_MS).plus_ms(n * 7 * HOUR_MS + 61_001))
    }

    /// What has passed of the running periods.
    fn check_running(&self, now: Timestamp) {
        for (word, _, every) in PERIODS {
            assert_eq!(self.ask(&format!("requests [{word}]"), now).0, self.count(every, now, now), "{word} at {now}");
            let standing = costs::standings(&self.store, &[self.budget(every)], now).unwrap().budgets.remove(0);
            let dollars = standing.spent().0 / i128::from(DOLLAR);
            assert_eq!(dollars, i128::from(self.count(every, now, now)), "budget of {word} at {now}");
            let (start, end) = (standing.period().start, standing.period().end);
            let inside = [start, end.minus_ms(1)].map(|t| period(every, self.date(t)));
            let outside = [start.minus_ms(1), end].map(|t| period(every, self.date(t)));
            let this = period(every, self.date(now));
            assert_eq!(inside, [this; 2], "budget of {word} at {now}");
            assert!(!outside.contains(&this), "budget of {word} at {now}");
        }
    }

    /// Whole periods that are over, and the days of one.
    fn check_over(&self, now: Timestamp) {
        for (_, word, every) in PERIODS {
            let then = self.before(every, now);
            let expected = self.count(every, then, Timestamp::MAX);
            assert_eq!(self.ask(&format!("requests [{word}]"), now).0, expected, "{word} at {now}");
        }
        let week = period(Every::Week, self.date(self.before(Every::Week, now)));
        let mut days: BTreeMap<Date, u64> = BTreeMap::new();
        for date in self.calls.iter().map(|c| self.date(*c)).filter(|d| period(Every::Week, *d) == week) {
            *days.entry(date).or_default() += 1;
        }
        let (_, points) = self.ask("requests [last week] every 1d", now);
        assert_eq!(points, days.into_values().collect::<Vec<_>>(), "days of last week at {now}");
    }

    fn budget(&self, every: Every) -> Budget {
        Budget {
            name: "b".to_owned(),
            limit: Money(1),
            every,
            scope: None,
            alert_at: vec![100],
            zone: self.zone.name().to_owned(),
            week_start: Weekday::Monday,
            origin: Origin::Settings,
        }
    }
}

/// Which day, week or month a date lies in.
fn period(every: Every, date: Date) -> (i16, i16) {
    match every {
        Every::Day => (date.year(), date.day_of_year()),
        Every::Week => (date.iso_week_date().year(), date.iso_week_date().week().into()),
        Every::Month => (date.year(), date.month().into()),
    }
}

#[test]
fn words_of_the_calendar_and_budgets_hold_where_clocks_are_odd() {
    for (zone, odd) in ODD {
        let world = World::new(zone, odd);
        for now in world.nows() {
            world.check_running(now);
            world.check_over(now);
        }
        // Then nothing is left but daily buckets.
        let day = Part::ALL.into_iter().filter(|part| *part != Part::Day);
        let retention = day.fold(Retention::default(), |r, part| r.with(part, DAY_MS));
        world.store.set_retention(&retention).unwrap();
        world.store.retain(world.end, Clocks::Trusted).unwrap().unwrap();
        world.nows().for_each(|now| world.check_over(now));
        assert_eq!(world.store.verify(&mut |_| ()).unwrap().problems, [], "{zone} {odd}");
    }
}

/// A machine that has just been switched on may not know what time it is. What has no time is not recorded
/// and counted, and nothing that was kept before is taken for anything else.
#[test]
fn a_clock_that_says_1970_records_nothing_and_spoils_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(30_000)));
    let mut options = Options::default();
    options.clock = Some(Arc::clone(&clock) as Arc<dyn Clock>);
    let collector = Collector::open_with(dir.path(), options).unwrap();
    let call = |ts| collector.record(&ax_monitor::Event::Request(Request { ts, provider: "a", ..Request::default() }));
    let store = Store::open(dir.path()).unwrap();
    let counted = || store.run(&Plan::new(TimeRange::ALL, Zone::utc())).unwrap().all.counts.requests;
    call(None);
    assert_eq!(collector.health().recorded, 0);
    assert_eq!(collector.health().dropped_by_reason.iter().map(|d| d.1).sum::<u64>(), 1);
    store.tick(Timestamp::from_millis(60_000)).unwrap();

    let now = Timestamp::from_millis(1_762_768_800_000);
    clock.set(now);
    call(None);
    store.tick(now.plus_ms(HOUR_MS)).unwrap();
    assert_eq!(counted(), 1);
    // It is switched off and on.
    clock.set(Timestamp::MIN);
    call(None);
    let report = store.tick(Timestamp::MIN).unwrap();
    assert_eq!((report.problems, counted()), (vec![], 1));
    clock.set(now.plus_ms(DAY_MS));
    call(None);
    store.tick(now.plus_ms(2 * DAY_MS)).unwrap();
    assert_eq!(counted(), 2);
    assert_eq!(store.verify(&mut |_| ()).unwrap().problems, []);
}
