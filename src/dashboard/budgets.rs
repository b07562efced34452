//! How budgets stand.

use ax_storage::time::{Timestamp, Zone};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{Time, Warning};
use crate::costs::{Origin, Standing};

/// All budgets.
#[derive(Clone, Debug)]
pub struct BudgetsView {
    /// When it was asked.
    pub generated_at: Timestamp,
    /// Zone of the time above.
    pub zone: Zone,
    /// Each, by name.
    pub data: Vec<BudgetView>,
    /// What else a user should know.
    pub warnings: Vec<Warning>,
}

/// A budget.
#[derive(Clone, Debug)]
pub struct BudgetView(pub Standing);

impl BudgetView {
    /// The local date of `t` in the budget's zone.
    fn date(&self, t: Timestamp) -> String {
        self.0.ready.calendar().date(t).to_string()
    }
}

impl Serialize for BudgetView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let standing = &self.0;
        let budget = &standing.ready.budget;
        let outlook = &standing.outlook;
        let (low, high) = outlook.bounds().unzip();
        let period = standing.period();
        let used_up = standing.used_up_at().or_else(|| standing.exhausted_at());
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &budget.name)?;
        map.serialize_entry("period", budget.every.name())?;
        map.serialize_entry("scope", &budget.scope)?;
        map.serialize_entry("tz", &budget.zone)?;
        map.serialize_entry("start", &Time(period.start))?;
        map.serialize_entry("end", &Time(period.end))?;
        map.serialize_entry("limit_usd", &budget.limit)?;
        map.serialize_entry("spent_usd", &standing.spent())?;
        map.serialize_entry("left_usd", &standing.left())?;
        map.serialize_entry("used", &standing.used())?;
        map.serialize_entry("days_left", &standing.days_left())?;
        map.serialize_entry("burn_rate", &standing.burn_rate)?;
        map.serialize_entry("projected_usd", &outlook.estimate())?;
        map.serialize_entry("projected_low_usd", &low)?;
        map.serialize_entry("projected_high_usd", &high)?;
        map.serialize_entry("projected_linear_usd", &outlook.linear())?;
        map.serialize_entry("projection_status", outlook.status.name())?;
        map.serialize_entry("exceeds_probability", &standing.exceeds())?;
        map.serialize_entry("exhausted_on", &used_up.map(|t| self.date(t)))?;
        map.serialize_entry("thresholds", &budget.alert_at)?;
        map.serialize_entry("thresholds_crossed", &standing.crossed())?;
        map.serialize_entry("unpriced_requests", &standing.unpriced)?;
        map.serialize_entry("store_days_until", &standing.store_days_until.map(Time))?;
        map.serialize_entry("set_in", if budget.origin == Origin::Store { "store" } else { "settings" })?;
        map.end()
    }
}

impl Serialize for BudgetsView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("schema", "ax.monitor.budgets/1")?;
        map.serialize_entry("generated_at", &Time(self.generated_at))?;
        map.serialize_entry("data", &self.data)?;
        map.serialize_entry("warnings", &self.warnings)?;
        map.end()
    }
}
