//! An error drawn for people: the sentence, the place underlined, the hint beside it.
//!
//! The excerpt is one line of at most [`EXCERPT_MAX`] columns around the place. Control and bidi
//! characters are written out before they are measured, so what is underlined is what is seen.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use unicode_width::UnicodeWidthChar;

use super::error::{ParseError, push_escaped};

/// Widest excerpt in columns.
pub(super) const EXCERPT_MAX: usize = 100;

impl ParseError {
    /// The error as a few lines of text, without a newline at the end.
    pub fn render(&self, source: &str, color: bool) -> String {
        let excerpt = Excerpt::new(source, self.span.range());
        let mut mark = AnnotationKind::Primary.span(excerpt.mark.clone());
        if let Some(hint) = &self.hint {
            mark = mark.label(hint.as_str());
        }
        let snippet = Snippet::source(excerpt.text.as_str()).line_start(excerpt.line).annotation(mark);
        let report = [Level::ERROR.primary_title(self.message.as_str()).element(snippet)];
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        renderer.term_width(EXCERPT_MAX * 2).render(&report)
    }
}

struct Excerpt {
    text: String,
    mark: std::ops::Range<usize>,
    line: usize,
}

impl Excerpt {
    fn new(source: &str, span: std::ops::Range<usize>) -> Self {
        let start = span.start.min(source.len());
        let before = source.get(..start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let rest = source.get(line_start..).unwrap_or_default();
        let line = rest.split('\n').next().unwrap_or_default();
        let marked = start - line_start..span.end.saturating_sub(line_start).min(line.len());
        let (text, mark) = Self::window(line, marked);
        Self { text, mark, line: before.bytes().filter(|b| *b == b'\n').count() + 1 }
    }

    /// The part of `line` that is shown, escaped, and where the mark is in it.
    fn window(line: &str, marked: std::ops::Range<usize>) -> (String, std::ops::Range<usize>) {
        let pieces: Vec<(usize, String, usize)> = line.char_indices().map(|(at, c)| piece(at, c)).collect();
        let first = pieces.partition_point(|p| p.0 < marked.start);
        let last = pieces.partition_point(|p| p.0 < marked.end).max(first);
        let (mut from, mut to, mut width) = (first, first, 0);
        let fits = |width: usize, piece: Option<&(usize, String, usize)>| {
            piece.is_some_and(|p| width + p.2 <= EXCERPT_MAX - 2)
        };
        // The mark first, then by turns to both sides while there is room.
        while to < last && fits(width, pieces.get(to)) {
            width += pieces[to].2;
            to += 1;
        }
        loop {
            let right = to >= last && fits(width, pieces.get(to));
            if right {
                width += pieces[to].2;
                to += 1;
            }
            let left = from > 0 && fits(width, pieces.get(from.wrapping_sub(1)));
            if left {
                from -= 1;
                width += pieces[from].2;
            }
            if !left && !right {
                break;
            }
        }
        let mut text = String::new();
        let mut mark = None;
        if from > 0 {
            text.push('…');
        }
        for (i, (_, shown, _)) in pieces.iter().enumerate().take(to).skip(from) {
            if i == first {
                mark = Some(text.len());
            }
            text.push_str(shown);
        }
        let start = mark.unwrap_or(text.len());
        let length: usize = pieces.iter().take(last.min(to)).skip(first).map(|p| p.1.len()).sum();
        let end = (start + length).min(text.len());
        if to < pieces.len() {
            text.push('…');
        }
        (text, start..end)
    }
}

fn piece(at: usize, c: char) -> (usize, String, usize) {
    let mut shown = String::new();
    if c == '\t' {
        shown.push(' ')
    } else {
        push_escaped(&mut shown, c)
    }
    let width = shown.chars().map(|c| c.width().unwrap_or(0)).sum();
    (at, shown, width)
}

#[cfg(test)]
mod tests {
    use unicode_width::UnicodeWidthStr;

    use super::*;
    use crate::query::{Span, parse};

    fn drawn(source: &str) -> String {
        parse(source).unwrap_err().render(source, false)
    }

    #[test]
    fn the_caret_stands_under_the_place() {
        assert_eq!(
            drawn("latancy{provider=\"claude\"} [1h] p95"),
            "error: unknown metric 'latancy'\n  |\n1 | latancy{provider=\"claude\"} [1h] p95\n  | ^^^^^^^ did you mean latency?"
        );
    }

    #[test]
    fn what_is_missing_is_missed_at_the_end() {
        for (source, hint) in [("latency >", "write for example"), ("模型", "did you"), ("", "write for example")] {
            let drawn = drawn(source);
            let marks = drawn.lines().nth(3).unwrap();
            let at = if hint == "did you" { 4 } else { 4 + source.width() };
            assert_eq!(marks.find('^'), Some(at), "{drawn}");
        }
        assert_eq!(
            drawn("latency > "),
            "error: expected a value before end of query\n  |\n1 | latency > \n  |           ^ write for example: latency [1h] p95"
        );
    }

    #[test]
    fn wide_and_invisible_characters_do_not_shift_it() {
        for source in [
            "latency{model=\"模型\"} [1h] mean",
            "latency{model=\"a\u{202e}b\u{200d}c\"} [1h] mean",
            "latency{model=\"👩\u{200d}👩\u{200d}👧 é e\u{301}\"}\t[1h] mean",
        ] {
            let drawn = drawn(source);
            let lines: Vec<&str> = drawn.lines().collect();
            let (text, marks) = (lines[2], lines[3]);
            let column = text[..text.find("mean").unwrap()].width();
            assert_eq!(marks.find("^^^^").unwrap(), column, "{drawn}");
            assert!(!drawn.chars().any(|c| c != '\n' && crate::words::is_hidden(c)), "{drawn:?}");
        }
    }

    #[test]
    fn long_lines_are_cut_around_the_place() {
        let source = format!("latency{{model=\"{}\"}} [1h] mean AND cost > {}", "x".repeat(300), "1".repeat(200));
        let drawn = drawn(&source);
        assert!(drawn.contains("] mean AND"), "{drawn}");
        assert!(drawn.lines().all(|l| l.width() <= EXCERPT_MAX + 60), "{drawn}");
    }

    #[test]
    fn any_place_can_be_drawn() {
        for source in ["", "\n\n", "a\nb", "\u{301}\u{301}", "“", &"é".repeat(500), &"\u{1}".repeat(500)] {
            for start in 0..=source.len() {
                for end in [start, start + 1, source.len()] {
                    let error = ParseError::new(Span::new(start, end), "x").hint("y");
                    assert!(!error.render(source, true).is_empty());
                }
            }
        }
    }
}
