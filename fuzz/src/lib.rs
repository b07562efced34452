//! What the fuzz targets do with their bytes, as plain functions that the seeds' tests call too.

pub mod answers;
pub mod files;
pub mod foreign;
pub mod grammar;
pub mod queries;
