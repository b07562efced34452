//! LEB128 numbers: seven bits a byte, low ones first, the top bit says that more follow.

use super::Malformed;

/// What a number cut short is called.
const SHORT: Malformed = Malformed("the bytes end within a number");
const LONG: Malformed = Malformed("a number is too large");

/// Appends `value`.
#[inline]
pub(crate) fn put(out: &mut Vec<u8>, mut value: u64) {
    // Most take a byte or two.
    if value < 0x80 {
        return out.push(value as u8);
    }
    while value >= 0x4000 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    // The last two bytes.
    out.extend_from_slice(&[value as u8 | 0x80, (value >> 7) as u8]);
}

/// Appends `value`.
pub(crate) fn put_wide(out: &mut Vec<u8>, mut value: u128) {
    while value > u128::from(u64::MAX) {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    // What is left may need all 64 bits, which `put` writes without a gap.
    put(out, value as u64);
}

/// How many bytes [`put`] writes.
#[inline]
pub(crate) const fn len(value: u64) -> usize {
    // 1 for 0, else one per started seven bits; ceil(bits / 7) = (bits * 9 + 64) / 64 for bits <= 64.
    let bits = 64 - (value | 1).leading_zeros() as usize;
    (bits * 9 + 64) / 64
}

/// Takes numbers off the front of a byte string.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    /// All of `bytes`.
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Nothing left.
    #[inline]
    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next eight bytes as a little-endian number, where there are as many.
    #[inline]
    pub(crate) fn word(&self) -> Option<u64> {
        self.rest.first_chunk().map(|chunk| u64::from_le_bytes(*chunk))
    }

    /// Passes over `len` bytes, at most as many as there are.
    #[inline]
    pub(crate) fn pass(&mut self, len: usize) {
        self.rest = self.rest.get(len..).unwrap_or(&[]);
    }

    /// The next number.
    #[inline]
    pub(crate) fn number(&mut self) -> Result<u64, Malformed> {
        match self.rest {
            [first, rest @ ..] if *first < 0x80 => {
                self.rest = rest;
                Ok(u64::from(*first))
            }
            [first, second, rest @ ..] if *second < 0x80 => {
                self.rest = rest;
                Ok(u64::from(first & 0x7f) | u64::from(*second) << 7)
            }
            _ => self.long_number(),
        }
    }

    /// A number of three bytes and more, eight bytes at a time where they are there.
    fn long_number(&mut self) -> Result<u64, Malformed> {
        if let Some(chunk) = self.rest.first_chunk::<8>() {
            let word = u64::from_le_bytes(*chunk);
            let ends = !word & 0x8080_8080_8080_8080;
            if ends != 0 {
                let bytes = ends.trailing_zeros() / 8 + 1;
                self.rest = &self.rest[bytes as usize..];
                return Ok(squeeze(word & (u64::MAX >> (64 - 8 * bytes))));
            }
        }
        u64::try_from(self.slow_number()?).map_err(|_| LONG)
    }

    /// The next number of up to 128 bits.
    #[inline]
    pub(crate) fn wide_number(&mut self) -> Result<u128, Malformed> {
        if let Some(chunk) = self.rest.first_chunk::<8>()
            && !u64::from_le_bytes(*chunk) & 0x8080_8080_8080_8080 != 0
        {
            return self.number().map(u128::from);
        }
        self.slow_number()
    }

    fn slow_number(&mut self) -> Result<u128, Malformed> {
        let mut value = 0_u128;
        for (i, &byte) in self.rest.iter().enumerate() {
            let bits = u128::from(byte & 0x7f);
            // 18 bytes hold 126 bits, the 19th may add the last two.
            if i == 18 && bits > 3 || i > 18 {
                return Err(LONG);
            }
            value |= bits << (7 * i);
            if byte < 0x80 {
                self.rest = &self.rest[i + 1..];
                return Ok(value);
            }
        }
        Err(SHORT)
    }

    /// The next number, which must fit 32 bits.
    #[inline]
    pub(crate) fn small_number(&mut self) -> Result<u32, Malformed> {
        u32::try_from(self.number()?).map_err(|_| LONG)
    }

    /// The next `len` bytes.
    #[inline]
    pub(crate) fn slice(&mut self, len: u64) -> Result<&'a [u8], Malformed> {
        let len = usize::try_from(len).map_err(|_| LONG)?;
        let (slice, rest) = self.rest.split_at_checked(len).ok_or(Malformed("the bytes end within a cell"))?;
        self.rest = rest;
        Ok(slice)
    }

    /// Passes over `n` numbers of any width.
    #[inline]
    pub(crate) fn skip(&mut self, mut n: usize) -> Result<(), Malformed> {
        // Every byte below 0x80 ends a number: count them eight at a time.
        while n > 0 {
            let Some(chunk) = self.rest.first_chunk::<8>() else { return self.skip_last(n) };
            let mut ends = !u64::from_le_bytes(*chunk) & 0x8080_8080_8080_8080;
            let found = ends.count_ones() as usize;
            if found < n {
                n -= found;
                self.rest = &self.rest[8..];
                continue;
            }
            for _ in 1..n {
                ends &= ends - 1;
            }
            self.rest = &self.rest[ends.trailing_zeros() as usize / 8 + 1..];
            return Ok(());
        }
        Ok(())
    }

    fn skip_last(&mut self, mut n: usize) -> Result<(), Malformed> {
        while n > 0 {
            let (byte, rest) = self.rest.split_first().ok_or(SHORT)?;
            self.rest = rest;
            n -= usize::from(*byte < 0x80);
        }
        Ok(())
    }
}

/// Joins the low seven bits of eight bytes.
const fn squeeze(word: u64) -> u64 {
    let word = (word & 0x007f_007f_007f_007f) | (word & 0x7f00_7f00_7f00_7f00) >> 1;
    let word = (word & 0x0000_3fff_0000_3fff) | (word & 0x3fff_0000_3fff_0000) >> 2;
    (word & 0x0fff_ffff) | (word & 0x0fff_ffff_0000_0000) >> 4
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_come_back(list in proptest::collection::vec((any::<u128>(), 0_u32..128), 0..20)) {
            let list: Vec<u128> = list.into_iter().map(|(v, shift)| v >> shift).collect();
            let mut bytes = Vec::new();
            for &v in &list {
                let before = bytes.len();
                put_wide(&mut bytes, v);
                if let Ok(v) = u64::try_from(v) {
                    prop_assert_eq!(len(v), bytes.len() - before);
                }
            }
            let mut input = Input::new(&bytes);
            for &v in &list {
                let mut other = input;
                prop_assert_eq!(other.number().ok(), u64::try_from(v).ok());
                prop_assert_eq!(input.wide_number(), Ok(v));
            }
            prop_assert!(input.is_empty());
        }

        #[test]
        fn any_bytes_end(bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(0xff), Just(0x80)], 0..40)) {
            let mut input = Input::new(&bytes);
            while input.wide_number().is_ok() {}
            let mut input = Input::new(&bytes);
            while input.number().is_ok() {}
        }
    }
}
