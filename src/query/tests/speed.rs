//! How long reading takes; generous in tests, measured by hand with `--profile quick`.

use std::time::{Duration, Instant};

use super::properties::LONG;
use crate::query::{SOURCE_MAX, parse, parse_condition, parse_filter};

/// Slack for slow builds and busy machines: optimized ones are held to the promise itself.
const SLACK: u32 = if cfg!(debug_assertions) { 20 } else { 2 };

#[expect(clippy::disallowed_methods, reason = "time is the subject")]
fn best_of(runs: u32, mut work: impl FnMut()) -> Duration {
    (0..runs)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .min()
        .unwrap_or_default()
}

#[test]
fn the_longest_texts_take_milliseconds() {
    for piece in LONG {
        let text = piece.repeat(SOURCE_MAX / piece.len());
        for read in [|t: &str| drop(parse(t)), |t: &str| drop(parse_filter(t)), |t: &str| drop(parse_condition(t))] {
            let took = best_of(3, || read(&text));
            println!("{piece:?} {took:?}");
            assert!(took < Duration::from_millis(10) * SLACK, "{piece:?} took {took:?}");
        }
    }
}

#[test]
fn a_usual_query_takes_microseconds() {
    const ROUNDS: u32 = 1000;
    for text in [
        r#"latency{provider="claude"} [1h] p95"#,
        "provider=claude AND latency>1000",
        "(cost / requests) [7d] by(model)",
        r#"p95(latency{provider="openai"}) > 2s AND requests [5m] > 20"#,
    ] {
        let took = best_of(5, || (0..ROUNDS).for_each(|_| drop(std::hint::black_box(parse(text))))) / ROUNDS;
        println!("{text} {took:?}");
        assert!(took < Duration::from_micros(5) * SLACK, "{text} took {took:?}");
    }
}
