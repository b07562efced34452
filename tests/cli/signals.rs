//! Ctrl-C in the middle of work.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::world::World;

/// Longest wait for anything here: machines that run tests are busy.
const PATIENCE: Duration = Duration::from_secs(20);

fn start(world: &World, args: &[&str]) -> Child {
    let mut command = world.command(&[&["monitor"], args].concat());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[expect(clippy::disallowed_methods, reason = "a deadline of the test's own")]
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn interrupt(child: &Child) {
    assert!(std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
}

/// The exit code; the child must end by itself although its stdin stays open.
fn end(child: &mut Child) -> Option<i32> {
    let mut code = None;
    wait_until("the end", || {
        code = child.try_wait().unwrap();
        code.is_some()
    });
    code.and_then(|status| status.code())
}

fn entries(dir: &Path) -> usize {
    std::fs::read_dir(dir).map_or(0, Iterator::count)
}

#[test]
fn an_import_that_waits_for_more_ends_on_ctrl_c() {
    let world = World::new();
    let mut child = start(&world, &["import", "ndjson", "-"]);
    child.stdin.as_mut().unwrap().write_all(b"{\"ts\":1763320000000,\"provider\":\"a\"}\n").unwrap();
    wait_until("a store", || world.path(".local/share/ax/monitor/store.id").exists());
    // The handler stands a moment after the store does.
    std::thread::sleep(Duration::from_millis(300));
    interrupt(&child);
    assert_eq!(end(&mut child), Some(130));
    assert_eq!(world.run("store verify").code, Some(0));
}

#[test]
fn an_import_that_was_stopped_goes_on_where_it_ended() {
    let world = World::new();
    let lines: String = (0..400_000_u64)
        .map(|i| format!("{{\"ts\":{},\"provider\":\"p\",\"latency_ms\":{}}}\n", 1_763_300_000_000 + i * 40, i % 5000))
        .collect();
    world.write("calls.ndjson", &lines);
    let mut child = start(&world, &["import", "calls.ndjson", "--json"]);
    wait_until("a store", || world.path(".local/share/ax/monitor/store.id").exists());
    std::thread::sleep(Duration::from_millis(300));
    interrupt(&child);
    // A fast machine may be done before the signal.
    let code = end(&mut child);
    assert!(matches!(code, Some(0 | 130)), "{code:?}");
    world.run("import calls.ndjson --quiet").good();
    assert_eq!(world.run("metrics requests --range 7d --json").json()["data"][0]["value"], 400_000);
}

#[test]
fn recorded_events_outlive_ctrl_c() {
    let world = World::new();
    let mut child = start(&world, &["record"]);
    child.stdin.as_mut().unwrap().write_all(b"{\"ts\":1763320000000,\"provider\":\"a\"}\n").unwrap();
    let stored = || world.run("metrics requests --json").json()["data"][0]["value"] == 1;
    wait_until("the event", stored);
    interrupt(&child);
    assert_eq!(end(&mut child), Some(130));
    assert!(stored());
}

#[test]
fn a_demo_leaves_nothing_behind() {
    let world = World::new();
    let place = world.path("tmp");
    std::fs::create_dir(&place).unwrap();
    let world = world.with("TMPDIR", place.to_str().unwrap());
    world.run("demo --days 1").good();
    assert_eq!(entries(&place), 0);
    world.run("demo --days 1 -- metrics nonsense");
    assert_eq!(entries(&place), 0);
    let mut child = start(&world, &["demo", "--days", "365"]);
    wait_until("its store", || entries(&place) == 1);
    interrupt(&child);
    assert_eq!(end(&mut child), Some(130));
    assert_eq!(entries(&place), 0, "{:?}", std::fs::read_dir(&place).unwrap().collect::<Vec<_>>());
}
