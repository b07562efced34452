//! What the two ways of writing a journal have in common.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use crate::clock::{Clock, Stopwatch, SystemClock};
use crate::fs;
use crate::identity::Identity;
use crate::journal::format::{FILE_BYTES_MAX, Header};
use crate::journal::{DropReason, Drops, JournalId};
use crate::paths::Paths;
use crate::time::{DAY_MS, Timestamp};

/// How frames get into the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JournalKind {
    /// Mapped on ext4, xfs and tmpfs, else written.
    #[default]
    Auto,
    /// Through a mapping: tens of nanoseconds. A file that is truncated from outside while it is
    /// mapped kills the process by SIGBUS. One that is removed, or has another put in its place, costs
    /// what was in it and not yet rolled up; the helper thread sees it when it does its [`Chore`] and
    /// goes on in a new file.
    Mapped,
    /// By `pwrite`: about a microsecond and no such danger: a file that is truncated, removed or
    /// replaced costs what was in it, and after a second the next event begins a new one.
    Written,
}

/// Something that the helper thread does beside its own work, again and again.
pub struct Chore {
    /// How long to wait between two times.
    pub every: Duration,
    /// What to do: briefly, on a small stack, without a panic.
    pub work: Box<dyn Fn() + Send + Sync>,
}

/// Where and how a recorder writes.
#[derive(Clone)]
pub struct RecorderOptions {
    /// The store's `journal` directory; created when it is missing.
    pub journal_dir: PathBuf,
    /// The store's identity; of use where `store.id` cannot be read when a file begins.
    pub store_uuid: u128,
    /// Mapped or written.
    pub kind: JournalKind,
    /// Size at which the next file begins, at most and by default 16 MiB.
    pub file_bytes_max: u32,
    /// Age at which the next file begins, by default an hour.
    pub roll_after: Duration,
    /// Says when files are created. Events bring their own time.
    pub clock: Arc<dyn Clock>,
    /// Done by the helper thread of a mapped journal, or in passing when events are written.
    pub chore: Option<Arc<Chore>>,
}

impl RecorderOptions {
    /// The usual options.
    pub fn new(journal_dir: PathBuf, store_uuid: u128) -> Self {
        Self {
            journal_dir,
            store_uuid,
            kind: JournalKind::Auto,
            file_bytes_max: FILE_BYTES_MAX,
            roll_after: Duration::from_secs(3600),
            clock: Arc::new(SystemClock),
            chore: None,
        }
    }
}

impl fmt::Debug for RecorderOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecorderOptions")
            .field("journal_dir", &self.journal_dir)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// Why a frame was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Not in the file that was named: another has begun. Names have to be announced in that.
    Rolled,
    /// Not at all.
    Dropped(DropReason),
}

/// One process's journal, file after file.
pub(crate) trait Log {
    /// The file that frames go to now, 0 when there is none.
    fn sequence(&self) -> u32;

    /// Publishes a one-slot frame in file `sequence`.
    fn append_slot(&self, sequence: u32, words: &[u64; 7]) -> Result<(), Refused>;

    /// Publishes a frame of any size in file `sequence`: its offset. The header is told of a
    /// `name` frame.
    fn append(&self, sequence: u32, payload: &[u8], name: bool) -> Result<u32, Refused>;

    /// Makes everything durable that was published before.
    fn flush(&self) -> io::Result<()>;

    /// The drop counters have changed.
    fn note_drops(&self);

    /// Events (frames that are neither names nor pads) published so far.
    fn recorded(&self) -> u64;

    /// How often a recording thread had to prepare space itself.
    fn stalls(&self) -> u64;
}

/// What both need to make the next file.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) options: RecorderOptions,
    pub(crate) recorder: u128,
    pub(crate) drops: Arc<Drops>,
}

impl Setup {
    /// The header of file `sequence`, and after which time the file after it begins.
    pub(crate) fn header(&self, sequence: u32) -> (Header, Duration) {
        let created = self.options.clock.now();
        let id = JournalId { recorder: self.recorder, sequence };
        let header = Header { id, store_uuid: self.store_uuid(), created };
        (header, life(created, self.options.roll_after))
    }

    /// The store may have been removed and made anew under its recorders: what they record from then on
    /// is of the store that is there.
    fn store_uuid(&self) -> u128 {
        let root = self.options.journal_dir.parent();
        root.and_then(|root| Identity::uuid_now(&Paths::new(root))).unwrap_or(self.options.store_uuid)
    }

    /// What a flush fails with: says where.
    pub(crate) fn not_durable(&self, cause: &io::Error) -> io::Error {
        let dir = self.options.journal_dir.display();
        io::Error::new(cause.kind(), format!("cannot make the journals in {dir} durable: {cause}"))
    }

    /// Makes the names of new files durable. The store's own directory too: who made the store a moment
    /// ago, another process perhaps, may not have come to that.
    pub(crate) fn sync_names(&self) -> io::Result<()> {
        let dirs = self.options.journal_dir.ancestors().take(2).filter(|dir| !dir.as_os_str().is_empty());
        dirs.into_iter().try_for_each(fs::sync_dir)
    }

    /// The largest size of a file: whole slots behind the header.
    pub(crate) fn file_bytes_max(&self) -> u32 {
        self.options.file_bytes_max.clamp(16 << 10, FILE_BYTES_MAX) / 4096 * 4096
    }
}

/// A file begun at `created` is closed after an hour or at midnight.
fn life(created: Timestamp, roll_after: Duration) -> Duration {
    roll_after.min(Duration::from_millis(DAY_MS - created.since(created.utc_day())))
}

/// Until when not to try again after a refusal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    pub(crate) reason: DropReason,
    since: Stopwatch,
    delay: Duration,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(50);
    const LONGEST: Duration = Duration::from_secs(5);

    /// After a first refusal, or after another one that followed `before`.
    pub(crate) fn new(reason: DropReason, before: Option<Self>) -> Self {
        let delay = before.map_or(Self::FIRST, |b| (b.delay * 2).min(Self::LONGEST));
        Self { reason, since: Stopwatch::start(), delay }
    }

    /// How long to wait still; zero = try.
    pub(crate) fn left(&self) -> Duration {
        self.delay.saturating_sub(self.since.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_end_after_an_hour_or_at_midnight() {
        let hour = Duration::from_secs(3600);
        let noon = Timestamp::from_millis(DAY_MS * 20_000 + DAY_MS / 2);
        assert_eq!(life(noon, hour), hour);
        let late = Timestamp::from_millis(DAY_MS * 20_001 - 90_000);
        assert_eq!(life(late, hour), Duration::from_secs(90));
    }

    #[test]
    fn a_refusal_is_tried_again_ever_later() {
        let mut backoff = Backoff::new(DropReason::DiskFull, None);
        for _ in 0..20 {
            backoff = Backoff::new(DropReason::DiskFull, Some(backoff));
        }
        assert_eq!(backoff.delay, Backoff::LONGEST);
        assert!(backoff.left() > Duration::from_secs(4));
    }
}
