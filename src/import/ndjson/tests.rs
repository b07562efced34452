//! Refusals by table, and the two readers held against each other.

use ax_storage::event::{CostSource, Event, NAME_BYTES_MAX, Outcome};
use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_762_732_800_000);

fn parse(line: &str) -> Result<Parsed<'_>, LineError> {
    LineParser::default().parse(line.as_bytes(), NOW)
}

/// Adds a time and a provider to the members given.
fn request(members: &str) -> String {
    format!("{{\"ts\":1762128006615,\"provider\":\"p\"{}{members}}}", if members.is_empty() { "" } else { "," })
}

#[test]
fn every_refusal_says_why() {
    let long = "x".repeat(NAME_BYTES_MAX + 1);
    let at = |ts: &str| format!("{{\"ts\":{ts},\"provider\":\"p\"}}");
    let kind = |kind: &str, rest: &str| format!("{{\"ts\":1762128006615,\"type\":\"{kind}\"{rest}}}");
    let mut wrong = Vec::new();
    let name = |key: &str| request(&format!("\"{key}\":\"{long}\""));
    for (line, reason) in [
        ("".to_owned(), "not a JSON object: EOF while parsing a value at column 0"),
        ("5".to_owned(), "not a JSON object: invalid type: integer `5`, expected an object at column 1"),
        ("[1]".to_owned(), "not a JSON object: invalid type: sequence, expected an object at column 0"),
        (request("") + "x", "not a JSON object: trailing characters at column 36"),
        (request("\"cost_usd\":NaN"), "not a JSON object: NaN at column 47 is no number in JSON"),
        (request("\"cost_usd\":-Infinity"), "not a JSON object: Infinity at column 48 is no number in JSON"),
        (
            request("\"user\":\"a\u{0}\""),
            "not a JSON object: control character (\\u0000-\\u001F) found while parsing a stri…",
        ),
        ("{\"ts\":1762128006615}".to_owned(), "a request needs a provider"),
        ("{\"provider\":\"p\"}".to_owned(), "ts is missing"),
        (at("null"), "ts is missing"),
        (at("\"yesterday\""), "ts must be RFC 3339 or whole epoch milliseconds, not \"yesterday\""),
        (at("1762128006615.5"), "ts must be RFC 3339 or whole epoch milliseconds, not 1762128006615.5"),
        (at("\"2025-11-03T00:00:06\""), "ts \"2025-11-03T00:00:06\" has no offset from UTC; name its zone with --tz"),
        (at("1762128006"), "ts 1762128006 is before the year 2000; it looks like seconds, ts is in milliseconds"),
        (at("946684799999"), "ts is before the year 2000"),
        (at("-5"), "ts is before the year 2000"),
        (at("1762819200001"), "ts 2025-11-11T00:00:00.001Z is more than 1 day in the future"),
        (at("1762128006615000000"), "ts 9999-12-30T00:00:00.000Z is more than 1 day in the future"),
        (kind("call", ""), "type must be request, cache or rate_limit, not \"call\""),
        (kind("cache", ""), "event must be hit or miss, not \"\""),
        (kind("cache", ",\"event\":\"allowed\""), "event must be hit or miss, not \"allowed\""),
        (kind("rate_limit", ",\"event\":\"hit\""), "event must be allowed or denied, not \"hit\""),
        (kind("rate_limit", ",\"event\":\"denied\",\"remaining\":-1"), "remaining is negative"),
        (kind("rate_limit", ",\"event\":\"denied\",\"limit\":18446744073709551615"), "limit is too large"),
        (kind("cache", ",\"event\":\"hit\",\"saved_tokens\":1000000000001"), "saved_tokens is over 10^12"),
        (kind("cache", ",\"event\":\"hit\",\"savedCost\":1000000000.000000001"), "saved_cost_usd is above 1e9 dollars"),
        (request("\"latency_ms\":-0.1"), "latency_ms is negative"),
        (request("\"latency_ms\":\"12\""), "latency_ms must be a number, not \"12\""),
        (request("\"latency_ms\":604800000.001"), "latency_ms is longer than 7 days"),
        (request("\"ttft_ms\":1e300"), "ttft_ms is longer than 7 days"),
        (request("\"input_tokens\":1.5"), "input_tokens must be a whole number, not 1.5"),
        (request("\"input_tokens\":1000000000001"), "input_tokens is over 10^12"),
        (request("\"output_tokens\":[]"), "output_tokens must be a whole number, not an array or object"),
        (request("\"tokens\":5"), "tokens must be an object, not 5"),
        (request("\"tokens\":{\"input\":-1}"), "input_tokens is negative"),
        (request("\"input_tokens\":5,\"cached_tokens\":6"), "cached_tokens + cache_write_tokens exceed input_tokens"),
        (request("\"input_tokens\":5,\"cache_write_1h_tokens\":1"), "cache_write_1h_tokens exceed cache_write_tokens"),
        (request("\"reasoning_tokens\":1"), "reasoning_tokens exceed output_tokens"),
        (request("\"cost_usd\":-0.000000001"), "cost_usd is negative"),
        (request("\"cost_usd\":\"free\""), "cost_usd must be an amount of dollars, not \"free\""),
        (request("\"cost_usd\":\"NaN\""), "cost_usd must be an amount of dollars, not \"NaN\""),
        (request("\"cost\":1000000000.000000001"), "cost_usd is above 1e9 dollars"),
        (request("\"cost_source\":\"guessed\""), "cost_source must be recorded, computed or unpriced, not \"guessed\""),
        (request("\"cost_source\":\"unpriced\",\"cost_usd\":1"), "cost_source is unpriced but cost_usd is given"),
        (request("\"cost_source\":\"recorded\""), "cost_source is given without cost_usd"),
        (request("\"ok\":\"yes\""), "ok must be true or false, not \"yes\""),
        (request("\"ok\":true,\"error\":\"timeout\""), "ok is true but error is \"timeout\""),
        (request("\"error\":{}"), "error must be text, not an array or object"),
        (request("\"error\":\"\\u001b[2J\",\"success\":true"), "ok is true but error is \"\\u{1b}[2J\""),
        (request("\"ts\":1762128006616"), "ts is given twice with different values"),
        (request("\"input_tokens\":1,\"tokens\":{\"input\":2}"), "input_tokens is given twice with different values"),
        (request("\"latency\":1,\"latency_ms\":2"), "latency_ms is given twice with different values"),
        (name("model"), "model is longer than 256 bytes"),
        (name("userId"), "user is longer than 256 bytes"),
        (name("error"), "error is longer than 256 bytes"),
        (name("event_id"), "event_id is longer than 256 bytes"),
        (name("service_tier"), "service_tier is longer than 256 bytes"),
        (kind("cache", &format!(",\"event\":\"hit\",\"key\":\"{long}\"")), "key is longer than 256 bytes"),
        (
            kind("rate_limit", &format!(",\"event\":\"denied\",\"limit_type\":\"{long}\"")),
            "limit_type is longer than 256 bytes",
        ),
    ] {
        let got = parse(&line).map(|p| format!("{:?}", p.event())).unwrap_or_else(|e| e.to_string());
        if got != reason {
            wrong.push(format!("{line}\n  got {got}\n  not {reason}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let rules = Rules { oldest: Some(Timestamp::from_millis(1_762_128_006_616)), ..Rules::default() };
    let error = LineParser::new(rules).parse(request("").as_bytes(), NOW).unwrap_err().to_string();
    assert!(error.contains("older than the longest retention") && error.contains("set-retention"), "{error}");
    assert_eq!(LineParser::default().parse(b"{\"\xff\":1}", NOW), Err(LineError::NotUtf8));
}

fn as_request(line: &str) -> (ax_storage::event::Request<'static>, CostSource) {
    let line: &'static str = line.to_owned().leak();
    let parsed: &'static Parsed<'static> = Box::leak(Box::new(parse(line).unwrap_or_else(|e| panic!("{e}: {line}"))));
    match parsed.event() {
        Event::Request(r) => (r, parsed.cost_source()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn aliases_mean_the_same() {
    let names = "{\"ts\":1762128006615,\"provider\":\"p\",\"user\":\"u\",\"latency_ms\":12.5,\"cost_usd\":0.1,\
        \"ok\":false,\"input_tokens\":7,\"output_tokens\":8}";
    for line in [
        "{\"at\":\"2025-11-03T00:00:06.615Z\",\"provider\":\"p\",\"userId\":\"u\",\"latency\":1.25e1,\"cost\":\"0.1\",\
         \"success\":false,\"tokens\":{\"input\":7,\"output\":8}}",
        "{\"timestamp\":\"1762128006615\",\"provider\":\"p\",\"userId\":\"u\",\"latency\":12.5,\"cost\":0.10,\
         \"success\":false,\"tokens.input\":7,\"tokens.output\":8,\"tokens\":null,\"model\":null}",
        " { \"ts\" : 1762128006615.0 ,\"type\":\"request\",\"provider\":\"\\u0070\",\"user\":\"u\",\"latency_ms\":12.5004,\
         \"cost_usd\":1e-1,\"ok\":false,\"error\":\"\",\"input_tokens\":7,\"input_tokens\":7,\"output_tokens\":8}\r",
    ] {
        assert_eq!(as_request(line), as_request(names), "{line}");
    }
    let cache = "{\"ts\":1762128006615,\"type\":\"cache\",\"event\":\"hit\",\"savedCost\":0.5,\"savedTokens\":9}";
    let long = "{\"ts\":1762128006615,\"type\":\"cache\",\"event\":\"hit\",\"saved_cost_usd\":0.5,\"saved_tokens\":9}";
    assert_eq!(parse(cache).unwrap().event(), parse(long).unwrap().event());
}

#[test]
fn an_error_alone_is_a_failure_and_an_empty_one_is_none() {
    for (members, outcome) in [
        ("", Outcome::Ok),
        ("\"error\":null", Outcome::Ok),
        ("\"error\":\"\"", Outcome::Ok),
        ("\"ok\":true,\"error\":\"\"", Outcome::Ok),
        ("\"ok\":null,\"error\":\"timeout\"", Outcome::Error("timeout")),
        ("\"error\":\"timeout\"", Outcome::Error("timeout")),
        ("\"ok\":false", Outcome::Error("")),
        ("\"ok\":false,\"error\":\"timeout\"", Outcome::Error("timeout")),
    ] {
        assert_eq!(as_request(&request(members)).0.outcome, outcome, "{members}");
    }
}

#[test]
fn costs_beyond_a_floats_precision_are_exact() {
    let cost = |digits: &str| as_request(&request(&format!("\"cost_usd\":{digits}"))).0.cost.unwrap().nanos();
    assert_eq!(cost("9007199.254740993"), 9_007_199_254_740_993);
    assert_eq!(cost("\"0.0000000025\""), 2);
    assert_eq!(cost("1e9"), 1_000_000_000_000_000_000);
}

#[test]
fn defaults_fill_what_a_line_leaves_out() {
    let defaults =
        super::super::Defaults { ts: Some(NOW), provider: "claude".into(), model: "m".into(), user: "u".into() };
    let lines = LineParser::new(Rules { defaults, ..Rules::default() });
    let parsed = lines.parse(b"{\"model\":\"mine\"}", NOW).unwrap();
    assert!(!parsed.ts_given() && parsed.ts() == NOW);
    let Event::Request(r) = parsed.event() else { panic!() };
    assert_eq!((r.provider, r.model, r.user), ("claude", "mine", "u"));
}

#[test]
fn keys_of_another_kind_are_unknown() {
    let line = "{\"ts\":1762128006615,\"type\":\"cache\",\"event\":\"miss\",\"latency_ms\":3,\"x\":{\"y\":[1]}}";
    let parsed = parse(line).unwrap();
    assert_eq!(parsed.unknown_keys().collect::<Vec<_>>(), ["x", "latency_ms"]);
}

/// Lines that are nearly right: known keys, unknown ones, values that fit and ones that don't.
fn line() -> impl Strategy<Value = String> {
    let keys: Vec<&'static str> = Key::ALL
        .iter()
        .map(|k| k.name())
        .chain(["at", "latency", "cost", "success", "tokens", "x", "\\u0074s"])
        .collect();
    let value = prop_oneof![
        4 => (0u64..5000).prop_map(|n| n.to_string()),
        2 => (0u64..5000, 0u32..4000).prop_map(|(a, b)| format!("{a}.{b}")),
        2 => "\"[a-z\u{e9}]{0,6}\"",
        1 => r#""[a-z\\"\x01]{0,4}""#,
        1 => prop_oneof![Just("hit"), Just("denied"), Just("cache"), Just("request"), Just("rate_limit"), Just("recorded")]
            .prop_map(|w| format!("\"{w}\"")),
        2 => prop_oneof![Just("true"), Just("false"), Just("null"), Just("[]"), Just("{}"), Just("{\"input\":3,\"z\":1}")]
            .prop_map(str::to_owned),
        1 => "[-+0-9.eE]{1,6}",
    ];
    let member =
        (proptest::sample::select(keys), value, " {0,1}").prop_map(|(k, v, s)| format!("\"{k}\"{s}:{s}{v}{s}"));
    proptest::collection::vec(member, 0..7).prop_map(|members| {
        let start = ["\"ts\":1762128006615".to_owned(), "\"provider\":\"p\"".to_owned()];
        format!("{{{}}}", start.into_iter().chain(members).collect::<Vec<_>>().join(","))
    })
}

/// The quick reader gives what the thorough one gives, or nothing.
fn readers_agree(line: &str) -> Result<bool, TestCaseError> {
    let parser = LineParser::default();
    let Some(flat) = parser.flat(line) else { return Ok(false) };
    let thorough = parser.thorough(line);
    prop_assert_eq!(thorough.as_ref(), Ok(&flat), "{}", line);
    Ok(true)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn both_readers_agree(line in line()) {
        readers_agree(&line)?;
    }

    /// One to four bytes of a good line changed, removed or doubled.
    #[test]
    fn both_readers_agree_on_damaged_lines(
        line in line(),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), 0u8..3, proptest::sample::select(&b"\"\\{}[],:.0-eEtfn \t\x01"[..])), 1..5),
    ) {
        let mut bytes = line.into_bytes();
        for (at, what, byte) in edits {
            let at = at.index(bytes.len());
            match what {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => { bytes.remove(at); }
            }
        }
        if let Ok(line) = std::str::from_utf8(&bytes) {
            readers_agree(line)?;
        }
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        let _ = LineParser::default().parse(&bytes, NOW);
    }
}

/// The quick reader is worth having only if it takes the usual lines.
#[test]
fn usual_lines_take_the_quick_way() {
    for line in [
        "{\"type\":\"request\",\"ts\":1700158546680,\"provider\":\"claude\",\"model\":\"m\",\"user\":\"u1\",\
         \"latency_ms\":1044.684,\"input_tokens\":374,\"output_tokens\":44,\"cost_usd\":0.001782000,\"ok\":true}",
        "{\"ts\":\"2025-11-03T00:00:06.615Z\",\"provider\":\"\u{e9}\",\"app\":\"unknown but flat\",\"error\":null}",
    ] {
        assert!(readers_agree(line).unwrap(), "{line}");
    }
}
