//! Which bucket a value falls into: geometry 1, for ever.
//!
//! Three significant digits with lowest value 1, as `hdrhistogram::Histogram` lays its counts out:
//! values below 2048 have a bucket each; above, every octave has 1024 buckets of equal width.
//!
//! ```text
//! index     0 .. 2047   2048 .. 3071   3072 .. 4095   ...   55296 .. 56319
//! value     0 .. 2047   2048 .. 4095   4096 .. 8191   ...    2^63 .. 2^64-1
//! width     1           2              4                     2^53
//! ```
//!
//! A bucket is at most 1/1024 of its values wide, so its midpoint is off by at most 0.05 %. The index
//! does not depend on a highest value: a histogram of larger values is the same one, longer.

/// Number of this geometry, part of whatever is stored.
pub const GEOMETRY: u8 = 1;

/// log2 of the number of buckets an octave has.
const OCTAVE_BITS: u32 = 10;

/// One past the largest index, that of `u64::MAX`.
pub const INDEX_END: u32 = 55 << OCTAVE_BITS;

/// The bucket that `value` falls into.
#[inline]
pub const fn index_of(value: u64) -> u32 {
    let shift = shift_of(value);
    // `value >> shift` is below 2048, so neither cast nor sum can overflow.
    (shift << OCTAVE_BITS) + (value >> shift) as u32
}

/// The least value of bucket `index`. An index out of range is taken as the last one.
#[inline]
pub const fn lowest(index: u32) -> u64 {
    let index = if index < INDEX_END { index } else { INDEX_END - 1 };
    let shift = index_shift(index);
    ((index - (shift << OCTAVE_BITS)) as u64) << shift
}

/// The greatest value of bucket `index`. An index out of range is taken as the last one.
#[inline]
pub const fn highest(index: u32) -> u64 {
    let index = if index < INDEX_END { index } else { INDEX_END - 1 };
    lowest(index) + ((1 << index_shift(index)) - 1)
}

/// The middle of bucket `index`, rounded up, as the crate's `median_equivalent` has it.
#[inline]
pub const fn midpoint(index: u32) -> u64 {
    let index = if index < INDEX_END { index } else { INDEX_END - 1 };
    lowest(index) + ((1 << index_shift(index)) >> 1)
}

/// log2 of the width of the bucket of `value`.
const fn shift_of(value: u64) -> u32 {
    // Setting the low bits makes everything below 2048 share shift 0.
    (63 - OCTAVE_BITS) - (value | ((2 << OCTAVE_BITS) - 1)).leading_zeros()
}

/// log2 of the width of bucket `index`.
const fn index_shift(index: u32) -> u32 {
    (index >> OCTAVE_BITS).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The crate's histogram over all of u64, our oracle.
    fn oracle() -> hdrhistogram::Histogram<u64> {
        hdrhistogram::Histogram::new_with_bounds(1, u64::MAX, 3).unwrap()
    }

    fn check(crate_says: &hdrhistogram::Histogram<u64>, value: u64) {
        let index = index_of(value);
        assert!(index < INDEX_END);
        assert_eq!(lowest(index), crate_says.lowest_equivalent(value), "{value}");
        // The crate's arithmetic saturates in the very last bucket, far beyond any measure.
        if index < INDEX_END - 1 {
            assert_eq!(highest(index), crate_says.highest_equivalent(value), "{value}");
        }
        assert_eq!(midpoint(index), crate_says.median_equivalent(value), "{value}");
        assert_eq!((index_of(lowest(index)), index_of(highest(index))), (index, index));
    }

    #[test]
    fn every_bucket_is_the_crates() {
        let oracle = oracle();
        assert_eq!(oracle.distinct_values(), INDEX_END as usize);
        assert_eq!(index_of(u64::MAX), INDEX_END - 1);
        let mut next = 0_u64;
        for index in 0..INDEX_END {
            assert_eq!(lowest(index), next);
            check(&oracle, next);
            next = highest(index).wrapping_add(1);
        }
        assert_eq!(next, 0, "the last bucket ends at u64::MAX");
    }

    proptest! {
        #[test]
        fn values_fall_where_the_crate_puts_them(value in any::<u64>(), shift in 0_u32..64) {
            check(&oracle(), value >> shift);
        }
    }

    #[test]
    fn an_index_out_of_range_is_the_last() {
        assert_eq!((lowest(u32::MAX), highest(u32::MAX)), (lowest(INDEX_END - 1), u64::MAX));
    }
}
