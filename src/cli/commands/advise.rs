//! `ax monitor costs advise`: how less could be spent, with the arithmetic.

use std::hash::{BuildHasher, RandomState};
use std::ops::ControlFlow;

use ax_storage::Store;
use ax_storage::query::QueryError;
use ax_storage::query::plan::{Filter, Label};
use ax_storage::row::Body;
use ax_storage::time::DAY_MS;

use crate::calendar::Calendar;
use crate::cli::context::Context;
use crate::cli::prices::book;
use crate::costs::advice::{self, Advice, DAYS_MIN, LOOK_UPS_MAX, LookUp, Usage};
use crate::dashboard::{AdviceView, Window};
use crate::error::Result;
use crate::render;

/// Advises.
pub(crate) fn run(context: &Context) -> Result<u8> {
    let calendar = context.calendar()?;
    let store = context.store()?;
    let prices = book(store.as_ref(), true, context)?;
    let (mut usage, mut list) = (Usage::default(), Vec::new());
    if let Some(store) = &store {
        usage = Usage::of(&store.run(&advice::plan(context.now(), &calendar))?);
        list = advice::advise(&usage, &prices);
        if usage.days >= DAYS_MIN {
            list.extend(users(store, &calendar, context)?);
            list.extend(repeats(store, &calendar, context)?);
        }
        list = advice::worth_saying(list, &usage);
    }
    context.warn_of_backlog(store.as_ref())?;
    let asked = Window { range: advice::window(context.now(), &calendar), zone: calendar.zone().clone() };
    let mut view = AdviceView::new(context.now(), &asked, &usage, list);
    if context.json() {
        view.warnings = context.take_warnings();
        context.print_json(&view)?;
    } else {
        context.print(&render::advice(&view, &context.style()?))?;
    }
    Ok(0)
}

/// Users who spend more than usual. Where there are more users than an answer holds, nothing is said of them.
fn users(store: &Store, calendar: &Calendar<'_>, context: &Context) -> Result<Vec<Advice>> {
    match store.run_all(&advice::user_plans(context.now(), calendar)) {
        Ok(weeks) => Ok(advice::users(&weeks)),
        Err(error @ (QueryError::TooManyCells { .. } | QueryError::AnswerTooLarge { .. })) => {
            context.warn("users", format!("nothing is said of users: {error}"));
            Ok(Vec::new())
        }
        // Weeks that began before days by user are kept.
        Err(QueryError::NeedsRaw { .. }) => Ok(Vec::new()),
        Err(other) => Err(other.into()),
    }
}

/// Identical requests that came again, from the newest look-ups that have a key.
fn repeats(store: &Store, calendar: &Calendar<'_>, context: &Context) -> Result<Option<Advice>> {
    let keyed = Filter::Not(Box::new(Filter::In(Label::Key, vec!["".into()])));
    let (hasher, mut look_ups) = (RandomState::new(), Vec::new());
    store.events(advice::window(context.now(), calendar), &keyed, LOOK_UPS_MAX, &mut |names, row| {
        if let Body::Cache(cache) = &row.body {
            let key = hasher.hash_one((names.get(row.provider), names.get(row.model), names.get(cache.key)));
            look_ups.push(LookUp { at: row.ts, key, hit: cache.hit, saved: cache.saved_cost_nanos.get() });
        }
        ControlFlow::Continue(())
    })?;
    let span_ms = look_ups.first().zip(look_ups.last()).map_or(0, |(a, b)| b.at.since(a.at));
    let days = u32::try_from(span_ms.div_ceil(DAY_MS)).unwrap_or(u32::MAX);
    Ok(advice::repeats(&look_ups, days).filter(|_| days >= DAYS_MIN))
}
