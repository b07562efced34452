//! Random histories of a store on disk: imports, late imports, repeated imports, passes at any time,
//! in zones with odd days. After each, every table holds exactly what the events say.

use ax_storage::Store;
use ax_storage::event::{CostSource, Event, NanoUsd, Outcome, RateLimit, Request, Tokens};
use ax_storage::query::plan::Plan;
use ax_storage::row::Batch;
use ax_storage::time::{TimeRange, Timestamp, Zone};
use proptest::prelude::*;

const HOUR: u64 = 3_600_000;

#[derive(Clone, Debug)]
enum Step {
    /// Events so many ms before now, spread over so many ms.
    Import { back: u64, spread: u64, events: u16 },
    /// Time moves on and a pass runs.
    Tick { after: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..80 * HOUR, 1..60 * HOUR, 1..120u16).prop_map(|(back, spread, events)| Step::Import {
            back,
            spread,
            events
        }),
        (0..30 * HOUR).prop_map(|after| Step::Tick { after }),
        (0..20 * 60_000u64).prop_map(|after| Step::Tick { after }),
    ]
}

fn batch(now: u64, back: u64, spread: u64, events: u16, salt: u64) -> Batch {
    let mut batch = Batch::default();
    for i in 0..u64::from(events) {
        let r = (salt * 1000 + i).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20;
        let ts = Timestamp::from_millis((now - back).saturating_sub(spread) + r % spread);
        let provider = ["claude", "openai", "gemini"][(r % 3) as usize];
        let event = if r.is_multiple_of(11) {
            Event::RateLimit(RateLimit {
                provider,
                limit_type: "rpm",
                allowed: r.is_multiple_of(2),
                ..RateLimit::default()
            })
        } else {
            Event::Request(Request {
                provider,
                model: ["a", "b"][(r / 3 % 2) as usize],
                user: ["alice", "bob", ""][(r / 7 % 3) as usize],
                latency: (!r.is_multiple_of(5)).then(|| std::time::Duration::from_micros(r % 5_000_000)),
                tokens: Tokens { input: r % 1000, output: r % 300, ..Tokens::default() },
                cost: (!r.is_multiple_of(4)).then(|| NanoUsd::from_nanos(r % 1_000_000_007)),
                outcome: if r.is_multiple_of(9) { Outcome::Error("overloaded") } else { Outcome::Ok },
                ..Request::default()
            })
        };
        batch.push(&event, ts, CostSource::Recorded, &format!("id-{salt}-{i}"));
    }
    batch
}

fn check(zone: &str, steps: &[Step]) {
    let dir = tempfile::tempdir().unwrap();
    // Noon before a night in which the clocks of Berlin and Lord Howe change.
    let mut now = 1_761_393_600_000u64;
    let zone = Zone::load(zone).unwrap();
    Store::open_or_create(dir.path(), &zone, Timestamp::from_millis(now)).unwrap();
    let mut imported = 0;
    for (salt, step) in (1..).zip(steps) {
        let store = Store::open(dir.path()).unwrap();
        match *step {
            Step::Tick { after } => {
                now += after;
                store.tick(Timestamp::from_millis(now)).unwrap();
            }
            Step::Import { back, spread, events } => {
                let added = store.import().add(&mut batch(now, back, spread, events, salt), 1, None).unwrap();
                assert_eq!(added.imported, u64::from(events));
                imported += added.imported;
                let again = store.import().add(&mut batch(now, back, spread, events, salt), 1, None).unwrap();
                assert_eq!((again.imported, again.duplicates), (0, u64::from(events)));
            }
        }
    }
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(store.verify(&mut |_| ()).unwrap().problems, []);
    let all = store.run(&Plan::new(TimeRange::ALL, Zone::utc())).unwrap().all.counts;
    assert_eq!(all.requests + all.allowed + all.denied, imported);
    assert_eq!(store.info().unwrap().events_raw, imported);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn tables_always_hold_what_the_events_say(
        zone in prop::sample::select(vec!["UTC", "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe"]),
        steps in prop::collection::vec(step(), 1..12),
    ) {
        check(zone, &steps);
    }
}
