//! Operators and their binding strengths, from OR to the sign.

use super::{Mode, Parser};
use crate::query::ast::{ArithOp, BoolOp, CmpOp, Expr, Kind, Num};
use crate::query::error::ParseError;
use crate::query::token::{Lexeme, Sign, Token};

const OR: u8 = 1;
const AND: u8 = 2;
const NOT: u8 = 3;
const CMP: u8 = 4;
const SUM: u8 = 5;
const PRODUCT: u8 = 6;
const UNARY: u8 = 7;

enum Operator {
    Bool(BoolOp),
    Cmp(CmpOp),
    Arith(ArithOp),
}

impl Operator {
    const fn binding(&self) -> u8 {
        match self {
            Self::Bool(BoolOp::Or) => OR,
            Self::Bool(BoolOp::And) => AND,
            Self::Cmp(_) => CMP,
            Self::Arith(ArithOp::Add | ArithOp::Sub) => SUM,
            Self::Arith(ArithOp::Mul | ArithOp::Div) => PRODUCT,
        }
    }
}

pub(super) const fn comparison(sign: Sign) -> Option<CmpOp> {
    Some(match sign {
        Sign::Eq => CmpOp::Eq,
        Sign::Ne => CmpOp::Ne,
        Sign::Lt => CmpOp::Lt,
        Sign::Le => CmpOp::Le,
        Sign::Gt => CmpOp::Gt,
        Sign::Ge => CmpOp::Ge,
        _ => return None,
    })
}

impl Parser<'_> {
    /// An expression of operators that bind at least as tightly as `min`.
    pub(super) fn expr(&mut self, min: u8) -> Result<Expr, ParseError> {
        let mut left = self.prefix(min)?;
        while let Some(operator) = self.operator()?.filter(|o| o.binding() >= min) {
            left = match operator {
                Operator::Bool(op) => self.list(op, left)?,
                Operator::Cmp(op) => {
                    self.next()?;
                    let right = self.expr(SUM)?;
                    self.no_chain(op, &left, &right)?;
                    let span = left.span.to(right.span);
                    Self::node(Kind::Cmp(op, Box::new(left), Box::new(right)), span)?
                }
                Operator::Arith(op) => {
                    self.next()?;
                    let right = self.expr(operator.binding() + 1)?;
                    let span = left.span.to(right.span);
                    Self::node(Kind::Arith(op, Box::new(left), Box::new(right)), span)?
                }
            };
        }
        Ok(left)
    }

    /// The operator that stands next, left in place.
    fn operator(&mut self) -> Result<Option<Operator>, ParseError> {
        let lexeme = self.peek()?;
        Ok(match lexeme.token {
            Token::Word => match self.text(lexeme) {
                w if w.eq_ignore_ascii_case("and") => Some(Operator::Bool(BoolOp::And)),
                w if w.eq_ignore_ascii_case("or") => Some(Operator::Bool(BoolOp::Or)),
                _ => None,
            },
            Token::Sign(Sign::Plus) => Some(Operator::Arith(ArithOp::Add)),
            Token::Sign(Sign::Minus) => Some(Operator::Arith(ArithOp::Sub)),
            Token::Sign(Sign::Star) => Some(Operator::Arith(ArithOp::Mul)),
            Token::Sign(Sign::Slash) => Some(Operator::Arith(ArithOp::Div)),
            Token::Sign(sign) => comparison(sign).map(Operator::Cmp),
            _ => None,
        })
    }

    /// All operands joined by `op`, gathered into one node: chains of any length stay flat.
    fn list(&mut self, op: BoolOp, first: Expr) -> Result<Expr, ParseError> {
        let (word, tighter) = match op {
            BoolOp::And => ("and", NOT),
            BoolOp::Or => ("or", AND),
        };
        let mut span = first.span;
        let mut list = vec![first];
        while self.eat_word(word)? {
            let next = self.expr(tighter)?;
            span = span.to(next.span);
            list.push(next);
        }
        Self::node(Kind::Bool(op, list), span)
    }

    fn no_chain(&mut self, first: CmpOp, left: &Expr, middle: &Expr) -> Result<(), ParseError> {
        let lexeme = self.peek()?;
        let Token::Sign(sign) = lexeme.token else { return Ok(()) };
        let Some(second) = comparison(sign) else { return Ok(()) };
        let error = ParseError::new(lexeme.span, "comparisons cannot be chained");
        self.next()?;
        let right = self.expr(SUM).map_err(|_| error.clone().hint("join two comparisons with AND"))?;
        let turned = if matches!(left.kind, Kind::Num(_)) {
            format!("{middle} {} {left}", mirrored(first))
        } else {
            format!("{left} {first} {middle}")
        };
        let hint = format!("{turned} AND {middle} {second} {right}");
        Err(error.hint(if hint.len() <= 120 { hint } else { "join two comparisons with AND".to_owned() }))
    }

    /// What stands before operators: NOT, a sign, parentheses, a literal, a name.
    fn prefix(&mut self, min: u8) -> Result<Expr, ParseError> {
        let lexeme = self.peek()?;
        match lexeme.token {
            Token::Number(num) => {
                self.next()?;
                Self::node(Kind::Num(num), lexeme.span)
            }
            Token::Sign(Sign::ParenOpen) => self.nested(lexeme.span, Self::parentheses),
            Token::Sign(Sign::Minus) => {
                self.next()?;
                let inner = self.nested(lexeme.span, |p| p.expr(UNARY))?;
                let span = lexeme.span.to(inner.span);
                Self::node(Kind::Neg(Box::new(inner)), span)
            }
            Token::Sign(Sign::Plus) => {
                self.next()?;
                self.nested(lexeme.span, |p| p.expr(UNARY))
            }
            Token::Word if self.text(lexeme).eq_ignore_ascii_case("not") => {
                if min > NOT {
                    return Err(self.unexpected(lexeme).hint("put NOT … in parentheses"));
                }
                self.next()?;
                let inner = self.nested(lexeme.span, |p| p.expr(NOT))?;
                let span = lexeme.span.to(inner.span);
                Self::node(Kind::Not(Box::new(inner)), span)
            }
            Token::Word => self.name(),
            Token::Text => Err(ParseError::new(lexeme.span, format!("{} is text", self.shown(lexeme)))
                .hint("texts stand in braces: latency{provider=\"claude\"}")),
            Token::End => Err(self.missing(lexeme)),
            Token::Sign(Sign::BraceOpen) => Err(ParseError::new(lexeme.span, "expected a metric before '{'")
                .hint("write latency{…}, requests{…}, cost{…}")),
            Token::Sign(_) => {
                let shown = self.shown(lexeme);
                Err(ParseError::new(lexeme.span, format!("expected a value before {shown}")))
            }
        }
    }

    fn missing(&self, end: Lexeme) -> ParseError {
        if self.lexer.source.trim().is_empty() {
            return ParseError::new(end.span, "the query is empty").hint("write for example: latency [1h] p95");
        }
        let hint = match self.mode {
            Mode::Condition => "avg(latency) > 2s",
            Mode::Query | Mode::Filter | Mode::Hint => "latency [1h] p95",
        };
        ParseError::new(end.span, "expected a value before end of query").hint(format!("write for example: {hint}"))
    }

    /// `( … )` with the clauses behind it, which go to every metric inside that lacks its own.
    fn parentheses(&mut self) -> Result<Expr, ParseError> {
        let open = self.next()?.span;
        let mut inner = self.expr(0)?;
        let close = self.close(open, "')'", Sign::ParenClose)?;
        inner.span = open.to(close);
        let clauses = self.clauses()?;
        clauses.spread(inner)
    }
}

const fn mirrored(op: CmpOp) -> CmpOp {
    match op {
        CmpOp::Lt => CmpOp::Gt,
        CmpOp::Le => CmpOp::Ge,
        CmpOp::Gt => CmpOp::Lt,
        CmpOp::Ge => CmpOp::Le,
        same => same,
    }
}

/// Whether a literal is a whole number between `low` and `high`.
pub(super) fn whole(num: Num, low: f64, high: f64) -> Option<u32> {
    let Num::Plain(v) = num else { return None };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be a whole number in range"
    )]
    (v.fract() == 0.0 && (low..=high).contains(&v)).then_some(v as u32)
}
