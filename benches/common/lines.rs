//! Calls as programs send them: a line each of NDJSON or CSV, with whole epoch milliseconds.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use ax_monitor::import::Format;
use ax_monitor::{NanoUsd, Outcome, Request};

const CSV_HEADER: &str = "ts,provider,model,user,latency_ms,input_tokens,output_tokens,cost_usd,ok,error\n";

/// Writes a file of calls, NDJSON unless it is to be CSV.
pub(crate) fn write(path: &Path, format: Format, calls: impl Iterator<Item = Request<'static>>) {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path).expect("a file"));
    let (header, line): (_, fn(&mut String, &Request<'static>)) =
        if format == Format::Csv { (CSV_HEADER, csv) } else { ("", ndjson) };
    let mut text = header.to_owned();
    for call in calls {
        line(&mut text, &call);
        file.write_all(text.as_bytes()).expect("room for the file");
        text.clear();
    }
    file.flush().expect("room for the file");
}

/// What a line says of how a call ended: whether well, and the kind of error.
fn outcome(request: &Request<'static>) -> (bool, &'static str) {
    match request.outcome {
        Outcome::Error(kind) => (false, kind),
        _ => (true, ""),
    }
}

/// Adds a line of NDJSON, without keys that have no value.
fn ndjson(text: &mut String, request: &Request<'static>) {
    let Request { provider, model, user, tokens, .. } = *request;
    let (ts, latency, cost) = numbers(request);
    let (input, output) = (tokens.input, tokens.output);
    let (ok, error) = outcome(request);
    let _ = write!(
        text,
        "{{\"ts\":{ts},\"provider\":\"{provider}\",\"model\":\"{model}\",\"user\":\"{user}\",\"latency_ms\":{latency},\
         \"input_tokens\":{input},\"output_tokens\":{output},\"cost_usd\":{cost},\"ok\":{ok}"
    );
    if !ok {
        let _ = write!(text, ",\"error\":\"{error}\"");
    }
    text.push_str("}\n");
}

/// Adds a line of CSV. No name here needs quotes.
fn csv(text: &mut String, request: &Request<'static>) {
    let Request { provider, model, user, tokens, .. } = *request;
    let (ts, latency, cost) = numbers(request);
    let (input, output) = (tokens.input, tokens.output);
    let (ok, error) = outcome(request);
    let _ = writeln!(text, "{ts},{provider},{model},{user},{latency},{input},{output},{cost},{ok},{error}");
}

/// Epoch milliseconds, latency in whole milliseconds, cost.
fn numbers(request: &Request<'_>) -> (u64, u128, NanoUsd) {
    let ts = request.ts.map_or(0, |ts| ts.millis());
    (ts, request.latency.map_or(0, |latency| latency.as_millis()), request.cost.unwrap_or_default())
}
