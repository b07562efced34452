//! Units of values: which add up, which compare, and how JSON names them.

/// What a number measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// A duration, in milliseconds.
    Time,
    /// US dollars.
    Money,
    /// A share; those of the catalogue lie between 0 and 1.
    Ratio,
    /// A number of things.
    Count,
    /// Things per second.
    PerSecond,
    /// A relative change: may be negative or above 1.
    Change,
}

impl Unit {
    /// The `unit` field of JSON.
    pub const fn json_name(self) -> &'static str {
        match self {
            Self::Time => "ms",
            Self::Money => "usd",
            Self::Ratio => "ratio",
            Self::Count => "count",
            Self::PerSecond => "1/s",
            Self::Change => "change",
        }
    }
}
