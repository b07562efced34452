//! A failure as a user meets it: one sentence, a hint that helps, and an exit code.

use std::fmt;

use ax_storage::backup::BackupError;
use ax_storage::compaction::CompactError;
use ax_storage::query::QueryError;
use ax_storage::tier::db::DbError;
use ax_storage::{OpenError, TickError};
use serde::Serialize;

pub use crate::words::escaped;

/// Something a user should know although there is an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// For programs.
    pub code: &'static str,
    /// For people.
    pub message: String,
}

/// What went wrong, as scripts tell failures apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An argument, setting or piece of input that cannot mean anything.
    Usage,
    /// Nothing is where something was expected.
    NotFound,
    /// The path is a file, or a directory that holds other things.
    NotAStore,
    /// A later version of this program made the store.
    TooNew,
    /// Bytes on disk are wrong.
    Damaged,
    /// Another process was at it for longer than one waits.
    Busy,
    /// The question is fine, the data to answer it are gone or too many.
    Unanswerable,
    /// All of the input was refused.
    Refused,
    /// A message did not reach its channel.
    Undelivered,
    /// The system said no.
    Io,
    /// Whoever read the output went away: not a failure at all.
    ClosedPipe,
    /// A mistake in this program.
    Bug,
}

impl Kind {
    /// As `--json` prints it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::NotFound => "not_found",
            Self::NotAStore => "not_a_store",
            Self::TooNew => "too_new",
            Self::Damaged => "damaged",
            Self::Busy => "busy",
            Self::Unanswerable => "unanswerable",
            Self::Refused => "refused",
            Self::Undelivered => "undelivered",
            Self::Io => "io",
            Self::ClosedPipe => "closed_pipe",
            Self::Bug => "bug",
        }
    }

    /// The process's exit code.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::ClosedPipe => 0,
            Self::Usage => exit::USAGE,
            Self::Damaged | Self::TooNew => exit::DAMAGED,
            Self::Undelivered => exit::UNDELIVERED,
            _ => exit::RUNTIME,
        }
    }
}

/// Exit codes that scripts rely on.
pub mod exit {
    /// Something failed at run time.
    pub const RUNTIME: u8 = 1;
    /// The command line, a setting or a query cannot be understood.
    pub const USAGE: u8 = 2;
    /// A `--fail-on` condition is true.
    pub const FAIL_ON: u8 = 3;
    /// A `--fail-on` condition had no data to judge.
    pub const NOTHING_TO_JUDGE: u8 = 4;
    /// The store is damaged or was made by a later version.
    pub const DAMAGED: u8 = 5;
    /// A message did not reach its channel.
    pub const UNDELIVERED: u8 = 6;
    /// Ctrl-C.
    pub const INTERRUPTED: u8 = 130;
    /// SIGTERM in the middle of a piece of work.
    pub const TERMINATED: u8 = 143;
    /// The terminal went away.
    pub const HUNG_UP: u8 = 129;
}

/// A failure with what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which sort.
    pub kind: Kind,
    /// One sentence without a full stop; names in it are escaped already.
    pub message: String,
    /// What may help.
    pub hint: Option<String>,
    /// Bytes of the input text that it is about.
    pub span: Option<(usize, usize)>,
    /// Message, place and hint drawn for people, in place of the two sentences.
    pub drawn: Option<String>,
}

/// What a fallible step of a command gives.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    /// A failure without a hint.
    pub fn new(kind: Kind, message: impl fmt::Display) -> Self {
        Self { kind, message: escaped(&plain_text(&message.to_string())), hint: None, span: None, drawn: None }
    }

    /// Something on the command line or in a setting makes no sense.
    pub fn usage(message: impl fmt::Display) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// The system refused an operation on `path`; with advice where there is some.
    pub fn io(what: &str, path: impl fmt::Display, cause: &std::io::Error) -> Self {
        let failure = Self::new(Kind::Io, format!("cannot {what} {path}: {cause}"));
        match advice(cause) {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }

    /// Adds advice.
    #[must_use]
    pub fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.hint = Some(escaped(&hint.to_string()));
        self
    }

    /// Adds advice where there is none yet.
    #[must_use]
    pub fn hint_if_none(self, hint: impl fmt::Display) -> Self {
        if self.hint.is_some() { self } else { self.hint(hint) }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        let kind = match &error {
            OpenError::Missing { .. } => Kind::NotFound,
            OpenError::NotADirectory { .. } | OpenError::NotAStore { .. } => Kind::NotAStore,
            OpenError::TooNew { .. } => Kind::TooNew,
            OpenError::Damaged { .. } => Kind::Damaged,
            _ => Kind::Io,
        };
        let failure = Self::new(kind, &error);
        match error {
            OpenError::Missing { .. } => failure.hint("`ax monitor demo` shows one; `ax monitor import` makes one"),
            OpenError::NotADirectory { .. } | OpenError::NotAStore { .. } => {
                failure.hint("give the directory of a store, or an empty or new one, with --store")
            }
            OpenError::TooNew { .. } => failure.hint(NEWER),
            OpenError::Damaged { .. } => failure.hint("`ax monitor store verify` says what is left"),
            OpenError::Io { cause, .. } => match advice(&cause) {
                Some(hint) => failure.hint(hint),
                None => failure,
            },
            _ => failure,
        }
    }
}

impl From<QueryError> for Failure {
    fn from(error: QueryError) -> Self {
        Self::from_ref(&error)
    }
}

impl Failure {
    /// As [`From`], of an error that somebody else keeps.
    pub fn from_ref(error: &QueryError) -> Self {
        let (kind, hint) = match error {
            QueryError::Damaged { .. } => (Kind::Damaged, Some("`ax monitor store verify` says what is left")),
            QueryError::TooManySteps { .. } => (Kind::Unanswerable, Some("choose a wider --step or a shorter --range")),
            QueryError::TooManyCells { .. } | QueryError::AnswerTooLarge { .. } | QueryError::TooManyValues => {
                (Kind::Unanswerable, Some("choose a wider --step, fewer --by labels or a filter"))
            }
            QueryError::NeedsRaw { .. } => (Kind::Unanswerable, Some("start the range there or later")),
            QueryError::StepTooFine { .. } => {
                (Kind::Unanswerable, Some("choose a wider --step, or start the range there or later"))
            }
            QueryError::TooNew(_) => (Kind::TooNew, Some(NEWER)),
            QueryError::Io { cause, .. } => (Kind::Io, advice(cause)),
            _ => (Kind::Io, None),
        };
        let failure = Self::new(kind, error);
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

impl From<DbError> for Failure {
    fn from(error: DbError) -> Self {
        let (kind, hint) = match &error {
            DbError::Busy { .. } => (Kind::Busy, Some("try again in a moment")),
            DbError::Missing { .. } => (Kind::NotFound, None),
            DbError::Damaged { .. } => (Kind::Damaged, Some("`ax monitor store verify` says what is left")),
            DbError::TooNew { .. } | DbError::NewerFile(_) => (Kind::TooNew, Some(NEWER)),
            DbError::Io { cause, .. } => (Kind::Io, advice(cause)),
            _ => (Kind::Io, None),
        };
        let failure = Self::new(kind, &error);
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

impl From<TickError> for Failure {
    fn from(error: TickError) -> Self {
        match error {
            TickError::Database(error) => error.into(),
            TickError::Io { path, cause } => Self::io("use", path, &cause),
            TickError::Journal(error) => QueryError::from(error).into(),
            TickError::Busy { .. } => Self::new(Kind::Busy, &error).hint("try again when it is done"),
            other => Self::new(Kind::Io, other),
        }
    }
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        match error {
            BackupError::Pass(error) => error.into(),
            BackupError::Database(error) => error.into(),
            BackupError::Read(error) => error.into(),
            BackupError::Exists { .. } => Self::new(Kind::Io, &error).hint("give a path where nothing is yet"),
            BackupError::Io { path, cause } => Self::io("use", path, &cause),
            other => Self::new(Kind::Io, other),
        }
    }
}

impl From<CompactError> for Failure {
    fn from(error: CompactError) -> Self {
        match error {
            CompactError::Pass(error) => error.into(),
            CompactError::Database(error) => error.into(),
            CompactError::Figures(error) => error.into(),
            CompactError::Io { path, cause } => Self::io("use", path, &cause),
            CompactError::Wrong { .. } => Self::new(Kind::Bug, &error).hint("please report it; nothing was lost"),
            other => Self::new(Kind::Io, other),
        }
    }
}

/// What to do about what a later version wrote.
const NEWER: &str = "install the version that made it, or a later one";

/// Too many open files, of the process and of the system: the numbers are the same on every Linux.
pub(crate) const EMFILE: i32 = 24;
const ENFILE: i32 = 23;

/// What to do about a system's refusal, for the frequent ones.
pub fn advice(cause: &std::io::Error) -> Option<&'static str> {
    use std::io::ErrorKind as E;
    match cause.kind() {
        E::PermissionDenied => Some("it belongs to another user, or its directory may not be written"),
        E::ReadOnlyFilesystem => Some("the file system is read-only; choose another place with --store"),
        E::StorageFull | E::QuotaExceeded => Some("free some space; nothing that was recorded before is lost"),
        E::FileTooLarge => Some("this process may not make files that large; see `ulimit -f`"),
        // What the engine says of things that are not its own.
        E::Unsupported => Some("move it away, or choose another place with --store"),
        _ if matches!(cause.raw_os_error(), Some(EMFILE | ENFILE)) => Some("see `ulimit -n`"),
        _ => None,
    }
}

/// A system error without Rust's `(os error 28)`.
pub fn plain(cause: &std::io::Error) -> String {
    plain_text(&cause.to_string())
}

/// A sentence without what Rust puts behind the system's words.
fn plain_text(text: &str) -> String {
    let parts = text.split_once(" (os error ").and_then(|(before, rest)| Some((before, rest.split_once(')')?.1)));
    parts.map_or_else(|| text.to_owned(), |(before, behind)| format!("{before}{behind}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_message_moves_the_cursor() {
        let failure = Failure::usage("unknown metric '\x1b[2Jlatency\u{202e}\u{9b}'").hint("try\r\nthis");
        assert_eq!(failure.message, "unknown metric '\\u{1b}[2Jlatency\\u{202e}\\u{9b}'");
        assert_eq!(failure.hint.as_deref(), Some("try\\r\\nthis"));
    }

    #[test]
    fn damage_and_later_formats_exit_with_5() {
        let path = || "/s".to_owned();
        for (error, code) in [
            (OpenError::TooNew { path: path(), version: 9 }, 5),
            (OpenError::Damaged { path: path(), what: String::new() }, 5),
            (OpenError::NotAStore { path: path() }, 1),
            (OpenError::Missing { path: path() }, 1),
        ] {
            assert_eq!(Failure::from(error).kind.exit_code(), code);
        }
    }

    #[test]
    fn system_errors_read_like_sentences() {
        let error = std::io::Error::from_raw_os_error(28);
        assert_eq!(Failure::io("write", "/s/x", &error).message, "cannot write /s/x: No space left on device");
    }
}
