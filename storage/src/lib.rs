//! The engine of `ax monitor`: a directory that takes events in and answers plans.

pub mod bucket;
pub mod event;
pub mod fs;
pub mod paths;
pub mod query;
pub mod raw;
pub mod row;
pub mod time;
