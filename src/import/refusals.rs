//! Refused lines in bounded memory: the first of them, and how many for which cause.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::error::LineError;

/// Refusals that are kept one by one; the others are only counted.
pub const REFUSALS_MAX: usize = 1000;

/// One refused line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Index of the input, in the order they are read.
    pub input: usize,
    /// Line number, from 1. A CSV record counts by its first line.
    pub line: u64,
    /// Why.
    pub reason: LineError,
}

/// The lines that were refused, however many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusals {
    first: Vec<Refusal>,
    count: u64,
    causes: BTreeMap<Cow<'static, str>, u64>,
}

impl Refusals {
    /// Notes one more.
    pub fn push(&mut self, refusal: Refusal) {
        self.count += 1;
        *self.causes.entry(refusal.reason.cause()).or_default() += 1;
        if self.first.len() < REFUSALS_MAX {
            self.first.push(refusal);
        }
    }

    /// Notes those that were refused after these.
    pub fn append(&mut self, later: Self) {
        let room = REFUSALS_MAX.saturating_sub(self.first.len());
        self.first.extend(later.first.into_iter().take(room));
        self.count += later.count;
        for (cause, lines) in later.causes {
            *self.causes.entry(cause).or_default() += lines;
        }
    }

    /// The first [`REFUSALS_MAX`] of them, in their order.
    pub fn first(&self) -> &[Refusal] {
        &self.first
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The causes with their numbers of lines, by name. There are at most a few for each field that events have.
    pub fn causes(&self) -> impl Iterator<Item = (&str, u64)> {
        self.causes.iter().map(|(cause, lines)| (&**cause, *lines))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Refused lines of an input, from `line` on, a few times more than are kept.
    fn many(input: usize, line: u64) -> Refusals {
        let mut all = Refusals::default();
        for line in line..line + 3000 {
            let reason = match line % 3 {
                0 => LineError::Negative("latency_ms"),
                1 => LineError::NotJson(format!("at {line}")),
                _ => LineError::Wrong { key: "ok", wanted: "true or false", found: line.to_string() },
            };
            all.push(Refusal { input, line, reason });
        }
        all
    }

    #[test]
    fn what_is_kept_is_bounded_and_what_is_counted_is_all() {
        let mut all = many(0, 1);
        all.append(many(1, 1));
        assert_eq!((all.count(), all.first().len(), all.first()[999].line), (6000, REFUSALS_MAX, 1000));
        let causes: Vec<_> = all.causes().collect();
        assert_eq!(
            causes,
            [("latency_ms is negative", 2000), ("not a JSON object", 2000), ("ok must be true or false", 2000)]
        );
    }
}
