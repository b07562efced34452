//! What format an input has, by its first bytes.

use super::Format;
use super::csv::Columns;
use super::error::shown;
use super::fields::Rules;
use super::key::{Key, Keys};

/// UTF-8's byte order mark.
pub(crate) const BOM: &[u8] = b"\xef\xbb\xbf";

/// The format that the first bytes (behind a byte order mark) speak for. Nothing at all counts as NDJSON.
///
/// # Errors
/// What it looks like instead, with what to do.
pub(crate) fn sniff(first: &[u8], keys: &Keys) -> Result<Format, String> {
    let filled = first.trim_ascii_start();
    match filled {
        [] => return Ok(Format::Ndjson),
        [b'{', ..] => return Ok(log(filled, keys).unwrap_or(Format::Ndjson)),
        [b'[', ..] if let Some(format) = log(filled, keys) => return Ok(format),
        [b'[', ..] => return Err("is a JSON array; NDJSON is one object a line (`jq -c '.[]'` makes it)".into()),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => return Err("is compressed with zstd; pipe it through `zstd -dc`".into()),
        _ => {}
    }
    utf16(first)?;
    let line = filled.split(|b| *b == b'\n').next().unwrap_or_default().trim_ascii_end();
    match Columns::new(line, Rules::default(), keys) {
        Ok(columns) if columns.know_any() => Ok(Format::Csv),
        _ => {
            let begin = shown(&String::from_utf8_lossy(&line[..line.len().min(200)]));
            Err(format!("is neither NDJSON nor CSV with a header row of known names; it begins with \"{begin}\""))
        }
    }
}

/// The tool whose log this is. Words within texts have a backslash before their quote, so a quoted word is one
/// of the log's own; an event of ours is none of them whatever words its names hold.
fn log(first: &[u8], keys: &Keys) -> Option<Format> {
    let line = first.split(|b| *b == b'\n').next().unwrap_or_default();
    if members(line).is_some_and(|names| names.iter().any(|name| keys.find(name.as_bytes()).is_some_and(is_ours))) {
        return None;
    }
    let has = |word: &str| memchr::memmem::find(first, format!("\"{word}\"").as_bytes()).is_some();
    let begins = |word: &str| memchr::memmem::find(first, format!("\"{word}").as_bytes()).is_some();
    if has("call_type") && (has("request_id") || has("response_cost") || has("spend")) {
        Some(Format::LiteLlm)
    } else if has("projectHash") || begins("gemini_cli.") || (has("gemini") && has("thoughts")) {
        Some(Format::Gemini)
    } else if has("session_meta") || has("turn_context") || has("token_count") {
        Some(Format::Codex)
    } else if ["parentUuid", "leafUuid", "isSidechain", "cache_creation_input_tokens"].into_iter().any(has)
        || (has("sessionId") && has("requestId"))
    {
        Some(Format::ClaudeCode)
    } else {
        None
    }
}

/// Fields that none of the tools names as we do.
fn is_ours(key: Key) -> bool {
    !matches!(key, Key::Ts | Key::Type | Key::Model | Key::User | Key::Event | Key::Entry)
}

/// The names in an object, if it is one.
fn members(line: &[u8]) -> Option<Vec<String>> {
    let object: std::collections::BTreeMap<String, serde::de::IgnoredAny> = serde_json::from_slice(line).ok()?;
    Some(object.into_keys().collect())
}

/// Refuses what no text format can be read from.
///
/// # Errors
/// What it is instead, with what to do.
pub(crate) fn utf16(first: &[u8]) -> Result<(), String> {
    match first {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
            Err("is UTF-16; make it UTF-8 first (`iconv -f utf-16 -t utf-8`)".into())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logs_of_other_tools_are_told_apart_and_events_are_none_of_them() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/logs");
        for (file, format) in [
            ("claude-code/projects/-home-alice-work-api/first.jsonl", Format::ClaudeCode),
            ("claude-code/projects/-home-alice-work-api/resumed.jsonl", Format::ClaudeCode),
            ("codex/sessions/2026/05/main.jsonl", Format::Codex),
            ("codex/sessions/2026/05/agent.jsonl", Format::Codex),
            ("gemini/tmp/shop/chats/session-1.json", Format::Gemini),
            ("gemini/tmp/shop/chats/session-2.jsonl", Format::Gemini),
            ("gemini/telemetry.log", Format::Gemini),
            ("litellm/spend.jsonl", Format::LiteLlm),
            ("litellm/payload.json", Format::LiteLlm),
            ("claude-code/expected.ndjson", Format::Ndjson),
            ("gemini/expected.ndjson", Format::Ndjson),
        ] {
            let text = std::fs::read(folder.join(file)).unwrap();
            assert_eq!(sniff(&text, &Keys::default()), Ok(format), "{file}");
        }
        let event = br#"{"ts":1,"type":"request","provider":"p","user":"isSidechain","error":"token_count"}"#;
        assert_eq!(sniff(event, &Keys::default()), Ok(Format::Ndjson));
        assert!(sniff(b"[{\"ts\":1}]", &Keys::default()).is_err());
    }
}
