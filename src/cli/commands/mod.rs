//! One file a command: each takes its arguments and the surroundings, prints, and gives an exit code.

mod completions;
mod config;
mod import;
mod man;
mod serve;
mod store;
mod tick;

use crate::cli::args::Command;
use crate::cli::context::Context;
use crate::error::{Failure, Kind, Result};

/// Runs a command: its exit code, or why it failed.
pub(crate) fn run(command: &Command, context: &Context) -> Result<u8> {
    match command {
        Command::Config(args) => config::run(args.verb.unwrap_or_default(), context),
        Command::Completions(args) => completions::run(args, context),
        Command::Man(_) => man::run(context),
        Command::Import(args) => import::run(args, context),
        Command::Serve(_) => serve::run(context),
        Command::Store(args) => store::run(args.verb.unwrap_or_default(), context),
        Command::Tick(_) => tick::run(context),
        _ => Err(Failure::new(Kind::Bug, "this command is not there yet")),
    }
}
