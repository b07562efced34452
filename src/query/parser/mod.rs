//! Text to tree, by recursive descent with binding strengths: one pass, no backtracking but one
//! restart as a filter, nesting counted.

mod call;
mod clause;
mod expr;
mod filter;
mod hints;

use super::ast::{At, Condition, Expr, Filter, Kind, Query};
use super::error::{ParseError, Span, quoted};
use super::token::{Lexeme, Lexer, Sign, Token};
use super::{check, printer::Nanos};

/// Longest text of a query in bytes.
pub const SOURCE_MAX: usize = 64 * 1024;
/// Most parentheses, NOTs, signs and calls within each other.
pub const NESTING_MAX: usize = 64;
/// Most regular expressions: each may cost a millisecond to refuse.
pub const PATTERNS_MAX: usize = 8;

/// What is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Query,
    Filter,
    Condition,
    /// A part that a hint is made of. Its errors are seen by nobody, and must not ask for hints in turn.
    Hint,
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    mode: Mode,
    nesting: usize,
    patterns: usize,
}

/// Reads what `metrics --query` takes: an expression, or a filter of events.
///
/// # Errors
/// The first thing that is wrong, with its place and a hint.
pub fn parse(source: &str) -> Result<Query, ParseError> {
    let query = parse_syntax(source)?;
    if let Query::Expr(expr) = &query {
        check::query(expr)?;
    }
    Ok(query)
}

/// Reads a filter of single events, as `--where` takes it.
///
/// # Errors
/// The first thing that is wrong, with its place and a hint.
pub fn parse_filter(source: &str) -> Result<Filter, ParseError> {
    let mut parser = Parser::new(source, Mode::Filter)?;
    let filter = parser.whole_filter()?;
    fits_written_out(source, &filter)?;
    Ok(filter)
}

/// Reads the condition of an alert.
///
/// # Errors
/// The first thing that is wrong, with its place and a hint.
pub fn parse_condition(source: &str) -> Result<Condition, ParseError> {
    let condition = parse_condition_syntax(source)?;
    check::condition(&condition.expr)?;
    Ok(condition)
}

/// [`parse`] without the check of units and aggregations.
pub(super) fn parse_syntax(source: &str) -> Result<Query, ParseError> {
    let mut parser = Parser::new(source, Mode::Query)?;
    let query = match parser.whole_expr() {
        Ok(expr) => Query::Expr(expr),
        Err(e) if e.label => {
            let mut parser = Parser::new(source, Mode::Query)?;
            Query::Filter(parser.whole_filter()?)
        }
        Err(e) => return Err(e),
    };
    fits_written_out(source, &query)?;
    Ok(query)
}

/// [`parse_condition`] without the check of units and aggregations.
pub(super) fn parse_condition_syntax(source: &str) -> Result<Condition, ParseError> {
    let mut parser = Parser::new(source, Mode::Condition)?;
    let expr = parser.expr(0)?;
    let hold = if parser.eat_word("for")? {
        let (value, span) = parser.duration("for")?;
        Some(At { value, span })
    } else {
        None
    };
    parser.expect_end("the condition")?;
    let condition = Condition { expr, hold };
    fits_written_out(source, &condition)?;
    Ok(condition)
}

/// Reads a comparison with a literal, its left side left out: `> 2s`.
pub(super) fn parse_bound(source: &str) -> Result<(super::ast::CmpOp, Expr), ParseError> {
    let mut parser = Parser::new(source, Mode::Query)?;
    let lexeme = parser.peek()?;
    let Token::Sign(sign) = lexeme.token else {
        return Err(ParseError::new(lexeme.span, "a comparison is missing").hint("write '> 2s'"));
    };
    let Some(op) = expr::comparison(sign) else {
        return Err(ParseError::new(lexeme.span, "a comparison is missing").hint("write '> 2s'"));
    };
    parser.next()?;
    let literal = parser.expr(0)?;
    parser.expect_end("the bound")?;
    if super::planner::constant(&literal).is_none() {
        return Err(ParseError::new(literal.span, "a bound is a number").hint("write '> 2s'"));
    }
    Ok((op, literal))
}

/// Clauses of parentheses are repeated at every metric inside, so the canonical text may be longer
/// than what was written; it must still be a query. Short texts cannot grow that much.
fn fits_written_out(source: &str, tree: &impl std::fmt::Display) -> Result<(), ParseError> {
    const CANNOT_GROW_TOO_LONG: usize = 1024;
    if source.len() > CANNOT_GROW_TOO_LONG && tree.to_string().len() > SOURCE_MAX {
        return Err(ParseError::new(Span::new(0, source.len()), "the query is too long when written out")
            .hint(format!("at most {SOURCE_MAX} bytes")));
    }
    Ok(())
}

impl<'a> Parser<'a> {
    fn new(source: &'a str, mode: Mode) -> Result<Self, ParseError> {
        if source.len() > SOURCE_MAX {
            return Err(ParseError::new(Span::new(0, 0), format!("the query is too large: {} bytes", source.len()))
                .hint(format!("at most {SOURCE_MAX} bytes")));
        }
        Ok(Self { lexer: Lexer::new(source), mode, nesting: 0, patterns: 0 })
    }

    fn whole_expr(&mut self) -> Result<Expr, ParseError> {
        let expr = self.expr(0)?;
        self.expect_end("the query")?;
        Ok(expr)
    }

    fn peek(&mut self) -> Result<Lexeme, ParseError> {
        self.lexer.peek()
    }

    fn next(&mut self) -> Result<Lexeme, ParseError> {
        self.lexer.next()
    }

    fn text(&self, lexeme: Lexeme) -> &'a str {
        self.lexer.text(lexeme.span)
    }

    /// The word that stands next, if one does.
    fn word(&mut self) -> Result<Option<&'a str>, ParseError> {
        let lexeme = self.peek()?;
        Ok((lexeme.token == Token::Word).then(|| self.text(lexeme)))
    }

    /// Whether the keyword stands next.
    fn at_word(&mut self, keyword: &str) -> Result<bool, ParseError> {
        Ok(self.word()?.is_some_and(|w| w.eq_ignore_ascii_case(keyword)))
    }

    /// Takes the keyword when it stands next.
    fn eat_word(&mut self, keyword: &str) -> Result<bool, ParseError> {
        let there = self.at_word(keyword)?;
        if there {
            self.next()?;
        }
        Ok(there)
    }

    fn at_sign(&mut self, sign: Sign) -> Result<bool, ParseError> {
        Ok(self.peek()?.token == Token::Sign(sign))
    }

    fn eat_sign(&mut self, sign: Sign) -> Result<Option<Span>, ParseError> {
        if !self.at_sign(sign)? {
            return Ok(None);
        }
        Ok(Some(self.next()?.span))
    }

    /// One level deeper: parentheses, NOT, a sign, a call.
    fn nested<T>(
        &mut self,
        span: Span,
        inside: impl FnOnce(&mut Self) -> Result<T, ParseError>,
    ) -> Result<T, ParseError> {
        if self.nesting >= NESTING_MAX {
            return Err(ParseError::new(span, format!("nested too deeply: at most {NESTING_MAX} levels"))
                .hint("use fewer parentheses"));
        }
        self.nesting += 1;
        let result = inside(self);
        self.nesting -= 1;
        result
    }

    /// Takes `(`, which must follow `after`.
    fn open(&mut self, after: &str) -> Result<Span, ParseError> {
        match self.eat_sign(Sign::ParenOpen)? {
            Some(span) => Ok(span),
            None => {
                let found = self.peek()?;
                Err(ParseError::new(
                    found.span,
                    format!("expected '(' after {} before {}", quoted(after), self.shown(found)),
                ))
            }
        }
    }

    /// Takes the sign that closes what `opener` opened.
    fn close(&mut self, opener: Span, expected: &str, sign: Sign) -> Result<Span, ParseError> {
        if let Some(span) = self.eat_sign(sign)? {
            return Ok(span);
        }
        let found = self.peek()?;
        let place = if found.token == Token::End { opener } else { found.span };
        let open = self.lexer.text(opener);
        let column = self.column(opener);
        Err(ParseError::new(place, format!("expected {expected} before {}", self.shown(found)))
            .hint(format!("the '{open}' at column {column} is still open")))
    }

    /// Column of a span in its line, counted in characters from 1.
    fn column(&self, span: Span) -> usize {
        let before = self.lexer.source.get(..span.start as usize).unwrap_or_default();
        before.rsplit('\n').next().unwrap_or_default().chars().count() + 1
    }

    /// How a message names a token.
    fn shown(&self, lexeme: Lexeme) -> String {
        if lexeme.token == Token::End { "end of query".to_owned() } else { quoted(self.text(lexeme)) }
    }

    /// "unexpected …", with nothing known about what was meant.
    fn unexpected(&self, lexeme: Lexeme) -> ParseError {
        ParseError::new(lexeme.span, format!("unexpected {}", self.shown(lexeme)))
    }

    fn expect_end(&mut self, what: &str) -> Result<(), ParseError> {
        let lexeme = self.peek()?;
        match lexeme.token {
            Token::End => Ok(()),
            Token::Sign(Sign::ParenClose | Sign::BraceClose | Sign::BracketClose) => {
                Err(self.unexpected(lexeme).hint("nothing is open here to close"))
            }
            _ if self.mode == Mode::Query && self.at_word("for")? => {
                Err(ParseError::new(lexeme.span, "'for' belongs to alert conditions")
                    .hint("leave it out, or use it in alerts create --when"))
            }
            _ => Err(ParseError::new(lexeme.span, format!("unexpected {} after {what}", self.shown(lexeme)))
                .hint("join conditions with AND or OR")),
        }
    }

    /// A duration of whole milliseconds after the keyword `what`.
    fn duration(&mut self, what: &str) -> Result<(u64, Span), ParseError> {
        let lexeme = self.peek()?;
        let Token::Number(num) = lexeme.token else {
            return Err(ParseError::new(lexeme.span, format!("expected a duration after '{what}'"))
                .hint(format!("write {what} 5m")));
        };
        let text = self.text(lexeme);
        let super::ast::Num::Duration(nanos) = num else {
            let hint = match text.strip_suffix('M') {
                Some(figure) => format!("M means million; write {what} {figure}m"),
                None => format!("did you mean {what} {text}m?"),
            };
            return Err(ParseError::new(lexeme.span, format!("{} has no time unit", quoted(text))).hint(hint));
        };
        self.next()?;
        let nanos = super::range::whole_ms(nanos, lexeme.span, &format!("'{what} {}'", Nanos(nanos)))?;
        Ok((nanos, lexeme.span))
    }

    fn node(kind: Kind, span: Span) -> Result<Expr, ParseError> {
        Expr::new(kind, span)
    }
}
