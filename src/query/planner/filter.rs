//! Filters of events as the engine takes them: names as lists and tests, numbers as whole units.

use std::sync::Arc;

use ax_storage::bucket::Measure;
use ax_storage::query::plan::{Compare, Filter as Lowered};

use crate::query::ast::{BoolOp, CmpOp, Field, Filter, FilterKind, Num, Signed};

/// The filter of a plan.
pub fn lower(filter: &Filter) -> Lowered {
    let not = |negated: bool, inner: Lowered| if negated { Lowered::Not(Box::new(inner)) } else { inner };
    match &filter.kind {
        FilterKind::Bool(BoolOp::And, list) => Lowered::And(list.iter().map(lower).collect()),
        FilterKind::Bool(BoolOp::Or, list) => Lowered::Or(list.iter().map(lower).collect()),
        FilterKind::Not(inner) => not(true, lower(inner)),
        FilterKind::Equals { label, negated, value } => not(*negated, Lowered::In(*label, vec![value.clone()])),
        FilterKind::Matches { label, negated, pattern } => {
            not(*negated, Lowered::Test(*label, Arc::new(pattern.clone())))
        }
        FilterKind::LabelIn { label, negated, items } => not(*negated, Lowered::In(*label, items.clone())),
        FilterKind::Number { field, op, value } => number(*field, *op, *value),
        FilterKind::FieldIn { field, negated: false, items } => {
            Lowered::Or(items.iter().map(|v| number(*field, CmpOp::Eq, *v)).collect())
        }
        FilterKind::FieldIn { field, negated: true, items } => {
            Lowered::And(items.iter().map(|v| number(*field, CmpOp::Ne, *v)).collect())
        }
    }
}

/// Whether only single events can tell: buckets keep no numbers of theirs.
pub fn needs_events(filter: &Filter) -> bool {
    match &filter.kind {
        FilterKind::Bool(_, list) => list.iter().any(needs_events),
        FilterKind::Not(inner) => needs_events(inner),
        FilterKind::Number { .. } | FilterKind::FieldIn { .. } => true,
        _ => false,
    }
}

/// What the engine calls a field.
pub const fn measure(field: Field) -> Measure {
    match field {
        Field::Latency => Measure::Latency,
        Field::Ttft => Measure::Ttft,
        Field::Cost => Measure::Cost,
        Field::Tokens => Measure::Tokens,
        Field::InputTokens => Measure::InputTokens,
        Field::OutputTokens => Measure::OutputTokens,
        Field::CachedTokens => Measure::CachedTokens,
        Field::CacheWriteTokens => Measure::CacheWriteTokens,
        Field::ReasoningTokens => Measure::ReasoningTokens,
        Field::SavedCost => Measure::SavedCost,
        Field::SavedTokens => Measure::SavedTokens,
    }
}

/// `field op value` over whole numbers: a fraction or a sign moves the edge to the next of them.
fn number(field: Field, op: CmpOp, value: Signed) -> Lowered {
    let measure = measure(field);
    let make = |compare, n| Lowered::Number(measure, compare, n);
    let (never, always) = (make(Compare::Less, 0), make(Compare::GreaterOrEqual, 0));
    let scaled = Scaled::of(field, value.num);
    if value.negative && scaled != Scaled::ZERO {
        return if matches!(op, CmpOp::Ne | CmpOp::Gt | CmpOp::Ge) { always } else { never };
    }
    let Ok(whole) = u64::try_from(scaled.whole) else {
        return if matches!(op, CmpOp::Ne | CmpOp::Lt | CmpOp::Le) { always } else { never };
    };
    match (op, scaled.fraction) {
        (CmpOp::Eq, false) => make(Compare::Equal, whole),
        (CmpOp::Ne, false) => make(Compare::NotEqual, whole),
        (CmpOp::Eq, true) => never,
        (CmpOp::Ne, true) => always,
        (CmpOp::Lt, false) => make(Compare::Less, whole),
        (CmpOp::Ge, false) => make(Compare::GreaterOrEqual, whole),
        (CmpOp::Lt | CmpOp::Le, _) => make(Compare::LessOrEqual, whole),
        (CmpOp::Gt | CmpOp::Ge, _) => make(Compare::Greater, whole),
    }
}

/// A literal in the whole units that events keep: microseconds, nano-dollars, tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Scaled {
    /// Rounded down.
    whole: u128,
    /// Something was left.
    fraction: bool,
}

impl Scaled {
    const ZERO: Self = Self { whole: 0, fraction: false };

    fn of(field: Field, num: Num) -> Self {
        match (field, num) {
            (_, Num::Duration(nanos)) => Self { whole: (nanos / 1000).into(), fraction: !nanos.is_multiple_of(1000) },
            // A bare number is milliseconds.
            (Field::Latency | Field::Ttft, Num::Plain(v)) => Self::decimal(v, 3),
            (Field::Cost | Field::SavedCost, Num::Plain(v) | Num::Money(v)) => Self::decimal(v, 9),
            (_, Num::Plain(v) | Num::Money(v) | Num::Percent(v)) => Self::decimal(v, 0),
        }
    }

    /// `value` · 10^`power`, by the decimal figures that were written: 0.1 dollars are exactly 10^8
    /// nano-dollars.
    fn decimal(value: f64, power: usize) -> Self {
        let text = value.to_string();
        let (whole, decimals) = text.split_once('.').unwrap_or((&text, ""));
        let (inside, rest) = decimals.split_at(decimals.len().min(power));
        let digits = format!("{whole}{inside:0<power$}");
        Self { whole: digits.parse().unwrap_or(u128::MAX), fraction: rest.bytes().any(|b| b != b'0') }
    }
}

/// Dollars in nano-dollars, when they are whole ones.
pub(super) fn nanos(dollars: f64) -> Option<i128> {
    let Scaled { whole, fraction } = Scaled::decimal(dollars, 9);
    i128::try_from(whole).ok().filter(|n| !fraction && *n < i128::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::parse_filter;

    #[test]
    fn numbers_become_whole_units() {
        for (text, expected) in [
            ("latency > 1000", "Number(Latency, Greater, 1000000)"),
            ("latency > 1.5s", "Number(Latency, Greater, 1500000)"),
            ("latency > 0.0005", "Number(Latency, Greater, 0)"),
            ("latency >= 0.0005", "Number(Latency, Greater, 0)"),
            ("latency < 0.0005", "Number(Latency, LessOrEqual, 0)"),
            ("latency = 0.0005", "Number(Latency, Less, 0)"),
            ("latency != 1.5us", "Number(Latency, GreaterOrEqual, 0)"),
            ("cost = $0.1", "Number(Cost, Equal, 100000000)"),
            ("cost <= 0.0123", "Number(Cost, LessOrEqual, 12300000)"),
            ("cost >= 1e-10", "Number(Cost, Greater, 0)"),
            ("tokens > -5", "Number(Tokens, GreaterOrEqual, 0)"),
            ("tokens <= -5", "Number(Tokens, Less, 0)"),
            ("tokens = -0", "Number(Tokens, Equal, 0)"),
            ("tokens > 1e30", "Number(Tokens, Less, 0)"),
            ("tokens < 1e300", "Number(Tokens, GreaterOrEqual, 0)"),
            ("tokens in (1, 2)", "Or([Number(Tokens, Equal, 1), Number(Tokens, Equal, 2)])"),
            ("tokens NOT in (1, 2)", "And([Number(Tokens, NotEqual, 1), Number(Tokens, NotEqual, 2)])"),
            (
                r#"provider=claude AND NOT (model=~"gpt.*" OR user!="")"#,
                r#"And([In(Provider, ["claude"]), Not(Or([Test(Model, /gpt.*/), Not(In(User, [""]))]))])"#,
            ),
        ] {
            assert_eq!(format!("{:?}", lower(&parse_filter(text).unwrap())), expected, "{text}");
        }
    }
}
