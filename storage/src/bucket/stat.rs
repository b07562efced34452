//! Exact count, sum, sum of squares, minimum and maximum of whole numbers.

/// Summary of a set of values, exact and mergeable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// How many values.
    pub count: u64,
    /// Their sum.
    pub sum: u128,
    /// The sum of their squares (saturating: 2^128 is out of reach of real values).
    pub squares: u128,
    /// The least; `u64::MAX` when there is none.
    pub min: u64,
    /// The greatest; 0 when there is none.
    pub max: u64,
}

impl Default for Stat {
    fn default() -> Self {
        Self { count: 0, sum: 0, squares: 0, min: u64::MAX, max: 0 }
    }
}

impl Stat {
    /// Adds one value.
    #[inline]
    pub fn add(&mut self, value: u64) {
        self.count += 1;
        self.sum += u128::from(value);
        self.squares = self.squares.saturating_add(u128::from(value) * u128::from(value));
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    /// Adds one value to count and sum only.
    #[inline]
    pub(crate) fn add_sum(&mut self, value: u64) {
        self.count += 1;
        self.sum += u128::from(value);
    }

    /// Adds the value 0 `n` times; `n` is above zero.
    pub fn add_zeros(&mut self, n: u64) {
        self.count += n;
        self.min = 0;
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.sum += other.sum;
        self.squares = self.squares.saturating_add(other.squares);
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// The average; `None` without values.
    #[expect(clippy::cast_precision_loss, reason = "an average is a float")]
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum as f64 / self.count as f64)
    }

    /// The standard deviation of the values themselves (divided by n); `None` without values.
    ///
    /// n·Σx² − (Σx)² is taken in integers where it fits, so equal values give exactly 0.
    #[expect(clippy::cast_precision_loss, reason = "a deviation is a float")]
    pub fn stddev(&self) -> Option<f64> {
        if self.count == 0 {
            return None;
        }
        let n = u128::from(self.count);
        let exact = n.checked_mul(self.squares).zip(self.sum.checked_mul(self.sum)).map(|(a, b)| a.saturating_sub(b));
        let spread = exact.map_or_else(
            || (n as f64 * self.squares as f64 - self.sum as f64 * self.sum as f64).max(0.0),
            |s| s as f64,
        );
        Some(spread.sqrt() / n as f64)
    }

    /// The least value; `None` without values.
    pub fn min(&self) -> Option<u64> {
        (self.count > 0).then_some(self.min)
    }

    /// The greatest value; `None` without values.
    pub fn max(&self) -> Option<u64> {
        (self.count > 0).then_some(self.max)
    }
}
