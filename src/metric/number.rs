//! Numbers of a metric: floats, whole numbers, and money that stays exact down to the JSON text.

use std::cmp::Ordering;
use std::fmt;

use bincode::{Decode, Encode};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// Money as whole nano-dollars, printed exactly from the integer. Differences may be negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Money(pub i128);

const NANOS_PER_USD: i128 = 1_000_000_000;

impl From<u128> for Money {
    /// Nano-dollars as the store sums them; far beyond all money there is it saturates.
    fn from(nanos: u128) -> Self {
        Self(i128::try_from(nanos).unwrap_or(i128::MAX))
    }
}

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
        let sign = if self.0 < 0 { "-" } else { "" };
        let nanos = self.0.unsigned_abs();
        let unit = NANOS_PER_USD.unsigned_abs();
        write!(f, "{sign}{}.{:09}", nanos / unit, nanos % unit)
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
#[derive(Clone, Copy, Debug, PartialEq, Encode, Decode)]
pub enum Number {
    /// A finite float.
    Float(f64),
    /// A whole number; differences may be negative.
    Whole(i128),
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

    /// This less `other`: exact between whole numbers and between amounts of money.
    pub fn minus(self, other: Self) -> Option<Self> {
        match (self, other) {
            (Self::Whole(a), Self::Whole(b)) => a.checked_sub(b).map(Self::Whole),
            (Self::Money(a), Self::Money(b)) => a.0.checked_sub(b.0).map(|n| Self::Money(Money(n))),
            (a, b) => Self::float(a.to_f64() - b.to_f64()),
        }
    }

    /// The number with its sign turned.
    pub fn negated(self) -> Option<Self> {
        match self {
            Self::Whole(n) => n.checked_neg().map(Self::Whole),
            Self::Money(Money(n)) => n.checked_neg().map(|n| Self::Money(Money(n))),
            Self::Float(v) => Self::float(-v),
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
            Self::Whole(n) => match i64::try_from(n) {
                Ok(n) => serializer.serialize_i64(n),
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
pub fn thousands(n: i128) -> String {
    let digits = n.unsigned_abs().to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    if n < 0 {
        out.push('-');
    }
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_below_zero_are_written_exactly() {
        let money = |nanos| serde_json::to_string(&Number::Money(Money(nanos))).unwrap();
        assert_eq!(
            [0, 1, -1, -1_500_000_000].map(money),
            ["0.000000000", "0.000000001", "-0.000000001", "-1.500000000"]
        );
        assert_eq!([0, -7, 1234, -1_234_567].map(thousands), ["0", "-7", "1,234", "-1,234,567"]);
        let whole = |n| serde_json::to_string(&Number::Whole(n)).unwrap();
        assert_eq!([-3, i128::from(u64::MAX)].map(whole), ["-3", "18446744073709551615"]);
    }

    #[test]
    fn differences_are_exact_where_numbers_are() {
        let money = |nanos| Number::Money(Money(nanos));
        assert_eq!(money(10).minus(money(25)), Some(money(-15)));
        assert_eq!(Number::Whole(3).minus(Number::Whole(5)), Some(Number::Whole(-2)));
        assert_eq!(Number::Float(0.5).minus(Number::Float(0.25)), Some(Number::Float(0.25)));
        assert_eq!(Number::Whole(i128::MIN).minus(Number::Whole(1)), None);
        assert_eq!(Number::Float(f64::MAX).minus(Number::Float(-f64::MAX)), None);
    }
}
