//! From events to buckets: pure folds, and the upkeep pass that runs them.

mod ahead;
mod apply;
mod close;
mod detail;
mod expected;
mod fold;
mod orphans;
mod pass;
mod seal;
mod unfinished;

pub(crate) use apply::Tiers;
pub(crate) use expected::{Expected, Place};
pub(crate) use pass::Sealing;
pub use pass::{TickError, TickReport};
pub(crate) use seal::{listed, seal_days};
