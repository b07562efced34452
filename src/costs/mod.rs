//! What calls cost: what it is spent on, what it will come to, and how that compares with budgets.
//!
//! Sums are integers of nano-dollars from the store to the screen. Only what is projected is a
//! float, and it is rounded to nano-dollars once, when it is added to what was really spent.

pub mod advice;
pub mod breakdown;
pub mod budget;
mod kept;
pub mod outlook;
mod outside;
mod running;
pub mod standing;
pub mod table;
mod upkeep;

pub use breakdown::{By, Row, Span, rows, total};
pub use budget::{Budget, BudgetError, Every, Origin, Ready};
pub use kept::{Kept, Told};
pub use outlook::{Outlook, outlook};
pub use outside::Outside;
pub use standing::{Histories, Standing, stand};
pub use table::Crossing;
pub use upkeep::{CostsError, Standings, WithTold, budgets, projections, read, standings};
