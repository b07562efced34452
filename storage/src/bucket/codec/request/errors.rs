//! The kinds of failure of a cell.

use std::collections::BTreeMap;

use super::ERRORS;
use crate::bucket::codec::Damaged;
use crate::histogram::Malformed;
use crate::histogram::varint::{self, Input};
use crate::row::NameId;

/// Kinds of failure of a cell.
#[derive(Clone, Debug)]
pub struct ErrorKinds<'a> {
    input: Input<'a>,
    left: u64,
    /// Set when there is one kind that every request has.
    all: Option<u64>,
    before: Option<NameId>,
}

impl<'a> ErrorKinds<'a> {
    /// Those at `input`, if there are any, of a cell with `requests`.
    pub(super) fn new(any: bool, requests: u64, mut input: Input<'a>) -> Result<Self, Malformed> {
        if !any {
            return Ok(Self { input, left: 0, all: None, before: None });
        }
        let kinds = input.number()?;
        let all = (kinds == 0).then_some(requests);
        Ok(Self { input, left: kinds.max(1), all, before: None })
    }

    /// The next kind with its count; `None` after the last.
    ///
    /// # Errors
    /// Damaged content.
    #[expect(clippy::should_implement_trait, reason = "`?` on each kind reads better than an iterator of results")]
    pub fn next(&mut self) -> Result<Option<(NameId, u64)>, Damaged> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let kind = self.input.small_number()?;
        if self.before.is_some_and(|before| before >= kind) {
            return Err(Malformed("the error kinds of a cell are out of order").into());
        }
        self.before = Some(kind);
        let count = match self.all {
            Some(count) => count,
            None => self.input.number()?,
        };
        Ok(Some((kind, count)))
    }
}

/// Kinds with their counts; a single kind that all requests have is written as 0 and the kind.
pub(super) fn put_errors(errors: &BTreeMap<NameId, u64>, requests: u64, out: &mut Vec<u8>) {
    if let Some((&kind, &count)) = errors.first_key_value()
        && errors.len() == 1
        && count == requests
    {
        out.push(0);
        varint::put(out, u64::from(kind));
    } else if !errors.is_empty() {
        varint::put(out, errors.len() as u64);
        for (&kind, &count) in errors {
            varint::put(out, u64::from(kind));
            varint::put(out, count);
        }
    }
}

/// Passes over the kinds, if the shape says that there are any.
#[inline]
pub(super) fn skip_errors(shape: u64, input: &mut Input<'_>) -> Result<(), Malformed> {
    if shape >> ERRORS & 1 == 0 {
        return Ok(());
    }
    let kinds = input.number()?;
    let numbers = if kinds == 0 { Some(1) } else { kinds.checked_mul(2) };
    // More numbers than bytes end in an error soon enough.
    input.skip(numbers.and_then(|n| usize::try_from(n).ok()).ok_or(Malformed("a number is too large"))?)
}
