//! What numbers measure while they are calculated with: powers of time and money, and the kinds of
//! numbers without a dimension.

use crate::metric::Unit;

/// The measure of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dim {
    /// Power of time.
    pub time: i16,
    /// Power of money.
    pub money: i16,
    /// Which kind, when both are 0.
    pub kind: Scalar,
}

/// Kinds of numbers without a dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// A literal that takes the unit of the other side.
    Bare,
    /// A literal with %.
    Percent,
    /// A number of things.
    Count,
    /// A share between 0 and 1.
    Share,
    /// A quotient of two like things.
    Ratio,
    /// A relative change.
    Change,
}

impl Dim {
    /// A literal that takes the unit of the other side.
    pub const BARE: Self = Self::scalar(Scalar::Bare);
    /// A duration.
    pub const TIME: Self = Self { time: 1, money: 0, kind: Scalar::Count };
    /// Dollars.
    pub const MONEY: Self = Self { time: 0, money: 1, kind: Scalar::Count };

    /// A number without a dimension.
    pub const fn scalar(kind: Scalar) -> Self {
        Self { time: 0, money: 0, kind }
    }

    /// The measure of a unit of the catalogue.
    pub const fn of(unit: Unit) -> Self {
        match unit {
            Unit::Time => Self::TIME,
            Unit::Money => Self::MONEY,
            Unit::Ratio => Self::scalar(Scalar::Share),
            Unit::Count => Self::scalar(Scalar::Count),
            Unit::PerSecond => Self::TIME.inverse(),
            Unit::Change => Self::scalar(Scalar::Change),
        }
    }

    /// Per second.
    pub const fn per_second(self) -> Self {
        Self { time: self.time - 1, ..self }
    }

    const fn inverse(self) -> Self {
        Self { time: -self.time, money: -self.money, ..self }
    }

    /// No power of time or money.
    pub const fn is_scalar(self) -> bool {
        self.time == 0 && self.money == 0
    }

    /// A literal that adapts to the other side.
    pub fn is_bare(self) -> bool {
        self == Self::BARE
    }

    /// The measure of a product or quotient.
    pub fn product(self, other: Self, divided: bool) -> Self {
        let sign = if divided { -1 } else { 1 };
        let time = self.time.saturating_add(other.time.saturating_mul(sign));
        let money = self.money.saturating_add(other.money.saturating_mul(sign));
        let kind = match (self.is_scalar(), other.is_scalar()) {
            (true, true) => self.kind.product(other.kind, divided),
            (false, false) if divided => Scalar::Ratio,
            _ => Scalar::Count,
        };
        Self { time, money, kind }
    }

    /// The common measure of both sides of a sum or comparison; `None` when they differ.
    pub fn common(self, other: Self) -> Option<Self> {
        use Scalar::{Bare, Change, Percent, Ratio, Share};
        if self.is_bare() {
            return Some(other);
        }
        if other.is_bare() {
            return Some(self);
        }
        if (self.time, self.money) != (other.time, other.money) {
            return None;
        }
        if !self.is_scalar() {
            return Some(self);
        }
        let kind = match (self.kind, other.kind) {
            (a, b) if a == b => a,
            (Change, Percent | Ratio | Share) | (Percent | Ratio | Share, Change) => Change,
            (Bare | Percent | Ratio | Share, Bare | Percent | Ratio | Share) => Ratio,
            _ => return None,
        };
        Some(Self::scalar(kind))
    }

    /// Power of 1000 that a product needs because durations are held in milliseconds, everything
    /// else that contains time in seconds.
    pub fn milli_power(self, other: Self, divided: bool) -> i32 {
        let held = |d: Self| i32::from(d.time == 1);
        let right = if divided { held(other) } else { -held(other) };
        right - held(self) + held(self.product(other, divided))
    }

    /// As part of a sentence.
    pub fn words(self) -> String {
        match (self.time, self.money, self.kind) {
            (1, 0, _) => "a duration".to_owned(),
            (0, 1, _) => "money".to_owned(),
            (-1, 0, _) => "a rate".to_owned(),
            (0, 0, Scalar::Count) => "a count".to_owned(),
            (0, 0, Scalar::Share | Scalar::Ratio | Scalar::Percent) => "a ratio".to_owned(),
            (0, 0, Scalar::Change) => "a change".to_owned(),
            (0, 0, Scalar::Bare) => "a number".to_owned(),
            _ => format!("a value in {}", self.json_name()),
        }
    }

    /// The `unit` field of JSON.
    pub fn json_name(self) -> String {
        match (self.time, self.money, self.kind) {
            (1, 0, _) => "ms".to_owned(),
            (0, 1, _) => "usd".to_owned(),
            (-1, 0, _) => "1/s".to_owned(),
            (0, 0, Scalar::Count) => "count".to_owned(),
            (0, 0, Scalar::Share | Scalar::Ratio | Scalar::Percent) => "ratio".to_owned(),
            (0, 0, Scalar::Change) => "change".to_owned(),
            (0, 0, Scalar::Bare) => "number".to_owned(),
            (time, money, _) => {
                let power = |name: &str, n: i16| match n.unsigned_abs() {
                    0 => String::new(),
                    1 => name.to_owned(),
                    n => format!("{name}^{n}"),
                };
                let join = |up: bool| {
                    let of = |n: i16| if (n > 0) == up { n } else { 0 };
                    let parts = [power("usd", of(money)), power("s", of(time))];
                    parts.into_iter().filter(|p| !p.is_empty()).collect::<Vec<_>>().join("*")
                };
                let (above, below) = (join(true), join(false));
                match (above.is_empty(), below.is_empty()) {
                    (true, _) => format!("1/{below}"),
                    (_, true) => above,
                    _ => format!("{above}/{below}"),
                }
            }
        }
    }

    /// A comparison that would make sense behind such a value.
    pub fn example(self) -> &'static str {
        match (self.time, self.money, self.kind) {
            (1, 0, _) => "2s",
            (0, 1, _) => "$5",
            (0, 0, Scalar::Share | Scalar::Ratio | Scalar::Percent) => "5%",
            (0, 0, Scalar::Change) => "10%",
            (0, 0, _) => "100",
            _ => "10",
        }
    }
}

impl Scalar {
    fn product(self, other: Self, divided: bool) -> Self {
        use Scalar::{Bare, Change, Count, Percent, Ratio, Share};
        match (self, other) {
            (Share, Share | Percent) | (Percent, Share) if !divided => Share,
            (Change, Bare | Percent | Share | Ratio | Change) => Change,
            (Bare | Percent | Share | Ratio, Change) if !divided => Change,
            (Count, Count) => {
                if divided {
                    Ratio
                } else {
                    Count
                }
            }
            (Count, _) => Count,
            (_, Count) if !divided => Count,
            (Bare, Bare) => Bare,
            _ => Ratio,
        }
    }
}
