//! The outbox: notifications that wait for delivery, in the transaction of what they tell.
//!
//! A row is written with the transition, taken with a lease by whoever delivers, and removed after
//! delivery. A process that dies in between leaves it there: every notification goes out at least
//! once, and a repeat carries the same names.

use std::collections::BTreeMap;

use ax_storage::Store;
use ax_storage::table::{Row, Table, Tables, TablesWriter};
use ax_storage::tier::db::DbError;
use ax_storage::time::{DAY_MS, Timestamp};
use bincode::{Decode, Encode};
use xxhash_rust::xxh3::xxh3_64;

use super::group::{Pace, due, ms};
use super::message::{Item, Message};
use crate::alerts::{Notification, Told};

/// Rows by channel, in the order they were queued.
const OUTBOX: Table<Queued> = Table::new("notify_outbox");
/// How deliveries went, by channel.
const RECORDS: Table<Record> = Table::new("notify_channels");
/// Episodes whose beginning went out, by channel and hash of the id; value: when, in ms.
const FIRED: Table<u64> = Table::new("notify_fired");

/// Notifications that wait for one channel; the oldest make place for new ones.
const WAITING_MAX: usize = 1000;
/// An episode without an end is forgotten after so long.
const FIRED_MS_MAX: u64 = 90 * DAY_MS;
/// Longest error that is kept, in characters.
const ERROR_MAX: usize = 200;
/// Rows of notifications that name no channel: for all there are, which only a deliverer knows.
const ALL: &str = "*";

/// A notification that waits.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Queued {
    /// What it says.
    pub notification: Notification,
    /// When it was queued, ms since 1970.
    pub queued: u64,
    /// Failed tries so far.
    pub tries: u32,
    /// Not before this, ms since 1970.
    pub next_try: u64,
    /// Somebody delivers it and will say so before this, ms since 1970; 0 = nobody does.
    pub leased_until: u64,
}

/// How deliveries to a channel went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Record {
    /// The last message that was begun, ms since 1970.
    pub last_message: Option<u64>,
    /// The last delivery, ms since 1970.
    pub last_delivery: Option<u64>,
    /// The last failure, ms since 1970.
    pub last_failure: Option<u64>,
    /// What it was.
    pub last_error: String,
    /// Failures since the last delivery.
    pub failures: u32,
    /// Notifications delivered.
    pub delivered: u64,
    /// Notifications given up: after the last try, or too old, or too many.
    pub lost: u64,
}

/// A channel as `alerts channels` shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// How deliveries went.
    pub record: Record,
    /// Notifications that wait.
    pub waiting: usize,
    /// Most tries that a waiting one has behind it.
    pub tries: u32,
    /// When the next of those goes out, ms since 1970.
    pub next_try: Option<u64>,
}

/// A message that was taken, and the rows it is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// What to send.
    pub message: Message,
    /// Its rows.
    numbers: Vec<u64>,
    /// Which try this is, from 1.
    pub attempt: u32,
}

/// What was taken, and when to look again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claim {
    /// One message at most for each channel.
    pub batches: Vec<Batch>,
    /// When there may be more, as far as is known.
    pub next: Option<Timestamp>,
}

/// Queues `notifications` for their channels, inside the transaction that changes their state.
///
/// # Errors
/// The database.
pub fn enqueue(t: &mut TablesWriter<'_>, notifications: &[Notification], now: Timestamp) -> Result<(), DbError> {
    let mut by_channel: BTreeMap<&str, Vec<&Notification>> = BTreeMap::new();
    for notification in notifications {
        let named = notification.channels.iter().map(String::as_str);
        for channel in named.chain(notification.channels.is_empty().then_some(ALL)) {
            by_channel.entry(channel).or_default().push(notification);
        }
    }
    for (channel, notifications) in by_channel {
        append(t, channel, &notifications, now.millis(), now)?;
    }
    Ok(())
}

fn append(
    t: &mut TablesWriter<'_>,
    channel: &str,
    notifications: &[&Notification],
    queued: u64,
    now: Timestamp,
) -> Result<(), DbError> {
    let waiting = t.of(&OUTBOX, channel)?;
    // Numbers only grow, also when the outbox was empty in between: a row is its number for ever.
    let first = (now.millis() << 12).max(waiting.last().map_or(0, |row| row.number + 1));
    let excess = (waiting.len() + notifications.len()).saturating_sub(WAITING_MAX);
    let oldest: Vec<u64> = waiting.iter().take(excess).map(|row| row.number).collect();
    lose(t, channel, &oldest)?;
    for (number, notification) in (first..).zip(notifications) {
        let row = Queued { notification: (*notification).clone(), queued, tries: 0, next_try: queued, leased_until: 0 };
        t.put(&OUTBOX, channel, number, &row)?;
    }
    Ok(())
}

/// Hands what is for all channels to each of `channels`.
fn spread(t: &mut TablesWriter<'_>, channels: &[&str], now: Timestamp) -> Result<(), DbError> {
    for row in t.of(&OUTBOX, ALL)? {
        for channel in channels {
            append(t, channel, &[&row.value.notification], row.value.queued, now)?;
        }
        t.remove(&OUTBOX, ALL, row.number)?;
    }
    Ok(())
}

/// Takes what is due for those of `channels` that have something, each with a lease.
///
/// # Errors
/// The database.
pub fn claim(store: &Store, channels: &[&str], pace: &Pace, now: Timestamp) -> Result<Claim, DbError> {
    // A look costs microseconds, a transaction milliseconds: there is mostly nothing to do.
    let (idle, next) = store.read_tables(|t| {
        if channels.is_empty() || !t.of(&OUTBOX, ALL)?.is_empty() {
            return Ok((channels.is_empty(), None));
        }
        let mut next: Option<Timestamp> = None;
        for channel in channels {
            let (_, plan) = plan(t, channel, pace, now)?;
            if !plan.is_idle() {
                return Ok::<_, DbError>((false, None));
            }
            next = earlier(next, plan.next);
        }
        Ok((true, next))
    })?;
    if idle {
        return Ok(Claim { batches: Vec::new(), next });
    }
    store.write_tables(|t| {
        spread(t, channels, now)?;
        let mut claim = Claim::default();
        for channel in channels {
            let (batch, next) = take(t, channel, pace, now)?;
            claim.batches.extend(batch);
            claim.next = earlier(claim.next, next);
        }
        Ok(claim)
    })
}

fn earlier(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

type Planned = (Vec<Row<Queued>>, super::group::Plan);

fn plan(t: &Tables<'_>, channel: &str, pace: &Pace, now: Timestamp) -> Result<Planned, DbError> {
    let rows = t.of(&OUTBOX, channel)?;
    if rows.is_empty() {
        return Ok(Default::default());
    }
    let record = t.get(&RECORDS, channel, 0)?.unwrap_or_default();
    let mut fired = std::collections::HashSet::new();
    for row in rows.iter().filter(|row| row.value.notification.state == Told::Resolved) {
        let id = row.value.notification.id.as_str();
        if t.get(&FIRED, channel, xxh3_64(id.as_bytes()))?.is_some() {
            fired.insert(id);
        }
    }
    let plan = due(&rows, &record, |id| fired.contains(id), now, pace);
    Ok((rows, plan))
}

fn take(
    t: &mut TablesWriter<'_>,
    channel: &str,
    pace: &Pace,
    now: Timestamp,
) -> Result<(Option<Batch>, Option<Timestamp>), DbError> {
    let (rows, plan) = plan(t, channel, pace, now)?;
    for at in plan.needless {
        t.remove(&OUTBOX, channel, rows[at].number)?;
    }
    let expired: Vec<u64> = plan.expired.iter().map(|at| rows[*at].number).collect();
    lose(t, channel, &expired)?;
    if plan.send.is_empty() {
        return Ok((None, plan.next));
    }
    let mut batch = Batch {
        message: Message { channel: channel.to_owned(), items: Vec::new(), test: false },
        numbers: Vec::new(),
        attempt: 1,
    };
    for at in plan.send {
        let Row { number, value, .. } = &rows[at];
        let leased = Queued { leased_until: now.millis() + ms(pace.lease), ..value.clone() };
        t.put(&OUTBOX, channel, *number, &leased)?;
        batch.attempt = batch.attempt.max(value.tries + 1);
        batch.numbers.push(*number);
        let notification = value.notification.clone();
        batch.message.items.push(Item { delivery: format!("{}-{number:x}", notification.id), notification });
    }
    update(t, channel, |record| record.last_message = Some(now.millis()))?;
    Ok((Some(batch), plan.next))
}

/// Writes down how the delivery of `batch` ended. `jitter` in 0..1 spreads the next try.
///
/// # Errors
/// The database.
pub fn settle(
    store: &Store,
    batch: &Batch,
    outcome: Result<(), &str>,
    pace: &Pace,
    jitter: f64,
    now: Timestamp,
) -> Result<Settled, DbError> {
    store.write_tables(|t| match outcome {
        Ok(()) => delivered(t, batch, now),
        Err(error) => failed(t, batch, error, pace, jitter, now),
    })
}

/// What became of a message's notifications.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// They will be tried again.
    pub kept: u64,
    /// They were given up.
    pub lost: u64,
}

fn delivered(t: &mut TablesWriter<'_>, batch: &Batch, now: Timestamp) -> Result<Settled, DbError> {
    let channel = batch.message.channel.as_str();
    for (number, item) in batch.numbers.iter().zip(&batch.message.items) {
        t.remove(&OUTBOX, channel, *number)?;
        let id = xxh3_64(item.notification.id.as_bytes());
        match item.notification.state {
            Told::Firing | Told::Reminder => t.put(&FIRED, channel, id, &now.millis())?,
            Told::Resolved => {
                t.remove(&FIRED, channel, id)?;
            }
        }
    }
    for row in t.of(&FIRED, channel)? {
        if now.since(Timestamp::from_millis(row.value)) > FIRED_MS_MAX {
            t.remove(&FIRED, channel, row.number)?;
        }
    }
    update(t, channel, |record| {
        record.last_delivery = Some(now.millis());
        record.failures = 0;
        record.last_error.clear();
        record.delivered += batch.numbers.len() as u64;
    })?;
    Ok(Settled::default())
}

fn failed(
    t: &mut TablesWriter<'_>,
    batch: &Batch,
    error: &str,
    pace: &Pace,
    jitter: f64,
    now: Timestamp,
) -> Result<Settled, DbError> {
    let channel = batch.message.channel.as_str();
    let mut settled = Settled::default();
    for number in &batch.numbers {
        // It is gone when another process, after our lease ended, delivered it.
        let Some(row) = t.get(&OUTBOX, channel, *number)? else { continue };
        let tries = row.tries + 1;
        if tries >= pace.tries {
            settled.lost += 1;
            lose(t, channel, &[*number])?;
        } else {
            settled.kept += 1;
            let next_try = now.plus_ms(pace.backoff_ms(tries, jitter)).millis();
            t.put(&OUTBOX, channel, *number, &Queued { tries, next_try, leased_until: 0, ..row })?;
        }
    }
    update(t, channel, |record| {
        record.last_failure = Some(now.millis());
        record.failures = record.failures.saturating_add(1);
        record.last_error = error.chars().take(ERROR_MAX).collect();
    })?;
    Ok(settled)
}

/// Gives a message back that was not sent, or of which that is not known: it goes out at once again.
///
/// # Errors
/// The database.
pub fn release(store: &Store, batch: &Batch) -> Result<(), DbError> {
    let channel = batch.message.channel.as_str();
    store.write_tables(|t| {
        for number in &batch.numbers {
            if let Some(row) = t.get(&OUTBOX, channel, *number)? {
                t.put(&OUTBOX, channel, *number, &Queued { leased_until: 0, ..row })?;
            }
        }
        update(t, channel, |record| record.last_message = None)
    })
}

/// How every channel stands that ever had something to send, by name.
///
/// # Errors
/// The database.
pub fn standings(store: &Store) -> Result<BTreeMap<String, Standing>, DbError> {
    store.read_tables(|t| {
        let mut all: BTreeMap<String, Standing> = BTreeMap::new();
        for row in t.all(&RECORDS)? {
            all.entry(row.name).or_default().record = row.value;
        }
        for Row { name, value, .. } in t.all(&OUTBOX)? {
            let standing = all.entry(name).or_default();
            standing.waiting += 1;
            if value.tries > 0 {
                standing.tries = standing.tries.max(value.tries);
                standing.next_try = Some(standing.next_try.map_or(value.next_try, |t| t.min(value.next_try)));
            }
        }
        Ok(all)
    })
}

fn update(t: &mut TablesWriter<'_>, channel: &str, change: impl FnOnce(&mut Record)) -> Result<(), DbError> {
    let mut record = t.get(&RECORDS, channel, 0)?.unwrap_or_default();
    change(&mut record);
    t.put(&RECORDS, channel, 0, &record)
}

fn lose(t: &mut TablesWriter<'_>, channel: &str, numbers: &[u64]) -> Result<(), DbError> {
    for number in numbers {
        t.remove(&OUTBOX, channel, *number)?;
    }
    match numbers.len() {
        0 => Ok(()),
        n => update(t, channel, |record| record.lost += n as u64),
    }
}
