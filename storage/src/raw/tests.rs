//! Segments against the rows they were made of, and against damage.

use proptest::prelude::*;

use super::*;
use crate::event::{CostSource, Tokens};
use crate::paths::Paths;
use crate::row::{Batch, Body, CacheRow, Maybe, NameId, RateRow, RequestRow, Row};
use crate::time::{DAY_MS, Timestamp};

const STORE: u128 = 0x1234_5678_9abc;
const DAY: Timestamp = Timestamp::from_millis(20_400 * DAY_MS);

struct Made {
    _dir: tempfile::TempDir,
    path: std::path::PathBuf,
    meta: SegmentMeta,
}

fn make(batch: &Batch) -> Made {
    let dir = tempfile::tempdir().unwrap();
    let paths = Paths::new(dir.path());
    let rows: Vec<u32> = (0..batch.rows.len() as u32).collect();
    let sources = Sources {
        journals: vec![JournalSource { recorder: 7 << 100, sequence: 3, end: 1 << 40 }],
        import: Some(99),
        replaces: vec![1, u128::MAX],
    };
    let sealed = seal(&paths, STORE, DAY, batch, &rows, sources).unwrap();
    let meta = sealed.keep();
    Made { path: paths.segment(DAY, meta.uuid), meta, _dir: dir }
}

fn read_all(segment: &Segment) -> Result<Batch, SegmentError> {
    let mut batch = Batch::default();
    let mut scratch = Scratch::default();
    for block in 0..segment.blocks().len() {
        segment.rows(block, &mut scratch, &mut batch)?;
    }
    Ok(batch)
}

/// Rows as text with their names, kind by kind in the order of time.
fn plain(batch: &Batch) -> Vec<String> {
    let n = |id: NameId| batch.names.get(id);
    let mut rows: Vec<(u8, Timestamp, String)> = batch
        .rows
        .iter()
        .map(|row| {
            let mut copy = *row;
            (copy.provider, copy.model, copy.user, copy.event_id) = (0, 0, 0, 0);
            let mut words = vec![n(row.provider), n(row.model), n(row.user), n(row.event_id)];
            let kind = match &mut copy.body {
                Body::Request(r) => {
                    words.extend([n(r.error), n(r.service_tier)]);
                    (r.error, r.service_tier) = (0, 0);
                    0
                }
                Body::Cache(c) => {
                    words.push(n(c.key));
                    c.key = 0;
                    1
                }
                Body::Rate(l) => {
                    words.extend([n(l.key), n(l.limit_type)]);
                    (l.key, l.limit_type) = (0, 0);
                    2
                }
            };
            (kind, row.ts, format!("{copy:?} {words:?}"))
        })
        .collect();
    rows.sort_by_key(|(kind, ts, _)| (*kind, *ts));
    rows.into_iter().map(|(_, _, text)| text).collect()
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0..5000u64, 1 => Just(0), 1 => any::<u64>(), 1 => Just(u64::MAX - 1), 1 => Just(u64::MAX)]
}

fn maybe() -> impl Strategy<Value = Maybe> {
    number().prop_map(Maybe::some)
}

fn name() -> impl Strategy<Value = NameId> {
    prop_oneof![3 => 0..4u32, 1 => 0..NAMES as u32]
}

const NAMES: usize = 40;

fn names(batch: &mut Batch) {
    for i in 1..NAMES {
        batch.names.intern(&"é\u{1b}x".repeat(i));
    }
}

fn request() -> impl Strategy<Value = Body> {
    let tokens = (number(), number(), number(), number(), number(), number());
    (any::<bool>(), name(), name(), maybe(), maybe(), tokens, number(), 0..3u8).prop_map(
        |(ok, error, service_tier, latency_us, ttft_us, t, cost_nanos, source)| {
            Body::Request(RequestRow {
                ok,
                error: if ok { 0 } else { error },
                service_tier,
                latency_us,
                ttft_us,
                tokens: Tokens {
                    input: t.0,
                    cached: t.1,
                    cache_write: t.2,
                    cache_write_1h: t.3,
                    output: t.4,
                    reasoning: t.5,
                },
                cost_nanos,
                cost_source: [CostSource::Unpriced, CostSource::Recorded, CostSource::Computed][usize::from(source)],
            })
        },
    )
}

fn body() -> impl Strategy<Value = Body> {
    prop_oneof![
        3 => request(),
        1 => (any::<bool>(), name(), maybe(), maybe(), maybe()).prop_map(|(hit, key, a, b, c)| {
            Body::Cache(CacheRow { hit, key, saved_cost_nanos: a, saved_tokens: b, ttl_s: c })
        }),
        1 => (any::<bool>(), name(), name(), maybe(), maybe()).prop_map(|(allowed, key, limit_type, a, b)| {
            Body::Rate(RateRow { allowed, key, limit_type, remaining: a, limit: b })
        }),
    ]
}

fn row() -> impl Strategy<Value = Row> {
    let ts = prop_oneof![3 => 0..DAY_MS, 1 => Just(0), 1 => Just(DAY_MS - 1), 1 => 5000..5010u64];
    (ts, name(), name(), name(), name(), body()).prop_map(|(ts, provider, model, user, event_id, body)| Row {
        ts: DAY.plus_ms(ts),
        provider,
        model,
        user,
        event_id,
        body,
    })
}

fn batch_of(rows: Vec<Row>) -> Batch {
    let mut batch = Batch { rows, ..Batch::default() };
    names(&mut batch);
    batch
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_rows_come_back(rows in prop::collection::vec(row(), 1..900)) {
        let batch = batch_of(rows);
        let made = make(&batch);
        let segment = Segment::open(&made.path, STORE).unwrap();
        prop_assert_eq!(segment.meta(), &made.meta);
        prop_assert_eq!(made.meta.rows, batch.rows.len() as u64);
        prop_assert_eq!(made.meta.bytes, std::fs::metadata(&made.path).unwrap().len());
        prop_assert_eq!(Some(made.meta.min_ts), batch.rows.iter().map(|r| r.ts).min());
        prop_assert_eq!(Some(made.meta.max_ts), batch.rows.iter().map(|r| r.ts).max());
        prop_assert_eq!(plain(&read_all(&segment).unwrap()), plain(&batch));
    }

    /// Single columns, single groups in any order and skips by bounds against whole rows.
    #[test]
    fn columns_and_bounds_agree_with_rows(
        rows in prop::collection::vec(row(), 1..900),
        picks in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..40),
        low in number(),
        high in number(),
    ) {
        let made = make(&batch_of(rows));
        let segment = Segment::open(&made.path, STORE).unwrap();
        let (mut all, mut some) = (Scratch::default(), Scratch::default());
        for (b, info) in segment.blocks().iter().enumerate() {
            let columns: Vec<Column> = info.kind.columns().iter().collect();
            let mut whole = segment.read(b, ColumnSet::ALL, &mut all).unwrap();
            let mut full: Vec<Vec<u64>> = vec![Vec::new(); 32];
            for g in 0..whole.groups() {
                whole.decode(g, ColumnSet::ALL);
                for &c in &columns {
                    full[c as usize].extend(&whole.values(c)[..whole.rows(g)]);
                }
            }
            for &c in &columns {
                let values = &full[c as usize];
                let bounds = info.bounds(c);
                let present = || values.iter().copied().filter(|v| *v != ABSENT);
                prop_assert_eq!(bounds.min, present().min().unwrap_or(ABSENT));
                prop_assert_eq!(bounds.max, present().max().unwrap_or(0));
                prop_assert_eq!(bounds.some_absent, values.contains(&ABSENT));
                if present().any(|v| low <= v && v <= high) {
                    prop_assert!(bounds.may_lie_in(low, high));
                }
            }
            prop_assert_eq!(info.min_ts.millis(), full[0][0]);
            prop_assert_eq!(info.max_ts.millis(), full[0][info.rows - 1]);
            for (c, g) in &picks {
                let column = columns[c.index(columns.len())];
                let mut reader = segment.read(b, ColumnSet::of(&[column]), &mut some).unwrap();
                let g = g.index(reader.groups());
                reader.decode(g, ColumnSet::of(&[column]));
                let rows = reader.rows(g);
                prop_assert_eq!(&reader.values(column)[..rows], &full[column as usize][g * GROUP_ROWS..][..rows]);
            }
        }
    }
}
