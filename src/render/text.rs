//! Names made safe to print, and text measured and cut by the columns it takes.

use unicode_width::UnicodeWidthStr;

use super::Style;
use crate::error::escaped;

/// A name as it may be shown: control and bidi characters as visible escapes, `(none)` when empty.
pub(super) fn name(text: &str) -> String {
    if text.is_empty() { "(none)".to_owned() } else { escaped(text) }
}

/// Columns that `text` takes; it must not hold colour codes.
pub fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// `text` cut to at most `columns`, with a sign that something is missing.
pub fn clip(text: &str, columns: usize, style: &Style) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let more = style.sign("…", "~");
    if columns == 0 {
        return String::new();
    }
    // From the front: the width of a text need not be the sum of its characters' (joined emoji).
    let mut end = 0;
    for (at, c) in text.char_indices() {
        let next = at + c.len_utf8();
        if width(&text[..next]) + 1 > columns {
            break;
        }
        end = next;
    }
    format!("{}{more}", &text[..end])
}

/// `text` in lines of at most `columns`: broken between words, else after a bracket or comma, and within what is
/// left only where that is wider itself.
pub(super) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let (mut lines, mut line) = (Vec::new(), String::new());
    for part in text.split_inclusive([' ', '{', '(', ',']) {
        if !line.is_empty() && width(&line) + width(part.trim_end()) > columns {
            lines.push(std::mem::take(&mut line).trim_end().to_owned());
        }
        for c in part.chars() {
            line.push(c);
            if c != ' ' && width(&line) > columns {
                line.pop();
                lines.push(std::mem::take(&mut line));
                line.push(c);
            }
        }
    }
    lines.push(line.trim_end().to_owned());
    lines
}

/// `text` filled up with spaces to `columns`, at the left when `right` aligned.
pub fn pad(text: &str, columns: usize, right: bool) -> String {
    let fill = " ".repeat(columns.saturating_sub(width(text)));
    if right { fill + text } else { text.to_owned() + &fill }
}

/// Facts in lines that are broken between facts where they do not fit.
pub(super) fn flow(facts: &[String], between: &str, indent: usize, style: &Style) -> String {
    let room = style.drawn();
    let mut out = String::new();
    let mut used = 0;
    for fact in facts {
        let fact = clip(fact, room.saturating_sub(indent), style);
        let columns = width(&fact);
        if used > 0 && used + width(between) + columns <= room {
            out += between;
            used += width(between);
        } else {
            if used > 0 {
                out = out.trim_end().to_owned() + "\n" + &" ".repeat(indent);
            }
            used = indent;
        }
        out += &fact;
        used += columns;
    }
    out + "\n"
}

/// Text in lines that are broken between words where they do not fit; from the second on `indent` to the right.
pub fn words(text: &str, indent: usize, style: &Style) -> String {
    let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
    flow(&words, " ", indent, style)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words_and_words_only_when_they_must() {
        assert_eq!(wrap("avg(latency) > 2s for 5m", 14), ["avg(latency) >", "2s for 5m"]);
        assert_eq!(wrap("abcdefgh ij", 5), ["abcde", "fgh", "ij"]);
        assert_eq!(wrap("日本語日本語", 5), ["日本", "語日", "本語"]);
        assert_eq!(wrap("avg(latency{provider=\"openai\"})", 20), ["avg(latency{", "provider=\"openai\"})"]);
        assert_eq!((wrap("", 5), wrap("a b", 0)), (vec![String::new()], vec!["a".to_owned(), "b".to_owned()]));
    }
}
