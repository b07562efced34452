//! Prices while recording: found without a lock, an allocation or a look-up in any list, and renewed
//! by another thread when the store's price file changes.
//!
//! A name once met has an [`Entry`], whose newest prices are the last link of a chain that only
//! grows: who reads never waits for who adds. What is replaced stays, because somebody may be reading
//! it; a program sees few price changes.

use std::hash::BuildHasher;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, TryLockError};

use foldhash::fast::RandomState;

use super::{Book, Resolved, load, path_in};

/// Names are kept in so many chains.
const BUCKETS: usize = 512;
/// Names that are kept; what others cost is looked up each time.
const NAMES_MAX: usize = 16_384;
/// How often a lock is tried before it counts as taken for ever.
const LOCK_TRIES: usize = 10_000;
/// Changes of the price file that are taken over; each keeps what it replaces.
const CHANGES_MAX: usize = 1000;

/// A chain that only grows.
#[derive(Debug)]
struct Chain<T> {
    value: T,
    next: OnceLock<Box<Self>>,
}

impl<T> Chain<T> {
    const fn new(value: T) -> Self {
        Self { value, next: OnceLock::new() }
    }

    #[inline]
    fn last(&self) -> &Self {
        let mut link = self;
        while let Some(next) = link.next.get() {
            link = next;
        }
        link
    }

    fn push(&self, value: T) {
        let mut value = Box::new(Self::new(value));
        while let Err(back) = self.last().next.set(value) {
            value = back;
        }
    }
}

/// The prices of one model, always the newest.
#[derive(Debug)]
pub struct Entry(Chain<Resolved>);

impl Entry {
    /// The prices in force.
    #[inline]
    pub fn prices(&self) -> &Resolved {
        &self.0.last().value
    }
}

#[derive(Debug)]
struct Named {
    provider: Box<str>,
    model: Box<str>,
    entry: Arc<Entry>,
}

/// The price lists of a store for a recorder.
pub struct LivePrices {
    path: PathBuf,
    names: Box<[OnceLock<Box<Chain<Named>>>]>,
    hasher: RandomState,
    /// For who adds a name or changes the lists.
    adding: Mutex<Added>,
}

#[derive(Debug, Default)]
struct Added {
    book: Book,
    names: usize,
    changes: usize,
    seen: Option<Stamp>,
}

/// By what a changed file is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let data = std::fs::metadata(path).ok()?;
        Some(Self { inode: data.ino(), bytes: data.len(), modified: (data.mtime(), data.mtime_nsec()) })
    }
}

impl LivePrices {
    /// The prices of the store in `dir`. A price file that cannot be used is none.
    pub fn open(dir: &Path) -> Self {
        let path = path_in(dir);
        let seen = Stamp::of(&path);
        let book = Book::new(load(&path).unwrap_or_default());
        Self {
            path,
            names: std::iter::repeat_with(OnceLock::new).take(BUCKETS).collect(),
            hasher: RandomState::default(),
            adding: Mutex::new(Added { book, seen, ..Added::default() }),
        }
    }

    /// Calls `with` with the prices of a model.
    #[inline]
    pub fn with<R>(&self, provider: &str, model: &str, with: impl FnOnce(&Resolved) -> R) -> R {
        match self.find(provider, model) {
            Some(entry) => with(entry.prices()),
            None => with(self.entry(provider, model).prices()),
        }
    }

    /// The prices of a model, to keep.
    #[cold]
    pub fn entry(&self, provider: &str, model: &str) -> Arc<Entry> {
        let make = |book: &Book| Arc::new(Entry(Chain::new(book.resolve(provider, model))));
        let Some(mut added) = self.lock() else { return make(&Book::new(load(&self.path).unwrap_or_default())) };
        if let Some(entry) = self.find(provider, model) {
            return Arc::clone(entry);
        }
        let entry = make(&added.book);
        if added.names < NAMES_MAX {
            added.names += 1;
            let named = Named { provider: provider.into(), model: model.into(), entry: Arc::clone(&entry) };
            let bucket = self.bucket(provider, model);
            match bucket.get() {
                Some(chain) => chain.push(named),
                None => {
                    let _ = bucket.set(Box::new(Chain::new(named)));
                }
            }
        }
        entry
    }

    #[inline]
    fn find(&self, provider: &str, model: &str) -> Option<&Arc<Entry>> {
        let mut link = self.bucket(provider, model).get();
        while let Some(chain) = link {
            let named = &chain.value;
            if *named.model == *model && *named.provider == *provider {
                return Some(&named.entry);
            }
            link = chain.next.get();
        }
        None
    }

    #[inline]
    fn bucket(&self, provider: &str, model: &str) -> &OnceLock<Box<Chain<Named>>> {
        let hash = self.hasher.hash_one((provider, model));
        &self.names[hash as usize % BUCKETS]
    }

    /// Takes over the price file if it has changed: whether it has. One that cannot be used changes
    /// nothing.
    pub fn refresh(&self) -> bool {
        let Some(mut added) = self.lock() else { return false };
        let stamp = Stamp::of(&self.path);
        if stamp == added.seen || added.changes >= CHANGES_MAX {
            return false;
        }
        added.seen = stamp;
        let Ok(contents) = load(&self.path) else { return false };
        added.changes += 1;
        let book = Book::new(contents);
        for bucket in &self.names {
            let mut link = bucket.get();
            while let Some(chain) = link {
                let named = &chain.value;
                let prices = book.resolve(&named.provider, &named.model);
                if prices != *named.entry.prices() {
                    named.entry.0.push(prices);
                }
                link = chain.next.get();
            }
        }
        added.book = book;
        true
    }

    /// The lock, unless it stays taken: in a forked child its holder may not exist.
    fn lock(&self) -> Option<MutexGuard<'_, Added>> {
        for _ in 0..LOCK_TRIES {
            match self.adding.try_lock() {
                Ok(added) => return Some(added),
                // What a panic left is whole: names are added last.
                Err(TryLockError::Poisoned(added)) => return Some(added.into_inner()),
                Err(TryLockError::WouldBlock) => std::thread::yield_now(),
            }
        }
        None
    }
}

impl std::fmt::Debug for LivePrices {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LivePrices").field("path", &self.path).finish_non_exhaustive()
    }
}
