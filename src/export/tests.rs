//! What is exported is imported again as it was.

use ax_storage::event::Tokens;
use ax_storage::row::{Batch, CacheRow, RateRow, RequestRow};
use ax_storage::time::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::import::{Format, Options, read_text};

const NOW: u64 = 1_800_000_000_000;

/// Names with everything that has a meaning in one of the formats.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[a-z0-9-]{1,12}",
        1 => Just(String::new()),
        1 => r"[\\u{}5c1b\x1b]{1,12}",
        2 => r#"['=+@\-\t\r\n," a\\é\x00\x1b\x7f\u{9b}\u{202e}\u{1F600}]{1,12}"#,
    ]
}

fn maybe(range: std::ops::Range<u64>) -> impl Strategy<Value = Maybe> {
    proptest::option::of(range).prop_map(Maybe::from)
}

type Texts = (String, String, String, String, String, String);

fn body() -> impl Strategy<Value = Body> {
    let big = 1u64 << 38;
    let tokens = (0..big, 0..big, 0..big, 0..big, 0..big, 0..big).prop_map(|(a, b, c, d, e, f)| {
        let (input, cached) = (a + b, b.min(a));
        let cache_write = c.min(input - cached);
        Tokens { input, cached, cache_write, cache_write_1h: d.min(cache_write), output: e, reasoning: f.min(e) }
    });
    let request = (any::<bool>(), maybe(0..600_000_000_000), maybe(0..9_000_000), tokens, 0..1u64 << 59, 0..3u8);
    prop_oneof![
        3 => request.prop_map(|(ok, latency_us, ttft_us, tokens, cost, source)| Body::Request(RequestRow {
            ok, error: u32::from(!ok), service_tier: 2, latency_us, ttft_us, tokens,
            cost_nanos: if source == 0 { 0 } else { cost },
            cost_source: [CostSource::Unpriced, CostSource::Recorded, CostSource::Computed][usize::from(source)],
        })),
        1 => (any::<bool>(), maybe(0..1 << 59), maybe(0..1 << 39), maybe(0..1 << 60)).prop_map(|(hit, a, b, ttl_s)|
            Body::Cache(CacheRow { hit, key: 1, saved_cost_nanos: a, saved_tokens: b, ttl_s })),
        1 => (any::<bool>(), maybe(0..1 << 60), maybe(0..1 << 60)).prop_map(|(allowed, remaining, limit)|
            Body::Rate(RateRow { allowed, key: 1, limit_type: 2, remaining, limit })),
    ]
}

/// Rows whose ids count from 1 within their own six names.
fn batch() -> impl Strategy<Value = Batch> {
    let texts = (name(), name(), name(), name(), name(), name());
    let row = (946_684_800_000..NOW, texts, body());
    proptest::collection::vec(row, 1..20).prop_map(|rows: Vec<(u64, Texts, Body)>| {
        let mut batch = Batch::default();
        for (ts, (provider, model, user, event_id, one, two), mut body) in rows {
            let names = &mut batch.names;
            let (one, two) = (names.intern(&one), names.intern(&two));
            let provider = if provider.is_empty() { "p" } else { &provider };
            match &mut body {
                Body::Request(r) => (r.error, r.service_tier) = (if r.ok { 0 } else { one }, two),
                Body::Cache(c) => c.key = one,
                Body::Rate(l) => (l.key, l.limit_type) = (one, two),
            }
            let row = Row {
                ts: Timestamp::from_millis(ts),
                provider: names.intern(provider),
                model: names.intern(&model),
                user: names.intern(&user),
                event_id: names.intern(&event_id),
                body,
            };
            batch.rows.push(row);
        }
        batch
    })
}

fn written(format: Format, batch: &Batch) -> String {
    let mut text = String::new();
    if format == Format::Csv {
        csv_header(&mut text);
    }
    for row in &batch.rows {
        match format {
            Format::Csv => csv(&mut text, &batch.names, row),
            _ => ndjson(&mut text, &batch.names, row),
        }
    }
    text
}

proptest! {
    #[test]
    fn exported_events_are_imported_as_they_were(batch in batch()) {
        for format in [Format::Ndjson, Format::Csv] {
            let text = written(format, &batch);
            let (report, back) = read_text(text.as_bytes(), format, &Options::default(), Timestamp::from_millis(NOW));
            prop_assert_eq!(report.refused.count(), 0, "{:?}\n{}", report.refused, text);
            prop_assert_eq!(report.warnings, vec![], "{}", text);
            prop_assert_eq!(written(Format::Ndjson, &back), written(Format::Ndjson, &batch), "{}", text);
        }
    }

    #[test]
    fn lines_hide_nothing(batch in batch()) {
        for format in [Format::Ndjson, Format::Csv] {
            for line in written(format, &batch).lines() {
                prop_assert!(!line.chars().any(is_hidden), "{:?}", line);
            }
        }
    }
}

#[test]
fn money_and_latency_are_written_exactly() {
    let mut batch = Batch::default();
    let line =
        br#"{"ts":1700158546680,"provider":"p","latency_ms":1044.684,"cost_usd":9007199.254740993,"output_tokens":3}"#;
    let parsed = crate::import::LineParser::default();
    let parsed = parsed.parse(line, Timestamp::from_millis(NOW)).unwrap();
    batch.push(&parsed.event(), parsed.ts(), parsed.cost_source(), "");
    assert_eq!(
        written(Format::Ndjson, &batch),
        "{\"type\":\"request\",\"ts\":\"2023-11-16T18:15:46.680Z\",\"provider\":\"p\",\"latency_ms\":1044.684,\
         \"input_tokens\":0,\"output_tokens\":3,\"cost_usd\":9007199.254740993,\"cost_source\":\"recorded\",\"ok\":true}\n"
    );
}
