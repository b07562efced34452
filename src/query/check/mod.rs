//! Units, aggregations and groups: a tree that passed has one meaning, and its numbers know what
//! they measure.

mod select;
mod unit;

use ax_storage::query::plan::Label;

pub use unit::{Dim, Scalar};

use super::ast::{ArithOp, CmpOp, Detector, Expr, Field, Kind, Num, Ref, Select};
use super::error::{ParseError, Span, quoted};

/// What an expression gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Type {
    /// A number's measure; `None` = true, false or unknown.
    pub dim: Option<Dim>,
    /// Labels of its groups; `None` = one value.
    pub group: Option<Vec<Label>>,
}

impl Type {
    const fn number(dim: Dim) -> Self {
        Self { dim: Some(dim), group: None }
    }
}

/// The metric that `baseline` and budgets refer to, and the only range written.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// The enclosing comparison, else the whole query.
    pub of: &'a Expr,
}

impl<'a> Scope<'a> {
    /// The one metric in it.
    ///
    /// # Errors
    /// When there is none, or there are several.
    pub fn only(self, place: Span) -> Result<&'a Select, ParseError> {
        let mut found: Option<&Select> = None;
        let mut several = false;
        self.of.each_select(&mut |s| {
            several |= found.is_some_and(|other| other != s);
            found.get_or_insert(s);
        });
        found.filter(|_| !several).ok_or_else(|| {
            ParseError::new(place, "'baseline' stands for the past of one metric in its comparison")
                .hint("error_rate > baseline * 3")
        })
    }
}

/// Checks a query.
pub(super) fn query(expr: &Expr) -> Result<Type, ParseError> {
    names_something(expr)?;
    let root = matches!(expr.kind, Kind::Select(_));
    select::placement(expr, root, "only a metric that stands alone can have it")?;
    if expr.shares_range() {
        select::ranges(expr)?;
    }
    infer(expr, Scope { of: expr })
}

/// Checks a condition.
pub(super) fn condition(expr: &Expr) -> Result<Type, ParseError> {
    let ty = infer(expr, Scope { of: expr })?;
    if let Some(dim) = ty.dim {
        return Err(ParseError::new(expr.span, "an alert condition must compare something")
            .hint(format!("{expr} > {}", dim.example())));
    }
    names_something(expr)?;
    select::placement(expr, false, "a condition cannot have it")?;
    Ok(ty)
}

fn names_something(expr: &Expr) -> Result<(), ParseError> {
    let mut found = false;
    expr.each_select(&mut |_| found = true);
    if found || has_reference(expr) {
        return Ok(());
    }
    Err(ParseError::new(expr.span, "the query names no metric").hint("ax monitor metrics --list shows all"))
}

fn has_reference(expr: &Expr) -> bool {
    match &expr.kind {
        Kind::Ref(_) => true,
        Kind::Num(_) | Kind::Select(_) | Kind::Detect(_) => false,
        Kind::Neg(e) | Kind::Not(e) => has_reference(e),
        Kind::Arith(_, a, b) | Kind::Cmp(_, a, b) => has_reference(a) || has_reference(b),
        Kind::Bool(_, list) => list.iter().any(has_reference),
    }
}

/// The type of an expression within its comparison.
pub(super) fn infer<'a>(expr: &'a Expr, scope: Scope<'a>) -> Result<Type, ParseError> {
    match &expr.kind {
        Kind::Num(Num::Plain(_)) => Ok(Type::number(Dim::BARE)),
        Kind::Num(Num::Money(_)) => Ok(Type::number(Dim::MONEY)),
        Kind::Num(Num::Percent(_)) => Ok(Type::number(Dim::scalar(Scalar::Percent))),
        Kind::Num(Num::Duration(_)) => Ok(Type::number(Dim::TIME)),
        Kind::Ref(Ref::Budget(_) | Ref::Forecast(_)) => Ok(Type::number(Dim::MONEY)),
        Kind::Ref(Ref::Baseline(_)) => select::type_of(scope.only(expr.span)?),
        Kind::Select(s) => select::type_of(s),
        Kind::Detect(d) => {
            let of = select::detected(&d.of, d.what)?;
            let dim = (d.what == Detector::Trend).then_some(Dim::scalar(Scalar::Change));
            Ok(Type { dim, group: of.group })
        }
        Kind::Neg(e) => {
            let ty = infer(e, scope)?;
            number(&ty, e, "a sign")?;
            Ok(ty)
        }
        Kind::Arith(op, a, b) => {
            let (left, right) = (infer(a, scope)?, infer(b, scope)?);
            let (l, r) = (number(&left, a, "arithmetic")?, number(&right, b, "arithmetic")?);
            let dim = match op {
                ArithOp::Mul => l.product(r, false),
                ArithOp::Div => l.product(r, true),
                ArithOp::Add | ArithOp::Sub => {
                    let what = if *op == ArithOp::Add { ("add", "to") } else { ("subtract", "from") };
                    sum(l, r, a, b, what)?
                }
            };
            Ok(Type { dim: Some(dim), group: groups(&left, &right, expr.span)? })
        }
        Kind::Cmp(op, a, b) => compare(expr, *op, a, b),
        Kind::Not(e) => {
            let ty = infer(e, scope)?;
            boolean(&ty, e, "NOT")?;
            Ok(ty)
        }
        Kind::Bool(op, list) => {
            let mut all = Type { dim: None, group: None };
            for e in list {
                let ty = infer(e, Scope { of: e })?;
                boolean(&ty, e, &op.to_string())?;
                all.group = groups(&all, &ty, e.span)?;
            }
            Ok(all)
        }
    }
}

fn number(ty: &Type, e: &Expr, place: &str) -> Result<Dim, ParseError> {
    ty.dim.ok_or_else(|| {
        ParseError::new(e.span, format!("{place} needs a number, and this is true or false"))
            .hint("join conditions with AND or OR")
    })
}

fn boolean(ty: &Type, e: &Expr, word: &str) -> Result<(), ParseError> {
    match ty.dim {
        None => Ok(()),
        Some(dim) => Err(ParseError::new(e.span, format!("{word} needs a condition, and this is {}", dim.words()))
            .hint(format!("compare it: {} > {}", super::error::shortened(&e.to_string()), dim.example()))),
    }
}

/// One grouping for both: the same, or that of the one that has groups.
fn groups(a: &Type, b: &Type, place: Span) -> Result<Option<Vec<Label>>, ParseError> {
    let (Some(left), Some(right)) = (&a.group, &b.group) else {
        return Ok(a.group.clone().or_else(|| b.group.clone()));
    };
    let same = left.len() == right.len() && left.iter().all(|l| right.contains(l));
    if same {
        return Ok(Some(left.clone()));
    }
    let show = |labels: &[Label]| labels.iter().map(|l| l.name()).collect::<Vec<_>>().join(", ");
    Err(ParseError::new(place, format!("cannot combine by({}) with by({})", show(left), show(right)))
        .hint("use one grouping on both sides, or none on one"))
}

fn sum(l: Dim, r: Dim, a: &Expr, b: &Expr, (verb, joint): (&str, &str)) -> Result<Dim, ParseError> {
    let mismatch = || {
        let (place, other) = literal_side(a, b, l, r);
        let (first, second) = if verb == "add" { (l, r) } else { (r, l) };
        ParseError::new(place, format!("cannot {verb} {} {joint} {}", first.words(), second.words()))
            .hint(unit_hint(other, place, a, b))
    };
    let common = l.common(r).ok_or_else(mismatch)?;
    share_in_range(a, b, l, r)?;
    // A sum of shares may leave 0..1.
    Ok(if common.kind == Scalar::Share { Dim::scalar(Scalar::Ratio) } else { common })
}

fn compare<'a>(expr: &'a Expr, _op: CmpOp, a: &'a Expr, b: &'a Expr) -> Result<Type, ParseError> {
    let scope = Scope { of: expr };
    let (left, right) = (infer(a, scope)?, infer(b, scope)?);
    let (l, r) = (number(&left, a, "a comparison")?, number(&right, b, "a comparison")?);
    if l.common(r).is_none() {
        let (place, other) = literal_side(a, b, l, r);
        return Err(ParseError::new(place, format!("cannot compare {} with {}", l.words(), r.words()))
            .hint(unit_hint(other, place, a, b)));
    }
    share_in_range(a, b, l, r)?;
    select::ranges(expr)?;
    Ok(Type { dim: None, group: groups(&left, &right, expr.span)? })
}

/// The side a message points to, a literal if there is one, with the measure of the other.
fn literal_side(a: &Expr, b: &Expr, l: Dim, r: Dim) -> (Span, Dim) {
    if literal_of(a).is_some() && literal_of(b).is_none() { (a.span, r) } else { (b.span, l) }
}

fn literal_of(e: &Expr) -> Option<Num> {
    match &e.kind {
        Kind::Num(n) => Some(*n),
        Kind::Neg(inner) => literal_of(inner),
        _ => None,
    }
}

fn unit_hint(other: Dim, place: Span, a: &Expr, b: &Expr) -> String {
    let literal = [a, b].into_iter().find(|e| e.span == place).and_then(literal_of);
    if let (Some(Num::Duration(nanos)), true) = (literal, other == Dim::scalar(Scalar::Count)) {
        return million_hint(nanos);
    }
    match (other.time, other.money, other.kind) {
        (1, 0, _) => "write a duration such as 2s".to_owned(),
        (0, 1, _) => "write an amount such as $5".to_owned(),
        (0, 0, Scalar::Share | Scalar::Ratio | Scalar::Percent | Scalar::Change) => {
            "write a share such as 5%".to_owned()
        }
        (0, 0, Scalar::Count) => "write a number such as 100".to_owned(),
        _ => "both sides need one unit".to_owned(),
    }
}

/// `5m` where a number of things was expected.
fn million_hint(nanos: u64) -> String {
    const MINUTE: u64 = 60_000_000_000;
    if nanos > 0 && nanos.is_multiple_of(MINUTE) {
        format!("did you mean {}M (million)?", nanos / MINUTE)
    } else {
        "write a number such as 100".to_owned()
    }
}

/// A share of the catalogue compared with a literal that no share can reach.
fn share_in_range(a: &Expr, b: &Expr, l: Dim, r: Dim) -> Result<(), ParseError> {
    for (e, other) in [(a, r), (b, l)] {
        if other != Dim::scalar(Scalar::Share) {
            continue;
        }
        let hint = match literal_of(e) {
            Some(Num::Plain(v)) if v > 1.0 && v <= 100.0 => format!("did you mean {}%?", Num::Plain(v)),
            Some(Num::Plain(v)) if v > 1.0 => "write a share such as 5%".to_owned(),
            Some(Num::Percent(v)) if v > 100.0 => "write a share such as 5%".to_owned(),
            _ => continue,
        };
        return Err(ParseError::new(e.span, "a ratio lies between 0 and 1").hint(hint));
    }
    Ok(())
}

/// Checks a literal against the field of a filter.
pub(super) fn literal(field: Field, num: Num, span: Span, text: &str) -> Result<(), ParseError> {
    let dim = match field {
        Field::Latency | Field::Ttft => Dim::TIME,
        Field::Cost | Field::SavedCost => Dim::MONEY,
        _ => Dim::scalar(Scalar::Count),
    };
    let given = match num {
        Num::Plain(_) => return Ok(()),
        Num::Money(_) => Dim::MONEY,
        Num::Percent(_) => Dim::scalar(Scalar::Percent),
        Num::Duration(_) => Dim::TIME,
    };
    if dim == given {
        return Ok(());
    }
    let hint = match (dim.time, dim.money, num) {
        (1, _, _) => "write a duration such as 2s".to_owned(),
        (_, 1, _) => "write an amount such as $5".to_owned(),
        (_, _, Num::Duration(nanos)) => million_hint(nanos),
        _ => format!("write a number instead of {}", quoted(text)),
    };
    Err(ParseError::new(span, format!("cannot compare {} with {}", dim.words(), given.words())).hint(hint))
}
