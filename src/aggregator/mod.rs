//! Upkeep: one pass rolls up, closes, seals and judges; [`Monitor`] runs it each minute inside an
//! application.

mod monitor;
mod pass;

pub use monitor::{Monitor, Options, Status};
pub use pass::{Config, Pass, When, pass};
