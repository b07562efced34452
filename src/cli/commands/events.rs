//! `ax monitor events`: the newest single events, once or as they come.

use std::ops::ControlFlow;

use ax_storage::query::plan::{Filter as Lowered, Kinds};
use ax_storage::time::{TimeRange, Timestamp};

use crate::cli::args::{EventsArgs, SpanArgs};
use crate::cli::commands::asking;
use crate::cli::commands::nothing::{Asked, range_words};
use crate::cli::context::Context;
use crate::dashboard::{EventView, EventsView, Window};
use crate::error::{Failure, Result};
use crate::query::ast::Filter;
use crate::query::planner;
use crate::render;

/// Events shown when nobody says how many.
pub(crate) const LIMIT_DEFAULT: usize = 20;
/// How often it is looked for new events.
const FOLLOW_PAUSE: std::time::Duration = std::time::Duration::from_millis(500);
/// Events that come late are still shown when they are no older.
const FOLLOW_LATE_MS: u64 = 60_000;

/// Lists.
pub(crate) fn run(args: &EventsArgs, context: &Context) -> Result<u8> {
    let filter = asking::narrowed(&args.only, args.query.as_deref())?;
    if args.follow {
        return follow(filter.as_ref(), args, context);
    }
    list(filter.as_ref(), &args.span, args.limit, context)
}

/// Shows the newest events that match.
pub(crate) fn list(filter: Option<&Filter>, span: &SpanArgs, limit: usize, context: &Context) -> Result<u8> {
    let range = context.range(span)?;
    let only = filter.map(asking::names_of).unwrap_or_default();
    let zone = context.zone()?;
    let mut view = EventsView {
        generated_at: context.now(),
        range: Window { range, zone: zone.clone() },
        count: 0,
        events: Vec::new(),
        warnings: Vec::new(),
    };
    let store = context.store()?;
    if let Some(store) = &store {
        let summary = store.events(range, &lowered(filter), limit, &mut |names, row| {
            view.events.push(EventView::of(names, row));
            ControlFlow::Continue(())
        })?;
        view.count = summary.matched;
        context.warn_of_kept(summary.kept_from);
        for what in &summary.missing {
            context.warn("missing", format!("could not be read: {what}"));
        }
    }
    let empty = view.count == 0;
    let words = range_words(context.range_text(span)?.as_deref());
    let asked = Asked { range, only: &only, kinds: Kinds::ALL, zone, words, written: false };
    if let Some(store) = store.as_ref().filter(|_| context.json() || !empty) {
        asked.warn_of_unknown(store, empty, context)?;
    }
    context.warn_of_backlog(store.as_ref())?;
    if context.json() {
        view.warnings.extend(context.take_warnings());
        context.print_json(&view)?;
    } else if empty {
        asked.explain(store.as_ref(), context)?;
    } else {
        context.print(&render::events(&view, &context.style()?))?;
    }
    Ok(0)
}

/// Shows the newest events, then each one as it comes, until Ctrl-C. With `--json` one a line.
fn follow(filter: Option<&Filter>, args: &EventsArgs, context: &Context) -> Result<u8> {
    if context.is_stopped() {
        return Err(Failure::usage("--follow makes no sense while the clock stands still")
            .hint("leave out --at, and unset AX_MONITOR_NOW"));
    }
    let filter = lowered(filter);
    let zone = context.zone()?;
    let mut shown = Shown::default();
    let mut first = true;
    loop {
        let now = context.clock();
        let range = if first {
            context.range(&args.span)?
        } else {
            TimeRange::new(now.minus_ms(FOLLOW_LATE_MS), now.plus_ms(1))
        };
        let mut fresh = Vec::new();
        if let Some(store) = context.store()? {
            let limit = if first { args.limit } else { usize::MAX };
            store.events(range, &filter, limit, &mut |names, row| {
                let event = EventView::of(names, row);
                fresh.push(event);
                ControlFlow::Continue(())
            })?;
        }
        let fresh = shown.new_ones(fresh, now);
        if context.json() {
            fresh.iter().try_for_each(|event| context.print_json(event))?;
        } else if !fresh.is_empty() {
            context.print(&render::event_lines(&fresh, zone, &context.style()?))?;
        }
        first = false;
        std::thread::sleep(FOLLOW_PAUSE);
    }
}

/// Events that were shown and may be met again, each as its JSON, with how often.
#[derive(Default)]
struct Shown(std::collections::BTreeMap<(Timestamp, String), usize>);

impl Shown {
    /// Those of `events` that were not shown before.
    fn new_ones(&mut self, events: Vec<EventView>, now: Timestamp) -> Vec<EventView> {
        let mut met = std::collections::BTreeMap::new();
        let mut fresh = Vec::new();
        for event in events {
            let key = (event.ts, serde_json::to_string(&event).unwrap_or_default());
            let times: &mut usize = met.entry(key.clone()).or_default();
            *times += 1;
            if *times > self.0.get(&key).copied().unwrap_or(0) {
                fresh.push(event);
            }
        }
        let oldest = now.minus_ms(2 * FOLLOW_LATE_MS);
        self.0.retain(|(t, _), _| *t >= oldest);
        for (key, times) in met {
            let known = self.0.entry(key).or_default();
            *known = times.max(*known);
        }
        fresh
    }
}

/// The filter for the store.
pub(crate) fn lowered(filter: Option<&Filter>) -> Lowered {
    filter.map_or(Lowered::All, planner::lower)
}
