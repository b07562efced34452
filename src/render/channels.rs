//! The channels as a table, with the reasons of failures below.

use ax_storage::time::{Timestamp, Zone};

use super::table::{Cell, Column, Table};
use super::{Role, Style, text, when};
use crate::dashboard::{ChannelState, ChannelView, ChannelsView, Time};

/// A row a channel.
pub fn channels(view: &ChannelsView, now: Timestamp, zone: &Zone, style: &Style) -> String {
    if view.data.is_empty() {
        let words = "No channels: what fires is printed by serve only. `ax monitor config path` says where to add a \
                     [[channel]]; `config init` writes examples.";
        return text::words(words, 0, style);
    }
    let mut table = Table::new(vec![
        Column::name("CHANNEL"),
        Column::word("TYPE", 3),
        Column::word("STATE", 0),
        Column::figure("DELIVERED", 4),
        Column::word("LAST", 2),
        Column::figure("WAITING", 1),
        Column { shrinks_to: Some(12), drop: 5, ..Column::name("TO") },
    ]);
    for channel in &view.data {
        let (role, state) = state(channel, style);
        let last = channel.last_delivery.as_ref();
        let last = last.map(|Time(t)| format!("{} ago", when::ago(now.since(*t)))).unwrap_or(style.none().to_owned());
        table.push(vec![
            text::name(&channel.name).into(),
            channel.kind.unwrap_or(style.none()).into(),
            Cell::new(role, state),
            super::number::count(channel.delivered.into()).into(),
            last.into(),
            super::number::count(i128::try_from(channel.waiting).unwrap_or(i128::MAX)).into(),
            text::name(channel.target.as_deref().unwrap_or(style.none())).into(),
        ]);
    }
    let mut out = table.draw(style);
    for channel in &view.data {
        out += &reasons(channel, zone, style);
    }
    out
}

/// `ops ok 10:00`, `mail failing, retry 2/5`.
pub(super) fn brief(channel: &ChannelView, zone: &Zone, style: &Style) -> String {
    let (_, state) = state(channel, style);
    let last = channel.last_delivery.as_ref().filter(|_| channel.state == ChannelState::Ok);
    let at = last.map(|Time(t)| format!(" {}", when::clock(*t, zone))).unwrap_or_default();
    format!("{} {state}{at}", text::name(&channel.name))
}

fn state(channel: &ChannelView, style: &Style) -> (Role, String) {
    match channel.state {
        ChannelState::Ok => (Role::Good, "ok".to_owned()),
        ChannelState::Unused => (Role::Dim, "not used yet".to_owned()),
        ChannelState::Missing => (Role::Bad, format!("{} not set up", style.sign("✖", "x"))),
        ChannelState::Failing if channel.tries > 0 => {
            let next = (channel.tries + 1).min(channel.tries_max);
            (Role::Warn, format!("{} failing, retry {next}/{}", style.sign("▲", "!"), channel.tries_max))
        }
        ChannelState::Failing => (Role::Bad, format!("{} failed", style.sign("✖", "x"))),
    }
}

fn reasons(channel: &ChannelView, zone: &Zone, style: &Style) -> String {
    let mut parts = Vec::new();
    if let Some(error) = &channel.last_error {
        let at =
            channel.last_failure.as_ref().map(|Time(t)| format!(" at {}", when::moment(*t, zone))).unwrap_or_default();
        parts.push(format!("{}{at}", text::name(error)));
    }
    if let Some(Time(next)) = channel.next_try {
        parts.push(format!("next try {}", when::moment(next, zone)));
    }
    if channel.lost > 0 {
        parts.push(format!("{} given up so far", super::number::count(channel.lost.into())));
    }
    if channel.state == ChannelState::Missing && channel.waiting > 0 {
        parts.push("a rule names it, the settings do not; what waits goes after a day".to_owned());
    }
    if parts.is_empty() {
        return String::new();
    }
    let words = format!("{}: {}", text::name(&channel.name), parts.join(" · "));
    let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
    text::flow(&words, " ", 2, style)
}
