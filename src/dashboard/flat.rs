//! The rows of an answer one by one, for formats that know no rows within rows.
//!
//! Where rows have points each point is a row, so that all rows mean the same and may be added up.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::answer::values;
use super::{Evidence, Labels, MetricsView, PointView, Previous, RowView, Time, Value};

/// A row, or a point of it.
#[derive(Clone, Copy, Debug)]
pub struct FlatRow<'a> {
    /// What it is a row of.
    pub view: &'a MetricsView,
    /// Which group.
    pub labels: &'a Labels,
    /// The point, where the answer has points.
    pub point: Option<&'a PointView>,
    /// Value of the row or point; `None` = no data, or unknown.
    pub value: Option<Value>,
    /// The same a period earlier, when something is compared.
    pub previous: Option<Previous>,
    /// The two sides behind a value that is true, false or unknown.
    pub evidence: Option<&'a Evidence>,
    /// Events it rests on.
    pub count: u64,
}

impl MetricsView {
    /// The rows without points, and the points of the others.
    pub fn flat(&self) -> impl Iterator<Item = FlatRow<'_>> {
        self.data.iter().flat_map(|row| {
            let whole = row.points.is_none().then(|| self.flat_row(row));
            let points = row.points.iter().flatten().map(|point| FlatRow {
                point: Some(point),
                value: point.value,
                previous: point.previous,
                evidence: None,
                count: point.count,
                ..self.flat_row(row)
            });
            whole.into_iter().chain(points)
        })
    }

    fn flat_row<'a>(&'a self, row: &'a RowView) -> FlatRow<'a> {
        FlatRow {
            view: self,
            labels: &row.labels,
            point: None,
            value: row.value,
            previous: row.previous,
            evidence: row.evidence.as_ref(),
            count: row.count,
        }
    }

    /// Whether rows have points.
    pub fn is_stepped(&self) -> bool {
        self.data.iter().any(|row| row.points.is_some())
    }

    /// Names of the labels that tell groups apart.
    pub fn label_names(&self) -> impl Iterator<Item = &'static str> {
        self.data.iter().take(1).flat_map(|row| row.labels.0.iter().map(|(name, _)| *name))
    }
}

impl Serialize for FlatRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("labels", self.labels)?;
        if let Some(point) = self.point {
            map.serialize_entry("t", &Time(point.t))?;
        }
        values(&mut map, self.value, self.previous)?;
        map.serialize_entry("unit", self.view.unit.json_name())?;
        if let Some(evidence) = self.evidence {
            evidence.entries(&mut map)?;
        }
        map.serialize_entry("count", &self.count)?;
        if self.point.is_some_and(|p| p.partial) {
            map.serialize_entry("partial", &true)?;
        }
        map.end()
    }
}
