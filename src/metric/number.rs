//! Numbers of a metric: floats, whole numbers, and money that stays exact down to the JSON text.

use std::cmp::Ordering;
use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// Money as whole nano-dollars, printed exactly from the integer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(pub u128);

const NANOS_PER_USD: u128 = 1_000_000_000;

impl Money {
    /// Dollars, rounded to a float: for charts and ratios, never for what is printed as a sum.
    #[expect(clippy::cast_precision_loss, reason = "what it is for")]
    pub fn dollars(self) -> f64 {
        // Whole dollars and the rest apart: the sum of two exact parts rounds once.
        (self.0 / NANOS_PER_USD) as f64 + (self.0 % NANOS_PER_USD) as f64 / NANOS_PER_USD as f64
    }
}

impl fmt::Display for Money {
    /// Dollars with all nine decimals.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}", self.0 / NANOS_PER_USD, self.0 % NANOS_PER_USD)
    }
}

impl Serialize for Money {
    /// A JSON number with all nine decimals, written from the integer and never through a float.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = RawValue::from_string(self.to_string()).map_err(serde::ser::Error::custom)?;
        text.serialize(serializer)
    }
}

/// A metric's number in its unit: milliseconds, dollars, a ratio, a count. Never NaN or infinite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// A finite float.
    Float(f64),
    /// A whole number.
    Whole(u128),
    /// Exact money.
    Money(Money),
}

impl Number {
    /// A float, unless it is NaN or infinite.
    pub fn float(value: f64) -> Option<Self> {
        value.is_finite().then_some(Self::Float(value))
    }

    /// As a float in the unit: for charts, bars and comparisons.
    #[expect(clippy::cast_precision_loss, reason = "what it is for")]
    pub fn to_f64(self) -> f64 {
        match self {
            Self::Float(value) => value,
            Self::Whole(n) => n as f64,
            Self::Money(money) => money.dollars(),
        }
    }

    /// Order by size.
    pub fn order(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Whole(a), Self::Whole(b)) => a.cmp(&b),
            (Self::Money(a), Self::Money(b)) => a.cmp(&b),
            _ => self.to_f64().total_cmp(&other.to_f64()),
        }
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::Float(value) => serializer.serialize_f64(value),
            Self::Whole(n) => match u64::try_from(n) {
                Ok(n) => serializer.serialize_u64(n),
                Err(_) => {
                    let text = RawValue::from_string(n.to_string()).map_err(serde::ser::Error::custom)?;
                    text.serialize(serializer)
                }
            },
            Self::Money(money) => money.serialize(serializer),
        }
    }
}

/// A whole number with commas: `14,760`.
pub fn thousands(n: u128) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}
