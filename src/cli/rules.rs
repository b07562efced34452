//! Alert rules as the settings file and the command line write them.

use serde::Deserialize;

use crate::alerts::{Rule, RuleError, Severity, duration};
use crate::cli::commands::refused;
use crate::cli::config::Config;
use crate::cli::time;
use crate::error::{Failure, Result, escaped};

/// What a rule says that is told everywhere; lists print the same.
pub(crate) const ALL_CHANNELS: &str = "all";

/// One `[[rule]]` of the settings file: the flags of `alerts create`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RuleTable {
    pub name: String,
    pub when: String,
    #[serde(rename = "for")]
    pub hold: Option<String>,
    pub keep_firing_for: Option<String>,
    pub severity: Option<String>,
    #[serde(rename = "channel", alias = "channels")]
    pub channels: Option<Vec<String>>,
    pub min_events: Option<u64>,
    pub renotify: Option<String>,
    pub enabled: Option<bool>,
    pub tz: Option<String>,
}

/// The rules of the settings file that make sense, and what is wrong with the others.
pub(crate) fn of_file(config: &Config) -> (Vec<Rule>, Vec<Failure>) {
    let (mut rules, mut bad): (Vec<Rule>, _) = (Vec::new(), Vec::new());
    for table in &config.rules {
        match table.rule() {
            Ok(rule) if rules.iter().any(|r| r.name == rule.name) => {
                bad.push(Failure::usage(format!("there are two rules called {}", rule.name)));
            }
            Ok(rule) => rules.push(rule),
            Err(failure) => bad.push(Failure {
                message: match table.name.as_str() {
                    "" => "a rule of the settings file has no name".to_owned(),
                    name => format!("rule {} of the settings file: {}", escaped(name), failure.message),
                },
                ..failure
            }),
        }
    }
    (rules, bad)
}

impl RuleTable {
    /// The rule.
    ///
    /// # Errors
    /// A usage error; of the condition with its place.
    pub(crate) fn rule(&self) -> Result<Rule> {
        if self.when.is_empty() {
            return Err(Failure::usage("it needs a condition").hint("when = \"error_rate > 5%\""));
        }
        let mut rule = Rule::new(&self.name, &self.when).map_err(|e| wrong(&e, &self.when))?;
        self.apply(&mut rule)?;
        Ok(rule)
    }

    /// Changes a rule by what is said here.
    ///
    /// # Errors
    /// As [`RuleTable::rule`].
    pub(crate) fn apply(&self, rule: &mut Rule) -> Result<()> {
        let length = |text: &Option<String>| match text.as_deref() {
            None => Ok(None),
            Some("0" | "0s" | "0m") => Ok(Some(0)),
            Some(text) => time::duration(text, "5m").map(Some),
        };
        let hold_ms = length(&self.hold)?;
        if !self.when.is_empty() {
            rule.judge(&self.when, hold_ms).map_err(|e| wrong(&e, &self.when))?;
        } else if let Some(ms) = hold_ms {
            rule.hold_ms = ms;
        }
        if let Some(ms) = length(&self.keep_firing_for)? {
            rule.keep_firing_ms = ms;
        }
        if let Some(word) = &self.severity {
            rule.severity = Severity::named(word)
                .ok_or_else(|| Failure::usage(format!("'{word}' is no severity")).hint("info, warning or critical"))?;
        }
        if let Some(channels) = &self.channels {
            rule.channels = named(channels)?;
        }
        rule.min_events = self.min_events.or(rule.min_events);
        if let Some(ms) = length(&self.renotify)? {
            rule.renotify_ms = (ms > 0).then_some(ms);
        }
        rule.enabled = self.enabled.unwrap_or(rule.enabled);
        if let Some(name) = &self.tz {
            ax_storage::time::Zone::load(name).map_err(|e| Failure::usage(e).hint("such as Europe/Berlin or UTC"))?;
            rule.zone = Some(name.clone());
        }
        rule.check().map_err(|e| wrong(&e, &self.when))
    }
}

/// The channels that are meant; none of them by name = all.
fn named(channels: &[String]) -> Result<Vec<String>> {
    let is_all = |name: &String| name.is_empty() || name == ALL_CHANNELS;
    if !channels.iter().any(is_all) {
        return Ok(channels.to_vec());
    }
    match channels {
        [_] => Ok(Vec::new()),
        _ => Err(Failure::usage(format!("'{ALL_CHANNELS}' means every channel")).hint("leave the others out")),
    }
}

/// A refused rule as a failure, with the place in its condition.
fn wrong(error: &RuleError, condition: &str) -> Failure {
    match error {
        RuleError::Condition(parse) => refused(parse, condition),
        RuleError::TwoHolds { said, .. } => Failure::usage(error).hint(format!("leave one out, or write {said} twice")),
        RuleError::TooLong(_) => {
            Failure::usage(error).hint(format!("at most {}", duration(crate::alerts::HOLD_MS_MAX)))
        }
        RuleError::Name(_) => Failure::usage(error).hint("such as openai-latency"),
    }
}
