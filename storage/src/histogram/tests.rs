use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Latencies of a plausible service, round ones, few distinct ones, anything.
fn value() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0_u64..5000,
        4 => 200_000_u64..3_000_000,
        2 => (0_u64..20_000).prop_map(|ms| ms * 1000),
        1 => 100_u64..110,
        1 => (any::<u64>(), 4_u32..64).prop_map(|(v, shift)| v >> shift),
    ]
}

const QUANTILES: [u32; 9] = [0, 1, 100_000, 500_000, 900_000, 950_000, 990_000, 999_000, 1_000_000];

fn crate_histogram(values: &[u64]) -> hdrhistogram::Histogram<u64> {
    let mut histogram = hdrhistogram::Histogram::new_with_bounds(1, 1 << 60, 3).unwrap();
    values.iter().for_each(|&v| histogram.record(v).unwrap());
    histogram
}

/// The crate's value of a rank, which it only takes as a fraction.
fn crate_at_rank(histogram: &hdrhistogram::Histogram<u64>, rank: u64) -> u64 {
    // A fraction in the middle of the step, so that rounding cannot reach a neighbour.
    #[expect(clippy::cast_precision_loss, reason = "the lists of these tests are short")]
    let value = histogram.value_at_quantile((rank as f64 - 0.5) / histogram.len() as f64);
    histogram.median_equivalent(value)
}

fn bytes_of(counts: &[(u32, u64)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(counts, &mut bytes);
    bytes
}

fn pour(counts: &Counts, sum: &mut Accumulator) {
    let count = counts.iter().map(|&(_, n)| n).sum();
    Histogram::whole(count, &bytes_of(counts)).pour(sum).unwrap();
}

fn decoded(bytes: &[u8]) -> Result<Counts, Malformed> {
    let mut counts = Counts::new();
    let total = decode(bytes, |index, count| counts.push((index, count)))?;
    assert_eq!(total, counts.iter().map(|&(_, n)| n).sum::<u64>());
    Ok(counts)
}

fn streamed(bytes: &[u8]) -> Result<Counts, Malformed> {
    let (mut entries, mut counts) = (Entries::new(bytes), Counts::new());
    while let Some(entry) = entries.next()? {
        counts.push(entry);
    }
    Ok(counts)
}

fn counts() -> impl Strategy<Value = Counts> {
    let entry = (
        prop_oneof![3 => Just(0_u32), 3 => 1_u32..5, 2 => 0..900_u32],
        prop_oneof![3 => Just(1_u64), 2 => 1..300_u64, 1 => 1..u64::MAX >> 10],
    );
    vec(entry, 0..60).prop_map(|steps| {
        let mut next = 0;
        steps
            .into_iter()
            .map(|(gap, count)| {
                next += gap + 1;
                (next - 1, count)
            })
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    /// Guards "a percentile over any window equals the one a single histogram of all its events would
    /// give": parts are encoded, merged in some order, and asked every way there is.
    #[test]
    fn every_quantile_of_merged_parts_is_the_crates(parts in vec(vec(value(), 0..60), 1..6), few in 0_usize..5) {
        let mut parts = parts;
        parts[0].truncate(few);
        let all: Vec<u64> = parts.concat();
        let oracle = crate_histogram(&all);
        let (min, max) = (all.iter().min().copied().unwrap_or(0), all.iter().max().copied().unwrap_or(0));
        let mut builder = CountsBuilder::default();
        let mut sum = Accumulator::default();
        let encoded: Vec<(u64, Vec<u8>)> =
            parts.iter().rev().map(|p| (p.len() as u64, bytes_of(&builder.build(p)))).collect();
        let cells: Vec<Histogram<'_>> = encoded.iter().map(|(n, bytes)| Histogram::whole(*n, bytes)).collect();
        cells.iter().for_each(|cell| cell.pour(&mut sum).unwrap());

        prop_assert_eq!(sum.total(), oracle.len());
        let of_crate: Counts = oracle.iter_recorded().map(|v| (index_of(v.value_iterated_to()), v.count_at_value())).collect();
        prop_assert_eq!(sum.iter().collect::<Counts>(), of_crate);

        let ppm: Vec<u32> = QUANTILES.into_iter().rev().collect();
        let mut walked = Vec::new();
        Walker::default().quantiles(&cells, &ppm, min, max, &mut walked).unwrap();
        let mut dense = vec![None; ppm.len()];
        sum.quantiles(&ppm, min, max, &mut dense);
        prop_assert_eq!(&walked, &dense);
        for (&ppm, answer) in ppm.iter().zip(dense) {
            let expected = (!all.is_empty()).then(|| crate_at_rank(&oracle, rank(oracle.len(), ppm)).clamp(min, max));
            prop_assert_eq!(answer, expected, "{} ppm", ppm);
            prop_assert_eq!(sum.quantile(ppm, min, max), expected);
        }
    }

    #[test]
    fn counts_above_are_the_crates(values in vec(value(), 0..200), threshold in value()) {
        let oracle = crate_histogram(&values);
        let mut sum = Accumulator::default();
        values.iter().for_each(|&v| sum.add_value(v).unwrap());
        let upper = oracle.highest_equivalent(threshold).min((1 << 60) - 1);
        prop_assert_eq!(sum.count_above(threshold), oracle.len() - oracle.count_between(0, upper));
    }

    #[test]
    fn merging_is_associative_and_commutative(a in counts(), b in counts(), c in counts()) {
        let merged = |lists: [&Counts; 3]| {
            let mut sum = Accumulator::default();
            lists.iter().for_each(|list| pour(list, &mut sum));
            let mut of_sums = Accumulator::default();
            for list in lists {
                let mut own = Accumulator::default();
                pour(list, &mut own);
                of_sums.add_all(&own).unwrap();
            }
            assert_eq!(of_sums.iter().collect::<Counts>(), sum.iter().collect::<Counts>());
            assert_eq!(of_sums.quantile(500_000, 0, u64::MAX), sum.quantile(500_000, 0, u64::MAX));
            sum.iter().collect::<Counts>()
        };
        let expected = merged([&a, &b, &c]);
        prop_assert_eq!(merged([&c, &a, &b]), expected.clone());
        let mut left = a.clone();
        crate::bucket::merge_counts(&mut left, &b);
        crate::bucket::merge_counts(&mut left, &c);
        prop_assert_eq!(&left, &expected);
        let mut right = b;
        crate::bucket::merge_counts(&mut right, &c);
        let mut first = a;
        crate::bucket::merge_counts(&mut first, &right);
        prop_assert_eq!(first, expected);
    }

    #[test]
    fn counts_come_back_and_both_readers_agree(counts in counts()) {
        let bytes = bytes_of(&counts);
        prop_assert_eq!(decoded(&bytes), Ok(counts.clone()));
        prop_assert_eq!(streamed(&bytes), Ok(counts));
    }

    #[test]
    fn builders_agree_with_a_map(values in vec(value(), 0..1200), other in vec(value(), 0..40)) {
        let mut builder = CountsBuilder::default();
        for values in [&values, &other, &values] {
            let mut map = std::collections::BTreeMap::new();
            values.iter().for_each(|&v| *map.entry(index_of(v)).or_insert(0_u64) += 1);
            prop_assert_eq!(builder.build(values), map.into_iter().collect::<Counts>());
        }
    }

    #[test]
    fn hostile_bytes_end_in_order_or_in_an_error(bytes in vec(prop_oneof![any::<u8>(), 0_u8..8, Just(3)], 0..60)) {
        let mut last = None;
        let result = decode(&bytes, |index, count| {
            assert!(index < INDEX_END && count > 0 && last < Some(index), "{bytes:?}");
            last = Some(index);
        });
        // The total is not the stream's business; but for that both readers say the same.
        if result != Err(Malformed("the counts of a histogram overflow")) {
            prop_assert_eq!(result.is_ok(), streamed(&bytes).is_ok());
        }
        let mut sum = Accumulator::default();
        let said = result.unwrap_or(5);
        prop_assert_eq!(Histogram::whole(said, &bytes).pour(&mut sum).is_ok(), result.is_ok());
        prop_assert!(Histogram::whole(said.wrapping_add(1), &bytes).pour(&mut Accumulator::default()).is_err());
        let _ = (sum.quantile(500_000, 0, u64::MAX), sum.count_above(1));
        sum.clear();
        prop_assert_eq!((sum.iter().count(), sum.total()), (0, 0));
    }
}

/// Ten thousand, or the number in `AX_SOAK` if that is more.
fn cases() -> u32 {
    std::env::var("AX_SOAK").ok().and_then(|n| n.parse().ok()).unwrap_or(0).max(10_000)
}

#[test]
fn ranks_are_whole_numbers() {
    for (n, ppm, expected) in [
        (1, 0, 1),
        (1, 1_000_000, 1),
        (2, 500_000, 1),
        (3, 500_000, 2),
        // In floats 0.999 * 1000 is a little above 999 and would round up to 1000.
        (1000, 999_000, 999),
        (1000, 999_001, 1000),
        (10, 2_000_000, 10),
        (u64::MAX, 1_000_000, u64::MAX),
    ] {
        assert_eq!(rank(n, ppm), expected, "{n} {ppm}");
    }
}

#[test]
fn a_used_accumulator_is_as_good_as_new() {
    let mut sum = Accumulator::default();
    for round in 0..3 {
        for value in [5, 1_000_000 << round, 70_000] {
            sum.add_value(value).unwrap();
        }
        assert_eq!((sum.total(), sum.iter().count()), (3, 3), "round {round}");
        assert_eq!(
            sum.quantile(1_000_000, 5, 1_000_000 << round),
            Some(midpoint(index_of(1_000_000 << round)).min(1_000_000 << round))
        );
        sum.clear();
        assert_eq!(sum.quantile(500_000, 0, 0), None);
    }
}

#[test]
fn more_values_than_fit_are_an_error() {
    let mut sum = Accumulator::default();
    sum.add(7, u64::MAX).unwrap();
    assert!(sum.add(8, 1).is_err());
    assert_eq!(sum.iter().collect::<Counts>(), [(7, u64::MAX)]);
    assert!(decode(&bytes_of(&[(1, u64::MAX), (2, 1)]), |_, _| {}).is_err());
}

#[test]
fn bytes_that_no_writer_wrote_are_errors() {
    for (bytes, why) in [
        (&[0x80][..], "the bytes end within a number"),
        (&[0x01], "the bytes end within a number"),
        (&[0x03, 0], "a run of a histogram is out of range"),
        (&[0x03, 2, 0, 1], "a run of a histogram begins or ends empty"),
        (&[0x03, 2, 1, 0], "a run of a histogram begins or ends empty"),
        (&[0x03, 0xff, 0xff, 0x7f, 1], "a run of a histogram is out of range"),
        (&[0xfe, 0xff, 0x7f], "a histogram index is out of range"),
    ] {
        assert_eq!(decoded(bytes), Err(Malformed(why)), "{bytes:?}");
        assert_eq!(streamed(bytes), Err(Malformed(why)), "{bytes:?}");
    }
    assert!(Histogram::whole(3, &[0, 0]).counts().is_err(), "two values are not three");
    assert!(Histogram::inner(4, 5, 9, &[0, 0x10]).counts().is_err(), "an index above that of the greatest");
}
