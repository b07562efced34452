//! `ax monitor store`: what it holds, and the proof of it.

use ax_storage::store::{Bytes, Info};
use serde::{Serialize, Serializer};

use super::{backup, retention, verify};
use crate::cli::args::StoreVerb;
use crate::cli::context::Context;
use crate::cli::text::{bytes, count, counted, minute};
use crate::dashboard::Warning;
use crate::error::{Result, escaped};
use crate::render::{self, Style};

/// Runs a verb of `store`.
pub(crate) fn run(verb: StoreVerb, context: &Context) -> Result<u8> {
    match verb {
        StoreVerb::SetRetention(args) => retention::run(&args, context),
        StoreVerb::Info => info(context),
        StoreVerb::Verify(args) => verify::run(&args, context),
        StoreVerb::Backup(args) => backup::run(&args, context),
        StoreVerb::CheckDatabase { file } => verify::check_database(&file, context),
    }
}

#[derive(Serialize)]
struct InfoView {
    schema: &'static str,
    generated_at: String,
    path: String,
    events_raw: u64,
    #[serde(serialize_with = "as_map")]
    buckets: Vec<(&'static str, u64)>,
    /// Blocks on the medium.
    bytes: BytesView,
    /// What the files say they are long: journals set aside more than they use, holes take nothing.
    lengths: BytesView,
    bytes_per_event: Option<f64>,
    oldest: Option<String>,
    newest: Option<String>,
    timezone: String,
    backlog_events: u64,
    backlog_oldest: Option<String>,
    recorders: u64,
    #[serde(serialize_with = "as_map")]
    dropped: Vec<(&'static str, u64)>,
    last_tick: Option<String>,
    format_version: u32,
    warnings: Vec<Warning>,
}

#[derive(Serialize)]
struct BytesView {
    redb: u64,
    journal: u64,
    raw: u64,
}

impl BytesView {
    fn new(bytes: &Bytes) -> Self {
        Self { redb: bytes.redb, journal: bytes.journal, raw: bytes.raw }
    }
}

/// All blocks for each single event, to a tenth.
fn per_event(info: &Info) -> Option<f64> {
    (info.events_raw > 0).then(|| (info.bytes.all() as f64 / info.events_raw as f64 * 10.0).round() / 10.0)
}

fn as_map<S: Serializer>(pairs: &[(&'static str, u64)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().copied())
}

fn info(context: &Context) -> Result<u8> {
    let store = context.existing_store()?;
    let info = store.info()?;
    context.warn_of_old(info.backlog_oldest);
    for problem in &info.problems {
        context.warn("damaged", problem);
    }
    let dropped: Vec<(&'static str, u64)> = info.dropped.iter().map(|(reason, n)| (reason.name(), *n)).collect();
    let zone = store.zone().name();
    let path = store.dir().display().to_string();
    if !context.json() {
        context.print(&info_text(&info, &dropped, &path, zone, context, &context.style()?))?;
        return Ok(0);
    }
    context.print_json(&InfoView {
        schema: "ax.monitor.store/1",
        generated_at: context.now().to_string(),
        path,
        events_raw: info.events_raw,
        buckets: info.buckets.iter().map(|(table, n)| (plain(table), *n)).collect(),
        bytes: BytesView::new(&info.bytes),
        lengths: BytesView::new(&info.lengths),
        bytes_per_event: per_event(&info),
        oldest: info.oldest.map(|t| t.to_string()),
        newest: info.newest.map(|t| t.to_string()),
        timezone: zone.to_owned(),
        backlog_events: info.backlog_events,
        backlog_oldest: info.backlog_oldest.map(|t| t.to_string()),
        recorders: info.writers_live,
        dropped,
        last_tick: store.last_tick().map(|t| t.to_string()),
        format_version: ax_storage::identity::FORMAT_VERSION,
        warnings: context.take_warnings(),
    })?;
    Ok(0)
}

/// A table's name as people know it: the tiers are `1m`, `5m` …
fn plain(table: &'static str) -> &'static str {
    table.trim_start_matches("tier_")
}

fn info_text(info: &Info, dropped: &[(&str, u64)], path: &str, zone: &str, context: &Context, style: &Style) -> String {
    let mut out = format!("{}\n\n", escaped(path));
    const NAME: usize = 11;
    let mut line = |name: &str, text: String| out += &format!("{name:<NAME$}{}", render::words(&text, NAME, style));
    line("events", count(info.events_raw));
    if let (Some(oldest), Some(newest)) = (info.oldest, info.newest) {
        let ago = render::ago(context.now().since(newest));
        line("time", format!("{} to {} UTC, newest {ago} ago", minute(oldest), minute(newest)));
    }
    line(
        "size",
        format!(
            "{} = tiers {} + events {} + journals {}",
            bytes(info.bytes.all()),
            bytes(info.bytes.redb),
            bytes(info.bytes.raw),
            bytes(info.bytes.journal)
        ),
    );
    line("length", format!("{} with space set aside and holes", bytes(info.lengths.all())));
    if let Some(each) = per_event(info) {
        line(
            "an event",
            format!("{each:.1} B of single events and tiers; files are {} long", bytes(info.lengths.all())),
        );
    }
    let rows: Vec<String> = info.buckets.iter().map(|(table, n)| format!("{} {}", plain(table), count(*n))).collect();
    line("buckets", rows.join(" · "));
    line("days in", zone.to_owned());
    line("recorders", format!("{} alive", count(info.writers_live)));
    line(
        "backlog",
        match info.backlog_oldest {
            Some(oldest) => {
                let ago = render::ago(context.now().since(oldest));
                format!("{} to roll up, oldest {ago} ago", counted(info.backlog_events, "event"))
            }
            None => "none".to_owned(),
        },
    );
    let dropped: Vec<String> = dropped.iter().map(|(reason, n)| format!("{} {reason}", count(*n))).collect();
    line("dropped", if dropped.is_empty() { "none".to_owned() } else { dropped.join(" · ") });
    out
}
