//! What format an input has, by its first bytes.

use super::Format;
use super::csv::Columns;
use super::error::shown;
use super::fields::Rules;
use super::key::Keys;

/// UTF-8's byte order mark.
pub(crate) const BOM: &[u8] = b"\xef\xbb\xbf";

/// The format that the first bytes (behind a byte order mark) speak for. Nothing at all counts as NDJSON.
///
/// # Errors
/// What it looks like instead, with what to do.
pub(crate) fn sniff(first: &[u8], keys: &Keys) -> Result<Format, String> {
    let filled = first.trim_ascii_start();
    match filled {
        [] | [b'{', ..] => return Ok(Format::Ndjson),
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
