//! Messages to a program of the user's: its arguments as they are, JSON on its stdin, no shell.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use ax_storage::clock::Stopwatch;

use super::send::SendError;
use crate::error::plain;
use crate::words::escaped;

/// How often it is looked whether the program has ended.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// So much of what it says on stderr is kept, in bytes: the end of a long story is not.
const SAID_BYTES_MAX: u64 = 4096;
/// After its end its last words may take so long; a child of its own may hold the pipe for ever.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// Runs `argv` with `input` on stdin; with its whole process group it is killed after `limit`, or
/// when `stop` is set.
///
/// # Errors
/// When it cannot be started, takes too long, or ends with another code than 0.
pub(super) fn run(argv: &[String], input: &str, limit: Duration, stop: &AtomicBool) -> Result<(), SendError> {
    let [program, args @ ..] = argv else { return Err(SendError::Unable("the channel has no program to run")) };
    let watch = Stopwatch::start();
    let failed = |how: String| SendError::Command { program: escaped(program), how };
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|e| failed(format!("cannot be run: {}", plain(&e))))?;
    // Both pipes may fill up: neither may keep us from looking at the clock.
    if let Some(mut stdin) = child.stdin.take() {
        let input = input.to_owned();
        std::thread::spawn(move || {
            // It need not read what it does not care for.
            let _ = stdin.write_all(input.as_bytes());
        });
    }
    let words = child.stderr.take().map(last_words);
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => {
                let said = words.and_then(|words| words.recv_timeout(LAST_WORDS).ok()).unwrap_or_default();
                return Err(failed(format!("{}{said}", ended(status))));
            }
            Ok(None) if stop.load(Ordering::Relaxed) => {
                kill(&mut child);
                return Err(SendError::Stopped);
            }
            Ok(None) if watch.elapsed() < limit => std::thread::sleep(LOOK_EVERY.min(limit)),
            Ok(None) => {
                kill(&mut child);
                return Err(SendError::Timeout(limit));
            }
            Err(e) => {
                kill(&mut child);
                return Err(failed(format!("is lost: {}", plain(&e))));
            }
        }
    }
}

/// Reads to the end and sends the last line of the first part.
fn last_words(mut stderr: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (tell, words) = mpsc::channel();
    std::thread::spawn(move || {
        let mut said = Vec::new();
        let _ = (&mut stderr).take(SAID_BYTES_MAX).read_to_end(&mut said);
        let _ = std::io::copy(&mut stderr, &mut std::io::sink());
        let said = String::from_utf8_lossy(&said);
        let line = said.lines().rev().find(|line| !line.trim().is_empty());
        let _ = tell.send(line.map(|line| format!(": {}", escaped(line.trim()))).unwrap_or_default());
    });
    words
}

fn ended(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with code {code}"),
        (_, Some(signal)) => format!("was killed by signal {signal}"),
        _ => "failed".to_owned(),
    }
}

fn kill(child: &mut Child) {
    if let Ok(group) = libc::pid_t::try_from(child.id()) {
        // SAFETY: sends a signal; the child, which is not reaped yet, leads a group of its own.
        unsafe { libc::kill(-group, libc::SIGKILL) };
    }
    // It is dead or dies now; what cannot be waited for is not ours any more.
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, input: &str, limit_ms: u64) -> Result<(), SendError> {
        let argv = ["sh", "-c", script].map(str::to_owned);
        run(&argv, input, Duration::from_millis(limit_ms), &AtomicBool::new(false))
    }

    #[test]
    fn a_program_gets_the_message_on_stdin_and_its_arguments_untouched() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("$(touch evil); out");
        let argv = ["sh", "-c", "cat > \"$1\"", "sh", out.to_str().unwrap()].map(str::to_owned);
        let input = "x".repeat(300_000);
        run(&argv, &input, Duration::from_secs(10), &AtomicBool::new(false)).unwrap();
        assert_eq!(std::fs::read_to_string(out).unwrap(), input);
        assert!(!dir.path().join("evil").exists());
    }

    #[test]
    fn a_program_that_does_not_read_is_fine() {
        assert_eq!(shell("exit 0", &"x".repeat(300_000), 10_000), Ok(()));
    }

    #[test]
    fn its_code_and_last_words_are_the_reason() {
        let failed = |how: &str| Err(SendError::Command { program: "sh".into(), how: how.into() });
        assert_eq!(
            shell("echo first >&2; echo 'no \\033[2J route' >&2; exit 3", "", 10_000),
            failed("ended with code 3: no \\u{1b}[2J route")
        );
        assert_eq!(shell("kill -9 $$", "", 10_000), failed("was killed by signal 9"));
        let missing = run(&["/nowhere/x".into()], "", LOOK_EVERY, &AtomicBool::new(false));
        assert_eq!(missing.unwrap_err().to_string(), "/nowhere/x cannot be run: No such file or directory");
    }

    #[test]
    fn a_program_that_hangs_is_killed_with_its_children() {
        let dir = tempfile::tempdir().unwrap();
        let pids = dir.path().join("pids");
        let script = format!("sleep 60 & echo $! $$ > {}; wait", pids.display());
        let watch = Stopwatch::start();
        assert_eq!(shell(&script, "", 300), Err(SendError::Timeout(Duration::from_millis(300))));
        assert!(watch.elapsed() < Duration::from_secs(5));
        for pid in std::fs::read_to_string(pids).unwrap().split_whitespace() {
            let stat = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let gone = || stat().is_empty() || stat().contains(") Z ");
            // Killed is not dead yet: the system takes a moment.
            while !gone() && watch.elapsed() < Duration::from_secs(5) {
                std::thread::sleep(Duration::from_millis(5));
            }
            assert!(gone(), "{pid} lives: {}", stat());
        }
    }

    #[test]
    fn the_end_of_the_process_ends_it_at_once() {
        let stop = AtomicBool::new(true);
        let argv = ["sleep", "60"].map(str::to_owned);
        assert_eq!(run(&argv, "", Duration::from_secs(60), &stop), Err(SendError::Stopped));
    }
}
