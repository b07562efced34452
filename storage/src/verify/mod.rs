//! Proves a store: every checksum, the manifest against the files, tiers against each other and
//! against the events they were made from.
//!
//! Tables are walked row by row and events day by day, so memory is that of a day however large
//! the store is. Nothing is written, and recorders, readers and upkeep go on meanwhile.

pub mod database;
mod days;
mod files;
mod rows;
mod tiers;

use crate::query::QueryError;
use crate::store::Store;

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: String,
    /// Byte offset or row in it; empty for the whole file.
    pub offset: String,
    /// What was expected and what was found.
    pub what: String,
    /// What to do about it.
    pub repair: Repair,
}

/// What helps against a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repair {
    /// The database: it can be made anew from the events.
    Rebuild,
    /// A file with events of its own: a backup.
    Restore,
}

impl Repair {
    /// As a hint.
    pub const fn hint(self) -> &'static str {
        match self {
            Self::Rebuild => "`ax monitor compact --rebuild` makes the database anew from the single events",
            Self::Restore => {
                "put the file back from a backup; without one, what is damaged in it is lost and the rest is used"
            }
        }
    }
}

/// How much is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Every checksum, files against the manifest, tiers against each other.
    Checksums,
    /// That, and every bucket against the events.
    Events,
}

/// Problems that are listed one by one. The rest is counted.
const PROBLEMS_MAX: usize = 1_000;

/// What a verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verification {
    /// Nothing = everything fits. The first thousand.
    pub problems: Vec<Problem>,
    /// Problems beyond those.
    pub more_problems: u64,
    /// What is no damage and worth knowing: what was left by processes that were killed.
    pub notes: Vec<String>,
    /// Rows compared with what they were made from.
    pub compared_buckets: u64,
    /// Events read.
    pub events: u64,
}

impl Verification {
    /// Adds a problem.
    pub fn add(&mut self, file: impl Into<String>, offset: impl Into<String>, what: impl Into<String>, repair: Repair) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(Problem { file: file.into(), offset: offset.into(), what: what.into(), repair });
        } else {
            self.more_problems += 1;
        }
    }

    fn add_error(&mut self, error: QueryError, repair: Repair) {
        match error {
            QueryError::Damaged { file, offset, what } => self.add(file, offset, what, repair),
            QueryError::Io { file, cause } => self.add(file, "", cause.to_string(), repair),
            other => self.add("", "", other.to_string(), repair),
        }
    }
}

impl Store {
    /// Checks everything, single events too, and writes nothing. `progress` hears what is being
    /// looked at.
    ///
    /// # Errors
    /// When the store cannot be read at all; damage is part of the answer.
    pub fn verify(&self, progress: &mut dyn FnMut(&str)) -> Result<Verification, QueryError> {
        self.verify_to(Depth::Events, progress)
    }

    /// Checks as deep as said and writes nothing. `progress` hears what is being looked at.
    ///
    /// # Errors
    /// When the store cannot be read at all; damage is part of the answer.
    pub fn verify_to(&self, depth: Depth, progress: &mut dyn FnMut(&str)) -> Result<Verification, QueryError> {
        self.ask(|view| {
            let mut found = Verification::default();
            progress("journals");
            let mut days = files::check_journals(self, &view, &mut found)?;
            progress("segments");
            files::check_segments(self, &view, &mut days, &mut found)?;
            if let Some(snapshot) = view.snapshot() {
                progress("tiers");
                let checked = self.db().guard(|| {
                    rows::check_tables(self, snapshot, &mut days, &mut found)?;
                    rows::check_layers(self, snapshot, &mut found)?;
                    tiers::compare_tiers(self, &view, snapshot, &mut found)
                });
                // A page that leads to others leaves nothing to go on with; one of rows was only noted.
                if let Err(error) = checked {
                    found.add_error(error.into(), Repair::Rebuild);
                }
                for bad in snapshot.bad_pages() {
                    let (file, at) = (self.db().path().display().to_string(), format!("byte {}", bad.offset));
                    found.add(file, at, bad.to_string(), Repair::Rebuild);
                }
                // Where a checksum is wrong the comparison would only say so again, bucket by bucket.
                if depth == Depth::Events && found.problems.is_empty() {
                    days::compare_events(self, &view, snapshot, &days, progress, &mut found)?;
                }
            }
            Ok(found)
        })
    }
}
