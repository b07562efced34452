//! Decimal text to a scaled whole number, exactly.
//!
//! `0.001782` dollars are 1,782,000 nano-dollars. A float keeps 53 bits, which is 9 million dollars
//! in nano-dollars, and `0.1 + 0.2` shows up in exports long before. So the digits themselves are
//! read: `digits * 10^(scale + exponent)`; what lies below the last kept digit is rounded half to even.

/// Whether `text` is a number as JSON writes it.
pub(crate) fn is_number(text: &str) -> bool {
    Number::split(text.as_bytes()).is_some()
}

/// Why a text gives no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotScaled {
    /// It isn't a decimal number as JSON writes them (NaN and infinity are not).
    Syntax,
    /// Below zero.
    Negative,
    /// Does not fit 64 bits once scaled.
    TooLarge,
    /// Has digits below the scale and [`Rounding::Refused`] was asked.
    Fraction,
}

/// What happens to digits below the scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rounding {
    /// Rounded to the nearest, a tie to the even neighbour.
    HalfEven,
    /// Not allowed unless they are zeros.
    Refused,
}

/// Exponents beyond this are all alike: everything but zero is too large or rounds to nothing.
const EXPONENT_MAX: i64 = 1 << 40;

/// `text * 10^scale` as a whole number. Accepts the grammar of JSON numbers.
///
/// # Errors
/// [`NotScaled`].
pub(crate) fn scaled(text: &str, scale: u32, rounding: Rounding) -> Result<u64, NotScaled> {
    match simple(text.as_bytes(), scale) {
        Some(value) => Ok(value),
        None => general(text.as_bytes(), scale, rounding),
    }
}

/// The common case by itself: at most 18 digits in all, no sign, no exponent, no digit below the scale.
fn simple(text: &[u8], scale: u32) -> Option<u64> {
    if text.len() > 18 || (text.len() > 1 && text[0] == b'0' && text[1] != b'.') {
        return None;
    }
    let mut value = 0u64;
    let mut at = 0;
    while at < text.len() && text[at].is_ascii_digit() {
        value = value * 10 + u64::from(text[at] - b'0');
        at += 1;
    }
    if at == 0 {
        return None;
    }
    let mut missing = scale;
    if at < text.len() {
        let fraction = &text[at + 1..];
        if text[at] != b'.' || fraction.is_empty() || fraction.len() > scale as usize {
            return None;
        }
        for digit in fraction {
            if !digit.is_ascii_digit() {
                return None;
            }
            value = value * 10 + u64::from(digit - b'0');
        }
        missing -= u32::try_from(fraction.len()).ok()?;
    }
    value.checked_mul(10u64.checked_pow(missing)?)
}

/// Every case, the errors included.
fn general(text: &[u8], scale: u32, rounding: Rounding) -> Result<u64, NotScaled> {
    let number = Number::split(text).ok_or(NotScaled::Syntax)?;
    let digits = || number.whole.iter().chain(number.fraction).copied();
    let zeros = digits().take_while(|d| *d == b'0').count();
    let count = number.whole.len() + number.fraction.len() - zeros;
    if count == 0 {
        return Ok(0);
    }
    if number.negative {
        return Err(NotScaled::Negative);
    }
    // How many of the digits (perhaps continued by zeros) lie above the scale.
    let above = wide(number.whole.len()) - wide(zeros) + number.exponent + i64::from(scale);
    if above > 20 {
        return Err(NotScaled::TooLarge);
    }
    let kept = usize::try_from(above).unwrap_or(0);
    let mut value = 0u128;
    for digit in digits().skip(zeros).chain(std::iter::repeat(b'0')).take(kept) {
        value = value * 10 + u128::from(digit - b'0');
    }
    let below = digits().skip(zeros + kept);
    if below.clone().any(|d| d != b'0') || above < 0 {
        if rounding == Rounding::Refused {
            return Err(NotScaled::Fraction);
        }
        if above >= 0 && round_up(below, value % 2 == 1) {
            value += 1;
        }
    }
    u64::try_from(value).map_err(|_| NotScaled::TooLarge)
}

/// Whether the digits behind the last kept one round it up.
fn round_up(mut below: impl Iterator<Item = u8>, odd: bool) -> bool {
    match below.next() {
        Some(b'6'..=b'9') => true,
        Some(b'5') => odd || below.any(|d| d != b'0'),
        _ => false,
    }
}

/// The parts of a number as JSON writes it.
struct Number<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    exponent: i64,
}

impl<'a> Number<'a> {
    fn split(text: &'a [u8]) -> Option<Self> {
        let (negative, text) = match text.strip_prefix(b"-") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, text) = digits(text);
        if whole.is_empty() || (whole.len() > 1 && whole[0] == b'0') {
            return None;
        }
        let (fraction, text) = match text.strip_prefix(b".") {
            Some(rest) => Some(digits(rest)).filter(|(fraction, _)| !fraction.is_empty())?,
            None => (&[][..], text),
        };
        let exponent = exponent(text)?;
        Some(Self { negative, whole, fraction, exponent })
    }
}

/// The exponent with its `e`; nothing is 0. `None` = something else is there.
fn exponent(text: &[u8]) -> Option<i64> {
    let Some((b'e' | b'E', text)) = text.split_first() else {
        return text.is_empty().then_some(0);
    };
    let (negative, text) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    };
    let (value, rest) = digits(text);
    if value.is_empty() || !rest.is_empty() {
        return None;
    }
    let value =
        value.iter().fold(0i64, |sum, d| sum.saturating_mul(10).saturating_add(i64::from(d - b'0'))).min(EXPONENT_MAX);
    Some(if negative { -value } else { value })
}

fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

/// Lengths are far below 2^63.
fn wide(len: usize) -> i64 {
    i64::try_from(len).unwrap_or(i64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn decimals_become_whole_numbers_exactly() {
        use NotScaled::{Fraction, Negative, Syntax, TooLarge};
        use Rounding::{HalfEven, Refused};
        for (text, scale, rounding, expected) in [
            ("0", 9, HalfEven, Ok(0)),
            ("-0.0", 9, HalfEven, Ok(0)),
            ("0.001782000", 9, HalfEven, Ok(1_782_000)),
            ("9007199.254740993", 9, HalfEven, Ok(9_007_199_254_740_993)),
            ("18014398.509481985", 9, HalfEven, Ok(18_014_398_509_481_985)),
            ("0.0000000005", 9, HalfEven, Ok(0)),
            ("0.0000000015", 9, HalfEven, Ok(2)),
            ("0.0000000025", 9, HalfEven, Ok(2)),
            ("0.00000000250000000000000000001", 9, HalfEven, Ok(3)),
            ("0.0000000026", 9, HalfEven, Ok(3)),
            ("0.00000000049", 9, HalfEven, Ok(0)),
            ("0.99999999999", 9, HalfEven, Ok(1_000_000_000)),
            ("1.5e-9", 9, HalfEven, Ok(2)),
            ("5e-10", 9, HalfEven, Ok(0)),
            ("15E-10", 9, HalfEven, Ok(2)),
            ("1e-99999999999999999999", 9, HalfEven, Ok(0)),
            ("0e99999999999999999999", 9, HalfEven, Ok(0)),
            ("1e9", 9, HalfEven, Ok(1_000_000_000_000_000_000)),
            ("1e11", 9, HalfEven, Err(TooLarge)),
            ("1e99999999999999999999", 9, HalfEven, Err(TooLarge)),
            ("18446744073709551615", 0, Refused, Ok(u64::MAX)),
            ("18446744073709551616", 0, Refused, Err(TooLarge)),
            ("1e3", 0, Refused, Ok(1000)),
            ("12.50e1", 0, Refused, Ok(125)),
            ("12.0", 0, Refused, Ok(12)),
            ("12.5", 0, Refused, Err(Fraction)),
            ("0.5", 0, Refused, Err(Fraction)),
            ("0.05", 0, Refused, Err(Fraction)),
            ("1e-1", 0, Refused, Err(Fraction)),
            ("-1", 0, Refused, Err(Negative)),
            ("-1e-30", 9, HalfEven, Err(Negative)),
            ("", 0, Refused, Err(Syntax)),
            ("-", 0, Refused, Err(Syntax)),
            ("1.", 0, Refused, Err(Syntax)),
            (".5", 9, HalfEven, Err(Syntax)),
            ("1.e5", 9, HalfEven, Err(Syntax)),
            ("1e", 9, HalfEven, Err(Syntax)),
            ("1e+", 9, HalfEven, Err(Syntax)),
            ("01", 9, HalfEven, Err(Syntax)),
            ("1 ", 9, HalfEven, Err(Syntax)),
            ("1.2.3", 9, HalfEven, Err(Syntax)),
            ("NaN", 9, HalfEven, Err(Syntax)),
            ("Infinity", 9, HalfEven, Err(Syntax)),
            ("1_000", 9, HalfEven, Err(Syntax)),
        ] {
            assert_eq!(scaled(text, scale, rounding), expected, "{text} by 10^{scale}");
        }
    }

    proptest! {
        /// The short way in and the long one agree wherever the short one answers.
        #[test]
        fn both_ways_agree(text in "-?[0-9]{0,12}(\\.[0-9]{0,12})?([eE][+-]?[0-9]{0,3})?", scale in 0u32..10) {
            if let Some(value) = simple(text.as_bytes(), scale) {
                prop_assert_eq!(general(text.as_bytes(), scale, Rounding::Refused), Ok(value));
            }
        }

        /// Against integer arithmetic on a number whose digits are known.
        #[test]
        fn rounding_is_half_to_even(units in 0u64..1 << 40, below in 0u32..100_000) {
            let text = format!("{}.{:03}{below:05}", units / 1000, units % 1000);
            let up = below > 50_000 || (below == 50_000 && units % 2 == 1);
            prop_assert_eq!(scaled(&text, 3, Rounding::HalfEven), Ok(units + u64::from(up)));
            let moved = format!("{units}{below:05}e-8");
            prop_assert_eq!(scaled(&moved, 3, Rounding::HalfEven), Ok(units + u64::from(up)));
        }

        /// What serde_json calls a number is one, and nothing else.
        #[test]
        fn the_grammar_is_that_of_json(text in "[-+0-9.eE ]{0,8}") {
            let json = serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok_and(|v| v.get() == text);
            prop_assert_eq!(is_number(&text), json, "{:?}", text);
        }
    }
}
