//! Hostile bytes as the files of others that are imported: logs and price lists.

use std::collections::HashSet;

use ax_monitor::import::{Added, Consumed, Format, Input, Mark, Note, Options, Sink, SinkError, import};
use ax_monitor::pricing::{self, Book, Contents, Imported};
use ax_monitor::{Timestamp, Tokens};
use ax_storage::row::{Batch, Body};

/// 2026-06-01T00:00:00Z.
const NOW: Timestamp = Timestamp::from_millis(1_780_272_000_000);

/// What the first byte chooses.
pub const FORMATS: [Format; 6] =
    [Format::ClaudeCode, Format::Codex, Format::Gemini, Format::LiteLlm, Format::Ndjson, Format::Csv];

/// Keeps what an import must remember, and judges what it gives.
#[derive(Default)]
struct Judge {
    ids: HashSet<String>,
    marks: HashSet<Mark>,
    consumed: Vec<Note>,
}

impl Sink for Judge {
    fn remembered(&mut self, head: u128) -> Result<Vec<Consumed>, SinkError> {
        Ok(self.consumed.iter().filter(|note| note.head == head).map(|note| note.consumed).collect())
    }

    fn add(&mut self, batch: &mut Batch, head: u128, consumed: Option<Consumed>) -> Result<Added, SinkError> {
        let notes: Vec<Note> = consumed.map(|consumed| Note { head, consumed }).into_iter().collect();
        self.add_many(batch, &notes, &[])
    }

    fn add_many(&mut self, batch: &mut Batch, notes: &[Note], marks: &[Mark]) -> Result<Added, SinkError> {
        let duplicate_rows = self.known(batch)?;
        let mut at = 0;
        batch.rows.retain(|_| {
            at += 1;
            !duplicate_rows.contains(&(at - 1))
        });
        for row in &batch.rows {
            self.ids.insert(format!("{} {}", batch.names.get(row.provider), batch.names.get(row.event_id)));
            if let Body::Request(request) = &row.body {
                assert_eq!(request.tokens.check(), Ok(()), "parts stay within their whole");
            }
        }
        self.marks.extend(marks);
        self.consumed.extend(notes);
        Ok(Added { imported: batch.rows.len() as u64, duplicates: duplicate_rows.len() as u64, duplicate_rows })
    }

    fn marked(&mut self, marks: &[Mark]) -> Result<Vec<bool>, SinkError> {
        Ok(marks.iter().map(|mark| self.marks.contains(mark)).collect())
    }

    fn known(&mut self, batch: &Batch) -> Result<Vec<u32>, SinkError> {
        let id =
            |row: &ax_storage::row::Row| format!("{} {}", batch.names.get(row.provider), batch.names.get(row.event_id));
        let known = |row: &ax_storage::row::Row| row.event_id != 0 && self.ids.contains(&id(row));
        Ok((0..).zip(&batch.rows).filter(|(_, row)| known(row)).map(|(at, _)| at).collect())
    }
}

/// First byte: format; the rest: a file of it. All that is read is taken, known or refused, and no more.
pub fn logs(data: &[u8]) {
    let Some((&which, body)) = data.split_first() else { return };
    let Ok(dir) = tempfile::tempdir() else { return };
    let path = dir.path().join("log");
    if std::fs::write(&path, body).is_err() {
        return;
    }
    let inputs = [Input::Known(FORMATS[which as usize % FORMATS.len()], path.clone())];
    let options = Options { prices: Some(Book::embedded()), ..Options::default() };
    let mut judge = Judge::default();
    // First as somebody still writes to it, then as it stays.
    for written in [NOW, Timestamp::MIN] {
        let written = std::time::UNIX_EPOCH + std::time::Duration::from_millis(written.millis());
        let _ = std::fs::File::options().write(true).open(&path).and_then(|file| file.set_modified(written));
        let Ok(report) = import(&mut judge, &inputs, &options, NOW, &mut |_| {}) else { return };
        assert_eq!(report.read, report.imported + report.duplicates + report.refused.count(), "{report:?}");
        assert!(report.first <= report.last);
    }
}

/// A price file: refused, or a list that prices calls without a panic.
pub fn prices(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(read) = pricing::read(text) else { return };
    let names: Vec<(String, String)> = read
        .providers
        .iter()
        .flat_map(|provider| provider.models.iter().map(|model| (provider.id.clone(), model.id.clone())))
        .take(20)
        .collect();
    let imported = Imported { kind: read.kind.into(), file: "f".into(), at_ms: 1, providers: read.providers };
    let book = Book::new(Contents { imported: vec![imported], ..Contents::default() });
    let most = Tokens { input: u64::MAX, cached: u64::MAX, output: u64::MAX, reasoning: 7, ..Tokens::default() };
    for (provider, model) in &names {
        let found = book.resolve(provider, model);
        for tokens in [Tokens { input: 7, output: 9, ..Tokens::default() }, most] {
            let _ = found.cost(NOW, &tokens, "batch", false);
        }
    }
}
