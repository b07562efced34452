//! The costs screen: what was spent, on what, and what it will come to.

use super::table::{Cell, Column, Table};
use super::{Role, Style, banner, bar, budgets, edges, number, sparkline, text, when};
use crate::costs::{By, Told, advice};
use crate::dashboard::{CostsView, GroupView, KeptView, OTHER, SectionView};
use crate::metric::{Money, Unit};
use crate::projection::{Held, Status};

/// Columns of the names of facts.
const INDENT: usize = 11;
/// Most columns of a bar.
const BAR_MAX: usize = 30;
/// Rows by name that a screen shows without `--top`; the others are one row.
const ROWS_MAX: usize = 20;
/// Projections of days past that are listed.
const TOLD_MAX: usize = 4;
/// Models named as unpriced.
const UNPRICED_MAX: usize = 3;

/// The screen.
pub fn costs(view: &CostsView, style: &Style) -> String {
    screen(view, style, false)
}

/// The same without a drawing: each row in lines of its own.
pub fn costs_line(view: &CostsView, style: &Style) -> String {
    screen(view, &Style { color: false, ..*style }, true)
}

fn screen(view: &CostsView, style: &Style, lines: bool) -> String {
    let mut out = banner(style) + &head(view, style) + "\n" + &facts(view, style);
    for section in &view.sections {
        out += "\n";
        out += &table(view, section, style, lines);
    }
    if let Some(before) = view.before.as_ref().filter(|b| b.in_part) {
        let end = when::moment(before.range.range.end, &before.range.zone);
        let note = format!("{}: as far as this one has come, to {end}", before.name);
        out += &style.paint(Role::Dim, &wrapped(&[note], 2, style));
    }
    if let Some((name, first)) = &view.uncompared {
        let note = format!("not compared with {name}: records begin {}", when::day(*first, &view.range.zone));
        out += &style.paint(Role::Dim, &wrapped(&[note], 2, style));
    }
    if view.show_budgets {
        if view.budgets.is_empty() {
            let hint = format!("No budgets: {} budgets set team --limit 500", style.command());
            out += &format!("\n{}", style.paint(Role::Dim, &wrapped(&[hint], 2, style)));
        }
        for budget in &view.budgets {
            out += "\n";
            out += &budgets::block(budget, style, !lines);
        }
    }
    if view.held.is_some() {
        out += "\n";
        out += &projections(view, style);
    }
    out += "\n";
    out += &foot(view, style, lines);
    out
}

/// Facts broken between words where they do not fit, so that no figure is cut.
pub(super) fn wrapped(facts: &[String], indent: usize, style: &Style) -> String {
    text::words(&facts.join(style.dot()), indent, style)
}

fn head(view: &CostsView, style: &Style) -> String {
    let range = &view.range;
    let (start, end) = (range.range.start, range.range.end);
    let zone = range.zone.name();
    let name = match view.range_text.as_deref() {
        Some("month") => when::month_long(start, &range.zone),
        Some(words) if words.starts_with(|c: char| c.is_ascii_digit()) && !words.contains(['-', '.']) => {
            format!("last {words}")
        }
        _ => {
            return edges(
                (Role::Title, &format!("COSTS  {}", when::window(start, end, &range.zone))),
                (Role::Dim, zone),
                style,
            );
        }
    };
    let mut left = format!("COSTS  {name}, to {}", when::moment(end, &range.zone));
    if text::width(&left) > style.drawn() {
        left = format!("COSTS  {name}");
    }
    edges((Role::Title, &left), (Role::Dim, zone), style)
}

/// Dollars of an estimate: whole ones where cents would mean nothing.
pub(super) fn about(amount: Money) -> String {
    if amount.0 < 99_500_000_000 {
        return number::money(amount);
    }
    let dollars = (amount.0 + 500_000_000) / 1_000_000_000;
    format!("${}", number::count(dollars))
}

/// `$514–$553`.
pub(super) fn span((low, high): (Money, Money), style: &Style) -> String {
    format!("{}{}{}", about(low), style.sign("–", " to "), about(high))
}

/// A name, a figure, and what there is to say about it.
struct Fact {
    name: &'static str,
    figure: String,
    role: Role,
    words: Vec<String>,
}

fn facts(view: &CostsView, style: &Style) -> String {
    let (total, p) = (&view.total, &view.projection);
    let calls = |n: u64| format!("{} call{}", number::count(n.into()), if n == 1 { "" } else { "s" });
    let mut spent = vec![calls(total.requests)];
    spent.push(format!("{} tokens", number::count(i128::try_from(total.tokens).unwrap_or(i128::MAX))));
    if let Some(saved) = view.saved {
        spent.push(format!("cache saved {}", number::money(saved)));
    }
    if let Some(limit) = view.month_budget.filter(|_| view.so_far) {
        spent.insert(0, of_limit(p.month.spent, limit));
    }
    let mut list = vec![Fact { name: "Spent", figure: number::money(total.cost), role: Role::Title, words: spent }];
    if !view.so_far {
        let mut words = vec!["so far".to_owned()];
        words.extend(view.month_budget.map(|limit| of_limit(p.month.spent, limit)));
        list.push(Fact { name: "Month", figure: number::money(p.month.spent), role: Role::Plain, words });
    }
    list.push(forecast("Forecast", view, style));
    let mut today: Vec<String> = view.day_budget.map(|limit| of_limit(p.day.spent, limit)).into_iter().collect();
    if let (Some(estimate), Some(bounds)) = (p.day.estimate(), p.day.bounds()) {
        today.push(format!("{} by midnight, 80 % range {}", about(estimate), span(bounds, style)));
    }
    list.push(Fact { name: "Today", figure: number::money(p.day.spent), role: Role::Plain, words: today });
    draw_facts(&list, style)
}

/// `85.1 % of $500.00`.
fn of_limit(spent: Money, limit: Money) -> String {
    format!("{} of {}", number::percent(spent.dollars() / limit.dollars()), number::money(limit))
}

fn forecast(name: &'static str, view: &CostsView, style: &Style) -> Fact {
    let outlook = &view.projection.month;
    let Some(estimate) = outlook.estimate() else {
        let words = vec!["takes a complete day of calls".to_owned()];
        return Fact { name, figure: style.none().to_owned(), role: Role::Plain, words };
    };
    let mut words = match outlook.bounds() {
        Some(bounds) => vec![format!("80 % range {}", span(bounds, style)), "at the end of the month".to_owned()],
        None => vec!["the average drawn out: a range takes 3 complete days".to_owned()],
    };
    if let Some(limit) = view.month_budget {
        let over = Money(estimate.0 - limit.0);
        if over.0 > 0 {
            words.push(format!("over by {}", about(over)));
        }
        match (outlook.used_up_at(limit), outlook.exhausted_at(limit)) {
            (Some(t), _) => words.push(format!("limit reached on {}", when::weekday(t, &view.range.zone))),
            (None, Some(t)) => words.push(format!("limit on {}", when::weekday(t, &view.range.zone))),
            (None, None) => {}
        }
    }
    Fact { name, figure: about(estimate), role: Role::Plain, words }
}

fn draw_facts(list: &[Fact], style: &Style) -> String {
    let widest = list.iter().map(|f| text::width(&f.figure)).max().unwrap_or(0);
    let mut out = String::new();
    for fact in list {
        let name = style.paint(Role::Dim, &text::pad(fact.name, INDENT, false));
        let figure = style.paint(fact.role, &text::pad(&fact.figure, widest, true));
        let indent = INDENT + widest + 3;
        let words = wrapped(&fact.words, indent, style);
        let mut lines = words.lines();
        let first = lines.next().unwrap_or_default();
        out += format!("{name}{figure}   {first}").trim_end();
        out.push('\n');
        for more in lines {
            out += &format!("{more}\n");
        }
    }
    out
}

/// What a row is called: its time, its names.
fn names(group: &GroupView, by: &[By], view: &CostsView) -> Vec<Cell> {
    let zone = &view.range.zone;
    let mut labels = group.labels.0.iter();
    by.iter()
        .map(|by| match by {
            By::Label(_) => labels.next().map(|(_, value)| text::name(value)).unwrap_or_default().into(),
            By::Time(span) => match group.row.time {
                Some(t) => when::span(t.start, *span, zone).into(),
                // The rest is called so where it has a name; times alone have none.
                None if group.labels.0.is_empty() => OTHER.into(),
                None => "".into(),
            },
        })
        .collect()
}

fn table(view: &CostsView, section: &SectionView, style: &Style, lines: bool) -> String {
    let timed = By::span(&section.by).is_some();
    let (groups, others) = short(section, timed);
    if lines || style.width < super::WIDTH_TABLE_MIN {
        return blocks(view, section, &groups, style);
    }
    let compared = view.before.as_ref().filter(|_| groups.iter().any(|g| g.previous.is_some()));
    let column = |by: &By| match by {
        By::Label(label) => Column::name(label.name().to_uppercase()),
        By::Time(span) => Column::word(span.name().to_uppercase(), 0),
    };
    let mut columns: Vec<Column> = section.by.iter().map(column).collect();
    columns.extend([Column::figure("SPENT", 0), Column::figure("SHARE", 3)]);
    if let Some(before) = compared {
        if view.compare {
            columns.push(Column::figure(before.name.to_uppercase(), 2));
        }
        columns.push(Column::figure(format!("vs {}", before.name), 1));
    }
    let mut table = Table::new(columns);
    for group in &groups {
        let mut cells = names(group, &section.by, view);
        if others > 0
            && (group.labels.is_other() || timed && group.row.time.is_none())
            && let Some(last) = cells.iter_mut().rfind(|c| !c.text.is_empty())
        {
            *last = format!("({} others)", number::count(others as i128)).into();
        }
        cells.push(group.row.spent().map_or_else(|| style.none().to_owned(), number::money).into());
        cells.push(group.share.map_or_else(|| style.none().to_owned(), number::percent).into());
        if compared.is_some() {
            if view.compare {
                cells.push(group.previous.map_or_else(|| style.none().to_owned(), number::money).into());
            }
            cells.push(change(group, style).into());
        }
        table.push(cells);
    }
    // What room is left beside the table goes to bars.
    let plain = Style { color: false, ..*style };
    let used = table.draw(&plain).lines().map(text::width).max().unwrap_or(0);
    let left = style.drawn().saturating_sub(used + 2).min(BAR_MAX);
    if left >= 5 {
        let most = groups.iter().map(|g| g.row.cost.dollars()).fold(0.0, f64::max);
        table.columns.push(Column::word("", 9));
        for (cells, group) in table.rows.iter_mut().zip(&groups) {
            cells.push(Cell::new(Role::Line, bar(group.row.cost.dollars(), most, left, style)));
        }
    }
    table.draw(style)
}

/// A row in lines of its own, where there is no room for a table.
fn blocks(view: &CostsView, section: &SectionView, groups: &[GroupView], style: &Style) -> String {
    let mut out = String::new();
    for group in groups {
        let name: Vec<String> = names(group, &section.by, view).into_iter().map(|cell| cell.text).collect();
        out += &format!("{}\n", text::clip(&name.join(", "), style.width, style));
        let mut facts = vec![group.row.spent().map_or_else(|| style.none().to_owned(), number::money)];
        facts.extend(group.share.map(number::percent));
        if let Some(before) = view.before.as_ref().filter(|_| group.previous.is_some()) {
            facts.push(format!("{} vs {}", change(group, style), before.name));
        }
        out += &format!("  {}", wrapped(&facts, 2, style));
    }
    out
}

/// The rows that a screen has room for, and how many the last one stands for.
fn short(section: &SectionView, timed: bool) -> (Vec<GroupView>, usize) {
    let by_bound = section.others > 0 && !section.asked;
    if timed || (section.others > 0 && !by_bound) || section.groups.len() <= ROWS_MAX {
        return (section.groups.clone(), section.others);
    }
    let (shown, rest) = section.groups.split_at(ROWS_MAX - 1);
    let others = if by_bound { rest.len() - 1 + section.others } else { rest.len() };
    let mut other = rest[0].clone();
    other.labels.0.iter_mut().for_each(|(_, value)| *value = OTHER.into());
    for group in &rest[1..] {
        other.row.merge(&group.row);
        other.share = [other.share, group.share].into_iter().flatten().reduce(|a, b| a + b);
        other.previous = other.previous.zip(group.previous).map(|(a, b)| Money(a.0 + b.0));
    }
    (shown.iter().cloned().chain([other]).collect(), others)
}

/// `+12.0 %`, `new`.
fn change(group: &GroupView, style: &Style) -> String {
    match group.previous {
        None => style.none().to_owned(),
        _ if group.row.spent().is_none() => style.none().to_owned(),
        Some(Money(0)) if group.row.cost.0 == 0 => style.none().to_owned(),
        Some(Money(0)) => "new".to_owned(),
        Some(before) => number::figure((group.row.cost.dollars() - before.dollars()) / before.dollars(), Unit::Change),
    }
}

/// All projections, by both methods.
fn projections(view: &CostsView, style: &Style) -> String {
    let p = &view.projection;
    let mut table = Table::new(vec![
        Column::word("PROJECTED", 0),
        Column::figure("SEASONAL", 0),
        Column::figure("80 % RANGE", 1),
        Column::figure("LINEAR", 2),
    ]);
    for (name, outlook) in [("end of today", &p.day), ("end of the month", &p.month), ("next 365 days", &p.year)] {
        let short = outlook.status == Status::InsufficientHistory;
        let figure = |money: Option<Money>| money.map_or_else(|| style.none().to_owned(), about);
        let seasonal = figure(outlook.estimate().filter(|_| !short));
        let bounds = outlook.bounds().map_or_else(|| style.none().to_owned(), |b| span(b, style));
        table.push(vec![name.into(), seasonal.into(), bounds.into(), figure(outlook.linear()).into()]);
    }
    let mut out = table.draw(style);
    let words = match view.held {
        Some(Held { held, of }) if of > 0 => {
            format!("The month's range would have held {held} of {of} times on days past, looking as far ahead.")
        }
        _ => "Too short a history to say how well such ranges have held.".to_owned(),
    };
    out += &style.paint(Role::Dim, &wrapped(&[words], 0, style));
    if let Some(kept) = &view.kept {
        for words in told_before(kept, view, style) {
            out += &style.paint(Role::Dim, &wrapped(&[words], 0, style));
        }
    }
    out
}

/// What was projected on days past, and how that did.
fn told_before(kept: &KeptView, view: &CostsView, style: &Style) -> Vec<String> {
    let mut out = Vec::new();
    // The first of the month, and some on the way.
    let step = kept.this_month.len().div_ceil(TOLD_MAX).max(1);
    let told = |told: &Told| {
        let bounds = told.bounds.map(|b| format!(" ({})", span(b, style))).unwrap_or_default();
        format!("{} {}{bounds}", when::day(told.at, &view.range.zone), about(told.estimate))
    };
    let list: Vec<String> = kept.this_month.iter().step_by(step).map(told).collect();
    if !list.is_empty() {
        out.push(format!("This month's end, as projected on {}.", list.join(", ")));
    }
    let held = |Held { held, of }: Held, what: &str| (of > 0).then(|| format!("{held} of {of} of a {what}'s end"));
    let list: Vec<String> = held(kept.days, "day").into_iter().chain(held(kept.months, "month")).collect();
    if !list.is_empty() {
        out.push(format!("Ranges kept on days past that held: {}.", list.join(", ")));
    }
    out
}

fn foot(view: &CostsView, style: &Style, lines: bool) -> String {
    let mut out = String::new();
    let room = style.drawn().saturating_sub(INDENT);
    let mut line = |name: &str, role: Role, body: &str| {
        out += &format!("{}{}\n", style.paint(Role::Dim, &text::pad(name, INDENT, false)), style.paint(role, body));
    };
    if view.trend.len() > 1 && !lines {
        let values: Vec<Option<f64>> = view.trend.iter().map(|(_, cost)| Some(cost.dollars())).collect();
        line(if view.by_hour { "Hourly" } else { "Daily" }, Role::Line, &sparkline(&values, room, style));
    }
    if let Some(week) = view.week {
        let a_day = number::money(Money(week.total.0 / 7));
        let mut facts = vec![format!("{a_day} a day")];
        if let Some(before) = week.before.filter(|b| b.0 > 0) {
            let change = (week.total.dollars() - before.dollars()) / before.dollars();
            facts.push(format!("{} to the 7 days before", number::figure(change, Unit::Change)));
        }
        line("Last 7 d", Role::Plain, wrapped(&facts, INDENT, style).trim_end());
    }
    if view.total.unpriced > 0 {
        line("Unpriced", Role::Warn, wrapped(&unpriced(view), INDENT, style).trim_end());
        if let Some(model) = view.unpriced_models.first().filter(|m| is_plain(&m.model)) {
            let command = format!("{} prices set {}", style.command(), model.model);
            // A command that is cut is of no use.
            let indent = if INDENT + text::width(&command) > style.drawn() { 2 } else { INDENT };
            out += &format!("{}{command}\n", " ".repeat(indent));
        }
    }
    let saving = advice::saving(&view.advice);
    if saving.0 > 0 {
        let facts = [format!("up to {} a month:", about(saving)), format!("{} costs advise", style.command())];
        out += &style.paint(Role::Dim, &text::pad("Save", INDENT, false));
        out += &text::flow(&facts, " ", INDENT, style);
    }
    out
}

fn unpriced(view: &CostsView) -> Vec<String> {
    let mut facts: Vec<String> = view
        .unpriced_models
        .iter()
        .take(UNPRICED_MAX)
        .map(|m| {
            let calls = if m.requests == 1 { "call" } else { "calls" };
            format!("{} {calls} of {}", number::count(m.requests.into()), text::name(&m.model))
        })
        .collect();
    if let Some(more) = view.unpriced_models.len().checked_sub(UNPRICED_MAX).filter(|n| *n > 0) {
        facts.push(format!("and {more} more models"));
    }
    facts
}

/// A name that needs no quoting.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:/@".contains(&b))
}
