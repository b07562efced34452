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
    fn merged_segments_hold_what_their_sources_held(
        rows in prop::collection::vec((0..4_u8, row()), 1..900),
    ) {
        let batch = batch_of(rows.iter().map(|(_, row)| *row).collect());
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::new(dir.path());
        let mut sources = Vec::new();
        for part in 0..4_u8 {
            let indices: Vec<u32> = (0..).zip(&rows).filter(|(_, (p, _))| *p == part).map(|(i, _)| i).collect();
            if !indices.is_empty() {
                let uuid = seal(&paths, STORE, DAY, &batch, &indices, Sources::default()).unwrap().keep().uuid;
                sources.push(Segment::open(&paths.segment(DAY, uuid), STORE).unwrap());
            }
        }
        let meta = merge(&paths, STORE, &sources).unwrap().keep();
        let merged = Segment::open(&paths.segment(DAY, meta.uuid), STORE).unwrap();
        prop_assert_eq!(merged.meta(), &meta);
        prop_assert_eq!(&meta.sources.replaces, &sources.iter().map(|s| s.meta().uuid).collect::<Vec<_>>());
        let (mut found, mut expected) = (plain(&read_all(&merged).unwrap()), plain(&batch));
        // Events of the same millisecond have no order.
        found.sort();
        expected.sort();
        prop_assert_eq!(found, expected);
        for blocks in merged.blocks().windows(2).filter(|w| w[0].kind == w[1].kind) {
            prop_assert!(blocks[0].max_ts <= blocks[1].min_ts);
        }
    }

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

/// A segment with every kind, event ids, predicted costs and exceptions.
fn mixed(rows: usize) -> Batch {
    let mut batch = Batch::default();
    names(&mut batch);
    for i in 0..rows as u64 {
        let request = RequestRow {
            ok: i % 50 != 0,
            error: if i % 50 == 0 { 3 } else { 0 },
            service_tier: u32::from(i % 90 == 0),
            latency_us: if i % 70 == 0 { Maybe::NONE } else { Maybe::some(1000 * (300 + i * i % 911)) },
            ttft_us: if i % 3 == 0 { Maybe::some(i * 77 % 5000) } else { Maybe::NONE },
            tokens: Tokens { input: 100 + i * 31 % 997, output: i * 17 % 331, cached: i % 60, ..Tokens::default() },
            cost_nanos: (100 + i * 31 % 997 - i % 60) * 3000
                + i % 60 * 300
                + i * 17 % 331 * 15_000
                + u64::from(i % 99 == 0),
            cost_source: CostSource::Recorded,
        };
        let body = match i % 10 {
            8 => Body::Cache(CacheRow {
                hit: i % 4 == 0,
                key: 7,
                saved_cost_nanos: Maybe::some(i),
                saved_tokens: Maybe::NONE,
                ttl_s: Maybe::some(60),
            }),
            9 => Body::Rate(RateRow {
                allowed: true,
                key: 9,
                limit_type: 10,
                remaining: Maybe::some(100 - i % 100),
                limit: Maybe::some(100),
            }),
            _ => Body::Request(request),
        };
        batch.rows.push(Row {
            ts: DAY.plus_ms(i * 40 + i * i % 37),
            provider: 1 + (i % 2) as u32,
            model: 3 + (i % 5) as u32,
            user: (i * i % 31) as u32,
            event_id: if i % 4 == 0 { 11 + (i % 20) as u32 } else { 0 },
            body,
        });
    }
    batch
}

#[test]
fn a_hundred_thousand_rows_come_back_from_many_blocks() {
    let batch = mixed(100_000);
    let made = make(&batch);
    let segment = Segment::open(&made.path, STORE).unwrap();
    assert!(segment.blocks().len() > 5);
    assert_eq!(plain(&read_all(&segment).unwrap()), plain(&batch));
    for blocks in segment.blocks().windows(2).filter(|w| w[0].kind == w[1].kind) {
        assert!(blocks[0].max_ts <= blocks[1].min_ts, "blocks of a kind follow each other");
    }
}

/// Sources that lie among each other, and sources one after the other: a merge gives the same bytes
/// as sealing all rows at once, so merging loses none of the packing.
#[test]
fn a_merge_packs_as_well_as_sealing_at_once() {
    let batch = mixed(60_000);
    let whole = make(&batch);
    let split: [fn(u32) -> u32; 2] = [|i| i % 3, |i| i / 20_000];
    for part_of in split {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::new(dir.path());
        let open = |part: u32| {
            let rows: Vec<u32> = (0..60_000).filter(|i| part_of(*i) == part).collect();
            let uuid = seal(&paths, STORE, DAY, &batch, &rows, Sources::default()).unwrap().keep().uuid;
            Segment::open(&paths.segment(DAY, uuid), STORE).unwrap()
        };
        let meta = merge(&paths, STORE, &[0, 1, 2].map(open)).unwrap().keep();
        let merged = Segment::open(&paths.segment(DAY, meta.uuid), STORE).unwrap();
        assert_eq!(plain(&read_all(&merged).unwrap()), plain(&batch));
        assert!(meta.bytes.abs_diff(whole.meta.bytes) < 200, "{} bytes against {}", meta.bytes, whole.meta.bytes);
    }
}

#[test]
fn costs_that_follow_prices_take_no_space() {
    let mut batch = mixed(20_000);
    batch.rows.retain(|row| matches!(row.body, Body::Request(_)));
    let made = make(&batch);
    let segment = Segment::open(&made.path, STORE).unwrap();
    let bytes: usize = segment.blocks().iter().map(|b| b.chunk_bytes(Column::Cost)).sum();
    assert!(bytes < batch.rows.len() / 5, "{bytes} bytes for {} costs", batch.rows.len());
}

/// Prices that change within a block, hang on the tier, round oddly or do not exist at all.
#[test]
fn adversarial_costs_come_back() {
    type Cost = fn(u64, &RequestRow) -> u64;
    let costs: [Cost; 7] = [
        |i, r| r.tokens.input * if i < 500 { 3 } else { 5 },
        |_, r| r.tokens.input * if r.service_tier > 0 { 1500 } else { 3000 },
        |_, r| (r.tokens.input * 37_501 + r.tokens.output * 150_003 + 500) / 1000,
        |i, _| u64::MAX - i,
        |i, _| if i % 2 == 0 { 0 } else { u64::MAX },
        |i, r| r.tokens.input.wrapping_mul(i.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        |_, r| 1_000_000 - r.tokens.input,
    ];
    for (k, cost) in costs.iter().enumerate() {
        let mut batch = mixed(1000);
        for (i, row) in batch.rows.iter_mut().enumerate() {
            if let Body::Request(r) = &mut row.body {
                r.cost_nanos = cost(i as u64, r);
                r.cost_source = if i % 7 == 0 { CostSource::Unpriced } else { CostSource::Computed };
            }
        }
        let made = make(&batch);
        let segment = Segment::open(&made.path, STORE).unwrap();
        assert_eq!(plain(&read_all(&segment).unwrap()), plain(&batch), "case {k}");
    }
}

#[test]
fn rows_of_another_day_and_none_at_all_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let paths = Paths::new(dir.path());
    let batch = mixed(20);
    let other = DAY.minus_ms(DAY_MS);
    let refused = seal(&paths, STORE, other, &batch, &[0, 1], Sources::default());
    assert!(matches!(refused, Err(SealError::OtherDay { .. })), "{refused:?}");
    assert!(matches!(seal(&paths, STORE, DAY, &batch, &[], Sources::default()), Err(SealError::Empty)));
}

#[test]
fn a_sealed_segment_is_locked_until_it_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let paths = Paths::new(dir.path());
    let sealed = seal(&paths, STORE, DAY, &mixed(20), &[3, 2, 1], Sources::default()).unwrap();
    let path = paths.segment(DAY, sealed.meta().uuid);
    let file = crate::fs::open_read(&path).unwrap();
    assert!(!crate::fs::try_lock(&file).unwrap());
    let names: Vec<_> = std::fs::read_dir(paths.raw_day(DAY)).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names.len(), 1, "no temporary file is left: {names:?}");
    sealed.keep();
    assert!(crate::fs::try_lock(&file).unwrap());
}

/// Everything that can be asked of a file; what it says when nothing is wrong.
fn ask(path: &std::path::Path) -> Result<Vec<String>, SegmentError> {
    let segment = Segment::open(path, STORE)?;
    let mut scratch = Scratch::default();
    let mut sum = 0u64;
    for (b, info) in segment.blocks().iter().enumerate() {
        let mut reader = segment.read(b, ColumnSet::ALL, &mut scratch)?;
        for g in 0..reader.groups() {
            reader.decode(g, ColumnSet::ALL);
            for column in info.kind.columns().iter() {
                sum = reader.values(column)[..reader.rows(g)].iter().fold(sum, |s, v| s.wrapping_add(*v));
            }
            for &series in &reader.values(Column::Series)[..reader.rows(g)] {
                let (provider, model) = segment.names().series()[series as usize];
                sum += (segment.names().name(provider).len() + segment.names().name(model).len()) as u64;
            }
        }
    }
    let mut said = plain(&read_all(&segment)?);
    said.push(sum.to_string());
    said.push(format!("{:?} {:?}", segment.meta(), segment.names()));
    Ok(said)
}

/// Puts right every checksum that still can be found.
fn repair(bytes: &mut [u8]) {
    let size = bytes.len();
    let crc = |part: &[u8]| crc32fast::hash(part).to_le_bytes();
    let header = crc(&bytes[..60]);
    bytes[60..64].copy_from_slice(&header);
    let at = u64::from_le_bytes(bytes[size - 32..size - 24].try_into().unwrap()) as usize;
    if let Some(footer) = bytes.get(at..size - 32) {
        let footer = crc(footer);
        bytes[size - 16..size - 12].copy_from_slice(&footer);
    }
    let trailer = crc(&bytes[size - 32..size - 12]);
    bytes[size - 12..size - 8].copy_from_slice(&trailer);
}

/// Puts right the checksums of chunks in the footer of `good` for the bytes of `bad`.
fn repair_chunks(good: &[u8], bad: &mut [u8]) {
    let size = good.len();
    let at = u64::from_le_bytes(good[size - 32..size - 24].try_into().unwrap()) as usize;
    let mut footer = super::footer::decode(&good[at..size - 32], 64, at as u64, DAY).unwrap();
    for column in footer.blocks.iter_mut().flat_map(|b| &mut b.columns) {
        let start = column.offset as usize;
        column.crc = crc32fast::hash(&bad[start..start + column.length]);
    }
    let names: Vec<&str> = footer.dictionary.names().collect();
    let bytes = super::footer::encode(&footer.sources, &names, footer.dictionary.series(), &footer.blocks);
    bad[at..size - 32].copy_from_slice(&bytes);
    repair(bad);
}

/// Guards "damage is an error, never a wrong number": every bit of the header, footer and trailer
/// and many of the chunks flipped one by one, the checksums left as they were.
#[test]
fn a_flipped_bit_is_an_error() {
    let batch = mixed(300);
    let made = make(&batch);
    let good = std::fs::read(&made.path).unwrap();
    let before = ask(&made.path).unwrap();
    let path = made.path.with_extension("bad");
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        std::fs::write(&path, &bad).unwrap();
        match ask(&path) {
            Err(SegmentError::Damaged { file, offset, .. }) => {
                assert!(file.ends_with("bad") && offset <= good.len() as u64);
            }
            Err(SegmentError::OtherStore { .. } | SegmentError::TooNew { .. }) => {
                panic!("byte {at}: believed a damaged header")
            }
            Err(SegmentError::Io { cause, .. }) => panic!("byte {at}: {cause}"),
            Ok(said) => assert_eq!(said, before, "byte {at} is harmless or an error"),
        }
    }
}

#[test]
fn a_file_cut_anywhere_or_with_more_at_its_end_is_an_error() {
    let made = make(&mixed(300));
    let good = std::fs::read(&made.path).unwrap();
    let path = made.path.with_extension("bad");
    for length in (0..good.len()).step_by(7) {
        std::fs::write(&path, &good[..length]).unwrap();
        assert!(matches!(ask(&path), Err(SegmentError::Damaged { .. })), "{length}");
    }
    std::fs::write(&path, [&good[..], &good[..]].concat()).unwrap();
    assert!(matches!(ask(&path), Err(SegmentError::Damaged { .. })));
}

#[test]
fn other_stores_and_later_versions_are_told_apart_from_damage() {
    let made = make(&mixed(30));
    let other = Segment::open(&made.path, STORE + 1);
    assert!(matches!(other, Err(SegmentError::OtherStore { found: STORE, .. })), "{other:?}");
    let mut bytes = std::fs::read(&made.path).unwrap();
    bytes[8] = 2;
    repair(&mut bytes);
    std::fs::write(&made.path, &bytes).unwrap();
    let newer = Segment::open(&made.path, STORE);
    assert!(matches!(newer, Err(SegmentError::TooNew { version: 2, .. })), "{newer:?}");
    assert!(matches!(Segment::open(&made.path.with_extension("no"), STORE), Err(SegmentError::Io { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Bytes changed on purpose in footer or chunks, all checksums made right again: any
    /// answer will do, but for a panic, a hang or an allocation beyond the file's measure.
    #[test]
    fn hostile_files_never_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        in_footer in any::<bool>(),
    ) {
        thread_local! {
            static GOOD: (Made, Vec<u8>) = {
                let made = make(&mixed(700));
                let bytes = std::fs::read(&made.path).unwrap();
                (made, bytes)
            };
        }
        GOOD.with(|(made, good)| {
            let mut bad = good.clone();
            let footer = u64::from_le_bytes(bad[bad.len() - 32..bad.len() - 24].try_into().unwrap()) as usize;
            for (at, byte) in &changes {
                let at = if in_footer { footer + at.index(bad.len() - 32 - footer) } else { 64 + at.index(footer - 64) };
                bad[at] = *byte;
            }
            if in_footer { repair(&mut bad) } else { repair_chunks(good, &mut bad) }
            let path = made.path.with_extension("bad");
            std::fs::write(&path, &bad).unwrap();
            let _ = ask(&path);
        });
    }
}
