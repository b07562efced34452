//! The answer to a question about metrics, whoever asked it: flags, a query, or a comparison.
//!
//! Rows hold numbers, or truth values where the question compares. What JSON says of a change comes
//! from the two numbers themselves, so that nobody can fill in one that does not fit.

use std::cmp::Ordering;

use ax_storage::bucket::Measure;
use ax_storage::query::series::Source;
use ax_storage::time::{Tier, Timestamp};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{Labels, Time, Warning, Window};
use crate::metric::{self, Aggregation, Metric, Number, Numbers, Unit};
use crate::query::check::Dim;

/// One metric, or what is calculated from several, over a window.
#[derive(Clone, Debug)]
pub struct MetricsView {
    /// When it was asked.
    pub generated_at: Timestamp,
    /// The question in the query language.
    pub query: String,
    /// What was asked for; `None` = calculated from several numbers.
    pub metric: Option<Metric>,
    /// How it is summed up; `None` likewise.
    pub aggregation: Option<Aggregation>,
    /// Unit of the values.
    pub unit: ValueUnit,
    /// The window really used.
    pub range: Window,
    /// The window as the user wrote it.
    pub range_text: Option<String>,
    /// The window that `previous` values come from, when something is compared.
    pub previous: Option<PreviousWindow>,
    /// Width of a point in milliseconds.
    pub step_ms: Option<u64>,
    /// Whether rows are groups; else there is exactly one.
    pub grouped: bool,
    /// Greatest value first, `(other)` last.
    pub data: Vec<RowView>,
    /// Events behind all rows together.
    pub count: u64,
    /// More numbers of all rows together, for latency, ttft, tokens and cost.
    pub summary: Option<Summary>,
    /// What it was made from.
    pub source: SourceView,
    /// The latest event the store knows of.
    pub newest: Option<Timestamp>,
    /// The filter as text; empty = everything.
    pub only: String,
    /// What else a user should know.
    pub warnings: Vec<Warning>,
}

/// What is compared with.
#[derive(Clone, Debug)]
pub struct PreviousWindow {
    /// From and to.
    pub range: Window,
    /// As people call it: `the hour before`, `7d earlier`.
    pub name: String,
}

/// What values are: numbers of a unit, or true and false.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueUnit {
    /// Numbers of a unit that has a name.
    Of(Unit),
    /// Numbers of a unit that came out of a calculation, such as `usd/s`; empty = a plain number.
    Derived(Box<str>),
    /// True, false, or unknown.
    Bool,
}

impl ValueUnit {
    /// The unit of a checked expression; `None` = it is true or false.
    pub fn of(dim: Option<Dim>) -> Self {
        dim.map_or(Self::Bool, |dim| Self::named(&dim.json_name()))
    }

    /// The unit that JSON calls `name`.
    pub fn named(name: &str) -> Self {
        match name {
            "bool" => Self::Bool,
            "ms" => Self::Of(Unit::Time),
            "usd" => Self::Of(Unit::Money),
            "1/s" => Self::Of(Unit::PerSecond),
            "count" => Self::Of(Unit::Count),
            "ratio" => Self::Of(Unit::Ratio),
            "change" => Self::Of(Unit::Change),
            "number" => Self::Derived("".into()),
            other => Self::Derived(other.into()),
        }
    }

    /// The `unit` field of JSON.
    pub fn json_name(&self) -> &str {
        match self {
            Self::Of(unit) => unit.json_name(),
            Self::Derived(name) if name.is_empty() => "number",
            Self::Derived(name) => name,
            Self::Bool => "bool",
        }
    }
}

impl From<Unit> for ValueUnit {
    fn from(unit: Unit) -> Self {
        Self::Of(unit)
    }
}

/// A row's or a point's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// A number in the view's unit.
    Number(Number),
    /// Whether a comparison holds.
    Bool(bool),
}

impl From<Number> for Value {
    fn from(number: Number) -> Self {
        Self::Number(number)
    }
}

impl Value {
    /// The number, unless it is true or false.
    pub const fn number(self) -> Option<Number> {
        match self {
            Self::Number(n) => Some(n),
            Self::Bool(_) => None,
        }
    }

    /// For charts and bars: the number, or 1 for true and 0 for false.
    pub fn to_f64(self) -> f64 {
        match self {
            Self::Number(n) => n.to_f64(),
            Self::Bool(b) => f64::from(u8::from(b)),
        }
    }

    /// Order by size; true is more than false.
    pub fn order(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => a.order(b),
            (a, b) => a.to_f64().total_cmp(&b.to_f64()),
        }
    }
}

/// The same a period earlier; `None` inside = no data then.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Previous(pub Option<Number>);

/// How much a value changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// The value less the previous one.
    pub change: Option<Number>,
    /// The same in per cent of the previous one; `None` when that is 0.
    pub change_pct: Option<f64>,
}

impl Previous {
    /// What changed up to `value`.
    pub fn change(self, value: Option<Value>) -> Change {
        let both = self.0.zip(value.and_then(Value::number));
        let change = both.and_then(|(before, now)| now.minus(before));
        let share = |before: Number, change: Number| change.to_f64() / before.to_f64().abs() * 100.0;
        let change_pct = self.0.zip(change).map(|(b, c)| share(b, c)).filter(|p| p.is_finite());
        Change { change, change_pct }
    }
}

/// What a truth value rests on.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// The left side of the comparison.
    pub current: Option<Number>,
    /// The right side.
    pub threshold: Option<Number>,
    /// Unit of both.
    pub unit: ValueUnit,
}

/// A group's values.
#[derive(Clone, Debug)]
pub struct RowView {
    /// Which group; empty when there are none.
    pub labels: Labels,
    /// Over the whole window; `None` = no data, or unknown.
    pub value: Option<Value>,
    /// The same a period earlier, when something is compared.
    pub previous: Option<Previous>,
    /// The two sides behind a value that is true, false or unknown.
    pub evidence: Option<Evidence>,
    /// Events it rests on.
    pub count: u64,
    /// By step, if there is one.
    pub points: Option<Vec<PointView>>,
}

impl RowView {
    /// Sorts rows: greatest first, no data last, `(other)` behind all, equal ones by name.
    pub fn sort(rows: &mut [Self]) {
        rows.sort_by(|a, b| {
            let size = match (a.value, b.value) {
                (Some(x), Some(y)) => y.order(x),
                (x, y) => x.is_none().cmp(&y.is_none()),
            };
            a.labels.is_other().cmp(&b.labels.is_other()).then(size).then_with(|| a.labels.0.cmp(&b.labels.0))
        });
    }
}

/// A step's values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PointView {
    /// Start of the step.
    pub t: Timestamp,
    /// The value; `None` = no data.
    pub value: Option<Value>,
    /// The value of the same step a period earlier, when something is compared.
    pub previous: Option<Previous>,
    /// Events it rests on.
    pub count: u64,
    /// The window cuts the step short.
    pub partial: bool,
}

/// Numbers of all values in the window, in the metric's unit.
#[derive(Clone, Copy, Debug, serde::Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Summary {
    pub count: u64,
    pub avg: Option<Number>,
    pub min: Option<Number>,
    pub max: Option<Number>,
    pub p50: Option<Number>,
    pub p95: Option<Number>,
    pub p99: Option<Number>,
}

impl Summary {
    /// Quantiles that a summary shows.
    pub const PPM: [u32; 3] = [500_000, 950_000, 990_000];

    /// The summary of a measure whose statistics, and perhaps quantiles, were asked for.
    pub fn of(measure: Measure, all: &Numbers<'_>) -> Self {
        let stat = all.stat(measure).copied().unwrap_or_default();
        let whole = |v: Option<u64>| v.and_then(|v| metric::in_unit(measure, v.into()));
        let [p50, p95, p99] = Self::PPM.map(|ppm| whole(all.quantile(measure, ppm)));
        Self {
            count: stat.count,
            avg: stat.mean().and_then(|v| metric::in_unit_float(measure, v)),
            min: whole(stat.min()),
            max: whole(stat.max()),
            p50,
            p95,
            p99,
        }
    }
}

/// What an answer was made from.
#[derive(Clone, Debug, Default)]
pub struct SourceView {
    /// Buckets read, coarse first, those of no use left out.
    pub buckets: Vec<(&'static str, u64)>,
    /// Single events looked at.
    pub raw_events: u64,
    /// Time it took.
    pub elapsed_ms: f64,
}

impl SourceView {
    /// What was read for an answer.
    pub fn of(read: &Source, elapsed_ms: f64) -> Self {
        let tiers = Tier::ALL.iter().zip(read.buckets).rev().map(|(tier, n)| (tier.name(), n));
        let buckets = tiers.chain([("detail_1d", read.detail_buckets)]).filter(|(_, n)| *n > 0).collect();
        Self { buckets, raw_events: read.raw_events, elapsed_ms: (elapsed_ms * 10.0).round() / 10.0 }
    }
}

impl Serialize for SourceView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Buckets<'a>(&'a [(&'static str, u64)]);
        impl Serialize for Buckets<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_map(self.0.iter().copied())
            }
        }
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("buckets", &Buckets(&self.buckets))?;
        map.serialize_entry("raw_events", &self.raw_events)?;
        map.serialize_entry("elapsed_ms", &self.elapsed_ms)?;
        map.end()
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(n) => n.serialize(serializer),
            Self::Bool(b) => serializer.serialize_bool(*b),
        }
    }
}

/// `value`, and when something is compared `previous`, `change` and `change_pct`.
pub(super) fn values<M: SerializeMap>(
    map: &mut M,
    value: Option<Value>,
    previous: Option<Previous>,
) -> Result<(), M::Error> {
    map.serialize_entry("value", &value)?;
    let Some(previous) = previous else { return Ok(()) };
    let Change { change, change_pct } = previous.change(value);
    map.serialize_entry("previous", &previous.0)?;
    map.serialize_entry("change", &change)?;
    map.serialize_entry("change_pct", &change_pct)
}

impl Evidence {
    pub(super) fn entries<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        map.serialize_entry("current", &self.current)?;
        map.serialize_entry("threshold", &self.threshold)?;
        map.serialize_entry("threshold_unit", self.unit.json_name())
    }
}

impl Serialize for PointView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("t", &Time(self.t))?;
        values(&mut map, self.value, self.previous)?;
        map.serialize_entry("count", &self.count)?;
        if self.partial {
            map.serialize_entry("partial", &true)?;
        }
        map.end()
    }
}

impl Serialize for RowView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("labels", &self.labels)?;
        values(&mut map, self.value, self.previous)?;
        if let Some(evidence) = &self.evidence {
            evidence.entries(&mut map)?;
        }
        map.serialize_entry("count", &self.count)?;
        if let Some(points) = &self.points {
            map.serialize_entry("points", points)?;
        }
        map.end()
    }
}

impl Serialize for MetricsView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("schema", "ax.monitor.metrics/1")?;
        map.serialize_entry("generated_at", &Time(self.generated_at))?;
        map.serialize_entry("query", &self.query)?;
        map.serialize_entry("metric", &self.metric.map(Metric::name))?;
        map.serialize_entry("aggregation", &self.aggregation.map(|a| a.to_string()))?;
        map.serialize_entry("unit", self.unit.json_name())?;
        map.serialize_entry("range", &self.range)?;
        if let Some(previous) = &self.previous {
            map.serialize_entry("previous_range", &previous.range)?;
        }
        map.serialize_entry("step_ms", &self.step_ms)?;
        map.serialize_entry("data", &self.data)?;
        if let Some(summary) = &self.summary {
            map.serialize_entry("summary", summary)?;
        }
        map.serialize_entry("source", &self.source)?;
        map.serialize_entry("warnings", &self.warnings)?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::Money;

    fn number(n: i128) -> Option<Value> {
        Some(Number::Whole(n).into())
    }

    fn row(name: &str, value: Option<Value>, previous: Option<Previous>) -> RowView {
        let labels = Labels(vec![("model", name.into())]);
        RowView { labels, value, previous, evidence: None, count: 3, points: None }
    }

    #[test]
    fn a_change_says_what_can_be_said() {
        let json = |value, before: Option<i128>| {
            let text = serde_json::to_string(&row("m", value, Some(Previous(before.map(Number::Whole))))).unwrap();
            text.split_once(r#""value":"#).unwrap().1.split_once(r#","count""#).unwrap().0.to_owned()
        };
        assert_eq!(json(number(15), Some(12)), r#"15,"previous":12,"change":3,"change_pct":25.0"#);
        assert_eq!(json(number(9), Some(-12)), r#"9,"previous":-12,"change":21,"change_pct":175.0"#);
        assert_eq!(json(number(5), Some(0)), r#"5,"previous":0,"change":5,"change_pct":null"#);
        assert_eq!(json(number(0), Some(0)), r#"0,"previous":0,"change":0,"change_pct":null"#);
        assert_eq!(json(number(5), None), r#"5,"previous":null,"change":null,"change_pct":null"#);
        assert_eq!(json(None, Some(4)), r#"null,"previous":4,"change":null,"change_pct":null"#);
        let money = |n| Number::Money(Money(n));
        let text = serde_json::to_string(&row("m", Some(money(1).into()), Some(Previous(Some(money(3)))))).unwrap();
        assert!(text.contains(r#""change":-0.000000002,"change_pct":-66.6"#), "{text}");
    }

    #[test]
    fn rows_stand_greatest_first_and_unknown_last() {
        let mut rows = [
            row("(other)", number(9), None),
            row("none", None, None),
            row("b", number(1), None),
            row("a", number(1), None),
            row("high", number(2), None),
        ];
        let names = |rows: &[RowView]| rows.iter().map(|r| r.labels.0[0].1.to_string()).collect::<Vec<_>>().join(" ");
        RowView::sort(&mut rows);
        assert_eq!(names(&rows), "high a b none (other)");
        let mut rows = [row("no", Some(Value::Bool(false)), None), row("unknown", None, None)];
        let yes = RowView {
            evidence: Some(Evidence {
                current: Some(Number::Float(2150.0)),
                threshold: Some(Number::Float(2000.0)),
                unit: Unit::Time.into(),
            }),
            ..row("yes", Some(Value::Bool(true)), None)
        };
        let text = serde_json::to_string(&yes).unwrap();
        let evidence = r#""value":true,"current":2150.0,"threshold":2000.0,"threshold_unit":"ms","count":3"#;
        assert!(text.contains(evidence), "{text}");
        rows = [rows[0].clone(), yes];
        RowView::sort(&mut rows);
        assert_eq!(names(&rows), "yes no");
    }
}
