//! Costs as JSON: names and units of the outside contract.

use ax_storage::time::Zone;
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{BeforeView, CostsView, GroupView, KeptView, SectionView};
use crate::calendar::Calendar;
use crate::costs::{By, Outlook, Span, Told};
use crate::dashboard::{Change, OTHER, Previous, Time, Window};
use crate::metric::{Money, Number};
use crate::projection::Held;

/// The share of cases that lie within the bounds of a projection.
const CONFIDENCE: f64 = 0.8;

impl Serialize for CostsView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let zone = &self.range.zone;
        let groups = |section: &SectionView| {
            let group = |group| GroupJson {
                group,
                by: section.by.clone(),
                zone: zone.clone(),
                compared: self.before.is_some(),
            };
            section.groups.iter().cloned().map(group).collect::<Vec<_>>()
        };
        let trend: Vec<_> = self.trend.iter().map(|(t, cost)| PointJson { t: Time(*t), cost_usd: *cost }).collect();
        let projection = ProjectionJson(self);
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("schema", "ax.monitor.costs/1")?;
        map.serialize_entry("generated_at", &Time(self.generated_at))?;
        map.serialize_entry("range", &self.range)?;
        map.serialize_entry("total_usd", &self.total.cost)?;
        map.serialize_entry("requests", &self.total.requests)?;
        map.serialize_entry("tokens", &self.total.tokens)?;
        map.serialize_entry("unpriced_requests", &self.total.unpriced)?;
        map.serialize_entry("unpriced_models", &self.unpriced_models)?;
        map.serialize_entry("today_usd", &self.projection.day.spent)?;
        map.serialize_entry("saved_usd", &self.saved)?;
        map.serialize_entry("previous", &self.before.as_ref().map(BeforeJson::of))?;
        if let Some(first) = self.sections.first() {
            map.serialize_entry("groups", &groups(first))?;
        }
        // Without `--by` the screen has a second table; its rows are here.
        if let Some(models) = self.sections.get(1) {
            map.serialize_entry("models", &groups(models))?;
        }
        map.serialize_entry("trend", &trend)?;
        map.serialize_entry("projection", &projection)?;
        map.serialize_entry("budgets", &self.budgets)?;
        map.serialize_entry("advice", &crate::dashboard::advice::json(&self.advice))?;
        map.serialize_entry("source", &self.source)?;
        map.serialize_entry("warnings", &self.warnings)?;
        map.end()
    }
}

#[derive(serde::Serialize)]
struct PointJson {
    t: Time,
    cost_usd: Money,
}

#[derive(serde::Serialize)]
struct BeforeJson<'a> {
    range: &'a Window,
    total_usd: Money,
}

impl<'a> BeforeJson<'a> {
    fn of(before: &'a BeforeView) -> Self {
        Self { range: &before.range, total_usd: before.total }
    }
}

struct GroupJson {
    group: GroupView,
    by: Vec<By>,
    zone: Zone,
    compared: bool,
}

impl Serialize for GroupJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (group, row) = (&self.group, &self.group.row);
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("labels", &LabelsJson(self))?;
        map.serialize_entry("cost_usd", &row.spent())?;
        map.serialize_entry("share", &group.share)?;
        map.serialize_entry("requests", &row.requests)?;
        map.serialize_entry("unpriced_requests", &row.unpriced)?;
        map.serialize_entry("tokens", &row.tokens)?;
        if self.compared {
            let number = |money: Money| Number::Money(money);
            let Change { change, change_pct } =
                Previous(group.previous.map(number)).change(row.spent().map(|cost| number(cost).into()));
            map.serialize_entry("previous_usd", &group.previous)?;
            map.serialize_entry("change_usd", &change)?;
            map.serialize_entry("change_pct", &change_pct)?;
        }
        map.end()
    }
}

/// Names and times of a row; times as dates of the zone, hours with their offset.
struct LabelsJson<'a>(&'a GroupJson);

impl Serialize for LabelsJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let GroupJson { group, by, zone, .. } = self.0;
        let mut names = group.labels.0.iter();
        let mut map = serializer.serialize_map(Some(by.len()))?;
        for by in by {
            match by {
                By::Label(_) => {
                    if let Some((name, value)) = names.next() {
                        map.serialize_entry(name, value)?;
                    }
                }
                By::Time(span) => {
                    let start = group.row.time.map_or_else(|| OTHER.to_owned(), |t| time(t.start, *span, zone));
                    map.serialize_entry(span.name(), &start)?;
                }
            }
        }
        map.end()
    }
}

fn time(t: ax_storage::time::Timestamp, span: Span, zone: &Zone) -> String {
    let pattern = match span {
        Span::Hour => "%Y-%m-%dT%H:%M:%S%:z",
        Span::Day | Span::Week => "%Y-%m-%d",
        Span::Month => "%Y-%m",
    };
    t.to_jiff().to_zoned_datetime(zone.tz().clone()).strftime(pattern).to_string()
}

struct ProjectionJson<'a>(&'a CostsView);

impl Serialize for ProjectionJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let view = self.0;
        let p = &view.projection;
        let mut map = serializer.serialize_map(None)?;
        let all = [("day", &p.day, view.day_budget), ("month", &p.month, view.month_budget), ("year", &p.year, None)];
        for (name, outlook, limit) in all {
            map.serialize_entry(name, &OutlookJson { outlook, limit, zone: &view.range.zone })?;
        }
        map.serialize_entry("linear_month_usd", &p.month.linear())?;
        map.serialize_entry("held", &view.held.map(HeldJson::of))?;
        map.serialize_entry("kept", &view.kept.as_ref().map(KeptJson::of))?;
        map.end()
    }
}

#[derive(serde::Serialize)]
struct HeldJson {
    held: usize,
    of: usize,
}

impl HeldJson {
    const fn of(Held { held, of }: Held) -> Self {
        Self { held, of }
    }
}

#[derive(serde::Serialize)]
struct KeptJson {
    day: HeldJson,
    month: HeldJson,
    this_month: Vec<ToldJson>,
}

#[derive(serde::Serialize)]
struct ToldJson {
    t: Time,
    estimate_usd: Money,
    low_usd: Option<Money>,
    high_usd: Option<Money>,
}

impl KeptJson {
    fn of(kept: &KeptView) -> Self {
        let told = |told: &Told| {
            let (low_usd, high_usd) = told.bounds.unzip();
            ToldJson { t: Time(told.at), estimate_usd: told.estimate, low_usd, high_usd }
        };
        Self {
            day: HeldJson::of(kept.days),
            month: HeldJson::of(kept.months),
            this_month: kept.this_month.iter().map(told).collect(),
        }
    }
}

struct OutlookJson<'a> {
    outlook: &'a Outlook,
    /// Of the budget it is compared with.
    limit: Option<Money>,
    zone: &'a Zone,
}

impl Serialize for OutlookJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let outlook = self.outlook;
        let (low, high) = outlook.bounds().unzip();
        let used_up = self.limit.and_then(|limit| outlook.used_up_at(limit).or_else(|| outlook.exhausted_at(limit)));
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("estimate_usd", &outlook.estimate())?;
        map.serialize_entry("low_usd", &low)?;
        map.serialize_entry("high_usd", &high)?;
        map.serialize_entry("confidence", &CONFIDENCE)?;
        map.serialize_entry("status", outlook.status.name())?;
        map.serialize_entry("linear_usd", &outlook.linear())?;
        map.serialize_entry("exceeds_budget_probability", &self.limit.and_then(|limit| outlook.exceeds(limit)))?;
        map.serialize_entry("exhausted_on", &used_up.map(|t| Calendar::new(self.zone).date(t).to_string()))?;
        map.end()
    }
}
