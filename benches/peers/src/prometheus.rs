//! Percentiles as Prometheus tells them: counts in fixed buckets, and a straight line within one.
//!
//! The counts are those of the client library, read from what it would give a scraper. The line is drawn as
//! `histogram_quantile` draws it: from the lower bound of the bucket in which the rank lies to its upper one; beyond the
//! last bound it is that bound.

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Upper bounds in seconds that the Go, Java and Python clients start with.
const DEFAULT: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Upper bounds in seconds that OpenTelemetry recommends for calls of language models.
const GEN_AI: [f64; 14] = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];

/// Buckets that are in use, and what they are called.
pub(crate) const LAYOUTS: [(&str, &[f64]); 2] = [("default buckets", &DEFAULT), ("OpenTelemetry's buckets", &GEN_AI)];

/// A histogram with these bounds.
pub(crate) fn histogram(bounds: &[f64]) -> Histogram {
    Histogram::new(bounds.iter().copied())
}

/// These shares of the latencies in milliseconds.
pub(crate) fn quantiles(bounds: &[f64], latencies_ms: &[u32], permille: &[u32]) -> Vec<f64> {
    let histogram = histogram(bounds);
    latencies_ms.iter().for_each(|&ms| histogram.observe(f64::from(ms) / 1000.0));
    let up_to = scraped(histogram);
    permille.iter().map(|&share| quantile(bounds, &up_to, f64::from(share) / 1000.0) * 1000.0).collect()
}

/// How many are up to each bound, and in all.
fn scraped(histogram: Histogram) -> Vec<f64> {
    let mut registry = Registry::default();
    registry.register("latency", "of a call", histogram);
    let mut text = String::new();
    encode(&mut text, &registry).expect("text takes it");
    let count = |line: &str| line.starts_with("latency_bucket").then(|| line.rsplit(' ').next()?.parse().ok());
    text.lines().filter_map(count).map(|n| n.expect("a number")).collect()
}

fn quantile(bounds: &[f64], up_to: &[f64], share: f64) -> f64 {
    let rank = share * up_to.last().expect("the bucket without a bound");
    let at = up_to.partition_point(|&n| n < rank);
    let Some(&upper) = bounds.get(at) else { return bounds[bounds.len() - 1] };
    let (lower, before) = if at == 0 { (0.0, 0.0) } else { (bounds[at - 1], up_to[at - 1]) };
    lower + (upper - lower) * (rank - before) / (up_to[at] - before)
}
