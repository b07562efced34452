//! An answer as flat rows for other programs and for papers: NDJSON, CSV, Markdown.
//!
//! NDJSON and CSV hold the numbers of the JSON, digit by digit; Markdown is for people and holds the
//! figures of the screen.
//!
//! CSV has no escapes and this one is never read back, so names are made safe for good: what is hidden
//! is written as `\u{1b}`, and what a spreadsheet would run as a formula gets an apostrophe in front,
//! as it is usual. Numbers are never touched: `-5` is no danger, and must stay a number.

use serde::Serialize;

use super::{Style, metrics, text, value};
use crate::dashboard::{Evidence, FlatRow, MetricsView, Previous, Time, Value};
use crate::words::{escaped, is_formula, visible_json};

/// One object a row, or a point where there are points, on a line of its own.
pub fn metrics_ndjson(view: &MetricsView) -> String {
    view.flat().map(|row| visible_json(json(&row)) + "\n").collect()
}

/// What a column of numbers holds.
type Number = fn(&FlatRow<'_>) -> String;

/// A header, and a line a row, or a point where there are points. Quoted as RFC 4180 has it; lines end
/// as those of `export` do.
pub fn metrics_csv(view: &MetricsView) -> String {
    let stepped = view.is_stepped();
    let compared = view.previous.is_some();
    let judged = view.data.iter().any(|row| row.evidence.is_some());
    let numbers: [(&str, bool, Number); 11] = [
        ("t", stepped, |row| row.point.map(|p| Time(p.t).0.to_string()).unwrap_or_default()),
        ("value", true, |row| known(row.value)),
        ("unit", true, |row| csv_name(row.view.unit.json_name())),
        ("previous", compared, |row| known(row.previous.and_then(|p| p.0))),
        ("change", compared, |row| known(row.previous.and_then(|p| p.change(row.value).change))),
        ("change_pct", compared, |row| known(row.previous.and_then(|p| p.change(row.value).change_pct))),
        ("current", judged, |row| known(row.evidence.and_then(|e| e.current))),
        ("threshold", judged, |row| known(row.evidence.and_then(|e| e.threshold))),
        ("threshold_unit", judged, |row| row.evidence.map_or(String::new(), |e| csv_name(e.unit.json_name()))),
        ("count", true, |row| row.count.to_string()),
        ("partial", stepped, |row| row.point.is_some_and(|p| p.partial).to_string()),
    ];
    let numbers = || numbers.iter().filter(|(_, shown, _)| *shown);
    let titles = view.label_names().chain(numbers().map(|(title, ..)| *title));
    let mut out = titles.collect::<Vec<_>>().join(",") + "\n";
    for row in view.flat() {
        let names = row.labels.0.iter().map(|(_, name)| csv_name(name));
        out += &names.chain(numbers().map(|(.., number)| number(&row))).collect::<Vec<_>>().join(",");
        out.push('\n');
    }
    out
}

/// A table in Markdown, with the figures of the screen.
pub fn metrics_markdown(view: &MetricsView, style: &Style) -> String {
    let style = Style { color: false, ..*style };
    let stepped = view.is_stepped();
    let mut head: Vec<String> = view.label_names().map(str::to_owned).collect();
    head.extend(stepped.then(|| "time".to_owned()));
    let left = head.len();
    head.push(metrics::value_title(view).to_lowercase());
    let judged = view.data.iter().any(|row| row.evidence.is_some());
    if view.previous.is_some() {
        head.extend(["before", "change"].map(str::to_owned));
    } else if judged {
        head.extend(["current", "against"].map(str::to_owned));
    }
    head.push(metrics::count_title(view.metric).to_lowercase());
    let mut rows = vec![head];
    for row in view.flat() {
        let mut cells: Vec<String> = row.labels.0.iter().map(|(_, name)| markdown_name(&text::name(name))).collect();
        cells.extend(row.point.map(|p| metrics::point_time(view, p)));
        cells.push(value(row.value, &view.unit, &style));
        if view.previous.is_some() {
            let previous = row.previous.unwrap_or(Previous(None));
            cells.push(value(previous.0.map(Value::Number), &view.unit, &style));
            cells.push(metrics::change(previous, row.value, &view.unit, &style));
        } else if judged {
            let side = |n: Option<crate::metric::Number>, e: &Evidence| value(n.map(Value::Number), &e.unit, &style);
            let sides = row.evidence.map(|e| [side(e.current, e), side(e.threshold, e)]);
            cells.extend(sides.unwrap_or_else(|| [style.none(), style.none()].map(str::to_owned)));
        }
        cells.push(super::count(row.count.into()));
        rows.push(cells);
    }
    super::banner(&style) + &aligned(&rows, left)
}

/// Rows whose cells stand below one another; all but the first `left` are figures.
fn aligned(rows: &[Vec<String>], left: usize) -> String {
    let Some(head) = rows.first() else { return String::new() };
    let widest = |i: usize| rows.iter().map(|row| text::width(&row[i])).max().unwrap_or(0).max(3);
    let widths: Vec<usize> = (0..head.len()).map(widest).collect();
    let draw = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let padded =
        |row: &Vec<String>| draw(row.iter().enumerate().map(|(i, c)| text::pad(c, widths[i], i >= left)).collect());
    let rule = |(i, w): (usize, &usize)| if i < left { "-".repeat(*w) } else { "-".repeat(w - 1) + ":" };
    let mut out = padded(head) + &draw(widths.iter().enumerate().map(rule).collect());
    out.extend(rows[1..].iter().map(padded));
    out
}

/// JSON text; nothing in an answer can fail to be JSON.
fn json(of: &impl Serialize) -> String {
    serde_json::to_string(of).unwrap_or_default()
}

/// A number or truth value as JSON writes it, nothing for no data.
fn known(value: Option<impl Serialize>) -> String {
    value.map(|v| json(&v)).unwrap_or_default()
}

/// A name in CSV.
fn csv_name(name: &str) -> String {
    let guard = if is_formula(name) { "'" } else { "" };
    let safe = escaped(name);
    if safe.contains([',', '"']) {
        format!("\"{guard}{}\"", safe.replace('"', "\"\""))
    } else {
        format!("{guard}{safe}")
    }
}

/// A name in a Markdown table: it stays one cell, and nothing in it is markup.
fn markdown_name(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut before = ' ';
    let mut rest = name.chars().peekable();
    while let Some(c) = rest.next() {
        // Within a word an underscore is no markup, and names of errors are full of them.
        let inside = before.is_alphanumeric() && rest.peek().is_some_and(|next| next.is_alphanumeric());
        if matches!(c, '\\' | '|' | '`' | '*' | '[' | ']' | '<' | '>' | '~' | '&' | '$') || (c == '_' && !inside) {
            out.push('\\');
        }
        out.push(c);
        before = c;
    }
    out
}

#[cfg(test)]
mod tests;
