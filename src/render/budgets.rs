//! How budgets stand, as text: a block each, or a line of the status screen.

use super::costs::{about, span, wrapped};
use super::{Role, Style, banner, bar, edges, number, text, when};
use crate::costs::Standing;
use crate::dashboard::{BudgetView, BudgetsView};

/// Columns of a bar.
const BAR: usize = 20;
/// Columns that facts of a budget stand in from the left.
const INDENT: usize = 2;
/// Names longer than this are cut.
const NAME_MAX: usize = 24;

/// Every budget.
pub fn budgets(view: &BudgetsView, style: &Style) -> String {
    let mut out = banner(style);
    let now = when::moment(view.generated_at, &view.zone);
    out += &edges((Role::Title, "BUDGETS"), (Role::Dim, &now), style);
    for budget in &view.data {
        out += "\n";
        out += &block(budget, style, true);
    }
    if view.data.is_empty() {
        out += &format!(
            "\nThere are none yet.\n\nSet one:  {} budgets set team --limit 500 --period monthly\n",
            style.command()
        );
    }
    out
}

/// A budget with all that is known of it, with a drawing where there is room for it.
pub(super) fn block(budget: &BudgetView, style: &Style, drawn: bool) -> String {
    let standing = &budget.0;
    let b = &standing.ready.budget;
    let name = text::clip(&text::name(&b.name), NAME_MAX.min(style.drawn()), style);
    let used = number::percent(standing.used());
    let mut head = vec![
        style.paint(Role::Title, &name),
        format!("{} of {} {}", number::money(standing.spent()), number::money(b.limit), b.every.name()),
    ];
    let plain = text::width(&name) + text::width(&head[1]) + text::width(&used) + 6;
    if drawn && plain + BAR + 2 <= style.drawn() {
        head.push(style.paint(role(standing), &gauge(standing.used(), style)));
    }
    head.push(style.paint(role(standing), &used));
    let mut out = if plain <= style.drawn() {
        format!("{}\n", head.join("  "))
    } else {
        format!("{}\n{}", head[0], wrapped_in(&[head[1].clone(), used], INDENT, style))
    };
    out += &wrapped_in(&left(standing, style), INDENT, style);
    out += &wrapped_in(&forecast(standing, style), INDENT, style);
    out += &wrapped_in(&thresholds(standing), INDENT, style);
    let scope = [b.scope.as_deref().map_or_else(|| "all calls".to_owned(), text::name), format!("days of {}", b.zone)];
    out += &style.paint(Role::Dim, &wrapped_in(&scope, INDENT, style));
    if let Some(until) = standing.store_days_until {
        let words =
            format!("days up to {} are those of the store's zone: single events are gone", day(standing, until));
        out += &style.paint(Role::Warn, &wrapped_in(&[words], INDENT, style));
    }
    if standing.unpriced > 0 {
        let (calls, are) = if standing.unpriced == 1 { ("call has", "is") } else { ("calls have", "are") };
        let words = format!("{} {calls} no price and {are} not in it", number::count(standing.unpriced.into()));
        out += &style.paint(Role::Warn, &wrapped_in(&[words], INDENT, style));
    }
    out
}

/// Facts from the given column on, broken between words.
fn wrapped_in(facts: &[String], indent: usize, style: &Style) -> String {
    if facts.is_empty() {
        return String::new();
    }
    " ".repeat(indent) + &wrapped(facts, indent, style)
}

fn role(standing: &Standing) -> Role {
    match standing.is_used_up() {
        true => Role::Bad,
        false if standing.is_projected_over() == Some(true) => Role::Warn,
        false => Role::Good,
    }
}

/// A bar of what is used, in a field of what there is.
pub(super) fn gauge(used: f64, style: &Style) -> String {
    let full = style.sign("█", "#");
    let empty = style.sign("░", ".");
    let drawn = bar(used, 1.0, BAR, style);
    let whole = drawn.matches(full).count().min(BAR);
    full.repeat(whole) + &empty.repeat(BAR - whole)
}

fn left(standing: &Standing, style: &Style) -> Vec<String> {
    let left = standing.left();
    let days = days_left(standing.days_left());
    let mut facts = Vec::new();
    match standing.used_up_at() {
        Some(t) => {
            let over = crate::metric::Money(-left.0);
            facts.push(format!("{} over, used up on {}", number::money(over), day(standing, t)));
            facts.push(format!("{days} left"));
        }
        None => facts.push(format!("{} left for {days}", number::money(left))),
    }
    if let Some(rate) = standing.burn_rate {
        facts.push(format!("spent {rate:.2} {} as fast as even spending", style.sign("×", "x")));
    }
    facts
}

/// `6.6 days`, `5.2 hours`.
fn days_left(days: f64) -> String {
    if days >= 2.0 { format!("{days:.1} days") } else { format!("{:.1} hours", days * 24.0) }
}

fn day(standing: &Standing, t: ax_storage::time::Timestamp) -> String {
    when::weekday(t, &standing.ready.zone)
}

/// What it will come to.
fn forecast(standing: &Standing, style: &Style) -> Vec<String> {
    let outlook = &standing.outlook;
    let Some(estimate) = outlook.estimate() else { return vec!["no forecast yet: too short a history".to_owned()] };
    let mut facts = vec![format!("forecast {}", about(estimate))];
    match outlook.bounds() {
        Some(bounds) => facts.push(format!("80 % range {}", span(bounds, style))),
        None => facts.push("the average drawn out".to_owned()),
    }
    facts.extend(chance(standing));
    facts
}

/// How likely it is exceeded, and when it is used up.
fn chance(standing: &Standing) -> Vec<String> {
    if standing.is_used_up() {
        return Vec::new();
    }
    let mut facts = Vec::new();
    if let Some(p) = standing.exceeds() {
        facts.push(format!("over budget in {} of 100 runs", runs(p)));
    }
    if let Some(t) = standing.exhausted_at() {
        facts.push(format!("used up on {}", day(standing, t)));
    }
    facts
}

/// Of a hundred: never 0 or 100 for what is not sure.
fn runs(probability: f64) -> String {
    match probability {
        p if p <= 0.0 => "0".to_owned(),
        p if p >= 1.0 => "100".to_owned(),
        p => format!("{:.0}", (p * 100.0).clamp(1.0, 99.0)),
    }
}

fn thresholds(standing: &Standing) -> Vec<String> {
    let crossed = standing.crossed();
    let next = standing.ready.budget.alert_at.iter().find(|p| !crossed.contains(p));
    let mut facts = Vec::new();
    if !crossed.is_empty() {
        let list: Vec<String> = crossed.iter().map(|p| format!("{p} %")).collect();
        facts.push(format!("passed {}", list.join(", ")));
    }
    if let Some(next) = next {
        facts.push(format!("next alert at {next} %"));
    }
    facts
}

/// The lines of the status screen: the name, the part used, what it will come to.
pub(super) fn status_lines(budgets: &[BudgetView], indent: usize, style: &Style) -> Vec<(Role, Vec<String>)> {
    let room = style.drawn().saturating_sub(indent);
    let mut out = Vec::new();
    for BudgetView(standing) in budgets {
        let name = text::clip(&text::name(&standing.ready.budget.name), NAME_MAX, style);
        let mut first = format!("{name}  ");
        if text::width(&name) + BAR + 12 <= room {
            first += &format!("{}  ", gauge(standing.used(), style));
        }
        first += &number::percent(standing.used());
        let outlook = &standing.outlook;
        let bounds = outlook.bounds().map(|b| format!(" ({})", span(b, style))).unwrap_or_default();
        let mut facts = vec![first];
        facts.extend(outlook.estimate().map(|estimate| format!("forecast {}{bounds}", about(estimate))));
        match standing.used_up_at() {
            Some(t) => facts.push(format!("used up on {}", day(standing, t))),
            None if standing.is_projected_over() == Some(true) => facts.extend(chance(standing)),
            None => {}
        }
        out.push((role(standing), facts));
    }
    out
}
