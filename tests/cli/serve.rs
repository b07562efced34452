//! The service: starts, does a pass, ends at once when told to.

use std::io::Read;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::world::World;

fn start(world: &World) -> Child {
    let mut child = world
        .command(&["monitor", "serve"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It says that it listens before it does anything.
    let mut first = [0; 6];
    child.stderr.as_mut().unwrap().read_exact(&mut first).unwrap();
    assert_eq!(&first, b"Upkeep");
    child
}

/// Sends a signal and waits: the exit code and how long it took.
#[expect(clippy::disallowed_methods, reason = "how long it takes is what is tested")]
fn end(mut child: Child, signal: &str) -> (Option<i32>, Duration) {
    let sent = Instant::now();
    let kill = std::process::Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let status = child.wait().unwrap();
    (status.code(), sent.elapsed())
}

#[test]
fn signals_end_the_service_within_a_second() {
    for (signal, code) in [("-TERM", 0), ("-INT", 130)] {
        let world = World::new();
        let (ended, took) = end(start(&world), signal);
        assert_eq!(ended, Some(code), "{signal}");
        assert!(took < Duration::from_secs(1), "{signal} took {took:?}");
        assert!(world.path(".local/share/ax/monitor/store.id").exists());
    }
}
