//! Every message of the language: sentence, place and hint, word for word.

use crate::query::{ParseError, parse, parse_condition, parse_filter};

fn error(entry: char, source: &str) -> ParseError {
    match entry {
        'q' => parse(source).map(|q| q.to_string()),
        'f' => parse_filter(source).map(|f| f.to_string()),
        _ => parse_condition(source).map(|c| c.to_string()),
    }
    .expect_err(source)
}

fn check(cases: &[(char, &str, &str, &str, &str)]) {
    for (entry, source, message, place, hint) in cases {
        let e = error(*entry, source);
        let found = source.get(e.span.range()).expect("a span on character boundaries");
        assert_eq!((e.message.as_str(), found, e.hint.as_deref().unwrap_or("")), (*message, *place, *hint), "{source}");
    }
}

/// A hint that cannot be made of the text is a general one: reading the text for it asks for no hint in turn.
#[test]
fn a_hint_is_not_asked_for_a_hint() {
    for rest in ["latency{sum(", "latency{x(y", "avg(latency{a(}) > 2s", "provider=b AND latency{sum("] {
        check(&[(
            'c',
            &format!("provider=a AND {rest}"),
            "'provider' is a label; put it in braces",
            "provider",
            r#"avg(latency{provider="…"}) > 2s"#,
        )]);
    }
}

#[test]
fn messages_promised() {
    check(&[
        ('q', r#"latncy{provider="claude"} [1h] p95"#, "unknown metric 'latncy'", "latncy", "did you mean latency?"),
        (
            'q',
            r#"latency{provder="claude"} [1h] p95"#,
            "unknown label or field 'provder'",
            "provder",
            "did you mean provider?",
        ),
        ('q', "latency [1h] mean", "unknown aggregation 'mean'", "mean", "did you mean avg?"),
        ('q', "cost [30d] sum by(modle)", "unknown label 'modle'", "modle", "did you mean model?"),
        (
            'q',
            r#"latency{provider="claude" [1h] p95"#,
            "expected ',' or '}' before '['",
            "[",
            "the '{' at column 8 is still open",
        ),
        ('q', "cost [1M] sum", "the time range '1M' has no time unit", "1M", "M means million; write [30d] or [month]"),
        ('q', "cost [5] sum", "the time range '5' has no time unit", "5", "did you mean [5m] or [5h]?"),
        ('q', "latency [1h:5m] p95", "bad time range '1h:5m'", "1h:5m", "write [1h] every 5m"),
        ('q', "tokens > 5m", "cannot compare a count with a duration", "5m", "did you mean 5M (million)?"),
        ('c', "error_rate > 5", "a ratio lies between 0 and 1", "5", "did you mean 5%?"),
        ('c', "latency > $5", "cannot compare a duration with money", "$5", "write a duration such as 2s"),
        ('c', "avg(latency)", "an alert condition must compare something", "avg(latency)", "avg(latency) > 2s"),
        (
            'c',
            "provider=claude AND avg(latency) > 2s",
            "'provider' is a label; put it in braces",
            "provider",
            r#"avg(latency{provider="claude"}) > 2s"#,
        ),
        (
            'f',
            "provider=claude latency>1000",
            "unexpected 'latency' after the filter",
            "latency",
            "join conditions with AND or OR",
        ),
        (
            'f',
            "error_rate > 5%",
            "'error_rate' is computed over many requests, so it cannot filter single events",
            "error_rate",
            "status=error",
        ),
        (
            'q',
            "error_rate [1h] p95",
            "p95 of 'error_rate' is not defined: it is already a ratio",
            "p95",
            "use error_rate max every 5m",
        ),
        ('q', r#"cost{model=~"gpt["}"#, "bad regex: unclosed character class", r#""gpt[""#, r"[ needs ] or write \["),
        ('q', "cost [2025-02-30] sum", "there is no day 30 in '2025-02-30'", "2025-02-30", "February 2025 has 28 days"),
        ('c', "1s < latency < 2s", "comparisons cannot be chained", "<", "latency > 1s AND latency < 2s"),
        ('q', "latency 1h p95", "unexpected '1h'", "1h", "write a time range in brackets: [1h]"),
        (
            'q',
            r#"cost{provider="a", provider="b"}"#,
            "'provider' cannot equal two different values",
            r#"{provider="a", provider="b"}"#,
            "provider in (a, b)",
        ),
        ('q', "latency > 5 && cost > 1", "unexpected '&&'", "&&", "write AND"),
        ('q', "topk(5, cost)", "topk(n) goes after the metric", "topk", "cost [7d] sum by(model) topk(5)"),
        ('q', "latency{model=“claude”}", "unexpected character '“' (U+201C)", "“", "use plain \" quotes"),
        ('c', "monthly_spend >= budgt * 0.8", "unknown metric 'budgt'", "budgt", "did you mean budget?"),
        ('q', "cost [999999999999y] sum", "duration is too large", "999999999999y", "the longest is 36500d"),
    ]);
    let chained = error('c', "1s < latency < 2s");
    assert_eq!(chained.span.start, 13, "the second comparison");
}

#[test]
fn further_messages() {
    check(&[
        ('q', "", "the query is empty", "", "write for example: latency [1h] p95"),
        ('q', "latency >", "expected a value before end of query", "", "write for example: latency [1h] p95"),
        ('q', "latency{provider=\"claude", "the text is not closed", "\"", "add a closing \""),
        (
            'q',
            "latency{provider=claude",
            "expected ',' or '}' before end of query",
            "{",
            "the '{' at column 8 is still open",
        ),
        ('q', "latency [1h", "expected ']' before end of query", "[", "the '[' at column 9 is still open"),
        ('q', "(cost", "expected ')' before end of query", "(", "the '(' at column 1 is still open"),
        ('q', "latency [1h] [2h]", "the time range is given twice", "2h", "leave one out"),
        ('q', "latency avg p95", "the aggregation is given twice", "p95", "leave one out"),
        (
            'q',
            "cost [2025-11-02..2025-11-01]",
            "the time range '2025-11-02..2025-11-01' ends before it starts",
            "2025-11-02..2025-11-01",
            "write the earlier time first",
        ),
        ('q', "1 + 2", "the query names no metric", "1 + 2", "ax monitor metrics --list shows all"),
        ('q', "NOT latency", "NOT needs a condition, and this is a duration", "latency", "compare it: latency > 2s"),
        (
            'q',
            "cost > 1 AND latency",
            "AND needs a condition, and this is a duration",
            "latency",
            "compare it: latency > 2s",
        ),
        ('q', "latency + cost", "cannot add a duration to money", "cost", "write a duration such as 2s"),
        (
            'q',
            "avg(cost / requests)",
            "'avg' takes one metric",
            "cost / requests",
            "write avg(latency), and calculate outside",
        ),
        (
            'q',
            "(cost / requests) avg",
            "'avg' cannot stand behind parentheses",
            "avg",
            "write it at each metric: avg(latency)",
        ),
        ('q', "error_rate [1h] max", "max of 'error_rate' needs steps to choose among", "max", "add every 5m"),
        (
            'q',
            "cost by(model) / requests by(provider)",
            "cannot combine by(model) with by(provider)",
            "cost by(model) / requests by(provider)",
            "use one grouping on both sides, or none on one",
        ),
        ('q', "latency\u{a0}[1h]", "unexpected character '\u{a0}' (U+00A0)", "\u{a0}", "use a plain space"),
        ('q', "latency ≥ 5", "unexpected character '≥' (U+2265)", "≥", "write >="),
        (
            'q',
            "histogram_quantile(0.95, latency)",
            "unknown aggregation 'histogram_quantile'",
            "histogram_quantile",
            "did you mean p95?",
        ),
        ('q', "mean(latency)", "unknown aggregation 'mean'", "mean", "did you mean avg?"),
        ('q', "latency p101", "there is no percentile 'p101'", "p101", "percentiles go from p0 to p100"),
        ('q', "1e999 > cost", "the number '1e999' is too large", "1e999", ""),
        (
            'q',
            "monthly_spend [7d]",
            "'monthly_spend' has a time range of its own and takes no time range",
            "7d",
            "use cost with any time range: cost [7d] sum",
        ),
        (
            'q',
            "provider=claude AND avg(latency) > 2s",
            "'provider' is a label; put it in braces",
            "provider",
            r#"avg(latency{provider="claude"}) > 2s"#,
        ),
        (
            'q',
            "cost > 1 for 5m",
            "'for' belongs to alert conditions",
            "for",
            "leave it out, or use it in alerts create --when",
        ),
        ('f', "provider > 5", "'provider' is text", ">", "use = != =~ !~ or in (…)"),
        ('f', "1000 < latency", "put the field on the left", "1000", "write latency > 1s"),
        ('f', "provider=", "expected a value before end of query", "", "write a text in quotes: \"claude\""),
        ('f', r#"model="gpt-4\.1""#, r"unknown escape '\.'", r"\.", r"write \\ for a backslash"),
        ('f', "latency > $5", "cannot compare a duration with money", "$5", "write a duration such as 2s"),
        (
            'c',
            "cost [1h] > cost [2h] + cost",
            "which time range is meant here? two different ones are written",
            "cost",
            "write one here too: [5m]",
        ),
        (
            'q',
            "cost [1h] by(model) / cost [2h] * requests",
            "which time range is meant here? two different ones are written",
            "requests",
            "write one here too: [5m]",
        ),
        (
            'c',
            "baseline > 5",
            "'baseline' stands for the past of one metric in its comparison",
            "baseline",
            "error_rate > baseline * 3",
        ),
        (
            'c',
            "cost vs previous > 5",
            "'vs' cannot stand here: a condition cannot have it",
            "vs previous",
            "leave 'vs' out",
        ),
    ]);
}
