//! A query explained, as text.

use super::{Role, Style, number, text, when};
use crate::dashboard::{ExplainView, ReadView};
use ax_storage::time::Zone;

/// The canonical form, what it gives, and what would be read.
pub fn explain(view: &ExplainView, zone: &Zone, style: &Style) -> String {
    let mut out = String::new();
    let mut line = |name: &str, rest: &str| {
        out += &format!("{} {}\n", style.paint(Role::Dim, &format!("{name:<9}")), rest.trim_end());
    };
    line(view.kind, &text::name(&view.canonical));
    if let Some(unit) = &view.unit {
        line("gives", unit.json_name());
    }
    if let Some(hold) = &view.hold {
        line("for", hold);
    }
    for read in &view.reads {
        line("reads", &read_text(read, zone));
    }
    if view.more > 0 {
        line("", &format!("and {} more", view.more));
    }
    out
}

fn read_text(read: &ReadView, zone: &Zone) -> String {
    let mut parts: Vec<String> =
        read.buckets.iter().map(|(name, n)| format!("{} × {name}", number::count((*n).into()))).collect();
    if read.raw_ms > 0 {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of a window are below 2^53")]
        let length = number::duration_ms(read.raw_ms as f64);
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
