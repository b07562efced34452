//! The filter language: what stands in braces, after `--where`, and as a query of events.

use ax_storage::query::plan::Label;

use super::clause::label;
use super::expr::comparison;
use super::{Mode, PATTERNS_MAX, Parser, hints};
use crate::metric::{Aggregation, Metric};
use crate::query::ast::{BoolOp, CmpOp, Field, Filter, FilterKind, Signed};
use crate::query::check;
use crate::query::error::{ParseError, Span, did_you_mean, quoted, shortened};
use crate::query::regex::Pattern;
use crate::query::token::{Lexeme, Sign, Token, unescape};

/// Labels with different wanted texts are an error: nothing could match.
pub(super) fn no_contradiction(filter: &Filter, braces: Option<Span>) -> Result<(), ParseError> {
    let FilterKind::Bool(BoolOp::And, list) = &filter.kind else { return Ok(()) };
    let mut wanted: [Option<&str>; Label::ALL.len()] = [None; Label::ALL.len()];
    for part in list {
        let FilterKind::Equals { label, negated: false, value } = &part.kind else { continue };
        let slot = &mut wanted[*label as usize];
        match slot {
            Some(other) if **other != **value => {
                return Err(ParseError::new(
                    braces.unwrap_or(part.span),
                    format!("'{}' cannot equal two different values", label.name()),
                )
                .hint(format!("{} in ({}, {})", label.name(), shortened(other), shortened(value))));
            }
            _ => *slot = Some(value),
        }
    }
    Ok(())
}

impl Parser<'_> {
    pub(super) fn whole_filter(&mut self) -> Result<Filter, ParseError> {
        let filter = self.filter()?;
        self.expect_end("the filter")?;
        Ok(filter)
    }

    /// Conditions joined by OR.
    pub(super) fn filter(&mut self) -> Result<Filter, ParseError> {
        self.filter_list(BoolOp::Or)
    }

    fn filter_list(&mut self, op: BoolOp) -> Result<Filter, ParseError> {
        let word = match op {
            BoolOp::And => "and",
            BoolOp::Or => "or",
        };
        let part = |p: &mut Self| if op == BoolOp::Or { p.filter_list(BoolOp::And) } else { p.filter_term() };
        let first = part(self)?;
        if !self.at_word(word)? {
            return Ok(first);
        }
        let mut span = first.span;
        let mut list = vec![first];
        while self.eat_word(word)? {
            let next = part(self)?;
            span = span.to(next.span);
            list.push(next);
        }
        let filter = Filter::new(FilterKind::Bool(op, list), span)?;
        no_contradiction(&filter, None)?;
        Ok(filter)
    }

    fn filter_term(&mut self) -> Result<Filter, ParseError> {
        let lexeme = self.peek()?;
        match lexeme.token {
            Token::Word if self.text(lexeme).eq_ignore_ascii_case("not") => {
                self.next()?;
                let inner = self.nested(lexeme.span, Self::filter_term)?;
                let span = lexeme.span.to(inner.span);
                Filter::new(FilterKind::Not(Box::new(inner)), span)
            }
            Token::Sign(Sign::ParenOpen) => self.nested(lexeme.span, |p| {
                let open = p.next()?.span;
                let mut inner = p.filter()?;
                let close = p.close(open, "')'", Sign::ParenClose)?;
                inner.span = open.to(close);
                Ok(inner)
            }),
            Token::Word => self.comparison(),
            Token::Number(_) | Token::Text => {
                Err(ParseError::new(lexeme.span, "put the field on the left").hint("write latency > 1s"))
            }
            Token::End => Err(ParseError::new(lexeme.span, "expected a label or field before end of query")
                .hint("write provider=claude, or latency > 1s")),
            Token::Sign(_) => {
                let shown = self.shown(lexeme);
                Err(ParseError::new(lexeme.span, format!("expected a label or field before {shown}"))
                    .hint("write provider=claude, or latency > 1s"))
            }
        }
    }

    pub(super) fn comparison(&mut self) -> Result<Filter, ParseError> {
        let lexeme = self.next()?;
        let word = self.text(lexeme);
        if let Some(label) = label(word) {
            return self.label_comparison(lexeme, label);
        }
        if let Some(field) = Field::named(word) {
            return self.field_comparison(lexeme, field);
        }
        let pooled = format!("{} is computed over many requests, so it cannot filter single events", quoted(word));
        if let Some(metric) = Metric::named(word) {
            let hint = match metric {
                Metric::ErrorRate | Metric::Errors => "status=error",
                Metric::SuccessRate => "status=ok",
                Metric::CostPerRequest
                | Metric::Spend
                | Metric::DailySpend
                | Metric::WeeklySpend
                | Metric::MonthlySpend => "cost > $0.10",
                _ => "single events have latency, ttft, cost and tokens",
            };
            return Err(ParseError::new(lexeme.span, pooled).hint(hint));
        }
        if self.mode == Mode::Query && self.at_sign(Sign::ParenOpen).unwrap_or(false) {
            return Err(hints::mixed(self.lexer.source, lexeme.span));
        }
        if super::clause::named_aggregation(word, lexeme.span).is_ok_and(|a: Option<Aggregation>| a.is_some()) {
            return Err(ParseError::new(lexeme.span, pooled).hint("write latency > 2s"));
        }
        let known = Label::ALL.map(Label::name).into_iter().chain(Field::ALL.map(Field::name));
        Err(ParseError::new(lexeme.span, format!("unknown label or field {}", quoted(word)))
            .hint(format!("labels are {}", Label::ALL.map(Label::name).join(", ")))
            .maybe(did_you_mean(word, known)))
    }

    fn label_comparison(&mut self, name: Lexeme, label: Label) -> Result<Filter, ParseError> {
        if let Some(negated) = self.in_list()? {
            let (items, end) = self.items(Self::text_value)?;
            let items = items.into_iter().map(|(text, _)| text.into()).collect();
            return Filter::new(FilterKind::LabelIn { label, negated, items }, name.span.to(end));
        }
        let op = self.next_operator(name)?;
        let (regex, negated) = match op.token {
            Token::Sign(Sign::Eq) => (false, false),
            Token::Sign(Sign::Ne) => (false, true),
            Token::Sign(Sign::Match) => (true, false),
            Token::Sign(Sign::NotMatch) => (true, true),
            _ => {
                return Err(
                    ParseError::new(op.span, format!("'{}' is text", label.name())).hint("use = != =~ !~ or in (…)")
                );
            }
        };
        let (text, span) = self.value(regex)?;
        let kind = if regex {
            self.patterns += 1;
            if self.patterns > PATTERNS_MAX {
                return Err(ParseError::new(span, format!("too many regexes: at most {PATTERNS_MAX}"))
                    .hint("join patterns with |"));
            }
            let pattern = Pattern::new(&text).map_err(|(message, hint)| ParseError::new(span, message).hint(hint))?;
            FilterKind::Matches { label, negated, pattern }
        } else {
            FilterKind::Equals { label, negated, value: text.into() }
        };
        Filter::new(kind, name.span.to(span))
    }

    fn field_comparison(&mut self, name: Lexeme, field: Field) -> Result<Filter, ParseError> {
        if let Some(negated) = self.in_list()? {
            let (items, end) = self.items(|p| p.signed(field, CmpOp::Eq))?;
            let items = items.into_iter().map(|(num, _)| num).collect();
            return Filter::new(FilterKind::FieldIn { field, negated, items }, name.span.to(end));
        }
        let op = self.next_operator(name)?;
        let Token::Sign(sign) = op.token else { return Err(self.unexpected(op)) };
        let Some(op) = comparison(sign) else {
            return Err(ParseError::new(op.span, format!("'{}' is a number", field.name()))
                .hint("use = != < <= > >= or in (…)"));
        };
        let (value, span) = self.signed(field, op)?;
        Filter::new(FilterKind::Number { field, op, value }, name.span.to(span))
    }

    /// The operator after a label or field.
    fn next_operator(&mut self, name: Lexeme) -> Result<Lexeme, ParseError> {
        let lexeme = self.peek()?;
        if matches!(lexeme.token, Token::Sign(s) if comparison(s).is_some() || matches!(s, Sign::Match | Sign::NotMatch))
        {
            return self.next();
        }
        let name = self.text(name);
        let example = if label(name).is_some() { format!("{name}=claude") } else { format!("{name} > 1000") };
        Err(ParseError::new(lexeme.span, format!("expected a comparison after '{name}' before {}", self.shown(lexeme)))
            .hint(format!("write {example}")))
    }

    /// Takes `in` or `NOT in`; says whether it was negated.
    fn in_list(&mut self) -> Result<Option<bool>, ParseError> {
        if self.eat_word("in")? {
            return Ok(Some(false));
        }
        if !self.at_word("not")? {
            return Ok(None);
        }
        self.next()?;
        if self.eat_word("in")? {
            return Ok(Some(true));
        }
        let found = self.peek()?;
        Err(ParseError::new(found.span, format!("expected 'in' after 'NOT' before {}", self.shown(found)))
            .hint("write NOT in (a, b)"))
    }

    fn items<T>(
        &mut self,
        item: impl Fn(&mut Self) -> Result<(T, Span), ParseError>,
    ) -> Result<(Vec<(T, Span)>, Span), ParseError> {
        let open = self.open("in")?;
        let mut items = Vec::new();
        loop {
            items.push(item(self)?);
            if self.eat_sign(Sign::Comma)?.is_none() {
                break;
            }
            // A trailing comma; looked for by hand because a bare value may not be peeked.
            if self.lexer.source.get(self.lexer.position()..).is_some_and(|rest| rest.trim_start().starts_with(')')) {
                break;
            }
        }
        let close = self.close(open, "',' or ')'", Sign::ParenClose)?;
        Ok((items, close))
    }

    fn text_value(&mut self) -> Result<(String, Span), ParseError> {
        self.value(false)
    }

    /// A quoted or bare text. Nothing may have been peeked.
    fn value(&mut self, regex: bool) -> Result<(String, Span), ParseError> {
        if let Some(span) = self.lexer.bare() {
            return Ok((self.lexer.text(span).to_owned(), span));
        }
        let lexeme = self.peek()?;
        if lexeme.token != Token::Text {
            let shown = self.shown(lexeme);
            let what = if regex { "\"claude-.*\"" } else { "\"claude\"" };
            return Err(ParseError::new(lexeme.span, format!("expected a value before {shown}"))
                .hint(format!("write a text in quotes: {what}")));
        }
        self.next()?;
        Ok((unescape(self.text(lexeme), lexeme.span, regex)?, lexeme.span))
    }

    fn signed(&mut self, field: Field, op: CmpOp) -> Result<(Signed, Span), ParseError> {
        let minus = self.eat_sign(Sign::Minus)?;
        let lexeme = self.peek()?;
        let Token::Number(num) = lexeme.token else {
            return Err(ParseError::new(lexeme.span, format!("expected a number before {}", self.shown(lexeme)))
                .hint(format!("write {} {op} 1000", field.name())));
        };
        self.next()?;
        check::literal(field, num, lexeme.span, self.text(lexeme))?;
        let span = minus.map_or(lexeme.span, |m| m.to(lexeme.span));
        Ok((Signed { negative: minus.is_some(), num }, span))
    }
}
