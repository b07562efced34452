//! Plain decimal numbers from their digits, eight of them at a time.

/// Digits that fit 64 bits whatever they are, their point not counted.
const DIGITS_MAX: usize = 18;
const POWERS_OF_TEN: [u64; 10] = [1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000];

/// `digits / 10^decimals`.
#[derive(Clone, Copy)]
pub(crate) struct Decimal {
    digits: u64,
    decimals: usize,
}

impl Decimal {
    /// The number that `text` begins with, and what follows it.
    #[inline]
    pub(super) fn first(text: &[u8]) -> Option<(Self, &[u8])> {
        let (whole, whole_len) = digits(text)?;
        // JSON has no leading zeros.
        if whole_len == 0 || (whole_len > 1 && text[0] == b'0') {
            return None;
        }
        let rest = &text[whole_len..];
        let [b'.', fraction @ ..] = rest else { return Some((Self { digits: whole, decimals: 0 }, rest)) };
        let (part, decimals) = digits(fraction)?;
        if decimals == 0 || decimals >= POWERS_OF_TEN.len() || whole_len + decimals > DIGITS_MAX {
            return None;
        }
        let digits = whole * POWERS_OF_TEN[decimals] + part;
        Some((Self { digits, decimals }, &fraction[decimals..]))
    }

    /// `self * 10^scale` where that is whole.
    #[inline]
    pub(super) fn scaled(self, scale: usize) -> Option<u64> {
        self.digits.checked_mul(*POWERS_OF_TEN.get(scale.checked_sub(self.decimals)?)?)
    }
}

/// The number that the digits at the beginning make, and how many they are; `None` when too many.
/// Eight at a time: pairs, then pairs of pairs, are added up in place.
#[inline]
pub(super) fn digits(text: &[u8]) -> Option<(u64, usize)> {
    let (mut value, mut len) = (0u64, 0);
    while let Some(chunk) = text.get(len..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*chunk) ^ 0x3030_3030_3030_3030;
        // The top half of a byte is zero where a digit was, unless the low half is above nine.
        let strange = (word | word.wrapping_add(0x0606_0606_0606_0606)) & 0xf0f0_f0f0_f0f0_f0f0;
        let found = (strange.trailing_zeros() / 8) as usize;
        if found == 0 {
            return Some((value, len));
        }
        len += found;
        if len > DIGITS_MAX {
            return None;
        }
        // Zeros go before the digits that are there.
        let word = word << (8 * (8 - found));
        let word = (word.wrapping_mul(10) + (word >> 8)) & 0x00ff_00ff_00ff_00ff;
        let word = (word.wrapping_mul(100) + (word >> 16)) & 0x0000_ffff_0000_ffff;
        let eight = (word.wrapping_mul(10_000) + (word >> 32)) & 0xffff_ffff;
        value = value * POWERS_OF_TEN[found] + eight;
        if found < 8 {
            return Some((value, len));
        }
    }
    for digit in text[len..].iter().take_while(|b| b.is_ascii_digit()) {
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
        len += 1;
    }
    (len <= DIGITS_MAX).then_some((value, len))
}
