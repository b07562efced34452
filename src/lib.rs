//! Latency, errors and cost of every LLM provider a program calls, on its own machine.

#![warn(clippy::unwrap_used)]

pub mod aggregator;
pub mod alerts;
pub mod analysis;
pub mod answer;
pub mod calendar;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
pub mod collector;
pub mod costs;
pub mod dashboard;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod demo;
pub mod error;
pub mod export;
pub mod import;
pub mod metric;
pub mod pricing;
pub mod projection;
pub mod query;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod render;
pub mod store;
pub mod words;

pub use aggregator::Monitor;
pub use ax_storage::clock::now;
pub use collector::{Cache, Collector, Event, Measurement, NanoUsd, Outcome, RateLimit, Request, Timestamp, Tokens};
pub use store::Store;
