//! The metrics there are, for `metrics --list`: the one catalogue as rows.

use ax_storage::bucket::Measure;
use ax_storage::time::Timestamp;
use serde::Serialize;

use super::Time;
use crate::metric::{self, Aggregation, Metric, Source};

/// Every metric.
#[derive(Clone, Debug, Serialize)]
pub struct CatalogueView {
    schema: &'static str,
    generated_at: Time,
    /// In the order of the catalogue.
    pub data: Vec<EntryView>,
    warnings: [(); 0],
}

/// A metric.
#[derive(Clone, Debug, Serialize)]
pub struct EntryView {
    /// As users write it.
    pub name: &'static str,
    /// Unit of its values.
    pub unit: &'static str,
    /// One line for people.
    pub meaning: &'static str,
    /// What it is without an aggregation.
    pub default: String,
    /// What may be written; `pNN` stands for all percentiles.
    pub aggregations: Vec<&'static str>,
    /// How far back it reaches.
    pub reach: Reach,
    /// How far back its percentiles reach, where it has any.
    pub percentiles_reach: Option<Reach>,
}

/// How far back an answer can reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Reach {
    /// As long as buckets of any width are kept.
    Tiers,
    /// As long as single events are kept.
    Raw,
}

impl CatalogueView {
    /// The catalogue as it is.
    pub fn new(now: Timestamp) -> Self {
        let data = Metric::ALL.into_iter().map(EntryView::of).collect();
        Self { schema: "ax.monitor.metrics_list/1", generated_at: Time(now), data, warnings: [] }
    }
}

impl EntryView {
    fn of(metric: Metric) -> Self {
        let info = metric.info();
        let named = Aggregation::NAMED.into_iter().filter(|a| info.allowed.has(*a)).map(Aggregation::name);
        let percentiles = info.allowed.has(Aggregation::Quantile(500_000));
        Self {
            name: info.name,
            unit: info.unit.json_name(),
            meaning: info.meaning,
            default: info.default.to_string(),
            aggregations: named.chain(percentiles.then_some("pNN")).collect(),
            reach: if info.source == Source::Violations { Reach::Raw } else { Reach::Tiers },
            percentiles_reach: percentiles.then(|| match metric::measure(metric) {
                // Buckets keep the distributions of these; see `storage/FORMAT.md`.
                Some(Measure::Latency | Measure::Ttft | Measure::Tokens | Measure::Cost) => Reach::Tiers,
                _ => Reach::Raw,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_says_how_far_back_each_metric_reaches() {
        let view = CatalogueView::new(Timestamp::MIN);
        assert_eq!(view.data.len(), Metric::ALL.len());
        let entry = |name: &str| serde_json::to_string(view.data.iter().find(|e| e.name == name).unwrap()).unwrap();
        for (name, end) in [
            ("latency", r#""pNN"],"reach":"tiers","percentiles_reach":"tiers"}"#),
            ("input_tokens", r#""pNN"],"reach":"tiers","percentiles_reach":"raw"}"#),
            ("error_rate", r#""reach":"tiers","percentiles_reach":null}"#),
            ("violations", r#""aggregations":["sum"],"reach":"raw","percentiles_reach":null}"#),
        ] {
            assert!(entry(name).ends_with(end), "{}", entry(name));
        }
    }
}
