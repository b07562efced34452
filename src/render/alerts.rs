//! Alerts as text.

use ax_storage::time::{MINUTE_MS, Timestamp};

use super::channels;
use super::table::{Cell, Column, Table};
use super::{Role, Style, banner, edges, number, sparkline, text, when};
use crate::alerts::{Evidence, Severity, duration};
use crate::dashboard::{
    AlertNumbers, AlertShownView, AlertView, AlertsView, HistoryView, RulesView, TestedView, Value, ValueUnit,
};
use crate::metric::Number;

/// Where text of a comment stands under its alert.
const INDENT: usize = 5;

/// Value and threshold in their unit.
pub fn alert_numbers(numbers: &AlertNumbers, style: &Style) -> (String, String) {
    (in_unit(numbers.value, &numbers.unit, style), in_unit(numbers.threshold, &numbers.unit, style))
}

fn in_unit(value: Option<Number>, unit: &ValueUnit, style: &Style) -> String {
    number::value(value.map(Value::Number), unit, style)
}

/// The sign of a severity, and its colour.
pub(super) const fn sign(severity: Severity, style: &Style) -> (&'static str, Role) {
    match severity {
        Severity::Info => (style.sign("●", "*"), Role::Line),
        Severity::Warning => (style.sign("▲", "!"), Role::Warn),
        Severity::Critical => (style.sign("✖", "X"), Role::Bad),
    }
}

/// `p95 2.15 s`, `too few (7/20)`.
pub(super) fn value_text(alert: &AlertView, style: &Style) -> String {
    if let Some((have, want)) = alert.evidence.too_few {
        return format!("too few ({have}/{want})");
    }
    let (value, _) = alert_numbers(&AlertNumbers::of(&alert.evidence), style);
    match &alert.compared {
        Some((name, _)) => format!("{name} {value}"),
        None => value,
    }
}

/// `> 2 s for 5m`, `> 3.9 % (baseline * 3)`; the whole condition where it is no comparison.
pub(super) fn bound_text(alert: &AlertView, style: &Style) -> String {
    let Some((_, op)) = &alert.compared else { return text::name(&alert.condition) };
    let threshold = threshold_text(alert, style);
    let basis = alert.basis.as_ref().map(|b| format!(" ({})", text::name(b))).unwrap_or_default();
    let hold = if alert.hold_ms > 0 { format!(" for {}", duration(alert.hold_ms)) } else { String::new() };
    format!("{op} {threshold}{basis}{hold}")
}

/// What a value is compared with: as it was written, or in short where it was calculated.
fn threshold_text(alert: &AlertView, style: &Style) -> String {
    let AlertNumbers { threshold, unit, .. } = AlertNumbers::of(&alert.evidence);
    match (threshold, &alert.compared, &alert.basis) {
        (Some(threshold), Some(_), None) => number::written(threshold, &unit),
        _ => in_unit(threshold, &unit, style),
    }
}

/// `openai-latency`, with its group behind it.
pub(super) fn rule_text(rule: &str, labels: &[(String, String)]) -> String {
    let labels: Vec<String> = labels.iter().map(|(_, value)| text::name(value)).collect();
    if labels.is_empty() { text::name(rule) } else { format!("{}: {}", text::name(rule), labels.join(", ")) }
}

/// `firing`, `acked`, `silenced`, `pending`, `no data`, `resolved`.
fn state_text(alert: &AlertView) -> &'static str {
    match alert.state {
        "firing" => quiet(alert).unwrap_or("firing"),
        "no_data" => "no data",
        other => other,
    }
}

/// Why what fires is not told.
pub(super) fn quiet(alert: &AlertView) -> Option<&'static str> {
    let silenced = alert.silenced.as_ref().map(|_| "silenced");
    silenced.or_else(|| alert.acknowledged.as_ref().map(|_| "acked"))
}

/// `7 min`, `2 h`: how long before `now`.
fn age(since: Timestamp, now: Timestamp) -> String {
    when::ago(now.since(since))
}

/// The list of alerts.
pub fn alerts(view: &AlertsView, style: &Style) -> String {
    let mut out = banner(style);
    let right = view
        .judged
        .map_or_else(|| "not judged yet".to_owned(), |t| format!("judged {} ago", age(t, view.generated_at)));
    out += &edges((Role::Title, &headline(view, style)), (Role::Dim, &right), style);
    if !view.data.is_empty() {
        out += "\n";
        out += &list(view, style);
        out += &explained(view, style);
    }
    let (on, off) = view.rules;
    let rules = match (on, off) {
        (0, 0) => vec![
            "No rules yet.".to_owned(),
            format!("{} alerts create makes one,", style.command()),
            format!("{} alerts test tries one.", style.command()),
        ],
        _ => vec![format!("{} rule{}: {on} on, {off} off", on + off, if on + off == 1 { "" } else { "s" })],
    };
    let mut told: Vec<String> = view.channels.iter().map(|c| channels::brief(c, &view.zone, style)).collect();
    if let Some(first) = told.first_mut() {
        *first = format!("channels: {first}");
        told = vec![text::flow(&told, style.dot(), 2, style)];
    }
    out + "\n" + &text::flow(&rules, " ", 0, style) + &told.concat()
}

fn headline(view: &AlertsView, style: &Style) -> String {
    let count = |is: &dyn Fn(&AlertView) -> bool| view.data.iter().filter(|a| is(a)).count();
    let loud = count(&AlertView::is_loud);
    let mut parts = Vec::new();
    if loud > 0 {
        let by = |s: Severity| (count(&|a| a.is_loud() && a.severity == s), s);
        let by = [Severity::Critical, Severity::Warning, Severity::Info].map(by);
        let words: Vec<String> = by.iter().filter(|(n, _)| *n > 0).map(|(n, s)| format!("{n} {s}")).collect();
        parts.push(format!("{loud} firing ({})", words.join(", ")));
    }
    type Is<'a> = &'a dyn Fn(&AlertView) -> bool;
    let others: [(&str, Is<'_>); 5] = [
        ("acknowledged", &|a| state_text(a) == "acked"),
        ("silenced", &|a| state_text(a) == "silenced"),
        ("pending", &|a| a.state == "pending"),
        ("without data", &|a| a.state == "no_data"),
        ("resolved", &|a| a.state == "resolved"),
    ];
    for (word, is) in others {
        let n = count(is);
        if n > 0 {
            parts.push(format!("{n} {word}"));
        }
    }
    if parts.is_empty() { "Nothing fires".to_owned() } else { parts.join(style.dot()) }
}

fn list(view: &AlertsView, style: &Style) -> String {
    let digits = view.digits();
    let mut table = Table::new(vec![
        Column::word("ID", 0),
        Column::word("SEVERITY", 2),
        Column::name("RULE"),
        Column::word("STATE", 0),
        Column::figure("SINCE", 3),
        Column::word("VALUE", 0),
        Column { drop: 1, ..Column::sentence("CONDITION") },
    ]);
    for alert in &view.data {
        let (mark, role) = sign(alert.severity, style);
        let loud = alert.is_loud();
        table.push(vec![
            alert.id.get(..digits).filter(|_| alert.noted).unwrap_or(style.none()).into(),
            Cell::new(if loud { role } else { Role::Dim }, format!("{mark} {}", alert.severity)),
            rule_text(&alert.rule, &alert.labels).into(),
            Cell::new(if loud { role } else { Role::Plain }, state_text(alert)),
            age(alert.since, view.generated_at).into(),
            value_text(alert, style).into(),
            bound_text(alert, style).into(),
        ]);
    }
    let said = std::iter::once(String::new()).chain(view.data.iter().map(|alert| said(alert, view, style)));
    table.draw_rows(style).into_iter().zip(said).map(|(row, said)| row + &said).collect()
}

/// What somebody said of an alert.
fn said(alert: &AlertView, view: &AlertsView, style: &Style) -> String {
    let quoted =
        |comment: &str| if comment.is_empty() { String::new() } else { format!(": \"{}\"", text::name(comment)) };
    let mut out = String::new();
    if let Some((until, comment)) = &alert.silenced {
        let silenced = if state_text(alert) == "silenced" { "" } else { "silenced " };
        out += &format!("{silenced}until {}{}", when::clock(*until, &view.zone), quoted(comment));
    }
    if let Some(comment) = alert.acknowledged.as_ref().filter(|c| !c.is_empty()) {
        out += &format!("{}acknowledged{}", if out.is_empty() { "" } else { ", " }, quoted(comment));
    }
    if out.is_empty() {
        return out;
    }
    let room = style.drawn().saturating_sub(INDENT);
    format!("{}{}\n", " ".repeat(INDENT), style.paint(Role::Dim, &text::clip(&out, room, style)))
}

fn explained(view: &AlertsView, style: &Style) -> String {
    let firing = || view.data.iter().filter(|a| !a.id.is_empty() && a.is_firing());
    let Some(first) = firing().find(|a| a.noted) else {
        let how = format!("{} tick does, and gives it an id.", style.command());
        let waits = text::flow(&["No pass has noted it yet:".to_owned(), how], " ", 0, style);
        return firing().next().map(|_| "\n".to_owned() + &waits).unwrap_or_default();
    };
    let id = first.id.get(..view.digits()).unwrap_or(&first.id);
    let mut out = "\n".to_owned();
    if let Some(why) = &view.why {
        let parts = parts(why);
        if !parts.is_empty() {
            let mut facts = vec![format!("{id}  why: {}", parts[0])];
            facts.extend_from_slice(&parts[1..]);
            out += &text::flow(&facts, ", ", INDENT, style);
        }
    }
    let commands =
        [format!("{} alerts show {id}", style.command()), format!("ack {id}"), format!("silence {id} --for 2h")];
    let body = text::flow(&commands, " | ", INDENT, &Style { width: style.drawn().saturating_sub(INDENT), ..*style });
    out += &format!("{}{}\n", " ".repeat(INDENT), style.paint(Role::Dim, body.trim_end()));
    out
}

/// `61 % of the rise is model=gpt-4-turbo (was 12 %)`.
fn parts(why: &crate::alerts::Why) -> Vec<String> {
    let part = |(i, p): (usize, &crate::alerts::Part)| {
        let of = if i == 0 { " of the rise" } else { "" };
        let was = p.before.map(|b| format!(" (was {})", number::percent(b))).unwrap_or_default();
        format!("{}{of} is {}={}{was}", number::percent(p.share), p.label, text::name(&p.value))
    };
    why.parts.iter().enumerate().map(part).collect()
}

/// One alert, explained.
pub fn alert(view: &AlertShownView, style: &Style) -> String {
    let a = &view.alert;
    let mut out = banner(style);
    let (mark, _) = sign(a.severity, style);
    let title = format!("{mark} {}", rule_text(&a.rule, &a.labels));
    let right = format!("{}{}{}", a.id, style.dot(), state_text(a));
    out += &edges((Role::Title, &title), (Role::Dim, &right), style);
    out += "\n";
    let mut line = |name: &str, facts: &[String]| {
        const NAME: usize = 11;
        let body = text::flow(facts, style.dot(), NAME, style);
        out += &format!("{}{body}", style.paint(Role::Dim, &text::pad(name, NAME, false)));
    };
    line("Condition", &[text::name(&a.condition)]);
    let (value, _) = alert_numbers(&AlertNumbers::of(&a.evidence), style);
    let threshold = threshold_text(a, style);
    let mut now = vec![match &a.compared {
        Some((name, op)) => format!("{name} {value}, threshold {op} {threshold}"),
        None => format!("{value}, threshold {threshold}"),
    }];
    now.extend(basis(&a.evidence));
    line(if a.end.is_some() { "At the end" } else { "Now" }, &now);
    let since = format!("{} ({} ago)", when::moment(a.since, &view.zone), age(a.since, view.generated_at));
    let end = a.end.map(|end| format!("until {}", when::moment(end, &view.zone)));
    line("Since", &std::iter::once(since).chain(end).collect::<Vec<_>>());
    if let Some((until, comment)) = &a.silenced {
        let until = format!("until {}", when::moment(*until, &view.zone));
        line("Silenced", &[until, text::name(comment)][..if comment.is_empty() { 1 } else { 2 }]);
    }
    if let Some(comment) = &a.acknowledged {
        line("Acked", &[if comment.is_empty() { "yes".to_owned() } else { text::name(comment) }]);
    }
    let parts = parts(&view.why);
    if !parts.is_empty() {
        line("Why", &parts);
    }
    if view.why.trend.iter().any(Option::is_some) {
        let columns = style.drawn().saturating_sub(30).clamp(8, 48);
        let drawn = sparkline(&view.why.trend, columns, style);
        line("Last hours", &[format!("{drawn}  {}", when::ago(view.why.trend_ms))]);
    }
    if !view.history.is_empty() {
        out += "\n";
        for e in &view.history {
            let reason = e.reason.filter(|r| *r != "over").map(|r| format!(" ({r})")).unwrap_or_default();
            let comment =
                if e.comment.is_empty() { String::new() } else { format!("  \"{}\"", text::name(&e.comment)) };
            let text_line = format!("{}  {}{reason}{comment}", when::moment(e.t, &view.zone), e.what);
            out += &format!("{}\n", text::clip(&text_line, style.drawn(), style));
        }
    }
    if !view.why.query.is_empty() {
        out += &format!(
            "\n{}\n",
            style.paint(
                Role::Dim,
                &format!("Look closer: {} metrics -q '{}' --step 5m", style.command(), view.why.query)
            )
        );
    }
    out
}

/// What a judgement rests on: counts, chance, window.
fn basis(e: &Evidence) -> Vec<String> {
    let mut out = Vec::new();
    if let Some((have, want)) = e.too_few {
        out.push(format!("too few ({have}/{want})"));
    } else if e.count > 0 {
        out.push(format!("{} event{}", number::count(e.count.into()), if e.count == 1 { "" } else { "s" }));
    }
    if let Some((hits, of)) = e.share {
        out.push(format!("{} of {} beyond", number::count(hits.into()), number::count(of.into())));
    }
    if let Some(chance) = e.chance {
        out.push(if chance == 0.0 { "p < 1e-300".to_owned() } else { format!("p {chance:.0e}") });
    }
    if e.window_ms >= MINUTE_MS {
        out.push(format!("in {}", duration(e.window_ms)));
    }
    out
}

/// All rules.
pub fn alert_rules(view: &RulesView, style: &Style) -> String {
    let mut out = banner(style);
    if view.data.is_empty() {
        return out + &format!("No rules yet. Make one: {} alerts create\n", style.command());
    }
    let mut table = Table::new(vec![
        Column::name("RULE"),
        Column::word("", 0),
        Column::word("SEVERITY", 4),
        Column { shrinks_to: Some(28), ..Column::sentence("CONDITION") },
        Column { shrinks_to: Some(8), drop: 5, ..Column::name("CHANNELS") },
        Column::word("STATE", 0),
        Column::figure("NOW", 2),
        Column::figure("7 DAYS", 3),
    ]);
    for r in &view.data {
        let (mark, role) = sign(r.rule.severity, style);
        let firing = r.state == "firing";
        let value = match r.evidence.too_few {
            Some((have, want)) => format!("too few ({have}/{want})"),
            None => alert_numbers(&AlertNumbers::of(&r.evidence), style).0,
        };
        table.push(vec![
            text::name(&r.rule.name).into(),
            Cell::new(if r.rule.enabled { Role::Good } else { Role::Dim }, if r.rule.enabled { "on" } else { "off" }),
            format!("{mark} {}", r.rule.severity).into(),
            text::name(&r.rule.condition_text()).into(),
            if r.rule.channels.is_empty() { "all".to_owned() } else { text::name(&r.rule.channels.join(", ")) }.into(),
            Cell::new(if firing { role } else { Role::Plain }, r.state.replace('_', " ")),
            value.into(),
            match r.fired {
                0 => style.none().to_owned(),
                n => format!("fired {n}"),
            }
            .into(),
        ]);
    }
    out += &table.draw(style);
    for r in &view.data {
        if let Some(problem) = &r.problem {
            out += &text::flow(
                &[format!("{} cannot be judged: {}", text::name(&r.rule.name), text::name(problem))],
                "",
                2,
                style,
            );
        }
    }
    out
}

/// What happened.
pub fn alert_history(view: &HistoryView, style: &Style) -> String {
    let mut out = banner(style);
    if view.data.is_empty() {
        return out + "No alert did anything in that time.\n";
    }
    let mut table = Table::new(vec![
        Column::word("TIME", 0),
        Column { shrinks_to: Some(8), ..Column::word("ID", 3) },
        Column::name("RULE"),
        Column::word("WHAT", 0),
        Column::figure("VALUE", 0),
        Column::figure("THRESHOLD", 2),
        Column { shrinks_to: Some(8), drop: 1, ..Column::name("COMMENT") },
    ]);
    for e in &view.data {
        let (value, threshold) = alert_numbers(&AlertNumbers::of(&e.evidence), style);
        let reason =
            e.reason.filter(|r| *r != "over").map(|r| format!(" ({})", r.replace('_', " "))).unwrap_or_default();
        let role = if e.what == "firing" { sign(e.severity, style).1 } else { Role::Plain };
        table.push(vec![
            when::moment(e.t, &view.range.zone).into(),
            e.id.clone().into(),
            rule_text(&e.rule, &e.labels).into(),
            Cell::new(role, format!("{}{reason}", e.what.replace('_', " "))),
            value.into(),
            threshold.into(),
            text::name(&e.comment).replace("(none)", "").into(),
        ]);
    }
    out += &table.draw(style);
    out
}

/// What a rule would have done.
pub fn alert_tested(view: &TestedView, style: &Style) -> String {
    let replay = &view.replay;
    let n = replay.episodes.len();
    let times = match n {
        0 => "would not have fired".to_owned(),
        1 => "would have fired once".to_owned(),
        n => format!("would have fired {n} times"),
    };
    let mut out = banner(style);
    let condition = text::name(&view.rule.condition_text());
    let span = when::window(view.range.range.start, view.range.range.end, &view.range.zone);
    out += &edges((Role::Title, &condition), (Role::Plain, &times), style);
    let mut facts = vec![span, format!("{} minutes judged", number::count(replay.minutes.into()))];
    if let Some(from) = replay.known_from {
        facts.push(format!("kept by the minute from {} on", when::moment(from, &view.range.zone)));
    }
    out += &style.paint(Role::Dim, &text::flow(&facts, style.dot(), 0, style));
    if n == 0 {
        return out;
    }
    out += "\n";
    let mut table = Table::new(vec![
        Column::word("FIRED", 0),
        Column::figure("FOR", 0),
        Column { drop: 4, ..Column::name("GROUP") },
        Column::figure("PEAK", 0),
        Column::figure("AGAINST", 1),
        Column::figure("EVENTS", 2),
        Column::figure("p", 3),
    ]);
    for e in &replay.episodes {
        let unit = ValueUnit::named(&e.evidence.unit);
        let end = e.end.unwrap_or(view.range.range.end);
        let lasted = format!("{}{}", when::ago(end.since(e.fired)), if e.end.is_none() { "+" } else { "" });
        let labels: Vec<String> = e.labels.iter().map(|(_, value)| text::name(value)).collect();
        let counts = match e.evidence.share {
            Some((hits, of)) => format!("{} of {}", number::count(hits.into()), number::count(of.into())),
            None => number::count(e.evidence.count.into()),
        };
        table.push(vec![
            when::moment(e.fired, &view.range.zone).into(),
            lasted.into(),
            labels.join(", ").into(),
            in_unit(e.peak, &unit, style).into(),
            in_unit(e.evidence.threshold, &unit, style).into(),
            counts.into(),
            e.evidence.chance.map_or_else(|| style.none().to_owned(), |p| format!("{p:.0e}")).into(),
        ]);
    }
    table.drop_empty(style);
    out + &table.draw(style)
}
