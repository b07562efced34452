//! Upkeep: one pass rolls up, closes, seals; [`Monitor`] runs it each minute inside an application.

mod monitor;

pub use monitor::{Monitor, Options, Status};
