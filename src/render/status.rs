//! The first screen: every provider, what it does and what it costs.

use super::table::{Cell, Column, Table};
use super::{Role, Style, alerts, banner, budgets, edges, number, sparkline, text, when};
use crate::dashboard::{ModelView, State, StatusView, TotalView};
use crate::metric::{Money, Unit};

/// Columns of a sparkline on a wide and on a narrow screen.
const TREND: (usize, usize) = (12, 6);

/// Digits of an alert's id: commands take as much of it as is clear.
const ALERT_ID: usize = 4;
/// Columns of a provider's name before what is wrong with it.
const PROVIDER_MAX: usize = 24;

/// The screen as a table, or as blocks of lines where there is no room for one.
pub fn status(view: &StatusView, style: &Style) -> String {
    if style.width < super::WIDTH_TABLE_MIN {
        return status_line(view, style);
    }
    let mut out = banner(style) + &head(view, style) + "\n" + &providers(view, style);
    if let Some(models) = &view.models {
        out += "\n";
        out += &model_table(models, style);
    }
    let facts = facts(view, style);
    if !facts.is_empty() {
        out += "\n";
        out += &facts;
    }
    out + "\n" + &next(view, style)
}

/// The same as one fact a line, without drawing signs: for narrow places and for screen readers.
pub fn status_line(view: &StatusView, style: &Style) -> String {
    let plain = Style { color: false, ..*style };
    let mut out = banner(&plain);
    let mut line = |text: String| {
        out += text::flow(&[text], "", 0, &plain).trim_end();
        out.push('\n');
    };
    line(format!("ax monitor, last {}", view.range_text));
    line(when::moment(view.range.range.end, &view.range.zone));
    for p in &view.data {
        line(String::new());
        line(text::name(&p.provider));
        line(format!("  state {}", p.state.word()));
        for reason in &p.reasons {
            line(format!("  {reason}"));
        }
        for fact in figures(&p.numbers, &plain) {
            line(format!("  {fact}"));
        }
    }
    if view.data.len() > 1 {
        line(String::new());
        line("all providers".to_owned());
        for fact in figures(&view.total, &plain) {
            line(format!("  {fact}"));
        }
    }
    line(String::new());
    for (_, facts) in budgets::status_lines(&view.budgets, 0, &Style { width: 0, ..plain }) {
        for (i, fact) in facts.iter().enumerate() {
            line(if i == 0 { format!("budget {fact}") } else { format!("  {fact}") });
        }
    }
    if let Some(cache) = &view.cache {
        line(format!("cache hit rate {}", ratio(cache.hit_rate, &plain)));
        line(format!("cache saved today {}", number::money(cache.saved_today)));
    }
    if let Some(limit) = &view.rate_limit {
        line(format!("rate limit denied {}", ratio(limit.denied_rate, &plain)));
    }
    for alert in &view.alerts {
        let rule = alerts::rule_text(&alert.rule, &alert.labels);
        let value = alerts::value_text(alert, &plain);
        let quiet = alerts::quiet(alert).map(|word| format!(" {word},")).unwrap_or_default();
        line(format!("alert {rule}, {},{quiet} {value}, id {}", alert.severity, alert.id));
    }
    line(format!("recorders {}", view.upkeep.recorders));
    line(format!("events {}", number::count(view.events.into())));
    line(format!("dropped events {}", number::count(dropped(view).into())));
    out
}

fn figures(n: &TotalView, style: &Style) -> Vec<String> {
    let mut out = vec![format!("requests {}", number::count(n.requests.into()))];
    for (name, value) in [("p50", n.latency_ms.p50), ("p95", n.latency_ms.p95), ("p99", n.latency_ms.p99)] {
        out.push(format!("{name} {}", ms(value, style)));
    }
    out.push(format!("errors {}", ratio(n.error_rate, style)));
    out.push(format!("cost {}", money(n.cost, style)));
    out.push(format!("today {}", money(n.cost_today, style)));
    out
}

fn head(view: &StatusView, style: &Style) -> String {
    let range = &view.range;
    let left =
        format!("AX MONITOR   last {}{}{}", view.range_text, style.dot(), when::moment(range.range.end, &range.zone));
    let right = match view.upkeep.recorders {
        0 => String::new(),
        1 => format!("{} live{}1 recorder", style.sign("●", "*"), style.dot()),
        n => format!("{} live{}{n} recorders", style.sign("●", "*"), style.dot()),
    };
    edges((Role::Title, &left), (Role::Good, &right), style)
}

const fn sign(state: State, style: &Style) -> (&'static str, Role) {
    match state {
        State::Healthy => (style.sign("●", "*"), Role::Good),
        State::Degraded => (style.sign("▲", "!"), Role::Warn),
        State::Down => (style.sign("✖", "X"), Role::Bad),
        State::Idle => (style.sign("○", "o"), Role::Dim),
    }
}

fn ms(value: Option<f64>, style: &Style) -> String {
    value.map_or_else(|| style.none().to_owned(), number::duration_ms)
}

fn money(amount: Option<Money>, style: &Style) -> String {
    amount.map_or_else(|| style.none().to_owned(), number::money)
}

fn ratio(value: Option<f64>, style: &Style) -> String {
    value.map_or_else(|| style.none().to_owned(), number::percent)
}

fn providers(view: &StatusView, style: &Style) -> String {
    let trend = if style.drawn() >= 100 { TREND.0 } else { TREND.1 };
    let mut table = Table::new(vec![
        Column::word("", 0),
        Column::name("PROVIDER"),
        Column::word("", 0),
        Column::figure("REQ", 0),
        Column::figure("p50", 6),
        Column::figure("p95", 0),
        Column::figure("p99", 5),
        Column::figure("ERRORS", 0),
        Column::figure("COST", 3),
        Column::figure("TODAY", 2),
        Column::word("TREND", 4),
    ]);
    // Rows with something to say about errors get a mark, and then all figures leave room for it.
    let any = view.data.iter().any(|p| p.failing);
    let room = if any { " " } else { "" };
    for p in &view.data {
        let (sign, role) = sign(p.state, style);
        let errors = match p.failing {
            true => Cell::new(role, ratio(p.numbers.error_rate, style) + "!"),
            false => Cell::from(ratio(p.numbers.error_rate, style) + room),
        };
        let name = text::name(&p.provider);
        table.push(row(
            Cell::new(role, sign),
            name,
            Cell::new(role, p.state.word()),
            &p.numbers,
            errors,
            &p.trend,
            trend,
            style,
        ));
    }
    if view.data.len() > 1 {
        let errors = Cell::from(ratio(view.total.error_rate, style) + room);
        // The slowest provider's line says nothing of all of them: no trend in this row.
        table.push(row("".into(), "all".to_owned(), "".into(), &view.total, errors, &[], trend, style));
    }
    table.draw(style)
}

#[expect(clippy::too_many_arguments, reason = "one table row, used twice")]
fn row(
    sign: Cell,
    name: String,
    state: Cell,
    n: &TotalView,
    errors: Cell,
    points: &[Option<f64>],
    columns: usize,
    style: &Style,
) -> Vec<Cell> {
    vec![
        sign,
        name.into(),
        state,
        number::count(n.requests.into()).into(),
        ms(n.latency_ms.p50, style).into(),
        ms(n.latency_ms.p95, style).into(),
        ms(n.latency_ms.p99, style).into(),
        errors,
        money(n.cost, style).into(),
        money(n.cost_today, style).into(),
        Cell::new(Role::Line, sparkline(points, columns, style)),
    ]
}

fn model_table(models: &[ModelView], style: &Style) -> String {
    let mut table = Table::new(vec![
        Column { shrinks_to: Some(18), ..Column::name("MODEL") },
        Column::name("PROVIDER"),
        Column::figure("REQ", 0),
        Column::figure("REQ/S", 6),
        Column::figure("p50", 8),
        Column::figure("p95", 0),
        Column::figure("TTFT", 5),
        Column::figure("ERRORS", 2),
        Column::figure("TOKENS", 4),
        Column::figure("COST", 1),
        Column::figure("CACHE", 7),
    ]);
    for m in models {
        table.push(vec![
            text::name(&m.model).into(),
            text::name(&m.provider).into(),
            number::count(m.numbers.requests.into()).into(),
            m.requests_per_second.map_or_else(|| style.none().to_owned(), |r| number::figure(r, Unit::Count)).into(),
            ms(m.numbers.latency_ms.p50, style).into(),
            ms(m.numbers.latency_ms.p95, style).into(),
            ms(m.ttft_avg_ms, style).into(),
            ratio(m.numbers.error_rate, style).into(),
            number::count(i128::try_from(m.tokens).unwrap_or(i128::MAX)).into(),
            money(m.numbers.cost, style).into(),
            ratio(m.hit_rate, style).into(),
        ]);
    }
    table.draw(style)
}

fn dropped(view: &StatusView) -> u64 {
    view.upkeep.dropped.iter().map(|(_, n)| n).sum()
}

/// The lines under the table: what is wrong, cache, limits, and what it all rests on.
fn facts(view: &StatusView, style: &Style) -> String {
    const INDENT: usize = 10;
    let mut out = String::new();
    for p in view.data.iter().filter(|p| matches!(p.state, State::Degraded | State::Down)) {
        let (sign, role) = sign(p.state, style);
        let provider = text::clip(&text::name(&p.provider), PROVIDER_MAX, style);
        let why = format!("{sign} {provider}: {}", p.reasons.join(", "));
        for (i, part) in text::wrap(&why, style.drawn().saturating_sub(INDENT)).iter().enumerate() {
            let name = text::pad(if i == 0 { "WHY" } else { "" }, INDENT, false);
            out += &format!("{}{}\n", style.paint(Role::Dim, &name), style.paint(role, part));
        }
    }
    let mut line = |name: &str, role: Role, facts: &[String]| {
        let body = text::flow(facts, style.dot(), INDENT, &Style { width: style.drawn(), ..*style });
        let name = style.paint(Role::Dim, &text::pad(name, INDENT, false));
        let mut lines = body.lines();
        let first = text::clip(lines.next().unwrap_or_default(), style.drawn().saturating_sub(INDENT), style);
        out += &format!("{name}{}\n", style.paint(role, &first));
        for more in lines {
            out += &format!("{more}\n");
        }
    };
    for (i, alert) in view.alerts.iter().enumerate() {
        let (mark, role) = alerts::sign(alert.severity, style);
        let id = alert.id.get(..ALERT_ID).unwrap_or(&alert.id);
        let what = format!("{id}  {mark} {}", alerts::rule_text(&alert.rule, &alert.labels));
        let mut numbers = alerts::value_text(alert, style);
        // A whole condition has no place here; `alerts show` has it.
        if alert.compared.is_some() {
            numbers += &format!(" {}", alerts::bound_text(alert, style));
        }
        let quiet = alerts::quiet(alert).map(|word| format!("{word}, ")).unwrap_or_default();
        let since = format!("{quiet}firing {}", when::ago(view.generated_at.since(alert.since)));
        let role = if alert.is_loud() { role } else { Role::Dim };
        line(if i == 0 { "ALERTS" } else { "" }, role, &[what, numbers, since]);
    }
    for (i, (role, facts)) in budgets::status_lines(&view.budgets, INDENT, style).iter().enumerate() {
        line(if i == 0 { "BUDGET" } else { "" }, *role, facts);
    }
    let mut both = Vec::new();
    if let Some(cache) = &view.cache {
        let saved = number::money(cache.saved_today);
        both.push(format!("{} hit, saved {saved} today", ratio(cache.hit_rate, style)));
    }
    if !both.is_empty() {
        line("CACHE", Role::Plain, &both);
    }
    if let Some(limit) = &view.rate_limit {
        let share = ratio(limit.denied_rate, style);
        line(
            "LIMITS",
            Role::Plain,
            &[format!(
                "{share} denied ({} of {})",
                number::count(limit.denied.into()),
                number::count((limit.allowed + limit.denied).into())
            )],
        );
    }
    let mut data = vec![format!(
        "{} event{} in range",
        number::count(view.events.into()),
        if view.events == 1 { "" } else { "s" }
    )];
    if let Some(newest) = view.newest {
        data.push(format!("newest {} ago", when::ago(view.range.range.end.since(newest))));
    }
    data.push(format!("{} dropped", number::count(dropped(view).into())));
    if view.total.unpriced > 0 {
        data.push(format!("{} unpriced", number::count(view.total.unpriced.into())));
    }
    line("DATA", Role::Plain, &data);
    for (reason, n) in &view.upkeep.dropped {
        line("DROPPED", Role::Warn, &[format!("{} because of {reason}", number::count((*n).into()))]);
    }
    out
}

/// Longest name in a next step.
const NEXT_NAME_MAX: usize = 32;

/// What to type next, for what this screen shows.
fn next(view: &StatusView, style: &Style) -> String {
    // The busiest of the worst: `max_by_key` takes the last of equals.
    let worst = view.data.iter().rev().max_by_key(|p| match p.state {
        State::Down => 3,
        State::Degraded => 2,
        State::Healthy => 1,
        State::Idle => 0,
    });
    let command = style.command();
    let mut facts = Vec::new();
    if let Some(p) = worst {
        let metric = if p.failing { "error_rate" } else { "latency" };
        // A name that would need quoting, or fills the line, is left to the reader.
        let plain = (1..=NEXT_NAME_MAX).contains(&p.provider.len())
            && p.provider.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        let only = if plain { format!(" --provider {}", p.provider) } else { String::new() };
        facts.push(format!("{command} metrics {metric}{only}"));
    }
    facts.push(format!("{command} costs"));
    // A command that is cut is of no use: it gets a line of its own before that.
    let longest = facts.iter().map(|f| text::width(f)).max().unwrap_or(0);
    let (lead, indent) = if longest + 6 > style.drawn() { ("Next:\n  ", 2) } else { ("Next: ", 6) };
    let body =
        text::flow(&facts, style.dot(), indent, &Style { width: style.drawn().saturating_sub(indent), ..*style });
    style.paint(Role::Dim, &format!("{lead}{}", body.trim_end())) + "\n"
}
