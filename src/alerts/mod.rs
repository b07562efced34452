//! Alerts: rules whose condition is judged every minute, and what became of each.
//!
//! ```text
//! rule ──► question ──► answer ──► evaluation, one a group ──► step ──► transitions ──► history
//!                                                                               └────► notifications
//! ```
//! [`step`] is pure and knows no clock: the minute that is judged is handed in. Upkeep and the replay of
//! history call the same function.

mod board;
mod evaluate;
mod judge;
pub mod manage;
mod minutes;
pub mod notify;
mod replay;
mod rule;
mod state;
pub mod table;
#[cfg(test)]
mod tests;
mod why;

use bincode::{Decode, Encode};

pub use board::{Board, FindError, Listed, history, short};
pub use evaluate::{Change, Report, check, evaluate, minute_of, next_minute, sync};
pub use judge::{Judged, Surroundings, judge};
pub use replay::{Fired, MINUTES_MAX, Replay, ReplayError, replay};
pub use rule::{HOLD_MS_MAX, NAME_MAX, Rule, RuleError, Severity, duration};
pub use state::{
    Acknowledged, Evaluation, Evidence, Instance, Labels, Outcome, Phase, Reason, Transition, episode_id, step,
};

pub use why::{Part, Why, why};

use crate::metric::Number;

/// What a channel is told of an alert.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Notification {
    /// Of the episode: the same in every message about it, in lists and in the history.
    pub id: String,
    /// The rule's name; `budget NAME` for thresholds of budgets.
    pub rule: String,
    /// The group that fires: names and values of its labels, in the order of the condition.
    pub labels: Vec<(String, String)>,
    /// How bad it is.
    pub severity: Severity,
    /// What is told.
    pub state: Told,
    /// The value now; `None` = no data.
    pub value: Option<Number>,
    /// What it is compared with.
    pub threshold: Option<Number>,
    /// Unit of both as JSON names it: `ms`, `usd`, `ratio`, `count` …
    pub unit: String,
    /// The condition in canonical form, with its `for`.
    pub condition: String,
    /// When the episode began, in milliseconds since 1970.
    pub since_ms: u64,
    /// The judged minute, in milliseconds since 1970.
    pub at_ms: u64,
    /// Why it is over, or what else there is to say.
    pub reason: Option<String>,
    /// Names of the channels it goes to; empty = all that are set up.
    pub channels: Vec<String>,
}

/// What a notification says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Told {
    /// It fires.
    Firing,
    /// It still fires: the rule asks for a reminder now and then.
    Reminder,
    /// It is over.
    Resolved,
}

impl Told {
    /// The word for it; a reminder is told as firing.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Firing | Self::Reminder => "firing",
            Self::Resolved => "resolved",
        }
    }
}
