//! `ax monitor store set-retention`: how long each part of the store is kept.

use std::fmt::Write;

use ax_storage::Store;
use ax_storage::retention::{Part, Removed, Retention};
use ax_storage::time::{DAY_MS, HOUR_MS};
use serde::{Serialize, Serializer};

use crate::cli::agree::agree;
use crate::cli::args::SetRetentionArgs;
use crate::cli::context::Context;
use crate::cli::text::{bytes, counted};
use crate::cli::time;
use crate::dashboard::Warning;
use crate::error::{Failure, Result};
use crate::words::nearest;

/// The word for a part that never expires.
const FOREVER: &str = "forever";

#[derive(Serialize)]
struct View {
    schema: &'static str,
    generated_at: String,
    #[serde(serialize_with = "as_map")]
    keep: Vec<(&'static str, String)>,
    expiring: ExpiringView,
    warnings: Vec<Warning>,
}

#[derive(Serialize)]
struct ExpiringView {
    events: u64,
    bytes: u64,
    buckets: u64,
}

fn as_map<S: Serializer>(pairs: &[(&'static str, String)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(name, value)| (*name, value.as_str())))
}

/// Sets what the arguments say and shows all of it.
pub(crate) fn run(args: &SetRetentionArgs, context: &Context) -> Result<u8> {
    let store = context.existing_store()?;
    let before = store.retention()?;
    let after = changed(before, &args.settings)?;
    after.check().map_err(|rule| Failure::usage(rule).hint(format!("all together that is {}", sentence(&after))))?;
    let expiring = store.expiring(&after, context.now())?;
    if after != before {
        let more = more(&expiring, &store.expiring(&before, context.now())?);
        if !args.yes && more != Removed::default() {
            let (events, buckets) = (counted(more.events, "single event"), counted(more.buckets(), "bucket"));
            agree(&format!("remove {events} and {buckets} for good"), context)?;
        }
        store.set_retention(&after)?;
    }
    show(&after, &expiring, &store, context)
}

/// The settings with the `PART=DURATION` words applied.
fn changed(mut retention: Retention, words: &[String]) -> Result<Retention> {
    for word in words {
        let Some((name, value)) = word.split_once('=') else {
            return Err(Failure::usage(format!("'{word}' is no setting")).hint("write raw=7d or 1m=30d"));
        };
        let Some(part) = Part::ALL.into_iter().find(|part| part.name() == name) else {
            let names = Part::ALL.map(Part::name);
            let failure = Failure::usage(format!("the store has no part '{name}'"));
            return Err(match nearest(name, names) {
                Some(near) => failure.hint(format!("did you mean {near}?")),
                None => failure.hint(format!("parts are {}", names.join(", "))),
            });
        };
        let ms = if value == FOREVER { Retention::FOREVER } else { time::duration(value, "30d")? };
        retention = retention.with(part, ms);
    }
    Ok(retention)
}

/// What goes beyond what would go anyway.
fn more(after: &Removed, before: &Removed) -> Removed {
    let mut more = Removed {
        events: after.events.saturating_sub(before.events),
        bytes: after.bytes.saturating_sub(before.bytes),
        ..Removed::default()
    };
    for ((more, after), before) in more.rows.iter_mut().zip(after.rows).zip(before.rows) {
        *more = after.saturating_sub(before);
    }
    more
}

fn show(retention: &Retention, expiring: &Removed, store: &Store, context: &Context) -> Result<u8> {
    let keep: Vec<(&'static str, String)> =
        Part::ALL.into_iter().map(|part| (part.name(), span(retention.get(part)))).collect();
    if context.json() {
        context.print_json(&View {
            schema: "ax.monitor.retention/1",
            generated_at: context.now().to_string(),
            keep,
            expiring: ExpiringView { events: expiring.events, bytes: expiring.bytes, buckets: expiring.buckets() },
            warnings: context.take_warnings(),
        })?;
        return Ok(0);
    }
    let mut text = format!("{}\n\n", crate::error::escaped(&store.dir().display().to_string()));
    for (name, value) in keep {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:<11}{value}");
    }
    if *expiring != Removed::default() {
        let _ = writeln!(
            text,
            "\nThe next upkeep removes {} ({}) and {}.",
            counted(expiring.events, "single event"),
            bytes(expiring.bytes),
            counted(expiring.buckets(), "bucket")
        );
    }
    context.print(&text)?;
    Ok(0)
}

fn sentence(retention: &Retention) -> String {
    Part::ALL.map(|part| format!("{}={}", part.name(), span(retention.get(part)))).join(" ")
}

/// `7d`, `36h`, `forever`: as it can be typed.
fn span(ms: u64) -> String {
    match ms {
        Retention::FOREVER => FOREVER.to_owned(),
        ms if ms.is_multiple_of(DAY_MS) => format!("{}d", ms / DAY_MS),
        ms if ms.is_multiple_of(HOUR_MS) => format!("{}h", ms / HOUR_MS),
        ms => format!("{}s", ms as f64 / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_and_wrong_ones_are_explained() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let set = |text: &str| changed(Retention::default(), &words(text));
        let retention = set("raw=forever 1m=36h detail=1y").unwrap();
        assert_eq!(sentence(&retention), "raw=forever 1m=36h 5m=35d 1h=90d 1d=365d detail=365d");
        for (text, message, hint) in [
            ("raw", "'raw' is no setting", "write raw=7d or 1m=30d"),
            ("ram=7d", "the store has no part 'ram'", "did you mean raw?"),
            ("hours=7d", "the store has no part 'hours'", "parts are raw, 1m, 5m, 1h, 1d, detail"),
        ] {
            let failure = set(text).unwrap_err();
            assert_eq!((failure.message.as_str(), failure.hint.as_deref()), (message, Some(hint)));
        }
        assert!(set("raw=7").unwrap_err().message.contains("is not a duration"));
    }
}
