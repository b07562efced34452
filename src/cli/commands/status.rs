//! `ax monitor status`: how every provider does.

use std::time::Duration;

use ax_storage::Store;
use ax_storage::query::plan::{Kinds, Label, Plan};
use ax_storage::query::series::Series;

use crate::alerts;
use crate::cli::args::{Severity, SpanArgs, StatusArgs, StatusFormat};
use crate::cli::commands::nothing::{Asked, range_words};
use crate::cli::commands::{budgets, elapsed_ms};
use crate::cli::context::Context;
use crate::cli::time;
use crate::costs;
use crate::dashboard::{
    AlertsView, BudgetView, Only, ProviderView, State, StatusQuestion, StatusSeries, Upkeep, Which,
};
use crate::error::{Failure, Result, exit};
use crate::render;

/// The cursor to the top left, and everything below it away.
const CLEAR: &str = "\u{1b}[H\u{1b}[J";

/// Shows, once or again and again.
pub(crate) fn run(args: &StatusArgs, context: &Context) -> Result<u8> {
    let Some(every) = &args.watch else { return show(args, context) };
    let every = Duration::from_millis(time::duration(every, "2s")?);
    if context.is_stopped() {
        return Err(Failure::usage("--watch makes no sense while the clock stands still")
            .hint("leave out --at, and unset AX_MONITOR_NOW"));
    }
    loop {
        // Time, settings and the terminal's width may have changed.
        let now = Context::new(context.flags().clone())?;
        if now.screen()?.terminal && !now.json() {
            now.print(CLEAR)?;
        }
        show(args, &now)?;
        now.show_warnings();
        std::thread::sleep(every);
    }
}

fn show(args: &StatusArgs, context: &Context) -> Result<u8> {
    let span = SpanArgs { range: args.range.clone(), ..SpanArgs::default() };
    let question = StatusQuestion {
        range: context.range(&span)?,
        range_text: context.range_text(&span)?.unwrap_or_default(),
        only: Only::default().and(Label::Provider, &args.provider),
        verbose: args.verbose,
        zone: context.zone()?.clone(),
    };
    let store = context.store()?;
    let (series, upkeep) = match &store {
        Some(store) => answers(store, question.plans())?,
        None => (nothing(&question), Upkeep::default()),
    };
    let mut view = question.view(&series, upkeep, context.now(), elapsed_ms(context));
    if let Some(store) = &store {
        let board = alerts::Board::look(store)?;
        view.alarm(AlertsView::new(&board, &[], Which::Firing, context.now(), context.zone()?).data);
        let standings =
            costs::standings(store, &budgets::settings(context)?, context.now()).map_err(budgets::failed)?;
        budgets::warn_of_wrong(&standings.wrong, context);
        view.budgets = standings.budgets.into_iter().map(BudgetView).collect();
    }
    let asked_about = |provider: String| args.provider.is_empty() || args.provider.contains(&provider);
    let firing = view.alerts.iter().filter(|a| a.provider().is_none_or(asked_about)).map(|a| a.severity).max();
    let verdict = args.fail_on.map_or(0, |severity| verdict(severity, &view.data, firing));
    let empty = view.data.is_empty() && view.events == 0;
    let asked = Asked {
        range: question.range,
        only: &question.only,
        written: false,
        kinds: Kinds::ALL,
        zone: &question.zone,
        words: range_words(Some(&question.range_text)),
    };
    if let Some(store) = store.as_ref().filter(|_| context.json() || !empty) {
        asked.warn_of_unknown(store, empty, context)?;
    }
    context.warn_of_backlog(store.as_ref())?;
    if context.json() {
        view.warnings.extend(context.take_warnings());
        context.print_json(&view)?;
        return Ok(verdict);
    }
    context.warn_all(&view.warnings);
    if empty {
        asked.explain(store.as_ref(), context)?;
        return Ok(verdict);
    }
    let style = context.style()?;
    context.print(&match args.format {
        Some(StatusFormat::Line) => render::status_line(&view, &style),
        _ => render::status(&view, &style),
    })?;
    Ok(verdict)
}

/// 3 when a provider, or what fires, is as bad as that, 4 when no provider was called, else 0.
fn verdict(severity: Severity, providers: &[ProviderView], firing: Option<alerts::Severity>) -> u8 {
    let (fails, least): (fn(State) -> bool, _) = match severity {
        Severity::Warning => (|state| matches!(state, State::Degraded | State::Down), alerts::Severity::Warning),
        Severity::Critical => (|state| state == State::Down, alerts::Severity::Critical),
    };
    match firing >= Some(least) || providers.iter().any(|p| fails(p.state)) {
        true => exit::FAIL_ON,
        false if providers.iter().all(|p| p.state == State::Idle) => exit::NOTHING_TO_JUDGE,
        false => 0,
    }
}

fn answers(store: &Store, plans: StatusSeries<Plan>) -> Result<(StatusSeries<Series>, Upkeep)> {
    let StatusSeries { window, recent, today, known, models } = plans;
    let plans: Vec<Plan> = [window, recent, today, known].into_iter().chain(models).collect();
    let mut series = store.run_all(&plans)?.into_iter();
    let mut next = || series.next().unwrap_or_default();
    let (window, recent, today, known) = (next(), next(), next(), next());
    let series = StatusSeries { window, recent, today, known, models: series.next() };
    let recorders = store.recorders()?;
    let dropped = recorders.dropped.iter().map(|(reason, n)| (reason.name().to_owned(), *n)).collect();
    Ok((series, Upkeep { recorders: recorders.live, dropped }))
}

fn nothing(question: &StatusQuestion) -> StatusSeries<Series> {
    let none = || Series { range: Some(question.range), ..Series::default() };
    StatusSeries { window: none(), recent: none(), today: none(), known: none(), models: question.verbose.then(none) }
}
