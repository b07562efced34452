//! Whole imports into a sink that keeps everything in memory.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use ax_storage::row::{Names, Row};

use super::*;
use crate::import::LINE_BYTES_MAX;
use crate::import::{Added, Consumed, Mark, Note, SinkError};
use crate::pricing::{Book, Contents, Given, Override, Price, When};

const NOW: Timestamp = Timestamp::from_millis(1_762_732_800_000);

#[derive(Default)]
struct Memory {
    rows: Vec<String>,
    ids: HashSet<String>,
    consumed: BTreeMap<u128, Vec<Consumed>>,
    adds: usize,
    fail_at: Option<usize>,
}

impl Sink for Memory {
    fn remembered(&mut self, head: u128) -> Result<Vec<Consumed>, SinkError> {
        Ok(self.consumed.get(&head).cloned().unwrap_or_default())
    }

    fn add(&mut self, batch: &mut Batch, head: u128, consumed: Option<Consumed>) -> Result<Added, SinkError> {
        self.adds += 1;
        if self.fail_at == Some(self.adds) {
            return Err("disk full".into());
        }
        let mut added = Added::default();
        let Batch { names, rows } = batch;
        rows.retain(|row| {
            let id = names.get(row.event_id);
            let new = id.is_empty() || self.ids.insert(id.to_owned());
            if new {
                self.rows.push(shown(names, row));
            } else {
                added.duplicates += 1;
            }
            new
        });
        added.imported = rows.len() as u64;
        self.consumed.entry(head).or_default().extend(consumed);
        Ok(added)
    }

    fn marked(&mut self, marks: &[Mark]) -> Result<Vec<bool>, SinkError> {
        Ok(vec![false; marks.len()])
    }

    fn add_many(&mut self, batch: &mut Batch, notes: &[Note], _: &[Mark]) -> Result<Added, SinkError> {
        for note in notes {
            self.consumed.entry(note.head).or_default().push(note.consumed);
        }
        self.add(batch, 0, None)
    }

    fn known(&mut self, _: &Batch) -> Result<Vec<u32>, SinkError> {
        Ok(Vec::new())
    }
}

/// What the tests look at of an event.
fn shown(names: &Names, row: &Row) -> String {
    let Body::Request(r) = &row.body else { return format!("{row:?}") };
    format!("user={:?} ok={} cost={} {:?}", names.get(row.user), r.ok, r.cost_nanos, r.cost_source)
}

struct Bench {
    dir: tempfile::TempDir,
    memory: Memory,
}

impl Bench {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), memory: Memory::default() }
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    fn import(&mut self, path: &Path, options: &Options<'_>) -> Result<Report, ImportError> {
        import(&mut self.memory, &[Input::File(path.to_owned())], options, NOW, &mut |_| {})
    }

    /// (imported, duplicates, refused)
    fn counts(&mut self, path: &Path) -> (u64, u64, u64) {
        let report = self.import(path, &Options::default()).unwrap();
        assert_eq!(report.read, report.imported + report.duplicates + report.refused.count());
        (report.imported, report.duplicates, report.refused.count())
    }
}

fn event(n: u64) -> String {
    format!("{{\"ts\":{},\"provider\":\"p\",\"output_tokens\":{n}}}\n", 1_762_000_000_000 + n)
}

fn events(range: std::ops::Range<u64>) -> String {
    range.map(event).collect()
}

fn gz(data: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(data).unwrap();
    out.finish().unwrap()
}

#[test]
fn the_same_file_again_adds_nothing() {
    let mut bench = Bench::new();
    let path = bench.file("a", events(0..10));
    assert_eq!(bench.counts(&path), (10, 0, 0));
    assert_eq!(bench.counts(&path), (0, 10, 0));
    let packed = bench.file("other-name.gz", gz(events(0..10).as_bytes()));
    assert_eq!(bench.counts(&packed), (0, 10, 0), "the content counts, not name or packing");
}

#[test]
fn a_grown_file_goes_on_where_it_stopped() {
    let mut bench = Bench::new();
    for (have, expected) in [(3, (3, 0)), (3, (0, 3)), (8, (5, 3)), (20, (12, 8)), (8, (0, 8)), (21, (1, 20))] {
        let path = bench.file("a", events(0..have));
        let (imported, duplicates, _) = bench.counts(&path);
        assert_eq!((imported, duplicates), expected, "{have} lines");
    }
    assert_eq!(bench.memory.rows.len(), 21);
}

/// Two files that begin alike: the part that one shares with the other must not hide the rest.
#[test]
fn files_that_begin_alike_are_told_apart() {
    let mut bench = Bench::new();
    let a = bench.file("a", events(0..50));
    assert_eq!(bench.counts(&a), (50, 0, 0));
    let b = bench.file("b", events(0..10) + &events(100..200));
    assert_eq!(bench.counts(&b), (110, 0, 0), "nothing says that its first 10 lines are those of the other");
    let c = bench.file("c", events(0..50) + &events(300..301));
    assert_eq!(bench.counts(&c), (1, 50, 0), "the search went on to the length of b and comes back");
}

#[test]
fn an_unterminated_object_is_taken_once() {
    let mut bench = Bench::new();
    let cut = |n| events(0..n).trim_end().to_owned();
    let path = bench.file("a", cut(3));
    assert_eq!(bench.counts(&path), (3, 0, 0));
    assert_eq!(bench.counts(&path), (0, 3, 0));
    let path = bench.file("a", events(0..3));
    assert_eq!(bench.counts(&path), (0, 3, 0));
    let path = bench.file("a", cut(3) + "  \r\n" + &event(3));
    assert_eq!(bench.counts(&path), (1, 3, 0));
    let path = bench.file("a", cut(3) + "{}\n" + &event(4));
    assert_eq!(bench.counts(&path), (1, 3, 1), "text behind the object that was taken");
    let one = bench.file("one", event(77).trim_end());
    assert_eq!(bench.counts(&one), (1, 0, 0), "a single line without end");
    let one = bench.file("one", event(77) + &event(78));
    assert_eq!(bench.counts(&one), (1, 1, 0));
}

#[test]
fn half_a_line_waits_for_its_end() {
    let mut bench = Bench::new();
    let whole = events(0..3);
    let path = bench.file("a", &whole[..whole.len() - 10]);
    let report = bench.import(&path, &Options::default()).unwrap();
    assert_eq!((report.imported, report.refused.count()), (2, 0));
    assert_eq!(report.warnings[0].code, "unterminated_line");
    let path = bench.file("a", whole);
    assert_eq!(bench.counts(&path), (1, 2, 0));
}

#[test]
fn an_import_that_took_nothing_remembers_nothing() {
    let mut bench = Bench::new();
    let path = bench.file("a", "{}\n{\"ts\":1}\n");
    assert_eq!(bench.counts(&path), (0, 0, 2));
    assert_eq!(bench.counts(&path), (0, 0, 2));
    assert!(bench.memory.consumed.is_empty());
    let dry = bench.file("dry", events(0..5));
    let report = bench.import(&dry, &Options { dry_run: true, ..Options::default() }).unwrap();
    assert_eq!((report.imported, bench.memory.adds), (5, 0), "a dry run adds nothing");
}

#[test]
fn refused_lines_are_named_and_the_others_taken() {
    let mut bench = Bench::new();
    let mut text = b"\xef\xbb\xbf".to_vec();
    text.extend(event(1).replace('\n', "\r\n").as_bytes());
    text.extend(b"\r\n\xff\xfe\n\0\n");
    text.extend(vec![b' '; LINE_BYTES_MAX + 2]);
    text.extend(b"\n[1]\n");
    text.extend(event(2).as_bytes());
    text.extend(b"{\"ts\":1762000000000,\"provider\":\"p\",\"new\":1,\"newer\":[]}\n");
    let path = bench.file("a", text);
    let options = Options { format: Some(Format::Ndjson), ..Options::default() };
    let report = bench.import(&path, &options).unwrap();
    assert_eq!(report.imported, 3);
    let refused: Vec<_> = report.refused.first().iter().map(|r| (r.line, r.reason.to_string())).collect();
    assert_eq!(refused[0], (3, "not valid UTF-8".to_owned()));
    assert_eq!(refused[1].0, 4);
    assert_eq!(refused[2], (5, "longer than 1 MiB".to_owned()));
    assert_eq!((refused[3].0, refused.len()), (6, 4));
    assert_eq!(report.warnings[0].message, "unknown keys, left out: new (1), newer (1)");
}

#[test]
fn lines_refused_before_are_no_duplicates() {
    let mut bench = Bench::new();
    let path = bench.file("a", events(0..3) + "{}\n\n" + &events(3..5) + "[1]\n");
    assert_eq!(bench.counts(&path), (5, 0, 2));
    let report = bench.import(&path, &Options::default()).unwrap();
    assert_eq!((report.imported, report.duplicates, report.refused.count()), (0, 5, 2));
    let refused: Vec<_> = report.refused.first().iter().map(|r| (r.input, r.line)).collect();
    assert_eq!(refused, [(0, 4), (0, 8)]);
    let one = &report.inputs[0];
    assert_eq!((one.read, one.duplicates, one.refused_count), (7, 5, 2));
    // Refused lines that come after what is known are met once.
    let longer = bench.file("a", fs::read_to_string(&path).unwrap() + "{}\n" + &events(5..6));
    assert_eq!(bench.counts(&longer), (1, 5, 3));
    let between = bench.file("a", events(0..3) + "{}\n\n" + &events(3..5) + "[1]\n" + "{}\n");
    let report = bench.import(&between, &Options::default()).unwrap();
    assert_eq!((report.refused.count(), report.refused.first().len()), (3, 3));
}

#[test]
fn ids_count_once_and_duplicates_are_no_part_of_the_span() {
    let mut bench = Bench::new();
    let line = |ts: u64| format!("{{\"ts\":{ts},\"provider\":\"p\",\"event_id\":\"x\"}}\n");
    let path = bench.file("a", line(1_762_000_000_000) + &line(1_700_000_000_000));
    let report = bench.import(&path, &Options::default()).unwrap();
    assert_eq!((report.imported, report.duplicates, report.unpriced), (1, 1, 1));
    assert_eq!(report.first, report.last);
}

#[test]
fn a_failing_store_stops_the_import_and_the_next_one_goes_on() {
    let mut bench = Bench::new();
    let many = CHUNK_ROWS_FIRST as u64 + 5;
    let path = bench.file("a", events(0..many));
    bench.memory.fail_at = Some(2);
    assert!(matches!(bench.import(&path, &Options::default()), Err(ImportError::Store(_))));
    bench.memory.fail_at = None;
    assert_eq!(bench.counts(&path), (5, CHUNK_ROWS_FIRST as u64, 0));
}

#[test]
fn a_cancelled_import_leaves_whole_chunks() {
    let mut bench = Bench::new();
    let path = bench.file("a", events(0..CHUNK_ROWS_FIRST as u64 * 3));
    let cancel = std::sync::atomic::AtomicBool::new(false);
    let options = Options { cancel: Some(&cancel), ..Options::default() };
    let input = [Input::File(path.clone())];
    let stop = &mut |_| cancel.store(true, Ordering::Relaxed);
    let report = import(&mut bench.memory, &input, &options, NOW, stop).unwrap();
    assert!(report.cancelled);
    assert_eq!(report.imported, CHUNK_ROWS_FIRST as u64);
    assert_eq!(bench.memory.rows.len(), CHUNK_ROWS_FIRST);
    assert_eq!(bench.counts(&path), (CHUNK_ROWS_FIRST as u64 * 2, CHUNK_ROWS_FIRST as u64, 0));
}

#[test]
fn gzip_of_several_members_is_one_input_and_damage_keeps_what_was_before() {
    let mut bench = Bench::new();
    let mut packed = gz(events(0..4).as_bytes());
    packed.extend(gz(events(4..9).as_bytes()));
    let path = bench.file("a.gz", &packed);
    assert_eq!(bench.counts(&path), (9, 0, 0));
    let noise: String = (0..20_000u64).map(|n| event(n * 7919 % 1_000_003 + 1000)).collect();
    let whole = gz(noise.as_bytes());
    let path = bench.file("b.gz", &whole[..whole.len() / 2]);
    assert!(matches!(bench.import(&path, &Options::default()), Err(ImportError::Input { .. })));
    let before = bench.memory.rows.len() as u64 - 9;
    assert!(before > 5000, "{before}");
    let path = bench.file("b.gz", whole);
    assert_eq!(bench.counts(&path), (20_000 - before, before, 0));
}

/// A gigabyte in a megabyte, no line end in it.
#[test]
fn a_gzip_bomb_is_one_refused_line() {
    let mut bench = Bench::new();
    let zeros = gz(&vec![b'0'; 64 << 20]);
    let mut packed = gz(event(1).as_bytes());
    for _ in 0..4 {
        packed.extend(&zeros);
    }
    packed.extend(gz(format!("\n{}", event(2)).as_bytes()));
    let path = bench.file("bomb", packed);
    assert_eq!(bench.counts(&path), (2, 0, 1));
}

#[test]
fn formats_are_told_by_content() {
    let mut bench = Bench::new();
    let csv = bench.file("a", "ts,provider,output_tokens\n1762000000000,p,5\n");
    assert_eq!(bench.counts(&csv), (1, 0, 0));
    for (content, part) in [
        (&b"[{\"ts\":1}]"[..], "JSON array"),
        (b"\xff\xfe{\0", "UTF-16"),
        (b"\x28\xb5\x2f\xfd..", "zstd"),
        (b"hello, world\n", "neither NDJSON nor CSV"),
    ] {
        let path = bench.file("b", content);
        let error = bench.import(&path, &Options::default()).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    let empty = bench.file("empty", "");
    assert_eq!(bench.counts(&empty), (0, 0, 0));
}

#[test]
fn csv_has_quotes_maps_and_rows_of_the_wrong_length() {
    let mut bench = Bench::new();
    let text = "when,vendor,\"user\",junk,ok\n\
        2025-11-03T00:00:00Z,p,\"a,\"\"b\"\"\nc\",1,true\n\
        2025-11-03T00:00:01Z,p,\"x\"y,1,true\n\
        2025-11-03T00:00:02Z,p,1,true\n\
        2025-11-03T00:00:03Z,p,'=1+1,,FALSE\n\
        2025-11-03T00:00:04Z,p,cut";
    let path = bench.file("a.csv", text);
    let map = vec![("when".to_owned(), "ts".to_owned()), ("vendor".to_owned(), "provider".to_owned())];
    let options = Options { map, ..Options::default() };
    let report = bench.import(&path, &options).unwrap();
    assert_eq!(report.imported, 2, "{report:?}");
    let refused: Vec<_> = report.refused.first().iter().map(|r| (r.line, r.reason.to_string())).collect();
    assert_eq!(refused[0], (4, "a quoted cell is not closed properly".to_owned()));
    assert_eq!(refused[1], (5, "the row has 4 cells, the header 5".to_owned()));
    assert!(bench.memory.rows[0].contains(r#"user="a,\"b\"\nc""#), "{}", bench.memory.rows[0]);
    assert!(bench.memory.rows[1].contains(r#"user="=1+1" ok=false"#));
    let codes: Vec<_> = report.warnings.iter().map(|w| w.code).collect();
    assert_eq!(codes, ["unterminated_line", "unknown_key"]);
    let path = bench.file("a.csv", format!("{text},,true\n2025-11-03T00:00:05Z,p,z,,true\n"));
    assert_eq!(bench.import(&path, &options).unwrap().imported, 2, "the row that was cut, and a new one");
}

/// With --final an open quote costs its line; without it, it may still be written.
#[test]
fn a_stray_quote_does_not_swallow_the_rest() {
    let mut bench = Bench::new();
    let path = bench.file("a.csv", "ts,provider\n1762000000000,p\n1762000000001,\"q\n1762000000002,r\n");
    let report = bench.import(&path, &Options::default()).unwrap();
    assert_eq!((report.imported, report.warnings.len()), (1, 1));
    let report = bench.import(&path, &Options { complete: true, ..Options::default() }).unwrap();
    assert_eq!((report.imported, report.refused.count()), (1, 1));
    let long = format!("ts,provider\n1762000000001,\"q\n{}", "1762000000002,r\n".repeat(100_000));
    let path = bench.file("b.csv", long);
    assert_eq!(bench.counts(&path), (100_000, 0, 1), "no quote for 1 MiB");
}

#[test]
fn what_the_price_list_knows_is_priced_and_what_is_said_to_be_unpriced_is_not() {
    let mut bench = Bench::new();
    let said = event(2).replace("}", ",\"cost_source\":\"unpriced\"}");
    let path = bench.file("a", event(1) + &said);
    let rates = Given { output: Some(7000), ..Given::default() }.complete();
    let price = Price { when: When::ALWAYS, rates, long: vec![] };
    let set = vec![Override { provider: String::new(), model: String::new(), price }];
    let book = Book::new(Contents { set, ..Contents::default() });
    let report = bench.import(&path, &Options { prices: Some(&book), ..Options::default() }).unwrap();
    assert_eq!(report.unpriced, 1);
    assert!(bench.memory.rows[0].contains("cost=7 Computed"));
}
