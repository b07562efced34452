//! What of one channel's outbox goes out now, and when to look again: pure, the time is passed in.
//!
//! The first message goes at once; what follows within the group wait is collected into the next.
//! A failed row waits for its own next try and holds back nothing but later turns of its episode.

use std::collections::HashSet;
use std::time::Duration;

use ax_storage::table::Row;
use ax_storage::time::{HOUR_MS, Timestamp};

use super::outbox::{Queued, Record};
use crate::alerts::Told;

/// Notifications in one message: receivers bound their bodies.
const MESSAGE_ITEMS_MAX: usize = 100;
/// A notification that could not even be tried for so long is of no use any more.
const KEPT_MS: u64 = 24 * HOUR_MS;

/// How fast things go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// After a message, what follows within this time is collected.
    pub group_wait: Duration,
    /// Tries for each notification.
    pub tries: u32,
    /// Wait after the first failure; each further one is four times as long.
    pub first_retry: Duration,
    /// A process that took a message and says nothing for so long is taken for dead.
    pub lease: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            group_wait: Duration::from_secs(30),
            tries: 5,
            // 15 s, 1 min, 4 min, 16 min: a receiver may be away for 20 minutes.
            first_retry: Duration::from_secs(15),
            lease: Duration::from_secs(30),
        }
    }
}

impl Pace {
    /// The wait after `tries` failures; `jitter` in 0..1 spreads it by a quarter to both sides.
    pub fn backoff_ms(&self, tries: u32, jitter: f64) -> u64 {
        let plain = ms(self.first_retry).saturating_mul(4_u64.saturating_pow(tries.saturating_sub(1)));
        let spread = plain / 2;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let part = (spread as f64 * jitter.clamp(0.0, 1.0)) as u64;
        plain.saturating_sub(spread / 2).saturating_add(part)
    }

    fn backoff_ms_max(&self) -> u64 {
        self.backoff_ms(self.tries, 1.0)
    }
}

/// What to do with a channel's rows: indices into them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// These make the next message.
    pub send: Vec<usize>,
    /// Nobody could send these in time.
    pub expired: Vec<usize>,
    /// Ends of episodes whose beginning never went out: nobody waits for them.
    pub needless: Vec<usize>,
    /// When there may be more to do, if rows remain.
    pub next: Option<Timestamp>,
}

impl Plan {
    /// Nothing to write.
    pub fn is_idle(&self) -> bool {
        self.send.is_empty() && self.expired.is_empty() && self.needless.is_empty()
    }
}

/// Plans for the rows of one channel, in the order they were queued. `fired` says whether the
/// beginning of an episode went out.
pub fn due(rows: &[Row<Queued>], record: &Record, fired: impl Fn(&str) -> bool, now: Timestamp, pace: &Pace) -> Plan {
    let mut plan = Plan::default();
    if let Some(lease) = rows.iter().filter_map(|row| lease_left(&row.value, now, pace)).max() {
        plan.next = Some(now.plus_ms(lease));
        return plan;
    }
    let quiet_ms = left(record.last_message, now, ms(pace.group_wait));
    let mut seen = HashSet::new();
    for (at, Row { value: row, .. }) in rows.iter().enumerate() {
        let id = row.notification.id.as_str();
        if now.since(Timestamp::from_millis(row.queued)) >= KEPT_MS {
            plan.expired.push(at);
            continue;
        }
        if !seen.insert(id) {
            continue;
        }
        if row.notification.state == Told::Resolved && !fired(id) {
            plan.needless.push(at);
            continue;
        }
        let wait_ms = match row.tries {
            0 => quiet_ms,
            // A clock that was set back must not keep it for ever.
            _ => row.next_try.saturating_sub(now.millis()).min(pace.backoff_ms_max()),
        };
        if wait_ms == 0 && plan.send.len() < MESSAGE_ITEMS_MAX {
            plan.send.push(at);
        } else if wait_ms > 0 {
            let then = now.plus_ms(wait_ms);
            plan.next = Some(plan.next.map_or(then, |next| next.min(then)));
        }
    }
    plan
}

/// What is left of a wait of `wait_ms` that began at `from`; 0 for a beginning in the future.
fn left(from: Option<u64>, now: Timestamp, wait_ms: u64) -> u64 {
    match from {
        Some(from) if from <= now.millis() => wait_ms.saturating_sub(now.millis() - from),
        _ => 0,
    }
}

fn lease_left(row: &Queued, now: Timestamp, pace: &Pace) -> Option<u64> {
    let left = row.leased_until.saturating_sub(now.millis());
    (1..=ms(pace.lease)).contains(&left).then_some(left)
}

/// Whole milliseconds of a duration.
pub(super) fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::{Notification, Severity};

    const PACE: Pace = Pace {
        group_wait: Duration::from_secs(30),
        tries: 5,
        first_retry: Duration::from_secs(15),
        lease: Duration::from_secs(30),
    };
    const NOW: u64 = 1_763_320_500_000;

    /// `a` fires, `-a` is resolved, `a!2@5` failed twice and is due in 5 s, `a^9` is leased for 9 s more.
    fn rows(text: &str) -> Vec<Row<Queued>> {
        let number = |word: &str, sign: char| -> u64 {
            word.split_once(sign).map_or(0, |(_, n)| n.split(['!', '@', '^', '~']).next().unwrap().parse().unwrap())
        };
        text.split_whitespace()
            .enumerate()
            .map(|(at, word)| {
                let id = word.trim_start_matches('-').split(['!', '@', '^', '~']).next().unwrap();
                let state = if word.starts_with('-') { Told::Resolved } else { Told::Firing };
                let notification = Notification {
                    id: id.into(),
                    rule: "r".into(),
                    labels: vec![],
                    severity: Severity::Warning,
                    state,
                    value: None,
                    threshold: None,
                    unit: String::new(),
                    condition: String::new(),
                    since_ms: NOW,
                    at_ms: NOW,
                    reason: None,
                    channels: vec![],
                };
                let value = Queued {
                    notification,
                    queued: NOW - number(word, '~') * HOUR_MS,
                    tries: u32::try_from(number(word, '!')).unwrap(),
                    next_try: NOW + number(word, '@') * 1000,
                    leased_until: match number(word, '^') {
                        0 => 0,
                        s => NOW + s * 1000,
                    },
                };
                Row { name: "c".into(), number: at as u64, value }
            })
            .collect()
    }

    /// The plan as `send / expired / needless / seconds to the next look`.
    fn check(text: &str, last_message_s: Option<u64>, fired: &str, expected: &str) {
        let record = Record { last_message: last_message_s.map(|s| NOW - s * 1000), ..Record::default() };
        let fired = |id: &str| fired.split_whitespace().any(|f| f == id);
        let plan = due(&rows(text), &record, fired, Timestamp::from_millis(NOW), &PACE);
        let list = |l: &[usize]| l.iter().map(usize::to_string).collect::<Vec<_>>().join(" ");
        let next = plan.next.map_or("-".to_owned(), |t| ((t.millis() - NOW) / 1000).to_string());
        let found = format!("{} / {} / {} / {next}", list(&plan.send), list(&plan.expired), list(&plan.needless));
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn what_fires_together_goes_together_and_the_first_at_once() {
        check("", None, "", " /  /  / -");
        check("a b c", None, "", "0 1 2 /  /  / -");
        check("a", Some(30), "", "0 /  /  / -");
        check("a b", Some(10), "", " /  /  / 20");
    }

    #[test]
    fn a_turn_waits_for_the_one_before_it() {
        check("a -a b", None, "", "0 2 /  /  / -");
        check("a!1@5 -a b", None, "", "2 /  /  / 5");
        check("-a", None, "a", "0 /  /  / -");
    }

    #[test]
    fn an_end_without_a_beginning_is_not_sent() {
        check("-a b", None, "", "1 /  / 0 / -");
    }

    #[test]
    fn tries_wait_for_their_time_and_others_pass_them() {
        check("a!2@90", None, "", " /  /  / 90");
        check("a!2@0 b", None, "", "0 1 /  /  / -");
        check("a!1@60 b!3@20", Some(1), "", " /  /  / 20");
    }

    #[test]
    fn what_another_process_holds_is_left_to_it() {
        check("a^9 b", None, "", " /  /  / 9");
        // A lease from a clock far ahead is none.
        check("a^900", None, "", "0 /  /  / -");
    }

    #[test]
    fn what_nobody_could_send_for_a_day_is_dropped() {
        check("a~24 b~23", None, "", "1 / 0 /  / -");
    }

    #[test]
    fn waits_grow_fourfold_and_are_spread_by_a_quarter() {
        let waits = |jitter| [1, 2, 3, 4].map(|tries| PACE.backoff_ms(tries, jitter));
        assert_eq!(waits(0.5), [15_000, 60_000, 240_000, 960_000]);
        assert_eq!(waits(0.0)[0], 11_250);
        assert_eq!(waits(1.0)[0], 18_750);
        assert!(PACE.backoff_ms(u32::MAX, 1.0) > 0);
    }
}
