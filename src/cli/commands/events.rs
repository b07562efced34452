//! `ax monitor events`: the newest single events.

use std::ops::ControlFlow;

use crate::cli::args::EventsArgs;
use crate::cli::commands::only;
use crate::cli::context::Context;
use crate::dashboard::{EventView, EventsView, Window};
use crate::error::Result;

/// Lists.
pub(crate) fn run(args: &EventsArgs, context: &Context) -> Result<u8> {
    let range = context.range(&args.span)?;
    let mut view = EventsView {
        generated_at: context.now(),
        range: Window { range, zone: context.zone()?.clone() },
        count: 0,
        events: Vec::new(),
        warnings: Vec::new(),
    };
    if let Some(store) = context.store()? {
        let summary = store.events(range, &only(&args.only).filter(), args.limit, &mut |names, row| {
            view.events.push(EventView::of(names, row));
            ControlFlow::Continue(())
        })?;
        view.count = summary.matched;
        for what in &summary.missing {
            context.warn("missing", format!("could not be read: {what}"));
        }
    }
    view.warnings.extend(context.take_warnings());
    context.print_json(&view)?;
    Ok(0)
}
