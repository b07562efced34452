//! Closed pipes and other ends of the output.

use std::process::Stdio;

use crate::world::World;

#[test]
fn a_closed_pipe_is_a_quiet_success() {
    let world = World::new();
    for args in [&["monitor", "man"][..], &["monitor", "completions", "bash"], &["monitor", "--help"]] {
        let mut child =
            world.command(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{args:?}");
    }
}

#[test]
fn a_full_disk_behind_stdout_is_an_error() {
    let world = World::new();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = world.command(&["monitor", "man"]).stdin(Stdio::null()).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(err, "error: cannot write to stdout: No space left on device\n");
}

#[test]
fn a_status_check_fails_as_its_severity_says() {
    let world = crate::traffic::world();
    // openai is degraded by its errors, nobody is down.
    for (args, code) in [
        ("status --fail-on warning", 3),
        ("status --fail-on critical", 0),
        ("status --fail-on warning --provider claude", 0),
        ("status --fail-on warning --json", 3),
        ("status --fail-on warning --provider nobody", 4),
    ] {
        assert_eq!(world.run(args).code, Some(code), "{args}");
    }
    assert_eq!(crate::world::World::new().run("status --fail-on critical").code, Some(4), "there is no store");
}

#[test]
fn metrics_for_other_programs_stay_data_when_there_is_none() {
    let world = crate::traffic::world();
    let out = world.run("metrics errors --by provider --format csv").good();
    assert_eq!(out, "provider,value,unit,count\nopenai,20,count,20\nclaude,0,count,0\ngemini,0,count,0\n");
    let out = world.run("metrics errors --range 20m --step 10m --format ndjson").good();
    assert!(out.lines().all(|line| line.starts_with(r#"{"labels":{},"t":"#)), "{out}");
    let none = crate::world::World::new();
    assert_eq!(none.run("metrics errors --format csv").good(), "value,unit,count\n0,count,0\n");
    assert!(none.run("metrics errors --format markdown").out.starts_with("No events yet"));
    let list = world.run("metrics --list --json").json();
    assert_eq!(list["data"][0]["name"], "latency");
}
