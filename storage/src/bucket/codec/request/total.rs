//! The stat of all tokens, of which input and output say most.

use crate::bucket::Stat;
use crate::bucket::codec::stat;
use crate::histogram::Malformed;
use crate::histogram::varint::{self, Input};

/// How many numbers [`put_total`] writes for `count` requests.
pub(super) const fn total_numbers(count: u64) -> usize {
    stat::numbers(count).saturating_sub(1)
}

/// The stat of `input + output`: what of it the two do not say.
pub(super) fn put_total(input: &Stat, output: &Stat, both: &Stat, out: &mut Vec<u8>) -> Option<()> {
    if both.count != input.count || both.sum != input.sum.checked_add(output.sum)? {
        return None;
    }
    let excess = both.min.checked_sub(input.min.checked_add(output.min)?)?;
    let deficit = input.max.checked_add(output.max)?.checked_sub(both.max)?;
    let values = if both.count < stat::SUMMED_MIN { Some(stat::values(both)?) } else { None };
    match both.count {
        1 => return (excess == 0 && deficit == 0).then_some(()),
        2 => varint::put(out, excess),
        _ => {
            varint::put(out, excess);
            varint::put(out, deficit);
        }
    }
    match values {
        Some(values) => {
            if let [least, second, _, _] = values.as_slice() {
                varint::put(out, second - least);
            }
        }
        None => varint::put_wide(out, cross(input, output, both)?),
    }
    Some(())
}

/// Σ(i - least i)(o - least o), which the squares of i, o and i + o give.
fn cross(input: &Stat, output: &Stat, both: &Stat) -> Option<u128> {
    let twice = both.squares.checked_sub(input.squares)?.checked_sub(output.squares)?;
    if twice % 2 == 1 {
        return None;
    }
    let (corner, edges) = offsets(input, output)?;
    (twice / 2).checked_add(corner)?.checked_sub(edges)
}

/// What turns the centred sum of products into the plain one: to subtract and to add.
fn offsets(input: &Stat, output: &Stat) -> Option<(u128, u128)> {
    let (i, o, n) = (u128::from(input.min), u128::from(output.min), u128::from(input.count));
    let corner = i.checked_mul(o)?.checked_mul(n)?;
    let edges = i.checked_mul(output.sum)?.checked_add(o.checked_mul(input.sum)?)?;
    Some((corner, edges))
}

const CONTRADICTION: Malformed = Malformed("the token counts of a cell contradict each other");

/// The stat of `input + output`, from the two and what [`put_total`] wrote.
pub(super) fn take_total(input: &Stat, output: &Stat, bytes: &mut Input<'_>) -> Result<Stat, Malformed> {
    let numbers = total_numbers(input.count);
    let excess = if numbers > 0 { bytes.number()? } else { 0 };
    let deficit = if numbers > 1 { bytes.number()? } else { 0 };
    let third = if numbers > 2 { bytes.wide_number()? } else { 0 };
    total(input, output, excess, deficit, third).ok_or(CONTRADICTION)
}

fn total(input: &Stat, output: &Stat, excess: u64, deficit: u64, third: u128) -> Option<Stat> {
    let count = input.count;
    let sum = input.sum.checked_add(output.sum)?;
    let min = input.min.checked_add(output.min)?.checked_add(excess)?;
    let max = input.max.checked_add(output.max)?.checked_sub(deficit)?;
    if count >= stat::SUMMED_MIN {
        let (corner, edges) = offsets(input, output)?;
        let product = third.checked_add(edges)?.checked_sub(corner)?;
        let squares = product.checked_mul(2)?.checked_add(input.squares)?.checked_add(output.squares)?;
        return Some(Stat { count, sum, squares, min, max });
    }
    let mut stat = Stat::default();
    stat.add(min);
    // With one value there is nothing left; with two the rest is the greatest.
    let mut rest = sum.checked_sub(u128::from(min))?;
    if count > 2 {
        stat.add(max);
        rest = rest.checked_sub(u128::from(max))?;
    }
    if count > 3 {
        let second = min.checked_add(u64::try_from(third).ok()?)?;
        stat.add(second);
        rest = rest.checked_sub(u128::from(second))?;
    }
    if count > 1 {
        stat.add(u64::try_from(rest).ok()?);
    }
    Some(stat)
}
