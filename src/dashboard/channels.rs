//! The channels and how deliveries to them went.

use std::collections::BTreeMap;

use ax_storage::time::Timestamp;
use serde::Serialize;

use super::{Time, Warning};
use crate::alerts::notify::{Channel, Pace, Standing};

/// All channels.
#[derive(Clone, Debug, Serialize)]
pub struct ChannelsView {
    schema: &'static str,
    generated_at: Time,
    /// By name, those of the settings first.
    pub data: Vec<ChannelView>,
    /// What a user should know.
    pub warnings: Vec<Warning>,
}

/// How a channel stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelState {
    /// The last delivery arrived.
    Ok,
    /// The last one did not.
    Failing,
    /// Nothing was delivered yet.
    Unused,
    /// Something is, or was, for a channel that the settings do not have.
    Missing,
}

/// One channel.
#[derive(Clone, Debug, Serialize)]
pub struct ChannelView {
    /// As rules name it.
    pub name: String,
    /// What it is; `None` = it is not in the settings.
    #[serde(rename = "type")]
    pub kind: Option<&'static str>,
    /// Where it goes, without secrets.
    pub target: Option<String>,
    /// How it stands.
    pub state: ChannelState,
    /// Notifications that wait.
    pub waiting: usize,
    /// Tries that the most tried of them has behind it.
    pub tries: u32,
    /// Tries there are.
    pub tries_max: u32,
    /// When the next of those goes out.
    pub next_try: Option<Time>,
    /// The last delivery.
    pub last_delivery: Option<Time>,
    /// The last failure.
    pub last_failure: Option<Time>,
    /// Why it failed, until a delivery arrives.
    pub last_error: Option<String>,
    /// Failures since the last delivery.
    pub failures: u32,
    /// Notifications delivered.
    pub delivered: u64,
    /// Notifications given up.
    pub lost: u64,
}

impl ChannelsView {
    /// The channels of the settings, and those that only the store knows.
    pub fn new(channels: &[Channel], mut standings: BTreeMap<String, Standing>, now: Timestamp) -> Self {
        // What is for all channels waits under a name that none can have, until one of them is delivered to.
        let of_all = |name: &str| !crate::alerts::notify::is_name(name);
        let for_all: usize = standings.iter().filter(|(name, _)| of_all(name)).map(|(_, s)| s.waiting).sum();
        standings.retain(|name, _| !of_all(name));
        let mut data: Vec<ChannelView> = channels
            .iter()
            .map(|channel| {
                let mut standing = standings.remove(&channel.name).unwrap_or_default();
                standing.waiting += for_all;
                ChannelView::new(&channel.name, Some(channel), standing)
            })
            .collect();
        data.extend(standings.into_iter().map(|(name, standing)| {
            // It is there without being set up.
            let terminal = Channel { name: name.clone(), kind: crate::alerts::notify::ChannelKind::Terminal };
            ChannelView::new(&name, (name == "terminal").then_some(&terminal), standing)
        }));
        Self { schema: "ax.monitor.channels/1", generated_at: Time(now), data, warnings: Vec::new() }
    }
}

impl ChannelView {
    fn new(name: &str, channel: Option<&Channel>, standing: Standing) -> Self {
        let Standing { record, waiting, tries, next_try } = standing;
        let state = match () {
            () if channel.is_none() => ChannelState::Missing,
            () if record.failures > 0 => ChannelState::Failing,
            () if record.last_delivery.is_some() => ChannelState::Ok,
            () => ChannelState::Unused,
        };
        let time = |ms: Option<u64>| ms.map(|ms| Time(Timestamp::from_millis(ms)));
        Self {
            name: name.to_owned(),
            kind: channel.map(Channel::kind_name),
            target: channel.map(Channel::target),
            state,
            waiting,
            tries,
            tries_max: Pace::default().tries,
            next_try: time(next_try),
            last_delivery: time(record.last_delivery),
            last_failure: time(record.last_failure),
            last_error: Some(record.last_error).filter(|error| !error.is_empty()),
            failures: record.failures,
            delivered: record.delivered,
            lost: record.lost,
        }
    }
}
