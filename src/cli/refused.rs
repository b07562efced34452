//! Refused lines as commands tell of them: the first one by one, all by their causes.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

use crate::cli::text::count;
use crate::error::escaped;
use crate::import::{REFUSALS_MAX, Refusal, Refusals};

/// Refused lines that people see one by one; `--json` lists more.
pub(crate) const SHOWN: usize = 10;

/// What a report in JSON says about them.
#[derive(Serialize)]
pub(crate) struct RefusedView<'a> {
    refused: Vec<RefusalView<'a>>,
    refused_count: u64,
    refused_causes: BTreeMap<&'a str, u64>,
}

#[derive(Serialize)]
struct RefusalView<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<&'a str>,
    line: u64,
    reason: String,
}

impl<'a> RefusedView<'a> {
    /// `input` names where a line is from, if there is more than one place.
    pub(crate) fn new(refusals: &'a Refusals, input: impl Fn(&Refusal) -> Option<&'a str>) -> Self {
        let view = |r: &'a Refusal| RefusalView { input: input(r), line: r.line, reason: r.reason.to_string() };
        Self {
            refused: refusals.first().iter().map(view).collect(),
            refused_count: refusals.count(),
            refused_causes: refusals.causes().collect(),
        }
    }
}

/// A line for each cause, the most frequent first: for refusals of which only the first were shown.
pub(crate) fn by_cause(refusals: &Refusals) -> String {
    let mut causes: Vec<(&str, u64)> = refusals.causes().collect();
    causes.sort_by_key(|(_, lines)| Reverse(*lines));
    let numbers = causes.iter().map(|(_, lines)| count(*lines));
    let width = numbers.map(|number| number.len()).max().unwrap_or_default();
    let mut out = String::new();
    for (cause, lines) in causes {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "  {:>width$}  {}", count(lines), escaped(cause));
    }
    out
}

/// Which of the refused lines `--json` lists.
pub(crate) fn listed(refusals: &Refusals) -> String {
    let max = REFUSALS_MAX as u64;
    if refusals.count() > max {
        format!("--json lists the first {}", count(max))
    } else {
        "--json lists them".to_owned()
    }
}
