//! What stands behind a metric or parentheses: range, aggregation, groups, step and the rest.

use ax_storage::query::plan::Label;

use super::Parser;
use super::expr::whole;
use crate::metric::{Aggregation, Metric};
use crate::query::ast::{At, Expr, Filter, Group, Num, Range, Select, Top, Versus};
use crate::query::error::{ParseError, Span, did_you_mean, nearest, quoted};
use crate::query::range;
use crate::query::token::{Sign, Token};

/// Most groups that `topk` may keep.
const TOP_MAX: f64 = 10_000.0;

/// Clauses in any order, each at most once.
#[derive(Debug, Default)]
pub(super) struct Clauses {
    range: Option<At<Range>>,
    agg: Option<At<Aggregation>>,
    group: Option<At<Group>>,
    every: Option<At<u64>>,
    offset: Option<At<u64>>,
    top: Option<At<Top>>,
    versus: Option<At<Versus>>,
    end: Option<Span>,
}

fn twice(what: &str, span: Span) -> ParseError {
    ParseError::new(span, format!("{what} is given twice")).hint("leave one out")
}

fn put<T>(slot: &mut Option<At<T>>, value: T, span: Span, what: &str) -> Result<(), ParseError> {
    if slot.is_some() {
        return Err(twice(what, span));
    }
    *slot = Some(At { value, span });
    Ok(())
}

impl Clauses {
    /// Only an aggregation.
    pub(super) fn aggregation(agg: Aggregation, span: Span) -> Self {
        Self { agg: Some(At { value: agg, span }), ..Self::default() }
    }

    pub(super) fn set_group(&mut self, group: Option<At<Group>>) {
        self.group = group;
    }

    /// Takes over `later`, which must not repeat anything.
    pub(super) fn join(&mut self, later: Self) -> Result<(), ParseError> {
        fn one<T>(slot: &mut Option<At<T>>, later: Option<At<T>>, what: &str) -> Result<(), ParseError> {
            later.map_or(Ok(()), |at| put(slot, at.value, at.span, what))
        }
        one(&mut self.range, later.range, "the time range")?;
        one(&mut self.agg, later.agg, "the aggregation")?;
        one(&mut self.group, later.group, "the grouping")?;
        one(&mut self.every, later.every, "'every'")?;
        one(&mut self.offset, later.offset, "'offset'")?;
        one(&mut self.top, later.top, "'topk'")?;
        one(&mut self.versus, later.versus, "'vs'")?;
        self.end = later.end.or(self.end);
        Ok(())
    }

    /// The clauses of a metric.
    pub(super) fn of(select: Select) -> (At<Metric>, Option<Filter>, Self) {
        let Select { metric, filter, range, agg, group, every, offset, top, versus } = select;
        (metric, filter, Self { range, agg, group, every, offset, top, versus, end: None })
    }

    /// The metric with these clauses.
    pub(super) fn select(self, metric: At<Metric>, filter: Option<Filter>) -> Select {
        let Self { range, agg, group, every, offset, top, versus, end: _ } = self;
        Select { metric, filter, range, agg, group, every, offset, top, versus }
    }

    /// Where the last of them ends.
    pub(super) const fn end(&self) -> Option<Span> {
        self.end
    }

    /// Gives these to every metric in `inner` that lacks its own.
    pub(super) fn spread(self, mut inner: Expr) -> Result<Expr, ParseError> {
        let Some(end) = self.end else { return Ok(inner) };
        if let Some(agg) = self.agg {
            return Err(ParseError::new(agg.span, format!("'{}' cannot stand behind parentheses", agg.value))
                .hint(format!("write it at each metric: {}(latency)", agg.value)));
        }
        for (there, what) in [(self.top.map(|t| t.span), "topk(n)"), (self.versus.map(|v| v.span), "vs")] {
            if let Some(span) = there {
                return Err(ParseError::new(span, format!("'{what}' cannot stand behind parentheses"))
                    .hint("it goes after a single metric"));
            }
        }
        let mut taken = [self.range.is_none(), self.group.is_none(), self.every.is_none(), self.offset.is_none()];
        inner.each_select_mut(&mut |select| {
            fn fill<T: Clone>(slot: &mut Option<At<T>>, from: Option<&At<T>>, taken: &mut bool) {
                if let (None, Some(at)) = (&slot, from) {
                    *slot = Some(at.clone());
                    *taken = true;
                }
            }
            fill(&mut select.range, self.range.as_ref(), &mut taken[0]);
            fill(&mut select.group, self.group.as_ref(), &mut taken[1]);
            fill(&mut select.every, self.every.as_ref(), &mut taken[2]);
            fill(&mut select.offset, self.offset.as_ref(), &mut taken[3]);
        });
        let spans = [
            self.range.map(|r| r.span),
            self.group.as_ref().map(|g| g.span),
            self.every.map(|e| e.span),
            self.offset.map(|o| o.span),
        ];
        let names = ["the time range", "the grouping", "'every'", "'offset'"];
        for ((taken, span), name) in taken.into_iter().zip(spans).zip(names) {
            if let (false, Some(span)) = (taken, span) {
                let mut metrics = 0;
                inner.each_select(&mut |_| metrics += 1);
                return Err(if metrics == 0 {
                    ParseError::new(span, format!("{name} belongs to a metric, and the parentheses hold none"))
                } else {
                    twice(name, span)
                });
            }
        }
        inner.span = inner.span.to(end);
        Expr::new(inner.kind, inner.span)
    }
}

impl Parser<'_> {
    /// All clauses that stand next.
    pub(super) fn clauses(&mut self) -> Result<Clauses, ParseError> {
        let mut all = Clauses::default();
        loop {
            let lexeme = self.peek()?;
            match lexeme.token {
                Token::Sign(Sign::BracketOpen) => {
                    self.next()?;
                    let Some(inside) = self.lexer.until_bracket() else {
                        return Err(ParseError::new(lexeme.span, "expected ']' before end of query")
                            .hint(format!("the '[' at column {} is still open", self.column(lexeme.span))));
                    };
                    let range = range::parse(self.lexer.text(inside), inside)?;
                    put(&mut all.range, range, inside, "the time range")?;
                    all.end = Some(Span::new(inside.end as usize, inside.end as usize + 1));
                }
                Token::Word => {
                    let Some(end) = self.word_clause(&mut all)? else { return Ok(all) };
                    all.end = Some(end);
                }
                Token::Number(num) => {
                    let error = self.unexpected(lexeme);
                    return Err(match num {
                        Num::Duration(_) => {
                            error.hint(format!("write a time range in brackets: [{}]", self.text(lexeme)))
                        }
                        _ => error.hint("write an operator before it, such as >"),
                    });
                }
                _ => return Ok(all),
            }
        }
    }

    /// A clause that begins with a word; `None` when the word begins none.
    fn word_clause(&mut self, all: &mut Clauses) -> Result<Option<Span>, ParseError> {
        let lexeme = self.peek()?;
        let word = self.text(lexeme);
        let span = lexeme.span;
        if let Some(agg) = named_aggregation(word, span)? {
            self.next()?;
            put(&mut all.agg, agg, span, "the aggregation")?;
            return Ok(Some(span));
        }
        let lower = word.to_ascii_lowercase();
        match lower.as_str() {
            "and" | "or" | "for" | "not" | "in" => Ok(None),
            "by" | "without" => {
                let group = self.group()?;
                let span = group.span;
                put(&mut all.group, group.value, span, "the grouping")?;
                Ok(Some(span))
            }
            "every" => {
                self.next()?;
                let (nanos, end) = self.duration("every")?;
                put(&mut all.every, nanos, span.to(end), "'every'")?;
                Ok(Some(end))
            }
            "offset" => {
                self.next()?;
                let (nanos, end) = self.duration("offset")?;
                put(&mut all.offset, nanos, span.to(end), "'offset'")?;
                Ok(Some(end))
            }
            "vs" => {
                self.next()?;
                let (versus, end) = if self.at_word("previous")? {
                    (Versus::Previous, self.next()?.span)
                } else {
                    let lexeme = self.peek()?;
                    if !matches!(lexeme.token, Token::Number(_)) {
                        return Err(ParseError::new(lexeme.span, "expected 'previous' or a duration after 'vs'")
                            .hint("write vs previous, or vs 7d"));
                    }
                    let (nanos, end) = self.duration("vs")?;
                    (Versus::Ago(nanos), end)
                };
                put(&mut all.versus, versus, span.to(end), "'vs'")?;
                Ok(Some(end))
            }
            "topk" | "bottomk" => {
                self.next()?;
                let (count, end) = self.count(&lower)?;
                put(&mut all.top, Top { count, bottom: lower == "bottomk" }, span.to(end), "'topk'")?;
                Ok(Some(end))
            }
            "quantile" => {
                self.next()?;
                let (ppm, end) = self.quantile()?;
                put(&mut all.agg, Aggregation::Quantile(ppm), span.to(end), "the aggregation")?;
                Ok(Some(end))
            }
            _ => self.unknown_clause(word, span),
        }
    }

    fn unknown_clause(&self, word: &str, span: Span) -> Result<Option<Span>, ParseError> {
        const KEYWORDS: [&str; 10] =
            ["by", "without", "every", "offset", "topk", "bottomk", "vs", "quantile", "and", "or"];
        if Metric::named(word).is_some() || label(word).is_some() {
            return Ok(None);
        }
        if let Some(keyword) = nearest(word, KEYWORDS) {
            return Err(
                ParseError::new(span, format!("unexpected {}", quoted(word))).hint(format!("did you mean {keyword}?"))
            );
        }
        Err(unknown_aggregation(word, span))
    }

    /// `(5)` after `topk`.
    fn count(&mut self, keyword: &str) -> Result<(u32, Span), ParseError> {
        let open = self.open(keyword)?;
        let lexeme = self.peek()?;
        let count = match lexeme.token {
            Token::Number(num) => whole(num, 1.0, TOP_MAX),
            _ => None,
        };
        let Some(count) = count else {
            return Err(ParseError::new(lexeme.span, format!("expected a whole number from 1 to {TOP_MAX}"))
                .hint(format!("write {keyword}(5)")));
        };
        self.next()?;
        Ok((count, self.close(open, "')'", Sign::ParenClose)?))
    }

    /// `(0.95)` after `quantile`, in millionths.
    fn quantile(&mut self) -> Result<(u32, Span), ParseError> {
        let open = self.open("quantile")?;
        let lexeme = self.peek()?;
        let value = match lexeme.token {
            Token::Number(Num::Plain(v)) => whole(Num::Plain((v * 1e6 * 1e3).round() / 1e3), 0.0, 1e6),
            _ => None,
        };
        let Some(ppm) = value else {
            return Err(ParseError::new(lexeme.span, "expected a number from 0 to 1 with at most 6 decimals")
                .hint("write quantile(0.95), or p95"));
        };
        self.next()?;
        Ok((ppm, self.close(open, "')'", Sign::ParenClose)?))
    }

    /// `by(a, b)` or `without(a, b)`, which stands next.
    pub(super) fn group(&mut self) -> Result<At<Group>, ParseError> {
        let keyword = self.next()?;
        let without = self.text(keyword).eq_ignore_ascii_case("without");
        let open = self.open(self.text(keyword))?;
        let mut labels = Vec::new();
        loop {
            let lexeme = self.peek()?;
            if lexeme.token != Token::Word {
                let shown = self.shown(lexeme);
                return Err(
                    ParseError::new(lexeme.span, format!("expected a label before {shown}")).hint("write by(model)")
                );
            }
            let name = self.text(lexeme);
            let found = label(name).ok_or_else(|| {
                ParseError::new(lexeme.span, format!("unknown label {}", quoted(name)))
                    .hint(format!("labels are {}", Label::ALL.map(Label::name).join(", ")))
                    .maybe(did_you_mean(name, Label::ALL.map(Label::name)))
            })?;
            if labels.contains(&found) {
                return Err(twice(&format!("the label '{}'", found.name()), lexeme.span));
            }
            self.next()?;
            labels.push(found);
            if self.eat_sign(Sign::Comma)?.is_none() {
                break;
            }
        }
        let close = self.close(open, "',' or ')'", Sign::ParenClose)?;
        Ok(At { value: Group { without, labels }, span: keyword.span.to(close) })
    }
}

/// The label of a name.
pub(super) fn label(name: &str) -> Option<Label> {
    if name == "limit_type" {
        return Some(Label::Kind);
    }
    Label::ALL.into_iter().find(|l| l.name() == name)
}

/// The aggregation of a word; `None` when it is none.
pub(super) fn named_aggregation(word: &str, span: Span) -> Result<Option<Aggregation>, ParseError> {
    if let Some(agg) = Aggregation::NAMED.into_iter().find(|a| word.eq_ignore_ascii_case(a.name())) {
        return Ok(Some(agg));
    }
    let Some(figure) = word.strip_prefix(['p', 'P']) else { return Ok(None) };
    let (whole, fraction) = figure.split_once('.').unwrap_or((figure, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return Ok(None);
    }
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > 4 {
        return Err(
            ParseError::new(span, format!("the percentile {} is too fine", quoted(word))).hint("at most 4 decimals")
        );
    }
    let part: u32 = format!("{fraction:0<4}").parse().unwrap_or(0);
    let ppm = whole.parse::<u32>().ok().and_then(|w| w.checked_mul(10_000)).and_then(|w| w.checked_add(part));
    match ppm.filter(|p| *p <= 1_000_000) {
        Some(ppm) => Ok(Some(Aggregation::Quantile(ppm))),
        None => Err(ParseError::new(span, format!("there is no percentile {}", quoted(word)))
            .hint("percentiles go from p0 to p100")),
    }
}

/// The error about a word where an aggregation was expected.
pub(super) fn unknown_aggregation(word: &str, span: Span) -> ParseError {
    let lower = word.to_ascii_lowercase();
    let stem = lower.strip_suffix("_over_time").unwrap_or(&lower);
    let synonym = match stem {
        "mean" | "average" => Some("avg"),
        "median" => Some("p50"),
        "total" | "increase" => Some("sum"),
        "irate" | "per_second" => Some("rate"),
        "minimum" => Some("min"),
        "maximum" => Some("max"),
        "stdev" | "std" | "stdvar" => Some("stddev"),
        "number" => Some("count"),
        "histogram_quantile" | "percentile" | "quantile" => Some("p95"),
        "avg" | "sum" | "min" | "max" | "count" | "stddev" => Some(stem),
        _ => None,
    };
    let near = did_you_mean(word, Aggregation::NAMED.map(Aggregation::name));
    ParseError::new(span, format!("unknown aggregation {}", quoted(word)))
        .hint("aggregations are avg, sum, min, max, count, rate, stddev, p0 to p100")
        .maybe(synonym.map(|s| format!("did you mean {s}?")).or(near))
}
