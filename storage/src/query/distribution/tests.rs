//! Merging early, and too much.

use super::*;
use crate::histogram::encode;

const STEPS: usize = 3;

/// Two groups; the bounds clamp nothing.
struct Unbounded;

impl Bounds for Unbounded {
    fn shape(&self) -> (usize, usize) {
        (2, STEPS)
    }

    fn cell_bounds(&self, _: usize, _: usize) -> (u64, u64) {
        (0, u64::MAX)
    }

    fn group_bounds(&self, _: usize) -> (u64, u64) {
        (0, u64::MAX)
    }

    fn all_bounds(&self) -> (u64, u64) {
        (0, u64::MAX)
    }
}

/// Single values and histograms of all cells, in no order.
fn fill(limits: Limits) -> Distributions {
    let mut all = Distributions::new(true);
    all.limits = limits;
    all.parts_max = limits.parts;
    for n in 0..400_u64 {
        let cell = (n * 7 % (2 * STEPS as u64)) as u32;
        let value = n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (34 + n % 20);
        all.add_value(cell, value).unwrap();
        if n % 5 == 0 {
            let mut bytes = Vec::new();
            let index = index_of(value);
            encode(&[(index, 1 + n % 3), (index + 4, 2)], &mut bytes);
            all.add(cell, &Histogram::whole(3 + n % 3, &bytes)).unwrap();
        }
    }
    all
}

/// Guards what only large answers do: content that is merged before all of it has come.
#[test]
fn merging_early_changes_nothing() {
    let ppm = [0, 500_000, 950_000, 1_000_000];
    let expected = fill(LIMITS).quantiles(&ppm, &[], false, &Unbounded).unwrap();
    for limits in [
        Limits { singles: 10, ..LIMITS },
        Limits { parts: 3, ..LIMITS },
        Limits { bytes: 30, ..LIMITS },
        Limits { singles: 7, parts: 2, bytes: 50, ..LIMITS },
    ] {
        let got = fill(limits).quantiles(&ppm, &[], false, &Unbounded).unwrap();
        assert_eq!((got.all, got.groups), (expected.all.clone(), expected.groups.clone()), "{limits:?}");
    }
}

#[test]
fn more_than_fits_is_refused() {
    let full = fill(Limits { singles: 50, merged: 100, ..LIMITS });
    assert!(matches!(full.check(), Err(QueryError::TooManyValues)));
    assert!(full.merged.is_empty());
    assert!(matches!(full.quantiles(&[500_000], &[], false, &Unbounded), Err(QueryError::TooManyValues)));
    assert!(fill(Limits { singles: 50, ..LIMITS }).check().is_ok());
}

/// Guards the steps' cells where groups are not made of them, on two threads here.
#[test]
fn groups_counted_apart_change_no_answer() {
    let ppm = [0, 500_000, 950_000, 1_000_000];
    let mut apart = Distributions::new(true);
    apart.count_totals_apart(STEPS);
    let mut together = Distributions::new(true);
    for n in 0..400_u64 {
        let (cell, value) = ((n * 7 % (2 * STEPS as u64)) as u32, n * n * 31);
        apart.add_value(cell, value).unwrap();
        together.add_value(cell, value).unwrap();
        let mut bytes = Vec::new();
        encode(&[(index_of(value), 1 + n % 3), (index_of(value) + 40, 2)], &mut bytes);
        let histogram = Histogram::whole(3 + n % 3, &bytes);
        together.add(cell, &histogram).unwrap();
        apart.add(cell, &histogram).unwrap();
        apart.add_to_total(cell, &histogram).unwrap();
    }
    let (apart, together) =
        (apart.quantiles(&ppm, &[5000], false, &Unbounded), together.quantiles(&ppm, &[5000], false, &Unbounded));
    let (apart, together) = (apart.unwrap(), together.unwrap());
    assert_eq!((apart.all, apart.groups, apart.above), (together.all, together.groups, together.above));
}
