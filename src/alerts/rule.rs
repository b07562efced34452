//! A rule: what to judge, how long it must hold, and whom to tell.

use std::fmt;

use bincode::{Decode, Encode};

use crate::query::ast::Condition;
use crate::query::{self, ParseError};

/// Longest name of a rule, in bytes.
pub const NAME_MAX: usize = 64;
/// Longest `for`, `keep_firing_for` and `renotify`: four weeks.
pub const HOLD_MS_MAX: u64 = 28 * 24 * 3_600_000;

/// A rule. Durations are milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Rule {
    /// What it is called.
    pub name: String,
    /// The condition in canonical form, without `for`.
    pub condition: String,
    /// So long the condition must be true before the alert fires.
    pub hold_ms: u64,
    /// So long it must not be true before the alert is over.
    pub keep_firing_ms: u64,
    /// How bad it is.
    pub severity: Severity,
    /// Names of the channels it goes to; empty = all.
    pub channels: Vec<String>,
    /// Events a window needs before its comparison counts; `None` = 20 for ratios and percentiles, else 0.
    pub min_events: Option<u64>,
    /// Tell again so long after the last message, while it fires.
    pub renotify_ms: Option<u64>,
    /// Whether it is judged.
    pub enabled: bool,
    /// Zone of its days and hours; `None` = that of whoever judges it.
    pub zone: Option<String>,
}

/// How bad an alert is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum Severity {
    /// Good to know.
    Info,
    /// Somebody should look.
    #[default]
    Warning,
    /// Somebody must act.
    Critical,
}

impl Severity {
    /// All of them, the least first.
    pub const ALL: [Self; 3] = [Self::Info, Self::Warning, Self::Critical];

    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }

    /// The severity of a word.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.word() == word)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What is wrong with a rule.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RuleError {
    /// The name cannot be one.
    #[error("'{0}' is no name of a rule: up to {NAME_MAX} letters, digits and - _ . are")]
    Name(String),
    /// The condition is none.
    #[error("{0}")]
    Condition(ParseError),
    /// `for` is written in the condition and said otherwise too.
    #[error("the condition says 'for {written}' and the rule says {said}")]
    TwoHolds {
        /// In the condition.
        written: String,
        /// Beside it.
        said: String,
    },
    /// A duration is longer than [`HOLD_MS_MAX`].
    #[error("'{0}' is longer than 28d")]
    TooLong(&'static str),
}

impl Rule {
    /// A rule for a condition as written, which may end in `for 5m`.
    ///
    /// # Errors
    /// See [`RuleError`].
    pub fn new(name: &str, condition: &str) -> Result<Self, RuleError> {
        let fine = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        if name.is_empty() || name.len() > NAME_MAX || name.starts_with('-') || !name.bytes().all(fine) {
            return Err(RuleError::Name(name.to_owned()));
        }
        let mut rule = Self {
            name: name.to_owned(),
            condition: String::new(),
            hold_ms: 0,
            keep_firing_ms: 0,
            severity: Severity::default(),
            channels: Vec::new(),
            min_events: None,
            renotify_ms: None,
            enabled: true,
            zone: None,
        };
        rule.judge(condition, None)?;
        Ok(rule)
    }

    /// Gives it another condition, with `hold_ms` beside it. Where neither says how long it must hold, that stays.
    ///
    /// # Errors
    /// See [`RuleError`].
    pub fn judge(&mut self, condition: &str, hold_ms: Option<u64>) -> Result<(), RuleError> {
        let Condition { expr, hold } = query::parse_condition(condition).map_err(RuleError::Condition)?;
        let written = hold.map(|at| at.value / NANOS_IN_MS);
        if let (Some(written), Some(said)) = (written, hold_ms)
            && written != said
        {
            return Err(RuleError::TwoHolds { written: duration(written), said: duration(said) });
        }
        self.condition = expr.to_string();
        self.hold_ms = written.or(hold_ms).unwrap_or(self.hold_ms);
        self.check()
    }

    /// Checks what is no text.
    ///
    /// # Errors
    /// See [`RuleError`].
    pub fn check(&self) -> Result<(), RuleError> {
        let lengths = [
            ("for", self.hold_ms),
            ("keep_firing_for", self.keep_firing_ms),
            ("renotify", self.renotify_ms.unwrap_or(0)),
        ];
        match lengths.into_iter().find(|(_, ms)| *ms > HOLD_MS_MAX) {
            Some((what, _)) => Err(RuleError::TooLong(what)),
            None => Ok(()),
        }
    }

    /// The condition with its `for`, as people read it.
    pub fn condition_text(&self) -> String {
        match self.hold_ms {
            0 => self.condition.clone(),
            ms => format!("{} for {}", self.condition, duration(ms)),
        }
    }
}

const NANOS_IN_MS: u64 = 1_000_000;

/// `5m`, `1h30m`.
pub fn duration(ms: u64) -> String {
    query::duration_text(ms.saturating_mul(NANOS_IN_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_kept_in_canonical_form_with_its_for_apart() {
        let rule = Rule::new("slow", "avg(latency{provider='openai'})>2s for 300s").unwrap();
        assert_eq!(rule.condition, r#"avg(latency{provider="openai"}) > 2s"#);
        assert_eq!((rule.hold_ms, rule.condition_text().ends_with("for 5m")), (300_000, true));
        assert_eq!(Rule::new("x", "errors > 5").unwrap().condition_text(), "errors > 5");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for name in ["", "a b", "-x", "ä", &"x".repeat(65)] {
            assert!(matches!(Rule::new(name, "errors > 5"), Err(RuleError::Name(_))), "{name}");
        }
        let mut rule = Rule::new("x", "errors > 5").unwrap();
        assert!(matches!(rule.judge("errors >", None), Err(RuleError::Condition(_))));
        let twice = rule.judge("errors > 5 for 5m", Some(60_000)).unwrap_err();
        assert_eq!(twice.to_string(), "the condition says 'for 5m' and the rule says 1m");
        rule.judge("errors > 5 for 5m", Some(300_000)).unwrap();
        assert_eq!(rule.judge("errors > 5 for 29d", None), Err(RuleError::TooLong("for")));
    }

    #[test]
    fn another_condition_keeps_how_long_it_must_hold_unless_it_says_so() {
        let mut rule = Rule::new("x", "errors > 5 for 5m").unwrap();
        for (condition, said, hold_ms) in [
            ("errors > 6", None, 300_000),
            ("errors > 7 for 1m", None, 60_000),
            ("errors > 8", Some(120_000), 120_000),
            ("errors > 9", Some(0), 0),
        ] {
            rule.judge(condition, said).unwrap();
            assert_eq!(rule.hold_ms, hold_ms, "{condition}");
        }
    }
}
