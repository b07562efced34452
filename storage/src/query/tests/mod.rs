//! The read path against a naive model that keeps every event in a list.

mod memory;
mod model;
mod random;

use proptest::prelude::*;

use super::QueryError;
use super::plan::{Label, Plan, Reach};
use crate::time::Timestamp;
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
        let plan = plan.against(&world);
        let there = |(at, e): &(usize, &random::Event)| *at >= state.rolled_up || e.ts >= state.raw_from;
        let there = world.events.iter().enumerate().filter(there).map(|(_, e)| e);
        let matching = there.filter(|e| plan.range.contains(e.ts) && model::matches(e, &plan.filter));
        let mut expected: Vec<_> = matching.map(|e| (e.ts, e.provider, e.user)).collect();
        expected.sort_by_key(|e| e.0);
        let mut got = Vec::new();
        let summary = super::events(&memory, plan.range, &plan.filter, newest, &mut |names, row| {
            got.push((row.ts, names.get(row.provider).to_owned(), names.get(row.user).to_owned()));
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
        prop_assert_eq!(summary.matched, expected.len() as u64);
        prop_assert!(got.is_sorted_by_key(|e| e.0));
        let shown = &expected[expected.len().saturating_sub(newest)..];
        let times = |t: &[Timestamp]| t.to_vec();
        prop_assert_eq!(
            times(&got.iter().map(|e| e.0).collect::<Vec<_>>()),
            times(&shown.iter().map(|e| e.0).collect::<Vec<_>>())
        );
        if newest == usize::MAX {
            let mut got: Vec<_> = got.iter().map(|(t, p, u)| (*t, &**p, &**u)).collect();
            got.sort_unstable();
            expected.sort_unstable();
            prop_assert_eq!(got, expected);
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
