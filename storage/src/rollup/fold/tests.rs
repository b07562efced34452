//! The fold against a naive one that adds row by row.

use std::collections::BTreeMap;
use std::convert::Infallible;

use proptest::prelude::*;

use super::*;
use crate::event::Tokens;
use crate::row::Maybe;

type Rows = BTreeMap<(Tier, NameId, TimeRange), Bucket>;

const NAMES: u32 = 6;
const IDS: [NameId; NAMES as usize] = [0, 11, 12, 13, 14, 15];
const OTHER: NameId = 99;

fn maybe(values: impl Strategy<Value = u64>) -> impl Strategy<Value = Maybe> {
    prop::option::of(values).prop_map(Maybe::from)
}

fn request() -> impl Strategy<Value = Body> {
    let tokens = (0..50_000u64, 0..5_000u64).prop_map(|(input, output)| Tokens {
        input,
        output,
        cached: input / 3,
        cache_write: input / 5,
        cache_write_1h: input / 9,
        reasoning: output / 2,
    });
    let cost = (0..3u8, 0..5_000_000_000u64);
    (any::<bool>(), 0..NAMES, 0..2u32, maybe(0..90_000_000u64), maybe(0..9_000_000u64), tokens, cost).prop_map(
        |(ok, error, service_tier, latency_us, ttft_us, tokens, (source, cost))| {
            let cost_source = [CostSource::Unpriced, CostSource::Recorded, CostSource::Computed][usize::from(source)];
            Body::Request(RequestRow {
                ok,
                error: if ok { 0 } else { error },
                service_tier,
                latency_us,
                ttft_us,
                tokens,
                cost_nanos: if source == 0 { 0 } else { cost },
                cost_source,
            })
        },
    )
}

fn body() -> impl Strategy<Value = Body> {
    let cache = (any::<bool>(), maybe(0..9_000u64), maybe(0..9_000u64)).prop_map(|(hit, cost, tokens)| {
        Body::Cache(CacheRow { hit, key: 0, saved_cost_nanos: cost, saved_tokens: tokens, ttl_s: Maybe::NONE })
    });
    let rate = (any::<bool>(), 0..NAMES, maybe(0..90u64), maybe(0..90u64)).prop_map(
        |(allowed, limit_type, remaining, limit)| Body::Rate(RateRow { allowed, key: 0, limit_type, remaining, limit }),
    );
    prop_oneof![6 => request(), 1 => cache, 1 => rate]
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    // Around a change of the clock in Berlin, so that a day has 25 hours.
    let start = 1_761_343_200_000u64;
    let row = (0..60 * 3_600_000u64, 0..3u32, 0..NAMES, 0..NAMES, body()).prop_map(
        move |(t, provider, model, user, body)| Row {
            ts: Timestamp::from_millis(start + t),
            provider,
            model,
            user,
            event_id: 0,
            body,
        },
    );
    prop::collection::vec(row, 0..300).prop_map(|mut rows| {
        rows.sort_by_key(|r| r.ts);
        rows
    })
}

fn naive(rows: &[Row], zone: &Zone, closed_to: &ClosedTo) -> Rows {
    let mut out = Rows::new();
    for row in rows {
        for tier in Tier::ALL {
            let range = tier.bucket(row.ts, zone);
            if range.start >= closed_to.of(tier) {
                continue;
            }
            let bucket = out.entry((tier, row.provider, range)).or_default();
            match &row.body {
                Body::Request(r) => {
                    let id = |n: NameId| IDS[n as usize];
                    let key = RequestKey { model: id(row.model), ok: r.ok, service_tier: id(r.service_tier) };
                    let cell = bucket.requests.entry(key).or_default();
                    let one = request_cell(std::iter::once(r), &names(), &mut Scratch::default());
                    cell.merge(&one);
                }
                Body::Cache(_) | Body::Rate(_) => add_other(bucket, row, &names()),
            }
        }
    }
    out
}

fn names() -> StoreIds<'static> {
    StoreIds { ids: &IDS, other: OTHER }
}

fn folded(rows: &[Row], zone: &Zone, closed_to: &ClosedTo) -> Rows {
    let mut out = Rows::new();
    let Ok(()) = fold::<Infallible>(rows, &names(), zone, closed_to, &mut |tier, provider, range, bucket| {
        let twice = out.insert((tier, provider, range), bucket.clone());
        assert!(twice.is_none(), "a bucket is emitted once");
        Ok(())
    });
    out
}

proptest! {
    #[test]
    fn buckets_are_those_of_adding_row_by_row(rows in rows(), open_hours in 0..70u64) {
        let zone = Zone::load("Europe/Berlin").unwrap();
        let to = Timestamp::from_millis(1_761_343_200_000 + open_hours * 3_600_000);
        let at = |tier: Tier| tier.bucket(to, &zone).start;
        let closed_to = ClosedTo { five_minutes: at(Tier::FiveMinutes), hour: at(Tier::Hour), day: at(Tier::Day) };
        prop_assert_eq!(folded(&rows, &zone, &closed_to), naive(&rows, &zone, &closed_to));
    }

    #[test]
    fn it_does_not_matter_how_the_rows_are_cut(rows in rows(), cut in 0..300usize) {
        let zone = Zone::utc();
        let all = ClosedTo { five_minutes: Timestamp::MAX, hour: Timestamp::MAX, day: Timestamp::MAX };
        let cut = cut.min(rows.len());
        let mut parts = folded(&rows[..cut], &zone, &all);
        for (key, bucket) in folded(&rows[cut..], &zone, &all) {
            parts.entry(key).or_default().merge(&bucket);
        }
        prop_assert_eq!(parts, folded(&rows, &zone, &all));
    }
}

proptest! {
    #[test]
    fn it_does_not_matter_how_many_cells_are_held(rows in rows(), held in 0..20usize) {
        let zone = Zone::utc();
        let all = ClosedTo { five_minutes: Timestamp::MAX, hour: Timestamp::MAX, day: Timestamp::MAX };
        let mut merged = Rows::new();
        let Ok(()) = fold_holding::<Infallible>(held, &rows, &names(), &zone, &all, &mut |tier, provider, range, bucket| {
            merged.entry((tier, provider, range)).or_default().merge(bucket);
            Ok(())
        });
        prop_assert_eq!(merged, folded(&rows, &zone, &all));
    }
}

#[test]
fn more_kinds_of_limit_than_a_bucket_keeps_count_as_other() {
    let rate = |limit_type| Row {
        ts: Timestamp::YEAR_2000,
        provider: 1,
        model: 0,
        user: 0,
        event_id: 0,
        body: Body::Rate(RateRow { allowed: true, key: 0, limit_type, remaining: Maybe::NONE, limit: Maybe::NONE }),
    };
    let ids: Vec<NameId> = (0..200).collect();
    let rows: Vec<Row> = (1..200).map(rate).collect();
    let names = StoreIds { ids: &ids, other: 1000 };
    let mut minutes = 0;
    let closed = ClosedTo { five_minutes: Timestamp::MIN, hour: Timestamp::MIN, day: Timestamp::MIN };
    let Ok(()) = fold::<Infallible>(&rows, &names, &Zone::utc(), &closed, &mut |_, _, _, bucket| {
        minutes += 1;
        assert_eq!(bucket.rates.len(), LIMIT_TYPES_MAX + 1);
        assert_eq!(bucket.rates[&1000].allowed, 199 - LIMIT_TYPES_MAX as u64);
        Ok(())
    });
    assert_eq!(minutes, 1);
}
