//! The live log: every recording process appends to files of its own, anybody reads them.

mod crc;
mod drops;
pub mod format;
mod reader;

pub use drops::{DropReason, Drops};
pub use reader::{Damage, Gap, JournalError, JournalId, Progress, Reader, list};
