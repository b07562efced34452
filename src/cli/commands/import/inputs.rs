//! What an import reads: named files and folders, standard input, or the logs that tools keep in their
//! usual places.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use crate::cli::args::ImportArgs;
use crate::cli::context::Context;
use crate::cli::text::counted;
use crate::error::{Failure, Kind, Result, escaped};
use crate::import::places::{self, Logs};
use crate::import::{Format, Input, format_of};

/// Files taken at once.
const FILES_MAX: usize = 200_000;

/// What to read.
pub(super) struct Wanted {
    pub(super) format: Option<Format>,
    pub(super) inputs: Vec<Input>,
    /// Nothing was named: these are the logs that were found.
    pub(super) looked: bool,
}

/// Decides by the words and flags of the command.
///
/// # Errors
/// When there is nothing to read, or a person would have to agree first.
pub(super) fn wanted(args: &ImportArgs, context: &Context) -> Result<Wanted> {
    let mut paths: Vec<PathBuf> = args.paths.clone();
    let format = match args.first.as_deref() {
        Some("jsonl") => Some(Format::Ndjson),
        Some(word) => {
            let format = Format::ALL.into_iter().find(|format| format.name() == word);
            if format.is_none() {
                paths.insert(0, PathBuf::from(word));
            }
            format
        }
        None => None,
    };
    if !paths.is_empty() {
        let inputs = paths.into_iter().map(|path| named(path, format, context)).collect::<Result<Vec<_>>>()?;
        return Ok(Wanted { format, inputs: inputs.concat(), looked: false });
    }
    match format {
        Some(format @ (Format::ClaudeCode | Format::Codex | Format::Gemini)) => {
            let logs = context.log_home().logs(format, FILES_MAX);
            if logs.files.is_empty() {
                return Err(Failure::new(
                    Kind::NotFound,
                    format!("there are no {} logs in their usual place", tool(format)),
                )
                .hint(format!("name a file or folder: ax monitor import {} PATH", format.name())));
            }
            context.note(&list(std::slice::from_ref(&logs), context));
            Ok(Wanted { format: Some(format), inputs: known(logs), looked: false })
        }
        None if args.yes || nobody_feeds() => everything(args, context),
        _ if std::io::stdin().is_terminal() => {
            Err(Failure::usage("there is nothing to import: no file is named and nothing is piped in")
                .hint("ax monitor import calls.ndjson.gz, or … | ax monitor import ndjson -"))
        }
        _ => Ok(Wanted { format, inputs: vec![Input::Stdin], looked: false }),
    }
}

/// A file, standard input, or the files of a folder.
fn named(path: PathBuf, format: Option<Format>, context: &Context) -> Result<Vec<Input>> {
    if path == Path::new("-") {
        return Ok(vec![Input::Stdin]);
    }
    if !path.is_dir() {
        return Ok(vec![Input::File(path)]);
    }
    let mut unknown = 0;
    let (inputs, more) = match format {
        Some(format) => {
            let logs = places::logs(format, std::slice::from_ref(&path), FILES_MAX);
            let more = logs.more;
            (known(logs), more)
        }
        None => {
            let (files, more) = places::any_files(&path, FILES_MAX);
            let sniffed = files.into_iter().filter_map(|file| {
                let format = format_of(&file);
                unknown += u64::from(format.is_none());
                format.map(|format| Input::Known(format, file))
            });
            (sniffed.collect(), more)
        }
    };
    if unknown > 0 {
        context.warn("unknown_file", format!("{} of no known format: left out", counted(unknown, "file")));
    }
    if more {
        context.warn("too_many_files", format!("only the first {FILES_MAX} files are taken"));
    }
    if inputs.is_empty() {
        return Err(Failure::new(Kind::NotFound, format!("{} has no file to import", path.display())));
    }
    Ok(inputs)
}

fn known(logs: Logs) -> Vec<Input> {
    logs.files.into_iter().map(|file| Input::Known(logs.format, file)).collect()
}

/// All logs in their usual places, if a person agrees.
fn everything(args: &ImportArgs, context: &Context) -> Result<Wanted> {
    let home = context.log_home();
    let found: Vec<Logs> =
        Format::ALL.into_iter().map(|f| home.logs(f, FILES_MAX)).filter(|logs| !logs.files.is_empty()).collect();
    if found.is_empty() {
        return Err(Failure::usage(
            "there is nothing to import: no file is named, nothing is piped in, and no logs of Claude Code, \
             Codex or Gemini CLI are in their usual places",
        )
        .hint("ax monitor import calls.ndjson.gz, or … | ax monitor import ndjson -"));
    }
    context.note(&list(&found, context));
    if !args.yes && !args.dry_run {
        agree(context)?;
    }
    Ok(Wanted { format: None, inputs: found.into_iter().flat_map(known).collect(), looked: true })
}

/// Asks a person, or says how a script agrees.
fn agree(context: &Context) -> Result<()> {
    if !context.interactive() || !std::io::stdin().is_terminal() || context.json() {
        return Err(Failure::usage("no format or file is named, and nobody is there to agree to all that is found")
            .hint("ax monitor import --yes takes it, --dry-run tells what it is, a format narrows it"));
    }
    context.note("Import them? [Y/n]");
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).map_err(|e| Failure::io("read", "stdin", &e))?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "" | "y" | "yes" => Ok(()),
        _ => Err(Failure::new(Kind::Refused, "nothing was imported")),
    }
}

/// Whether standard input is a terminal, or the device that never gives anything.
fn nobody_feeds() -> bool {
    if std::io::stdin().is_terminal() {
        return true;
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        std::fs::metadata("/dev/stdin").is_ok_and(|about| about.file_type().is_char_device())
    }
    #[cfg(not(unix))]
    false
}

/// What was found, a line a tool.
fn list(found: &[Logs], context: &Context) -> String {
    let home = context.log_home().home;
    let short = |folder: &PathBuf| {
        let below = home.as_ref().and_then(|home| folder.strip_prefix(home).ok());
        below.map_or_else(|| folder.display().to_string(), |below| format!("~/{}", below.display()))
    };
    let lines = found.iter().map(|logs| {
        let over = if logs.more { "over " } else { "" };
        let folders: Vec<String> = logs.folders.iter().map(|folder| escaped(&short(folder))).collect();
        let (files, days) = (counted(logs.files.len() as u64, "file"), counted(logs.days(), "day"));
        format!("Found {} logs: {over}{files}, {days}, in {}", tool(logs.format), folders.join(" and "))
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The tool by the name that people know.
pub(in crate::cli) const fn tool(format: Format) -> &'static str {
    match format {
        Format::ClaudeCode => "Claude Code",
        Format::Codex => "Codex",
        Format::Gemini => "Gemini CLI",
        Format::LiteLlm => "LiteLLM",
        Format::Ndjson => "NDJSON",
        Format::Csv => "CSV",
    }
}
