//! The real program in a world of its own: nothing in the environment, a home in a temporary
//! folder, a clock that stands still; what it prints as snapshots.

#![expect(clippy::unwrap_used, reason = "a test may")]

mod advice;
mod alerts;
mod budgets;
mod cardinality;
mod channels;
mod clocks;
mod compact;
mod config;
mod costs;
mod demo;
mod escapes;
mod forecast;
mod full_disk;
mod golden;
mod help;
mod hostile;
mod imports;
mod output;
mod planted;
mod prices;
mod pty;
mod queries;
mod receiver;
mod record;
mod screens;
mod serve;
mod signals;
mod stores;
mod traffic;
mod world;
