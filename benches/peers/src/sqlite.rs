//! SQLite, as somebody would use it for the same: a table of calls with indexes, and one with a row a minute.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, params};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::ask;

/// The table that calls go to, and how one is inserted.
pub(crate) const TABLE: &str = "CREATE TABLE calls (ts INTEGER, provider TEXT, model TEXT, user TEXT, latency INTEGER,
     input INTEGER, output INTEGER, cost INTEGER, ok INTEGER)";
pub(crate) const INSERT: &str = "INSERT INTO calls VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9)";
pub(crate) const INDEXES: &str =
    "CREATE INDEX by_provider ON calls (provider, ts); CREATE INDEX by_model ON calls (model, ts);
     CREATE INDEX by_user ON calls (user, ts)";

/// One row a minute and model, with the percentiles of that minute.
const MINUTES: &str = "CREATE TABLE minutes AS
  SELECT ts / 60000 * 60000 AS ts, provider, model, count(*) AS n, sum(NOT ok) AS errors, sum(cost) AS cost,
    max(CASE WHEN r = (n * 500 + 999) / 1000 THEN latency END) AS p50,
    max(CASE WHEN r = (n * 950 + 999) / 1000 THEN latency END) AS p95,
    max(CASE WHEN r = (n * 990 + 999) / 1000 THEN latency END) AS p99
  FROM (SELECT *, row_number() OVER (PARTITION BY provider, model, ts / 60000 ORDER BY latency) AS r,
    count(*) OVER (PARTITION BY provider, model, ts / 60000) AS n FROM calls)
  GROUP BY provider, model, ts / 60000;
  CREATE INDEX minutes_by_provider ON minutes (provider, ts); CREATE INDEX minutes_by_time ON minutes (ts); ANALYZE;";

#[derive(Deserialize)]
struct Line<'a> {
    ts: i64,
    provider: &'a str,
    model: &'a str,
    user: &'a str,
    latency_ms: i64,
    input_tokens: i64,
    output_tokens: i64,
    cost_usd: f64,
    ok: bool,
}

/// Takes a file of NDJSON into a new database, in one transaction, indexes last.
pub(crate) fn load(events: &Path, db: &str) {
    let db = Connection::open(db).expect("a database");
    db.execute_batch("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-65536; BEGIN")
        .expect("settings");
    db.execute_batch(TABLE).expect("a table");
    {
        let mut insert = db.prepare(INSERT).expect("a statement");
        let (mut reader, mut text) =
            (BufReader::with_capacity(1 << 20, File::open(events).expect("events")), String::new());
        while reader.read_line(&mut text).expect("text") > 0 {
            let e: Line<'_> = serde_json::from_str(&text).expect("an event");
            // Doubles are exact enough for nine decimals of such small amounts.
            let cost = (e.cost_usd * 1e9).round() as i64;
            let (tokens, latency) = ((e.input_tokens, e.output_tokens), e.latency_ms);
            insert
                .execute(params![e.ts, e.provider, e.model, e.user, latency, tokens.0, tokens.1, cost, e.ok])
                .expect("a row");
            text.clear();
        }
    }
    db.execute_batch(INDEXES).expect("indexes");
    db.execute_batch("CREATE INDEX by_time ON calls (ts); ANALYZE; COMMIT; PRAGMA wal_checkpoint(TRUNCATE)")
        .expect("it commits");
}

/// Sums calls up by the minute, into a table of its own.
pub(crate) fn minutes(db: &str) {
    let db = Connection::open(db).expect("a database");
    db.execute_batch(&format!("BEGIN; {MINUTES} COMMIT; PRAGMA wal_checkpoint(TRUNCATE)")).expect("a table of minutes");
}

/// Answers statements. The file is opened before the first, which is asked in any case.
pub(crate) fn ask(db: &str) {
    let db = Connection::open_with_flags(db, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("a database");
    db.execute_batch("PRAGMA mmap_size=17179869184; PRAGMA cache_size=-65536").expect("settings");
    ask::each_line(|statement| {
        let mut statement = db.prepare_cached(statement).expect("a statement");
        let columns = statement.column_count();
        let mut rows = statement.query([]).expect("it runs");
        let mut all = Vec::new();
        while let Some(row) = rows.next().expect("a row") {
            let value = |i| match row.get_ref(i).expect("a column") {
                ValueRef::Integer(n) => json!(n),
                ValueRef::Real(x) => json!(x),
                ValueRef::Text(text) => json!(String::from_utf8_lossy(text)),
                _ => Value::Null,
            };
            all.push((0..columns).map(value).collect::<Value>());
        }
        Value::Array(all)
    });
}
