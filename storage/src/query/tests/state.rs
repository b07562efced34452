//! Random states of rollup over random events.

use proptest::prelude::*;

use super::common::random::{Event, event, moment, place};
use crate::bucket::Table;
use crate::query::cover::floor;
use crate::time::{Timestamp, Zone};

#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) zone: Zone,
    pub(super) base: u64,
    /// In no order of time.
    pub(super) events: Vec<Event>,
}

impl World {
    pub(super) fn empty() -> Self {
        Self { zone: Zone::utc(), base: 1_760_000_000_000, events: Vec::new() }
    }
}

/// How far rollup came.
#[derive(Clone, Debug)]
pub(super) struct State {
    /// Events from this index on are the backlog.
    pub(super) rolled_up: usize,
    /// Of the rolled-up ones, those before this index are in sealed segments.
    pub(super) sealed: usize,
    /// By [`Table::ALL`].
    pub(super) closed_to: Vec<Timestamp>,
    pub(super) complete_from: Vec<Timestamp>,
    pub(super) raw_from: Timestamp,
    /// Something is gone.
    pub(super) limited: bool,
}

impl State {
    pub(super) fn fresh(world: &World) -> Self {
        Self {
            rolled_up: world.events.len(),
            sealed: 0,
            closed_to: vec![Timestamp::MIN; Table::ALL.len()],
            complete_from: vec![Timestamp::MIN; Table::ALL.len()],
            raw_from: Timestamp::MIN,
            limited: false,
        }
    }
}

pub(super) fn world() -> impl Strategy<Value = World> {
    (place(), prop::collection::vec(event(), 0..150)).prop_map(|((zone, base), mut events)| {
        events.iter_mut().for_each(|e| e.ts = e.ts.plus_ms(base));
        World { zone, base, events }
    })
}

pub(super) fn state(world: &World) -> impl Strategy<Value = State> + use<> {
    let (n, base, zone) = (world.events.len(), world.base, world.zone.clone());
    let sealed = prop::bool::weighted(0.25);
    let limits = (prop::bool::weighted(0.4), prop::collection::vec(moment(), 8));
    (0..=n, 0..=n, sealed, prop::collection::vec(moment(), 7), limits).prop_map(
        move |(a, b, sealed, closed, (limited, from))| {
            let at = |ms: u64| Timestamp::from_millis(base + ms);
            let mut closed_to: Vec<_> =
                Table::ALL.iter().zip(closed).map(|(table, ms)| floor(table.tier(), at(ms), &zone)).collect();
            closed_to[0] = Timestamp::MAX;
            let limit = |ms: u64| if limited { at(ms) } else { Timestamp::MIN };
            State {
                rolled_up: a.max(b),
                sealed: if sealed { a.min(b) } else { 0 },
                closed_to,
                complete_from: from[..7].iter().map(|ms| limit(*ms)).collect(),
                raw_from: limit(from[7]),
                limited,
            }
        },
    )
}
