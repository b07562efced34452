//! Questions asked again and again in one process.

use std::io::BufRead as _;
use std::path::Path;

use ax_monitor::{Store, Timestamp};
use ax_storage::clock::Stopwatch;
use ax_storage::time::Zone;
use serde_json::{Value, json};

/// Answers each line of stdin on stdout, and says how long that took.
pub(crate) fn each_line(mut answer: impl FnMut(&str) -> Value) {
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("text");
        let watch = Stopwatch::start();
        let rows = answer(&line);
        let ms = watch.elapsed().as_secs_f64() * 1000.0;
        println!("{}", json!({ "ms": ms, "rows": rows }));
    }
}

/// Queries to a store that is open. Their answers are looked at in the output of `ax`, so none is printed.
pub(crate) fn store(dir: &Path, now_ms: u64) {
    let store = Store::open(dir).expect("a store");
    each_line(|query| {
        let answer = store.query_in(query, Timestamp::from_millis(now_ms), &Zone::utc());
        std::hint::black_box(answer.expect("it answers"));
        Value::Null
    });
}
