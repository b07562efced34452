//! A terminal for programs that ask.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::process::{Command, Stdio};

/// Runs a command on a terminal where this was typed already: all that it shows, with what was typed.
pub(crate) fn typed(mut command: Command, text: &str) -> String {
    let (mut ours, mut theirs) = (0, 0);
    // SAFETY: two places for descriptors; name, settings and size may be null.
    let done = unsafe {
        libc::openpty(&raw mut ours, &raw mut theirs, std::ptr::null_mut(), std::ptr::null_mut(), std::ptr::null_mut())
    };
    assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
    // SAFETY: both were just opened, and nobody else has them.
    let (mut ours, theirs) = unsafe { (File::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs)) };
    ours.write_all(text.as_bytes()).unwrap();
    let end = |theirs: &OwnedFd| Stdio::from(theirs.try_clone().unwrap());
    let mut child = command
        .stdin(end(&theirs))
        .stdout(end(&theirs))
        .stderr(end(&theirs))
        .env("COLUMNS", "100")
        .env("TERM", "dumb")
        .spawn()
        .unwrap();
    // The end of the terminal is seen when nobody else holds it: the command keeps copies too.
    drop((theirs, command));
    let mut all = Vec::new();
    let mut bytes = [0; 4096];
    // Its last end gone is an error on Linux.
    while let Ok(n @ 1..) = ours.read(&mut bytes) {
        all.extend_from_slice(&bytes[..n]);
    }
    child.wait().unwrap();
    String::from_utf8_lossy(&all).replace("\r\n", "\n")
}
