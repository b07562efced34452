//! Advice as text: what to do and what it saves, the arithmetic, and what is taken for granted.

use super::costs::{about, wrapped};
use super::{Role, Style, banner, edges, number, text, when};
use crate::costs::advice::{Advice, Class, DAYS_MIN, Kind, SHARES, Sure};
use crate::dashboard::{AdviceView, assumption};

/// Columns that the arithmetic stands in from the left.
const INDENT: usize = 4;

/// The screen.
pub fn advice(view: &AdviceView, style: &Style) -> String {
    let zone = &view.range.zone;
    let mut head = "ADVICE".to_owned();
    if view.days > 0 {
        let end = when::moment(view.range.range.end, zone);
        head = format!("ADVICE  {} to {end}", days(view.days));
        let spent = format!("{head}, {} spent", number::money(view.spent));
        if text::width(&spent) <= style.drawn() {
            head = spent;
        }
    }
    let mut out = banner(style) + &edges((Role::Title, &head), (Role::Dim, zone.name()), style);
    if !view.is_long_enough() {
        let words =
            format!("Nothing is said of less than {DAYS_MIN} complete days with calls; there are {}.", view.days);
        return out + "\n" + &wrapped(&[words], 0, style);
    }
    if view.data.is_empty() {
        let words = "Nothing here costs more than it has to, as far as these calls and the price lists show.";
        return out + "\n" + &wrapped(&[words.to_owned()], 0, style);
    }
    for (place, advice) in view.data.iter().enumerate() {
        out += "\n";
        out += &block(place + 1, advice, view.days, style);
    }
    if view.saving().0 > 0 {
        let apart = view.data.iter().any(|a| matches!(a.kind, Kind::ResponseCache { .. }));
        let words = format!(
            "Up to {} a month less in all{}: of several for the same calls only the greatest counts.",
            about(view.saving()),
            if apart { ", cached answers apart" } else { "" }
        );
        out += "\n";
        out += &style.paint(Role::Title, &wrapped(&[words], 0, style));
    }
    out
}

fn days(n: u32) -> String {
    format!("{n} day{}", if n == 1 { "" } else { "s" })
}

fn block(place: usize, advice: &Advice, over: u32, style: &Style) -> String {
    let month = about(advice.saving);
    let saving = match advice.kind {
        Kind::Growth { .. } => format!("{month} a month more"),
        _ => format!("saves {month} a month"),
    };
    let title = format!("{place:>2}  {}", what(advice, style));
    let mut out = edges((Role::Title, &title), (Role::Good, &saving), style);
    if out.lines().count() > 1 {
        let under = out.lines().skip(1).map(|line| format!("{}{line}\n", " ".repeat(INDENT)));
        out = out.lines().take(1).map(|line| format!("{line}\n")).chain(under).collect();
    }
    let mut lines = basis(advice, over, style);
    let sure = match advice.sure {
        Sure::Calculated => "calculated from these calls",
        Sure::AtLeast => "at least that",
        Sure::Depends => "not sure",
    };
    lines.push(format!("{sure}; if {}", crate::error::escaped(&assumption(advice))));
    for line in lines {
        out += &" ".repeat(INDENT);
        out += &wrapped(&[line], INDENT, style);
    }
    out
}

/// What to do, or to look at.
fn what(advice: &Advice, style: &Style) -> String {
    let to = style.sign("→", "->");
    let (provider, model, user) = (text::name(&advice.provider), text::name(&advice.model), text::name(&advice.user));
    match &advice.kind {
        Kind::CheaperModel { instead, class, .. } => {
            let class = if *class == Class::Smaller { ", smaller" } else { "" };
            format!("{model} {to} {instead}{class}")
        }
        Kind::OtherProvider { instead, .. } => format!("{model}: {provider} {to} {}", text::name(instead)),
        Kind::PromptCache { .. } => format!("cache more of the prompts of {model}"),
        Kind::ResponseCache { life_ms, .. } => format!("keep cached answers for {}", when::ago(*life_ms)),
        Kind::PaidFailures => format!("failed calls of {model}"),
        Kind::Growth { .. } if advice.user.is_empty() => format!("{model} costs more than usual"),
        Kind::Growth { .. } => format!("user {user} costs more than usual"),
    }
}

/// The arithmetic.
fn basis(advice: &Advice, over: u32, style: &Style) -> Vec<String> {
    let money = number::money;
    let calls = format!("{} calls", number::count(advice.calls.into()));
    let cost = format!("{calls} cost {} in {}", money(advice.spent), days(over));
    let shares = || {
        let part = |(percent, saving): (i128, _)| match percent {
            100 => format!("all {}", money(saving)),
            _ => format!("{percent} % {}", money(saving)),
        };
        let parts: Vec<String> = SHARES.into_iter().zip(advice.shares).map(part).collect();
        format!("of the calls {} less a month", parts.join(", "))
    };
    match &advice.kind {
        Kind::CheaperModel { .. } => {
            vec![format!("{cost}; the same tokens there: {}", money(advice.would_be)), shares()]
        }
        Kind::OtherProvider { calls: served, instead, .. } => {
            let there = format!("{} served {} calls", text::name(instead), number::count((*served).into()));
            vec![format!("{cost}; the same tokens there: {}; {there}", money(advice.would_be)), shares()]
        }
        Kind::PromptCache { share, other, reached } => {
            let percent = |part: f64| number::percent(part);
            vec![
                format!(
                    "{} of its input came from the cache, {} of {}'s",
                    percent(*share),
                    percent(*reached),
                    text::name(other)
                ),
                format!("{cost}; with as much cached: {}", money(advice.would_be)),
            ]
        }
        Kind::ResponseCache { found, curve, .. } => {
            let rate = |(ms, rate): &(u64, f64)| format!("{} {}", when::ago(*ms), number::percent(*rate));
            let curve: Vec<String> = curve.iter().map(rate).collect();
            vec![
                format!(
                    "{} of look-ups hit; by life of an entry: {}",
                    number::percent(*found),
                    curve.join(style.dot())
                ),
                format!("{} more hits would have saved {}", number::count(advice.calls.into()), money(advice.spent)),
            ]
        }
        Kind::PaidFailures => vec![format!("{calls} failed and cost {} in {}", money(advice.spent), days(over))],
        Kind::Growth { week, usual, highest, weeks } => vec![format!(
            "{} in the last 7 days, usually {} (at most {} in the {weeks} weeks before)",
            money(*week),
            money(*usual),
            money(*highest)
        )],
    }
}
