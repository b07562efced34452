//! Flat formats: what programs read is what the JSON says, whatever names there are.

use proptest::prelude::*;

use super::*;
use crate::dashboard::{Evidence, Labels, PreviousWindow, RowView, ValueUnit};
use crate::metric::{Money, Number, Unit};
use crate::render::tests::{grouped_view, metrics_view, points, row, style, window};

fn compared() -> MetricsView {
    let mut view = grouped_view(0);
    let range = window(3_600_000);
    view.previous = Some(PreviousWindow { range, name: "the hour before".to_owned() });
    let money = |nanos| Number::Money(Money(nanos));
    let names = ["=cmd|' /C calc'!A0", "a,\"b\"\n\u{1b}[2J", "gpt_4|_x_ <b>", "-1", "日本語"];
    for (i, name) in names.into_iter().enumerate() {
        let i = i as i128;
        let before = (i != 2).then_some(money(i * 20_000_000_000));
        let labels = Labels(vec![("model", name.into())]);
        view.data.push(RowView { previous: Some(Previous(before)), ..row(labels, money(40_000_000_001 - i), 1000) });
    }
    view.data[3].value = None;
    view
}

fn judged() -> MetricsView {
    let mut view = metrics_view(vec![]);
    view.metric = None;
    view.aggregation = None;
    view.unit = ValueUnit::Bool;
    view.data[0].value = Some(Value::Bool(true));
    view.data[0].points = None;
    let number = |n| Some(Number::Float(n));
    let unit = Unit::Time.into();
    view.data[0].evidence = Some(Evidence { current: number(2150.5), threshold: number(2000.0), unit });
    view
}

fn stepped() -> MetricsView {
    metrics_view(points(3, |i| (i != 1).then_some(-0.5 + 1000.0 * f64::from(u32::try_from(i).unwrap()))))
}

#[test]
fn answers_as_flat_rows() {
    let mut out = String::new();
    for (name, view) in [("compared", compared()), ("judged", judged()), ("stepped", stepped())] {
        let markdown = metrics_markdown(&view, &style(80));
        out += &format!("==== {name}\n{}\n{}\n{markdown}\n", metrics_csv(&view), metrics_ndjson(&view));
    }
    insta::assert_snapshot!("flat", out);
}

/// Rows of CSV by the letter of RFC 4180, but for the line ends.
fn parse(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut cells, mut cell, mut quoted) = (vec![], vec![], String::new(), false);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '"' if quoted && rest.next_if_eq(&'"').is_some() => cell.push('"'),
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(std::mem::take(&mut cell)),
            '\n' if !quoted => {
                cells.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut cells));
            }
            c => cell.push(c),
        }
    }
    assert!(!quoted && cell.is_empty() && cells.is_empty(), "{text}");
    rows
}

proptest! {
    #[test]
    fn every_name_stays_one_harmless_cell(
        names in proptest::collection::vec(r#"[='+@\-\t\r\n,"| a\\`_<\x00\x1b\x7f\u{9b}\u{202e}é]{0,12}"#, 1..6),
    ) {
        let mut view = grouped_view(names.len());
        for (row, name) in view.data.iter_mut().zip(&names) {
            row.labels.0[0].1 = name.as_str().into();
        }
        let csv = metrics_csv(&view);
        let rows = parse(&csv);
        prop_assert_eq!(rows.len(), names.len() + 1);
        for (cells, name) in rows[1..].iter().zip(&names) {
            prop_assert_eq!(cells.len(), rows[0].len());
            let guarded = if is_formula(name) { format!("'{}", escaped(name)) } else { escaped(name) };
            prop_assert_eq!(&cells[0], &guarded);
            prop_assert!(!cells[0].starts_with(['=', '+', '-', '@', '\t', '\r']));
        }
        let ndjson = metrics_ndjson(&view);
        for (line, name) in ndjson.lines().zip(&names) {
            let object: serde_json::Value = serde_json::from_str(line).unwrap();
            prop_assert_eq!(object["labels"]["model"].as_str(), Some(name.as_str()));
        }
        let markdown = metrics_markdown(&view, &style(80));
        prop_assert_eq!(markdown.lines().count(), names.len() + 2);
        for line in markdown.lines() {
            let bare = line.replace(r"\\", "").replace(r"\|", "");
            prop_assert_eq!(bare.matches('|').count(), rows[0].len(), "{}", line);
        }
        for text in [csv, ndjson, markdown] {
            prop_assert!(!text.chars().any(|c| c != '\n' && crate::words::is_hidden(c)), "{:?}", text);
        }
    }
}
