//! The read path over a store in memory against a naive model that keeps every event in a list.

#[path = "../../../tests/common/mod.rs"]
mod common;
mod memory;
mod state;

use proptest::prelude::*;

use super::plan::{Label, Plan};
use common::model::{check_answer, check_listing};
use common::random::{Event, plan};
use memory::Memory;
use state::{State, World, state, world};

fn cases() -> u32 {
    let asked = std::env::var("AX_MODEL_CASES").ok();
    asked.and_then(|n| n.parse().ok()).unwrap_or(150)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    /// Guards every number of an answer: random events in a random state of rollup, asked random
    /// plans, must give what counting the events one by one gives.
    #[test]
    fn answers_equal_those_of_a_list_of_events(
        (world, state) in world().prop_flat_map(|w| { let s = state(&w); (Just(w), s) }),
        plans in prop::collection::vec(plan(), 1..6),
    ) {
        let memory = Memory::new(&world, &state);
        for plan in plans {
            let plan = plan.against(world.base, &world.zone);
            check_answer(&world.events, &plan, state.limited, super::execute(&memory, &plan))?;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases() / 2, failure_persistence: None, ..ProptestConfig::default() })]

    /// Listed events are those that match, in order of time, the newest of them when so many are asked.
    #[test]
    fn listings_equal_a_sorted_list(
        (world, state) in world().prop_flat_map(|w| { let s = state(&w); (Just(w), s) }),
        plan in plan(),
        newest in prop_oneof![0..20_usize, Just(usize::MAX)],
    ) {
        let memory = Memory::new(&world, &state);
        let plan = plan.against(world.base, &world.zone);
        let there = |(at, e): &(usize, &Event)| *at >= state.rolled_up || e.ts >= state.raw_from;
        let there = world.events.iter().enumerate().filter(there).map(|(_, e)| e);
        check_listing(there, &plan, newest, &mut |each| {
            super::events(&memory, plan.range, &plan.filter, newest, each)
        })?;
    }
}

#[test]
fn an_empty_store_answers_with_nothing() {
    let world = World::empty();
    let memory = Memory::new(&world, &State::fresh(&world));
    let plan = Plan::new(crate::time::TimeRange::ALL, world.zone.clone());
    let series = super::execute(&memory, &plan).unwrap();
    assert_eq!(series.groups.len(), 1, "without groups there is exactly one");
    assert_eq!(series.all.counts.requests, 0);
    let grouped = Plan { group: vec![Label::Model], ..plan };
    assert!(super::execute(&memory, &grouped).unwrap().groups.is_empty());
}
