use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::*;
use crate::bucket::{CacheCell, Detail, DetailCell, Dist, DistCell, Measure, RateCell, RequestCell, RequestKey, Stat};
use crate::histogram::{Accumulator, CountsBuilder};
use crate::time::Tier;

fn key(table: Table) -> RowKey<'static> {
    RowKey { table, provider: "claude", start: Timestamp::from_millis(1_700_158_500_000) }
}

fn meta() -> RowMeta {
    RowMeta {
        end: Timestamp::from_millis(1_700_158_560_000),
        previous: Some(Timestamp::from_millis(1_700_158_440_000)),
    }
}

const MINUTE: Table = Table::Tier(Tier::Minute);

/// One request as its cell sees it.
#[derive(Clone, Debug)]
struct Call {
    latency: Option<u64>,
    ttft: Option<u64>,
    input: u64,
    output: u64,
    cached: u64,
    cost: Option<u64>,
    computed: bool,
    error: u32,
}

fn stat_of(values: impl IntoIterator<Item = u64>) -> Stat {
    let mut stat = Stat::default();
    values.into_iter().for_each(|v| stat.add(v));
    stat
}

fn cell_of(calls: &[Call], ok: bool) -> RequestCell {
    let mut cell = RequestCell { count: calls.len() as u64, ..RequestCell::default() };
    let latencies: Vec<u64> = calls.iter().filter_map(|c| c.latency).collect();
    let ttfts: Vec<u64> = calls.iter().filter_map(|c| c.ttft).collect();
    let mut builder = CountsBuilder::default();
    (cell.latency, cell.ttft) = (builder.build(&latencies), builder.build(&ttfts));
    cell.stats = [
        stat_of(latencies),
        stat_of(ttfts),
        stat_of(calls.iter().map(|c| c.input + c.output)),
        stat_of(calls.iter().map(|c| c.input)),
        stat_of(calls.iter().map(|c| c.output)),
        stat_of(calls.iter().map(|c| c.cached)),
        stat_of(calls.iter().map(|_| 0)),
        stat_of(calls.iter().map(|_| 0)),
        stat_of(calls.iter().map(|_| 0)),
        stat_of(calls.iter().filter_map(|c| c.cost)),
    ];
    for call in calls {
        cell.unpriced += u64::from(call.cost.is_none());
        cell.computed += u64::from(call.cost.is_some() && call.computed);
        if !ok && call.error > 0 {
            *cell.errors.entry(call.error).or_default() += 1;
        }
    }
    cell
}

/// Small, round, equal, huge: what values look like and what they may look like.
fn value() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0_u64..5000,
        2 => (0_u64..20_000).prop_map(|ms| ms * 1000),
        1 => Just(777),
        2 => (any::<u64>(), 1_u32..64).prop_map(|(v, shift)| v >> shift),
    ]
}

fn call() -> impl Strategy<Value = Call> {
    let maybe = || prop_oneof![4 => value().prop_map(Some), 1 => Just(None)];
    let tokens = || prop_oneof![3 => 0_u64..10_000, 1 => Just(0), 1 => 0..=1_000_000_000_000_u64];
    (maybe(), maybe(), tokens(), tokens(), prop_oneof![Just(0), 0_u64..10], maybe(), any::<bool>(), 0_u32..3).prop_map(
        |(latency, ttft, input, output, cached, cost, computed, error)| Call {
            latency,
            ttft,
            input,
            output,
            cached,
            cost,
            computed,
            error,
        },
    )
}

/// A stat that no values give: every number by itself.
fn wild_stat() -> impl Strategy<Value = Stat> {
    let wide = || (any::<u128>(), 0_u32..128).prop_map(|(v, shift)| v >> shift);
    (value(), wide(), wide(), any::<u64>(), any::<u64>()).prop_map(|(count, sum, squares, min, max)| Stat {
        count,
        sum,
        squares,
        min,
        max,
    })
}

fn request_cell() -> impl Strategy<Value = (RequestKey, RequestCell)> {
    let key = (0_u32..50, any::<bool>(), prop_oneof![5 => Just(0_u32), 1 => any::<u32>()])
        .prop_map(|(model, ok, service_tier)| RequestKey { model, ok, service_tier });
    let usual = (key, vec(call(), 0..12)).prop_map(|(key, calls)| (key, cell_of(&calls, key.ok)));
    (usual, prop_oneof![9 => Just(None), 1 => vec(wild_stat(), 8).prop_map(Some)]).prop_map(
        |((key, mut cell), wild)| {
            if let Some(wild) = wild {
                cell.stats[2..].copy_from_slice(&wild);
                cell.unpriced = wild[0].count;
            }
            (key, cell)
        },
    )
}

fn bucket() -> impl Strategy<Value = Bucket> {
    let stat = || prop_oneof![1 => Just(Stat::default()), 3 => vec(value(), 1..7).prop_map(stat_of), 1 => wild_stat()];
    let cache = (value(), value(), stat(), stat()).prop_map(|(hits, misses, saved_cost, saved_tokens)| CacheCell {
        hits,
        misses,
        saved_cost,
        saved_tokens,
    });
    let rate = (value(), value(), stat(), prop_oneof![Just(None), any::<(u64, u64)>().prop_map(Some)])
        .prop_map(|(allowed, denied, utilization, last)| RateCell { allowed, denied, utilization, last });
    (vec(request_cell(), 0..8), btree_map(any::<u32>(), cache, 0..4), btree_map(0_u32..100, rate, 0..4)).prop_map(
        |(requests, caches, rates)| Bucket {
            requests: requests.into_iter().map(|(key, cell)| (key, Box::new(cell))).collect(),
            caches,
            rates,
        },
    )
}

fn counts() -> impl Strategy<Value = Vec<(u32, u64)>> {
    vec(value(), 0..40).prop_map(|values| CountsBuilder::default().build(&values))
}

fn dist() -> impl Strategy<Value = Dist> {
    let cell = (counts(), counts()).prop_map(|(tokens, cost)| DistCell { tokens, cost });
    (btree_map((0_u32..20, any::<bool>()), cell, 0..6), 0_u64..3).prop_map(|(cells, missing)| Dist { cells, missing })
}

fn detail() -> impl Strategy<Value = Detail> {
    let number = || prop_oneof![Just(0), any::<u64>(), 0_u64..1000];
    let tokens = [(); 6].map(|()| number());
    let cell = (number(), number(), number(), tokens, prop_oneof![any::<u128>(), (0_u128..1000).prop_map(|c| c * 150)])
        .prop_map(|(count, errors, unpriced, tokens, cost_nanos)| DetailCell {
            count,
            errors,
            unpriced,
            tokens,
            cost_nanos,
        });
    let latency = vec(value(), 1..20)
        .prop_map(|values| (stat_of(values.iter().copied()), CountsBuilder::default().build(&values)));
    (btree_map((0_u32..10, any::<u32>()), cell, 0..20), btree_map(0_u32..12, latency, 0..8), 0_u64..3, any::<bool>())
        .prop_map(|(cells, latency, missing, limited)| Detail { cells, latency, missing, limited })
}

fn encoded(bucket: &Bucket) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_bucket(bucket, &key(MINUTE), meta(), &mut bytes).unwrap();
    bytes
}

/// Gives changed bytes a checksum that fits.
fn resealed(mut bytes: Vec<u8>, table: Table) -> Vec<u8> {
    if let Some((head, body)) = bytes.split_at_mut_checked(5) {
        head[0] = BUCKET_VERSION;
        head[1..].copy_from_slice(&checksum(&key(table), body).to_le_bytes());
    }
    bytes
}

/// Reads all there is to read, whether it makes sense or not.
fn read_everything(bytes: &[u8]) {
    if let Ok(view) = BucketView::parse(bytes, &key(MINUTE)) {
        let mut cells = view.requests();
        let mut sum = Accumulator::default();
        while let Ok(Some(cell)) = cells.next() {
            let _ = (cell.to_cell(), Measure::ALL.map(|measure| cell.stat(measure)));
            let _ = cell.latency().map(|h| h.pour(&mut sum));
            let _ = cell.ttft().map(|h| h.pour(&mut sum));
            let _ = (sum.quantile(990_000, 0, u64::MAX), sum.count_above(1000));
            sum.clear();
        }
    }
    let _ = decode_bucket(bytes, &key(MINUTE));
    let _ = decode_dist(bytes, &key(Table::DistHour));
    let _ = decode_detail(bytes, &key(Table::DetailDay));
}

proptest! {
    #[test]
    fn buckets_come_back(bucket in bucket()) {
        let bytes = encoded(&bucket);
        prop_assert_eq!(decode_bucket(&bytes, &key(MINUTE)), Ok((bucket, meta())));
    }

    #[test]
    fn distributions_come_back(dist in dist()) {
        let mut bytes = Vec::new();
        encode_dist(&dist, &key(Table::DistHour), meta(), &mut bytes).unwrap();
        prop_assert_eq!(decode_dist(&bytes, &key(Table::DistHour)), Ok((dist, meta())));
    }

    #[test]
    fn details_come_back(detail in detail()) {
        let mut bytes = Vec::new();
        encode_detail(&detail, &key(Table::DetailDay), meta(), &mut bytes).unwrap();
        prop_assert_eq!(decode_detail(&bytes, &key(Table::DetailDay)), Ok((detail, meta())));
    }

    #[test]
    fn a_changed_byte_is_noticed(bucket in bucket(), at in any::<prop::sample::Index>(), flip in 1_u8..) {
        let mut bytes = encoded(&bucket);
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        prop_assert!(decode_bucket(&bytes, &key(MINUTE)).is_err());
    }

    #[test]
    fn cut_or_longer_bytes_are_noticed(bucket in bucket(), at in any::<prop::sample::Index>()) {
        let bytes = encoded(&bucket);
        let cut = &bytes[..at.index(bytes.len())];
        prop_assert!(decode_bucket(cut, &key(MINUTE)).is_err());
        prop_assert!(decode_bucket(&resealed(cut.to_vec(), MINUTE), &key(MINUTE)).is_err());
        let longer = [&bytes[..], &[0]].concat();
        prop_assert!(decode_bucket(&resealed(longer, MINUTE), &key(MINUTE)).is_err());
    }

    #[test]
    fn hostile_bytes_with_a_right_checksum_end(
        bucket in bucket(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = encoded(&bucket);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        read_everything(&resealed(bytes, MINUTE));
    }

    #[test]
    fn hostile_rows_of_the_other_tables_end(
        dist in dist(), detail in detail(), changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let (mut a, mut b) = (Vec::new(), Vec::new());
        encode_dist(&dist, &key(Table::DistHour), meta(), &mut a).unwrap();
        encode_detail(&detail, &key(Table::DetailDay), meta(), &mut b).unwrap();
        for (at, byte) in changes {
            let (i, j) = (at.index(a.len()), at.index(b.len()));
            (a[i], b[j]) = (byte, byte);
        }
        read_everything(&resealed(a, Table::DistHour));
        read_everything(&resealed(b, Table::DetailDay));
    }

    #[test]
    fn random_bytes_end(bytes in vec(any::<u8>(), 0..200)) {
        read_everything(&bytes);
        for table in [MINUTE, Table::DistHour, Table::DetailDay] {
            read_everything(&resealed(bytes.clone(), table));
        }
    }

    #[test]
    fn pouring_a_view_equals_adding_the_counts(bucket in bucket()) {
        let bytes = encoded(&bucket);
        let view = BucketView::parse(&bytes, &key(MINUTE)).unwrap();
        let (mut cells, mut poured) = (view.requests(), Accumulator::default());
        let mut added = Accumulator::default();
        while let Some(cell) = cells.next().unwrap() {
            let whole = &bucket.requests[&cell.key];
            let _ = cell.latency().unwrap().pour(&mut poured);
            added.add_counts(&whole.latency).unwrap();
            let mut streamed = Accumulator::default();
            let mut stream = cell.latency().unwrap().stream();
            while let Some((index, count)) = stream.next().unwrap() {
                streamed.add(index, count).unwrap();
            }
            prop_assert_eq!(streamed.iter().collect::<Vec<_>>(), whole.latency.clone());
            for measure in Measure::ALL.into_iter().take(Measure::IN_REQUESTS) {
                prop_assert_eq!(cell.stat(measure).unwrap(), whole.stats[measure as usize]);
            }
        }
        prop_assert_eq!(poured.total(), added.total());
        prop_assert_eq!(poured.iter().collect::<Vec<_>>(), added.iter().collect::<Vec<_>>());
    }
}

#[test]
fn a_row_under_another_key_is_damaged() {
    let bytes = encoded(&Bucket::default());
    let good = key(MINUTE);
    assert!(decode_bucket(&bytes, &good).is_ok());
    for wrong in [
        RowKey { table: Table::Tier(Tier::Hour), ..good },
        RowKey { provider: "claud", ..good },
        RowKey { provider: "", ..good },
        RowKey { start: Timestamp::from_millis(0), ..good },
    ] {
        assert_eq!(decode_bucket(&bytes, &wrong), Err(Damaged::Checksum), "{wrong:?}");
    }
}

#[test]
fn a_newer_version_has_an_error_of_its_own() {
    let mut bytes = encoded(&Bucket::default());
    bytes[0] = BUCKET_VERSION + 1;
    assert_eq!(decode_bucket(&bytes, &key(MINUTE)), Err(Damaged::TooNew { version: BUCKET_VERSION + 1 }));
}

#[test]
fn contradictions_are_not_written() {
    let mut bucket = Bucket::default();
    let name = RequestKey { model: 1, ok: true, service_tier: 0 };
    let mut cell = RequestCell::default();
    cell.stats[0] = stat_of([5, 6]);
    let try_it = |cell: &RequestCell, bucket: &mut Bucket| {
        bucket.requests.insert(name, Box::new(cell.clone()));
        encode_bucket(bucket, &key(MINUTE), meta(), &mut Vec::new())
    };
    for wrong in [vec![], vec![(5, 1)], vec![(5, 1), (7, 1)], vec![(6, 1), (5, 1)], vec![(5, 0), (6, 2)]] {
        cell.latency = wrong;
        assert_eq!(try_it(&cell, &mut bucket), Err(Unencodable::Histogram), "{:?}", cell.latency);
    }
    cell.latency = vec![(5, 1), (6, 1)];
    assert_eq!(try_it(&cell, &mut bucket), Ok(()));
    let wrong = RowMeta { end: Timestamp::from_millis(5), previous: None };
    assert_eq!(encode_bucket(&bucket, &key(MINUTE), wrong, &mut Vec::new()), Err(Unencodable::Times));
}

/// What the format is for: sizes of typical cells, so that a change that makes them larger is seen.
#[test]
fn cells_are_as_small_as_promised() {
    let call = |n: u64| Call {
        latency: Some(900_000 + n * 37_777 % 700_000),
        ttft: None,
        input: 400 + n * 97 % 800,
        output: 40 + n * 31 % 200,
        cached: 0,
        cost: Some((400 + n * 97 % 800) * 3000 + (40 + n * 31 % 200) * 15_000),
        computed: false,
        error: 0,
    };
    let size = |calls: u64| {
        let calls: Vec<Call> = (0..calls).map(call).collect();
        let mut bucket = Bucket::default();
        let empty = encoded(&bucket).len();
        bucket.requests.insert(RequestKey { model: 1, ok: true, service_tier: 0 }, Box::new(cell_of(&calls, true)));
        encoded(&bucket).len() - empty
    };
    let sizes = [1, 2, 3, 4, 5, 10, 100].map(size);
    assert!(sizes.iter().zip([14, 24, 36, 48, 60, 70, 270]).all(|(&is, most)| is <= most), "{sizes:?}");
}
