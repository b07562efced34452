use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const ZONES: [&str; 6] =
    ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia"];
const MINUTE: u64 = 60_000;

fn tier_span(from: u64, to: u64) -> Span {
    Span { complete_from: Timestamp::from_millis(from), closed_to: Timestamp::from_millis(to) }
}

/// Days around clock changes: Berlin, New York and Lord Howe within four weeks, or Apia's lost day.
fn base() -> impl Strategy<Value = u64> {
    prop_oneof![Just(1_759_300_000_000_u64), Just(1_325_030_000_000)]
}

/// Edges that often fall together: whole minutes, hours, days, or any millisecond.
fn moment() -> impl Strategy<Value = u64> {
    (0..40_u64 * 24 * 60, 0..5_u8, 0..MINUTE).prop_map(|(minute, kind, ms)| match kind {
        0 => minute * MINUTE + ms,
        1 => minute * MINUTE,
        2 => minute / 60 * 60 * MINUTE,
        3 => minute / 1440 * 1440 * MINUTE,
        _ => minute * MINUTE + ms / 1000 * 1000,
    })
}

#[derive(Clone, Debug)]
struct Case {
    zone: usize,
    base: u64,
    window: (u64, u64),
    from: [u64; 4],
    to: [u64; 3],
    raw: Option<u64>,
    unlimited: [bool; 5],
}

fn case() -> impl Strategy<Value = Case> {
    let froms = prop::array::uniform4(moment());
    let tos = prop::array::uniform3(moment());
    let raw = prop::option::weighted(0.8, moment());
    (0..ZONES.len(), base(), (moment(), moment()), froms, tos, raw, prop::array::uniform5(any::<bool>())).prop_map(
        |(zone, base, (a, b), from, to, raw, unlimited)| Case {
            zone,
            base,
            window: (a.min(b), a.max(b)),
            from,
            to,
            raw,
            unlimited,
        },
    )
}

impl Case {
    fn reach(&self) -> Reachable {
        let zone = Zone::load(ZONES[self.zone]).unwrap();
        let limit = |at: u64, free: bool| if free { 0 } else { self.base + at };
        let raw = self.raw.map(|at| Timestamp::from_millis(limit(at, self.unlimited[4])));
        let mut reach = Reachable::new(&zone, raw);
        for (i, tier) in Tier::ALL.into_iter().enumerate().rev() {
            let to = if i == 0 { Timestamp::MAX.millis() } else { self.base + self.to[i - 1] };
            reach.add(Table::Tier(tier), tier_span(limit(self.from[i], self.unlimited[i]), to));
        }
        reach
    }

    fn asked(&self) -> TimeRange {
        let at = |t| Timestamp::from_millis(self.base + t);
        TimeRange::new(at(self.window.0), at(self.window.1))
    }
}

/// Every usable bucket that touches `range`.
fn buckets(reach: &Reachable, range: TimeRange) -> Vec<TimeRange> {
    let mut all = Vec::new();
    for &(table, usable) in &reach.tables {
        let within = range.intersect(&usable);
        if within.is_empty() {
            continue;
        }
        let mut t = reach.bucket(table, within.start).start;
        while t < within.end {
            let bucket = reach.bucket(table, t);
            all.push(bucket);
            t = bucket.end;
        }
    }
    all
}

/// The least number of buckets with which a path of buckets leads from `range.start` to its end
/// after the raw events `raw` were set aside.
fn fewest(reach: &Reachable, range: TimeRange) -> Option<usize> {
    let mut best: BTreeMap<Timestamp, usize> = BTreeMap::from([(range.start, 0)]);
    let mut all = buckets(reach, range);
    all.retain(|b| range.covers(b));
    all.sort_by_key(|b| (b.start, b.end));
    for bucket in all {
        if let Some(&n) = best.get(&bucket.start) {
            let end = best.entry(bucket.end).or_insert(usize::MAX);
            *end = (*end).min(n + 1);
        }
    }
    best.get(&range.end).copied()
}

fn count(reach: &Reachable, piece: &Piece) -> usize {
    let From::Table(table) = piece.from else { return 0 };
    let mut n = 0;
    let mut t = piece.range.start;
    while t < piece.range.end {
        t = reach.bucket(table, t).end;
        n += 1;
    }
    assert_eq!(t, piece.range.end, "a run ends at an edge");
    n
}

/// Guards the cover: every piece lies in what its source holds, pieces tile the window, a window is
/// widened only where nothing finer is left, gaps are only where nothing is, and no cover is cheaper.
fn check(case: &Case) {
    let reach = case.reach();
    let asked = case.asked();
    if asked.is_empty() {
        return;
    }
    let got = cover(&reach, asked, TimeRange::ALL, None).unwrap();
    let mut t = got.window.start;
    for piece in &got.pieces {
        assert_eq!(piece.range.start, t, "pieces tile the window");
        t = piece.range.end;
        match piece.from {
            From::Table(table) => {
                let (_, usable) = reach.tables.iter().find(|(other, _)| *other == table).unwrap();
                assert!(usable.covers(&piece.range), "{piece:?} is outside {usable:?}");
                assert_eq!(reach.bucket(table, piece.range.start).start, piece.range.start, "runs start at an edge");
                count(&reach, piece);
            }
            From::Raw => {
                assert!(reach.raw_reaches(piece.range.start));
                // No whole bucket fits into a part that is read event by event.
                assert_eq!(buckets(&reach, piece.range).iter().find(|b| piece.range.covers(b)), None);
            }
            From::Nothing => {
                assert!(!reach.raw_reaches(piece.range.end.minus_ms(1)));
                assert_eq!(buckets(&reach, piece.range), [], "a gap that a bucket fills");
            }
        }
    }
    assert_eq!(t, got.window.end, "pieces tile the window");

    // Every moment asked for that anything holds is in the window.
    if reach.raw_reaches(asked.start) {
        assert_eq!(got.window, asked, "raw reaches everything");
    }
    for bucket in buckets(&reach, asked) {
        assert!(got.window.covers(&bucket.intersect(&asked)), "{bucket:?} was left out");
    }
    for bucket in buckets(&reach, got.window) {
        // Nothing finer than the bucket that the start was moved to could have been cut there.
        if got.window.start < asked.start && bucket.contains(asked.start) {
            assert!(bucket.start <= asked.start);
        }
    }
    for piece in &got.pieces {
        if matches!(piece.from, From::Table(_)) {
            assert_eq!(Some(count(&reach, piece)), fewest(&reach, piece.range), "{piece:?}");
        }
    }
    // Between two parts of raw or nothing the runs together are the fewest buckets there are.
    for run in got.pieces.chunk_by(|a, b| matches!((a.from, b.from), (From::Table(_), From::Table(_)))) {
        if matches!(run[0].from, From::Table(_)) {
            let range = TimeRange::new(run[0].range.start, run[run.len() - 1].range.end);
            let used = run.iter().map(|p| count(&reach, p)).sum::<usize>();
            assert_eq!(Some(used), fewest(&reach, range));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn a_cover_is_exact_and_smallest(case in case()) {
        check(&case);
    }

    /// Every step edge is an edge of the cover, or the step is refused because nothing could be cut there.
    #[test]
    fn steps_are_cut_exactly_or_refused(case in case(), width in prop::sample::select(vec![1_u64, 5, 15, 60, 360, 1440])) {
        let reach = case.reach();
        let asked = case.asked();
        prop_assume!(!asked.is_empty());
        let step = if width == 1440 { Step::Days(1) } else { Step::Millis(width * MINUTE) };
        let grid = StepGrid::new(step, &reach.zone);
        match cover(&reach, asked, TimeRange::ALL, Some(&grid)) {
            Ok(got) => {
                for piece in &got.pieces {
                    let From::Table(table) = piece.from else { continue };
                    for edge in &got.edges {
                        if piece.range.contains(*edge) {
                            prop_assert_eq!(reach.bucket(table, *edge).start, *edge);
                        }
                    }
                }
                prop_assert_eq!(got.pieces.iter().map(|p| p.range.millis()).sum::<u64>(), got.window.millis());
            }
            Err(QueryError::StepTooFine { .. }) => {
                prop_assert!(!reach.raw_reaches(asked.start));
            }
            Err(QueryError::TooManySteps { steps }) => prop_assert!(steps > 10_000),
            Err(other) => prop_assert!(false, "{}", other),
        }
    }
}

fn at(text: &str) -> Timestamp {
    Timestamp::from_jiff(text.parse().unwrap())
}

fn all_closed(zone: &str, to: &str) -> Reachable {
    let zone = Zone::load(zone).unwrap();
    let mut reach = Reachable::new(&zone, Some(Timestamp::MIN));
    for tier in Tier::ALL.into_iter().rev() {
        let to = if tier == Tier::Minute { Timestamp::MAX } else { floor(tier, at(to), &zone) };
        reach.add(Table::Tier(tier), Span { complete_from: Timestamp::MIN, closed_to: to });
    }
    reach
}

fn text(cover: &Cover) -> String {
    let name = |from| match from {
        From::Table(table) => table.tier().name(),
        From::Raw => "raw",
        From::Nothing => "-",
    };
    let pieces: Vec<_> =
        cover.pieces.iter().map(|p| format!("{} {}", name(p.from), &p.range.end.to_string()[8..19])).collect();
    pieces.join(", ")
}

#[test]
fn a_week_that_ends_now_is_mostly_days() {
    let reach = all_closed("UTC", "2025-11-24T10:28:00Z");
    let asked = TimeRange::new(at("2025-11-17T10:30:30Z"), at("2025-11-24T10:30:30Z"));
    let got = cover(&reach, asked, TimeRange::ALL, None).unwrap();
    assert_eq!(
        text(&got),
        "raw 17T10:31:00, 1m 17T10:35:00, 5m 17T11:00:00, 1h 18T00:00:00, 1d 24T00:00:00, 1h 24T10:00:00, \
         5m 24T10:25:00, 1m 24T10:30:00, raw 24T10:30:30"
    );
}

#[test]
fn edges_where_no_event_is_cost_no_raw_scan() {
    let reach = all_closed("UTC", "2025-11-24T10:28:00Z");
    let asked = TimeRange::new(at("2025-11-17T10:30:30Z"), at("2025-11-24T10:30:30Z"));
    let extent = TimeRange::new(at("2025-11-20T00:00:00Z"), at("2025-11-24T10:30:10Z"));
    let got = cover(&reach, asked, extent, None).unwrap();
    assert_eq!(got.window, asked);
    assert!(got.pieces.iter().all(|p| p.from != From::Raw), "{got:?}");
}

#[test]
fn days_of_another_zone_become_the_stores_where_hours_are_gone() {
    let store = Zone::load("Europe/Berlin").unwrap();
    let mut reach = Reachable::new(&store, Some(at("2025-11-20T00:00:00Z")));
    reach.add(Table::Tier(Tier::Day), Span { complete_from: Timestamp::MIN, closed_to: at("2025-11-22T23:00:00Z") });
    reach.add(
        Table::Tier(Tier::Hour),
        Span { complete_from: at("2025-11-15T00:00:00Z"), closed_to: at("2025-11-23T00:00:00Z") },
    );
    let grid = StepGrid::new(Step::Days(1), &Zone::utc());
    let asked = TimeRange::new(at("2025-11-10T00:00:00Z"), at("2025-11-20T00:00:00Z"));
    let got = cover(&reach, asked, TimeRange::ALL, Some(&grid)).unwrap();
    assert_eq!(got.window.start, at("2025-11-09T23:00:00Z"));
    assert_eq!(got.edges[1], at("2025-11-10T23:00:00Z"));
    assert_eq!(*got.edges.last().unwrap(), asked.end);
    assert!(got.edges.contains(&at("2025-11-17T00:00:00Z")));
    assert!(got.store_days_until.is_some());
}
