//! The method: index, level, and how far totals scatter. Its constants were fitted on real series
//! of request counts and spend.

use super::{Bounds, Estimate, Future, Past, Projection, Status, Step};
use crate::analysis::robust::{SD_IN_MAD, median};

/// Keeps divisions by a scale of 0 harmless.
const TINY: f64 = 1e-9;

/// How much of the last step's error the level takes over; the best of these is used.
const ALPHAS: [f64; 10] = [0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8];

/// The usual one, which a short history stays near to.
const ALPHA_USUAL: f64 = 0.2;

/// First errors of the smoothing, which say more about its start.
const WARM_UP: usize = 3;

/// Highest value of a step in levels, for the index: a spike is no weekday.
const RATIO_MAX: f64 = 6.0;

/// An index below this says nothing about the level.
const INDEX_USABLE: f64 = 0.05;

/// Part of the last cycle as it was, in the figure of a step.
const NAIVE_PART: f64 = 0.3;

/// Numbers that differ between days and hours.
struct Constants {
    /// Steps that the index of a phase is shrunk to 1 by.
    shrink: f64,
    /// How far the level itself may drift, as a part of the total, a cycle ahead.
    drift: f64,
    /// How that grows with the horizon.
    drift_power: f64,
    /// Of a sum.
    sum: Spread,
    /// Of a single step, whose noise no other step evens out.
    single: Spread,
}

/// The 10th and the 90th percentile in deviations: spend is skewed upwards.
struct Spread {
    low: f64,
    high: f64,
}

const fn constants(step: Step) -> Constants {
    match step {
        Step::Day => Constants {
            shrink: 0.75,
            drift: 0.12,
            drift_power: 0.25,
            sum: Spread { low: -0.75, high: 1.24 },
            single: Spread { low: -1.3, high: 1.85 },
        },
        Step::Hour => Constants {
            shrink: 0.25,
            drift: 0.15,
            drift_power: 0.0,
            sum: Spread { low: -1.0, high: 1.68 },
            single: Spread { low: -1.22, high: 1.73 },
        },
    }
}

/// A history, understood.
pub(super) struct Fitted {
    step: Step,
    history: usize,
    /// How each phase differs from the level.
    index: Vec<f64>,
    level: f64,
    /// The last cycle as it was, where it counts.
    naive: Vec<f64>,
    /// Deviation of a step of index 1.
    noise: f64,
    /// How much of an error stays in the level.
    carried: f64,
}

impl Fitted {
    /// `past` is not empty.
    pub(super) fn to(past: &[Past], step: Step) -> Self {
        let (m, n) = (step.cycle(), past.len());
        let index = index(past, step);
        let plain = |p: &Past| p.amount() / index[phase(p.phase, m)];
        let usable = |p: &&Past| index[phase(p.phase, m)] > INDEX_USABLE;
        let mut z: Vec<f64> = past.iter().filter(usable).map(plain).collect();
        if z.len() < 3 {
            z = past.iter().map(plain).collect();
        }
        let smooth = Smooth::best(&z);
        let last = |cycles: usize| winsorised_mean(&z[z.len().saturating_sub(cycles * m)..]);
        let level = if n < m {
            winsorised_mean(&z)
        } else if n < 2 * m {
            0.25 * smooth.level + 0.75 * last(8)
        } else {
            0.34 * smooth.level + 0.33 * last(2) + 0.33 * last(8)
        };
        let level = level.max(0.0);
        let blended = n >= m && (step == Step::Hour || n >= 4 * m);
        let naive = if blended { past[n - m..].iter().map(|p| p.amount()).collect() } else { Vec::new() };
        let noise = smooth.noise(level);
        Self { step, history: n, index, level, naive, noise, carried: smooth.alpha.min(0.25) }
    }

    pub(super) fn project(&self, future: &[Future]) -> Projection {
        let weight = |f: &Future| self.index[phase(f.phase, self.index.len())] * f.part;
        let figures: Vec<f64> = future.iter().enumerate().map(|(i, f)| self.figure(i, f)).collect();
        let (mut variance, mut after) = (0.0, 0.0);
        for w in future.iter().rev().map(weight) {
            variance += (w + self.carried * after).powi(2);
            after += w;
        }
        let steps: f64 = future.iter().map(|f| f.part).sum();
        let total = self.estimate(figures.iter().sum(), variance, steps, &constants(self.step).sum);
        // Alone, a step carries what is missed of the steps before it.
        let alone = |i: usize, w: f64| (w * w) * (1.0 + i as f64 * self.carried * self.carried);
        let point = |(i, (f, figure)): (usize, (&Future, &f64))| {
            self.estimate(*figure, alone(i, weight(f)), f.part, &constants(self.step).single)
        };
        let points = future.iter().zip(&figures).enumerate().map(point).collect();
        Projection { total, points, status: Status::Ok }
    }

    fn figure(&self, i: usize, f: &Future) -> f64 {
        let figure = self.level * self.index[phase(f.phase, self.index.len())];
        let naive = self.naive.get(i % self.naive.len().max(1));
        f.part * naive.map_or(figure, |naive| (1.0 - NAIVE_PART) * figure + NAIVE_PART * naive)
    }

    /// Bounds of a sum over `steps` steps, whose noise alone has `variance` times that of one.
    fn estimate(&self, sum: f64, variance: f64, steps: f64, spread: &Spread) -> Estimate {
        let c = constants(self.step);
        let m = self.step.cycle() as f64;
        let short_history = (1.0 + 2.0 * m / self.history as f64).sqrt();
        let drift = c.drift * libm::pow(steps / m, c.drift_power) * short_history * sum;
        let deviation = (self.noise * self.noise * variance + drift * drift).sqrt();
        let bounds = Bounds { low: (sum + spread.low * deviation).max(0.0), high: sum + spread.high * deviation };
        Estimate { estimate: sum, bounds: Some(bounds) }
    }
}

fn phase(phase: u8, cycle: usize) -> usize {
    usize::from(phase) % cycle
}

/// Each phase's mean ratio to the level around it, without the extremes, shrunk to 1 while few
/// cycles are known, and 1 on average. Means of ratios to a level, not ratios of each step to the
/// next: weekends may be 0.
fn index(past: &[Past], step: Step) -> Vec<f64> {
    let (m, n) = (step.cycle(), past.len());
    if n <= m {
        return vec![1.0; m];
    }
    let mut sums = vec![0.0; n + 1];
    for (i, p) in past.iter().enumerate() {
        sums[i + 1] = sums[i] + p.amount();
    }
    let average = (sums[n] / n as f64).max(1e-12);
    let mut ratios = vec![Vec::new(); m];
    for (i, p) in past.iter().enumerate() {
        let from = i.saturating_sub(m / 2).min(n - m);
        let level = (sums[from + m] - sums[from]) / m as f64;
        if level > 0.02 * average {
            ratios[phase(p.phase, m)].push((p.amount() / level).min(RATIO_MAX));
        }
    }
    let shrink = constants(step).shrink;
    let shrunk = |ratios: &mut Vec<f64>| {
        let count = ratios.len();
        if count == 0 {
            return 1.0;
        }
        ratios.sort_unstable_by(f64::total_cmp);
        let cut = if count < 4 { 0 } else { (count / 10).max(1) };
        let kept = &ratios[cut..count - cut];
        (count as f64 * mean(kept) + shrink) / (count as f64 + shrink)
    };
    let index: Vec<f64> = ratios.iter_mut().map(shrunk).collect();
    let mean = mean(&index);
    index.iter().map(|x| (x / mean).max(1e-3)).collect()
}

/// Simple exponential smoothing.
struct Smooth {
    alpha: f64,
    level: f64,
    /// Of each step, told one ahead; without the first few.
    errors: Vec<f64>,
}

impl Smooth {
    /// The one with the least squared error, where wild errors count as 4 deviations.
    fn best(z: &[f64]) -> Self {
        let start = median(&mut z[..z.len().min(7)].to_vec()).unwrap_or(0.0);
        let doubt = 0.6 / (z.len() as f64).sqrt();
        let mut best = (f64::INFINITY, Self { alpha: ALPHA_USUAL, level: start, errors: Vec::new() });
        for alpha in ALPHAS {
            let run = Self::run(z, start, alpha);
            let loss = run.loss() * (1.0 + doubt * libm::log(alpha / ALPHA_USUAL).abs() / 2.0);
            if loss < best.0 {
                best = (loss, run);
            }
        }
        best.1
    }

    fn run(z: &[f64], start: f64, alpha: f64) -> Self {
        let mut level = start;
        let mut errors: Vec<f64> = Vec::with_capacity(z.len());
        for x in z {
            let error = x - level;
            errors.push(error);
            level += alpha * error;
        }
        errors.drain(..WARM_UP.min(z.len().saturating_sub(1)));
        Self { alpha, level, errors }
    }

    fn loss(&self) -> f64 {
        let scale = self.typical_error() + TINY;
        let capped: Vec<f64> = self.errors.iter().map(|e| (e / scale).powi(2).min(16.0)).collect();
        mean(&capped) * scale * scale
    }

    fn typical_error(&self) -> f64 {
        SD_IN_MAD * median(&mut self.errors.iter().map(|e| e.abs()).collect::<Vec<_>>()).unwrap_or(0.0)
    }

    /// Deviation of a step: between plain and robust, and near .6 levels while little is known.
    fn noise(&self, level: f64) -> f64 {
        let count = self.errors.len() as f64;
        let measured = if self.errors.len() > 1 {
            0.5 * deviation(&self.errors) + 0.5 * self.typical_error()
        } else {
            0.5 * level
        };
        (measured * count + 0.6 * level) / (count + 2.0)
    }
}

fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
}

fn deviation(values: &[f64]) -> f64 {
    let mean = mean(values);
    (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / values.len().max(1) as f64).sqrt()
}

/// The mean with values beyond 4 robust deviations brought in to there.
fn winsorised_mean(z: &[f64]) -> f64 {
    if z.len() < 5 {
        return mean(z);
    }
    let middle = median(&mut z.to_vec()).unwrap_or(0.0);
    let mad = median(&mut z.iter().map(|x| (x - middle).abs()).collect::<Vec<_>>()).unwrap_or(0.0);
    let reach = 4.0 * (SD_IN_MAD * mad + 0.02 * middle.abs() + TINY);
    mean(&z.iter().map(|x| x.clamp(middle - reach, middle + reach)).collect::<Vec<_>>())
}
