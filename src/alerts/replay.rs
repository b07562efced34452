//! Would it have fired? A rule judged over history, minute by minute, by the very same [`step`].

use std::collections::{BTreeSet, HashMap};

use ax_storage::Store;
use ax_storage::query::QueryError;
use ax_storage::query::plan::Plan;
use ax_storage::time::{MINUTE_MS, TimeRange, Timestamp};

use super::judge::{self, Ready, Surroundings};
use super::minutes::{Ask, Minutes};
use super::table::States;
use super::{Evidence, Instance, Labels, Outcome, Phase, Rule, Transition, evaluate};
use crate::answer::{self, Usuals};
use crate::metric::Number;
use crate::query::planner::{Node, Question, Usual};

/// Most minutes of a replay: a quarter of a year.
pub const MINUTES_MAX: u64 = 92 * 1440;

/// What a rule would have done.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Replay {
    /// What fired, in order of its start.
    pub episodes: Vec<Fired>,
    /// Minutes that were judged.
    pub minutes: u64,
    /// From when on history is there by the minute, when it begins later than was asked.
    pub known_from: Option<Timestamp>,
    /// Everything that changed.
    pub transitions: Vec<Transition>,
    /// The groups as the last minute left them.
    pub groups: Vec<Instance>,
}

/// One time that it fires.
#[derive(Clone, Debug, PartialEq)]
pub struct Fired {
    /// Which group.
    pub labels: Labels,
    /// When the condition became true.
    pub start: Timestamp,
    /// When the alert went on.
    pub fired: Timestamp,
    /// When it was over; `None` = it fires still.
    pub end: Option<Timestamp>,
    /// The value farthest beyond the threshold.
    pub peak: Option<Number>,
    /// The numbers when it went on.
    pub evidence: Evidence,
}

/// Why there is no replay.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The rule cannot be judged.
    #[error("{0}")]
    Rule(String),
    /// The store cannot answer.
    #[error(transparent)]
    Store(#[from] QueryError),
    /// More than [`MINUTES_MAX`].
    #[error("{0} minutes are too many to replay")]
    TooLong(u64),
}

/// Judges a rule in every whole minute that ends within `range`, from `before` on: by default as if nothing had
/// been.
///
/// # Errors
/// See [`ReplayError`].
pub fn replay(
    store: &Store,
    rule: &Rule,
    around: &Surroundings<'_>,
    range: TimeRange,
    before: &States,
) -> Result<Replay, ReplayError> {
    let ready = Ready::new(rule).map_err(ReplayError::Rule)?;
    // As it is kept now: what was kept then is gone all the same.
    let raw_from = if ready.depends_on_raw() { store.raw_from()? } else { Timestamp::MIN };
    over(&ready, around, range, before, raw_from, &|plan| store.run(plan))
}

/// The same over whatever answers plans by the minute.
pub(super) fn over(
    ready: &Ready<'_>,
    around: &Surroundings<'_>,
    range: TimeRange,
    before: &States,
    raw_from: Timestamp,
    ask: &Ask<'_>,
) -> Result<Replay, ReplayError> {
    let rule = ready.rule;
    let first = range.start.millis().div_ceil(MINUTE_MS).max(1) * MINUTE_MS;
    let last = range.end.millis() / MINUTE_MS * MINUTE_MS;
    let count = (last + MINUTE_MS).saturating_sub(first) / MINUTE_MS;
    if count > MINUTES_MAX {
        return Err(ReplayError::TooLong(count));
    }
    let at = |ms: u64| Timestamp::from_millis(ms);
    let question =
        |ms: u64, known: &[Labels]| ready.question(around, at(ms), raw_from, known).map_err(ReplayError::Rule);
    let mut history = Minutes::new(ask);
    let usuals = Usuals::default();
    for (plan, range, totals_only) in wanted(&question(first, &[])?, &question(last, &[])?) {
        // Bursts do not add up: the store is asked for them each minute.
        if plan.violations {
            continue;
        }
        history.read(&plan, range, totals_only)?;
    }
    let mut replay = Replay { minutes: count, ..Replay::default() };
    let mut states = States { condition: rule.condition.clone(), ..before.clone() };
    let silences = HashMap::new();
    let mut known: Vec<Labels> = states.groups.iter().map(|g| g.labels.clone()).collect();
    for ms in (first..=last).step_by(usize::try_from(MINUTE_MS).unwrap_or(usize::MAX)) {
        let question = question(ms, &known)?;
        let answer = answer::answer_shared(&question, &usuals, &mut |plans: &[Plan]| history.run(plans))?;
        let judged = Ok(judge::read(&question, &answer));
        let (after, transitions) = evaluate::next(rule, states, &judged, &silences, ms);
        states = after;
        if known.len() != states.groups.len() {
            known = states.groups.iter().map(|g| g.labels.clone()).collect();
        }
        replay.take(transitions);
    }
    replay.note_peaks(&states.groups);
    replay.known_from = Some(history.from).filter(|from| *from > range.start);
    replay.groups = states.groups;
    Ok(replay)
}

impl Replay {
    fn take(&mut self, transitions: Vec<Transition>) {
        for what in transitions {
            match what.outcome {
                Outcome::Firing => self.episodes.push(Fired {
                    labels: what.labels.clone(),
                    start: Timestamp::from_millis(what.since_ms),
                    fired: Timestamp::from_millis(what.at_ms),
                    end: None,
                    peak: what.peak,
                    evidence: what.evidence.clone(),
                }),
                Outcome::Resolved => {
                    let open = self.episodes.iter_mut().rev().find(|e| e.labels == what.labels && e.end.is_none());
                    if let Some(episode) = open {
                        episode.end = Some(Timestamp::from_millis(what.at_ms));
                        episode.peak = what.peak;
                    }
                }
                _ => {}
            }
            self.transitions.push(what);
        }
    }

    /// Gives episodes that are not over the peak they have reached.
    fn note_peaks(&mut self, groups: &[Instance]) {
        for episode in self.episodes.iter_mut().filter(|episode| episode.end.is_none()) {
            let own = groups.iter().find(|group| group.labels == episode.labels);
            episode.peak = own.and_then(|group| group.episode.as_ref()?.peak).or(episode.peak);
        }
    }

    /// Whether a group fires after the last minute.
    pub fn fires(&self) -> bool {
        self.groups.iter().any(|g| g.phase == Phase::Firing)
    }
}

/// Each different thing that is asked, with all the time it is asked about between two questions, and
/// whether only whole windows of it matter.
fn wanted(first: &Question, last: &Question) -> Vec<(Plan, TimeRange, bool)> {
    let mut stepped = BTreeSet::new();
    uses(first, &first.root, &mut stepped);
    let pairs = first.asked.iter().enumerate().zip(&last.asked);
    pairs
        .map(|((i, a), b)| {
            let (a, b) = (&a.plan, &b.plan);
            let range = TimeRange::new(a.range.start.min(b.range.start), a.range.end.max(b.range.end));
            (a.clone(), range, !stepped.contains(&i))
        })
        .collect()
}

/// The plans whose steps are looked at one by one.
fn uses(question: &Question, node: &Node, stepped: &mut BTreeSet<usize>) {
    let plan = |select: usize| question.selects.get(select).map(|s| s.asked);
    match node {
        Node::Literal(_) | Node::Outside(_) | Node::Usual(Usual::Pooled(_)) | Node::Judged(_) => {}
        Node::Usual(Usual::Seasonal { history: i, .. } | Usual::ByHour { hours: i, .. }) | Node::Trend(i) => {
            stepped.extend(plan(*i))
        }
        // With a written step the value itself is made of steps.
        Node::Select(i) if question.step.is_some() => stepped.extend(plan(*i)),
        Node::Select(_) => {}
        Node::Anomaly { points, history, .. } => stepped.extend([plan(*points), plan(*history)].into_iter().flatten()),
        Node::Neg(inner) | Node::Not(inner) => uses(question, inner, stepped),
        Node::Arith { left, right, .. } => {
            uses(question, left, stepped);
            uses(question, right, stepped);
        }
        Node::Cmp(c) => {
            uses(question, &c.left, stepped);
            uses(question, &c.right, stepped);
        }
        Node::Bool(_, list) => list.iter().for_each(|n| uses(question, n, stepped)),
    }
}
