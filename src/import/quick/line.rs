//! The members of a usual line of NDJSON.
//!
//! A program writes its members in one order, so each name is guessed from the line before and compared
//! as one number.

use super::digits::Decimal;
use super::{Raw, Usual};
use crate::import::key::{Key, Keys};
use crate::import::ndjson::plain_len;

/// More members than there are fields are not usual.
const MEMBERS_MAX: usize = Key::ALL.len();

/// The members' names of the line before, in their order.
#[derive(Default)]
pub(crate) struct Guesses {
    list: Vec<Guess>,
}

#[derive(Clone, Copy)]
struct Guess {
    /// The name with `":` behind it, as a number, and which of its bytes count.
    word: u128,
    mask: u128,
    len: usize,
    key: Key,
}

impl Guess {
    /// `None` for a name that does not fit into a number; what stands in its place never fits.
    fn of(name: &[u8], key: Key) -> Option<Self> {
        let len = name.len() + 2;
        let mask = if len < 16 { (1u128 << (8 * len)) - 1 } else { u128::MAX };
        let mut bytes = [0; 16];
        bytes.get_mut(..name.len())?.copy_from_slice(name);
        bytes.get_mut(name.len()..len)?.copy_from_slice(b"\":");
        Some(Self { word: u128::from_le_bytes(bytes), mask, len, key })
    }

    #[inline]
    fn fits(&self, rest: &[u8]) -> bool {
        let word = rest.first_chunk::<16>().map_or_else(|| padded(rest), |chunk| u128::from_le_bytes(*chunk));
        word & self.mask == self.word
    }
}

/// At most 16 bytes, zeros behind them: names have none.
fn padded(bytes: &[u8]) -> u128 {
    bytes.iter().rev().fold(0, |n, b| n << 8 | u128::from(*b))
}

impl Guesses {
    /// Reads the fields of a line; `None` = unusual.
    #[inline]
    pub(crate) fn read<'a>(&mut self, line: &'a [u8], keys: &Keys, usual: &mut Usual<'a>) -> Option<()> {
        let mut rest = line.strip_prefix(b"{")?;
        for place in 0..MEMBERS_MAX {
            rest = rest.strip_prefix(b"\"")?;
            let key = match self.list.get(place) {
                Some(guess) if guess.fits(rest) => {
                    rest = &rest[guess.len..];
                    guess.key
                }
                _ => self.name(place, &mut rest, keys)?,
            };
            let value = value(&mut rest)?;
            usual.set(key, value)?;
            rest = match rest {
                [b'}'] => return Some(()),
                [b',', b' ', rest @ ..] | [b',', rest @ ..] => rest,
                _ => return None,
            };
        }
        None
    }

    /// Looks the name up that `rest` begins with, and guesses it from now on.
    #[cold]
    fn name(&mut self, place: usize, rest: &mut &[u8], keys: &Keys) -> Option<Key> {
        let (name, behind) = rest.split_at(plain_len(rest)?);
        let key = keys.find(name)?;
        *rest = behind.strip_prefix(b"\":")?;
        self.list.truncate(place);
        if self.list.len() == place {
            self.list.push(Guess::of(name, key).unwrap_or(Guess { word: 1, mask: 0, len: 0, key }));
        }
        Some(key)
    }
}

/// Takes the value that `rest` begins with, perhaps behind a space.
#[inline]
fn value<'a>(rest: &mut &'a [u8]) -> Option<Raw<'a>> {
    if let Some(behind) = rest.strip_prefix(b" ") {
        *rest = behind;
    }
    match rest {
        [b'"', text @ ..] => {
            let (text, behind) = text.split_at(plain_len(text)?);
            *rest = behind.strip_prefix(b"\"")?;
            Some(Raw::Text(text))
        }
        [b'0'..=b'9', ..] => {
            let (number, behind) = Decimal::first(rest)?;
            *rest = behind;
            Some(Raw::Number(number))
        }
        [b't', b'r', b'u', b'e', behind @ ..] => {
            *rest = behind;
            Some(Raw::Flag(true))
        }
        [b'f', b'a', b'l', b's', b'e', behind @ ..] => {
            *rest = behind;
            Some(Raw::Flag(false))
        }
        _ => None,
    }
}
