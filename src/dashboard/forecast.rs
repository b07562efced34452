//! A projection as a view.

use ax_storage::time::Zone;
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::Warning;
use crate::projection::{Bounds, Estimate, Projection, Step};

/// What a series will add up to.
#[derive(Clone, Debug)]
pub struct ForecastView {
    /// Zone of printed times.
    pub zone: Zone,
    /// Width of its steps.
    pub step: Step,
    /// The values it stands on, oldest first.
    pub past: Vec<f64>,
    /// What is to come.
    pub projection: Projection,
    /// When each step to come starts. These may lie where no event does.
    pub times: Vec<jiff::Timestamp>,
    /// The sum if each step were an average one.
    pub linear: f64,
    /// What else a user should know.
    pub warnings: Vec<Warning>,
}

struct Figures<'a>(Option<String>, &'a Estimate);

impl Serialize for Figures<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (low, high) = self.1.bounds.map(|Bounds { low, high }| (low, high)).unzip();
        let mut map = serializer.serialize_map(None)?;
        if let Some(t) = &self.0 {
            map.serialize_entry("t", t)?;
        }
        map.serialize_entry("estimate", &self.1.estimate)?;
        map.serialize_entry("low", &low)?;
        map.serialize_entry("high", &high)?;
        map.end()
    }
}

impl Serialize for ForecastView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let points: Vec<_> =
            self.times.iter().zip(&self.projection.points).map(|(t, e)| Figures(Some(format!("{t:.3}")), e)).collect();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("schema", "ax.monitor.forecast/1")?;
        map.serialize_entry("total", &Figures(None, &self.projection.total))?;
        map.serialize_entry("points", &points)?;
        map.serialize_entry("status", self.projection.status.name())?;
        map.serialize_entry("linear", &self.linear)?;
        map.serialize_entry("history", &self.past.len())?;
        map.serialize_entry("warnings", &self.warnings)?;
        map.end()
    }
}
