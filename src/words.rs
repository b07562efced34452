//! Words as people meet them: hidden characters made visible, and the known word nearest to a
//! mistyped one.

use std::borrow::Cow;
use std::fmt::Write;

/// How an escaped character begins.
const ESCAPE: &str = "\\u{";
/// Longest word that is compared with known ones, in characters.
const WORD_MAX: usize = 32;

/// Whether a terminal or a reader's eye could be misled by `c`: control characters, and the
/// invisible ones that reorder, join or hide text.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Appends `c`, as `\u{..}` when it is hidden.
pub fn push_escaped(out: &mut String, c: char) {
    if is_hidden(c) { out.extend(c.escape_unicode()) } else { out.push(c) }
}

/// Text with everything hidden made visible; line ends and tabs as `\n`, `\r`, `\t`.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c => push_escaped(&mut out, c),
        }
    }
    out
}

/// Appends `c` as JSON strings write any character: `\u` and four digits, twice where it takes two.
pub fn push_json_escaped(out: &mut String, c: char) {
    for unit in c.encode_utf16(&mut [0; 2]) {
        // Writing to a string cannot fail.
        let _ = write!(out, "\\u{unit:04x}");
    }
}

/// JSON text, which holds what is hidden in strings only, with that made visible; it means the same.
pub fn visible_json(text: String) -> String {
    // Nearly every text is ASCII, and serde_json escapes all that is hidden in it but DEL.
    if text.bytes().all(|b| b < 0x7f) {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hidden(c) { push_json_escaped(&mut out, c) } else { out.push(c) }
    }
    out
}

/// Text for a cell of CSV, which has no escapes of its own: everything hidden as `\u{1b}`, and a
/// backslash that would begin such a word as `\u{5c}`, so that [`csv_unescaped`] gives it back.
pub fn csv_escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hidden) && !text.contains(ESCAPE) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for (at, c) in text.char_indices() {
        if c == '\\' && text[at..].starts_with(ESCAPE) {
            out.extend(c.escape_unicode())
        } else {
            push_escaped(&mut out, c)
        }
    }
    Cow::Owned(out)
}

/// The text that [`csv_escaped`] was given. Any other `\u{..}` stays as it is.
pub fn csv_unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains(ESCAPE) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once(ESCAPE) {
        out.push_str(before);
        let word = behind.split_once('}').and_then(|(hex, after)| {
            let c = char::from_u32(u32::from_str_radix(hex, 16).ok()?)?;
            (is_hidden(c) || c == '\\').then_some((c, after))
        });
        match word {
            Some((c, after)) => {
                out.push(c);
                rest = after;
            }
            None => {
                out.push_str(ESCAPE);
                rest = behind;
            }
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Whether a spreadsheet takes a cell for a formula, perhaps behind apostrophes.
pub fn is_formula(cell: &str) -> bool {
    cell.trim_start_matches('\'').starts_with(['=', '+', '-', '@', '\t', '\r'])
}

/// The known word nearest to `word`, when it is near: at most a third of its letters differ.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = word.chars().count();
    if length > WORD_MAX {
        return None;
    }
    let near = (length / 3).min(3);
    let lower = word.to_ascii_lowercase();
    let mut best: Option<(usize, &str)> = None;
    for candidate in known {
        let distance = if candidate == lower { 0 } else { strsim::osa_distance(word, candidate) };
        if distance <= near && best.is_none_or(|(d, _)| distance < d) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_becomes_visible() {
        assert_eq!(escaped("\x1b[2J\u{202e}\u{9b}\u{e0041}é日"), "\\u{1b}[2J\\u{202e}\\u{9b}\\u{e0041}é日");
        assert_eq!(escaped("a\r\n\tb"), "a\\r\\n\\tb");
        assert!(!escaped("\0\u{7f}\u{200d}\u{feff}").chars().any(is_hidden));
    }

    #[test]
    fn json_means_the_same_with_everything_visible() {
        let value = serde_json::json!({"a\u{202e}b": "\x1b\u{7f}\u{9b}\u{e0041}é日\n"});
        let shown = visible_json(value.to_string());
        assert_eq!(shown, "{\"a\\u202eb\":\"\\u001b\\u007f\\u009b\\udb40\\udc41é日\\n\"}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
    }

    #[test]
    fn a_near_word_is_found_and_a_far_one_is_not() {
        let known = ["latency", "cost", "Europe/Berlin"];
        for (word, found) in [
            ("latancy", Some("latency")),
            ("LATENCY", Some("latency")),
            ("Europe/Berln", Some("Europe/Berlin")),
            ("cots", Some("cost")),
            ("zzz", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), found, "{word}");
        }
    }
}
