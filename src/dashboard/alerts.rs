//! Alerts as screens and JSON show them.

use std::collections::BTreeMap;

use ax_storage::query::plan::Label;
use ax_storage::time::{Timestamp, Zone};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::{ChannelView, Time, ValueUnit, Warning};
use crate::alerts::table::{Entry, Stored};
use crate::alerts::{Board, Evidence, Fired, Instance, Listed, Outcome, Phase, Replay, Rule, Severity, Why, short};
use crate::metric::{Aggregation, Number};
use crate::query::ast::{BoolOp, CmpOp, Expr, Filter, FilterKind, Kind};
use crate::query::{self};

/// Value and threshold of an alert in their unit.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertNumbers {
    /// The value.
    pub value: Option<Number>,
    /// What it is compared with.
    pub threshold: Option<Number>,
    /// Unit of both.
    pub unit: ValueUnit,
}

impl AlertNumbers {
    /// The numbers of a judgement.
    pub fn of(evidence: &Evidence) -> Self {
        Self { value: evidence.value, threshold: evidence.threshold, unit: ValueUnit::named(&evidence.unit) }
    }
}

/// One group of a rule.
#[derive(Clone, Debug)]
pub struct AlertView {
    /// Of the episode; empty when there is none.
    pub id: String,
    /// Upkeep has noted it, so commands find it by its id.
    pub noted: bool,
    /// The rule.
    pub rule: String,
    /// The group.
    pub labels: Vec<(String, String)>,
    /// How bad it is.
    pub severity: Severity,
    /// Where it stands, as JSON says it.
    pub state: &'static str,
    /// Somebody has seen it; what they said.
    pub acknowledged: Option<String>,
    /// Up to when it is silenced, and why.
    pub silenced: Option<(Timestamp, String)>,
    /// Since when it stands so.
    pub since: Timestamp,
    /// When an episode ended.
    pub end: Option<Timestamp>,
    /// The numbers.
    pub evidence: Evidence,
    /// The condition with its `for`.
    pub condition: String,
    /// What the value is called, and how it compares, where the condition is one comparison.
    pub compared: Option<(String, CmpOp)>,
    /// The usual level is part of the threshold: how.
    pub basis: Option<String>,
    /// `for` of the rule, in milliseconds.
    pub hold_ms: u64,
}

impl AlertView {
    fn of(listed: &Listed<'_>) -> Self {
        let Listed { rule, group, silence } = listed;
        let ack = group.episode.as_ref().and_then(|e| e.acknowledged.as_ref());
        let since_ms =
            group.episode.as_ref().filter(|_| group.phase == Phase::Firing).map_or(group.since_ms, |e| e.start_ms);
        Self {
            id: listed.id().unwrap_or_default().to_owned(),
            labels: group.labels.clone(),
            state: group.phase.word(),
            acknowledged: ack.map(|a| a.comment.clone()),
            silenced: silence.map(|s| (Timestamp::from_millis(s.until_ms), s.comment.clone())),
            since: Timestamp::from_millis(since_ms),
            end: None,
            evidence: group.evidence.clone(),
            ..Self::of_rule(rule)
        }
    }

    /// An alert that has resolved, from the history.
    fn resolved(entry: &Entry) -> Self {
        let rule = Rule::new(&entry.rule, &entry.condition).ok();
        Self {
            id: entry.what.id.clone(),
            rule: entry.rule.clone(),
            labels: entry.what.labels.clone(),
            severity: entry.severity,
            state: "resolved",
            since: Timestamp::from_millis(entry.what.since_ms),
            end: Some(Timestamp::from_millis(entry.what.at_ms)),
            evidence: entry.what.evidence.clone(),
            condition: entry.condition.clone(),
            ..rule.as_ref().map(Self::of_rule).unwrap_or_else(Self::empty)
        }
    }

    fn of_rule(rule: &Rule) -> Self {
        let expr = query::parse_condition(&rule.condition).ok().map(|c| c.expr);
        let compared = expr.as_ref().and_then(compared);
        Self {
            rule: rule.name.clone(),
            severity: rule.severity,
            condition: rule.condition_text(),
            basis: compared.as_ref().and_then(|c| c.2.clone()),
            compared: compared.map(|(name, op, _)| (name, op)),
            hold_ms: rule.hold_ms,
            ..Self::empty()
        }
    }

    fn empty() -> Self {
        Self {
            id: String::new(),
            noted: true,
            rule: String::new(),
            labels: Vec::new(),
            severity: Severity::default(),
            state: "inactive",
            acknowledged: None,
            silenced: None,
            since: Timestamp::MIN,
            end: None,
            evidence: Evidence::default(),
            condition: String::new(),
            compared: None,
            basis: None,
            hold_ms: 0,
        }
    }

    /// The one provider it is about, if it is about one.
    pub fn provider(&self) -> Option<String> {
        let of_group = self.labels.iter().find(|(name, _)| name == Label::Provider.name());
        if let Some((_, value)) = of_group {
            return Some(value.clone());
        }
        let mut named: Vec<String> = Vec::new();
        query::parse_condition(&self.condition).ok()?.expr.each_select(&mut |select| {
            named.push(select.filter.as_ref().and_then(provider_of).unwrap_or_default());
        });
        named.dedup();
        named.pop().filter(|name| named.is_empty() && !name.is_empty())
    }

    /// It fires, and nobody has said that they have seen it or do not want to.
    pub fn is_loud(&self) -> bool {
        self.state == "firing" && self.acknowledged.is_none() && self.silenced.is_none()
    }

    /// Fires, whoever knows of it.
    pub fn is_firing(&self) -> bool {
        self.state == "firing"
    }
}

/// The provider that a filter lets through, if that is one.
fn provider_of(filter: &Filter) -> Option<String> {
    match &filter.kind {
        FilterKind::Equals { label: Label::Provider, negated: false, value } => Some(value.to_string()),
        FilterKind::Bool(BoolOp::And, list) => list.iter().find_map(provider_of),
        _ => None,
    }
}

/// What stands left of a comparison, how it compares, and with what share of the usual level.
fn compared(expr: &Expr) -> Option<(String, CmpOp, Option<String>)> {
    let Kind::Cmp(op, left, right) = &expr.kind else { return None };
    let name = match &left.kind {
        Kind::Select(select) => match select.aggregation() {
            quantile @ Aggregation::Quantile(_) => quantile.to_string(),
            Aggregation::Avg if select.agg.is_some() => format!("avg {}", select.metric.value.name()),
            _ => select.metric.value.name().to_owned(),
        },
        Kind::Detect(_) => "trend".to_owned(),
        _ => return None,
    };
    let basis = match &right.kind {
        Kind::Num(_) => None,
        _ => Some(right.to_string()),
    };
    Some((name, *op, basis))
}

impl Serialize for AlertView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &Some(&self.id).filter(|id| !id.is_empty()))?;
        map.serialize_entry("rule", &self.rule)?;
        map.serialize_entry("labels", &self.labels.iter().map(|(n, v)| (n, v)).collect::<BTreeMap<_, _>>())?;
        map.serialize_entry("severity", self.severity.word())?;
        map.serialize_entry("state", self.state)?;
        map.serialize_entry("acknowledged", &self.acknowledged.is_some())?;
        map.serialize_entry("comment", &self.acknowledged)?;
        map.serialize_entry("silenced_until", &self.silenced.as_ref().map(|(until, _)| Time(*until)))?;
        map.serialize_entry("since", &Time(self.since))?;
        if let Some(end) = self.end {
            map.serialize_entry("end", &Time(end))?;
        }
        numbers(&mut map, &self.evidence)?;
        map.serialize_entry("condition", &self.condition)?;
        map.end()
    }
}

/// Value, threshold, unit, and what they rest on.
fn numbers<M: SerializeMap>(map: &mut M, e: &Evidence) -> Result<(), M::Error> {
    map.serialize_entry("value", &e.value)?;
    map.serialize_entry("threshold", &e.threshold)?;
    map.serialize_entry("unit", &e.unit)?;
    map.serialize_entry("count", &e.count)?;
    map.serialize_entry("chance", &e.chance)?;
    map.serialize_entry("hits", &e.share.map(|s| s.0))?;
    map.serialize_entry("min_events", &e.too_few.map(|t| t.1))
}

/// Which alerts are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Which {
    /// Those that fire or are about to.
    #[default]
    Current,
    /// Those that fire.
    Firing,
    /// Those that somebody has seen.
    Acknowledged,
    /// Those of the last week that are over.
    Resolved,
    /// All of these, and what cannot be judged.
    All,
}

/// The list of alerts.
#[derive(Clone, Debug)]
pub struct AlertsView {
    /// When it was asked.
    pub generated_at: Timestamp,
    /// The last judged minute.
    pub judged: Option<Timestamp>,
    /// Zone of printed times.
    pub zone: Zone,
    /// The alerts, the worst first.
    pub data: Vec<AlertView>,
    /// Rules that are on, and that are off.
    pub rules: (usize, usize),
    /// Where they are told, for the screen.
    pub channels: Vec<ChannelView>,
    /// Where the first one's change comes from.
    pub why: Option<Why>,
    /// What else a user should know.
    pub warnings: Vec<Warning>,
}

impl AlertsView {
    /// The list from a look at everything, with the history of a week.
    pub fn new(board: &Board, history: &[Entry], which: Which, now: Timestamp, zone: &Zone) -> Self {
        let mut data: Vec<AlertView> = board.groups(now.millis()).iter().map(AlertView::of).collect();
        data.retain(|alert| match which {
            Which::Current => matches!(alert.state, "firing" | "pending"),
            Which::Firing => alert.is_firing(),
            Which::Acknowledged => alert.is_firing() && alert.acknowledged.is_some(),
            Which::Resolved => false,
            Which::All => alert.state != "inactive",
        });
        if matches!(which, Which::Resolved | Which::All) {
            let over = history.iter().rev().filter(|e| e.what.outcome == Outcome::Resolved);
            data.extend(over.map(AlertView::resolved));
        }
        let on = board.rules.iter().filter(|s| s.rule.enabled).count();
        Self {
            generated_at: now,
            judged: board.judged_ms.map(Timestamp::from_millis),
            zone: zone.clone(),
            data,
            rules: (on, board.rules.len() - on),
            channels: Vec::new(),
            why: None,
            warnings: Vec::new(),
        }
    }

    /// Digits that tell the ids of the list apart.
    pub fn digits(&self) -> usize {
        short(&self.data.iter().map(|a| a.id.as_str()).filter(|id| !id.is_empty()).collect::<Vec<_>>())
    }
}

impl Serialize for AlertsView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("schema", "ax.monitor.alerts/1")?;
        map.serialize_entry("generated_at", &Time(self.generated_at))?;
        map.serialize_entry("judged_at", &self.judged.map(Time))?;
        map.serialize_entry("data", &self.data)?;
        map.serialize_entry("warnings", &self.warnings)?;
        map.end()
    }
}

/// One alert, explained.
#[derive(Clone, Debug)]
pub struct AlertShownView {
    /// When it was asked.
    pub generated_at: Timestamp,
    /// Zone of printed times.
    pub zone: Zone,
    /// The alert.
    pub alert: AlertView,
    /// What it comes from.
    pub why: Why,
    /// What happened to it so far.
    pub history: Vec<EntryView>,
    /// What else a user should know.
    pub warnings: Vec<Warning>,
}

impl AlertShownView {
    /// The view of a running alert, or of one that has resolved.
    pub fn new(alert: AlertView, why: Why, history: &[Entry], now: Timestamp, zone: &Zone) -> Self {
        let history = history.iter().filter(|e| e.what.id == alert.id).map(EntryView::of).collect();
        Self { generated_at: now, zone: zone.clone(), alert, why, history, warnings: Vec::new() }
    }
}

impl From<&Listed<'_>> for AlertView {
    fn from(listed: &Listed<'_>) -> Self {
        Self::of(listed)
    }
}

impl From<&Entry> for AlertView {
    fn from(entry: &Entry) -> Self {
        Self::resolved(entry)
    }
}

impl Serialize for AlertShownView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("schema", "ax.monitor.alert/1")?;
        map.serialize_entry("generated_at", &Time(self.generated_at))?;
        map.serialize_entry("data", &self.alert)?;
        map.serialize_entry("why", &self.why.parts)?;
        map.serialize_entry("trend", &self.why.trend)?;
        map.serialize_entry("query", &self.why.query)?;
        map.serialize_entry("history", &self.history)?;
        map.serialize_entry("warnings", &self.warnings)?;
        map.end()
    }
}

/// A line of the history.
#[derive(Clone, Debug)]
pub struct EntryView {
    /// When.
    pub t: Timestamp,
    /// Of the episode; empty when there is none.
    pub id: String,
    /// The rule.
    pub rule: String,
    /// The group.
    pub labels: Vec<(String, String)>,
    /// How bad it was said to be.
    pub severity: Severity,
    /// What happened.
    pub what: &'static str,
    /// Why an episode ended.
    pub reason: Option<&'static str>,
    /// The numbers.
    pub evidence: Evidence,
    /// The value farthest beyond the threshold.
    pub peak: Option<Number>,
    /// What somebody said.
    pub comment: String,
    /// The condition of that time.
    pub condition: String,
}

impl EntryView {
    /// The view of an entry.
    pub fn of(entry: &Entry) -> Self {
        Self {
            t: Timestamp::from_millis(entry.what.at_ms),
            id: entry.what.id.clone(),
            rule: entry.rule.clone(),
            labels: entry.what.labels.clone(),
            severity: entry.severity,
            what: entry.what.outcome.word(),
            reason: entry.what.reason.map(crate::alerts::Reason::word),
            evidence: entry.what.evidence.clone(),
            peak: entry.what.peak,
            comment: entry.comment.clone(),
            condition: entry.condition.clone(),
        }
    }
}

impl Serialize for EntryView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("t", &Time(self.t))?;
        map.serialize_entry("id", &Some(&self.id).filter(|id| !id.is_empty()))?;
        map.serialize_entry("rule", &self.rule)?;
        map.serialize_entry("labels", &self.labels.iter().map(|(n, v)| (n, v)).collect::<BTreeMap<_, _>>())?;
        map.serialize_entry("severity", self.severity.word())?;
        map.serialize_entry("state", self.what)?;
        map.serialize_entry("reason", &self.reason)?;
        numbers(&mut map, &self.evidence)?;
        map.serialize_entry("peak", &self.peak)?;
        map.serialize_entry("comment", &Some(&self.comment).filter(|c| !c.is_empty()))?;
        map.serialize_entry("condition", &self.condition)?;
        map.end()
    }
}

/// What happened in a time.
#[derive(Clone, Debug)]
pub struct HistoryView {
    /// When it was asked.
    pub generated_at: Timestamp,
    /// The time.
    pub range: super::Window,
    /// The lines, newest first.
    pub data: Vec<EntryView>,
    /// What else a user should know.
    pub warnings: Vec<Warning>,
}

impl Serialize for HistoryView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("schema", "ax.monitor.alerts.history/1")?;
        map.serialize_entry("generated_at", &Time(self.generated_at))?;
        map.serialize_entry("range", &self.range)?;
        map.serialize_entry("data", &self.data)?;
        map.serialize_entry("warnings", &self.warnings)?;
        map.end()
    }
}

/// A rule and how it does.
#[derive(Clone, Debug)]
pub struct RuleView {
    /// The rule.
    pub rule: Rule,
    /// The settings file says it.
    pub from_file: bool,
    /// Where its worst group stands.
    pub state: &'static str,
    /// The numbers of that group.
    pub evidence: Evidence,
    /// How often it fired in the last week.
    pub fired: usize,
    /// Up to when it is silenced.
    pub silenced: Option<Timestamp>,
    /// Why it cannot be judged.
    pub problem: Option<String>,
}

impl RuleView {
    /// How a rule does; its value is what was judged last, or `now` when that is fresher.
    pub fn of(stored: &Stored, board: &Board, history: &[Entry], now: Option<&Evidence>, now_ms: u64) -> Self {
        let rule = &stored.rule;
        let rank = |group: &Instance| match group.phase {
            Phase::Firing => 3,
            Phase::Pending => 2,
            Phase::Inactive => 1,
            Phase::NoData => 0,
        };
        let worst = board.groups_of(rule, now_ms).into_iter().max_by_key(|l| rank(l.group));
        let fired = history.iter().filter(|e| e.rule == rule.name && e.what.outcome == Outcome::Firing).count();
        let silence = board.silences.get(&rule.name).filter(|s| s.until_ms > now_ms);
        Self {
            rule: rule.clone(),
            from_file: stored.from_file,
            state: if rule.enabled { worst.map_or("inactive", |l| l.group.phase.word()) } else { "off" },
            evidence: now.cloned().or_else(|| worst.map(|l| l.group.evidence.clone())).unwrap_or_default(),
            fired,
            silenced: silence.map(|s| Timestamp::from_millis(s.until_ms)),
            problem: board.states.get(&rule.name).and_then(|s| s.problem.clone()).filter(|_| rule.enabled),
        }
    }
}

impl Serialize for RuleView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rule = &self.rule;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &rule.name)?;
        map.serialize_entry("enabled", &rule.enabled)?;
        map.serialize_entry("severity", rule.severity.word())?;
        map.serialize_entry("condition", &rule.condition_text())?;
        map.serialize_entry("when", &rule.condition)?;
        map.serialize_entry("for_ms", &rule.hold_ms)?;
        map.serialize_entry("keep_firing_for_ms", &rule.keep_firing_ms)?;
        map.serialize_entry("renotify_ms", &rule.renotify_ms)?;
        map.serialize_entry("min_events", &rule.min_events)?;
        map.serialize_entry("channels", &rule.channels)?;
        map.serialize_entry("tz", &rule.zone)?;
        map.serialize_entry("source", if self.from_file { "file" } else { "store" })?;
        map.serialize_entry("state", self.state)?;
        map.serialize_entry("silenced_until", &self.silenced.map(Time))?;
        map.serialize_entry("value", &self.evidence.value)?;
        map.serialize_entry("threshold", &self.evidence.threshold)?;
        map.serialize_entry("unit", &self.evidence.unit)?;
        map.serialize_entry("fired_7d", &self.fired)?;
        map.serialize_entry("problem", &self.problem)?;
        map.end()
    }
}

/// All rules.
#[derive(Clone, Debug)]
pub struct RulesView {
    /// When it was asked.
    pub generated_at: Timestamp,
    /// The rules, by name.
    pub data: Vec<RuleView>,
    /// What else a user should know.
    pub warnings: Vec<Warning>,
}

impl Serialize for RulesView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("schema", "ax.monitor.alerts.rules/1")?;
        map.serialize_entry("generated_at", &Time(self.generated_at))?;
        map.serialize_entry("data", &self.data)?;
        map.serialize_entry("warnings", &self.warnings)?;
        map.end()
    }
}

/// What a rule would have done.
#[derive(Clone, Debug)]
pub struct TestedView {
    /// When it was asked.
    pub generated_at: Timestamp,
    /// The time that was replayed.
    pub range: super::Window,
    /// The rule.
    pub rule: Rule,
    /// What came of it.
    pub replay: Replay,
    /// What else a user should know.
    pub warnings: Vec<Warning>,
}

impl Serialize for TestedView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Episode<'a> {
            labels: BTreeMap<&'a str, &'a str>,
            start: Time,
            true_from: Time,
            end: Option<Time>,
            peak: Option<Number>,
            value: Option<Number>,
            threshold: Option<Number>,
            unit: &'a str,
            chance: Option<f64>,
        }
        let episode = |e| {
            let Fired { labels, start, fired, end, peak, evidence }: &Fired = e;
            Episode {
                labels: labels.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect(),
                start: Time(*fired),
                true_from: Time(*start),
                end: end.map(Time),
                peak: *peak,
                value: evidence.value,
                threshold: evidence.threshold,
                unit: &evidence.unit,
                chance: evidence.chance,
            }
        };
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("schema", "ax.monitor.alerts.test/1")?;
        map.serialize_entry("generated_at", &Time(self.generated_at))?;
        map.serialize_entry("range", &self.range)?;
        map.serialize_entry("rule", &self.rule.name)?;
        map.serialize_entry("condition", &self.rule.condition_text())?;
        map.serialize_entry("minutes", &self.replay.minutes)?;
        map.serialize_entry("known_from", &self.replay.known_from.map(Time))?;
        map.serialize_entry("episodes", &self.replay.episodes.iter().map(episode).collect::<Vec<_>>())?;
        map.serialize_entry("warnings", &self.warnings)?;
        map.end()
    }
}
