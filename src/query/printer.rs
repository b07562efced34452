//! The canonical text of a tree: printing and parsing again gives the same tree and the same text,
//! so the text serves as identity of a rule and as cache key.

use std::fmt::{self, Write};

use super::ast::*;
use super::error::push_escaped;
use super::number::PRINTED;
use ax_storage::query::plan::Label;

/// How tightly a node binds; operands that bind less get parentheses.
mod binding {
    pub(super) const OR: u8 = 1;
    pub(super) const AND: u8 = 2;
    pub(super) const NOT: u8 = 3;
    pub(super) const CMP: u8 = 4;
    pub(super) const SUM: u8 = 5;
    pub(super) const PRODUCT: u8 = 6;
    pub(super) const UNARY: u8 = 7;
    pub(super) const LEAF: u8 = 8;
}

fn strength(kind: &Kind) -> u8 {
    match kind {
        Kind::Bool(BoolOp::Or, _) => binding::OR,
        Kind::Bool(BoolOp::And, _) => binding::AND,
        Kind::Not(_) => binding::NOT,
        Kind::Cmp(..) => binding::CMP,
        Kind::Arith(ArithOp::Add | ArithOp::Sub, ..) => binding::SUM,
        Kind::Arith(..) => binding::PRODUCT,
        Kind::Neg(_) => binding::UNARY,
        Kind::Num(_) | Kind::Ref(_) | Kind::Select(_) | Kind::Detect(_) => binding::LEAF,
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expr(e) => e.fmt(f),
            Self::Filter(e) => e.fmt(f),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.expr.fmt(f)?;
        if let Some(hold) = self.hold {
            write!(f, " for {}", Nanos(hold.value))?;
        }
        Ok(())
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Num(n) => n.fmt(f),
            Kind::Ref(r) => r.fmt(f),
            Kind::Select(s) => s.fmt(f),
            Kind::Detect(d) => d.fmt(f),
            Kind::Neg(e) => {
                f.write_char('-')?;
                operand(f, e, binding::UNARY)
            }
            Kind::Not(e) => {
                f.write_str("NOT ")?;
                operand(f, e, binding::NOT)
            }
            Kind::Arith(op, a, b) => {
                let own = strength(&self.kind);
                operand(f, a, own)?;
                write!(f, " {op} ")?;
                // a - (b - c) and a / (b / c) keep theirs; so does a + (b + c): the tree differs.
                operand(f, b, own + 1)
            }
            Kind::Cmp(op, a, b) => {
                operand(f, a, binding::SUM)?;
                write!(f, " {op} ")?;
                operand(f, b, binding::SUM)
            }
            Kind::Bool(op, list) => {
                for (i, e) in list.iter().enumerate() {
                    if i > 0 {
                        write!(f, " {op} ")?;
                    }
                    operand(f, e, strength(&self.kind) + 1)?;
                }
                Ok(())
            }
        }
    }
}

fn operand(f: &mut fmt::Formatter<'_>, e: &Expr, at_least: u8) -> fmt::Result {
    if strength(&e.kind) >= at_least { write!(f, "{e}") } else { write!(f, "({e})") }
}

impl fmt::Display for ArithOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
        })
    }
}

impl fmt::Display for CmpOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Eq => "=",
            Self::Ne => "!=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
        })
    }
}

impl fmt::Display for BoolOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::And => "AND",
            Self::Or => "OR",
        })
    }
}

impl fmt::Display for Num {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Plain(v) => figure(f, v),
            Self::Money(v) => {
                f.write_char('$')?;
                figure(f, v)
            }
            Self::Percent(v) => {
                // A share has no exponent: it is written out.
                write!(f, "{v}%")
            }
            Self::Duration(nanos) => Nanos(nanos).fmt(f),
        }
    }
}

/// The shortest text that reads back as `v`; with an exponent when very small or large.
fn figure(f: &mut fmt::Formatter<'_>, v: f64) -> fmt::Result {
    if v != 0.0 && !(1e-6..1e15).contains(&v.abs()) { write!(f, "{v:e}") } else { write!(f, "{v}") }
}

/// A duration of nanoseconds, as `1d2h3m`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nanos(pub(crate) u64);

impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        if rest == 0 {
            return f.write_str("0s");
        }
        for (name, unit) in PRINTED {
            if rest >= unit {
                write!(f, "{}{name}", rest / unit)?;
                rest %= unit;
            }
        }
        Ok(())
    }
}

/// A text in double quotes with its escapes.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::with_capacity(self.0.len() + 2);
        out.push('"');
        for c in self.0.chars() {
            match c {
                '\\' | '"' => {
                    out.push('\\');
                    out.push(c);
                }
                c => push_escaped(&mut out, c),
            }
        }
        out.push('"');
        f.write_str(&out)
    }
}

impl fmt::Display for Ref {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Baseline(None) => f.write_str("baseline"),
            Self::Baseline(Some(nanos)) => write!(f, "baseline({})", Nanos(*nanos)),
            Self::Budget(None) => f.write_str("budget"),
            Self::Budget(Some(name)) => write!(f, "budget({})", Quoted(name)),
            Self::Forecast(None) => f.write_str("forecast"),
            Self::Forecast(Some(period)) => write!(f, "forecast({})", period.name()),
        }
    }
}

impl fmt::Display for Detect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.what {
            Detector::Anomaly(None) => write!(f, "anomaly({})", self.of),
            Detector::Anomaly(Some(k)) => write!(f, "anomaly({}, {})", self.of, Num::Plain(k)),
            Detector::Trend => write!(f, "trend({})", self.of),
        }
    }
}

impl fmt::Display for Select {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let call = self.agg.filter(|_| self.range.is_none());
        if let Some(agg) = call {
            write!(f, "{}(", agg.value)?;
        }
        f.write_str(self.metric.value.name())?;
        if let Some(filter) = &self.filter {
            f.write_char('{')?;
            match &filter.kind {
                FilterKind::Bool(BoolOp::And, list) => {
                    for (i, part) in list.iter().enumerate() {
                        if i > 0 {
                            f.write_str(", ")?;
                        }
                        part.fmt(f)?;
                    }
                }
                _ => filter.fmt(f)?,
            }
            f.write_char('}')?;
        }
        if call.is_some() {
            f.write_char(')')?;
        }
        if let Some(range) = self.range {
            write!(f, " [{}]", range.value)?;
            if let Some(agg) = self.agg {
                write!(f, " {}", agg.value)?;
            }
        }
        if let Some(group) = &self.group {
            write!(f, " {}", group.value)?;
        }
        if let Some(every) = self.every {
            write!(f, " every {}", Nanos(every.value))?;
        }
        if let Some(offset) = self.offset {
            write!(f, " offset {}", Nanos(offset.value))?;
        }
        if let Some(top) = self.top {
            write!(f, " {}({})", if top.value.bottom { "bottomk" } else { "topk" }, top.value.count)?;
        }
        match self.versus.map(|v| v.value) {
            None => Ok(()),
            Some(Versus::Previous) => f.write_str(" vs previous"),
            Some(Versus::Ago(nanos)) => write!(f, " vs {}", Nanos(nanos)),
        }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.without { "without(" } else { "by(" })?;
        for (i, label) in self.labels.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            f.write_str(label.name())?;
        }
        f.write_char(')')
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Last(nanos) => Nanos(*nanos).fmt(f),
            Self::Calendar(Calendar::Today) => f.write_str("today"),
            Self::Calendar(Calendar::Yesterday) => f.write_str("yesterday"),
            Self::Calendar(Calendar::This(period)) => f.write_str(period.name()),
            Self::Calendar(Calendar::Last(period)) => write!(f, "last {}", period.name()),
            Self::One(point) => point.fmt(f),
            Self::Between(from, None) => write!(f, "{from}..now"),
            Self::Between(from, Some(to)) => write!(f, "{from}..{to}"),
        }
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)?;
        let Some(day) = self.day else { return Ok(()) };
        write!(f, "-{day:02}")?;
        let Some(clock) = self.clock else { return Ok(()) };
        write!(f, "T{:02}:{:02}", clock.hour, clock.minute)?;
        if let Some(second) = clock.second {
            write!(f, ":{second:02}")?;
        }
        match clock.offset {
            None => Ok(()),
            Some(0) => f.write_char('Z'),
            Some(minutes) => {
                let (sign, minutes) = (if minutes < 0 { '-' } else { '+' }, minutes.unsigned_abs());
                write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
            }
        }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            FilterKind::Bool(op, list) => {
                for (i, part) in list.iter().enumerate() {
                    if i > 0 {
                        write!(f, " {op} ")?;
                    }
                    let weaker = matches!((op, &part.kind), (BoolOp::And, FilterKind::Bool(BoolOp::Or, _)));
                    if weaker { write!(f, "({part})")? } else { part.fmt(f)? }
                }
                Ok(())
            }
            FilterKind::Not(part) => match part.kind {
                FilterKind::Bool(..) => write!(f, "NOT ({part})"),
                _ => write!(f, "NOT {part}"),
            },
            FilterKind::Equals { label, negated, value } => {
                write!(f, "{}{}{}", label.name(), if *negated { "!=" } else { "=" }, Quoted(value))
            }
            FilterKind::Matches { label, negated, pattern } => {
                write!(f, "{}{}{}", label.name(), if *negated { "!~" } else { "=~" }, Quoted(pattern.source()))
            }
            FilterKind::Number { field, op, value } => write!(f, "{} {op} {value}", field.name()),
            FilterKind::LabelIn { label, negated, items } => {
                write_in(f, Label::name(*label), *negated, items.iter().map(|i| Quoted(i)))
            }
            FilterKind::FieldIn { field, negated, items } => write_in(f, field.name(), *negated, items.iter()),
        }
    }
}

fn write_in<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    negated: bool,
    items: impl Iterator<Item = T>,
) -> fmt::Result {
    write!(f, "{name} {}in (", if negated { "NOT " } else { "" })?;
    for (i, item) in items.enumerate() {
        if i > 0 {
            f.write_str(", ")?;
        }
        item.fmt(f)?;
    }
    f.write_char(')')
}

impl fmt::Display for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.negative {
            f.write_char('-')?;
        }
        self.num.fmt(f)
    }
}
