//! The reader on files made by hand: whole, torn, with holes, hostile.

use std::os::unix::fs::FileExt;

use proptest::prelude::*;

use super::*;
use crate::event::{CostSource, Tokens};
use crate::journal::format::{Header, frame_place, offset_of, pair};
use crate::journal::frame::{Buffer, Class, RequestNumbers, Who, compact};
use crate::row::{Body, Maybe};

const ID: JournalId = JournalId { recorder: 0xfeed, sequence: 3 };
const HEAD: usize = HEADER_BYTES as usize;

/// A journal as bytes.
struct Sketch {
    bytes: Vec<u8>,
    last_name: u32,
}

impl Sketch {
    fn new() -> Self {
        let header = Header { id: ID, store_uuid: 5, created: Timestamp::from_millis(1_700_000_000_000) };
        Self { bytes: header.encode(&[0; DropReason::COUNT]), last_name: 0 }
    }

    fn here(&self) -> u32 {
        self.bytes.len() as u32
    }

    fn frame(&mut self, payload: &[u8]) {
        let (offset, len) = (self.here(), payload.len() as u32);
        let crc = frame_seed(ID).word(frame_place(offset, len)).bytes(payload).finish();
        self.bytes.extend(len.to_le_bytes());
        self.bytes.extend(crc.to_le_bytes());
        self.bytes.extend(payload);
        self.bytes.resize((offset + slots_of(len) * SLOT_BYTES) as usize, 0);
    }

    fn name(&mut self, class: Class, id: u32, a: &str, b: &str) {
        let here = self.here();
        self.frame(Buffer::name(class, id, self.last_name, a, b).payload());
        self.last_name = here;
        self.bytes[LAST_NAME_AT..LAST_NAME_AT + 4].copy_from_slice(&here.to_le_bytes());
    }

    /// Series 1 of claude and user 1, alice.
    fn named() -> Self {
        let mut sketch = Self::new();
        sketch.name(Class::Series, 1, "claude", "sonnet");
        sketch.name(Class::User, 1, "alice", "");
        sketch
    }

    fn event(&mut self, cost_nanos: u64) {
        self.event_of(1, cost_nanos);
    }

    fn event_of(&mut self, user: u32, cost_nanos: u64) {
        let words = compact(at(1), (1, user), (0, 0), &numbers(cost_nanos)).unwrap();
        self.frame(&words.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<_>>());
    }

    fn hole(&mut self, slots: usize) {
        self.bytes.resize(self.bytes.len() + slots * SLOT, 0);
    }

    fn finish(&mut self) {
        let end = pair(u64::from(self.here()));
        self.bytes[END_AT..END_AT + 16].copy_from_slice(&end);
    }

    fn write(&self) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.axj");
        std::fs::write(&path, &self.bytes).unwrap();
        (dir, path)
    }

    fn reader(&self) -> (tempfile::TempDir, Reader) {
        let (dir, path) = self.write();
        (dir, Reader::open(&path).unwrap())
    }
}

fn at(ms: u64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + ms)
}

fn numbers(cost_nanos: u64) -> RequestNumbers {
    RequestNumbers {
        ok: true,
        latency_us: Maybe::some(850_000),
        ttft_us: Maybe::NONE,
        tokens: Tokens { input: 100, output: 20, ..Tokens::default() },
        cost_nanos,
        cost_source: CostSource::Recorded,
    }
}

/// Reads everything with one call: costs, progress.
fn read(reader: &mut Reader) -> (Vec<u64>, Progress) {
    let mut batch = Batch::default();
    let progress = reader.read(0, u64::MAX, &mut batch).unwrap();
    (costs(&batch), progress)
}

fn costs(batch: &Batch) -> Vec<u64> {
    batch
        .rows
        .iter()
        .map(|row| match row.body {
            Body::Request(r) => r.cost_nanos,
            _ => panic!("only requests here"),
        })
        .collect()
}

/// Another open file description holds the lock, as a living owner does.
fn own(path: &Path) -> File {
    let owner = File::options().read(true).write(true).open(path).unwrap();
    assert!(fs::try_lock(&owner).unwrap());
    owner
}

/// A frame with a right checksum went on behind the end that the header tells: it was found again and again.
#[test]
fn an_end_inside_a_frame_is_damage() {
    let mut sketch = Sketch::named();
    sketch.event(1);
    sketch.finish();
    let end = u64::from(sketch.here());
    sketch.frame(&[200; 300]);
    sketch.bytes[END_AT..END_AT + 16].copy_from_slice(&pair(end + 64));
    let (_dir, mut reader) = sketch.reader();
    let (costs, progress) = read(&mut reader);
    assert_eq!((costs, progress.finished, progress.damaged.len()), (vec![1], true, 1), "{progress:?}");
    let again = reader.read_until(0, end + 64, 10, &mut Batch::default()).unwrap();
    assert_eq!((again.events, again.finished), (1, true), "{again:?}");
}

#[test]
fn names_and_numbers_come_back() {
    let mut sketch = Sketch::named();
    sketch.event(7);
    sketch.finish();
    let (_dir, mut reader) = sketch.reader();
    assert_eq!(reader.id(), ID);
    assert!(reader.belongs_to(5) && !reader.belongs_to(6));
    let mut batch = Batch::default();
    let progress = reader.read(0, 10, &mut batch).unwrap();
    assert!(progress.finished && progress.damaged.is_empty() && progress.gaps.is_empty());
    assert_eq!((progress.events, progress.next), (1, u64::from(sketch.here())));
    let row = batch.rows[0];
    let name = |id| batch.names.get(id);
    assert_eq!((name(row.provider), name(row.model), name(row.user)), ("claude", "sonnet", "alice"));
    assert_eq!(row.ts, at(1));
    let Body::Request(r) = row.body else { panic!() };
    assert_eq!((r.latency_us.get(), r.ttft_us.get(), r.cost_nanos), (Some(850_000), None, 7));
    assert_eq!(r.tokens.input, 100);
}

#[test]
fn a_living_owner_is_waited_for_and_a_dead_one_read_to_the_end() {
    let mut sketch = Sketch::named();
    sketch.event(1);
    sketch.hole(1);
    sketch.event(2);
    sketch.hole(3);
    let (_dir, path) = sketch.write();
    let owner = own(&path);
    let mut reader = Reader::open(&path).unwrap();
    let (costs, progress) = read(&mut reader);
    assert_eq!(costs, [1]);
    assert!(reader.is_live().unwrap() && !progress.finished && !progress.more);
    drop(owner);
    let mut batch = Batch::default();
    let rest = reader.read(progress.next, 10, &mut batch).unwrap();
    assert_eq!(super::tests::costs(&batch), [2]);
    assert!(rest.finished && rest.damaged.is_empty());
    assert_eq!(rest.gaps, [crate::journal::Gap { offset: progress.next, bytes: 64 }]);
    assert_eq!(rest.next, u64::from(sketch.here()));
    let again = reader.read(rest.next, 10, &mut batch).unwrap();
    assert!(again.finished && again.events == 0 && again.gaps.is_empty());
}

#[test]
fn reading_in_small_steps_gives_the_same() {
    let mut sketch = Sketch::named();
    for cost in 0..5000 {
        sketch.event(cost);
        if cost % 700 == 0 {
            sketch.frame(
                Buffer::cache(
                    at(2),
                    Who::Ids { series: 1, user: 1 },
                    true,
                    (Maybe::NONE, Maybe::NONE),
                    Maybe::NONE,
                    "key",
                )
                .payload(),
            );
        }
    }
    sketch.finish();
    let (_dir, path) = sketch.write();
    let (mut next, mut all) = (0, Vec::new());
    loop {
        // A new reader each time: names have to be learnt from what is before `next`.
        let mut batch = Batch::default();
        let progress = Reader::open(&path).unwrap().read(next, 333, &mut batch).unwrap();
        assert_eq!(progress.events, batch.rows.len() as u64);
        assert!(batch.rows.iter().all(|r| batch.names.get(r.model) == "sonnet"));
        all.extend(batch.rows);
        next = progress.next;
        if progress.finished {
            break;
        }
        assert!(progress.more);
    }
    assert_eq!(all.len(), 5008);
}

#[test]
fn names_far_before_the_start_are_found_through_their_chain_or_without_it() {
    let mut sketch = Sketch::named();
    let long = "x".repeat(256);
    for _ in 0..3000 {
        sketch.event(1);
    }
    sketch.name(Class::User, 2, &long, "");
    for _ in 0..3000 {
        sketch.event(1);
    }
    let from = u64::from(sketch.here());
    sketch.event_of(2, 9);
    for broken in [0, 1, 2] {
        let last = match broken {
            0 => sketch.last_name,
            // A stale header, as after a power loss: it knows neither name.
            1 => 0,
            _ => sketch.last_name + 64,
        };
        sketch.bytes[LAST_NAME_AT..LAST_NAME_AT + 4].copy_from_slice(&last.to_le_bytes());
        let (_dir, mut reader) = sketch.reader();
        let mut batch = Batch::default();
        let progress = reader.read(from, 10, &mut batch).unwrap();
        assert_eq!((progress.events, progress.damaged.len()), (1, 0));
        assert_eq!(batch.names.get(batch.rows[0].model), "sonnet");
        assert_eq!(batch.names.get(batch.rows[0].user), long);
    }
}

/// A bit of a name's length was flipped, so that it seems to reach beyond the end of the file: who followed the
/// chain of names fetched the same bytes again and again, for ever.
#[test]
fn a_name_that_seems_to_go_beyond_the_end_is_not_waited_for() {
    let mut sketch = Sketch::named();
    (0..3000).for_each(|_| sketch.event(1));
    let name = sketch.bytes.len();
    sketch.name(Class::User, 2, "bob", "");
    let from = u64::from(sketch.here());
    sketch.event_of(1, 9);
    sketch.event_of(2, 9);
    sketch.finish();
    sketch.bytes[name + 1] ^= 4;
    let (_dir, mut reader) = sketch.reader();
    let progress = reader.read(from, 10, &mut Batch::default()).unwrap();
    assert_eq!((progress.events, progress.damaged.len()), (1, 1), "{progress:?}");
}

/// The length of an event was damaged, so that it seems to cover the names behind it: who went on later did not
/// learn them, and all their events were lost.
#[test]
fn names_behind_a_damaged_length_are_learnt() {
    let mut sketch = Sketch::named();
    let broken = sketch.bytes.len();
    sketch.event(1);
    sketch.name(Class::User, 2, "bob", "");
    let from = u64::from(sketch.here());
    sketch.event_of(2, 9);
    (0..20).for_each(|_| sketch.event(1));
    sketch.bytes[broken + 1] ^= 4;
    let (_dir, mut reader) = sketch.reader();
    let progress = reader.read(from, 100, &mut Batch::default()).unwrap();
    assert_eq!((progress.events, progress.damaged.len()), (21, 0), "{progress:?}");
}

#[test]
fn a_damaged_frame_costs_itself_only() {
    let mut sketch = Sketch::named();
    for cost in 0..5 {
        sketch.event(cost);
    }
    let broken = sketch.bytes.len() - 3 * SLOT;
    sketch.bytes[broken + 30] ^= 4;
    let (_dir, path) = sketch.write();
    for live in [true, false] {
        let owner = live.then(|| own(&path));
        let (costs, progress) = read(&mut Reader::open(&path).unwrap());
        assert_eq!(costs, [0, 1, 3, 4]);
        assert_eq!(progress.damaged.len(), 1);
        assert_eq!(progress.damaged[0].offset, broken as u64);
        assert_eq!(progress.finished, !live);
        drop(owner);
    }
}

#[test]
fn a_damaged_last_frame_is_waited_for_while_the_owner_lives() {
    let mut sketch = Sketch::named();
    sketch.event(0);
    let last = sketch.bytes.len();
    sketch.event(1);
    sketch.bytes[last + 30] ^= 4;
    let (_dir, path) = sketch.write();
    let owner = own(&path);
    let (costs, progress) = read(&mut Reader::open(&path).unwrap());
    assert_eq!((costs, progress.next, progress.damaged.len()), (vec![0], last as u64, 0));
    drop(owner);
    let (_, progress) = read(&mut Reader::open(&path).unwrap());
    assert_eq!((progress.damaged.len(), progress.finished), (1, true));
}

#[test]
fn bytes_from_another_place_or_file_are_no_frame() {
    let mut sketch = Sketch::named();
    sketch.event(1);
    let frame = sketch.bytes[sketch.bytes.len() - SLOT..].to_vec();
    sketch.bytes.extend(frame);
    let (_dir, mut reader) = sketch.reader();
    let (costs, progress) = read(&mut reader);
    assert_eq!((costs, progress.damaged.len()), (vec![1], 1));
}

#[test]
fn a_file_cut_short_says_so_when_it_had_been_finished() {
    let mut sketch = Sketch::named();
    for cost in 0..10 {
        sketch.event(cost);
    }
    sketch.finish();
    sketch.bytes.truncate(sketch.bytes.len() - 3 * SLOT - 10);
    let (_dir, mut reader) = sketch.reader();
    let (costs, progress) = read(&mut reader);
    assert_eq!(costs, (0..6).collect::<Vec<_>>());
    assert!(progress.finished);
    assert_eq!(progress.damaged.len(), 1, "{progress:?}");
}

#[test]
fn an_event_whose_name_was_lost_is_damage_and_not_somebody_elses() {
    let mut sketch = Sketch::new();
    sketch.name(Class::Series, 1, "claude", "sonnet");
    sketch.event(1);
    let (_dir, mut reader) = sketch.reader();
    let (costs, progress) = read(&mut reader);
    assert_eq!((costs.len(), progress.damaged.len()), (0, 1));
}

#[test]
fn kinds_of_a_later_version_are_skipped() {
    let mut sketch = Sketch::named();
    sketch.frame(&[200; 300]);
    sketch.event(4);
    let (_dir, mut reader) = sketch.reader();
    let (costs, progress) = read(&mut reader);
    assert_eq!((costs, progress.damaged.len()), (vec![4], 0));
}

#[test]
fn what_is_no_journal_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.axj");
    let check = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        Reader::open(&path).unwrap_err()
    };
    assert!(matches!(check(b""), JournalError::Damaged { offset: 0, .. }));
    assert!(matches!(check(b"hello"), JournalError::Damaged { offset: 0, .. }));
    let good = Sketch::new().bytes;
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    assert!(matches!(check(&with(8, 2)), JournalError::TooNew { version: 2, .. }));
    assert!(matches!(check(&with(50, 77)), JournalError::Damaged { offset: 72, .. }));
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
    assert!(matches!(Reader::open(&path), Err(JournalError::Io { .. })));
    assert!(list(&dir.path().join("none")).unwrap().is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever is done to the bytes behind a good header: no panic, no hang, and never an event
    /// that was not written. Names of a long file are learnt through their chain.
    #[test]
    fn hostile_bytes_never_become_events(
        changes in prop::collection::vec((prop::bool::weighted(0.2), 0usize..3000, any::<u8>()), 0..12),
        cut in prop_oneof![Just(0usize), 0usize..3000],
        from in 0u64..60,
        long: bool,
        live: bool,
        finished: bool,
    ) {
        let mut sketch = Sketch::named();
        (0..if long { 2100 } else { 0 }).for_each(|_| sketch.event(1000));
        let start = sketch.bytes.len();
        for cost in 1000..1020 {
            if cost % 5 == 0 {
                sketch.name(Class::User, cost as u32, "bob", "");
            }
            sketch.event_of(if cost < 1010 { 1 } else { 1010 }, cost);
            if cost % 4 == 0 {
                let who = Who::Names { provider: "p", model: "m", user: "u" };
                sketch.frame(Buffer::wide(at(1), who, "e", "", &numbers(cost)).payload());
            }
            if cost % 7 == 0 {
                sketch.hole(2);
            }
        }
        if finished {
            sketch.finish();
        }
        for (in_header, at, byte) in changes {
            // The fixed header has its own test; END_AT and what follows is fair game.
            let at = if in_header { END_AT + at % 32 } else { start + at % (sketch.bytes.len() - start) };
            sketch.bytes[at] = byte;
        }
        sketch.bytes.truncate(sketch.bytes.len().saturating_sub(cut).max(HEAD));
        let (_dir, path) = sketch.write();
        let owner = live.then(|| own(&path));
        let mut batch = Batch::default();
        let mut reader = Reader::open(&path).unwrap();
        let from = if long { start as u64 + from * 64 } else { u64::from(offset_of(0)) + from * 64 };
        let progress = reader.read(from, 1 << 20, &mut batch).unwrap();
        prop_assert_eq!(progress.events, batch.rows.len() as u64);
        prop_assert!(live || progress.finished);
        let known = costs(&batch);
        prop_assert!(known.iter().all(|c| (1000..1020).contains(c)), "{:?}", known);
        drop(owner);
    }

    /// Random bytes with right checksums: the decoder refuses or understands, it never panics.
    #[test]
    fn hostile_payloads_are_decoded_or_refused(kind in 0u8..7, rest in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut sketch = Sketch::named();
        let mut payload = vec![kind];
        payload.extend(rest);
        sketch.frame(&payload);
        sketch.event(5);
        let (_dir, mut reader) = sketch.reader();
        let mut batch = Batch::default();
        let progress = reader.read(0, 100, &mut batch).unwrap();
        prop_assert!(progress.finished && progress.events >= 1);
    }
}

#[test]
fn a_writer_ahead_of_us_is_never_taken_for_damage() {
    // Pages of a file are written while they are read: lengths may be seen before payloads.
    let (_dir, path) = Sketch::named().write();
    let mut sketch = Sketch::named();
    (0..20_000).for_each(|cost| sketch.event(cost));
    let owner = own(&path);
    let bytes = &sketch.bytes;
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for at in (HEAD + 2 * SLOT..bytes.len()).step_by(SLOT) {
                owner.write_all_at(&bytes[at..at + SLOT], at as u64).unwrap();
            }
        });
        let mut reader = Reader::open(&path).unwrap();
        let (mut next, mut seen, mut finished) = (0, Vec::new(), false);
        while !finished {
            let mut batch = Batch::default();
            let progress = reader.read(next, u64::MAX, &mut batch).unwrap();
            assert!(progress.damaged.is_empty() && progress.gaps.is_empty(), "{progress:?}");
            seen.extend(costs(&batch));
            (next, finished) = (progress.next, progress.finished);
        }
        assert_eq!(seen, (0..20_000).collect::<Vec<_>>());
    });
}

/// The page with the header did not get to the medium, and its name did.
#[test]
fn a_header_lost_with_the_power_is_known_by_the_name() {
    let dir = tempfile::tempdir().unwrap();
    let (path, other) =
        (dir.path().join(format!("2025-11-10-{:032x}-000003.axj", ID.recorder)), dir.path().join("x.axj"));
    let mut sketch = Sketch::named();
    sketch.event(7);
    sketch.bytes[..HEAD].fill(0);
    std::fs::write(&path, &sketch.bytes).unwrap();
    let owner = own(&path);
    assert!(matches!(Reader::open(&path), Err(JournalError::Damaged { .. })), "he would have written it");
    drop(owner);
    let mut reader = Reader::open(&path).unwrap();
    assert!(reader.id().recorder == ID.recorder && reader.belongs_to(5) && reader.belongs_to(6));
    let progress = reader.read(0, 10, &mut Batch::default()).unwrap();
    assert_eq!((progress.events, progress.finished, progress.gaps.len()), (1, true, 1));
    assert_eq!(progress.gaps[0], Gap { offset: 0, bytes: HEAD as u64 });
    std::fs::rename(&path, &other).unwrap();
    assert!(matches!(Reader::open(&other), Err(JournalError::Damaged { .. })), "nothing says whose it is");

    for bytes in [0, 1, HEAD, 3 * HEAD] {
        std::fs::write(&path, vec![0; bytes]).unwrap();
        let progress = Reader::open(&path).unwrap().read(0, 10, &mut Batch::default()).unwrap();
        assert_eq!((progress.events, progress.finished, progress.damaged), (0, true, vec![]), "{bytes} zeros");
    }
}
