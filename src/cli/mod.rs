//! The command line: arguments become a command, its result becomes text and an exit code.

mod agree;
mod args;
mod channels;
mod commands;
mod config;
mod context;
mod heap;
mod interrupt;
mod panic;
mod prices;
mod refused;
mod rules;
mod screen;
mod text;
mod time;
mod users;

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::process::ExitCode;

use clap::error::ErrorKind;
use serde::Serialize;

use crate::error::{Failure, Kind, escaped, exit};
use crate::words::is_hidden;
use args::Command;
use context::Context;

/// Runs the process: the whole program but for `main` itself.
pub fn main() -> ExitCode {
    heap::lie_in_large_pages();
    panic::install();
    ax_storage::fs::outlive_file_size_limit();
    let args: Vec<OsString> = std::env::args_os().collect();
    // The hook has said what there is to say.
    ExitCode::from(std::panic::catch_unwind(|| run(&args)).unwrap_or(exit::RUNTIME))
}

/// Runs a command line and says how it ended.
fn run(args: &[OsString]) -> u8 {
    let mut monitor = match args::parse(args) {
        Ok(monitor) => monitor,
        Err(error) => return explain_usage(&error, asks_for_json(args)),
    };
    let json = monitor.global.json || monitor.command.as_ref().is_some_and(Command::is_json);
    monitor.global.json = json;
    let done = Context::new(monitor.global).and_then(|context| {
        let done = commands::run(&monitor.command.unwrap_or(Command::Status(args::Later::default())), &context);
        context.show_warnings();
        done
    });
    match done {
        Ok(code) => code,
        Err(failure) => report(&failure, json),
    }
}

/// Prints a failure where people or programs look for it, and gives its exit code.
fn report(failure: &Failure, json: bool) -> u8 {
    let code = failure.kind.exit_code();
    if failure.kind == Kind::ClosedPipe {
        return code;
    }
    // Somewhere to print a failure to print is not to be had.
    let _ = if json {
        let text = serde_json::to_string(&ErrorView::new(failure)).unwrap_or_default();
        writeln!(std::io::stdout(), "{text}")
    } else if let Some(drawn) = &failure.drawn {
        writeln!(std::io::stderr(), "{drawn}")
    } else {
        let hint = failure.hint.as_ref().map(|h| format!("\nhint: {h}")).unwrap_or_default();
        writeln!(std::io::stderr(), "error: {}{hint}", failure.message)
    };
    code
}

/// A failure as `--json` prints it.
#[derive(Serialize)]
struct ErrorView<'a> {
    error: ErrorBody<'a>,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    kind: &'static str,
    message: &'a str,
    hint: Option<&'a str>,
    start: Option<usize>,
    end: Option<usize>,
}

impl<'a> ErrorView<'a> {
    fn new(failure: &'a Failure) -> Self {
        let (start, end) = failure.span.unzip();
        let hint = failure.hint.as_deref();
        Self { error: ErrorBody { kind: failure.kind.name(), message: &failure.message, hint, start, end } }
    }
}

/// Prints help, a version, or what is wrong with the command line.
pub(crate) fn explain_usage(error: &clap::Error, json: bool) -> u8 {
    let help = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if json && !help {
        return report(&usage_failure(error), true);
    }
    let text = without_colours(&error.render().ansi().to_string());
    let is_misleading = text.chars().any(|c| c != '\n' && is_hidden(c));
    let printed = if is_misleading { print_escaped(&text) } else { error.print() };
    match printed {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => exit::RUNTIME,
        _ if help => 0,
        _ => exit::USAGE,
    }
}

/// What is wrong with an argument that would command the terminal: clap repeats it as it is.
fn print_escaped(text: &str) -> std::io::Result<()> {
    let lines: Vec<String> = text.trim_end().split('\n').map(escaped).collect();
    writeln!(std::io::stderr(), "{}", lines.join("\n"))
}

/// Text without the colours and styles in it.
fn without_colours(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').strip_prefix('m') {
            Some(rest) => out += rest,
            None => out.extend(["\u{1b}[", part]),
        }
    }
    out
}

/// clap's message as one sentence, and its tip as the hint.
fn usage_failure(error: &clap::Error) -> Failure {
    let text = error.render().to_string();
    let mut paragraphs = text.split("\n\n");
    let sentence = paragraphs.next().unwrap_or_default().trim_start_matches("error: ");
    let sentence = sentence.split_whitespace().collect::<Vec<_>>().join(" ");
    let tip = paragraphs.find_map(|p| p.trim_start().strip_prefix("tip: "));
    let failure = Failure::usage(sentence);
    match tip {
        Some(tip) => failure.hint(escaped(tip.trim())),
        None => failure.hint("see `ax monitor --help`"),
    }
}

/// Whether `--json` stands before any `--`, for command lines that could not be understood.
fn asks_for_json(args: &[OsString]) -> bool {
    args.iter().take_while(|a| *a != OsStr::new("--")).any(|a| a == OsStr::new("--json"))
}
