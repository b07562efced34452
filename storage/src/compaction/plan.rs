//! Which segments of a day are merged: decided from the manifest alone.

use crate::tier::Listed;

/// A segment of fewer events is small: its names and half-filled blocks weigh beside its events, and
/// every question opens it.
const SMALL_EVENTS: u64 = 1_000_000;
/// Most events of a merged segment: bounds how long a merge is busy before its work is kept.
const EVENTS_MAX: u64 = 4_000_000;
/// Most segments merged at once: each keeps a block in memory, up to 5 MB with event ids.
const SEGMENTS_MAX: usize = 48;

/// Groups of small segments of one day, each to become one, the earliest first. A merged segment may
/// be small again, so what comes after it is planned anew.
pub(super) fn merges<'a>(segments: impl IntoIterator<Item = &'a Listed>) -> Vec<Vec<Listed>> {
    let mut small: Vec<Listed> = segments.into_iter().filter(|s| s.entry.rows < SMALL_EVENTS).copied().collect();
    small.sort_by_key(|s| (s.day, s.entry.min_ts, s.uuid));
    let mut groups: Vec<Vec<Listed>> = Vec::new();
    let mut events = 0;
    for one in small {
        let fits = |group: &Vec<Listed>| {
            group[0].day == one.day && group.len() < SEGMENTS_MAX && events + one.entry.rows <= EVENTS_MAX
        };
        match groups.last_mut().filter(|group| fits(group)) {
            Some(group) => group.push(one),
            None => {
                groups.push(vec![one]);
                events = 0;
            }
        }
        events += one.entry.rows;
    }
    groups.retain(|group| group.len() > 1);
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tier::schema::SegmentEntry;
    use crate::time::Timestamp;

    /// `day:events` words into segments, one after the other in time, and the groups as day:count.
    fn check(segments: &str, groups: &str) {
        let segments: Vec<Listed> = (0..)
            .zip(segments.split_whitespace())
            .map(|(n, word)| {
                let (day, rows) = word.split_once(':').unwrap();
                let (day, rows) = (day.parse().unwrap(), rows.parse().unwrap());
                let entry = SegmentEntry { rows, bytes: rows * 8, min_ts: n, max_ts: n };
                Listed { day: Timestamp::from_millis(day), uuid: n.into(), entry }
            })
            .collect();
        let found: Vec<String> =
            merges(&segments).iter().map(|g| format!("{}:{}", g[0].day.millis(), g.len())).collect();
        assert_eq!(found.join(" "), groups);
    }

    #[test]
    fn small_segments_of_one_day_are_merged_up_to_a_bound() {
        check("", "");
        check("1:10 2:10", "");
        check("1:10 1:20 2:5 3:1 3:1 3:1", "1:2 3:3");
        check("1:10 1:1000000 1:20", "1:2");
        check("1:1000000 1:1000000", "");
        check("1:900000 1:900000 1:900000 1:900000 1:900000 1:900000", "1:4 1:2");
        let many = "1:1 ".repeat(100);
        check(&many, "1:48 1:48 1:4");
    }
}
