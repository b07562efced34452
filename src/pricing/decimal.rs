//! Prices written as decimals, exactly.

use super::PICO_PER_USD_MTOK;

/// Most digits before the point that a price can have.
const WHOLE_MAX: usize = 9;

/// A price that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a price is a number of at most 9 figures and 6 decimals")]
pub struct BadPrice;

/// Dollars a million tokens as pico-dollars a token, exactly.
///
/// # Errors
/// What is no plain decimal number, negative, of more than 9 figures or 6 decimals.
pub fn pico_per_token(text: &str) -> Result<u64, BadPrice> {
    match scaled(text, 6) {
        Some((pico, true)) if !text.contains(['e', 'E']) => Ok(pico),
        _ => Err(BadPrice),
    }
}

/// Pico-dollars a token as dollars a million tokens, exactly.
pub fn usd_per_mtok(pico: u64) -> String {
    let (whole, rest) = (pico / PICO_PER_USD_MTOK, pico % PICO_PER_USD_MTOK);
    let decimals = format!("{rest:06}");
    match decimals.trim_end_matches('0') {
        "" => whole.to_string(),
        decimals => format!("{whole}.{decimals}"),
    }
}

/// A JSON number times 10^`power`, rounded half up, and whether that is exact. Other people's
/// lists hold numbers such as `0.18000000000000002`, which computed them with floats.
pub(super) fn scaled(text: &str, power: i32) -> Option<(u64, bool)> {
    let (digits, exponent) = match text.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !plain(whole) || !plain(decimals) || digits.len() > 40 || exponent.abs() > 40 {
        return None;
    }
    let all = format!("{whole}{decimals}");
    // The point stands behind so many of the digits.
    let point = i32::try_from(whole.len()).ok()? + exponent + power;
    let kept = usize::try_from(point.max(0)).ok()?;
    let (number, rest) = match all.len() {
        len if kept >= len => (format!("{all}{}", "0".repeat(kept - len)), ""),
        _ => (all[..kept].to_owned(), &all[kept..]),
    };
    // What would begin further behind the point is far below a half.
    let rest_counts = point >= 0;
    let number = number.trim_start_matches('0');
    if number.len() > WHOLE_MAX + 6 {
        return None;
    }
    let value: u64 = if number.is_empty() { 0 } else { number.parse().ok()? };
    let exact = rest.bytes().all(|b| b == b'0');
    let up = rest_counts && rest.as_bytes().first().is_some_and(|b| *b >= b'5');
    Some((value + u64::from(up), exact))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact_or_said_to_be_rounded() {
        for (text, power, expected) in [
            ("3", 6, Some((3_000_000, true))),
            ("0.0375", 6, Some((37_500, true))),
            ("1.5e-07", 12, Some((150_000, true))),
            ("1e-6", 12, Some((1_000_000, true))),
            ("0", 12, Some((0, true))),
            ("0.18000000000000002", 6, Some((180_000, false))),
            ("0.0833333333333", 6, Some((83_333, false))),
            ("0.0000005", 6, Some((1, false))),
            ("0.00000005", 6, Some((0, false))),
            ("2.5E+1", 6, Some((25_000_000, true))),
            ("-1", 6, None),
            ("", 6, None),
            (".5", 6, None),
            ("1e99", 6, None),
            ("1000000000", 6, None),
            ("nan", 6, None),
        ] {
            assert_eq!(scaled(text, power), expected, "{text}");
        }
    }

    #[test]
    fn what_is_printed_is_read_again() {
        for text in ["0", "3", "0.3", "3.75", "0.000001", "999999999.999999"] {
            assert_eq!(usd_per_mtok(pico_per_token(text).unwrap()), text);
        }
        for none in ["1e3", "-1", "1.0000001", "1,5", "$3", " 3", "0.00000001"] {
            assert_eq!(pico_per_token(none), Err(BadPrice), "{none}");
        }
    }
}
