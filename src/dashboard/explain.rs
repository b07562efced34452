//! What a query text means and what would be read to answer it, without a store.

use ax_storage::query::QueryError;
use ax_storage::query::outline::{Kept, Outline, outline};
use ax_storage::query::plan::{Filter as Lowered, Kinds, Plan};
use ax_storage::retention::{Part, Retention};
use ax_storage::time::{TimeRange, Timestamp, Zone};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::{Time, ValueUnit, step};
use crate::query::planner::{Asked, Question};

/// Plans that are listed: more are only counted, so that the list stays below 2 KiB.
const LISTED_MAX: usize = 6;

/// A query explained.
#[derive(Clone, Debug)]
pub struct ExplainView {
    /// `query`, `filter` or `condition`.
    pub kind: &'static str,
    /// The query in canonical form.
    pub canonical: String,
    /// What its values are; `None` of a filter.
    pub unit: Option<ValueUnit>,
    /// How long a condition must hold.
    pub hold: Option<String>,
    /// What would be read.
    pub reads: Vec<ReadView>,
    /// Plans that are not in the list.
    pub more: usize,
}

/// A plan for the store.
#[derive(Clone, Debug)]
pub struct ReadView {
    /// The metrics it answers, each with its aggregation.
    pub metrics: Vec<String>,
    /// The window that would really be used.
    pub range: TimeRange,
    /// Width of a point in milliseconds.
    pub step_ms: Option<u64>,
    /// Labels it is grouped by.
    pub by: Vec<&'static str>,
    /// Buckets for each provider, coarse ones first.
    pub buckets: Vec<(&'static str, u64)>,
    /// Length of what is read event by event, in milliseconds.
    pub raw_ms: u64,
    /// What needs single events.
    pub raw_why: Option<String>,
}

/// How long everything is kept unless somebody says otherwise.
fn kept() -> Kept {
    let retention = Retention::default();
    let tier_ms = [Part::Minute, Part::FiveMinutes, Part::Hour, Part::Day].map(|part| retention.get(part));
    Kept { raw_ms: retention.get(Part::Raw), tier_ms }
}

impl ExplainView {
    /// Explains a planned query.
    ///
    /// # Errors
    /// When no store could answer it.
    pub fn of_question(kind: &'static str, question: &Question, now: Timestamp) -> Result<Self, QueryError> {
        let shown = question.asked.iter().enumerate().take(LISTED_MAX);
        let read = |(i, asked): (usize, &Asked)| {
            let metrics = question.selects.iter().filter(|s| s.asked == i);
            let mut names: Vec<String> = metrics.map(|s| format!("{} {}", s.metric.name(), s.aggregation)).collect();
            names.dedup();
            if names.is_empty() {
                names.push("summary".to_owned());
            }
            ReadView::of(&asked.plan, names, now)
        };
        Ok(Self {
            kind,
            canonical: question.text.clone(),
            unit: Some(ValueUnit::of(question.dim)),
            hold: None,
            reads: shown.map(read).collect::<Result<_, _>>()?,
            more: question.asked.len().saturating_sub(LISTED_MAX),
        })
    }

    /// Explains a filter over `range`.
    ///
    /// # Errors
    /// As [`Self::of_question`].
    pub fn of_filter(
        canonical: String,
        filter: Lowered,
        range: TimeRange,
        zone: &Zone,
        now: Timestamp,
    ) -> Result<Self, QueryError> {
        let plan = Plan { kinds: Kinds::ALL, filter, ..Plan::new(range, zone.clone()) };
        let mut read = ReadView::of(&plan, vec!["events".to_owned()], now)?;
        // A list shows the events themselves, whatever could count them.
        (read.buckets, read.raw_ms) = (Vec::new(), range.millis());
        read.raw_why.get_or_insert_with(|| "a list of events".to_owned());
        Ok(Self { kind: "filter", canonical, unit: None, hold: None, reads: vec![read], more: 0 })
    }
}

impl ReadView {
    fn of(plan: &Plan, metrics: Vec<String>, now: Timestamp) -> Result<Self, QueryError> {
        let Outline { window, buckets, raw_ms, raw_why } = outline(plan, now, &plan.zone, kept())?;
        let buckets = buckets.into_iter().map(|(table, n)| (table.trim_start_matches("tier_"), n)).collect();
        let by = plan.group.iter().map(|l| l.name()).collect();
        Ok(Self { metrics, range: window, step_ms: plan.step.map(step::millis), by, buckets, raw_ms, raw_why })
    }
}

impl Serialize for ReadView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("metrics", &self.metrics)?;
        map.serialize_entry("start", &Time(self.range.start))?;
        map.serialize_entry("end", &Time(self.range.end))?;
        if let Some(step_ms) = self.step_ms {
            map.serialize_entry("step_ms", &step_ms)?;
        }
        if !self.by.is_empty() {
            map.serialize_entry("by", &self.by)?;
        }
        struct Buckets<'a>(&'a [(&'static str, u64)]);
        impl Serialize for Buckets<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_map(self.0.iter().copied())
            }
        }
        map.serialize_entry("buckets", &Buckets(&self.buckets))?;
        map.serialize_entry("raw_ms", &self.raw_ms)?;
        if let Some(why) = &self.raw_why {
            map.serialize_entry("raw_because_of", why)?;
        }
        map.end()
    }
}

impl Serialize for ExplainView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("schema", "ax.monitor.explain/1")?;
        map.serialize_entry("ok", &true)?;
        map.serialize_entry("kind", self.kind)?;
        map.serialize_entry("canonical", &self.canonical)?;
        if let Some(unit) = &self.unit {
            map.serialize_entry("unit", unit.json_name())?;
        }
        if let Some(hold) = &self.hold {
            map.serialize_entry("for", hold)?;
        }
        map.serialize_entry("plan", &self.reads)?;
        if self.more > 0 {
            map.serialize_entry("more_plans", &self.more)?;
        }
        map.end()
    }
}
