//! A segment file that is being written: block by block under a temporary name, then its footer,
//! then its own name.
//!
//! The file grows in the day's folder (`.<uuid>.tmp`), locked from its first byte on; it is synced
//! before it gets its name, and the folder after. So a file with a segment's name is complete, and
//! one whose lock is free and that no manifest lists is a left-over.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use crate::fs;
use crate::identity::random_u128;
use crate::paths::Paths;
use crate::raw::block::{self, Values};
use crate::raw::footer::{self, BlockInfo, SegmentMeta, Sources};
use crate::raw::price::Finder;
use crate::raw::schema::Kind;
use crate::raw::seal::{SealError, Sealed, io_error};
use crate::raw::segment::{Header, TRAILER_BYTES, Trailer};
use crate::time::Timestamp;

/// The open file, and what its footer will say.
pub(super) struct SegmentWriter {
    file: File,
    temporary: PathBuf,
    path: PathBuf,
    day: Timestamp,
    uuid: u128,
    size: u64,
    finder: Finder,
    bytes: Vec<u8>,
    blocks: Vec<BlockInfo>,
    named: bool,
}

impl SegmentWriter {
    /// Begins a segment of the UTC day that starts at `day`.
    pub(super) fn begin(paths: &Paths, store: u128, day: Timestamp) -> Result<Self, SealError> {
        let folder = paths.raw_day(day);
        fs::create_dir(&folder).map_err(io_error(&folder))?;
        let uuid = random_u128().map_err(io_error(&folder))?;
        let temporary = folder.join(format!(".{uuid:032x}.tmp"));
        let file = fs::create_new(&temporary).map_err(io_error(&temporary))?;
        let mut writer = Self {
            file,
            temporary,
            path: paths.segment(day, uuid),
            day,
            uuid,
            size: 0,
            finder: Finder::default(),
            bytes: Vec::new(),
            blocks: Vec::new(),
            named: false,
        };
        writer.lock_and_head(store).map_err(io_error(&writer.path))?;
        Ok(writer)
    }

    fn lock_and_head(&mut self, store: u128) -> io::Result<()> {
        if !fs::try_lock(&self.file)? {
            return Err(io::Error::other("a new file is locked by somebody else"));
        }
        self.put(&Header { day: self.day, store, uuid: self.uuid }.encode())
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        fs::write_all(&self.file, bytes)?;
        self.size += bytes.len() as u64;
        Ok(())
    }

    /// Appends a block of `kind`, whose rows are sorted by time and not before those of the block
    /// of this kind before it.
    pub(super) fn block(&mut self, kind: Kind, values: &Values) -> Result<(), SealError> {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        self.blocks.push(block::encode(kind, values, &mut self.finder, self.size, &mut bytes));
        let put = self.put(&bytes).map_err(io_error(&self.path));
        self.bytes = bytes;
        put
    }

    /// Writes the footer and gives the file its name: both are durable on return.
    pub(super) fn finish(
        mut self,
        sources: Sources,
        names: &[&str],
        series: &[(u32, u32)],
    ) -> Result<Sealed, SealError> {
        self.end(&sources, names, series).map_err(io_error(&self.path))?;
        self.named = true;
        for folder in self.path.ancestors().skip(1).take(2) {
            fs::sync_dir(folder).map_err(io_error(folder))?;
        }
        let edges = |edge: fn(&BlockInfo) -> Timestamp| self.blocks.iter().map(edge);
        let meta = SegmentMeta {
            uuid: self.uuid,
            day: self.day,
            rows: self.blocks.iter().map(|b| b.rows as u64).sum(),
            bytes: self.size,
            min_ts: edges(|b| b.min_ts).min().unwrap_or(self.day),
            max_ts: edges(|b| b.max_ts).max().unwrap_or(self.day),
            sources,
        };
        let file = self.file.try_clone().map_err(io_error(&self.path))?;
        Ok(Sealed::new(meta, file))
    }

    fn end(&mut self, sources: &Sources, names: &[&str], series: &[(u32, u32)]) -> io::Result<()> {
        let footer = footer::encode(sources, names, series, &self.blocks);
        let footer_at = self.size;
        let size = footer_at + (footer.len() + TRAILER_BYTES) as u64;
        self.put(&footer)?;
        self.put(&Trailer { footer_at, footer_crc: crc32fast::hash(&footer), size }.encode())?;
        fs::sync_all(&self.file)?;
        fs::rename_noreplace(&self.temporary, &self.path)
    }
}

impl Drop for SegmentWriter {
    fn drop(&mut self) {
        if !self.named {
            // A left-over temporary file is upkeep's to remove.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}
