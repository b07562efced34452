//! Request cells to bytes.

use std::collections::BTreeMap;

use super::errors::put_errors;
use super::total::put_total;
use super::{COMPUTED, COST, ERRORS, INPUT, LATENCY, LATER_CLASSES, OUTPUT, PLAIN, TTFT, UNPRICED, zeros};
use crate::bucket::codec::Unencodable;
use crate::bucket::codec::stat::{self, Kind, Share};
use crate::bucket::{Counts, Measure, RequestCell, RequestKey, Stat};
use crate::histogram::varint;
use crate::histogram::{encode_from, index_of};
use crate::row::NameId;

/// Appends all cells.
pub(in crate::bucket::codec) fn encode(
    cells: &BTreeMap<RequestKey, Box<RequestCell>>,
    out: &mut Vec<u8>,
) -> Result<(), Unencodable> {
    let mut writer = Writer::default();
    for (key, cell) in cells {
        check_histogram(&cell.stats[Measure::Latency as usize], &cell.latency)?;
        check_histogram(&cell.stats[Measure::Ttft as usize], &cell.ttft)?;
        let before = out.len();
        if writer.compact(key, cell, out).is_none() {
            out.truncate(before);
            writer.plain(key, cell, out);
        }
        writer.model = key.model;
    }
    Ok(())
}

/// A histogram must hold exactly the values its stat counts.
pub(in crate::bucket::codec) fn check_histogram(stat: &Stat, counts: &[(u32, u64)]) -> Result<(), Unencodable> {
    let (mut total, mut least) = (0_u64, 0);
    for &(index, count) in counts {
        if index < least || count == 0 {
            return Err(Unencodable::Histogram);
        }
        least = index.saturating_add(1);
        total = total.checked_add(count).ok_or(Unencodable::Histogram)?;
    }
    let ends = match (counts.first(), counts.last()) {
        (Some(first), Some(last)) => first.0 == index_of(stat.min) && last.0 == index_of(stat.max),
        _ => true,
    };
    if ends && total == stat.count { Ok(()) } else { Err(Unencodable::Histogram) }
}

/// What one cell hands on to the next, and work space.
#[derive(Default)]
pub(in crate::bucket::codec) struct Writer {
    model: NameId,
    shape: u64,
    inner: Counts,
    bytes: Vec<u8>,
}

impl Writer {
    fn head(&mut self, key: &RequestKey, cell: &RequestCell, shape: u64, out: &mut Vec<u8>) {
        let same = shape == self.shape;
        let tiered = key.service_tier != 0;
        let flags = u64::from(same) << 2 | u64::from(key.ok) << 1 | u64::from(tiered);
        varint::put(out, u64::from(key.model - self.model) << 3 | flags);
        if tiered {
            varint::put(out, u64::from(key.service_tier));
        }
        varint::put(out, cell.count);
        if !same {
            varint::put(out, shape);
        }
    }

    fn compact(&mut self, key: &RequestKey, cell: &RequestCell, out: &mut Vec<u8>) -> Option<()> {
        let stat = |measure: Measure| &cell.stats[measure as usize];
        let n = cell.count;
        let priced = n.checked_sub(cell.unpriced)?;
        let shares = [
            (UNPRICED, cell.unpriced, n),
            (COMPUTED, cell.computed, priced),
            (LATENCY, stat(Measure::Latency).count, n),
            (TTFT, stat(Measure::Ttft).count, n),
            (COST, stat(Measure::Cost).count, priced),
        ];
        let mut shape = u64::from(!cell.errors.is_empty()) << ERRORS;
        for (at, part, whole) in shares {
            shape |= (Share::of(part, whole) as u64) << at;
        }
        let classes = [(Measure::InputTokens, INPUT), (Measure::OutputTokens, OUTPUT)];
        for (measure, at) in classes.into_iter().chain(LATER_CLASSES) {
            if stat(measure).count != n {
                return None;
            }
            shape |= u64::from(*stat(measure) != zeros(n)) << at;
        }
        self.head(key, cell, shape, out);
        for (_, part, whole) in shares {
            Share::of(part, whole).put(part, out);
        }
        put_errors(&cell.errors, n, out);
        self.timed(stat(Measure::Latency), &cell.latency, out)?;
        self.timed(stat(Measure::Ttft), &cell.ttft, out)?;
        put_tokens(cell, shape, out)?;
        match stat(Measure::Cost) {
            none if none.count == 0 => (*none == Stat::default()).then_some(())?,
            cost => stat::put(cost, Kind::Money, out)?,
        }
        self.shape = shape;
        Some(())
    }

    /// A stat of times with its histogram, when it has values.
    pub(in crate::bucket::codec) fn timed(
        &mut self,
        stat: &Stat,
        counts: &[(u32, u64)],
        out: &mut Vec<u8>,
    ) -> Option<()> {
        if stat.count == 0 {
            return (*stat == Stat::default()).then_some(());
        }
        stat::put(stat, Kind::Time, out)?;
        if stat.count < stat::SUMMED_MIN {
            // The values say the histogram; check that they do.
            let values = stat::values(stat)?;
            let said = values.as_slice().iter().map(|&value| index_of(value));
            return counts.iter().flat_map(|&(index, n)| (0..n).map(move |_| index)).eq(said).then_some(());
        }
        self.inner.clear();
        self.inner.extend_from_slice(counts);
        // The least and the greatest value stand beside it. In a bucket by themselves they leave an empty one;
        // all in one bucket are five at least.
        let (_, last) = self.inner.last_mut()?;
        *last -= 1;
        if *last == 0 {
            self.inner.pop();
        }
        let (_, first) = self.inner.first_mut()?;
        *first -= 1;
        let alone = usize::from(*first == 0);
        self.bytes.clear();
        encode_from(index_of(stat.min), &self.inner[alone..], &mut self.bytes);
        varint::put(out, self.bytes.len() as u64);
        out.extend_from_slice(&self.bytes);
        Some(())
    }

    fn plain(&mut self, key: &RequestKey, cell: &RequestCell, out: &mut Vec<u8>) {
        let shape = 1 << PLAIN | u64::from(!cell.errors.is_empty()) << ERRORS;
        self.head(key, cell, shape, out);
        varint::put(out, cell.unpriced);
        varint::put(out, cell.computed);
        put_errors(&cell.errors, cell.count, out);
        cell.stats.iter().for_each(|stat| stat::put_plain(stat, out));
        for counts in [&cell.latency, &cell.ttft] {
            self.bytes.clear();
            encode_from(0, counts, &mut self.bytes);
            varint::put(out, self.bytes.len() as u64);
            out.extend_from_slice(&self.bytes);
        }
        self.shape = shape;
    }
}

fn put_tokens(cell: &RequestCell, shape: u64, out: &mut Vec<u8>) -> Option<()> {
    let stat = |measure: Measure| &cell.stats[measure as usize];
    let (input, output, both) = (stat(Measure::InputTokens), stat(Measure::OutputTokens), stat(Measure::Tokens));
    let has = |at: u32| shape >> at & 1 == 1;
    if has(INPUT) {
        stat::put(input, Kind::Plain, out)?;
    }
    if has(OUTPUT) {
        stat::put(output, Kind::Plain, out)?;
    }
    match (has(INPUT), has(OUTPUT)) {
        (true, true) => put_total(input, output, both, out)?,
        (true, false) if both == input => {}
        (false, true) if both == output => {}
        (false, false) if *both == zeros(cell.count) => {}
        _ => return None,
    }
    for (measure, at) in LATER_CLASSES {
        if has(at) {
            stat::put(stat(measure), Kind::Plain, out)?;
        }
    }
    Some(())
}
