//! The beginning of an input: opened, its format known, and what earlier imports remember of it.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use ax_storage::time::Timestamp;

use crate::import::error::ImportError;
use crate::import::key::Keys;
use crate::import::resume::{self, HEAD_BYTES_MAX, Spool};
use crate::import::sniff::{BOM, sniff, utf16};
use crate::import::source::{self, Source};
use crate::import::{Consumed, Format, Input, Options, Sink};

/// An input of which nothing is taken yet.
pub(super) struct Start<'a> {
    input: &'a Input,
    pub(super) name: String,
    pub(super) source: Source,
    pub(super) format: Format,
    /// What it is looked up by.
    pub(super) head: u128,
    pub(super) remembered: Vec<Consumed>,
    spool: Option<Spool>,
    pub(super) bytes_read: Arc<AtomicU64>,
    pub(super) bytes_total: Option<u64>,
    /// When it was written last.
    pub(super) modified: Option<Timestamp>,
}

impl<'a> Start<'a> {
    /// Opens an input and looks it up.
    ///
    /// # Errors
    /// Those of the input, of its format, and of the store.
    pub(super) fn new(
        sink: &mut dyn Sink,
        input: &'a Input,
        options: &Options<'_>,
        keys: &Keys,
    ) -> Result<Self, ImportError> {
        let name = name(input);
        let io = |cause| ImportError::Input { name: name.clone(), cause };
        let opened = source::open(input).map_err(io)?;
        let mut source = Source::new(opened.reader);
        let first = source.peek(HEAD_BYTES_MAX).map_err(io)?;
        let first = first.strip_prefix(BOM).unwrap_or(first);
        let named = match input {
            Input::Known(format, _) => Some(*format),
            _ => options.format,
        };
        let format = match named {
            Some(format) => utf16(first).map(|()| format),
            None => sniff(first, keys),
        };
        let format = format.map_err(|what| ImportError::Format { name: name.clone(), what })?;
        let head = resume::head(format, &options.map, options.rules.zone.as_ref(), first);
        let remembered = sink.remembered(head).map_err(ImportError::Store)?;
        let mut spool = None;
        if !remembered.is_empty() && *input == Input::Stdin {
            let (kept, reader) = Spool::new(source.into_unread()).map_err(io)?;
            (source, spool) = (Source::new(reader), Some(kept));
        }
        Ok(Self {
            input,
            name,
            source,
            format,
            head,
            remembered,
            spool,
            bytes_read: opened.bytes_read,
            bytes_total: opened.bytes_total,
            modified: opened.modified,
        })
    }

    /// Goes back to the very beginning.
    ///
    /// # Errors
    /// Those of the input.
    pub(super) fn again(&mut self) -> Result<(), ImportError> {
        let io = |cause| ImportError::Input { name: self.name.clone(), cause };
        let reader = match self.spool.take() {
            Some(spool) => spool.again().map_err(io)?,
            None => {
                let opened = source::open(self.input).map_err(io)?;
                self.bytes_read = opened.bytes_read;
                opened.reader
            }
        };
        self.source = Source::new(reader);
        Ok(())
    }

    /// It stands where reading goes on, and won't go back any more.
    pub(super) fn at_its_place(mut self) -> Self {
        if let Some(spool) = self.spool.take() {
            spool.stop();
        }
        self
    }

    /// The file, if it is one.
    pub(super) fn path(&self) -> Option<&'a std::path::Path> {
        match self.input {
            Input::Stdin => None,
            Input::File(path) | Input::Known(_, path) => Some(path),
        }
    }
}

fn name(input: &Input) -> String {
    match input {
        Input::Stdin => "-".to_owned(),
        Input::File(path) | Input::Known(_, path) => path.display().to_string(),
    }
}
