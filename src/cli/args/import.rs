//! Flags of `import`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

/// Take files of events, or the logs that other tools keep
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = "\
Importing a file twice adds nothing; a file that has grown continues where it
stopped. A folder stands for the files below it. Without any name the logs of
Claude Code, Codex and Gemini CLI are looked for in their usual places, and a
person is asked.

\u{1b}[1;4mFormats\u{1b}[0m
  ndjson       one JSON object a line, as `export` writes it
  csv          a header row with the same names
  claude-code  $CLAUDE_CONFIG_DIR, ~/.config/claude/projects, ~/.claude/projects
  codex        $CODEX_HOME or ~/.codex: sessions, archived_sessions
  gemini       ~/.gemini/tmp/*/chats, and files of telemetry
  litellm      spend-log rows, and payloads of the logging callbacks

\u{1b}[1;4mExamples\u{1b}[0m
  ax monitor import
  ax monitor import claude-code
  ax monitor import codex ~/old-laptop/.codex --dry-run
  ax monitor import ndjson calls.ndjson.gz
  ax monitor import csv usage.csv --map name=model --map time=latency_ms
  zcat *.gz | ax monitor import ndjson -
  ax monitor import ndjson calls.ndjson --dry-run")]
pub(crate) struct ImportArgs {
    /// ndjson, csv, claude-code, codex, gemini or litellm; by the content when left out
    #[arg(value_name = "FORMAT|PATH")]
    pub first: Option<String>,
    /// Files and folders; `-` is stdin
    #[arg(value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,
    /// Read and check everything, keep nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Without a format or path: take all logs that are found, without a question
    #[arg(long)]
    pub yes: bool,
    /// A column or key of theirs that means one of ours; may be repeated
    #[arg(long, value_name = "THEIRS=OURS")]
    pub map: Vec<String>,
    /// Take an unterminated last CSV line too: the file will not grow
    #[arg(long = "final")]
    pub last_line: bool,
}
