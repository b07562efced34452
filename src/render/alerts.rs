//! Alerts as text.

use super::{Style, number};
use crate::dashboard::{AlertNumbers, Value};

/// Value and threshold in their unit.
pub fn alert_numbers(numbers: &AlertNumbers, style: &Style) -> (String, String) {
    let text = |n: Option<crate::metric::Number>| number::value(n.map(Value::Number), &numbers.unit, style);
    (text(numbers.value), text(numbers.threshold))
}
