//! The real program in a world of its own: nothing in the environment, a home in a temporary
//! folder, a clock that stands still; what it prints as snapshots.

#![expect(clippy::unwrap_used, reason = "a test may")]

mod config;
mod help;
mod output;
mod serve;
mod stores;
mod world;
