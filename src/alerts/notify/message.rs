//! The message that notifications make, and the name of each copy on its way.

use ax_storage::time::Timestamp;

use crate::alerts::{Notification, Severity, Told};
use crate::metric::Number;

/// One notification on its way, with the name of this very copy of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// The same at every try, so that a receiver can drop a repeat.
    pub delivery: String,
    /// What it says.
    pub notification: Notification,
}

/// What one channel gets at once.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// The channel's name.
    pub channel: String,
    /// In order; never two turns of one episode.
    pub items: Vec<Item>,
    /// Sent by `channels test`, not by a rule.
    pub test: bool,
}

impl Message {
    /// A marked message that says nothing but that the channel works.
    pub fn test(channel: &str, now: Timestamp) -> Self {
        let notification = Notification {
            id: format!("test-{:x}", now.millis()),
            rule: "test".to_owned(),
            labels: Vec::new(),
            severity: Severity::Info,
            state: Told::Firing,
            value: Some(Number::Whole(1)),
            threshold: Some(Number::Whole(0)),
            unit: "count".to_owned(),
            condition: "test > 0".to_owned(),
            since_ms: now.millis(),
            at_ms: now.millis(),
            reason: Some("a test of this channel; nothing is wrong".to_owned()),
            channels: vec![channel.to_owned()],
        };
        let item = Item { delivery: notification.id.clone(), notification };
        Self { channel: channel.to_owned(), items: vec![item], test: true }
    }

    /// Firing while anything in it is.
    pub fn state(&self) -> &'static str {
        let firing = self.items.iter().map(|item| item.notification.state).find(|told| *told != Told::Resolved);
        firing.unwrap_or(Told::Resolved).word()
    }

    /// The worst severity in it.
    pub fn severity(&self) -> Severity {
        self.items.iter().map(|item| item.notification.severity).max().unwrap_or(Severity::Info)
    }
}
