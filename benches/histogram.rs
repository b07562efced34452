//! Sparse histograms and buckets: bytes and time, beside the hdrhistogram crate.
//!
//! `cargo bench --bench histogram`; under `cargo test` it runs once over tiny input.

use std::collections::BTreeMap;
use std::hint::black_box;

use ax_storage::bucket::codec::{BucketView, RowKey, RowMeta, decode_bucket, encode_bucket};
use ax_storage::bucket::{Bucket, Measure, RequestKey, Stat, Table};
use ax_storage::clock::Stopwatch;
use ax_storage::histogram::{Accumulator, CountsBuilder, Histogram, Walker, decode, encode};
use ax_storage::time::{Tier, Timestamp};

fn main() {
    let full = std::env::args().any(|arg| arg == "--bench");
    sizes(if full { 200_000 } else { 100 });
    merging(if full { &[1_440, 10_080] } else { &[10] });
    building(if full { 1_000_000 } else { 1_000 });
    for whole_ms in [true, false] {
        rows(if full { 1_000_000 } else { 1_000 }, whole_ms);
    }
}

/// The shortest of several runs in nanoseconds, divided by `per`.
#[expect(clippy::cast_precision_loss, reason = "nanoseconds of a bench")]
fn time(per: usize, mut run: impl FnMut()) -> f64 {
    let runs = (0..7).map(|_| {
        let watch = Stopwatch::start();
        run();
        watch.elapsed().as_nanos()
    });
    runs.min().unwrap_or(0) as f64 / per.max(1) as f64
}

/// SplitMix64: the same numbers everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    #[expect(clippy::cast_precision_loss, reason = "a fraction")]
    fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// About lognormal around `median`: a sum of twelve is normal enough.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a plausible value")]
    fn around(&mut self, median: f64, spread: f64) -> u64 {
        let normal = (0..12).map(|_| self.fraction()).sum::<f64>() - 6.0;
        (median * (spread * normal).exp()) as u64
    }
}

fn latencies(random: &mut Random, n: usize) -> Vec<u64> {
    (0..n).map(|_| random.around(850.0, 0.6) * 1000).collect()
}

fn sizes(rounds: usize) {
    println!("values  bytes  encode ns  decode+add ns");
    let (mut random, mut builder) = (Random(1), CountsBuilder::default());
    for n in [1, 10, 30, 100, 300, 1_000, 10_000, 100_000] {
        let counts = builder.build(&latencies(&mut random, n.min(rounds * 10)));
        let (mut bytes, mut sum, mut seen) = (Vec::new(), Accumulator::default(), 0);
        let loops = (rounds / n).max(1);
        let encode_ns = time(loops, || {
            for _ in 0..loops {
                bytes.clear();
                encode(black_box(&counts), &mut bytes);
            }
        });
        decode(&bytes, |_, count| seen += count).expect("our own bytes");
        let decode_ns = time(loops, || {
            for _ in 0..loops {
                Histogram::whole(seen, black_box(&bytes)).pour(&mut sum).expect("our own bytes");
            }
        });
        println!("{seen:6}  {:5}  {encode_ns:9.0}  {decode_ns:13.0}", bytes.len());
    }
}

fn merging(buckets: &[usize]) {
    println!("\nbuckets of 30  crate add ms  sparse ms  ratio");
    let (mut random, mut builder) = (Random(2), CountsBuilder::default());
    for &n in buckets {
        let lists: Vec<Vec<u64>> = (0..n).map(|_| latencies(&mut random, 30)).collect();
        let mut ours = Vec::new();
        let mut theirs = Vec::new();
        for list in &lists {
            let mut bytes = Vec::new();
            encode(&builder.build(list), &mut bytes);
            ours.push(bytes);
            if theirs.len() < 200 {
                let mut one = hdrhistogram::Histogram::<u64>::new_with_bounds(1, 3_600_000_000, 3).expect("bounds");
                list.iter().for_each(|&v| one.record(v).expect("in range"));
                theirs.push(one);
            }
        }
        let mut whole = hdrhistogram::Histogram::<u64>::new_with_bounds(1, 3_600_000_000, 3).expect("bounds");
        let crate_ns = time(1, || {
            whole.reset();
            (0..n).for_each(|i| whole.add(&theirs[i % theirs.len()]).expect("same bounds"));
            black_box(whole.value_at_quantile(0.95));
        });
        let mut sum = Accumulator::default();
        let sparse_ns = time(1, || {
            sum.clear();
            ours.iter().for_each(|bytes| Histogram::whole(30, bytes).pour(&mut sum).expect("our own bytes"));
            black_box(sum.quantile(950_000, 0, u64::MAX));
        });
        println!("{n:13}  {:12.2}  {:9.3}  {:5.0}", crate_ns / 1e6, sparse_ns / 1e6, crate_ns / sparse_ns);
    }
}

fn building(values: usize) {
    let mut random = Random(3);
    let all = latencies(&mut random, values);
    let mut builder = CountsBuilder::default();
    println!("\ncounts built from lists of:");
    for list in [1, 5, 30, 300, 3000] {
        let ns = time(values, || {
            for chunk in all.chunks(list) {
                black_box(builder.build(chunk));
            }
        });
        println!("{list:5} values: {ns:.1} ns a value");
    }
}

/// Prices in nano-dollars a token, input and output.
const PRICES: [(u64, u64); 5] = [(3000, 15_000), (150, 600), (2500, 10_000), (300, 2500), (800, 4000)];

/// A week of requests: 5 providers, 20 models by Zipf, 2 % failures.
fn week(events: usize, whole_ms: bool, minutes_a_bucket: u64) -> BTreeMap<(u64, u64), Bucket> {
    #[derive(Default)]
    struct Values([Vec<u64>; 5]);
    let mut random = Random(4);
    let mut cells: BTreeMap<(u64, u64), BTreeMap<RequestKey, Values>> = BTreeMap::new();
    let weights: Vec<f64> = (1..=20).map(|rank| 1.0 / f64::from(rank)).collect();
    let whole: f64 = weights.iter().sum();
    for _ in 0..events {
        let mut left = random.fraction() * whole;
        let model = weights.iter().position(|w| {
            left -= w;
            left <= 0.0
        });
        let model = model.unwrap_or(0) as u64;
        let ok = !random.next().is_multiple_of(50);
        let bucket = random.next() % (7 * 24 * 60) / minutes_a_bucket * minutes_a_bucket;
        let key = RequestKey { model: model as u32 + 1, ok, service_tier: 0 };
        let latency = random.around(850.0 + 200.0 * model as f64, 0.6) * 1000;
        let latency = if whole_ms { latency } else { latency + random.next() % 1000 };
        let (input, output) = (random.around(600.0, 0.8), if ok { random.around(200.0, 0.8) } else { 0 });
        let (in_price, out_price) = PRICES[model as usize % 5];
        let list = cells.entry((model % 5, bucket)).or_default().entry(key).or_default();
        for (list, value) in
            list.0.iter_mut().zip([latency, input, output, input + output, input * in_price + output * out_price])
        {
            list.push(value);
        }
    }
    let mut builder = CountsBuilder::default();
    let mut built = BTreeMap::new();
    for (at, cells) in cells {
        let mut bucket = Bucket::default();
        for (key, Values(lists)) in cells {
            let mut cell = ax_storage::bucket::RequestCell { count: lists[0].len() as u64, ..Default::default() };
            let measures =
                [Measure::Latency, Measure::InputTokens, Measure::OutputTokens, Measure::Tokens, Measure::Cost];
            for (measure, list) in measures.into_iter().zip(&lists) {
                list.iter().for_each(|&v| cell.stats[measure as usize].add(v));
            }
            for measure in [5, 6, 7, 8] {
                cell.stats[measure] = Stat { count: cell.count, sum: 0, squares: 0, min: 0, max: 0 };
            }
            cell.latency = builder.build(&lists[0]);
            bucket.requests.insert(key, Box::new(cell));
        }
        built.insert(at, bucket);
    }
    built
}

#[expect(clippy::cast_precision_loss, reason = "figures of a bench")]
fn rows(events: usize, whole_ms: bool) {
    println!("\nrows of a week, {events} events, latencies in {}", if whole_ms { "ms" } else { "us" });
    println!(
        "width  cells   events/cell  bytes/event  encode ns/cell  decode ns/cell  skip M/s  count+cost M/s  pour M/s  p95 M/s"
    );
    for (name, minutes) in [("1m", 1), ("5m", 5), ("1h", 60), ("1d", 1440)] {
        let buckets = week(events, whole_ms, minutes);
        let cells: usize = buckets.values().map(|b| b.requests.len()).sum();
        let key = |&(_, minute): &(u64, u64)| RowKey {
            table: Table::Tier(Tier::Minute),
            provider: "provider",
            start: Timestamp::from_millis(1_700_000_000_000 + minute * 60_000),
        };
        let meta = |at: &(u64, u64)| RowMeta {
            end: key(at).start.plus_ms(minutes * 60_000),
            previous: Some(key(at).start.minus_ms(minutes * 60_000)),
        };
        let mut encoded = Vec::new();
        let encode_ns = time(cells, || {
            encoded.clear();
            for (at, bucket) in &buckets {
                let mut bytes = Vec::new();
                encode_bucket(bucket, &key(at), meta(at), &mut bytes).expect("consistent");
                encoded.push((*at, bytes));
            }
        });
        let decode_ns = time(cells, || {
            for (at, bytes) in &encoded {
                black_box(decode_bucket(bytes, &key(at)).expect("our own bytes"));
            }
        });
        let scan = |each: &mut dyn FnMut(ax_storage::bucket::codec::RequestView<'_>)| {
            for (at, bytes) in &encoded {
                let view = BucketView::parse(bytes, &key(at)).expect("our own bytes");
                let mut cells = view.requests();
                while let Some(cell) = cells.next().expect("our own bytes") {
                    each(cell);
                }
            }
        };
        let mut count = 0;
        let skip_ns = time(cells, || scan(&mut |cell| count += cell.count));
        let mut cost = 0;
        let cost_ns = time(cells, || scan(&mut |cell| cost += cell.stat(Measure::Cost).expect("ours").sum));
        let mut sum = Accumulator::default();
        let pour_ns = time(cells, || {
            sum.clear();
            scan(&mut |cell| cell.latency().expect("ours").pour(&mut sum).expect("ours"));
            black_box(sum.quantile(950_000, 0, u64::MAX));
        });
        let (mut walker, mut out) = (Walker::default(), Vec::new());
        let walk_ns = time(cells, || {
            scan(&mut |cell| {
                let histogram: Histogram<'_> = cell.latency().expect("ours");
                walker.quantiles(&[histogram], &[950_000], 0, u64::MAX, &mut out).expect("ours");
                black_box(&out);
            });
        });
        black_box((count, cost));
        let bytes: usize = encoded.iter().map(|(_, bytes)| bytes.len()).sum();
        println!(
            "{name:5}  {cells:6}  {:11.1}  {:11.2}  {encode_ns:14.0}  {decode_ns:14.0}  {:8.1}  {:14.1}  {:8.1}  {:7.2}",
            events as f64 / cells as f64,
            bytes as f64 / events as f64,
            1e3 / skip_ns,
            1e3 / cost_ns,
            1e3 / pour_ns,
            1e3 / walk_ns,
        );
    }
}
