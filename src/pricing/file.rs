//! `prices.bin`: what a store's recorders price by, beside the list that comes along.
//!
//! ```text
//! "AXPRICES" | version u32 | xxh3 of the body u64 | bincode body
//! ```
//! It is replaced as a whole and never changed, so a reader sees an old one or a new one.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use ax_storage::fs as engine;
use bincode::{Decode, Encode};
use xxhash_rust::xxh3::xxh3_64;

use super::{Imported, Override};

const MAGIC: &[u8; 8] = b"AXPRICES";
const VERSION: u32 = 1;
const HEAD_BYTES: usize = 8 + 4 + 8;
/// A file that is longer is none of ours.
const BYTES_MAX: u64 = 64 << 20;

/// What stands over the list that comes along.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Contents {
    /// Imported lists, from old to new.
    pub imported: Vec<Imported>,
    /// Overrides of the store (`prices set`).
    pub set: Vec<Override>,
    /// Overrides of the settings file.
    pub settings: Vec<Override>,
    /// Other names of providers: (name, whose prices hold).
    pub aliases: Vec<(String, String)>,
}

/// Why a price file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system refuses.
    #[error("{}: {cause}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// It is damaged.
    #[error("{} is damaged: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A newer version made it.
    #[error("{} was made by a newer version of the program", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
    },
}

/// The price file of the store in `dir`.
pub fn path_in(dir: &Path) -> PathBuf {
    dir.join("prices.bin")
}

/// Reads the file; one that is not there is empty.
///
/// # Errors
/// When it cannot be read or understood.
pub fn load(path: &Path) -> Result<Contents, FileError> {
    let io = |cause| FileError::Io { path: path.to_owned(), cause };
    let mut bytes = Vec::new();
    match engine::open_read(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Contents::default()),
        file => file.map_err(io)?.take(BYTES_MAX + 1).read_to_end(&mut bytes).map_err(io)?,
    };
    parse(&bytes).map_err(|bad| match bad {
        Bad::Newer => FileError::Newer { path: path.to_owned() },
        Bad::Damaged(what) => FileError::Damaged { path: path.to_owned(), what },
    })
}

enum Bad {
    Newer,
    Damaged(&'static str),
}

fn parse(bytes: &[u8]) -> Result<Contents, Bad> {
    let (head, body) = bytes.split_at_checked(HEAD_BYTES).ok_or(Bad::Damaged("it is cut short"))?;
    if &head[..8] != MAGIC {
        return Err(Bad::Damaged("it does not begin as a price file"));
    }
    if head[8..12] != VERSION.to_le_bytes() {
        return Err(Bad::Newer);
    }
    if head[12..] != xxh3_64(body).to_le_bytes() {
        return Err(Bad::Damaged("the checksum does not fit"));
    }
    let config = bincode::config::standard().with_limit::<{ BYTES_MAX as usize }>();
    match bincode::decode_from_slice(body, config) {
        Ok((contents, used)) if used == body.len() => Ok(contents),
        _ => Err(Bad::Damaged("its contents make no sense")),
    }
}

fn bytes(contents: &Contents) -> io::Result<Vec<u8>> {
    let body = bincode::encode_to_vec(contents, bincode::config::standard()).map_err(io::Error::other)?;
    let mut bytes = MAGIC.to_vec();
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend(xxh3_64(&body).to_le_bytes());
    bytes.extend(body);
    Ok(bytes)
}

/// Puts the contents in place of the file: whole and durable, or not at all. Nothing is written when
/// it holds them already.
///
/// # Errors
/// What the system says.
pub fn store(path: &Path, contents: &Contents) -> Result<(), FileError> {
    if load(path).is_ok_and(|now| now == *contents) {
        return Ok(());
    }
    let io = |cause| FileError::Io { path: path.to_owned(), cause };
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    let written = (|| {
        engine::remove_file(&temporary)?;
        let mut file: File = engine::create_new(&temporary)?;
        file.write_all(&bytes(contents)?)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)?;
        path.parent().map_or(Ok(()), engine::sync_dir)
    })();
    if written.is_err() {
        let _ = engine::remove_file(&temporary);
    }
    written.map_err(io)
}
