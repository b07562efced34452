//! The service: starts, does a pass, ends at once when told to.

use std::io::Read;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::receiver::Receiver;
use crate::world::World;

/// A service that runs, and what it has printed so far.
pub(crate) struct Service {
    child: Child,
    pub(crate) out: Printed,
    err: Printed,
}

/// What came through a pipe so far, read in a thread.
pub(crate) struct Printed {
    text: Arc<Mutex<String>>,
    reader: JoinHandle<()>,
}

impl Printed {
    fn of(mut pipe: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let into = Arc::clone(&text);
        let reader = std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(n @ 1..) = pipe.read(&mut bytes) {
                into.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..n]));
            }
        });
        Self { text, reader }
    }

    pub(crate) fn has(&self, part: &str) -> bool {
        self.text.lock().unwrap().contains(part)
    }

    /// All of it, once the process has ended.
    fn all(self) -> String {
        self.reader.join().unwrap();
        std::mem::take(&mut self.text.lock().unwrap())
    }
}

impl Service {
    /// Starts it and waits until it says that it works, which it does once it listens to signals.
    pub(crate) fn start(world: &World) -> Self {
        let service = Self::spawn(world, &[]);
        wait_until("a beginning", || service.err.has("Upkeep of "));
        service
    }

    fn spawn(world: &World, flags: &[&str]) -> Self {
        let mut command = world.command(&[&["monitor", "serve"], flags].concat());
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (out, err) = (Printed::of(child.stdout.take().unwrap()), Printed::of(child.stderr.take().unwrap()));
        Self { child, out, err }
    }

    fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(std::process::Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// Sends a signal and waits: the exit code and how long it took.
    #[expect(clippy::disallowed_methods, reason = "how long it takes is what is tested")]
    fn end(&mut self, signal: &str) -> (Option<i32>, Duration) {
        let sent = Instant::now();
        self.signal(signal);
        let status = self.child.wait().unwrap();
        (status.code(), sent.elapsed())
    }

    /// Ends it with SIGTERM: what it printed, and what it said beside that.
    pub(crate) fn output(mut self) -> (String, String) {
        assert_eq!(self.end("-TERM").0, Some(0));
        (self.out.all(), self.err.all())
    }
}

#[test]
fn signals_end_the_service_within_a_second() {
    for (signal, code) in [("-TERM", 0), ("-INT", 130)] {
        let world = World::new();
        let (ended, took) = Service::start(&world).end(signal);
        assert_eq!(ended, Some(code), "{signal}");
        assert!(took < Duration::from_secs(1), "{signal} took {took:?}");
        assert!(world.path(".local/share/ax/monitor/store.id").exists());
    }
}

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
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(20), "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_rule_that_fires_reaches_its_channel_and_the_terminal_once() {
    let receiver = Receiver::start(Some("200 OK"));
    let world = minded(&webhook(&receiver));
    let services = [Service::start(&world), Service::start(&world)];
    let is_told = |part: &str| services.iter().any(|s| s.out.has(part));
    wait_until("a delivery", || is_told("ops: delivered") && is_told("firing  critical"));
    // Time for a second one, which must not come.
    std::thread::sleep(Duration::from_millis(200));
    let printed: String = services.map(|service| service.output().0).concat();
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
    let mut service = Service::start(&world);
    wait_until("a delivery under way", || !hanging.bodies().is_empty());
    let (code, took) = service.end("-TERM");
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(1), "{took:?}");
    let receiver = Receiver::start(Some("204 No Content"));
    configure(&world, &webhook(&receiver));
    let mut service = Service::start(&world);
    wait_until("the second delivery", || !receiver.bodies().is_empty());
    service.end("-INT");
    let name = |r: &Receiver| r.bodies()[0]["alerts"][0]["delivery"].clone();
    assert_eq!(name(&receiver), name(&hanging));
}

#[test]
fn settings_are_taken_over_and_bad_ones_are_told() {
    let receiver = Receiver::start(Some("200 OK"));
    let first = Receiver::start(None);
    let world = minded(&webhook(&first));
    let service = Service::start(&world);
    wait_until("the first", || !first.bodies().is_empty());
    world.write(".config/ax/monitor.toml", "[[channel]\n");
    service.signal("-HUP");
    wait_until("a refusal", || service.err.has("The settings of before stay."));
    let bad = "[[channel]]\nname = 'bad'\ntype = 'webhook'\nurl_env = 'AX_NOT_SET'\n";
    let other = webhook(&receiver).replace("'ops'", "'other'");
    configure(&world, &format!("{bad}{other}"));
    service.signal("-HUP");
    wait_until("new settings", || service.err.has("The settings were read again."));
    let (_, said) = service.output();
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
    for flags in [&[][..], &["--json"]] {
        let service = Service::spawn(&world, flags);
        // What failed waits for its next try; the second service says only what is wrong with the settings.
        let failures = if flags.is_empty() { ["ops: try 1 of 5", "gone: try 1 of 5"] } else { ["", ""] };
        let has = |part: &str| service.out.has(part) || service.err.has(part);
        wait_until("failures", || failures.iter().all(|part| has(part)) && has("channel odd"));
        let (out, err) = service.output();
        all += &(out + &err);
    }
    assert!(all.contains("ops: try 1 of 5 failed: the receiver answered 500"), "{all}");
    assert!(all.contains("gone: try 1 of 5 failed: cannot reach http://127.0.0.1:1: Connection refused"), "{all}");
    assert!(all.contains("channel odd: its URL is none of http or https"), "{all}");
    assert!(!all.contains("hunter2"), "{all}");
}
