//! Valid queries with their canonical text.

use crate::query::{ast::Query, parse, parse_condition, parse_filter};

/// Both texts, and that the canonical one stays as it is.
fn canonical(entry: char, source: &str) -> String {
    let print = |text: &str| match entry {
        'q' => parse(text).map(|q| q.to_string()),
        'f' => parse_filter(text).map(|f| f.to_string()),
        _ => parse_condition(text).map(|c| c.to_string()),
    };
    let first = print(source).unwrap_or_else(|e| panic!("{source}: {e} {e:?}"));
    let again = print(&first).unwrap_or_else(|e| panic!("{first}: {e}"));
    assert_eq!(first, again, "printing is a fixpoint");
    first
}

#[test]
fn every_form_is_read_and_printed() {
    for (entry, source, printed) in [
        ('q', r#"latency{provider="claude"} [1h] avg"#, r#"latency{provider="claude"} [1h] avg"#),
        ('q', "error_rate{} [24h] sum", "error_rate [1d] sum"),
        ('q', r#"cost{model=~".*"} [30d] sum by(model)"#, r#"cost{model=~".*"} [30d] sum by(model)"#),
        ('q', "latency{} [7d] p95 by(provider)", "latency [7d] p95 by(provider)"),
        ('q', "provider=claude AND latency>1000", r#"provider="claude" AND latency > 1000"#),
        ('q', "latency>1000 and provider=claude", r#"latency > 1000 AND provider="claude""#),
        ('c', "avg(latency) > 2000 for 5m", "avg(latency) > 2000 for 5m"),
        ('c', "error_rate > baseline * 3", "error_rate > baseline * 3"),
        ('c', "monthly_spend >= budget * 0.8", "monthly_spend >= budget * 0.8"),
        ('c', "monthly_spend >= budget * 80%", "monthly_spend >= budget * 80%"),
        ('q', "(cost / requests) [7d] by(model)", "cost [7d] by(model) / requests [7d] by(model)"),
        (
            'q',
            r#"p95(latency{provider="openai"}) > 2s AND requests [5m] > 20"#,
            r#"p95(latency{provider="openai"}) > 2s AND requests [5m] > 20"#,
        ),
        ('c', "anomaly(latency p95 [1h], 5)", "anomaly(latency [1h] p95, 5)"),
        ('c', "trend(latency p95 [6h]) > 10%", "trend(latency [6h] p95) > 10%"),
        ('c', "denied / (allowed + denied) > 5%", "denied / (allowed + denied) > 5%"),
        ('c', "forecast(month) > budget", "forecast(month) > budget"),
        ('c', "hit_rate < 50% for 30m", "hit_rate < 50% for 30m"),
        ('q', "avg(latency [5m]) by(model)", "latency [5m] avg by(model)"),
        ('q', "latency [5m] avg by(model)", "latency [5m] avg by(model)"),
        ('q', "avg by(model) (latency [5m])", "latency [5m] avg by(model)"),
        ('q', "latency quantile(0.95)", "p95(latency)"),
        ('q', "latency p99.90", "p99.9(latency)"),
        ('q', "cost [month] vs previous", "cost [month] vs previous"),
        ('q', "cost [This Month] vs 7d", "cost [month] vs 7d"),
        ('q', "cost [last week] every 1d", "cost [last week] every 1d"),
        ('q', "cost [2025-11]", "cost [2025-11]"),
        ('q', "cost [2025-11-01..2025-11-15]", "cost [2025-11-01..2025-11-15]"),
        ('q', "cost [2025-11-01 10:00..]", "cost [2025-11-01T10:00..now]"),
        ('q', "cost [2025-11-01T10:00:05+02:00..now]", "cost [2025-11-01T10:00:05+02:00..now]"),
        ('q', "cost [7d] by(user) topk(10)", "cost [7d] by(user) topk(10)"),
        ('q', "cost sum without(user) bottomk(3)", "sum(cost) without(user) bottomk(3)"),
        ('q', "latency p95 [1w] every 1h30m offset 1w", "latency [7d] p95 every 1h30m offset 7d"),
        ('q', "tokens > 10k", "tokens > 10000"),
        ('q', "cost > $1.50", "cost > $1.5"),
        ('q', "requests == 1e20", "requests = 1e20"),
        ('q', "cost - (cost - cost)", "cost - (cost - cost)"),
        ('q', "cost / (requests / requests) / 2", "cost / (requests / requests) / 2"),
        ('q', "NOT (cost > 1 OR cost < 2) AND requests = 0", "NOT (cost > 1 OR cost < 2) AND requests = 0"),
        ('q', "(cost > 1 OR cost < 2) AND requests = 0", "(cost > 1 OR cost < 2) AND requests = 0"),
        ('q', "- cost * -2", "-cost * -2"),
        ('q', "latency # a comment\n [1h]", "latency [1h]"),
        ('q', r#"cost{provider="a" OR model="b", user=""}"#, r#"cost{provider="a" OR model="b", user=""}"#),
        ('q', "cost{provider=a, latency > 1s,}", r#"cost{provider="a", latency > 1s}"#),
        ('f', "provider=claude", r#"provider="claude""#),
        ('f', "provider == gpt-4-turbo OR user=a@b.c", r#"provider="gpt-4-turbo" OR user="a@b.c""#),
        ('f', "model=~\"gpt-4\\.1\"", r#"model=~"gpt-4\\.1""#),
        ('f', "model=~\"gpt-4\\\\.1\"", r#"model=~"gpt-4\\.1""#),
        ('f', "provider not in (a, 'b c',)", r#"provider NOT in ("a", "b c")"#),
        ('f', "latency in (1s, 2000)", "latency in (1s, 2000)"),
        ('f', "NOT (latency > -5 OR cost>$1)", "NOT (latency > -5 OR cost > $1)"),
        ('f', "user=\"a\u{202e}b\\u{7}\"", r#"user="a\u{202e}b\u{7}""#),
        ('f', "limit_type=rpm", r#"kind="rpm""#),
    ] {
        assert_eq!(canonical(entry, source), printed, "{source}");
    }
}

#[test]
fn a_label_makes_a_query_a_filter() {
    assert!(matches!(parse("provider=claude AND latency>1000").unwrap(), Query::Filter(_)));
    assert!(matches!(parse("latency>1000").unwrap(), Query::Expr(_)));
}

#[test]
fn no_metric_is_called_like_a_keyword() {
    use crate::metric::{ALIASES, Metric};
    let keywords = [
        "by",
        "without",
        "every",
        "offset",
        "topk",
        "bottomk",
        "vs",
        "previous",
        "quantile",
        "and",
        "or",
        "not",
        "in",
        "for",
        "baseline",
        "budget",
        "forecast",
        "anomaly",
        "trend",
        "avg",
        "sum",
        "min",
        "max",
        "count",
        "rate",
        "stddev",
        "now",
        "provider",
        "model",
        "user",
        "status",
        "error",
        "key",
        "kind",
        "service_tier",
        "limit_type",
    ];
    for name in Metric::ALL.map(Metric::name).into_iter().chain(ALIASES.map(|a| a.0)) {
        assert!(!keywords.contains(&name), "{name}");
        assert!(!(name.starts_with('p') && name[1..].bytes().all(|b| b.is_ascii_digit())), "{name}");
    }
}
