//! Random events and plans, and what counting the events one by one says about them: for the read path
//! over a store in memory and for real stores.

pub(crate) mod model;
pub(crate) mod random;
