//! Points of time in a zone, and how long ago they are.

use ax_storage::time::{Timestamp, Zone};

use crate::costs::Span;

fn format(t: Timestamp, zone: &Zone, pattern: &str) -> String {
    t.to_jiff().to_zoned_datetime(zone.tz().clone()).strftime(pattern).to_string()
}

/// `09:46`.
pub fn clock(t: Timestamp, zone: &Zone) -> String {
    format(t, zone, "%H:%M")
}

/// `Tue 24 Nov 10:07 CET`.
pub fn moment(t: Timestamp, zone: &Zone) -> String {
    format(t, zone, "%a %-d %b %H:%M %Z")
}

/// `Sat 28 Nov`.
pub(super) fn weekday(t: Timestamp, zone: &Zone) -> String {
    format(t, zone, "%a %-d %b")
}

/// `24 Nov`.
pub(super) fn day(t: Timestamp, zone: &Zone) -> String {
    format(t, zone, "%-d %b")
}

/// `Nov 2026`.
pub(super) fn month(t: Timestamp, zone: &Zone) -> String {
    format(t, zone, "%b %Y")
}

/// `November 2026`.
pub(super) fn month_long(t: Timestamp, zone: &Zone) -> String {
    format(t, zone, "%B %Y")
}

/// What a stretch of time that starts at `t` is called.
pub(super) fn span(t: Timestamp, span: Span, zone: &Zone) -> String {
    let pattern = match span {
        Span::Hour => "%a %-d %b %H:%M %Z",
        Span::Day => "%a %-d %b %Y",
        Span::Week => "from %-d %b %Y",
        Span::Month => "%b %Y",
    };
    format(t, zone, pattern)
}

/// `24 Nov 09:46`, or what of it tells points of a span of `span_ms` in steps of `step_ms` apart.
pub(super) fn point(t: Timestamp, zone: &Zone, span_ms: u64, step_ms: u64) -> String {
    const DAY: u64 = ax_storage::time::DAY_MS;
    match (span_ms > DAY, step_ms.is_multiple_of(DAY), step_ms < 60_000) {
        (_, true, _) if span_ms > 300 * DAY => format(t, zone, "%-d %b %Y"),
        (_, true, _) => format(t, zone, "%a %-d %b"),
        (true, ..) => format(t, zone, "%a %-d %b %H:%M"),
        (false, _, true) => format(t, zone, "%H:%M:%S"),
        (false, _, false) => clock(t, zone),
    }
}

/// A time with milliseconds, with its day where that is not clear.
pub(super) fn exact(t: Timestamp, zone: &Zone, with_day: bool) -> String {
    format(t, zone, if with_day { "%m-%d %H:%M:%S%.3f" } else { "%H:%M:%S%.3f" })
}

/// A window: `Mon 16 Nov 18:15 to 19:15 UTC`.
pub(super) fn window(start: Timestamp, end: Timestamp, zone: &Zone) -> String {
    let from = format(start, zone, "%a %-d %b %H:%M");
    if day(start, zone) == day(end, zone) && end.since(start) <= ax_storage::time::DAY_MS {
        return format!("{from} to {}", format(end, zone, "%H:%M %Z"));
    }
    format!("{from} to {}", moment(end, zone))
}

/// `2 s`, `7m`, `3h`, `2 d`: about how long `ms` are.
pub fn ago(ms: u64) -> String {
    match ms / 1000 {
        s if s < 60 => format!("{s} s"),
        s if s < 3600 => format!("{} min", s / 60),
        s if s < 48 * 3600 => format!("{} h", s / 3600),
        s => format!("{} d", s / 86_400),
    }
}
