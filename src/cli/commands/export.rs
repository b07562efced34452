//! `ax monitor export`: events as text that `import` takes back.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::OpenOptionsExt;

use ax_storage::Store;
use ax_storage::query::plan::Filter;
use ax_storage::time::TimeRange;

use crate::cli::args::{ExportArgs, ExportFormat};
use crate::cli::commands::asking;
use crate::cli::commands::events::lowered;
use crate::cli::context::{Context, stdout_failure};
use crate::cli::text::counted;
use crate::error::{Failure, Result, escaped, exit};
use crate::export;

/// Text is handed on in pieces of about this size.
const PIECE_BYTES: usize = 64 << 10;

/// Exports.
pub(crate) fn run(args: &ExportArgs, context: &Context) -> Result<u8> {
    let range = context.range_if_given(&args.span)?.unwrap_or(TimeRange::ALL);
    let filter = lowered(asking::narrowed(&args.only, args.query.as_deref())?.as_ref());
    let store = context.existing_store()?;
    let ask = Asked { store: &store, range, filter: &filter };
    let Some(path) = &args.output else {
        let written = write(args, &ask, context, &mut std::io::stdout().lock(), &|e| stdout_failure(&e));
        return written.map(|written| written.code());
    };
    let shown = path.display();
    let failure = |e: std::io::Error| Failure::io("write", &shown, &e);
    let file = File::options().write(true).create_new(true).mode(0o600).open(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Failure::usage(format!("{shown} is there already")).hint("choose another name for -o, or remove it first")
        }
        _ => failure(e),
    })?;
    let mut out = BufWriter::new(file);
    let written = write(args, &ask, context, &mut out, &failure)?;
    out.into_inner().map_err(|e| failure(e.into_error()))?.sync_all().map_err(failure)?;
    context.note(&format!("Wrote {} to {}", counted(written.events, "event"), escaped(&shown.to_string())));
    Ok(written.code())
}

/// Which events.
struct Asked<'a> {
    store: &'a Store,
    range: TimeRange,
    filter: &'a Filter,
}

/// What was written.
struct Written {
    events: u64,
    /// There were more, in files that cannot be read.
    damaged: bool,
}

impl Written {
    const fn code(&self) -> u8 {
        if self.damaged { exit::DAMAGED } else { 0 }
    }
}

/// Writes all events that match.
fn write(
    args: &ExportArgs,
    ask: &Asked<'_>,
    context: &Context,
    out: &mut dyn Write,
    failure: &dyn Fn(std::io::Error) -> Failure,
) -> Result<Written> {
    let mut text = String::with_capacity(PIECE_BYTES + 4096);
    if args.format == ExportFormat::Csv {
        export::csv_header(&mut text);
    }
    let mut stopped = None;
    let mut events = 0;
    let summary = ask.store.events(ask.range, ask.filter, usize::MAX, &mut |names, row| {
        match args.format {
            ExportFormat::Ndjson => export::ndjson(&mut text, names, row),
            ExportFormat::Csv => export::csv(&mut text, names, row),
        }
        events += 1;
        if text.len() < PIECE_BYTES {
            return ControlFlow::Continue(());
        }
        let written = out.write_all(text.as_bytes());
        text.clear();
        match written {
            Ok(()) => ControlFlow::Continue(()),
            Err(e) => {
                stopped = Some(e);
                ControlFlow::Break(())
            }
        }
    })?;
    if let Some(e) = stopped {
        return Err(failure(e));
    }
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(failure)?;
    context.warn_of_kept(summary.kept_from);
    for what in &summary.missing {
        context.warn("missing", format!("could not be read: {what}"));
    }
    Ok(Written { events, damaged: !summary.missing.is_empty() })
}
