//! What `compare.py` starts: each command is a process whose cost is measured, or makes what is compared.
//!
//! ```text
//! peers events N ndjson|csv FILE     the calls of a week, N of them
//! peers truth N                      exact answers, and what Prometheus's buckets would say, as JSON
//! peers record                       ns a call of recording in several ways, as JSON
//! peers sqlite load FILE.ndjson DB   into SQLite; `minutes DB` adds a table with a row a minute and model
//! peers sqlite ask DB                reads a statement a line, answers {"ms":…,"rows":[…]} a line
//! peers ax STORE NOW_MS              the same for queries to a store, without the rows
//! ```

#[path = "../../common/mod.rs"]
mod common;

mod ask;
mod prometheus;
mod record;
mod sqlite;
mod truth;

use std::path::Path;

use ax_monitor::import::Format;
use common::{Traffic, lines};

/// The week that everything is asked about.
fn week(events: &str) -> Traffic {
    Traffic::week(events.parse().expect("a number of events"), 20_251_110)
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["events", n, "csv", file] => lines::write(Path::new(file), Format::Csv, week(n)),
        ["events", n, "ndjson", file] => lines::write(Path::new(file), Format::Ndjson, week(n)),
        ["truth", n] => println!("{}", truth::answers(week(n))),
        ["record"] => println!("{}", record::all()),
        ["sqlite", "load", events, db] => sqlite::load(Path::new(events), db),
        ["sqlite", "minutes", db] => sqlite::minutes(db),
        ["sqlite", "ask", db] => sqlite::ask(db),
        ["ax", store, now_ms] => ask::store(Path::new(store), now_ms.parse().expect("a time in ms")),
        _ => {
            eprintln!("these arguments mean nothing: see src/main.rs");
            std::process::exit(2);
        }
    }
}
