//! The quick way held against the thorough one, for lines and for rows of cells.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::digits::digits;
use super::*;
use crate::import::LineParser;
use crate::import::csv::Columns;
use crate::import::fields::Parsed;
use crate::import::key::Keys;

const NOW: Timestamp = Timestamp::from_millis(1_762_732_800_000);

/// What a reader gives: names and rows, or nothing.
type Read = Option<(Vec<String>, Vec<Row>)>;

fn read(batch: &Batch) -> Read {
    Some((batch.names.iter().map(str::to_owned).collect(), batch.rows.clone()))
}

fn thorough(parsed: Option<Parsed<'_>>) -> Read {
    let parsed = parsed.filter(|p| p.unknown_keys().next().is_none())?;
    let mut batch = Batch::default();
    batch.push(&parsed.event(), parsed.ts(), parsed.cost_source(), parsed.event_id());
    read(&batch)
}

/// Whether `line` goes the quick way; if so, both ways must give the same.
fn line_agrees(guesses: &mut Guesses, line: &[u8]) -> Result<bool, TestCaseError> {
    let parser = LineParser::default();
    let mut batch = Batch::default();
    let quick = parser.push_usual(guesses, line, NOW, &mut batch);
    if quick {
        prop_assert_eq!(read(&batch), thorough(parser.parse(line, NOW).ok()), "{}", line.escape_ascii());
    } else {
        prop_assert!(batch.rows.is_empty());
    }
    Ok(quick)
}

fn row_agrees(columns: &Columns, row: &[u8]) -> Result<bool, TestCaseError> {
    let mut batch = Batch::default();
    let quick = columns.push_usual(row, NOW, &mut batch);
    if quick {
        prop_assert_eq!(read(&batch), thorough(columns.parse(row, NOW).ok()), "{}", row.escape_ascii());
    }
    Ok(quick)
}

/// A field with a value of its own kind, rarely another one.
fn member() -> impl Strategy<Value = (Key, String)> {
    let number = prop_oneof![
        4 => (0u64..5000).prop_map(|n| n.to_string()),
        2 => (0u64..50, "[0-9]{1,10}").prop_map(|(whole, decimals)| format!("{whole}.{decimals}")),
        1 => "[0-9]{1,20}",
        1 => "[-+0-9.eE]{1,6}",
    ];
    let text = prop_oneof![
        3 => "\"[a-z\u{e9}-]{0,18}\"",
        1 => select(vec!["\"request\"", "\"cache\"", "\"recorded\"", "\"computed\"", "\"hit\""]).prop_map(str::to_owned),
        1 => select(vec!["\"2025-11-03T00:00:06.615Z\"", "\"2025-11-03T00:00:06\"", "\"1762128006615\""]).prop_map(str::to_owned),
    ];
    let other = select(vec!["true", "false", "null", "[]", "1762128006615", "17621280066150"]).prop_map(str::to_owned);
    (select(Key::ALL.to_vec()), number, text, other, 0..12u8).prop_map(|(key, number, text, other, stray)| {
        let value = match (key, stray) {
            (_, 0) => other,
            (_, 1) => text,
            (Key::Ok, _) => {
                if stray % 2 == 0 {
                    "true".to_owned()
                } else {
                    "false".to_owned()
                }
            }
            (Key::Ts, _) => "1762128006615".to_owned(),
            (Key::Type, _) => "\"request\"".to_owned(),
            (Key::CostSource, _) => "\"recorded\"".to_owned(),
            (Key::Provider | Key::Model | Key::User | Key::Error | Key::ServiceTier | Key::EventId, _) => text,
            (Key::Event | Key::Entry | Key::LimitType, _) => text,
            _ => number,
        };
        (key, value)
    })
}

fn members() -> impl Strategy<Value = Vec<(Key, String)>> {
    proptest::collection::vec(member(), 0..8).prop_map(|more| {
        let start = [(Key::Ts, "1762128006615".to_owned()), (Key::Provider, "\"p\"".to_owned())];
        start.into_iter().chain(more).collect()
    })
}

fn line(members: &[(Key, String)], space: &str) -> String {
    let members: Vec<String> =
        members.iter().map(|(key, value)| format!("\"{}\":{space}{value}", key.name())).collect();
    format!("{{{}}}", members.join(&format!(",{space}")))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    /// Several lines, as each is read by what was learned from those before.
    #[test]
    fn both_ways_agree(lines in proptest::collection::vec((members(), select(vec!["", " "])), 1..4)) {
        let mut guesses = Guesses::default();
        for (members, space) in lines {
            line_agrees(&mut guesses, line(&members, space).as_bytes())?;
        }
    }

    #[test]
    fn both_ways_agree_on_damaged_lines(
        members in members(),
        edits in proptest::collection::vec((any::<Index>(), 0u8..3, select(&b"\"\\{}[],:.0-eE5tfn \t\x01\xff"[..])), 1..4),
    ) {
        let mut guesses = Guesses::default();
        let good = line(&members, "");
        line_agrees(&mut guesses, good.as_bytes())?;
        let mut bytes = good.into_bytes();
        for (at, what, byte) in edits {
            let at = at.index(bytes.len());
            match what {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => { bytes.remove(at); }
            }
        }
        line_agrees(&mut guesses, &bytes)?;
    }

    #[test]
    fn both_ways_agree_on_cells(
        members in members(),
        edits in proptest::collection::vec((any::<Index>(), 0u8..3, select(&b"\",'=0.- x\xff"[..])), 0..3),
    ) {
        let header: Vec<&str> = members.iter().map(|(key, _)| key.name()).collect();
        let cells: Vec<&str> = members.iter().map(|(_, value)| value.trim_matches('"')).collect();
        let columns = Columns::new(header.join(",").as_bytes(), Rules::default(), &Keys::default()).unwrap();
        let mut row = cells.join(",").into_bytes();
        for (at, what, byte) in edits {
            let at = at.index(row.len().max(1)).min(row.len().saturating_sub(1));
            match what {
                0 if !row.is_empty() => row[at] = byte,
                1 => row.insert(at, byte),
                _ if !row.is_empty() => { row.remove(at); }
                _ => {}
            }
        }
        row_agrees(&columns, &row)?;
    }

    #[test]
    fn digits_are_read_as_they_stand(number in any::<u64>(), shift in 0u32..64, behind in "[^0-9]{0,9}") {
        let number = number >> shift;
        let text = format!("{number}{behind}");
        let expected = (number < 1_000_000_000_000_000_000).then(|| (number, number.to_string().len()));
        prop_assert_eq!(digits(text.as_bytes()), expected);
    }
}

/// The quick way is worth having only if it takes the usual lines.
#[test]
fn usual_lines_and_rows_take_it() {
    let mut guesses = Guesses::default();
    for line in [
        "{\"type\":\"request\",\"ts\":1700158546680,\"provider\":\"claude\",\"model\":\"m\",\"user\":\"u1\",\
         \"latency_ms\":1044.684,\"input_tokens\":374,\"output_tokens\":44,\"cost_usd\":0.001782000,\"ok\":true}",
        "{\"ts\": \"2025-11-03T00:00:06.615Z\", \"provider\": \"\u{e9}\", \"cache_write_1h_tokens\": 0, \"ok\": false}",
        "{\"ts\":1700158546680,\"provider\":\"a provider with a long name\",\"error\":\"timeout\",\"event_id\":\"1\"}",
    ] {
        for _ in 0..2 {
            assert!(line_agrees(&mut guesses, line.as_bytes()).unwrap(), "{line}");
        }
    }
    let columns = b"ts,provider,model,latency_ms,cost_usd,cost_source,ok,error,what";
    let columns = Columns::new(columns, Rules::default(), &Keys::default()).unwrap();
    let mut batch = Batch::default();
    assert!(columns.push_usual(b"2025-11-03T00:00:06.615Z,p,m,12.5,0.1,computed,false,,x", NOW, &mut batch));
    assert!(columns.push_usual(b"1700158546680,p,,,,,true,,", NOW, &mut batch));
    assert!(!columns.push_usual(b"1700158546680,p,,,,,true,", NOW, &mut batch), "a cell is missing");
    assert!(!columns.push_usual(b"1700158546680,p,,,,,true,,,", NOW, &mut batch), "a cell too many");
}

/// What only whole rules know is not taken.
#[test]
fn rules_are_kept() {
    let line = b"{\"ts\":1762128006615,\"provider\":\"p\",\"latency_ms\":1}";
    let push =
        |rules: Rules| LineParser::new(rules).push_usual(&mut Guesses::default(), line, NOW, &mut Batch::default());
    assert!(push(Rules::default()));
    let oldest = Some(Timestamp::from_millis(1_762_128_006_616));
    assert!(!push(Rules { oldest, ..Rules::default() }));
    let defaults = crate::import::Defaults { user: "u".into(), ..Default::default() };
    assert!(!push(Rules { defaults, ..Rules::default() }));
}
