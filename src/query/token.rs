//! The lexer: one token at a time, only when asked, so that what stands in brackets and bare values
//! can be read straight from the text.

use super::ast::Num;
use super::error::{ParseError, Span, quoted, shortened};
use super::number;

/// What the parser sees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Token {
    /// A name or keyword.
    Word,
    /// A literal.
    Number(Num),
    /// A quoted text; still escaped, quotes included in its span.
    Text,
    /// `( ) { } [ ] ,` and operators.
    Sign(Sign),
    /// Nothing left.
    End,
}

/// Punctuation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    ParenOpen,
    ParenClose,
    BraceOpen,
    BraceClose,
    BracketOpen,
    BracketClose,
    Comma,
    Plus,
    Minus,
    Star,
    Slash,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Match,
    NotMatch,
}

/// A token with its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lexeme {
    pub(crate) token: Token,
    pub(crate) span: Span,
}

/// Reads tokens from a text.
#[derive(Clone, Debug)]
pub(crate) struct Lexer<'a> {
    pub(crate) source: &'a str,
    at: usize,
    ahead: Option<Lexeme>,
}

impl<'a> Lexer<'a> {
    pub(crate) const fn new(source: &'a str) -> Self {
        Self { source, at: 0, ahead: None }
    }

    /// The next token, left in place.
    pub(crate) fn peek(&mut self) -> Result<Lexeme, ParseError> {
        if let Some(lexeme) = self.ahead {
            return Ok(lexeme);
        }
        self.skip_space();
        let lexeme = self.scan()?;
        self.ahead = Some(lexeme);
        Ok(lexeme)
    }

    /// The next token, taken.
    pub(crate) fn next(&mut self) -> Result<Lexeme, ParseError> {
        let lexeme = self.peek()?;
        self.ahead = None;
        self.at = lexeme.span.end as usize;
        Ok(lexeme)
    }

    /// The text of a span.
    pub(crate) fn text(&self, span: Span) -> &'a str {
        self.source.get(span.range()).unwrap_or_default()
    }

    /// Where reading goes on; nothing may have been peeked.
    pub(crate) const fn position(&self) -> usize {
        self.at
    }

    /// The end of the text.
    pub(crate) fn end(&self) -> Span {
        Span::new(self.source.len(), self.source.len())
    }

    /// A bare value such as `gpt-4-turbo`, when one stands next. Nothing may have been peeked.
    pub(crate) fn bare(&mut self) -> Option<Span> {
        debug_assert!(self.ahead.is_none(), "a bare value is not a row of tokens");
        self.skip_space();
        let start = self.at;
        while self.byte().is_some_and(|b| b.is_ascii_alphanumeric() || b"_.:/@+-".contains(&b)) {
            self.at += 1;
        }
        (self.at > start).then(|| Span::new(start, self.at))
    }

    /// What stands up to the next `]`, which is taken. Nothing may have been peeked.
    pub(crate) fn until_bracket(&mut self) -> Option<Span> {
        debug_assert!(self.ahead.is_none(), "a range is not a row of tokens");
        let start = self.at;
        let length = self.source.as_bytes().get(start..)?.iter().position(|&b| b == b']')?;
        self.at = start + length + 1;
        let inside = self.source.get(start..start + length)?;
        let trimmed = inside.trim_matches(|c: char| c.is_ascii_whitespace());
        let lead = inside.len() - inside.trim_start_matches(|c: char| c.is_ascii_whitespace()).len();
        Some(Span::new(start + lead, start + lead + trimmed.len()))
    }

    fn byte(&self) -> Option<u8> {
        self.source.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while let Some(b) = self.byte() {
            if b == b'#' {
                let rest = self.source.as_bytes().get(self.at..).unwrap_or_default();
                self.at += rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
            } else if matches!(b, b' ' | b'\t' | b'\n' | b'\r') {
                self.at += 1;
            } else {
                break;
            }
        }
    }

    fn scan(&self) -> Result<Lexeme, ParseError> {
        let start = self.at;
        let Some(first) = self.byte() else {
            return Ok(Lexeme { token: Token::End, span: self.end() });
        };
        if first.is_ascii_alphabetic() || first == b'_' {
            return Ok(Lexeme { token: Token::Word, span: Span::new(start, self.word_end()) });
        }
        if first.is_ascii_digit() || first == b'$' {
            let (num, span) = number::scan(self.source, start)?;
            return Ok(Lexeme { token: Token::Number(num), span });
        }
        if first == b'"' || first == b'\'' {
            return Ok(Lexeme { token: Token::Text, span: self.text_span(first)? });
        }
        let second = self.source.as_bytes().get(start + 1).copied();
        let (sign, length) = match (first, second) {
            (b'=', Some(b'=')) => (Sign::Eq, 2),
            (b'=', Some(b'~')) => (Sign::Match, 2),
            (b'=', _) => (Sign::Eq, 1),
            (b'!', Some(b'=')) => (Sign::Ne, 2),
            (b'!', Some(b'~')) => (Sign::NotMatch, 2),
            (b'<', Some(b'=')) => (Sign::Le, 2),
            (b'<', Some(b'>')) => {
                return Err(ParseError::new(Span::new(start, start + 2), "unexpected '<>'").hint("write !="));
            }
            (b'<', _) => (Sign::Lt, 1),
            (b'>', Some(b'=')) => (Sign::Ge, 2),
            (b'>', _) => (Sign::Gt, 1),
            (b'(', _) => (Sign::ParenOpen, 1),
            (b')', _) => (Sign::ParenClose, 1),
            (b'{', _) => (Sign::BraceOpen, 1),
            (b'}', _) => (Sign::BraceClose, 1),
            (b'[', _) => (Sign::BracketOpen, 1),
            (b']', _) => (Sign::BracketClose, 1),
            (b',', _) => (Sign::Comma, 1),
            (b'+', _) => (Sign::Plus, 1),
            (b'-', _) => (Sign::Minus, 1),
            (b'*', _) => (Sign::Star, 1),
            (b'/', _) => (Sign::Slash, 1),
            _ => return Err(self.stranger()),
        };
        Ok(Lexeme { token: Token::Sign(sign), span: Span::new(start, start + length) })
    }

    /// End of the word at the cursor. The dot of `p99.9` belongs to it.
    fn word_end(&self) -> usize {
        let bytes = self.source.as_bytes();
        let digits = |mut at: usize| {
            while bytes.get(at).is_some_and(u8::is_ascii_digit) {
                at += 1;
            }
            at
        };
        let mut end = self.at;
        while bytes.get(end).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_') {
            end += 1;
        }
        let quantile = matches!(bytes.get(self.at), Some(b'p' | b'P'))
            && end > self.at + 1
            && digits(self.at + 1) == end
            && bytes.get(end) == Some(&b'.');
        if quantile && digits(end + 1) > end + 1 { digits(end + 1) } else { end }
    }

    fn text_span(&self, quote: u8) -> Result<Span, ParseError> {
        let bytes = self.source.as_bytes();
        let mut at = self.at + 1;
        loop {
            match bytes.get(at) {
                None => {
                    return Err(ParseError::new(Span::new(self.at, self.at + 1), "the text is not closed")
                        .hint(format!("add a closing {}", char::from(quote))));
                }
                Some(&b) if b == quote => return Ok(Span::new(self.at, at + 1)),
                Some(b'\\') => at += 2,
                Some(&b) if b < 0x20 || b == 0x7f => {
                    return Err(ParseError::new(
                        Span::new(at, at + 1),
                        format!("a text cannot contain the control character U+{b:04X} as it is"),
                    )
                    .hint(format!("write \\u{{{b:x}}}")));
                }
                Some(_) => at += 1,
            }
        }
    }

    /// The error about a character that begins no token.
    fn stranger(&self) -> ParseError {
        let rest = self.source.get(self.at..).unwrap_or_default();
        let word = |text: &str, hint: &str| {
            ParseError::new(Span::new(self.at, self.at + text.len()), format!("unexpected {}", quoted(text))).hint(hint)
        };
        for (text, hint) in [
            ("&&", "write AND"),
            ("&", "write AND"),
            ("||", "write OR"),
            ("|", "write OR"),
            ("!", "write NOT"),
            ("%", "write a share without a space: 5%"),
            ("^", "there are no powers; write x * x"),
            ("~", "write =~ \"pattern\""),
            (".", "write 0.5, not .5"),
            ("`", "use plain \" quotes"),
        ] {
            if rest.starts_with(text) {
                return word(text, hint);
            }
        }
        let c = rest.chars().next().unwrap_or(' ');
        let hint = match c {
            '“' | '”' | '‘' | '’' | '„' | '«' | '»' | '´' => Some("use plain \" quotes"),
            '≥' => Some("write >="),
            '≤' => Some("write <="),
            '≠' => Some("write !="),
            '−' | '–' | '—' => Some("write a plain -"),
            '×' | '·' => Some("write *"),
            '÷' => Some("write /"),
            'µ' | 'μ' => Some("write us for microseconds"),
            '€' | '£' | '¥' => Some("money is in US dollars: $5"),
            c if c.is_whitespace() => Some("use a plain space"),
            _ => None,
        };
        let shown = shortened(c.encode_utf8(&mut [0; 4]));
        let error = ParseError::new(
            Span::new(self.at, self.at + c.len_utf8()),
            format!("unexpected character '{shown}' (U+{:04X})", u32::from(c)),
        );
        error.maybe(hint.map(str::to_owned))
    }
}

/// Resolves the escapes of a quoted text. In a regular expression unknown ones stay as they are, so
/// that `"gpt-4\.1"` and `"gpt-4\\.1"` mean the same.
pub(crate) fn unescape(quoted_text: &str, span: Span, regex: bool) -> Result<String, ParseError> {
    let inner = quoted_text.get(1..quoted_text.len().saturating_sub(1)).unwrap_or_default();
    let mut out = String::with_capacity(inner.len());
    let mut at = 0;
    while let Some(c) = inner.get(at..).and_then(|rest| rest.chars().next()) {
        at += c.len_utf8();
        if c != '\\' {
            out.push(c);
            continue;
        }
        let Some(escaped) = inner.get(at..).and_then(|rest| rest.chars().next()) else { break };
        let from = at - 1;
        at += escaped.len_utf8();
        match escaped {
            '\\' | '"' | '\'' => out.push(escaped),
            'n' => out.push('\n'),
            't' => out.push('\t'),
            'r' => out.push('\r'),
            'u' if inner.get(at..).is_some_and(|rest| rest.starts_with('{')) => {
                let rest = inner.get(at + 1..).unwrap_or_default();
                let digits: usize = rest.bytes().take_while(u8::is_ascii_hexdigit).count();
                let value = rest
                    .get(..digits)
                    .filter(|_| rest.get(digits..).is_some_and(|r| r.starts_with('}')))
                    .and_then(|hex| u32::from_str_radix(hex, 16).ok())
                    .and_then(char::from_u32);
                let place = span.start as usize + 1;
                let Some(value) = value else {
                    return Err(ParseError::new(
                        Span::new(place + from, place + at),
                        "there is no such character after \\u",
                    )
                    .hint("write \\u{2028}"));
                };
                out.push(value);
                at += digits + 2;
            }
            other if regex => {
                out.push('\\');
                out.push(other);
            }
            other => {
                let place = span.start as usize + 1;
                return Err(ParseError::new(
                    Span::new(place + from, place + at),
                    format!("unknown escape '\\{}'", shortened(other.encode_utf8(&mut [0; 4]))),
                )
                .hint("write \\\\ for a backslash"));
            }
        }
    }
    Ok(out)
}
