//! A guard that times one call and records it when it ends, however it ends.

use std::cell::Cell;
use std::time::Duration;

use ax_storage::clock::Stopwatch;
use ax_storage::event::{Event, NanoUsd, Outcome, Request, Tokens};

use super::Collector;

/// A call under way, made by [`Collector::start`]. End it with [`Call::ok`] or [`Call::error`];
/// a guard that is dropped unfinished (an early return, a panic, a cancelled future) records an
/// error `abandoned`.
#[must_use = "dropping it at once records an abandoned call"]
pub struct Call<'a> {
    collector: Collector,
    provider: &'a str,
    model: &'a str,
    user: Cell<&'a str>,
    service_tier: Cell<&'a str>,
    started: Stopwatch,
    ttft: Cell<Option<Duration>>,
    tokens: Cell<Tokens>,
    cost: Cell<Option<NanoUsd>>,
    finished: bool,
}

impl<'a> Call<'a> {
    pub(super) fn new(collector: Collector, provider: &'a str, model: &'a str) -> Self {
        Self {
            collector,
            provider,
            model,
            user: Cell::new(""),
            service_tier: Cell::new(""),
            started: Stopwatch::start(),
            ttft: Cell::new(None),
            tokens: Cell::new(Tokens::default()),
            cost: Cell::new(None),
            finished: false,
        }
    }

    /// Says who caused the call.
    pub fn user(&self, user: &'a str) -> &Self {
        self.user.set(user);
        self
    }

    /// Says in which service tier it runs.
    pub fn service_tier(&self, tier: &'a str) -> &Self {
        self.service_tier.set(tier);
        self
    }

    /// Notes the time to the first token; later calls change nothing.
    pub fn first_token(&self) {
        if self.ttft.get().is_none() {
            self.ttft.set(Some(self.started.elapsed()));
        }
    }

    /// Sets the token counts.
    pub fn tokens(&self, tokens: Tokens) {
        self.tokens.set(tokens);
    }

    /// Sets what the call cost; otherwise it is priced from the price list.
    pub fn cost(&self, cost: NanoUsd) {
        self.cost.set(Some(cost));
    }

    /// Records success.
    pub fn ok(self) {
        self.end(Outcome::Ok);
    }

    /// Records a failure of this kind (`rate_limited`, `timeout` …).
    pub fn error(self, kind: &str) {
        self.end(Outcome::Error(kind));
    }

    fn end(mut self, outcome: Outcome<'_>) {
        self.finished = true;
        self.record(outcome);
    }

    fn record(&self, outcome: Outcome<'_>) {
        self.collector.record(&Event::Request(Request {
            ts: None,
            provider: self.provider,
            model: self.model,
            user: self.user.get(),
            latency: Some(self.started.elapsed()),
            ttft: self.ttft.get(),
            tokens: self.tokens.get(),
            cost: self.cost.get(),
            outcome,
            service_tier: self.service_tier.get(),
        }));
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if !self.finished {
            self.record(Outcome::Error("abandoned"));
        }
    }
}
