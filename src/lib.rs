//! Latency, errors and cost of every LLM provider a program calls, on its own machine.

#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
pub mod error;
pub mod import;
pub mod metric;
