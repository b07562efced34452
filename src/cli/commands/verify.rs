//! `ax monitor store verify`: is everything as it was written, and does it fit together?

use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use ax_storage::Store;
use ax_storage::verify::database::{Verdict, check};
use ax_storage::verify::{Depth, Problem, Repair, Verification};
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget};
use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::text::counted;
use crate::dashboard::Warning;
use crate::error::{Failure, Result, escaped, exit};

/// How long the check of the database's pages may take before it is given up: 100 GB on a slow disk.
const CHECK_TIME_MAX: Duration = Duration::from_secs(1800);
/// How often it is looked after.
const CHECK_POLL: Duration = Duration::from_millis(20);
/// How often the spinner moves.
const REDRAW: Duration = Duration::from_millis(100);
/// Problems that the screen shows; `--json` lists more.
const PROBLEMS_SHOWN: usize = 20;

/// Check every checksum, files against the manifest, tiers against each other
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct VerifyArgs {
    /// Make every bucket anew from the single events as well, and compare
    #[arg(long)]
    pub deep: bool,
}

/// Verifies.
pub(crate) fn run(args: &VerifyArgs, context: &Context) -> Result<u8> {
    let store = context.existing_store()?;
    let spinner = context.interactive().then(|| {
        let spinner = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
        spinner.enable_steady_tick(REDRAW);
        spinner
    });
    let mut progress = |what: &str| {
        if let Some(spinner) = &spinner {
            spinner.set_message(format!("checking {what}"));
        }
    };
    let depth = if args.deep { Depth::Events } else { Depth::Checksums };
    progress("the database");
    let mut found = Verification::default();
    let pages_are_right = check_apart(&store, &mut found, context);
    let verified = match pages_are_right {
        Ok(true) => store.verify_to(depth, &mut progress).map_err(Failure::from),
        Ok(false) => Ok(found),
        Err(failure) => Err(failure),
    };
    if let Some(spinner) = &spinner {
        spinner.finish_and_clear();
    }
    let found = verified?;
    for note in &found.notes {
        context.warn("note", note);
    }
    let ok = found.problems.is_empty();
    if context.json() {
        context.print_json(&View {
            schema: "ax.monitor.verify/1",
            generated_at: context.now().to_string(),
            ok,
            deep: args.deep,
            problems: found.problems.iter().map(ProblemView::new).collect(),
            more_problems: found.more_problems,
            compared_buckets: found.compared_buckets,
            events: found.events,
            elapsed_ms: u64::try_from(context.elapsed().as_millis()).unwrap_or(u64::MAX),
            warnings: context.take_warnings(),
        })?;
    } else {
        context.print(&text(&found))?;
    }
    Ok(if ok { 0 } else { exit::DAMAGED })
}

#[derive(Serialize)]
struct View<'a> {
    schema: &'static str,
    generated_at: String,
    ok: bool,
    deep: bool,
    problems: Vec<ProblemView<'a>>,
    more_problems: u64,
    compared_buckets: u64,
    events: u64,
    elapsed_ms: u64,
    warnings: Vec<Warning>,
}

#[derive(Serialize)]
struct ProblemView<'a> {
    file: &'a str,
    offset: Option<&'a str>,
    what: &'a str,
    repair: &'static str,
}

impl<'a> ProblemView<'a> {
    fn new(problem: &'a Problem) -> Self {
        Self {
            file: &problem.file,
            offset: Some(problem.offset.as_str()).filter(|offset| !offset.is_empty()),
            what: &problem.what,
            repair: problem.repair.hint(),
        }
    }
}

fn text(found: &Verification) -> String {
    let mut out = String::new();
    for problem in found.problems.iter().take(PROBLEMS_SHOWN) {
        let offset = if problem.offset.is_empty() { String::new() } else { format!(" at {}", problem.offset) };
        // Writing to a string cannot fail.
        let _ = writeln!(out, "✖ {}{}: {}", escaped(&problem.file), escaped(&offset), escaped(&problem.what));
    }
    let all = found.problems.len() as u64 + found.more_problems;
    let hidden = all.saturating_sub(PROBLEMS_SHOWN as u64);
    if hidden > 0 {
        let _ = writeln!(out, "  and {} more; --json lists the first thousand", counted(hidden, "problem"));
    }
    let looked =
        format!("{} read, {} compared", counted(found.events, "event"), counted(found.compared_buckets, "bucket"));
    let _ = match all {
        0 => writeln!(out, "The store is fine: {looked}."),
        n => writeln!(out, "{} found: {looked}.", counted(n, "problem")),
    };
    for repair in [Repair::Rebuild, Repair::Restore] {
        let files: std::collections::BTreeSet<&str> =
            found.problems.iter().filter(|p| p.repair == repair).map(|p| p.file.as_str()).collect();
        if !files.is_empty() {
            let names: Vec<&str> = files.iter().map(|f| f.rsplit('/').next().unwrap_or(f)).take(3).collect();
            let more = if files.len() > 3 { " …" } else { "" };
            let _ = writeln!(out, "{}{more}: {}", escaped(&names.join(", ")), repair.hint());
        }
    }
    out
}

/// Has the database checked page by page in a process of its own, which damage may kill: whether it
/// is right, or nothing could be said.
fn check_apart(store: &Store, found: &mut Verification, context: &Context) -> Result<bool> {
    let path = store.db().path();
    if !store.db().exists() {
        return Ok(true);
    }
    let mut problem = |what: String| found.add(path.display().to_string(), "", what, Repair::Rebuild);
    match ask_child(path)? {
        Answer::Said(text) => match text.split_once(' ').unwrap_or((text.as_str(), "")) {
            (CLEAN, _) => return Ok(true),
            (BUSY, _) => {
                context.warn("busy", "the database was written all the time: its pages were not checked one by one");
                return Ok(true);
            }
            (DAMAGED, what) => problem(format!("its pages are damaged: {what}")),
            _ => problem("the database library gave up on it".to_owned()),
        },
        Answer::Died(how) => problem(format!("the database library gave up on it: {how}")),
    }
    Ok(false)
}

enum Answer {
    Said(String),
    Died(String),
}

fn ask_child(path: &Path) -> Result<Answer> {
    let fail = |cause| Failure::io("start", "the check of the database", &cause);
    let program = std::env::current_exe().map_err(fail)?;
    let mut child = Command::new(program)
        .args(["monitor", "store", "check-database"])
        .arg(path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(fail)?;
    let mut waited = Duration::ZERO;
    // It says a line at most, which the pipe holds.
    while child.try_wait().map_err(fail)?.is_none() {
        if waited > CHECK_TIME_MAX {
            child.kill().map_err(fail)?;
        }
        std::thread::sleep(CHECK_POLL);
        waited += CHECK_POLL;
    }
    let output = child.wait_with_output().map_err(fail)?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Ok(if output.status.success() && !said.is_empty() {
        Answer::Said(said)
    } else {
        Answer::Died(output.status.to_string())
    })
}

/// First words of what [`check_database`] prints.
const CLEAN: &str = "clean";
const DAMAGED: &str = "damaged";
const BUSY: &str = "busy";
/// Bytes of a reason: a pipe holds more.
const REASON_BYTES_MAX: usize = 1_000;

/// The child's part: checks the file and prints a line.
pub(crate) fn check_database(path: &Path, context: &Context) -> Result<u8> {
    let said = match check(path).map_err(|e| Failure::io("read", path.display(), &e))? {
        Verdict::Clean => CLEAN.to_owned(),
        Verdict::Busy => BUSY.to_owned(),
        Verdict::Damaged(what) => {
            let line: String = what.split_whitespace().collect::<Vec<_>>().join(" ");
            format!("{DAMAGED} {}", line.chars().take(REASON_BYTES_MAX / 4).collect::<String>())
        }
    };
    context.print(&format!("{said}\n"))?;
    Ok(0)
}
