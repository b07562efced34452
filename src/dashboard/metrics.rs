//! One metric over a window, asked by flags: as a number, by group, by step.

use ax_storage::bucket::Measure;
use ax_storage::query::plan::{Label, Plan, Step};
use ax_storage::query::series::{Aggregate, Group, Series};
use ax_storage::time::{TimeRange, Timestamp, Zone};

use super::answer::{MetricsView, PointView, RowView, SourceView, Summary, Value};
use super::{Labels, Only, Warning, Window, step};
use crate::metric::{self, Aggregation, Metric, Needs, Numbers, Unit};

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

impl MetricsQuestion {
    /// What the plan asks for and the view reads.
    fn needs(&self) -> Needs {
        let mut needs = Needs::of(self.metric, self.aggregation);
        if let Some(measure) = self.summary_measure() {
            // Latency's histograms lie in every bucket; those of tokens and cost apart, so they are
            // read only when somebody asks for a percentile.
            let asked = matches!(self.aggregation, Aggregation::Quantile(_));
            if asked || measure == Measure::Latency || measure == Measure::Ttft {
                Summary::PPM.iter().for_each(|ppm| needs.add_quantile(measure, *ppm));
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
        RowView::sort(&mut data);
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
            metric: Some(self.metric),
            aggregation: Some(self.aggregation),
            unit: unit(self.metric, self.aggregation).into(),
            range: Window { range, zone: self.zone.clone() },
            previous: None,
            range_text: self.range_text.clone(),
            step_ms: self.step.map(step::millis),
            grouped: !self.group.is_empty(),
            data,
            count: metric::count(self.metric, &all),
            summary: self.summary_measure().map(|m| Summary::of(m, &all)),
            source: SourceView::of([series], elapsed_ms),
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
                value: metric::value(self.metric, self.aggregation, &numbers).map(Value::Number),
                previous: None,
                count: metric::count(self.metric, &numbers),
                partial: s.partial,
            }
        };
        RowView {
            labels: Labels::of(&self.group, &group.labels),
            value: value.map(Value::Number),
            previous: None,
            evidence: None,
            count: metric::count(self.metric, &total),
            points: self.step.map(|_| steps().map(point).collect()),
        }
    }
}

/// The unit of an aggregation: counts of values and their rates are no longer time or money.
fn unit(metric: Metric, aggregation: Aggregation) -> Unit {
    match aggregation {
        Aggregation::Count => Unit::Count,
        Aggregation::Rate => Unit::PerSecond,
        _ => metric.info().unit,
    }
}
