//! What begins with a name: metrics, calls of aggregations, references and detectors.

use ax_storage::query::plan::Label;

use super::clause::{Clauses, label, named_aggregation, unknown_aggregation};
use super::expr::whole;
use super::{Mode, Parser, hints};
use crate::metric::{Aggregation, Metric};
use crate::query::ast::{At, Detect, Detector, Expr, Filter, Kind, Num, Period, Ref, Select};
use crate::query::error::{ParseError, Span, did_you_mean, quoted};
use crate::query::token::{Lexeme, Sign, Token, unescape};

const REFERENCES: [&str; 3] = ["baseline", "budget", "forecast"];
const DETECTORS: [&str; 2] = ["anomaly", "trend"];

impl<'a> Parser<'a> {
    /// The term whose name stands next.
    pub(super) fn name(&mut self) -> Result<Expr, ParseError> {
        let lexeme = self.peek()?;
        let word = self.text(lexeme);
        if let Some(metric) = Metric::named(word) {
            self.next()?;
            let (select, span) = self.metric(metric, lexeme.span)?;
            return Self::node(Kind::Select(Box::new(select)), span);
        }
        if let Some(agg) = named_aggregation(word, lexeme.span)? {
            let (select, span) = self.nested(lexeme.span, |p| p.call(agg))?;
            return Self::node(Kind::Select(Box::new(select)), span);
        }
        let lower = word.to_ascii_lowercase();
        match lower.as_str() {
            "baseline" | "budget" | "forecast" => self.reference(&lower),
            "anomaly" | "trend" => self.nested(lexeme.span, |p| p.detect(&lower)),
            "topk" | "bottomk" => Err(self.misplaced_top(lexeme)),
            _ => Err(self.unknown_name(lexeme, word)),
        }
    }

    fn unknown_name(&mut self, lexeme: Lexeme, word: &str) -> ParseError {
        if let Some(label) = label(word) {
            return self.label_outside(lexeme, label);
        }
        let span = lexeme.span;
        // Look whether it is called before judging it; an unreadable next token changes nothing.
        let called = self.next().is_ok() && self.at_sign(Sign::ParenOpen).unwrap_or(false);
        if called {
            let known = Aggregation::NAMED.map(Aggregation::name).into_iter().chain(DETECTORS).chain(REFERENCES);
            return unknown_aggregation(word, span).maybe(
                did_you_mean(word, known)
                    .filter(|_| unknown_aggregation(word, span).hint.is_some_and(|h| h.starts_with("aggr"))),
            );
        }
        let known = Metric::ALL.map(Metric::name).into_iter().chain(REFERENCES).chain(DETECTORS);
        ParseError::new(span, format!("unknown metric {}", quoted(word)))
            .hint("ax monitor metrics --list shows all")
            .maybe(did_you_mean(word, known))
    }

    /// A label where a metric was expected: in a query the sign to read it as a filter.
    fn label_outside(&self, lexeme: Lexeme, label: Label) -> ParseError {
        let mut error = ParseError::new(lexeme.span, format!("'{}' is a label; put it in braces", label.name()));
        error.label = self.mode == Mode::Query;
        if !error.label && self.mode != Mode::Hint {
            error = error.hint(hints::in_braces(self.lexer.source, lexeme.span, label));
        }
        error
    }

    fn misplaced_top(&mut self, lexeme: Lexeme) -> ParseError {
        let keyword = self.text(lexeme).to_ascii_lowercase();
        let mut inside = || -> Result<(u32, &'a str), ParseError> {
            self.next()?;
            self.open(&keyword)?;
            let Token::Number(num) = self.next()?.token else { return Err(self.unexpected(lexeme)) };
            self.eat_sign(Sign::Comma)?;
            let metric = self.next()?;
            let metric = self.text(metric);
            Ok((whole(num, 1.0, 10_000.0).unwrap_or(5), if Metric::named(metric).is_some() { metric } else { "cost" }))
        };
        let (count, metric) = inside().unwrap_or((5, "cost"));
        let agg = Metric::named(metric).map_or(Aggregation::Sum, |m| m.info().default);
        ParseError::new(lexeme.span, format!("{keyword}(n) goes after the metric"))
            .hint(format!("{metric} [7d] {agg} by(model) {keyword}({count})"))
    }

    /// A metric whose name was taken, with braces and clauses.
    fn metric(&mut self, metric: Metric, span: Span) -> Result<(Select, Span), ParseError> {
        let mut whole = span;
        let filter = match self.eat_sign(Sign::BraceOpen)? {
            Some(open) => {
                let (filter, close) = self.braces(open)?;
                whole = whole.to(close);
                filter
            }
            None => None,
        };
        if self.at_sign(Sign::BraceOpen)? {
            let again = self.peek()?;
            return Err(ParseError::new(again.span, "the filter is given twice").hint("join both with a comma"));
        }
        let clauses = self.clauses()?;
        let whole = clauses.end().map_or(whole, |end| whole.to(end));
        Ok((clauses.select(At { value: metric, span }, filter), whole))
    }

    /// The rest of `{ … }`.
    fn braces(&mut self, open: Span) -> Result<(Option<Filter>, Span), ParseError> {
        let mut parts = Vec::new();
        loop {
            if let Some(close) = self.eat_sign(Sign::BraceClose)? {
                return self.braced(parts, open, close);
            }
            parts.push(self.filter()?);
            if self.eat_sign(Sign::Comma)?.is_none() {
                let close = self.close(open, "',' or '}'", Sign::BraceClose)?;
                return self.braced(parts, open, close);
            }
        }
    }

    fn braced(&self, parts: Vec<Filter>, open: Span, close: Span) -> Result<(Option<Filter>, Span), ParseError> {
        let filter = Filter::all(parts)?;
        if let Some(filter) = &filter {
            super::filter::no_contradiction(filter, Some(open.to(close)))?;
        }
        Ok((filter, close))
    }

    /// An aggregation whose name stands next, called: `avg by(model) (latency)`.
    fn call(&mut self, agg: Aggregation) -> Result<(Select, Span), ParseError> {
        let name = self.next()?;
        let mut clauses = Clauses::aggregation(agg, name.span);
        if self.at_word("by")? || self.at_word("without")? {
            clauses.set_group(Some(self.group()?));
        }
        if !self.at_sign(Sign::ParenOpen)? {
            let found = self.peek()?;
            return Err(ParseError::new(
                found.span,
                format!("expected '(' after '{agg}' before {}", self.shown(found)),
            )
            .hint(format!("write {agg}(latency)")));
        }
        let open = self.next()?.span;
        let inner = self.expr(0)?;
        let close = self.close(open, "')'", Sign::ParenClose)?;
        let Kind::Select(select) = inner.kind else {
            return Err(ParseError::new(inner.span, format!("'{agg}' takes one metric"))
                .hint(format!("write {agg}(latency), and calculate outside")));
        };
        let (metric, filter, own) = Clauses::of(*select);
        clauses.join(own)?;
        clauses.join(self.clauses()?)?;
        let span = name.span.to(clauses.end().unwrap_or(close));
        Ok((clauses.select(metric, filter), span))
    }

    fn reference(&mut self, keyword: &str) -> Result<Expr, ParseError> {
        let name = self.next()?.span;
        let Some(open) = self.eat_sign(Sign::ParenOpen)? else {
            let reference = match keyword {
                "baseline" => Ref::Baseline(None),
                "budget" => Ref::Budget(None),
                _ => Ref::Forecast(None),
            };
            return Self::node(Kind::Ref(reference), name);
        };
        let reference = match keyword {
            "baseline" => Ref::Baseline(Some(self.duration("baseline")?.0)),
            "budget" => {
                let lexeme = self.peek()?;
                if lexeme.token != Token::Text {
                    return Err(ParseError::new(lexeme.span, "expected the name of a budget in quotes")
                        .hint("write budget(\"team\")"));
                }
                self.next()?;
                Ref::Budget(Some(unescape(self.text(lexeme), lexeme.span, false)?.into()))
            }
            _ => {
                let lexeme = self.peek()?;
                let word = if lexeme.token == Token::Word { self.text(lexeme) } else { "" };
                let period = Period::ALL.into_iter().find(|p| word.eq_ignore_ascii_case(p.name()));
                let period = period.ok_or_else(|| {
                    ParseError::new(lexeme.span, "expected day, week, month or year")
                        .hint("write forecast(month)")
                        .maybe(did_you_mean(word, Period::ALL.map(Period::name)))
                })?;
                self.next()?;
                Ref::Forecast(Some(period))
            }
        };
        let close = self.close(open, "')'", Sign::ParenClose)?;
        Self::node(Kind::Ref(reference), name.to(close))
    }

    fn detect(&mut self, keyword: &str) -> Result<Expr, ParseError> {
        let name = self.next()?.span;
        let open = self.open(keyword)?;
        let inner = self.expr(0)?;
        let Kind::Select(of) = inner.kind else {
            return Err(ParseError::new(inner.span, format!("'{keyword}' takes one metric"))
                .hint(format!("write {keyword}(latency p95 [1h])")));
        };
        let what = if keyword == "trend" {
            Detector::Trend
        } else if self.eat_sign(Sign::Comma)?.is_some() {
            let lexeme = self.peek()?;
            match lexeme.token {
                Token::Number(Num::Plain(k)) if k > 0.0 => {
                    self.next()?;
                    Detector::Anomaly(Some(k))
                }
                _ => {
                    return Err(ParseError::new(
                        lexeme.span,
                        "expected a number above 0: how many deviations are far off",
                    )
                    .hint("write anomaly(latency p95 [1h], 5)"));
                }
            }
        } else {
            Detector::Anomaly(None)
        };
        let close = self.close(open, "')'", Sign::ParenClose)?;
        Self::node(Kind::Detect(Detect { what, of }), name.to(close))
    }
}
