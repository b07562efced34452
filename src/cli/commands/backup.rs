//! `ax monitor store backup`: a copy of the store while recorders go on.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::text::{bytes, counted};
use crate::dashboard::Warning;
use crate::error::{Result, escaped};

/// Copy the store to a new directory, as it is at one moment
///
/// The copy is a store: look into it with --store, restore it by copying it back.
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = "\
\u{1b}[1;4mExamples\u{1b}[0m
  ax monitor store backup /mnt/backup/monitor-2025-11-16
  ax monitor status --store /mnt/backup/monitor-2025-11-16")]
pub(crate) struct BackupArgs {
    /// The directory to make; nothing may be there
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub to: PathBuf,
}

#[derive(Serialize)]
struct View<'a> {
    schema: &'static str,
    generated_at: String,
    path: String,
    segments: u64,
    journals: u64,
    bytes: u64,
    problems: &'a [String],
    elapsed_ms: u64,
    warnings: Vec<Warning>,
}

/// Copies.
pub(crate) fn run(args: &BackupArgs, context: &Context) -> Result<u8> {
    let store = context.existing_store()?;
    let done = store.backup(&args.to, &mut |_, _| ())?;
    let path = escaped(&args.to.display().to_string());
    for problem in &done.problems {
        context.warn("damaged", problem);
    }
    if context.json() {
        context.print_json(&View {
            schema: "ax.monitor.backup/1",
            generated_at: context.now().to_string(),
            path,
            segments: done.segments,
            journals: done.journals,
            bytes: done.bytes,
            problems: &done.problems,
            elapsed_ms: u64::try_from(context.elapsed().as_millis()).unwrap_or(u64::MAX),
            warnings: context.take_warnings(),
        })?;
    } else {
        let (segments, journals) = (counted(done.segments, "segment"), counted(done.journals, "journal"));
        context.print(&format!("Copied the tiers, {segments} and {journals} to {path}: {}.\n", bytes(done.bytes)))?;
    }
    Ok(0)
}
