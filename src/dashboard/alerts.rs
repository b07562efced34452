//! Alerts as screens and JSON show them.

use super::ValueUnit;
use crate::alerts::Evidence;
use crate::metric::Number;

/// Value and threshold of an alert in their unit.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertNumbers {
    /// The value.
    pub value: Option<Number>,
    /// What it is compared with.
    pub threshold: Option<Number>,
    /// Unit of both.
    pub unit: ValueUnit,
}

impl AlertNumbers {
    /// The numbers of a judgement.
    pub fn of(evidence: &Evidence) -> Self {
        Self { value: evidence.value, threshold: evidence.threshold, unit: ValueUnit::named(&evidence.unit) }
    }
}
