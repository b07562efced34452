//! What a metric usually is at this time of day, and how far it usually strays from that.
//!
//! The level is the median of the same hour of day over the last 7 days (the same hour of the same
//! weekday once there are 3 weeks), corrected half-way towards the level of the last 24 hours: a
//! service that has grown since is neither judged by last week alone nor by today alone. The scale
//! is the greatest of three: the median absolute deviation, what 98 % of all deviations stay
//! within, and 2 % of the level; so that neither one wild hour nor a constant series spoil it.

use ax_storage::time::{DAY_MS, HOUR_MS, TimeRange, Timestamp};

use super::robust::{SD_IN_MAD, median, quantile};
use super::{Point, Unknown};
use crate::calendar::Calendar;

/// Shortest history to compare with.
pub const HISTORY_MIN_MS: u64 = DAY_MS;

/// Fewest events to compare with.
pub const EVENTS_MIN: u64 = 100;

/// How far back points serve, at most.
pub const REACH_MS: u64 = 28 * DAY_MS;

const WEEK_MS: u64 = 7 * DAY_MS;

/// History from which on weekdays are told apart.
const WEEKDAYS_FROM_MS: u64 = 3 * WEEK_MS;

/// An hour with fewer values borrows those of the hours beside it.
const VALUES_MIN: usize = 3;

/// Smallest scale as a part of the level.
const SCALE_MIN: f64 = 0.02;

/// The deviation that 98 % stay within, in scales.
const SCALES_IN_Q98: f64 = 2.5;

/// The usual value at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Baseline {
    /// In the metric's unit.
    pub level: f64,
    /// A usual deviation, above or below, in the metric's unit. Never negative.
    pub scale: f64,
    /// Events behind it.
    pub events: u64,
}

/// The baseline at `at`, from the points before it, whose order does not matter.
///
/// # Errors
/// With less than a day of history or 100 events.
pub fn baseline(past: &[Point], at: Timestamp, calendar: &Calendar<'_>) -> Result<Baseline, Unknown> {
    Ok(Profile::new(past, at, calendar)?.at(at, calendar))
}

/// A past, ready to give its level at several times.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    slots: Slots,
    /// The usual value of each slot.
    usual: Vec<f64>,
    shift: f64,
    scale: f64,
    events: u64,
}

impl Profile {
    /// The past before `end`, by the hours of `calendar`.
    ///
    /// # Errors
    /// With less than a day of history or 100 events.
    pub fn new(past: &[Point], end: Timestamp, calendar: &Calendar<'_>) -> Result<Self, Unknown> {
        let before = || past.iter().filter(|p| p.t < end && end.since(p.t) <= REACH_MS);
        // What was before the first event is no zero, but nothing.
        let first = before().filter(|p| p.count > 0).map(|p| p.t).min().ok_or(Unknown::NoData)?;
        let have_ms = end.since(first);
        if have_ms < HISTORY_MIN_MS {
            return Err(Unknown::ShortHistory { have_ms, need_ms: HISTORY_MIN_MS });
        }
        let slots = Slots { weekdays: have_ms >= WEEKDAYS_FROM_MS };
        let reach_ms = if slots.weekdays { REACH_MS } else { WEEK_MS };
        let used = || before().filter(|p| p.t >= first && end.since(p.t) <= reach_ms);
        let events = used().fold(0_u64, |sum, p| sum.saturating_add(p.count));
        if events < EVENTS_MIN {
            return Err(Unknown::FewEvents { have: events, need: EVENTS_MIN });
        }
        let values: Vec<Value> = used()
            .filter_map(|p| {
                Some(Value { slot: slots.of(p.t, calendar), recent: end.since(p.t) <= DAY_MS, value: p.known()? })
            })
            .collect();
        let usual = slots.usual(&values).ok_or(Unknown::NoData)?;
        let off = |v: &Value| v.value - usual[v.slot];
        let mut recent: Vec<f64> = values.iter().filter(|v| v.recent).map(off).collect();
        let shift = median(&mut recent).unwrap_or(0.0) / 2.0;
        let scale = scale(values.iter().map(off).collect());
        Ok(Self { slots, usual, shift, scale, events })
    }

    /// What is added to the usual value of an hour: half of what the last day lies above it.
    pub const fn shift(&self) -> f64 {
        self.shift
    }

    /// The baseline at `t`, by the calendar that it was made with.
    pub fn at(&self, t: Timestamp, calendar: &Calendar<'_>) -> Baseline {
        let level = self.usual[self.slots.of(t, calendar)] + self.shift;
        Baseline { level, scale: self.scale.max(SCALE_MIN * level.abs()), events: self.events }
    }

    /// The baseline of a window. One of up to an hour lies in two hours of the day at most and is weighed by
    /// them; a longer one is told by its start, as those of the past were.
    pub fn over(&self, window: TimeRange, calendar: &Calendar<'_>) -> Baseline {
        let first = self.at(window.start, calendar);
        let length_ms = window.millis();
        let local = calendar.local(window.start);
        let gone_ms = (u64::from(local.minute().unsigned_abs()) * 60 + u64::from(local.second().unsigned_abs())) * 1000;
        let inside_ms = HOUR_MS.saturating_sub(gone_ms);
        if length_ms > HOUR_MS || length_ms <= inside_ms {
            return first;
        }
        let next = self.at(window.start.plus_ms(inside_ms), calendar);
        let part = inside_ms as f64 / length_ms as f64;
        let weigh = |a: f64, b: f64| a * part + b * (1.0 - part);
        Baseline { level: weigh(first.level, next.level), scale: weigh(first.scale, next.scale), ..first }
    }
}

/// One value of the past.
#[derive(Clone, Copy)]
struct Value {
    slot: usize,
    recent: bool,
    value: f64,
}

/// Hours of the day, or of the week.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Slots {
    weekdays: bool,
}

impl Slots {
    const fn count(&self) -> usize {
        if self.weekdays { 7 * 24 } else { 24 }
    }

    fn of(&self, t: Timestamp, calendar: &Calendar<'_>) -> usize {
        let local = calendar.local(t);
        let hour = usize::from(local.hour().unsigned_abs());
        let day = if self.weekdays { usize::from(local.weekday().to_monday_zero_offset().unsigned_abs()) } else { 0 };
        day * 24 + hour
    }

    /// The median of each slot; one with too few values borrows from its neighbours, then from the
    /// same hour of all days, then from all. `None` when there is no value at all.
    fn usual(&self, values: &[Value]) -> Option<Vec<f64>> {
        let count = self.count();
        let mut of = vec![Vec::new(); count];
        for v in values {
            of[v.slot].push(v.value);
        }
        let all = median(&mut of.concat())?;
        let near = |slot: usize| [slot, (slot + 1) % count, (slot + count - 1) % count];
        let same_hour = |slot: usize| (slot % 24..count).step_by(24);
        let gather = |slots: &mut dyn Iterator<Item = usize>| {
            let mut found: Vec<f64> = slots.flat_map(|s| &of[s]).copied().collect();
            if found.len() < VALUES_MIN { None } else { median(&mut found) }
        };
        let usual = |slot: usize| {
            gather(&mut [slot].into_iter())
                .or_else(|| gather(&mut near(slot).into_iter()))
                .or_else(|| gather(&mut same_hour(slot)))
                .unwrap_or(all)
        };
        Some((0..count).map(usual).collect())
    }
}

/// A usual deviation, of all deviations.
fn scale(mut off: Vec<f64>) -> f64 {
    let middle = median(&mut off).unwrap_or(0.0);
    let mut around: Vec<f64> = off.iter().map(|d| (d - middle).abs()).collect();
    let mut sizes: Vec<f64> = off.iter().map(|d| d.abs()).collect();
    let mad = median(&mut around).unwrap_or(0.0);
    let wide = quantile(&mut sizes, 0.98).unwrap_or(0.0);
    (SD_IN_MAD * mad).max(wide / SCALES_IN_Q98)
}
