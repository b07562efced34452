//! What `serve` prints about messages: those for the terminal, and how the others fared.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use ax_storage::clock::Clock;
use serde::Serialize;

use crate::aggregator::Pass;
use crate::alerts::notify::{Desk, Message, Report, SendError, body, lines, subject};
use crate::alerts::{Outcome, Told};
use crate::error::escaped;
use crate::words::visible_json;

/// Transitions that are remembered as printed: those of the last minutes.
const PRINTED_MAX: usize = 1000;

/// Prints for a courier, from its threads.
#[derive(Clone)]
pub(super) struct Log {
    json: bool,
    clock: Arc<dyn Clock>,
    /// Episodes and whether they are over, whose transition a pass of this process printed already.
    printed: Arc<Mutex<VecDeque<(String, bool)>>>,
}

/// A message or its fate, as JSON.
#[derive(Serialize)]
struct View<'a> {
    schema: &'static str,
    generated_at: String,
    event: &'static str,
    channel: &'a str,
    subject: String,
    attempt: u32,
    tries: Option<u32>,
    lost: u64,
    error: Option<String>,
    elapsed_ms: Option<u64>,
    ids: Vec<&'a str>,
}

impl Log {
    pub(super) fn new(json: bool, clock: Arc<dyn Clock>) -> Self {
        Self { json, clock, printed: Arc::default() }
    }

    /// Remembers what the line of a pass tells.
    pub(super) fn note(&self, pass: &Pass) {
        if self.json {
            return;
        }
        let mut printed = self.printed.lock().unwrap_or_else(PoisonError::into_inner);
        for change in &pass.alerts.changes {
            match change.what.outcome {
                Outcome::Firing => printed.push_back((change.what.id.clone(), false)),
                Outcome::Resolved | Outcome::NoData => printed.push_back((change.what.id.clone(), true)),
                _ => {}
            }
        }
        let excess = printed.len().saturating_sub(PRINTED_MAX);
        printed.drain(..excess);
    }

    fn is_printed(&self, id: &str, over: bool) -> bool {
        let printed = self.printed.lock().unwrap_or_else(PoisonError::into_inner);
        printed.iter().any(|(other, was_over)| other == id && *was_over == over)
    }

    fn line(&self, text: &str) -> std::io::Result<()> {
        let time = self.clock.now().to_string()[..19].replace('T', " ");
        let mut out = std::io::stdout().lock();
        writeln!(out, "{time}  {text}").and_then(|()| out.flush())
    }

    fn json_line(&self, text: String) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", visible_json(text)).and_then(|()| out.flush())
    }

    fn fate(&self, report: &Report) -> std::io::Result<()> {
        let (message, attempt) = match report {
            Report::Delivered { message, attempt, .. } | Report::Failed { message, attempt, .. } => (message, *attempt),
            Report::Trouble(_) => return Ok(()),
        };
        let mut view = View {
            schema: "ax.monitor.delivery/1",
            generated_at: self.clock.now().to_string(),
            event: "delivered",
            channel: &message.channel,
            subject: subject(message),
            attempt,
            tries: None,
            lost: 0,
            error: None,
            elapsed_ms: None,
            ids: message.items.iter().map(|item| item.notification.id.as_str()).collect(),
        };
        match report {
            Report::Delivered { took, .. } => view.elapsed_ms = u64::try_from(took.as_millis()).ok(),
            Report::Failed { tries, error, lost, .. } => {
                view.event = "failed";
                (view.tries, view.lost, view.error) = (Some(*tries), *lost, Some(error.to_string()));
            }
            Report::Trouble(_) => {}
        }
        match self.json {
            true => self.json_line(serde_json::to_string(&view).unwrap_or_default()),
            false => self.line(&sentence(&view)),
        }
    }
}

/// `ops: delivered FIRING warning: slow`, `ops: try 2 of 5 failed: …`.
fn sentence(view: &View<'_>) -> String {
    let channel = escaped(view.channel);
    match (&view.error, view.tries) {
        (Some(error), Some(tries)) if view.lost > 0 => {
            format!("{channel}: gave up after {} of {tries} tries: {error}; {}", view.attempt, view.subject)
        }
        (Some(error), Some(tries)) => {
            format!("{channel}: try {} of {tries} failed: {error}; {}", view.attempt, view.subject)
        }
        _ if view.attempt > 1 => format!("{channel}: delivered at try {}: {}", view.attempt, view.subject),
        _ => format!("{channel}: delivered {}", view.subject),
    }
}

impl Desk for Log {
    fn print(&self, message: &Message) -> Result<(), SendError> {
        let done = if self.json {
            self.json_line(body(message, Default::default()))
        } else {
            let over = |told: Told| told == Told::Resolved;
            let is_new = |at: usize| {
                let n = &message.items[at].notification;
                n.state == Told::Reminder || !self.is_printed(&n.id, over(n.state))
            };
            let mut lines = lines(message).into_iter().enumerate().filter(|(at, _)| is_new(*at));
            lines.try_for_each(|(_, line)| self.line(&line))
        };
        done.map_err(|_| SendError::Unable("nobody reads the output any more"))
    }

    fn has_terminal(&self) -> bool {
        true
    }

    fn report(&self, report: Report) {
        // Whoever closed the output learns of it at the next pass.
        let _ = match &report {
            Report::Trouble(what) => writeln!(std::io::stderr(), "warning: deliveries wait: {}", escaped(what)),
            _ => self.fate(&report),
        };
    }
}
