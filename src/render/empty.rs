//! What to say when there is nothing to show, and what helps then.

use ax_storage::time::{Timestamp, Zone};

use super::{Style, banner, count, text, when};
use crate::dashboard::{Emptiness, FoundLogs};

/// Most known values that are listed.
const KNOWN_MAX: usize = 8;

/// Below the text of the line before.
const NEXT_LINE: &str = "                              ";

/// Why there is nothing, and what to do about it. `place` is the store's directory.
pub fn empty(why: &Emptiness, place: &str, now: Timestamp, zone: &Zone, style: &Style) -> String {
    banner(style) + &body(why, place, now, zone, style)
}

/// `Claude Code logs, 214 files, 31 days`
fn found_logs(logs: &FoundLogs) -> String {
    let many = |n: u64, word: &str| format!("{} {word}{}", count(n.into()), if n == 1 { "" } else { "s" });
    let over = if logs.more { "over " } else { "" };
    format!("{} logs, {over}{}, {}", logs.tool, many(logs.files, "file"), many(logs.days, "day"))
}

fn body(why: &Emptiness, place: &str, now: Timestamp, zone: &Zone, style: &Style) -> String {
    match why {
        Emptiness::NothingYet { logs } => {
            let first = match logs.as_slice() {
                [] => "  1. ax monitor import FILE   NDJSON or CSV, also .gz\n".to_owned(),
                found => {
                    let marks = std::iter::once("  1. ax monitor import        ").chain(std::iter::repeat(NEXT_LINE));
                    marks.zip(found).map(|(mark, logs)| format!("{mark}found: {}\n", found_logs(logs))).collect()
                }
            };
            format!(
                "No events yet in {}.\n\n\
                 Get data in one of these ways:\n\
                 {first}\
                 \x20 2. ax monitor record        NDJSON on stdin, from any language\n\
                 \x20 3. cargo add ax-monitor     3 lines in a Rust program\n\
                 Just looking?  ax monitor demo\n",
                text::name(place)
            )
        }
        Emptiness::NothingInRange { newest, .. } if *newest >= now => {
            format!("Nothing in this range: the newest event is of {}.\n", when::moment(*newest, zone))
        }
        Emptiness::NothingInRange { newest, in_query } => {
            let age = now.since(*newest);
            let wide = wide_enough(age);
            format!(
                "Nothing in this range: the newest event is {} old ({}).\n\nTry  {}\n",
                when::ago(age),
                when::moment(*newest, zone),
                if *in_query { format!("[{wide}] in the query") } else { format!("--range {wide}") }
            )
        }
        Emptiness::NoMatch { known } if known.is_empty() => "Nothing in this range matches.\n".to_owned(),
        Emptiness::NoMatch { known } => {
            let mut out = String::new();
            for k in known {
                let label = k.label.name();
                out += &format!("No events with {label} \"{}\" in this range.\n", text::name(&k.asked));
                if let Some(near) = &k.near {
                    out += &format!("Did you mean \"{}\"?\n", text::name(near));
                }
                let mut list: Vec<String> = k.values.iter().take(KNOWN_MAX).map(|v| text::name(v)).collect();
                if k.values.len() > KNOWN_MAX {
                    list.push(format!("and {} more", k.values.len() - KNOWN_MAX));
                }
                if !list.is_empty() {
                    let list = list.iter().map(|v| format!("{v},")).collect::<Vec<_>>();
                    let listed = text::flow(&list, " ", 7, &Style { width: style.width.saturating_sub(7), ..*style });
                    out += &format!("Known: {}\n", listed.trim_end().trim_end_matches(','));
                }
            }
            out
        }
        Emptiness::KindMissing { kinds } => {
            let (what, example) = if kinds.caches {
                ("cache events", r#"{"type":"cache","event":"hit","provider":"claude","saved_cost_usd":0.01}"#)
            } else if kinds.rates {
                ("rate limit events", r#"{"type":"rate_limit","event":"denied","provider":"claude"}"#)
            } else {
                ("requests", r#"{"provider":"claude","model":"claude-sonnet-4-5","latency_ms":850}"#)
            };
            format!("This needs {what}, and nobody has sent any.\n\nSend them with  ax monitor record\n  {example}\n")
        }
    }
}

/// A range that reaches back at least `age_ms`.
fn wide_enough(age_ms: u64) -> String {
    let hours = age_ms / 3_600_000 + 1;
    if hours <= 48 { format!("{hours}h") } else { format!("{}d", hours.div_ceil(24) + 1) }
}
