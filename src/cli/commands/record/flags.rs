//! One event from flags: they become the NDJSON line that they stand for, so that the same rules apply.

use std::fmt::Write;

use crate::cli::args::{EventArgs, EventKind};
use crate::error::{Failure, Result};

/// The line, or `None` when no flag is given.
///
/// # Errors
/// A usage error for a number that is none.
pub(super) fn line(args: &EventArgs) -> Result<Option<String>> {
    let kind = args.kind.map(|kind| match kind {
        EventKind::Request => "request",
        EventKind::Cache => "cache",
        EventKind::RateLimit => "rate_limit",
    });
    let is_time_number = |ts: &str| !ts.is_empty() && ts.bytes().all(|b| b.is_ascii_digit());
    let mut out = Line::default();
    out.text("type", kind);
    match args.ts.as_deref() {
        Some(ts) if is_time_number(ts) => out.number("ts", Some(ts))?,
        ts => out.text("ts", ts),
    }
    for (key, value) in [
        ("provider", &args.provider),
        ("model", &args.model),
        ("user", &args.user),
        ("service_tier", &args.service_tier),
        ("error", &args.error),
        ("event", &args.event),
        ("key", &args.key),
        ("limit_type", &args.limit_type),
    ] {
        out.text(key, value.as_deref());
    }
    for (key, value) in [
        ("latency_ms", &args.latency_ms),
        ("ttft_ms", &args.ttft_ms),
        ("input_tokens", &args.input_tokens),
        ("output_tokens", &args.output_tokens),
        ("cached_tokens", &args.cached_tokens),
        ("cache_write_tokens", &args.cache_write_tokens),
        ("cache_write_1h_tokens", &args.cache_write_1h_tokens),
        ("reasoning_tokens", &args.reasoning_tokens),
        ("cost_usd", &args.cost_usd),
        ("saved_cost_usd", &args.saved_cost_usd),
        ("saved_tokens", &args.saved_tokens),
        ("ttl_s", &args.ttl_s),
        ("remaining", &args.remaining),
        ("limit", &args.limit),
    ] {
        out.number(key, value.as_deref())?;
    }
    Ok((!out.0.is_empty()).then(|| format!("{{{}}}", out.0)))
}

/// The members of a JSON object.
#[derive(Default)]
struct Line(String);

impl Line {
    fn text(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.member(key, &serde_json::Value::from(value).to_string());
        }
    }

    /// The digits as they stand: money is not to go through a float.
    fn number(&mut self, key: &str, value: Option<&str>) -> Result<()> {
        let Some(value) = value else { return Ok(()) };
        if serde_json::from_str::<serde_json::Number>(value).is_err() {
            let flag = key.replace('_', "-");
            return Err(Failure::usage(format!("--{flag} '{value}' is not a number")));
        }
        self.member(key, value.trim());
        Ok(())
    }

    fn member(&mut self, key: &str, json: &str) {
        let comma = if self.0.is_empty() { "" } else { "," };
        // Writing to a string cannot fail.
        let _ = write!(self.0, "{comma}\"{key}\":{json}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_become_the_line_they_stand_for() {
        assert_eq!(line(&EventArgs::default()), Ok(None));
        let args = EventArgs {
            kind: Some(EventKind::Request),
            ts: Some("1763320000000".to_owned()),
            provider: Some("a \"b\"\n".to_owned()),
            cost_usd: Some("0.100000000000000000001".to_owned()),
            ..EventArgs::default()
        };
        let expected =
            r#"{"type":"request","ts":1763320000000,"provider":"a \"b\"\n","cost_usd":0.100000000000000000001}"#;
        assert_eq!(line(&args).unwrap().as_deref(), Some(expected));
        for wrong in ["", "abc", "1,5", "NaN", "1 2", "{}", "\"1\"", "null"] {
            assert!(
                line(&EventArgs { latency_ms: Some(wrong.to_owned()), ..EventArgs::default() }).is_err(),
                "{wrong}"
            );
        }
    }
}
