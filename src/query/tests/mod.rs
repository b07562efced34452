//! Tests of the language as a whole.

mod forms;
mod messages;
mod properties;
mod resolve;
mod speed;
