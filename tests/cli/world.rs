//! A place to run `ax` in, and what came out of it.

use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// The time it always is.
pub(crate) const NOW: &str = "2025-11-16T19:15:00Z";

/// A home directory and variables.
pub(crate) struct World {
    home: TempDir,
    vars: Vec<(String, String)>,
}

impl World {
    /// An empty home.
    pub(crate) fn new() -> Self {
        let world = Self { home: tempfile::tempdir().unwrap(), vars: Vec::new() };
        world.with("AX_MONITOR_NOW", NOW)
    }

    /// The same with a variable set; an empty value unsets it.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.vars.retain(|(n, _)| n != name);
        if !value.is_empty() {
            self.vars.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// A path in the home.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Writes a file in the home, with its folders.
    pub(crate) fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// A command that has not started yet.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ax"));
        command
            .args(args)
            .env_clear()
            .env("HOME", self.home.path())
            .envs(self.vars.iter().map(|(n, v)| (n.as_str(), v.as_str())))
            .current_dir(self.home.path());
        command
    }

    /// Runs `ax monitor` with these arguments, separated by spaces.
    pub(crate) fn run(&self, args: &str) -> Done {
        let args: Vec<&str> = std::iter::once("monitor").chain(args.split_whitespace()).collect();
        self.done(self.command(&args).stdin(Stdio::null()).output().unwrap())
    }

    /// Runs `ax monitor` with these arguments.
    pub(crate) fn run_args(&self, args: &[&str]) -> Done {
        let args: Vec<&str> = std::iter::once("monitor").chain(args.iter().copied()).collect();
        self.done(self.command(&args).stdin(Stdio::null()).output().unwrap())
    }

    /// Runs `ax monitor` with text on its stdin.
    pub(crate) fn feed(&self, args: &str, input: &[u8]) -> Done {
        let args: Vec<&str> = std::iter::once("monitor").chain(args.split_whitespace()).collect();
        let mut command = self.command(&args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        // It may end without reading everything.
        let writer = std::thread::spawn(move || stdin.write_all(&input));
        let output = child.wait_with_output().unwrap();
        let _ = writer.join().unwrap();
        self.done(output)
    }

    /// Runs a line in a shell that finds `ax` on `path`.
    pub(crate) fn shell(&self, line: &str, path: &str) -> Done {
        let mut command = Command::new("sh");
        let vars = self.vars.iter().map(|(n, v)| (n.as_str(), v.as_str()));
        command.args(["-c", line]).env_clear().env("HOME", self.home.path()).env("PATH", path).envs(vars);
        self.done(command.current_dir(self.home.path()).stdin(Stdio::null()).output().unwrap())
    }

    fn done(&self, output: Output) -> Done {
        let home = self.home.path().to_str().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace(home, "~");
        Done { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

/// How a command ended.
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Done {
    /// Its stdout, when all went well and stderr stayed empty.
    pub(crate) fn good(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (Some(0), ""), "{self}");
        self.out
    }

    /// Its stdout as JSON, whatever the exit code.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {self}"))
    }
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => writeln!(f, "exit {code}")?,
            None => writeln!(f, "killed")?,
        }
        for (name, text) in [("stdout", &self.out), ("stderr", &self.err)] {
            if !text.is_empty() {
                writeln!(f, "--- {name}")?;
                f.write_str(text)?;
            }
        }
        Ok(())
    }
}
