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
