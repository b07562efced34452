//! Reading queries: usual ones (promised in under 5 µs), and the worst texts of 64 KiB (under 10 ms).
//!
//! `cargo bench --bench parse`; under `cargo test` each text is read once.

use std::hint::black_box;

use ax_monitor::query::{SOURCE_MAX, parse, parse_condition, parse_filter};
use ax_storage::clock::Stopwatch;

const USUAL: [&str; 6] = [
    r#"latency{provider="claude"} [1h] p95"#,
    "provider=claude AND latency>1000",
    "(cost / requests) [7d] by(model)",
    r#"p95(latency{provider="openai"}) > 2s AND requests [5m] > 20"#,
    r#"latency{model=~"gpt-4.*"} [1h] p95"#,
    "error_rate > baseline * 3",
];

/// Pieces that grow a tree or waste time when they are repeated.
const PIECES: [&str; 16] = [
    "cost + ",
    "cost > 1 AND ",
    "cost > 1 OR ",
    "provider=a AND ",
    "provider=a,",
    "cost{model=~\"a\"} OR ",
    "cost{model=~\"\\\\w{100}\"} OR ",
    "model=~a AND ",
    "requests{user=b} > 0 AND ",
    "cost by(model, provider) > 1 AND ",
    "a,",
    "(",
    "1e-1-",
    "#\n",
    "\"\\\\\" ",
    "\u{202e}",
];

fn main() {
    let measuring = std::env::args().any(|arg| arg == "--bench");
    for text in USUAL {
        let runs = if measuring { 10_000 } else { 1 };
        println!("{:9.2} us  {text}", micros(measuring, runs, || read(text)));
    }
    for piece in PIECES {
        let repeated = piece.repeat(SOURCE_MAX / piece.len());
        println!("{:9.2} ms  64 KiB of {piece:?}", micros(measuring, 1, || read(&repeated)) / 1000.0);
        // One that is accepted to its end, where repetition alone is refused early.
        let joined = repeated.trim_end_matches(|c: char| " ANDOR+,".contains(c));
        println!("{:9.2} ms  and none at the end", micros(measuring, 1, || read(joined)) / 1000.0);
    }
}

/// As the command line and alert rules do.
fn read(text: &str) {
    black_box(parse(text)).ok().map_or_else(
        || {
            black_box(parse_filter(text)).ok();
            black_box(parse_condition(text)).ok();
        },
        drop,
    );
}

/// Best of some rounds, of one run.
fn micros(measuring: bool, runs: u32, mut work: impl FnMut()) -> f64 {
    let round = |work: &mut dyn FnMut()| {
        let watch = Stopwatch::start();
        (0..runs).for_each(|_| work());
        watch.elapsed().as_secs_f64() * 1e6 / f64::from(runs)
    };
    (0..if measuring { 15 } else { 1 }).map(|_| round(&mut work)).fold(f64::INFINITY, f64::min)
}
