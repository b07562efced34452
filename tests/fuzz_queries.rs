//! Replays the seeds of the fuzz targets of the query language, and asks a small store random queries.

#[path = "../fuzz/src/answers.rs"]
#[expect(unreachable_pub, reason = "a library for the fuzzer")]
mod answers;
#[path = "../fuzz/src/grammar.rs"]
#[expect(unreachable_pub, reason = "a library for the fuzzer")]
mod grammar;
#[path = "../fuzz/src/queries.rs"]
#[expect(unreachable_pub, reason = "a library for the fuzzer")]
mod queries;

use std::cell::Cell;
use std::path::Path;

use answers::Stage;
use ax_monitor::query;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let entries = std::fs::read_dir(folder).expect("seeds are in the repository");
    let seeds: Vec<_> = entries.map(|entry| std::fs::read(entry.unwrap().path()).unwrap()).collect();
    assert!(seeds.len() > 20, "the seeds of {target} are gone");
    seeds
}

#[test]
fn every_text_is_a_tree_or_a_place() {
    for seed in seeds("parse") {
        // Cut and changed seeds reach further than the seeds themselves.
        for at in 0..=seed.len() {
            queries::parse(&seed[..at]);
            let mut changed = seed.clone();
            changed.get_mut(at).into_iter().for_each(|byte| *byte ^= 0x0d);
            queries::parse(&changed);
        }
    }
}

#[test]
fn every_query_of_the_seeds_has_an_answer() {
    let stage = Stage::new();
    stage.pass();
    let store = stage.store();
    for seed in seeds("evaluate") {
        let text = std::str::from_utf8(&seed).expect("seeds are queries");
        assert_eq!(Stage::text(&seed), text, "is no query");
        assert!(stage.ask(&store, text, &seed).is_some(), "{text}");
    }
}

/// Random queries are answered without NaN, alike from a journal and from buckets, and alike in their
/// canonical form.
#[test]
fn random_queries_are_answered_alike_before_and_after_a_pass() {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(300);
    let (fresh, rolled) = (Stage::new(), Stage::new());
    rolled.pass();
    let (journal, buckets) = (fresh.store(), rolled.store());
    let (asked, answered) = (Cell::new(0), Cell::new(0));
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let bytes = prop::collection::vec(any::<u8>(), 0..48);
    let result = runner.run(&bytes, |bytes| {
        let text = grammar::Choices::new(&bytes).query();
        let before = fresh.ask(&journal, &text, &bytes);
        let after = rolled.ask(&buckets, &text, &bytes);
        prop_assert_eq!(before.is_some(), after.is_some(), "{}", text);
        asked.set(asked.get() + 1);
        let (Some(before), Some(after)) = (before, after) else { return Ok(()) };
        answered.set(answered.get() + 1);
        // Windows older than single events are widened, so the journal knows more of them.
        if before.range == after.range {
            prop_assert_eq!(&before.rows, &after.rows, "{}", text);
            prop_assert_eq!(&before.steps, &after.steps, "{}", text);
        }
        if let Ok(tree) = query::parse(&text) {
            let again = rolled.ask(&buckets, &tree.to_string(), &bytes).map(|a| a.rows);
            prop_assert_eq!(again.as_ref(), Some(&after.rows), "{} is {}", text, tree);
        }
        Ok(())
    });
    let (asked, answered) = (asked.get(), answered.get());
    println!("{answered} of {asked} queries were answered");
    result.unwrap();
    assert!(answered * 3 > asked, "only {answered} of {asked} queries were accepted");
}
