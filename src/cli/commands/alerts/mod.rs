//! `ax monitor alerts`: what fires, and what people do about it.

mod check;
mod rules;

use ax_storage::Store;
use ax_storage::time::{DAY_MS, TimeRange};
use serde::Serialize;

use crate::aggregator::Config;
use crate::alerts::table::{Entry, Silence};
use crate::alerts::{self, Board, FindError, Listed, Rule, Surroundings, manage};
use crate::cli::args::{AlertsArgs, AlertsVerb, HistoryArgs, ListArgs, SilenceArgs, SpanArgs};
use crate::cli::commands::channels;
use crate::cli::context::Context;
use crate::cli::time;
use crate::dashboard::{AlertShownView, AlertView, AlertsView, HistoryEntryView, HistoryView, Warning, Which, Window};
use crate::error::{Failure, Kind, Result};
use crate::render;
use crate::words::nearest;

/// How far lists look back.
const WEEK_MS: u64 = 7 * DAY_MS;

/// Does what is asked.
pub(crate) fn run(args: &AlertsArgs, context: &Context) -> Result<u8> {
    match args.verb.clone().unwrap_or(AlertsVerb::List(args.list)) {
        AlertsVerb::List(args) => list(args, context),
        AlertsVerb::Show { id } => show(&id, context),
        AlertsVerb::Ack { ids, comment } => acknowledge(&ids, &comment, context),
        AlertsVerb::Silence(args) => silence(&args, context),
        AlertsVerb::Unsilence { id, rule } => unsilence(id.as_deref(), rule.as_deref(), context),
        AlertsVerb::Rules => rules::list(context),
        AlertsVerb::Create(args) => rules::create(&args, context),
        AlertsVerb::Edit { rule, args } => rules::edit(&rule, &args, context),
        AlertsVerb::Delete { rule, yes } => rules::delete(&rule, yes, context),
        AlertsVerb::Enable { rule } => rules::switch(&rule, true, context),
        AlertsVerb::Disable { rule } => rules::switch(&rule, false, context),
        AlertsVerb::History(args) => history(&args, context),
        AlertsVerb::Check(args) => check::check(&args, context),
        AlertsVerb::Test(args) => check::test(&args, context),
        AlertsVerb::Channels(args) => channels::run(&args, context),
    }
}

/// The store with the rules of the settings file in it, and a look at everything.
struct Desk {
    store: Store,
    config: Config,
    board: Board,
}

impl Desk {
    /// `None` where there is no store yet.
    fn open(context: &Context) -> Result<Option<Self>> {
        let config = context.upkeep()?;
        let Some(store) = context.store()? else { return Ok(None) };
        Self::over(store, config).map(Some)
    }

    /// Makes the store where there is none.
    fn make(context: &Context) -> Result<Self> {
        Self::over(context.writable_store()?, context.upkeep()?)
    }

    fn over(store: Store, config: Config) -> Result<Self> {
        if let Some(rules) = &config.rules {
            alerts::sync(&store, rules)?;
        }
        let board = Board::look(&store)?;
        Ok(Self { store, config, board })
    }

    fn needed(context: &Context) -> Result<Self> {
        Self::open(context)?.ok_or_else(|| Failure::new(Kind::NotFound, "there is no store yet, and so no alert"))
    }

    /// Runs `work` where the pass judges.
    fn judging<T>(&self, work: impl FnOnce(&Surroundings<'_>) -> T) -> T {
        let outside = self.config.outside(&self.store);
        work(&self.config.around(&self.store, &outside))
    }

    /// The last week up to now.
    fn week(&self, context: &Context) -> Result<Vec<Entry>> {
        let now_ms = context.now().millis();
        Ok(alerts::history(&self.store, now_ms.saturating_sub(WEEK_MS), now_ms.saturating_add(1))?)
    }

    fn rule(&self, name: &str) -> Result<&Rule> {
        let names = self.board.rules.iter().map(|s| s.rule.name.as_str());
        self.board.rule(name).map(|stored| &stored.rule).ok_or_else(|| {
            let failure = Failure::new(Kind::NotFound, format!("there is no rule '{name}'"));
            match nearest(name, names) {
                Some(near) => failure.hint(format!("did you mean {near}?")),
                None => failure.hint("ax monitor alerts rules lists them"),
            }
        })
    }

    fn alert(&self, id: &str, context: &Context) -> Result<Listed<'_>> {
        self.board.find(id, context.now().millis()).map_err(|e| not_found(&e))
    }
}

fn not_found(error: &FindError) -> Failure {
    match error {
        FindError::Unknown(_) => Failure::new(Kind::NotFound, error).hint("ax monitor alerts lists them"),
        FindError::Ambiguous { .. } => Failure::usage(error).hint("write more of it"),
    }
}

fn list(args: ListArgs, context: &Context) -> Result<u8> {
    let which = match args {
        ListArgs { firing: true, .. } => Which::Firing,
        ListArgs { acked: true, .. } => Which::Acknowledged,
        ListArgs { resolved: true, .. } => Which::Resolved,
        ListArgs { all: true, .. } => Which::All,
        _ => Which::Current,
    };
    let zone = context.zone()?;
    let desk = Desk::open(context)?;
    let (nothing, history) =
        (Board::default(), desk.as_ref().map(|d| d.week(context)).transpose()?.unwrap_or_default());
    let board = desk.as_ref().map_or(&nothing, |d| &d.board);
    let mut view = AlertsView::new(board, &history, which, context.now(), zone);
    if context.json() {
        view.warnings = context.take_warnings();
        context.print_json(&view)?;
        return Ok(0);
    }
    view.channels = channels::standing(context)?.data;
    if let Some(desk) = &desk {
        let groups = board.groups(context.now().millis());
        if let Some(first) = groups.iter().find(|l| l.group.phase == alerts::Phase::Firing) {
            view.why = Some(why(desk, first, context)?);
        }
    }
    context.print(&render::alerts(&view, &context.style()?))?;
    Ok(0)
}

fn why(desk: &Desk, alert: &Listed<'_>, context: &Context) -> Result<alerts::Why> {
    let window_ms = alert.group.evidence.window_ms;
    let (labels, now) = (&alert.group.labels, context.now());
    Ok(desk.judging(|around| alerts::why(&desk.store, alert.rule, labels, window_ms, around, now))?)
}

fn show(id: &str, context: &Context) -> Result<u8> {
    let desk = Desk::needed(context)?;
    let now_ms = context.now().millis();
    let zone = context.zone()?;
    let year = alerts::history(&desk.store, 0, now_ms.saturating_add(1))?;
    let found = desk.board.find(id, now_ms);
    let over = year.iter().rev().find(|e| e.what.outcome == alerts::Outcome::Resolved && e.what.id.starts_with(id));
    let mut view = match (&found, over) {
        (Ok(listed), _) => {
            AlertShownView::new(AlertView::from(listed), why(&desk, listed, context)?, &year, context.now(), zone)
        }
        (Err(FindError::Unknown(_)), Some(entry)) => {
            AlertShownView::new(AlertView::from(entry), alerts::Why::default(), &year, context.now(), zone)
        }
        (Err(error), _) => return Err(not_found(error)),
    };
    if context.json() {
        view.warnings = context.take_warnings();
        context.print_json(&view)?;
    } else {
        context.print(&render::alert(&view, &context.style()?))?;
    }
    Ok(0)
}

/// What a command did, for programs.
#[derive(Serialize)]
struct Done<'a> {
    schema: &'static str,
    done: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'a str>,
    ids: Vec<String>,
    warnings: Vec<Warning>,
}

/// Says what was done.
fn done(context: &Context, word: &str, rule: Option<&str>, ids: Vec<String>, sentence: &str) -> Result<u8> {
    if context.json() {
        let warnings = context.take_warnings();
        context.print_json(&Done { schema: "ax.monitor.alerts.done/1", done: word, rule, ids, warnings })?;
    } else {
        context.print(&format!("{}\n", crate::error::escaped(sentence)))?;
    }
    Ok(0)
}

fn acknowledge(ids: &[String], comment: &str, context: &Context) -> Result<u8> {
    let desk = Desk::needed(context)?;
    let meant: Vec<Listed<'_>> = ids.iter().map(|id| desk.alert(id, context)).collect::<Result<_>>()?;
    let mut all = Vec::new();
    for alert in meant {
        let id = alert.id().unwrap_or_default();
        if !manage::acknowledge(&desk.store, alert.rule, id, comment, context.clock().millis())? {
            return Err(
                Failure::new(Kind::NotFound, format!("{id} does not fire")).hint("only what fires can be acknowledged")
            );
        }
        all.push(id.to_owned());
    }
    let sentence = format!("Acknowledged {}: no reminders until it is over.", all.join(", "));
    done(context, "acknowledged", None, all, &sentence)
}

fn silence(args: &SilenceArgs, context: &Context) -> Result<u8> {
    let desk = Desk::needed(context)?;
    let now = context.clock();
    let until = now.plus_ms(time::duration(&args.length, "2h")?);
    let silence = Silence { until_ms: until.millis(), at_ms: now.millis(), comment: args.comment.clone() };
    let (rule, id) = meant(&desk, args.id.as_deref(), args.rule.as_deref(), context)?;
    manage::silence(&desk.store, rule, id.as_deref(), &silence)?;
    let what = id.clone().unwrap_or_else(|| format!("rule {}", rule.name));
    let sentence = format!("Silenced {what} until {}.", render::moment(until, context.zone()?));
    done(context, "silenced", Some(&rule.name), id.into_iter().collect(), &sentence)
}

fn unsilence(id: Option<&str>, rule: Option<&str>, context: &Context) -> Result<u8> {
    let desk = Desk::needed(context)?;
    let (rule, id) = meant(&desk, id, rule, context)?;
    let what = id.clone().unwrap_or_else(|| format!("rule {}", rule.name));
    if !manage::unsilence(&desk.store, rule, id.as_deref(), context.clock().millis())? {
        return Err(Failure::new(Kind::NotFound, format!("{what} is not silenced")));
    }
    done(context, "unsilenced", Some(&rule.name), id.into_iter().collect(), &format!("{what} can be heard again."))
}

/// The rule that is meant, and the episode when one is.
fn meant<'d>(
    desk: &'d Desk,
    id: Option<&str>,
    rule: Option<&str>,
    context: &Context,
) -> Result<(&'d Rule, Option<String>)> {
    match (id, rule) {
        (Some(id), _) => {
            let alert = desk.alert(id, context)?;
            Ok((alert.rule, alert.id().map(str::to_owned)))
        }
        (None, Some(name)) => Ok((desk.rule(name)?, None)),
        (None, None) => Err(Failure::usage("say which: an id, or --rule")),
    }
}

fn history(args: &HistoryArgs, context: &Context) -> Result<u8> {
    let span = SpanArgs { range: Some(args.range.clone().unwrap_or_else(|| "7d".to_owned())), ..SpanArgs::default() };
    let range = context.range(&span)?;
    let desk = Desk::open(context)?;
    let mut entries = match &desk {
        Some(desk) => alerts::history(&desk.store, range.start.millis(), range.end.millis().saturating_add(1))?,
        None => Vec::new(),
    };
    if let (Some(name), Some(_)) = (&args.rule, &desk) {
        entries.retain(|e| e.rule == *name);
    }
    let view = HistoryView {
        generated_at: context.now(),
        range: Window { range: TimeRange::new(range.start, range.end), zone: context.zone()?.clone() },
        data: entries.iter().rev().map(HistoryEntryView::of).collect(),
        warnings: if context.json() { context.take_warnings() } else { Vec::new() },
    };
    if context.json() {
        context.print_json(&view)?;
    } else {
        context.print(&render::alert_history(&view, &context.style()?))?;
    }
    Ok(0)
}
