//! Exact division by a number that divides many times, as a multiplication: dividing takes ten times as long.

/// A number to divide by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Divisor {
    number: u64,
    /// How often it is even.
    twos: u32,
    /// What its odd part gives 1 with, modulo 2^64.
    inverse: u64,
    /// The greatest quotient.
    most: u64,
}

impl Divisor {
    /// To divide by `number`; 0 is taken as 1.
    pub(crate) const fn new(number: u64) -> Self {
        let number = if number == 0 { 1 } else { number };
        let twos = number.trailing_zeros();
        let odd = number >> twos;
        // Right in three bits, and in twice as many after each step.
        let mut inverse = odd;
        let mut bits = 3;
        while bits < 64 {
            inverse = inverse.wrapping_mul(2_u64.wrapping_sub(odd.wrapping_mul(inverse)));
            bits *= 2;
        }
        Self { number, twos, inverse, most: u64::MAX / number }
    }

    /// The number itself.
    pub(crate) const fn get(self) -> u64 {
        self.number
    }

    /// `value / number` of a multiple of the number; of any other value a number above every quotient.
    #[inline]
    pub(crate) const fn quotient(self, value: u64) -> u64 {
        value.wrapping_mul(self.inverse).rotate_right(self.twos)
    }

    /// Whether `value` is a multiple of it.
    #[inline]
    pub(crate) const fn divides(self, value: u64) -> bool {
        self.quotient(value) <= self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_divides_as_division_does(number in any::<u64>(), n in 0u32..64, value in any::<u64>(), v in 0u32..64) {
            let (number, value) = (number >> n, value >> v);
            let divisor = Divisor::new(number);
            let number = number.max(1);
            prop_assert_eq!(divisor.get(), number);
            prop_assert_eq!(divisor.divides(value), value % number == 0, "{} / {}", value, number);
            let multiple = value / number * number;
            prop_assert!(divisor.divides(multiple));
            prop_assert_eq!(divisor.quotient(multiple), multiple / number);
        }
    }
}
