//! The service: starts, does a pass, ends at once when told to.

use std::io::Read;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::receiver::Receiver;
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

const STORE: &str = ".local/share/ax/monitor/store.id";

/// A home with traffic that a rule minds, and these channels.
fn minded(channels: &str) -> World {
    let world = World::new();
    let lines: String = (0..10)
        .map(|i| {
            format!("{{\"ts\":{},\"provider\":\"openai\",\"latency_ms\":900}}\n", 1_763_320_380_000_u64 + i * 1000)
        })
        .collect();
    world.write("calls.ndjson", &lines);
    world.run("import calls.ndjson --quiet").good();
    configure(&world, channels);
    world
}

fn configure(world: &World, channels: &str) {
    let rule = "[[rule]]\nname = 'busy'\nwhen = 'requests [5m] > 3'\nseverity = 'critical'\n";
    world.write(".config/ax/monitor.toml", &format!("{rule}{channels}"));
}

fn webhook(receiver: &Receiver) -> String {
    format!("[[channel]]\nname = 'ops'\ntype = 'webhook'\nurl = '{}'\n", receiver.url)
}

#[expect(clippy::disallowed_methods, reason = "a deadline of the test's own")]
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(20), "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Ends it with SIGTERM: what it printed after its first words.
fn output(mut child: Child) -> (String, String) {
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    assert_eq!(end(child, "-TERM").0, Some(0));
    let (mut printed, mut said) = (String::new(), String::new());
    out.read_to_string(&mut printed).unwrap();
    err.read_to_string(&mut said).unwrap();
    (printed, said)
}

#[test]
fn a_rule_that_fires_reaches_its_channel_and_the_terminal_once() {
    let receiver = Receiver::start(Some("200 OK"));
    let world = minded(&webhook(&receiver));
    let services = [start(&world), start(&world)];
    wait_until("a delivery", || !receiver.bodies().is_empty());
    std::thread::sleep(Duration::from_millis(200));
    let printed: String = services.map(|child| output(child).0).concat();
    let bodies = receiver.bodies();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    assert_eq!(bodies[0]["receiver"], "ops");
    assert_eq!(bodies[0]["alerts"][0]["labels"]["alertname"], "busy");
    assert_eq!(bodies[0]["alerts"][0]["value"], 10);
    assert_eq!(printed.matches("ops: delivered FIRING critical: busy").count(), 1, "{printed}");
    assert!(printed.contains("firing  critical  busy"), "{printed}");
}

#[test]
fn a_delivery_cut_off_by_sigterm_is_made_again_under_the_same_name() {
    let hanging = Receiver::start(None);
    let world = minded(&webhook(&hanging));
    let child = start(&world);
    wait_until("a delivery under way", || !hanging.bodies().is_empty());
    let (code, took) = end(child, "-TERM");
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(1), "{took:?}");
    let receiver = Receiver::start(Some("204 No Content"));
    configure(&world, &webhook(&receiver));
    let child = start(&world);
    wait_until("the second delivery", || !receiver.bodies().is_empty());
    end(child, "-INT");
    let name = |r: &Receiver| r.bodies()[0]["alerts"][0]["delivery"].clone();
    assert_eq!(name(&receiver), name(&hanging));
}

#[test]
fn settings_are_taken_over_and_bad_ones_are_told() {
    let receiver = Receiver::start(Some("200 OK"));
    let first = Receiver::start(None);
    let world = minded(&webhook(&first));
    let child = start(&world);
    wait_until("the first", || !first.bodies().is_empty());
    let hang_up = || {
        assert!(std::process::Command::new("kill").args(["-HUP", &child.id().to_string()]).status().unwrap().success());
    };
    world.write(".config/ax/monitor.toml", "[[channel]\n");
    hang_up();
    std::thread::sleep(Duration::from_millis(300));
    let bad = "[[channel]]\nname = 'bad'\ntype = 'webhook'\nurl_env = 'AX_NOT_SET'\n";
    let other = webhook(&receiver).replace("'ops'", "'other'");
    configure(&world, &format!("{bad}{other}"));
    hang_up();
    std::thread::sleep(Duration::from_millis(300));
    let (_, said) = output(child);
    for part in [
        "monitor.toml, line 1: ",
        "The settings of before stay.",
        "line 5: channel bad: the variable AX_NOT_SET of url_env is not set",
        "The settings were read again.",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn no_output_shows_a_secret() {
    let receiver = Receiver::start(Some("500 hunter2"));
    let world = minded(
        "[[channel]]\nname = 'ops'\ntype = 'webhook'\nurl_env = 'URL'\nsecret_file = 'key'\n\
         [[channel]]\nname = 'gone'\ntype = 'webhook'\nurl = 'http://127.0.0.1:1/hunter2'\n\
         [[channel]]\nname = 'odd'\ntype = 'webhook'\nurl = 'hunter2'\n",
    );
    let world = world.with("URL", &format!("{}?key=hunter2", receiver.url));
    world.write(".config/ax/key", "hunter2\n");
    let mut all = String::new();
    for args in ["config show", "config validate", "config validate --json", "status --json", "serve --nonsense"] {
        all += &world.run(args).to_string();
    }
    for flags in [&["monitor", "serve"][..], &["monitor", "serve", "--json"]] {
        let before = receiver.bodies().len();
        let mut command = world.command(flags);
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        if before == 0 {
            wait_until("a delivery", || !receiver.bodies().is_empty());
        }
        wait_until("a store", || world.path(STORE).exists());
        std::thread::sleep(Duration::from_millis(300));
        let (out, err) = output(child);
        all += &(out + &err);
    }
    assert!(all.contains("ops: try 1 of 5 failed: the receiver answered 500"), "{all}");
    assert!(all.contains("gone: try 1 of 5 failed: cannot reach http://127.0.0.1:1: Connection refused"), "{all}");
    assert!(all.contains("channel odd: its URL is none of http or https"), "{all}");
    assert!(!all.contains("hunter2"), "{all}");
}
