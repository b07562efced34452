//! The read path against a naive model that keeps every event in a list.

mod memory;
mod model;
mod random;

use proptest::prelude::*;

use super::QueryError;
use super::plan::{Label, Plan, Reach};
use memory::Memory;
use model::{Expected, check};
use random::{State, World, plan, state, world};

fn run(world: &World, state: &State, plan: &Plan) -> Result<(), TestCaseError> {
    let memory = Memory::new(world, state);
    let limited = state.limited || plan.reach != Reach::default();
    match super::execute(&memory, plan) {
        Ok(series) => check(&Expected { events: &world.events, plan, limited }, &series),
        Err(QueryError::NeedsRaw { .. } | QueryError::StepTooFine { .. }) => {
            prop_assert!(limited, "raw reaches everything, yet it was refused");
            Ok(())
        }
        Err(QueryError::TooManySteps { .. }) => Ok(()),
        Err(error) => Err(TestCaseError::fail(format!("{error}"))),
    }
}

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
        for plan in plans {
            run(&world, &state, &plan.against(&world))?;
        }
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
