//! The state of one group of a rule, and how a judged minute changes it.
//!
//! ```text
//! inactive --true--> pending --true for `for`--> firing --not true for `keep_firing_for`--> inactive
//! pending --false--> inactive         any --unknown for longer than max(`for`, 2 minutes)--> no_data
//! ```
//! Unknown for a shorter time keeps the state. An episode begins when its condition becomes true, ends
//! when it resolves, and has one id. Being acknowledged ends with it. While a group is silenced its state
//! moves on and nothing is sent; when the silence ends and it still fires, that is told then.

use bincode::{Decode, Encode};
use xxhash_rust::xxh3::Xxh3;

use super::Rule;
use crate::metric::Number;

/// Unknown in so many judged minutes keeps the state.
const UNKNOWN_KEPT: u32 = 2;

/// Names and values of a group's labels.
pub type Labels = Vec<(String, String)>;

/// What a judged minute says of one group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evaluation {
    /// Whether the condition holds; `None` = unknown.
    pub truth: Option<bool>,
    /// What led to it.
    pub evidence: Evidence,
    /// A silence covers it.
    pub silenced: bool,
}

/// Numbers behind a judgement.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
pub struct Evidence {
    /// The value.
    pub value: Option<Number>,
    /// What it was compared with.
    pub threshold: Option<Number>,
    /// Unit of both as JSON names it.
    pub unit: String,
    /// Events the value rests on.
    pub count: u64,
    /// How likely chance alone gives it, where that was asked.
    pub chance: Option<f64>,
    /// Of so many events so many were too much, where that was asked.
    pub share: Option<(u64, u64)>,
    /// Fewer events than the rule wants: how many there were and how many it wants.
    pub too_few: Option<(u64, u64)>,
    /// Length of the window that decided, in milliseconds; 0 = unknown.
    pub window_ms: u64,
}

/// Where a group stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub enum Phase {
    /// Nothing is wrong.
    #[default]
    Inactive,
    /// True, but not yet for long enough.
    Pending,
    /// The alert is on.
    Firing,
    /// Nothing can be said any more.
    NoData,
}

impl Phase {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::Pending => "pending",
            Self::Firing => "firing",
            Self::NoData => "no_data",
        }
    }
}

/// The state of one group of a rule. Times are milliseconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
pub struct Instance {
    /// Which group.
    pub labels: Labels,
    /// Where it stands.
    pub phase: Phase,
    /// Since when.
    pub since_ms: u64,
    /// The running episode, while pending or firing.
    pub episode: Option<Episode>,
    /// Since when the condition is unknown, and in how many minutes.
    pub unknown: Option<(u64, u32)>,
    /// The last judged minute with events of the group.
    pub seen_ms: u64,
    /// What the last judged minute said.
    pub evidence: Evidence,
}

/// What belongs to one episode only.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
pub struct Episode {
    /// See [`episode_id`].
    pub id: String,
    /// When the condition became true.
    pub start_ms: u64,
    /// While firing: since when the condition is not true.
    pub false_since_ms: Option<u64>,
    /// Somebody has seen it.
    pub acknowledged: Option<Acknowledged>,
    /// When the last message about it was sent.
    pub told_ms: Option<u64>,
    /// The value farthest beyond the threshold.
    pub peak: Option<Number>,
}

/// Who looks into an alert, and since when.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Acknowledged {
    /// When it was said.
    pub at_ms: u64,
    /// What was said.
    pub comment: String,
}

/// A change of state, for the history, the channels, or both.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Transition {
    /// Of the episode; empty where there is none.
    pub id: String,
    /// Which group.
    pub labels: Labels,
    /// What happened.
    pub outcome: Outcome,
    /// The judged minute.
    pub at_ms: u64,
    /// When the episode began.
    pub since_ms: u64,
    /// Why an episode ended.
    pub reason: Option<Reason>,
    /// The numbers of that minute.
    pub evidence: Evidence,
    /// The value farthest beyond the threshold in the episode.
    pub peak: Option<Number>,
    /// Channels are told.
    pub told: bool,
}

/// What happened to a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Outcome {
    /// The condition became true.
    Pending,
    /// The alert went on.
    Firing,
    /// The alert is still on, and that is said again. Not part of the history.
    Reminder,
    /// The alert is over.
    Resolved,
    /// Nothing can be said any more.
    NoData,
    /// A pending alert, or missing data, came to nothing.
    Inactive,
    /// Somebody said that they have seen it.
    Acknowledged,
    /// Somebody silenced it.
    Silenced,
    /// Somebody lifted the silence.
    Unsilenced,
}

impl Outcome {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Firing | Self::Reminder => "firing",
            Self::Resolved => "resolved",
            Self::NoData => "no_data",
            Self::Inactive => "inactive",
            Self::Acknowledged => "acknowledged",
            Self::Silenced => "silenced",
            Self::Unsilenced => "unsilenced",
        }
    }
}

/// Why an episode ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Reason {
    /// The condition does not hold any more.
    Over,
    /// There are no data to judge any more.
    NoData,
    /// The rule was changed, switched off or deleted.
    RuleChanged,
}

impl Reason {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Over => "over",
            Self::NoData => "no_data",
            Self::RuleChanged => "rule_changed",
        }
    }
}

/// The id of an episode: eight hexadecimal digits of a hash of rule, group and start.
pub fn episode_id(rule: &str, labels: &Labels, start_ms: u64) -> String {
    let mut hash = Xxh3::new();
    let mut part = |bytes: &[u8]| {
        hash.update(&(bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    part(rule.as_bytes());
    labels.iter().for_each(|(name, value)| {
        part(name.as_bytes());
        part(value.as_bytes());
    });
    part(&start_ms.to_le_bytes());
    format!("{:08x}", hash.digest() >> 32)
}

/// What a judged minute makes of a group: its new state, and what is to be noted and told.
///
/// `now_ms` is the judged minute, so that whoever judges it comes to the same ids.
pub fn step(rule: &Rule, mut state: Instance, now: &Evaluation, now_ms: u64) -> (Instance, Vec<Transition>) {
    let mut all = Vec::new();
    state.evidence = now.evidence.clone();
    match now.truth {
        Some(truth) => {
            state.unknown = None;
            if now.evidence.count > 0 {
                state.seen_ms = now_ms;
            }
            if truth {
                holds(rule, &mut state, now, now_ms, &mut all)
            } else {
                fails(rule, &mut state, now, now_ms, &mut all)
            }
        }
        None => unknown(rule, &mut state, now, now_ms, &mut all),
    }
    remind(rule, &mut state, now, now_ms, &mut all);
    (state, all)
}

fn holds(rule: &Rule, state: &mut Instance, now: &Evaluation, now_ms: u64, all: &mut Vec<Transition>) {
    if matches!(state.phase, Phase::Inactive | Phase::NoData) {
        let id = episode_id(&rule.name, &state.labels, now_ms);
        state.episode = Some(Episode { id, start_ms: now_ms, ..Episode::default() });
        state.enter(Phase::Pending, now_ms);
        if rule.hold_ms > 0 {
            all.push(state.transition(Outcome::Pending, now_ms));
        }
    }
    let Some(episode) = &mut state.episode else { return };
    episode.false_since_ms = None;
    episode.peak = farthest(episode.peak, &now.evidence);
    if state.phase == Phase::Pending && now_ms.saturating_sub(episode.start_ms) >= rule.hold_ms {
        episode.told_ms = (!now.silenced).then_some(now_ms);
        state.enter(Phase::Firing, now_ms);
        all.push(Transition { told: !now.silenced, ..state.transition(Outcome::Firing, now_ms) });
    }
}

fn fails(rule: &Rule, state: &mut Instance, now: &Evaluation, now_ms: u64, all: &mut Vec<Transition>) {
    match state.phase {
        Phase::Inactive => {}
        Phase::Pending | Phase::NoData => {
            all.push(state.transition(Outcome::Inactive, now_ms));
            state.episode = None;
            state.enter(Phase::Inactive, now_ms);
        }
        Phase::Firing => {
            let since = state.episode.as_mut().map_or(now_ms, |e| *e.false_since_ms.get_or_insert(now_ms));
            if now_ms.saturating_sub(since) >= rule.keep_firing_ms {
                all.extend(state.end(Reason::Over, Phase::Inactive, now.silenced, now_ms));
            }
        }
    }
}

fn unknown(rule: &Rule, state: &mut Instance, now: &Evaluation, now_ms: u64, all: &mut Vec<Transition>) {
    let (since, minutes) = state.unknown.map_or((now_ms, 1), |(since, n)| (since, n.saturating_add(1)));
    state.unknown = Some((since, minutes));
    if state.phase == Phase::NoData || minutes <= UNKNOWN_KEPT || now_ms.saturating_sub(since) < rule.hold_ms {
        return;
    }
    if state.phase == Phase::Firing {
        all.extend(state.end(Reason::NoData, Phase::NoData, now.silenced, now_ms));
    } else {
        all.push(state.transition(Outcome::NoData, now_ms));
        state.episode = None;
        state.enter(Phase::NoData, now_ms);
    }
}

/// Tells what was silenced so far, or once more what nobody has acknowledged.
fn remind(rule: &Rule, state: &mut Instance, now: &Evaluation, now_ms: u64, all: &mut Vec<Transition>) {
    let Some(episode) = state.episode.as_mut().filter(|_| state.phase == Phase::Firing && !now.silenced) else {
        return;
    };
    let due = match (episode.told_ms, rule.renotify_ms) {
        (None, _) => true,
        (Some(told), Some(every)) if every > 0 => now_ms.saturating_sub(told) >= every,
        _ => false,
    };
    if due && episode.acknowledged.is_none() {
        episode.told_ms = Some(now_ms);
        all.push(Transition { told: true, ..state.transition(Outcome::Reminder, now_ms) });
    }
}

impl Instance {
    /// A group that nothing is known of yet.
    pub fn new(labels: Labels) -> Self {
        Self { labels, ..Self::default() }
    }

    /// Ends a firing episode: what is to be noted, and told where its beginning was.
    pub fn end(&mut self, reason: Reason, phase: Phase, silenced: bool, now_ms: u64) -> Option<Transition> {
        let told = !silenced && self.episode.as_ref().is_some_and(|e| e.told_ms.is_some());
        let over = Transition { reason: Some(reason), told, ..self.transition(Outcome::Resolved, now_ms) };
        self.episode = None;
        let firing = self.phase == Phase::Firing;
        self.enter(phase, now_ms);
        firing.then_some(over)
    }

    /// A transition with the numbers of this state.
    pub fn transition(&self, outcome: Outcome, at_ms: u64) -> Transition {
        let episode = self.episode.as_ref();
        Transition {
            id: episode.map_or_else(String::new, |e| e.id.clone()),
            labels: self.labels.clone(),
            outcome,
            at_ms,
            since_ms: episode.map_or(self.since_ms, |e| e.start_ms),
            reason: None,
            evidence: self.evidence.clone(),
            peak: episode.and_then(|e| e.peak),
            told: false,
        }
    }

    fn enter(&mut self, phase: Phase, now_ms: u64) {
        self.phase = phase;
        self.since_ms = now_ms;
    }
}

/// The value that lies farther beyond the threshold, on the side where the new one lies.
fn farthest(peak: Option<Number>, now: &Evidence) -> Option<Number> {
    let (Some(old), Some(new)) = (peak, now.value) else { return peak.or(now.value) };
    let below = now.threshold.is_some_and(|t| new.order(t).is_lt());
    Some(if new.order(old).is_lt() == below { new } else { old })
}

#[cfg(test)]
mod tests;
