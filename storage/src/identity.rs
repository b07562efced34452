//! `store.id`: what makes a directory a store. Made first, never changed; its lock is the upkeep
//! pass's and its modification time says when the last pass ended.
//!
//! Layout, little endian: magic `AXSTORE\n` (8) | format version u32 | uuid 16 bytes |
//! created, ms since 1970 u64 | length of the zone's name u16 | name | CRC32 of all before u32.

use std::fs::{File, FileTimes};
use std::io::{self, Read};
use std::path::Path;
use std::time::SystemTime;

use crate::fs;
use crate::paths::{Paths, Unfinished};
use crate::time::{Timestamp, Zone};

const MAGIC: &[u8; 8] = b"AXSTORE\n";
/// Version of everything in the directory.
pub const FORMAT_VERSION: u32 = 1;
/// A zone's name has at most 64 bytes, so the file is small.
const SIZE_MAX: u64 = 256;

/// Who a store is.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Random; repeated in the database, journals and segments.
    pub uuid: u128,
    /// When the store was made.
    pub created: Timestamp,
    /// Zone whose midnights cut the days; fixed for ever.
    pub zone: Zone,
}

/// Why a store cannot be opened or made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is nothing at the path.
    #[error("there is no store in {path}")]
    Missing {
        /// The directory.
        path: String,
    },
    /// The path is a file.
    #[error("{path} is not a directory")]
    NotADirectory {
        /// The path.
        path: String,
    },
    /// The directory has other things in it.
    #[error("{path} is not a store: it holds files but no store.id")]
    NotAStore {
        /// The directory.
        path: String,
    },
    /// A later version made it.
    #[error("the store in {path} has format {version}, this program reads up to {FORMAT_VERSION}")]
    TooNew {
        /// The directory.
        path: String,
        /// What the store says.
        version: u32,
    },
    /// Its bytes are wrong.
    #[error("{path} is damaged: {what}")]
    Damaged {
        /// The file.
        path: String,
        /// Expected and found.
        what: String,
    },
    /// The system refused.
    #[error("cannot open {path}: {cause}")]
    Io {
        /// The file or directory.
        path: String,
        /// What the system said.
        cause: io::Error,
    },
}

impl OpenError {
    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |cause| Self::Io { path: path.display().to_string(), cause }
    }
}

impl Identity {
    /// Reads the identity of the store in `paths`.
    ///
    /// # Errors
    /// See [`OpenError`]; a directory without anything in it is `Missing`.
    pub fn read(paths: &Paths) -> Result<Self, OpenError> {
        let path = paths.store_id();
        let file = match fs::open_read(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let found = absent(paths.root());
                // Another maker may have finished between the two looks.
                return if path.exists() { Self::read(paths) } else { Err(found) };
            }
            Err(e) if e.kind() == io::ErrorKind::NotADirectory => {
                return Err(OpenError::NotADirectory { path: paths.root().display().to_string() });
            }
            Err(e) => return Err(OpenError::io(&path)(e)),
        };
        decode(&contents(file).map_err(OpenError::io(&path))?).map_err(|wrong| match wrong {
            Wrong::Version(version) => OpenError::TooNew { path: paths.root().display().to_string(), version },
            Wrong::Bytes(what) => OpenError::Damaged { path: path.display().to_string(), what },
        })
    }

    /// The uuid of the store that is in `paths` now, if there is one that can be read. Needs little stack:
    /// no zone is loaded.
    pub(crate) fn uuid_now(paths: &Paths) -> Option<u128> {
        let bytes = contents(fs::open_read(&paths.store_id()).ok()?).ok()?;
        Fields::decode(&bytes).ok().map(|fields| fields.uuid)
    }

    /// Reads the identity, or makes one where there is nothing yet. Of several makers one wins and
    /// the others read its identity.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn read_or_create(paths: &Paths, zone: &Zone, now: Timestamp) -> Result<Self, OpenError> {
        match Self::read(paths) {
            Err(OpenError::Missing { .. }) => {}
            known => return known,
        }
        let root = paths.root();
        fs::create_root(root).map_err(OpenError::io(root))?;
        for dir in [paths.journal_dir(), paths.raw_dir()] {
            fs::create_dir(&dir).map_err(OpenError::io(&dir))?;
        }
        let uuid = random_u128().map_err(OpenError::io(root))?;
        let identity = Self { uuid, created: now, zone: zone.clone() };
        let temporary = Unfinished::Identity.path(root, uuid);
        let made = write(&temporary, &identity).and_then(|()| fs::rename_noreplace(&temporary, &paths.store_id()));
        match made {
            Ok(()) => {
                fs::sync_dir(root).map_err(OpenError::io(root))?;
                Ok(identity)
            }
            Err(e) => {
                // A left-over temporary file harms nobody, and upkeep removes it.
                let _ = fs::remove_file(&temporary);
                if paths.store_id().exists() { Self::read(paths) } else { Err(OpenError::io(root)(e)) }
            }
        }
    }
}

fn contents(file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(SIZE_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Random bits from the system.
///
/// # Errors
/// When the system has none to give.
pub fn random_u128() -> io::Result<u128> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(u128::from_le_bytes(bytes))
}

/// Tells a missing or empty directory from one with foreign files.
fn absent(root: &Path) -> OpenError {
    let path = root.display().to_string();
    match std::fs::read_dir(root) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => OpenError::Missing { path },
        Err(e) if e.kind() == io::ErrorKind::NotADirectory => OpenError::NotADirectory { path },
        Err(cause) => OpenError::Io { path, cause },
        Ok(mut entries) => {
            // What another maker has just begun is no foreign file.
            let ours = |path: &Path| {
                let begun = Unfinished::of(path) == Some(Unfinished::Identity);
                begun || path.file_name().is_some_and(|name| name == "journal" || name == "raw")
            };
            if entries.all(|e| e.is_ok_and(|e| ours(&e.path()))) {
                OpenError::Missing { path }
            } else {
                OpenError::NotAStore { path }
            }
        }
    }
}

fn write(path: &Path, identity: &Identity) -> io::Result<()> {
    let file = fs::create_new(path)?;
    fs::write_all(&file, &encode(identity))?;
    // The modification time tells when the last upkeep pass ended; there was none yet.
    fs::set_times(&file, FileTimes::new().set_modified(SystemTime::UNIX_EPOCH))?;
    fs::sync_all(&file)
}

fn encode(identity: &Identity) -> Vec<u8> {
    let name = identity.zone.name().as_bytes();
    let length = u16::try_from(name.len()).expect("zone names have at most 64 bytes");
    let mut bytes = MAGIC.to_vec();
    bytes.extend(FORMAT_VERSION.to_le_bytes());
    bytes.extend(identity.uuid.to_le_bytes());
    bytes.extend(identity.created.millis().to_le_bytes());
    bytes.extend(length.to_le_bytes());
    bytes.extend(name);
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

enum Wrong {
    Version(u32),
    Bytes(String),
}

/// What the bytes say.
struct Fields<'a> {
    uuid: u128,
    created: Timestamp,
    zone: &'a str,
}

impl<'a> Fields<'a> {
    fn decode(bytes: &'a [u8]) -> Result<Self, Wrong> {
        let wrong = |what: &str| Wrong::Bytes(what.to_owned());
        let field = |at: usize, len: usize| bytes.get(at..at + len).ok_or_else(|| wrong("it is cut short"));
        if field(0, 8)? != MAGIC {
            return Err(wrong("it does not begin with AXSTORE"));
        }
        let version = u32::from_le_bytes(field(8, 4)?.try_into().expect("four bytes"));
        if version > FORMAT_VERSION {
            return Err(Wrong::Version(version));
        }
        let length = usize::from(u16::from_le_bytes(field(36, 2)?.try_into().expect("two bytes")));
        let zone = field(38, length)?;
        let crc = u32::from_le_bytes(field(38 + length, 4)?.try_into().expect("four bytes"));
        if crc32fast::hash(&bytes[..38 + length]) != crc || bytes.len() != 42 + length {
            return Err(wrong("its checksum does not fit its bytes"));
        }
        Ok(Self {
            uuid: u128::from_le_bytes(field(12, 16)?.try_into().expect("sixteen bytes")),
            created: Timestamp::from_millis(u64::from_le_bytes(field(28, 8)?.try_into().expect("eight bytes"))),
            zone: std::str::from_utf8(zone).map_err(|_| wrong("its zone is not text"))?,
        })
    }
}

fn decode(bytes: &[u8]) -> Result<Identity, Wrong> {
    let Fields { uuid, created, zone } = Fields::decode(bytes)?;
    Ok(Identity { uuid, created, zone: Zone::load(zone).map_err(|e| Wrong::Bytes(e.to_string()))? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new_store() -> (tempfile::TempDir, Paths) {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::new(&dir.path().join("store"));
        (dir, paths)
    }

    #[test]
    fn the_first_maker_decides_and_others_read_it() {
        let (_dir, paths) = new_store();
        assert!(matches!(Identity::read(&paths), Err(OpenError::Missing { .. })));
        let zone = Zone::load("Europe/Berlin").unwrap();
        let made = Identity::read_or_create(&paths, &zone, Timestamp::YEAR_2000).unwrap();
        let again = Identity::read_or_create(&paths, &Zone::utc(), Timestamp::MAX).unwrap();
        assert_eq!((again.uuid, again.zone.name(), again.created), (made.uuid, "Europe/Berlin", Timestamp::YEAR_2000));
    }

    #[test]
    fn twenty_makers_at_once_agree() {
        let (_dir, paths) = new_store();
        let uuids: Vec<u128> = std::thread::scope(|s| {
            let make = || Identity::read_or_create(&paths, &Zone::utc(), Timestamp::YEAR_2000).unwrap().uuid;
            let all: Vec<_> = (0..20).map(|_| s.spawn(make)).collect();
            all.into_iter().map(|h| h.join().unwrap()).collect()
        });
        assert!(uuids.iter().all(|u| *u == uuids[0]));
    }

    #[test]
    fn a_foreign_directory_is_left_alone() {
        let (_dir, paths) = new_store();
        std::fs::create_dir(paths.root()).unwrap();
        std::fs::write(paths.root().join("thesis.doc"), "x").unwrap();
        let error = Identity::read_or_create(&paths, &Zone::utc(), Timestamp::YEAR_2000).unwrap_err();
        assert!(matches!(error, OpenError::NotAStore { .. }), "{error}");
        assert_eq!(std::fs::read_dir(paths.root()).unwrap().count(), 1);
    }

    #[test]
    fn any_flipped_bit_is_noticed_and_a_newer_version_is_named() {
        let (_dir, paths) = new_store();
        Identity::read_or_create(&paths, &Zone::utc(), Timestamp::YEAR_2000).unwrap();
        let good = std::fs::read(paths.store_id()).unwrap();
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&bad).is_err(), "bit {bit}");
        }
        let mut newer = good;
        newer[8] = 2;
        std::fs::write(paths.store_id(), newer).unwrap();
        assert!(matches!(Identity::read(&paths), Err(OpenError::TooNew { version: 2, .. })));
    }
}
