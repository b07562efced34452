//! Numbers and sizes in sentences.

use ax_storage::time::Timestamp;

use crate::render;

/// `1,234,567`.
pub(crate) fn count(n: u64) -> String {
    render::count(n.into())
}

/// `1 event`, `1,234 events`.
pub(crate) fn counted(n: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(n), if n == 1 { "" } else { "s" })
}

/// `1.2 MiB`.
pub(crate) fn bytes(n: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    let mut scale = 1_u64;
    while unit + 1 < UNITS.len() && n / scale >= 1024 {
        scale *= 1024;
        unit += 1;
    }
    if unit == 0 {
        return format!("{n} B");
    }
    let tenths = u128::from(n) * 10 / u128::from(scale);
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// `2025-11-16 19:15` in UTC, for sentences.
pub(crate) fn minute(t: Timestamp) -> String {
    t.to_string()[..16].replace('T', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_sizes_read_well() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([1, 2].map(|n| counted(n, "event")), ["1 event", "2 events"]);
        assert_eq!(
            [0, 1023, 1024, 1_300_000, u64::MAX].map(bytes),
            ["0 B", "1023 B", "1.0 KiB", "1.2 MiB", "16777215.9 TiB"]
        );
    }
}
