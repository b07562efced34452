//! One file a command: each takes its arguments and the surroundings, prints, and gives an exit code.

mod advise;
mod alerts;
mod asking;
pub(crate) mod backup;
pub(crate) mod budgets;
mod channels;
pub(crate) mod compact;
mod completions;
mod config;
mod costs;
mod demo;
mod events;
mod explain;
mod export;
mod forecast;
mod help;
mod import;
mod man;
mod metrics;
mod nothing;
pub(crate) mod prices;
mod record;
mod retention;
mod serve;
mod status;
mod store;
mod threshold;
mod tick;
pub(crate) mod verify;

pub(crate) use asking::refused;

use crate::cli::args::Command;
use crate::cli::context::Context;
use crate::error::Result;

/// Runs a command: its exit code, or why it failed.
pub(crate) fn run(command: &Command, context: &Context) -> Result<u8> {
    match command {
        Command::Config(args) => config::run(args.verb.unwrap_or_default(), context),
        Command::Completions(args) => completions::run(args, context),
        Command::Man(_) => man::run(context),
        Command::Budgets(args) => budgets::run(args, context),
        Command::Costs(args) => costs::run(args, context),
        Command::Status(args) => status::run(args, context),
        Command::Metrics(args) => metrics::run(args, context),
        Command::Events(args) => events::run(args, context),
        Command::Explain(args) => explain::run(args, context),
        Command::Help(args) => help::run(args, context),
        Command::Export(args) => export::run(args, context),
        Command::Alerts(args) => alerts::run(args, context),
        Command::Forecast(args) => forecast::run(args, context),
        Command::Import(args) => import::run(args, context),
        Command::Demo(args) => demo::run(args, context),
        Command::Prices(args) => prices::run(args, context),
        Command::Record(args) => record::run(args, context),
        Command::Serve(_) => serve::run(context),
        Command::Store(args) => store::run(args.verb.clone().unwrap_or_default(), context),
        Command::Compact(args) => compact::run(args, context),
        Command::Tick(_) => tick::run(context),
    }
}

/// Milliseconds since the command started.
fn elapsed_ms(context: &Context) -> f64 {
    context.elapsed().as_secs_f64() * 1e3
}
