//! Request cells.
//!
//! ```text
//! model - model before << 3 | same << 2 | ok << 1 | tiered, [service tier], requests, [shape],
//! [unpriced], [computed], [counts of latency, ttft, cost],
//! [error kinds], latency, ttft, input, output, tokens, cached, reasoning, cache writes, cost
//! ```
//! `shape` says what follows; `same` that it is the one of the cell before. Token classes count
//! every request, so they have no counts of their own and are left out when all are zero. The sum of
//! input and output is told by how its least and greatest value and its squares differ from what the
//! two give. A cell that does not keep these rules is written plain, number by number.

mod errors;
mod read;
mod total;
mod write;

use crate::bucket::{Measure, Stat};

pub use errors::ErrorKinds;
pub use read::{RequestCells, RequestView};
pub(super) use read::{next_name, skip_timed, timed_histogram};
pub(super) use write::{Writer, check_histogram, encode};

/// Bits of a shape. The first four are [`Share`]s of two bits.
const LATENCY: u32 = 0;
const TTFT: u32 = 2;
const COST: u32 = 4;
const UNPRICED: u32 = 6;
const INPUT: u32 = 8;
const OUTPUT: u32 = 9;
const CACHED: u32 = 10;
const REASONING: u32 = 11;
/// A [`Share`] of the priced requests.
const COMPUTED: u32 = 12;
const ERRORS: u32 = 14;
const CACHE_WRITE: u32 = 15;
const CACHE_WRITE_1H: u32 = 16;
/// All numbers as they are.
const PLAIN: u32 = 17;
const SHAPE_END: u64 = 1 << 18;

/// Token classes in the order they are written after input, output and their sum.
const LATER_CLASSES: [(Measure, u32); 4] = [
    (Measure::CachedTokens, CACHED),
    (Measure::ReasoningTokens, REASONING),
    (Measure::CacheWriteTokens, CACHE_WRITE),
    (Measure::CacheWrite1hTokens, CACHE_WRITE_1H),
];

/// A stat of `n` zeros.
fn zeros(n: u64) -> Stat {
    if n == 0 { Stat::default() } else { Stat { count: n, sum: 0, squares: 0, min: 0, max: 0 } }
}
