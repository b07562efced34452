//! Views: what a screen says, computed from series and ready for JSON.
//!
//! Each view comes in two pure steps: a question gives plans with absolute times, and the series
//! that answer them give the view. `--json` prints the view itself; screens draw the same view.

mod advice;
mod alerts;
mod answer;
mod budgets;
mod catalogue;
mod channels;
mod costs;
mod empty;
mod events;
mod explain;
mod flat;
mod forecast;
mod metrics;
mod status;
mod step;

use ax_storage::query::plan::{Filter, Label};
use ax_storage::time::{TimeRange, Timestamp, Zone};
use serde::ser::{Serialize, SerializeMap, Serializer};

pub(crate) use crate::answer::OTHER;
pub use crate::error::Warning;
pub use advice::{AdviceView, assumption};
pub use alerts::{
    AlertNumbers, AlertShownView, AlertView, AlertsView, EntryView as HistoryEntryView, HistoryView, RuleView,
    RulesView, TestedView, Which,
};
pub use answer::{
    Change, Evidence, MetricsView, PointView, Previous, PreviousWindow, RowView, SourceView, Summary, Value, ValueUnit,
};
pub use budgets::{BudgetView, BudgetsView};
pub use catalogue::{CatalogueView, EntryView, Reach};
pub use channels::{ChannelState, ChannelView, ChannelsView};
pub use costs::{
    Before, BeforeView, CostsQuestion, CostsSeries, CostsView, GroupView, KeptView, More, ProjectionView, SectionView,
    UnpricedView, WeekView,
};
pub use empty::{Emptiness, FoundLogs, Known};
pub use events::{EventView, EventsView};
pub use explain::{ExplainView, ReadView};
pub use flat::FlatRow;
pub use forecast::ForecastView;
pub use metrics::Shown;
pub use status::{
    CacheView, LatencyView, ModelView, ProviderView, RateLimitView, State, StatusQuestion, StatusSeries, StatusView,
    TotalView, Upkeep,
};
pub use step::{POINTS_MAX, automatic_step, millis as step_millis};

/// The window of an answer.
#[derive(Clone, Debug)]
pub struct Window {
    /// From and to.
    pub range: TimeRange,
    /// Zone of days and of printed times.
    pub zone: Zone,
}

impl Serialize for Window {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("start", &Time(self.range.start))?;
        map.serialize_entry("end", &Time(self.range.end))?;
        map.serialize_entry("tz", self.zone.name())?;
        map.end()
    }
}

/// A time that serialises as RFC 3339 in UTC with milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub Timestamp);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.rfc3339())
    }
}

/// Label names with their values, in the order asked; an object in JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels(pub Vec<(&'static str, Box<str>)>);

impl Labels {
    /// The labels of a group.
    pub fn of(names: &[Label], values: &[Box<str>]) -> Self {
        Self(names.iter().map(|l| l.name()).zip(values.iter().cloned()).collect())
    }

    /// Whether this is the row of all groups that got none of their own.
    pub fn is_other(&self) -> bool {
        !self.0.is_empty() && self.0.iter().all(|(_, value)| &**value == OTHER)
    }
}

impl Serialize for Labels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, &**value)))
    }
}

/// What flags narrow a question to: for each label the values that count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Only(pub Vec<(Label, Vec<Box<str>>)>);

impl Only {
    /// Only these values of `label`; an empty list changes nothing.
    #[must_use]
    pub fn and<T: AsRef<str>>(mut self, label: Label, values: &[T]) -> Self {
        if !values.is_empty() {
            self.0.push((label, values.iter().map(|v| v.as_ref().into()).collect()));
        }
        self
    }

    /// The same for a plan.
    pub fn filter(&self) -> Filter {
        let parts: Vec<Filter> = self.0.iter().map(|(label, values)| Filter::In(*label, values.clone())).collect();
        if parts.is_empty() { Filter::All } else { Filter::And(parts) }
    }
}

#[cfg(test)]
mod tests;
