//! Notifications as sentences, for people: the same words in every channel.

use super::message::{Item, Message};
use crate::alerts::{Notification, Told};
use crate::metric::{Number, thousands};
use crate::words::escaped;

/// Longest reason or condition in a sentence, in characters: chat services cut whole messages.
const PART_MAX: usize = 400;

/// One line that sums a message up: `FIRING warning: slow` or `3 alerts: 2 firing, 1 resolved`.
pub fn subject(message: &Message) -> String {
    let mark = if message.test { "[TEST] " } else { "" };
    match message.items.as_slice() {
        [item] => format!("{mark}{}", headline(&item.notification)),
        items => {
            let firing = items.iter().filter(|item| item.notification.state != Told::Resolved).count();
            format!("{mark}{} alerts: {firing} firing, {} resolved", items.len(), items.len() - firing)
        }
    }
}

/// A line an alert: what, which group, value, condition, reason, id.
pub fn lines(message: &Message) -> Vec<String> {
    let mark = if message.test { "[TEST] " } else { "" };
    message.items.iter().map(|item| format!("{mark}{}", line(item))).collect()
}

fn headline(n: &Notification) -> String {
    let group = match n.labels.is_empty() {
        true => String::new(),
        false => format!(" ({})", labels(n)),
    };
    match n.state {
        Told::Firing => format!("FIRING {}: {}{group}", n.severity, escaped(&n.rule)),
        Told::Reminder => format!("STILL FIRING {}: {}{group}", n.severity, escaped(&n.rule)),
        Told::Resolved => format!("RESOLVED: {}{group}", escaped(&n.rule)),
    }
}

fn line(item: &Item) -> String {
    let n = &item.notification;
    let mut text = headline(n);
    if let Some(value) = n.value {
        text.push_str(&format!(" · {}", figure(value, &n.unit)));
        if let Some(threshold) = n.threshold {
            text.push_str(&format!(" (limit {})", figure(threshold, &n.unit)));
        }
    }
    text.push_str(&format!(" · {}", short(&n.condition)));
    if let Some(reason) = &n.reason {
        text.push_str(&format!(" · {}", short(reason)));
    }
    text.push_str(&format!(" · {}", escaped(&n.id)));
    text
}

/// `provider=openai, model=gpt-4`.
fn labels(n: &Notification) -> String {
    n.labels.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect::<Vec<_>>().join(", ")
}

fn short(text: &str) -> String {
    let text = escaped(text);
    match text.char_indices().nth(PART_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

/// A value in a unit, whole and short: `2.15 s`, `$425.67`, `4.7 %`.
pub fn figure(value: Number, unit: &str) -> String {
    if let (Number::Whole(n), "count" | "") = (value, unit) {
        return thousands(n);
    }
    let value = value.to_f64();
    let sign = if value < 0.0 { "-" } else { "" };
    let size = value.abs();
    match unit {
        "ms" if size >= 1000.0 => format!("{sign}{:.2} s", size / 1000.0),
        "ms" => format!("{sign}{} ms", plain(size)),
        "usd" if size >= 0.01 || size == 0.0 => format!("{sign}${size:.2}"),
        "usd" => format!("{sign}${}", plain(size)),
        "ratio" => format!("{sign}{} %", plain(size * 100.0)),
        "change" => format!("{}{} %", if value > 0.0 { "+" } else { sign }, plain(size * 100.0)),
        "1/s" => format!("{sign}{}/s", plain(size)),
        "count" | "" => format!("{sign}{}", plain(size)),
        other => format!("{sign}{} {}", plain(size), escaped(other)),
    }
}

/// At least two digits that count, and no zeros behind them.
fn plain(size: f64) -> String {
    let digits = match size {
        s if s >= 100.0 || s == 0.0 => 0,
        s if s >= 1.0 => 1,
        s if s >= 0.01 => 3,
        _ => 9,
    };
    let text = format!("{size:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short_and_none_is_rounded_away() {
        for (value, unit, text) in [
            (2150.0, "ms", "2.15 s"),
            (640.0, "ms", "640 ms"),
            (425.67, "usd", "$425.67"),
            (0.0042, "usd", "$0.0042"),
            (0.047, "ratio", "4.7 %"),
            (0.0002, "ratio", "0.02 %"),
            (-0.1, "change", "-10 %"),
            (0.31, "change", "+31 %"),
            (20.0, "count", "20"),
            (14_760.0, "count", "14760"),
            (4.1, "1/s", "4.1/s"),
            (0.0, "ms", "0 ms"),
            (3.0, "tokens", "3 tokens"),
        ] {
            assert_eq!(figure(Number::Float(value), unit), text);
        }
        assert_eq!(figure(Number::Whole(14_760), "count"), "14,760");
    }
}
