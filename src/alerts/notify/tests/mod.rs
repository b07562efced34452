//! Deliveries to receivers on this machine that behave badly, and what a crash leaves behind.

mod deliveries;
mod http;
mod mail;
mod outbox;
mod server;

use std::time::Duration;

use ax_storage::Store;
use ax_storage::time::{Timestamp, Zone};

use super::*;
use crate::alerts::{Notification, Severity, Told};
use crate::metric::Number;

/// A time to count from.
const NOW: Timestamp = Timestamp::from_millis(1_763_320_500_000);

/// `a` fires, `-a` is over, for `channels`.
fn notification(word: &str, channels: &[&str]) -> Notification {
    Notification {
        id: word.trim_start_matches('-').to_owned(),
        rule: "slow".into(),
        labels: vec![("provider".into(), "openai".into())],
        severity: Severity::Warning,
        state: if word.starts_with('-') { Told::Resolved } else { Told::Firing },
        value: Some(Number::Float(2150.0)),
        threshold: Some(Number::Float(2000.0)),
        unit: "ms".into(),
        condition: "latency p95 > 2s".into(),
        since_ms: NOW.millis(),
        at_ms: NOW.millis(),
        reason: None,
        channels: channels.iter().map(|c| (*c).to_owned()).collect(),
    }
}

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_or_create(dir.path(), &Zone::utc(), NOW).unwrap();
    (dir, store)
}

fn queue(store: &Store, words: &str, channels: &[&str], now: Timestamp) {
    let all: Vec<Notification> = words.split_whitespace().map(|word| notification(word, channels)).collect();
    store.write_tables(|t| enqueue(t, &all, now)).unwrap();
}

fn webhook(name: &str, url: String) -> Channel {
    let hook = Webhook { url: Secret::new(url), format: Format::Alertmanager, secret: None };
    Channel { name: name.into(), kind: ChannelKind::Webhook(hook) }
}

/// Long enough for a busy machine, short enough for a test that waits it out.
const SHORT: Duration = Duration::from_millis(300);
