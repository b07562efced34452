//! `ax monitor help`: the query language on one page, or the help of a command.

use crate::cli::args::{self, HelpArgs};
use crate::cli::context::Context;
use crate::error::{Failure, Result};
use crate::words::nearest;

/// The page; every indented query in it is tried by a test.
const QUERY: &str = include_str!("query_help.txt");

/// Prints.
pub(crate) fn run(args: &HelpArgs, context: &Context) -> Result<u8> {
    let mut ax = args::command();
    let Some(monitor) = ax.find_subcommand_mut("monitor") else { return Ok(0) };
    let text = match args.topic.as_deref() {
        Some("query") => QUERY.to_owned(),
        None => monitor.render_help().to_string(),
        Some(topic) => match monitor.find_subcommand_mut(topic) {
            Some(command) => command.render_long_help().to_string(),
            None => {
                let names: Vec<String> = monitor.get_subcommands().map(|c| c.get_name().to_owned()).collect();
                let failure = Failure::usage(format!("there is no help on '{topic}'"));
                return Err(match nearest(topic, names.iter().map(String::as_str).chain(["query"])) {
                    Some(near) => failure.hint(format!("did you mean {near}?")),
                    None => failure.hint("ax monitor help query, or a command's name"),
                });
            }
        },
    };
    context.print(&text)?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query;

    #[test]
    fn every_query_on_the_page_is_one() {
        let mut tried = 0;
        // Queries stand four columns in; text does not.
        for line in QUERY.lines().filter_map(|l| l.strip_prefix("    ")).filter(|l| !l.starts_with(' ')) {
            query::parse(line).unwrap_or_else(|e| panic!("{line}: {e}"));
            tried += 1;
        }
        assert!(tried >= 15, "only {tried} queries found");
    }
}
