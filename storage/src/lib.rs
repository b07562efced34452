//! The engine of `ax monitor`: a directory that takes events in and answers plans.

#![warn(clippy::unwrap_used)]

pub mod backup;
pub mod bucket;
pub mod clock;
pub mod compaction;
mod divisor;
pub mod event;
pub mod fs;
pub mod histogram;
pub mod identity;
pub mod import;
pub mod journal;
pub mod memory;
mod numbers;
pub mod paths;
pub mod query;
pub mod raw;
pub mod retention;
pub mod rollup;
pub mod row;
pub mod store;
pub mod table;
mod threads;
pub mod tier;
pub mod time;
pub mod verify;

// Tests in `tests/common` are shared with the read path's own; there the crate has this name.
#[cfg(test)]
extern crate self as ax_storage;

pub use identity::OpenError;
pub use rollup::{TickError, TickReport};
pub use store::Store;
