//! `ax monitor completions SHELL`.

use crate::cli::args::{self, CompletionsArgs};
use crate::cli::context::Context;
use crate::error::{Failure, Kind, Result};

/// Prints the completion script for a shell.
pub(crate) fn run(args: &CompletionsArgs, context: &Context) -> Result<u8> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut args::command(), "ax", &mut script);
    let script = String::from_utf8(script).map_err(|e| Failure::new(Kind::Bug, e))?;
    context.print(&script)?;
    Ok(0)
}
