//! `ax monitor costs`: what calls cost, and what it will come to.

use ax_storage::query::QueryError;
use ax_storage::query::plan::{Kinds, Plan};
use ax_storage::query::series::Series;
use ax_storage::time::{TimeRange, Zone};

use crate::calendar::{Calendar, Period};
use crate::cli::args::{CostsArgs, CostsVerb, StatusFormat};
use crate::cli::commands::nothing::{Asked, range_words};
use crate::cli::commands::{advise, budgets, elapsed_ms};
use crate::cli::context::Context;
use crate::cli::prices::book;
use crate::cli::time;
use crate::costs::{self, By, Standing, WithTold};
use crate::dashboard::{Before, CostsQuestion, CostsSeries, More, Only};
use crate::error::{Failure, Result};
use crate::query::ast::{Calendar as Word, Range};
use crate::{query, render};

/// The time span without `--range`.
const RANGE_DEFAULT: &str = "month";

/// Shows costs, or gives advice on them.
pub(crate) fn run(args: &CostsArgs, context: &Context) -> Result<u8> {
    match args.verb {
        None => show(args, context),
        Some(CostsVerb::Advise) => advise::run(context),
    }
}

fn show(args: &CostsArgs, context: &Context) -> Result<u8> {
    let calendar = context.calendar()?;
    let text = args.range.as_deref().unwrap_or(RANGE_DEFAULT).trim();
    let range = time::range(text, context.now(), &calendar)?;
    let store = context.store()?;
    let settings = budgets::settings(context)?;
    let known = match &store {
        Some(store) => costs::read(store, &settings, context.now())?,
        None => WithTold::default(),
    };
    budgets::warn_of_wrong(&known.wrong, context);
    let prices = book(store.as_ref(), true, context)?;
    let question = CostsQuestion {
        now: context.now(),
        range,
        range_text: Some(crate::error::escaped(text)),
        by: by(args)?,
        before: before(text, range, context, &calendar),
        calendar,
        more: More {
            compare: args.compare,
            projection: args.projection,
            budget: args.budget,
            top: args.top.map(|n| usize::try_from(n).unwrap_or(usize::MAX)),
        },
        budgets: known.budgets,
        book: &prices,
        kept: store.as_ref().filter(|_| args.projection).map(costs::Kept::of).transpose()?,
    };
    let plans = question.plans();
    let series = match &store {
        Some(store) => {
            let answers = store.run_in_turn(&plans.clone().into_list(), &|so_far| question.next(&plans, so_far))?;
            CostsSeries { usage: usage(store, &plans.usage)?, ..CostsSeries::from_list(&question, &plans, answers) }
        }
        None => CostsSeries::from_list(&question, &plans, Vec::new()),
    };
    let mut view = question.view(&series, elapsed_ms(context));
    context.warn_of_backlog(store.as_ref())?;
    let verdict = args.fail_on.map_or(0, |fails| {
        let standings: Vec<Standing> = view.budgets.iter().map(|b| b.0.clone()).collect();
        budgets::verdict(fails, &standings)
    });
    if context.json() {
        view.warnings.extend(context.take_warnings());
        context.print_json(&view)?;
        return Ok(verdict);
    }
    // A screen has room for fewer rows anyway, and says how many others there are.
    view.warnings.retain(|warning| warning.code != "groups");
    context.warn_all(&view.warnings);
    if view.total.requests == 0 {
        explain(range, text, store.as_ref(), calendar.zone(), context)?;
        return Ok(verdict);
    }
    let draw = if args.format == Some(StatusFormat::Line) { render::costs_line } else { render::costs };
    context.print(&draw(&view, &context.style()?))?;
    Ok(verdict)
}

/// What advice rests on; nothing where there are too many models for it.
fn usage(store: &ax_storage::Store, plan: &Plan) -> Result<Series> {
    match store.run(plan) {
        Err(QueryError::TooManyCells { .. } | QueryError::AnswerTooLarge { .. }) => Ok(Series::default()),
        other => Ok(other?),
    }
}

fn explain(
    range: TimeRange,
    text: &str,
    store: Option<&ax_storage::Store>,
    zone: &Zone,
    context: &Context,
) -> Result<()> {
    let words = range_words(Some(text));
    Asked { range, only: &Only::default(), kinds: Kinds::REQUESTS, zone, words, written: false }.explain(store, context)
}

/// What `--by` lists: each once, and at most one stretch of time.
fn by(args: &CostsArgs) -> Result<Vec<By>> {
    let mut list: Vec<By> = Vec::new();
    for by in args.by.iter().map(|by| by.0).filter(|by| !matches!(by, By::Time(_))) {
        if !list.contains(&by) {
            list.push(by);
        }
    }
    // Time stands first, as rows are in order of it.
    for by in args.by.iter().map(|by| by.0).filter(|by| matches!(by, By::Time(_))) {
        match By::span(&list) {
            None => list.insert(0, by),
            Some(span) if By::Time(span) == by => {}
            Some(span) => {
                return Err(Failure::usage(format!("rows cannot be by {} and by {}", span.name(), by.name()))
                    .hint("choose one of hour, day, week and month"));
            }
        }
    }
    Ok(list)
}

/// The window before, and what it is called.
fn before(text: &str, range: TimeRange, context: &Context, calendar: &Calendar<'_>) -> Option<Before> {
    let now = context.now();
    let written = query::parse_range(text);
    let earlier = match &written {
        Some(written) => query::previous(written, now, calendar).ok()?,
        None => TimeRange::new(range.start.minus_ms(range.millis()), range.start),
    };
    let month = || earlier.start.to_jiff().to_zoned_datetime(calendar.zone().tz().clone()).strftime("%b").to_string();
    let (name, in_part) = match written {
        Some(Range::Calendar(Word::Today)) => ("yesterday".to_owned(), true),
        Some(Range::Calendar(Word::Yesterday)) => ("the day before".to_owned(), false),
        Some(Range::Calendar(Word::This(Period::Month))) => (month(), true),
        Some(Range::Calendar(Word::Last(Period::Month))) => (month(), false),
        Some(Range::Calendar(Word::This(period))) => (format!("last {}", period.name()), true),
        Some(Range::Calendar(Word::Last(period))) => (format!("the {} before", period.name()), false),
        Some(Range::One(point)) if point.day.is_none() => (month(), false),
        Some(Range::Last(nanos)) => (format!("{} before", query::duration_text(nanos)), false),
        _ => ("the time before".to_owned(), false),
    };
    Some(Before { range: earlier, name, in_part })
}
