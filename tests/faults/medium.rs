//! A medium that loses what was not synced: how a folder changed, and what may be left of it when
//! the power goes.
//!
//! The folder is looked at as a whole before each of the engine's steps, so what a mapping wrote is
//! seen too, as if its pages were written back at any time. Of a file, each page has the versions it had
//! since the file was synced; of a directory there are the entries of its last sync and the changes
//! since. [`Luck`] draws what survives: any version of each page, or of each sector of it, any of the
//! lengths, any of the changes. A renaming survives whole or not at all.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::ffi::OsString;
use std::fs;
use std::hash::{Hash, Hasher};
use std::io;
use std::os::fd::RawFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ax_storage::fs::Step;

use crate::support::{Hooked, Random};

const PAGE: usize = 4096;
const SECTOR: usize = 512;

/// Files and directories go by their inode: names move.
type Number = u64;
type Page = Arc<[u8; PAGE]>;

/// What was said to be safe, and the medium when the power may have gone.
#[derive(Clone)]
pub(crate) struct Cut<C> {
    pub(crate) claim: C,
    disk: Disk,
}

/// A folder under observation.
pub(crate) struct Medium<C>(Arc<Mutex<Watch<C>>>);

struct Watch<C> {
    folder: PathBuf,
    disk: Disk,
    claim: C,
    cuts: Vec<Cut<C>>,
}

/// Everything that may be on the medium.
#[derive(Clone)]
struct Disk {
    root: Number,
    files: BTreeMap<Number, Arc<Contents>>,
    dirs: BTreeMap<Number, Entries>,
}

/// Versions since the last sync, the oldest first; that one is safe.
#[derive(Clone)]
struct Contents {
    pages: Vec<Vec<Page>>,
    lengths: Vec<usize>,
}

#[derive(Clone, Default)]
struct Entries {
    safe: BTreeMap<OsString, Number>,
    changes: Vec<Change>,
    now: BTreeMap<OsString, Number>,
}

#[derive(Clone, Debug)]
enum Change {
    Made(OsString, Number),
    Moved(OsString, OsString, Number),
    Gone(OsString),
}

impl<C: Clone + Send + 'static> Medium<C> {
    /// Observes `folder`, whose contents are safe now.
    pub(crate) fn new(folder: &Path, claim: C) -> Self {
        let root = fs::metadata(folder).unwrap().ino();
        let disk = Disk { root, files: BTreeMap::new(), dirs: BTreeMap::new() };
        let mut watch = Watch { folder: folder.to_owned(), disk, claim, cuts: Vec::new() };
        watch.look();
        watch.disk.dirs.values_mut().for_each(Entries::sync);
        watch.disk.files.values_mut().for_each(|contents| Arc::make_mut(contents).sync());
        Self(Arc::new(Mutex::new(watch)))
    }

    /// Has the engine's steps seen as long as the answer lives.
    pub(crate) fn observe(&self) -> Hooked {
        let watch = Arc::clone(&self.0);
        Hooked::new(move |step| {
            lock(&watch).step(step);
            Ok(())
        })
    }

    /// Looks at the folder now: what was stored through a mapping since may be written back.
    pub(crate) fn look(&self) {
        lock(&self.0).look();
    }

    /// From now on, `change` holds of what must survive.
    pub(crate) fn say(&self, change: impl FnOnce(&mut C)) {
        change(&mut lock(&self.0).claim);
    }

    /// The power goes now, too. All the moments when it may have gone.
    pub(crate) fn cuts(&self) -> Vec<Cut<C>> {
        let mut watch = lock(&self.0);
        watch.look();
        watch.cut();
        std::mem::take(&mut watch.cuts)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<C: Clone> Watch<C> {
    fn step(&mut self, step: Step<'_>) {
        match step {
            Step::Open(_) | Step::Read(_) => {}
            Step::Sync(fd) => self.sync(number_of(fd)),
            Step::SyncDir(path) => self.sync(fs::metadata(path).map(|m| m.ino())),
            _ => self.look(),
        }
    }

    /// Before it is done, anything may be lost; then this is safe.
    fn sync(&mut self, number: io::Result<Number>) {
        self.look();
        self.cut();
        let Ok(number) = number else { return };
        if let Some(entries) = self.disk.dirs.get_mut(&number) {
            entries.sync();
        }
        if let Some(contents) = self.disk.files.get_mut(&number) {
            Arc::make_mut(contents).sync();
        }
    }

    fn cut(&mut self) {
        self.cuts.push(Cut { claim: self.claim.clone(), disk: self.disk.clone() });
    }

    fn look(&mut self) {
        let (folder, root) = (self.folder.clone(), self.disk.root);
        self.disk.look_into(&folder, root);
    }
}

fn number_of(fd: RawFd) -> io::Result<Number> {
    fs::metadata(format!("/proc/self/fd/{fd}")).map(|m| m.ino())
}

impl Disk {
    /// What is gone while it is looked at is seen as gone the next time.
    fn look_into(&mut self, path: &Path, number: Number) {
        let Ok(listing) = fs::read_dir(path) else { return };
        let mut now = BTreeMap::new();
        for entry in listing.flatten() {
            let Ok(about) = entry.path().symlink_metadata() else { continue };
            now.insert(entry.file_name(), about.ino());
            if about.is_dir() {
                self.look_into(&entry.path(), about.ino());
            } else if let Ok(bytes) = fs::read(entry.path()) {
                let contents = self.files.entry(about.ino()).or_insert_with(|| Arc::new(Contents::empty()));
                if !contents.are(&bytes) {
                    Arc::make_mut(contents).change(&bytes);
                }
            }
        }
        self.dirs.entry(number).or_default().change(now);
    }
}

impl Contents {
    fn empty() -> Self {
        Self { pages: Vec::new(), lengths: vec![0] }
    }

    fn length(&self) -> usize {
        self.lengths.last().copied().unwrap_or(0)
    }

    fn are(&self, bytes: &[u8]) -> bool {
        let mut pages = self.pages.iter().zip(bytes.chunks(PAGE));
        self.length() == bytes.len() && pages.all(|(page, chunk)| newest(page)[..chunk.len()] == *chunk)
    }

    fn change(&mut self, bytes: &[u8]) {
        if self.length() != bytes.len() {
            self.lengths.push(bytes.len());
        }
        let pages = bytes.len().div_ceil(PAGE).max(self.pages.len());
        self.pages.resize_with(pages, || vec![Arc::new([0; PAGE])]);
        for (at, versions) in self.pages.iter_mut().enumerate() {
            let chunk = bytes.chunks(PAGE).nth(at).unwrap_or(&[]);
            let mut page = [0; PAGE];
            page[..chunk.len()].copy_from_slice(chunk);
            if *newest(versions) != page {
                versions.push(Arc::new(page));
            }
        }
    }

    fn sync(&mut self) {
        self.lengths.drain(..self.lengths.len() - 1);
        for versions in &mut self.pages {
            versions.drain(..versions.len() - 1);
        }
    }

    fn write(&self, path: &Path, luck: &mut Luck) {
        let file = fs::File::create_new(path).unwrap();
        let length = self.lengths[luck.of(self.lengths.len())];
        file.set_len(length as u64).unwrap();
        for (at, versions) in self.pages.iter().enumerate().take(length.div_ceil(PAGE)) {
            let mut page = *versions[luck.of(versions.len())];
            if luck.torn && versions.len() > 1 {
                for sector in (0..PAGE).step_by(SECTOR) {
                    let version = &versions[luck.of(versions.len())];
                    page[sector..sector + SECTOR].copy_from_slice(&version[sector..sector + SECTOR]);
                }
            }
            let bytes = PAGE.min(length - at * PAGE);
            if page != [0; PAGE] {
                file.write_all_at(&page[..bytes], (at * PAGE) as u64).unwrap();
            }
        }
    }
}

fn newest(versions: &[Page]) -> &[u8; PAGE] {
    versions.last().expect("a page has a version")
}

impl Entries {
    fn sync(&mut self) {
        self.safe.clone_from(&self.now);
        self.changes.clear();
    }

    fn change(&mut self, now: BTreeMap<OsString, Number>) {
        let mut gone: Vec<_> = self.now.iter().filter(|(name, _)| !now.contains_key(*name)).collect();
        for (name, number) in now.iter().filter(|(name, number)| self.now.get(*name) != Some(number)) {
            match gone.iter().position(|(_, old)| *old == number) {
                Some(at) => self.changes.push(Change::Moved(gone.swap_remove(at).0.clone(), name.clone(), *number)),
                None => self.changes.push(Change::Made(name.clone(), *number)),
            }
        }
        self.changes.extend(gone.into_iter().map(|(name, _)| Change::Gone(name.clone())));
        self.now = now;
    }

    fn survive(&self, luck: &mut Luck) -> BTreeMap<OsString, Number> {
        let mut entries = self.safe.clone();
        for change in self.changes.iter().filter(|_| luck.keeps_change()) {
            match change {
                Change::Made(name, number) => _ = entries.insert(name.clone(), *number),
                Change::Moved(from, to, number) => {
                    entries.remove(from);
                    entries.insert(to.clone(), *number);
                }
                Change::Gone(name) => _ = entries.remove(name),
            }
        }
        entries
    }
}

/// Of what was not synced, how much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    Nothing,
    Everything,
    /// So many in a hundred, and any older version else.
    Some(u64),
}

/// The first states that are drawn of a cut: nothing or all of the contents, and of the changes.
pub(crate) const EXTREMES: u64 = 4;

/// Draws what survives.
pub(crate) struct Luck {
    random: Random,
    contents: Kept,
    changes: Kept,
    /// Pages are torn between sectors.
    torn: bool,
    drawn: DefaultHasher,
}

impl Luck {
    /// The four extremes first, then anything; the same for the same numbers.
    pub(crate) fn new(seed: u64, turn: u64) -> Self {
        let mut random = Random(seed ^ turn.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let mut some = || match random.below(8) {
            0 => Kept::Nothing,
            1 => Kept::Everything,
            n => Kept::Some([5, 25, 50, 50, 75, 95][n as usize - 2]),
        };
        let (contents, changes) = match turn {
            0 => (Kept::Nothing, Kept::Nothing),
            1 => (Kept::Nothing, Kept::Everything),
            2 => (Kept::Everything, Kept::Nothing),
            3 => (Kept::Everything, Kept::Everything),
            _ => (some(), some()),
        };
        let torn = random.below(3) == 0;
        Self { random, contents, changes, torn, drawn: DefaultHasher::new() }
    }

    /// Which of so many versions, the oldest first.
    fn of(&mut self, versions: usize) -> usize {
        if versions == 1 {
            return 0;
        }
        let which = match self.contents {
            Kept::Nothing => 0,
            Kept::Some(percent) if self.random.below(100) >= percent => self.random.below(versions as u64) as usize,
            _ => versions - 1,
        };
        which.hash(&mut self.drawn);
        which
    }

    fn keeps_change(&mut self) -> bool {
        let kept = match self.changes {
            Kept::Nothing => false,
            Kept::Everything => true,
            Kept::Some(percent) => self.random.below(100) < percent,
        };
        kept.hash(&mut self.drawn);
        kept
    }

    /// Stands for everything drawn so far: the same of one cut is the same state.
    pub(crate) fn drawn(&self) -> u64 {
        self.drawn.finish()
    }
}

impl<C> Cut<C> {
    /// Makes in `folder`, which is empty, what is left.
    pub(crate) fn restore(&self, folder: &Path, luck: &mut Luck) {
        self.restore_into(folder, self.disk.root, luck);
    }

    fn restore_into(&self, folder: &Path, number: Number, luck: &mut Luck) {
        let Some(entries) = self.disk.dirs.get(&number) else { return };
        for (name, number) in entries.survive(luck) {
            let path = folder.join(name);
            match self.disk.files.get(&number) {
                Some(contents) => contents.write(&path, luck),
                None => {
                    fs::create_dir(&path).unwrap();
                    self.restore_into(&path, number, luck);
                }
            }
        }
    }

    /// What is not synced, for a report.
    pub(crate) fn unsynced(&self) -> Vec<String> {
        let name = |wanted: Number| {
            let names = self.disk.dirs.values().flat_map(|dir| dir.now.iter().chain(&dir.safe));
            names.filter(|(_, number)| **number == wanted).map(|(name, _)| name.display().to_string()).next()
        };
        let mut out: Vec<String> = Vec::new();
        for (number, entries) in &self.disk.dirs {
            out.extend(entries.changes.iter().map(|change| format!("in {:?}: {change:?}", name(*number))));
        }
        for (number, contents) in &self.disk.files {
            let pages: Vec<usize> = (0..contents.pages.len()).filter(|at| contents.pages[*at].len() > 1).collect();
            if !pages.is_empty() || contents.lengths.len() > 1 {
                out.push(format!("{:?}: pages {pages:?}, lengths {:?}", name(*number), contents.lengths));
            }
        }
        out
    }
}
