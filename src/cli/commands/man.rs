//! `ax monitor man`: one page for `ax monitor`, then one section a command.

use std::io::{self, Write};

use clap_mangen::Man;

use crate::cli::args;
use crate::cli::context::Context;
use crate::error::{Failure, Kind, Result};

/// Prints the manual.
pub(crate) fn run(context: &Context) -> Result<u8> {
    let text = page().map_err(|e| Failure::new(Kind::Bug, e))?;
    context.print(&String::from_utf8_lossy(&text))?;
    Ok(0)
}

fn page() -> io::Result<Vec<u8>> {
    let mut ax = args::command();
    ax.build();
    let mut out = Vec::new();
    let Some(monitor) = ax.find_subcommand("monitor") else {
        return Ok(out);
    };
    let man = Man::new(monitor.clone()).title("AX-MONITOR").section("1");
    man.render_title(&mut out)?;
    man.render_name_section(&mut out)?;
    man.render_synopsis_section(&mut out)?;
    man.render_options_section(&mut out)?;
    for command in monitor.get_subcommands() {
        section(command, &mut out)?;
    }
    Ok(out)
}

/// A command under a heading of its own: `.SH STATUS`, what it does, its flags, examples.
fn section(command: &clap::Command, out: &mut Vec<u8>) -> io::Result<()> {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    writeln!(out, ".SH {}", command.get_name().to_uppercase())?;
    writeln!(out, "{}", roff(&about))?;
    let own = command.get_arguments().filter(|a| !a.is_hide_short_help_set() && a.get_id() != "help");
    for argument in own {
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        writeln!(out, ".TP\n\\fB{}\\fR\n{}", roff(&argument.to_string()), roff(&help))?;
    }
    for verb in command.get_subcommands() {
        let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
        writeln!(out, ".TP\n\\fB{}\\fR\n{}", roff(verb.get_name()), roff(&about))?;
    }
    if let Some(after) = command.get_after_help() {
        writeln!(out, ".PP\n.nf\n{}\n.fi", roff(&after.to_string()))?;
    }
    Ok(())
}

/// Text with what roff would take for a command escaped.
fn roff(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    let line = |l: &str| if l.starts_with(['.', '\'']) { format!("\\&{l}") } else { l.to_owned() };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}
