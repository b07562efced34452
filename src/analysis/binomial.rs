//! Exact binomial tails: how likely is a share this large, or this small, by chance?
//!
//! The tail is the likelihood of its first count times the sum of the ratios that follow it, all
//! of them positive, so that nothing cancels. The likelihood comes from its distance to the mean
//! (Loader's saddle-point form) and not from differences of huge log-factorials, so that a billion
//! events cost no digits. The sum always runs away from the mean, where the ratios fall; a tail
//! that holds the mean is one less the other tail.

use std::f64::consts::PI;

/// A rise is one only when chance would show it less often than this.
pub const SIGNIFICANT: f64 = 1e-6;

/// Windows that end now and are tested each, in minutes.
pub const WINDOWS_MINUTES: [u64; 4] = [1, 5, 15, 60];

/// Longest sum: enough for nine standard deviations of 10^11 events. Above that the sum is cut,
/// within a factor of the true value and far from [`SIGNIFICANT`].
const TERMS_MAX: u64 = 1 << 22;

/// Some of so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Those counted.
    pub hits: u64,
    /// Of so many.
    pub of: u64,
}

/// Which side of the usual share is suspected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// Too many.
    Upper,
    /// Too few.
    Lower,
}

/// How likely chance alone gives `now` when the share is that of `past`, 0..=1.
///
/// A short past does not know its share exactly: it is taken one event nearer to what is
/// suspected. After 100 events without an error, the first error is no alarm. Without a past, or
/// without events now, nothing is unlikely: 1.
pub fn chance(now: Counts, past: Counts, tail: Tail) -> f64 {
    if past.of == 0 || now.of == 0 {
        return 1.0;
    }
    let of = past.of as f64 + 1.0;
    match tail {
        Tail::Upper => at_least(now.hits, now.of, (past.hits as f64 + 1.0) / of),
        Tail::Lower => at_most(now.hits, now.of, past.hits as f64 / of),
    }
}

/// How likely `trials` give at least `hits`, each with probability `share`: 0..=1.
/// A `share` outside of 0..=1 is clamped; of one that is no number nothing is known: 1.
pub fn at_least(hits: u64, trials: u64, share: f64) -> f64 {
    if hits == 0 || share.is_nan() {
        return 1.0;
    }
    if hits > trials {
        return 0.0;
    }
    let share = share.clamp(0.0, 1.0);
    if hits as f64 > trials as f64 * share {
        upper(hits, trials, share)
    } else {
        (1.0 - lower(hits - 1, trials, share)).clamp(0.0, 1.0)
    }
}

/// How likely `trials` give at most `hits`, each with probability `share`: 0..=1.
/// A `share` outside of 0..=1 is clamped; of one that is no number nothing is known: 1.
pub fn at_most(hits: u64, trials: u64, share: f64) -> f64 {
    if hits >= trials || share.is_nan() {
        return 1.0;
    }
    let share = share.clamp(0.0, 1.0);
    if (hits as f64) < trials as f64 * share {
        lower(hits, trials, share)
    } else {
        (1.0 - upper(hits + 1, trials, share)).clamp(0.0, 1.0)
    }
}

/// The tail from `hits` upwards, for `hits` above the mean or next to it.
fn upper(hits: u64, trials: u64, share: f64) -> f64 {
    let odds = share / (1.0 - share);
    let ratio = |i: u64| (trials - i) as f64 / (i + 1) as f64 * odds;
    likelihood(hits, trials, share) * sum((hits..trials).map(ratio))
}

/// The tail from `hits` downwards, for `hits` below the mean or next to it.
fn lower(hits: u64, trials: u64, share: f64) -> f64 {
    let odds = (1.0 - share) / share;
    let ratio = |i: u64| i as f64 / (trials - i + 1) as f64 * odds;
    likelihood(hits, trials, share) * sum((1..=hits).rev().map(ratio))
}

/// 1 + a + ab + abc + …, until nothing is added.
fn sum(ratios: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut term) = (1.0, 1.0);
    for (_, ratio) in (0..TERMS_MAX).zip(ratios) {
        term *= ratio;
        if !term.is_finite() || term < sum * 1e-17 {
            break;
        }
        sum += term;
    }
    sum
}

/// How likely `trials` give exactly `hits`.
fn likelihood(hits: u64, trials: u64, share: f64) -> f64 {
    let (k, n, rest) = (hits as f64, trials as f64, (trials - hits) as f64);
    if share <= 0.0 || share >= 1.0 {
        return if k == n * share { 1.0 } else { 0.0 };
    }
    if hits == 0 {
        return libm::exp(n * libm::log1p(-share));
    }
    if hits == trials {
        return libm::exp(n * libm::log(share));
    }
    let correction = stirling_rest(trials) - stirling_rest(hits) - stirling_rest(trials - hits);
    let distance = deviance(k, n * share) + deviance(rest, n * (1.0 - share));
    libm::exp(correction - distance) * (n / (2.0 * PI * k * rest)).sqrt()
}

/// ln n! less Stirling's formula for it.
fn stirling_rest(n: u64) -> f64 {
    let x = n as f64;
    if n < 16 {
        let factorial: f64 = (1..=n).map(|i| i as f64).product();
        return libm::log(factorial) - (0.5 * libm::log(2.0 * PI * x) + x * libm::log(x) - x);
    }
    let square = x * x;
    (1.0 / 12.0 - (1.0 / 360.0 - (1.0 / 1260.0 - (1.0 / 1680.0 - 1.0 / 1188.0 / square) / square) / square) / square)
        / x
}

/// x ln(x / mean) + mean - x, without cancellation near the mean.
fn deviance(x: f64, mean: f64) -> f64 {
    let v = (x - mean) / (x + mean);
    if v.abs() > 0.1 {
        return x * libm::log(x / mean) + mean - x;
    }
    // ln(x / mean) = 2 atanh v, as a series.
    let (mut sum, mut power, mut odd) = (v * (x - mean), 2.0 * x * v, 1.0);
    loop {
        power *= v * v;
        odd += 2.0;
        let next = sum + power / odd;
        if next == sum {
            return sum;
        }
        sum = next;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The whole distribution, by the recurrence of Pascal's triangle: slow, and only sums.
    fn distribution(trials: usize, share: f64) -> Vec<f64> {
        let mut row = vec![1.0];
        for _ in 0..trials {
            let mut next = vec![0.0; row.len() + 1];
            for (i, p) in row.iter().enumerate() {
                next[i] += p * (1.0 - share);
                next[i + 1] += p * share;
            }
            row = next;
        }
        row
    }

    fn close(a: f64, b: f64, relative: f64) -> bool {
        (a - b).abs() <= relative * b.abs() || (a - b).abs() < 1e-300
    }

    /// Values by exact rational arithmetic (Python `fractions`, then rounded once).
    #[test]
    fn tails_agree_with_exact_arithmetic() {
        for (hits, trials, share, expected) in [
            (1, 1, 0.5, (0.5, 1.0)),
            (4, 20, 0.01, (4.262092764244014e-05, 0.9999986322013671)),
            (8, 20, 0.01, (1.1317857602739918e-11, 0.9999999999998479)),
            (20, 20, 0.25, (9.094947017729282e-13, 1.0)),
            (0, 20, 0.01, (1.0, 0.8179069375972309)),
            (37, 1_200, 0.01, (4.262043613448016e-09, 0.9999999986972322)),
            (1, 1_200, 0.01, (0.9999942159303087, 7.589400534332442e-05)),
            (1200, 60_000, 0.019, (0.038437016983595584, 0.9639529164357339)),
            (520, 2_000, 0.2, (5.0047993993558405e-11, 0.999999999964672)),
            (60, 5_000, 0.002, (5.093192169301902e-27, 1.0)),
            (0, 3_000, 0.003, (1.0, 0.0001217516722605679)),
            (5, 1_000_000, 1e-07, (7.66772816838667e-08, 0.9999999987251198)),
            (999, 1_000, 0.9, (1.9595578810979983e-44, 1.0)),
        ] {
            let (upper, lower): (f64, f64) = expected;
            assert!(
                close(at_least(hits, trials, share), upper, 1e-11),
                "{hits} of {trials}: {:e}",
                at_least(hits, trials, share)
            );
            assert!(
                close(at_most(hits, trials, share), lower, 1e-11),
                "{hits} of {trials}: {:e}",
                at_most(hits, trials, share)
            );
        }
    }

    #[test]
    fn a_billion_events_cost_no_digits() {
        // Five standard deviations: near the normal tail 2.8665e-7, whose own error is of the order of 1e-4 of it.
        let (trials, share) = (1_000_000_000, 0.01);
        let sd = (trials as f64 * share * (1.0 - share)).sqrt();
        let p = at_least(10_000_000 + (5.0 * sd) as u64, trials, share);
        assert!((p / 2.8665e-7 - 1.0).abs() < 0.02, "{p:e}");
        let middle = at_least(10_000_000, trials, share);
        assert!((middle - 0.5).abs() < 2e-4, "{middle}");
    }

    #[test]
    fn the_first_error_after_a_clean_past_is_no_alarm() {
        let clean = Counts { hits: 0, of: 100 };
        assert!(chance(Counts { hits: 1, of: 20 }, clean, Tail::Upper) > 0.1);
        assert!(chance(Counts { hits: 7, of: 20 }, clean, Tail::Upper) < SIGNIFICANT);
        assert!(chance(Counts { hits: 20, of: 20 }, Counts { hits: 0, of: 0 }, Tail::Upper) >= 1.0);
        assert!(chance(Counts { hits: 0, of: 0 }, clean, Tail::Lower) >= 1.0);
    }

    #[test]
    fn a_share_that_is_no_share_alarms_nobody() {
        assert!(at_least(5, 10, f64::NAN) >= 1.0);
        assert!(at_most(5, 10, f64::NAN) >= 1.0);
        assert!(at_least(5, 10, 7.0) >= 1.0);
        assert!(at_least(1, 10, -1.0) <= 0.0);
        assert!(at_most(9, 10, 0.0) >= 1.0);
        assert!(at_most(9, 10, 1.0) <= 0.0);
    }

    proptest! {
        #[test]
        fn tails_agree_with_the_whole_distribution(trials in 1..300_usize, part in 0.0..=1.0_f64, share in prop_oneof![0.0..=1.0_f64, 1e-9..1e-3_f64]) {
            let all = distribution(trials, share);
            let hits = (part * trials as f64) as usize;
            let (low, high): (f64, f64) = (all[..=hits].iter().sum(), all[hits..].iter().sum());
            let (k, n) = (hits as u64, trials as u64);
            prop_assert!(close(at_least(k, n, share), high, 1e-9), "{:e} {:e}", at_least(k, n, share), high);
            prop_assert!(close(at_most(k, n, share), low, 1e-9), "{:e} {:e}", at_most(k, n, share), low);
        }

        #[test]
        fn a_tail_is_a_probability_and_falls(hits in 0..u64::MAX, trials in 0..u64::MAX, share in any::<f64>(), small in any::<bool>()) {
            let (hits, trials) = if small { (hits % 1000, trials % 1_000_000_000) } else { (hits, trials) };
            for p in [at_least(hits, trials, share), at_most(hits, trials, share)] {
                prop_assert!((0.0..=1.0).contains(&p), "{p}");
            }
            if small {
                prop_assert!(at_least(hits + 1, trials, share) <= at_least(hits, trials, share) * (1.0 + 1e-9));
                prop_assert!(at_most(hits + 1, trials, share) >= at_most(hits, trials, share) * (1.0 - 1e-9));
            }
        }
    }
}
