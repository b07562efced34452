//! `ax monitor budgets`: limits of spending, how they stand, and setting and removing them.

use jiff::civil::Weekday;
use serde::Serialize;

use crate::cli::agree::agree;
use crate::cli::args::{BudgetFails, BudgetsArgs, BudgetsDeleteArgs, BudgetsListArgs, BudgetsSetArgs, BudgetsVerb};
use crate::cli::config::PeriodSetting;
use crate::cli::context::Context;
use crate::costs::budget::{ALERT_AT, dollars};
use crate::costs::{self, Budget, BudgetError, CostsError, Every, Origin, Ready, Standing, Standings};
use crate::dashboard::{BudgetView, BudgetsView, Warning};
use crate::error::{Failure, Kind, Result, exit};
use crate::render;
use crate::words::nearest;

/// Runs the verb.
pub(crate) fn run(args: &BudgetsArgs, context: &Context) -> Result<u8> {
    match &args.verb {
        None => list(&args.list, context),
        Some(BudgetsVerb::List(args)) => list(args, context),
        Some(BudgetsVerb::Set(args)) => set(args, context),
        Some(BudgetsVerb::Delete(args)) => delete(args, context),
    }
}

/// The budgets of the settings file.
///
/// # Errors
/// A usage error that names the one that makes no sense.
pub(crate) fn settings(context: &Context) -> Result<Vec<Budget>> {
    let mut budgets: Vec<Budget> = Vec::new();
    for setting in &context.config()?.budget {
        let budget = Budget {
            name: setting.name.clone(),
            limit: setting.limit.0,
            every: match setting.period {
                PeriodSetting::Daily => Every::Day,
                PeriodSetting::Weekly => Every::Week,
                PeriodSetting::Monthly => Every::Month,
            },
            scope: setting.scope.clone(),
            alert_at: setting.alert_at.clone().unwrap_or_else(|| ALERT_AT.to_vec()),
            zone: setting.tz.clone().map_or_else(|| zone_name(context), Ok)?,
            week_start: week_start(context)?,
            origin: Origin::Settings,
        };
        let name = budget.name.clone();
        let ready = Ready::of(budget).map_err(|e| {
            let failure = refused(&e);
            Failure {
                message: format!("the setting budget '{}': {}", crate::error::escaped(&name), failure.message),
                ..failure
            }
        })?;
        if budgets.iter().any(|b| b.name == name) {
            return Err(Failure::usage(format!("the settings have two budgets '{name}'")));
        }
        budgets.push(ready.budget);
    }
    Ok(budgets)
}

fn zone_name(context: &Context) -> Result<String> {
    Ok(context.zone()?.name().to_owned())
}

fn week_start(context: &Context) -> Result<Weekday> {
    Ok(context.config()?.display.week_start.unwrap_or_default().weekday())
}

fn refused(error: &BudgetError) -> Failure {
    let failure = Failure::usage(error);
    match error {
        BudgetError::Scope { .. } => failure.hint("write provider=openai, or user=alice AND model=gpt-5"),
        BudgetError::Zone(_) => failure.hint("zones have names such as Europe/Berlin or UTC"),
        BudgetError::TooMany => failure.hint("`ax monitor budgets delete NAME` removes one"),
        _ => failure,
    }
}

/// A failure to judge budgets.
pub(crate) fn failed(error: CostsError) -> Failure {
    match error {
        CostsError::Db(e) => e.into(),
        CostsError::Query(e) => e.into(),
    }
}

/// Warns of budgets that make no sense any more.
pub(crate) fn warn_of_wrong(wrong: &[(String, BudgetError)], context: &Context) {
    for (name, why) in wrong {
        context.warn("budget", format!("budget '{name}' is left out: {why}"));
    }
}

fn list(args: &BudgetsListArgs, context: &Context) -> Result<u8> {
    let settings = settings(context)?;
    let store = context.store()?;
    let Standings { budgets, wrong } = match &store {
        Some(store) => costs::standings(store, &settings, context.now()).map_err(failed)?,
        None => Standings::default(),
    };
    warn_of_wrong(&wrong, context);
    context.warn_of_backlog(store.as_ref())?;
    let verdict = args.fail_on.map_or(0, |fails| verdict(fails, &budgets));
    let mut view = BudgetsView {
        generated_at: context.now(),
        zone: context.zone()?.clone(),
        data: budgets.into_iter().map(BudgetView).collect(),
        warnings: Vec::new(),
    };
    if context.json() {
        view.warnings = context.take_warnings();
        context.print_json(&view)?;
    } else {
        context.print(&render::budgets(&view, &context.style()?))?;
    }
    Ok(verdict)
}

/// 3 when a budget is spent (or projected to be exceeded), 4 when there is nothing to judge, else 0.
pub(crate) fn verdict(fails: BudgetFails, budgets: &[Standing]) -> u8 {
    let judge = |standing: &Standing| match fails {
        BudgetFails::Budget => Some(standing.is_used_up()),
        BudgetFails::Projected if standing.is_used_up() => Some(true),
        BudgetFails::Projected => standing.is_projected_over(),
    };
    let judged: Vec<bool> = budgets.iter().filter_map(judge).collect();
    match judged.iter().any(|fails| *fails) {
        true => exit::FAIL_ON,
        false if judged.is_empty() => exit::NOTHING_TO_JUDGE,
        false => 0,
    }
}

/// What `set` and `delete` print as JSON.
#[derive(Serialize)]
struct Changed<'a> {
    schema: &'static str,
    generated_at: String,
    name: &'a str,
    change: &'static str,
    warnings: Vec<Warning>,
}

fn changed(name: &str, change: &'static str, sentence: &str, context: &Context) -> Result<u8> {
    if context.json() {
        context.print_json(&Changed {
            schema: "ax.monitor.budgets/1",
            generated_at: context.now().to_string(),
            name,
            change,
            warnings: context.take_warnings(),
        })?;
    } else {
        context.print(&format!("{sentence}\n"))?;
    }
    Ok(0)
}

fn set(args: &BudgetsSetArgs, context: &Context) -> Result<u8> {
    if settings(context)?.iter().any(|b| b.name == args.name) {
        return Err(in_settings(&args.name));
    }
    let store = context.writable_store()?;
    let known = costs::read(&store, &[], context.now())?.budgets;
    let old = known.into_iter().map(|(ready, _)| ready.budget).find(|b| b.name == args.name);
    let limit = match (&args.limit, &old) {
        (Some(text), _) => dollars(text).ok_or_else(|| {
            Failure::usage(format!("'{text}' is no amount of dollars")).hint("write --limit 500 or --limit 1250.50")
        })?,
        (None, Some(old)) => old.limit,
        (None, None) => {
            return Err(Failure::usage("a new budget needs a limit").hint("add --limit 500"));
        }
    };
    let alert_at = match (args.alert_at.is_empty(), &old) {
        (false, _) => args.alert_at.iter().map(|text| percent(text)).collect::<Result<_>>()?,
        (true, Some(old)) => old.alert_at.clone(),
        (true, None) => ALERT_AT.to_vec(),
    };
    let asked_zone = context.flags().tz.is_some();
    let budget = Budget {
        name: args.name.clone(),
        limit,
        every: args.period.map(|p| p.every()).or(old.as_ref().map(|b| b.every)).unwrap_or(Every::Month),
        scope: match &args.scope {
            Some(text) => Some(text.clone()).filter(|t| !t.trim().is_empty()),
            None => old.as_ref().and_then(|b| b.scope.clone()),
        },
        alert_at,
        zone: match &old {
            Some(old) if !asked_zone => old.zone.clone(),
            _ => zone_name(context)?,
        },
        week_start: match &old {
            Some(old) => old.week_start,
            None => week_start(context)?,
        },
        origin: Origin::Store,
    };
    let ready = Ready::of(budget).map_err(|e| refused(&e))?;
    let there = costs::table::set(&store, &ready).map_err(|e| match e {
        costs::table::SetError::Budget(e) => refused(&e),
        costs::table::SetError::Db(e) => e.into(),
    })?;
    let b = &ready.budget;
    let scope = b.scope.as_ref().map(|s| format!(" of {s}")).unwrap_or_default();
    let what = format!("{} {}{scope}, days of {}", render::money(b.limit), b.every.name(), b.zone);
    let (change, word) = if there { ("changed", "Changed") } else { ("set", "Set") };
    let sentence = format!("{word} budget {}: {what}.", b.name);
    changed(&b.name, change, &crate::error::escaped(&sentence), context)
}

fn percent(text: &str) -> Result<u16> {
    let digits = text.trim().trim_end_matches('%').trim();
    digits.parse().map_err(|_| {
        Failure::usage(format!("'{text}' is no whole number of per cent")).hint("write --alert-at 50,80,95,100")
    })
}

fn in_settings(name: &str) -> Failure {
    Failure::usage(format!("budget '{name}' stands in the settings file")).hint("change it there")
}

fn delete(args: &BudgetsDeleteArgs, context: &Context) -> Result<u8> {
    let settings = settings(context)?;
    if settings.iter().any(|b| b.name == args.name) {
        return Err(in_settings(&args.name));
    }
    let store = context.store()?;
    let names: Vec<String> = match &store {
        Some(store) => costs::table::names(store)?,
        None => Vec::new(),
    };
    let Some(store) = store.filter(|_| names.contains(&args.name)) else {
        let failure = Failure::new(Kind::NotFound, format!("there is no budget '{}'", args.name));
        return Err(match nearest(&args.name, names.iter().map(String::as_str)) {
            Some(near) => failure.hint(format!("did you mean {near}?")),
            None => failure.hint("`ax monitor budgets` lists them"),
        });
    };
    if !args.yes {
        agree(&format!("remove budget '{}'", args.name), context)?;
    }
    costs::table::delete(&store, &args.name)?;
    let sentence = format!("Removed budget {}.", crate::error::escaped(&args.name));
    changed(&args.name, "removed", &sentence, context)
}
