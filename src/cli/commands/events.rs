//! `ax monitor events`: the newest single events.

use std::ops::ControlFlow;

use ax_storage::query::plan::Kinds;

use crate::cli::args::EventsArgs;
use crate::cli::commands::nothing::Asked;
use crate::cli::commands::only;
use crate::cli::context::Context;
use crate::dashboard::{EventView, EventsView, Window};
use crate::error::Result;
use crate::render;

/// Lists.
pub(crate) fn run(args: &EventsArgs, context: &Context) -> Result<u8> {
    let range = context.range(&args.span)?;
    let only = only(&args.only);
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
        let summary = store.events(range, &only.filter(), args.limit, &mut |names, row| {
            view.events.push(EventView::of(names, row));
            ControlFlow::Continue(())
        })?;
        view.count = summary.matched;
        for what in &summary.missing {
            context.warn("missing", format!("could not be read: {what}"));
        }
    }
    let empty = view.count == 0;
    let asked = Asked { range, only: &only, kinds: Kinds::ALL, zone };
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
