//! `alerts check` and `alerts test`: judging without keeping anything.

use std::collections::HashSet;

use ax_storage::time::{DAY_MS, MINUTE_MS, TimeRange, Timestamp};

use super::Desk;
use crate::alerts::table::States;
use crate::alerts::{self, Board, Instance, Listed, Replay, ReplayError, Rule, Severity};
use crate::cli::args::{CheckArgs, SpanArgs, TestArgs};
use crate::cli::context::Context;
use crate::cli::rules::RuleTable;
use crate::dashboard::{AlertNumbers, AlertsView, TestedView, Which, Window};
use crate::error::{Failure, Kind, Result, exit};
use crate::render;

/// `for` takes so many minutes more than it says to be over.
const MARGIN_MS: u64 = 2 * MINUTE_MS;
/// How far back the beginning of what fires is looked for.
const BACK_MS: u64 = 7 * DAY_MS;

fn replayed(desk: &Desk, rule: &Rule, range: TimeRange, from: &States) -> Result<Replay> {
    desk.judging(|around| alerts::replay(&desk.store, rule, around, range, from)).map_err(|error| match error {
        ReplayError::Store(error) => error.into(),
        error @ ReplayError::Rule(_) => Failure::new(Kind::Unanswerable, error),
        error @ ReplayError::TooLong(_) => Failure::usage(error).hint("ask for at most 92d"),
    })
}

/// The groups of a rule now: from where upkeep has left them, under the ids that its next pass gives them; else from
/// where what fires began.
fn groups_now(desk: &Desk, rule: &Rule, minute: Timestamp) -> Result<Vec<Instance>> {
    let judged = desk.board.judged_ms.map(Timestamp::from_millis);
    let known = desk.board.states.get(&rule.name).filter(|s| s.condition == rule.condition);
    if let (Some(judged), Some(known)) = (judged, known)
        && judged <= minute
    {
        let range = TimeRange::new(alerts::next_minute(judged, minute), minute);
        return Ok(if judged == minute { known.groups.clone() } else { replayed(desk, rule, range, known)?.groups });
    }
    let mut back_ms = rule.hold_ms + rule.keep_firing_ms + MARGIN_MS;
    loop {
        let range = TimeRange::new(minute.minus_ms(back_ms), minute);
        let groups = replayed(desk, rule, range, &States::default())?.groups;
        let began_before = |g: &Instance| g.episode.as_ref().is_some_and(|e| e.start_ms <= range.start.millis());
        if back_ms >= BACK_MS || !groups.iter().any(began_before) {
            return Ok(groups);
        }
        back_ms = (back_ms * 8).min(BACK_MS);
    }
}

/// Judges all rules once: what fires now.
pub(super) fn check(args: &CheckArgs, context: &Context) -> Result<u8> {
    let desk = Desk::open(context)?;
    let minute = alerts::minute_of(context.now());
    let mut board =
        desk.as_ref().map(|d| Board { judged_ms: Some(minute.millis()), ..d.board.clone() }).unwrap_or_default();
    board.states.clear();
    let mut judged = 0;
    for stored in board.rules.iter().filter(|s| s.rule.enabled) {
        let (Some(desk), rule) = (&desk, &stored.rule) else { continue };
        match groups_now(desk, rule, minute) {
            Ok(groups) => {
                judged += usize::from(groups.iter().any(|g| g.unknown.is_none()));
                let states = States { condition: rule.condition.clone(), groups, ..States::default() };
                board.states.insert(rule.name.clone(), states);
            }
            Err(failure) => context.warn("rule", format!("rule {} cannot be judged: {}", rule.name, failure.message)),
        }
    }
    let mut view = AlertsView::new(&board, &[], Which::Current, context.now(), context.zone()?);
    let noted = desk.as_ref().map(|d| d.board.groups(context.now().millis())).unwrap_or_default();
    let noted: HashSet<&str> = noted.iter().filter_map(Listed::id).collect();
    view.data.iter_mut().for_each(|alert| alert.noted = noted.contains(alert.id.as_str()));
    let fails = |least: Severity| view.data.iter().any(|a| a.is_firing() && a.severity >= least);
    let verdict = match args.fail_on.map(|s| s.severity()) {
        Some(least) if fails(least) => exit::FAIL_ON,
        Some(_) if judged == 0 => exit::NOTHING_TO_JUDGE,
        _ => 0,
    };
    if context.json() {
        view.warnings = context.take_warnings();
        context.print_json(&view)?;
    } else {
        context.print(&render::alerts(&view, &context.style()?))?;
    }
    Ok(verdict)
}

/// Replays a rule over history.
pub(super) fn test(args: &TestArgs, context: &Context) -> Result<u8> {
    let span = SpanArgs { range: Some(args.range.clone().unwrap_or_else(|| "7d".to_owned())), ..SpanArgs::default() };
    let range = context.range(&span)?;
    let condition = args
        .when
        .as_ref()
        .map(|when| RuleTable { name: "test".to_owned(), when: when.clone(), ..RuleTable::default() }.rule());
    let condition = condition.transpose()?;
    let desk = Desk::needed(context)?;
    let rule = match (&condition, &args.rule) {
        (Some(rule), _) => rule,
        (None, name) => desk.rule(name.as_deref().unwrap_or_default())?,
    };
    let replay = replayed(&desk, rule, range, &States::default())?;
    let zone = context.zone()?.clone();
    let mut view = TestedView {
        generated_at: context.now(),
        range: Window { range, zone },
        rule: rule.clone(),
        replay,
        warnings: Vec::new(),
    };
    if context.json() {
        view.warnings = context.take_warnings();
        context.print_json(&view)?;
    } else {
        context.print(&render::alert_tested(&view, &context.style()?))?;
    }
    Ok(0)
}

/// What a rule says now, and how often it would have fired: `now 840 ms, would have fired 3 times in 7 days`.
pub(super) fn tried(desk: &Desk, rule: &Rule, context: &Context) -> Result<String> {
    let minute = alerts::minute_of(context.now());
    let now = match desk.judging(|around| alerts::judge(&desk.store, rule, around, minute)) {
        Ok(now) => now,
        Err(why) => return Ok(why),
    };
    let Some(first) = now.first() else { return Ok("no data yet".to_owned()) };
    let numbers = AlertNumbers::of(&first.evidence);
    if numbers.value.is_none() {
        return Ok("no data yet".to_owned());
    }
    let (value, _) = render::alert_numbers(&numbers, &context.style()?);
    let replay = replayed(desk, rule, TimeRange::new(minute.minus_ms(7 * DAY_MS), minute), &States::default())?;
    let times = match replay.episodes.len() {
        0 => "would not have fired".to_owned(),
        1 => "would have fired once".to_owned(),
        n => format!("would have fired {n} times"),
    };
    Ok(format!("now {value}, {times} in 7 days"))
}
