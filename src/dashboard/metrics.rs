//! One metric over a window: as a number, by group, by step.

use std::cmp::Ordering;

use ax_storage::bucket::Measure;
use ax_storage::query::plan::{Label, Plan, Step};
use ax_storage::query::series::{Aggregate, Group, Series};
use ax_storage::time::{Tier, TimeRange, Timestamp, Zone};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{Labels, Only, Time, Warning, Window, step};
use crate::metric::{self, Aggregation, Metric, Needs, Number, Numbers, Unit};

/// A question about one metric, with absolute times.
#[derive(Clone, Debug)]
pub struct MetricsQuestion {
    /// What is asked for.
    pub metric: Metric,
    /// How it is summed up; it must be allowed for the metric.
    pub aggregation: Aggregation,
    /// The window.
    pub range: TimeRange,
    /// The window as the user wrote it (`1h`), for the query's text; `None` = the times themselves.
    pub range_text: Option<String>,
    /// Which events count.
    pub only: Only,
    /// Labels to group by.
    pub group: Vec<Label>,
    /// Width of a point.
    pub step: Option<Step>,
    /// Zone of days and printed times.
    pub zone: Zone,
}

/// Quantiles that a summary shows.
const SUMMARY_PPM: [u32; 3] = [500_000, 950_000, 990_000];

impl MetricsQuestion {
    /// What the plan asks for and the view reads.
    fn needs(&self) -> Needs {
        let mut needs = Needs::of(self.metric, self.aggregation);
        if let Some(measure) = self.summary_measure() {
            // Latency's histograms lie in every bucket; those of tokens and cost apart, so they are
            // read only when somebody asks for a percentile.
            let asked = matches!(self.aggregation, Aggregation::Quantile(_));
            if asked || measure == Measure::Latency || measure == Measure::Ttft {
                SUMMARY_PPM.iter().for_each(|ppm| needs.add_quantile(measure, *ppm));
            }
        }
        needs
    }

    fn summary_measure(&self) -> Option<Measure> {
        match self.metric {
            Metric::Latency | Metric::Ttft | Metric::Tokens | Metric::Cost => metric::measure(self.metric),
            _ => None,
        }
    }

    /// The plan that answers it.
    pub fn plan(&self) -> Plan {
        let mut plan = Plan::new(self.range, self.zone.clone());
        self.needs().ask(&mut plan);
        plan.filter = self.only.filter();
        plan.group.clone_from(&self.group);
        plan.step = self.step;
        plan
    }

    /// The question in the query language.
    pub fn text(&self) -> String {
        let mut out = self.metric.name().to_owned();
        let only = self.only.text();
        if !only.is_empty() {
            out += &format!("{{{only}}}");
        }
        match &self.range_text {
            Some(text) => out += &format!(" [{text}]"),
            None => out += &format!(" [{}..{}]", self.range.start, self.range.end),
        }
        out += &format!(" {}", self.aggregation);
        if !self.group.is_empty() {
            let names: Vec<&str> = self.group.iter().map(|l| l.name()).collect();
            out += &format!(" by({})", names.join(", "));
        }
        if let Some(width) = self.step {
            out += &format!(" every {}", step::text(width));
        }
        out
    }

    /// The view of the plan's answer. `now` and `elapsed_ms` are passed on.
    pub fn view(&self, series: &Series, now: Timestamp, elapsed_ms: f64) -> MetricsView {
        let needs = self.needs();
        let range = series.range.unwrap_or(self.range);
        let mut data: Vec<RowView> = series.groups.iter().map(|g| self.row(g, series, &needs, range)).collect();
        data.sort_by(by_value);
        let mut warnings = Vec::new();
        if range != self.range {
            let message = format!("the window was widened to whole buckets: {} to {}", range.start, range.end);
            warnings.push(Warning { code: "widened", message });
        }
        for what in &series.missing {
            warnings.push(Warning { code: "missing", message: format!("could not be read: {what}") });
        }
        if self.metric == Metric::Cost && series.all.counts.unpriced > 0 {
            let message =
                format!("{} requests have no known price and are not in the cost", series.all.counts.unpriced);
            warnings.push(Warning { code: "unpriced", message });
        }
        let all = Numbers { needs: &needs, aggregate: &series.all, millis: range.millis() };
        MetricsView {
            generated_at: now,
            query: self.text(),
            metric: self.metric,
            aggregation: self.aggregation,
            unit: unit(self.metric, self.aggregation),
            range: Window { range, zone: self.zone.clone() },
            range_text: self.range_text.clone(),
            step_ms: self.step.map(step::millis),
            grouped: !self.group.is_empty(),
            data,
            count: metric::count(self.metric, &all),
            summary: self.summary_measure().map(|m| Summary::of(m, &all)),
            source: SourceView::of(series, elapsed_ms),
            newest: series.newest,
            only: self.only.text(),
            warnings,
        }
    }

    fn row(&self, group: &Group, series: &Series, needs: &Needs, range: TimeRange) -> RowView {
        fn of<'a>(needs: &'a Needs, aggregate: &'a Aggregate, millis: u64) -> Numbers<'a> {
            Numbers { needs, aggregate, millis }
        }
        let total = of(needs, &group.total, range.millis());
        let steps = || series.steps.iter().zip(&group.points);
        let value = if self.metric.info().allowed.needs_step(self.aggregation) {
            metric::extreme(self.metric, self.aggregation, steps().map(|(s, a)| of(needs, a, s.range.millis())))
        } else {
            metric::value(self.metric, self.aggregation, &total)
        };
        let point = |(s, aggregate): (&ax_storage::query::series::StepRange, &Aggregate)| {
            let numbers = of(needs, aggregate, s.range.millis());
            PointView {
                t: s.range.start,
                value: metric::value(self.metric, self.aggregation, &numbers),
                count: metric::count(self.metric, &numbers),
                partial: s.partial,
            }
        };
        RowView {
            labels: Labels::of(&self.group, &group.labels),
            value,
            count: metric::count(self.metric, &total),
            points: self.step.map(|_| steps().map(point).collect()),
        }
    }
}

/// Greatest first, no data last, `(other)` behind all, equal ones by name.
fn by_value(a: &RowView, b: &RowView) -> Ordering {
    let size = match (a.value, b.value) {
        (Some(x), Some(y)) => y.order(x),
        (x, y) => x.is_none().cmp(&y.is_none()),
    };
    a.labels.is_other().cmp(&b.labels.is_other()).then(size).then_with(|| a.labels.0.cmp(&b.labels.0))
}

/// The unit of an aggregation: counts of values and their rates are no longer time or money.
fn unit(metric: Metric, aggregation: Aggregation) -> Unit {
    match aggregation {
        Aggregation::Count => Unit::Count,
        Aggregation::Rate => Unit::PerSecond,
        _ => metric.info().unit,
    }
}

/// One metric over a window.
#[derive(Clone, Debug)]
pub struct MetricsView {
    /// When it was asked.
    pub generated_at: Timestamp,
    /// The question in the query language.
    pub query: String,
    /// What was asked for.
    pub metric: Metric,
    /// How it is summed up.
    pub aggregation: Aggregation,
    /// Unit of the values.
    pub unit: Unit,
    /// The window really used.
    pub range: Window,
    /// The window as the user wrote it.
    pub range_text: Option<String>,
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

/// A group's numbers.
#[derive(Clone, Debug)]
pub struct RowView {
    /// Which group; empty when there are none.
    pub labels: Labels,
    /// Over the whole window.
    pub value: Option<Number>,
    /// Events it rests on.
    pub count: u64,
    /// By step, if there is one.
    pub points: Option<Vec<PointView>>,
}

/// A step's numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PointView {
    /// Start of the step.
    pub t: Timestamp,
    /// The value; `None` = no data.
    pub value: Option<Number>,
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
    fn of(measure: Measure, all: &Numbers<'_>) -> Self {
        let stat = all.stat(measure).copied().unwrap_or_default();
        let whole = |v: Option<u64>| v.and_then(|v| metric::in_unit(measure, v.into()));
        let [p50, p95, p99] = SUMMARY_PPM.map(|ppm| whole(all.quantile(measure, ppm)));
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
#[derive(Clone, Debug)]
pub struct SourceView {
    /// Buckets read, coarse first, those of no use left out.
    pub buckets: Vec<(&'static str, u64)>,
    /// Single events looked at.
    pub raw_events: u64,
    /// Time it took.
    pub elapsed_ms: f64,
}

impl SourceView {
    pub(super) fn of(series: &Series, elapsed_ms: f64) -> Self {
        let read = series.source;
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

impl Serialize for PointView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("t", &Time(self.t))?;
        map.serialize_entry("value", &self.value)?;
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
        map.serialize_entry("value", &self.value)?;
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
        map.serialize_entry("metric", self.metric.name())?;
        map.serialize_entry("aggregation", &self.aggregation.to_string())?;
        map.serialize_entry("unit", self.unit.json_name())?;
        map.serialize_entry("range", &self.range)?;
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
