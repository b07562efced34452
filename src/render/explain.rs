//! A query explained, as text.

use super::{Role, Style, number, text, when};
use crate::alerts::duration;
use crate::dashboard::{ExplainView, ReadView};
use ax_storage::time::Zone;

/// A space that no line ends at.
const WHOLE_SPACE: &str = "\u{a0}";

/// The canonical form, what it gives, and what would be read.
pub fn explain(view: &ExplainView, zone: &Zone, style: &Style) -> String {
    let mut out = String::new();
    const NAME: usize = 10;
    let mut line = |name: &str, rest: &str| {
        let lines = text::wrap(rest, style.drawn().saturating_sub(NAME)).join(&format!("\n{}", " ".repeat(NAME)));
        let lines = lines.trim_end().replace(WHOLE_SPACE, " ");
        out += &format!("{}{lines}\n", style.paint(Role::Dim, &text::pad(name, NAME, false)));
    };
    line(view.kind, &text::name(&view.canonical));
    if let Some(unit) = &view.unit {
        line("gives", unit.json_name());
    }
    if let Some(hold) = &view.hold {
        line("for", hold);
    }
    for read in &view.reads {
        line("reads", &read_text(read, zone, style));
    }
    if view.more > 0 {
        line("", &format!("and {} more", view.more));
    }
    out
}

fn read_text(read: &ReadView, zone: &Zone, style: &Style) -> String {
    let mut parts: Vec<String> =
        read.buckets.iter().map(|(name, n)| number::buckets(*n, name, style).replace(' ', WHOLE_SPACE)).collect();
    if read.raw_ms > 0 {
        let length = duration(read.raw_ms);
        parts.push(match &read.raw_why {
            Some(why) => format!("{length} of single events, for {why}"),
            None => format!("{length} of single events"),
        });
    }
    let by = if read.by.is_empty() { String::new() } else { format!(" by {}", read.by.join(", ")) };
    let what = read.metrics.join(", ");
    let window = when::window(read.range.start, read.range.end, zone);
    let from = if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") };
    format!("{what}{by}, {window}: {from}")
}
