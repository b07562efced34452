//! Messages about alerts on their way to channels.
//!
//! ```text
//! transition ──► enqueue ──► outbox ──► due (pure) ──► claim ──► send ──► settle: gone, or a later try
//!  (one transaction)                                  (lease)
//! ```
//! What waits is in the store, so it survives the process; what sends it needs the feature `notify`.

mod body;
mod channel;
#[cfg(feature = "notify")]
mod command;
#[cfg(feature = "notify")]
mod courier;
#[cfg(feature = "email")]
mod email;
mod group;
mod message;
mod outbox;
mod secret;
#[cfg(feature = "notify")]
mod send;
mod text;
#[cfg(feature = "notify")]
mod webhook;

pub use body::body;
pub use channel::{Channel, ChannelKind, Email, Format, NAME_MAX, Tls, Webhook, is_name, origin};
#[cfg(feature = "notify")]
pub use courier::{Courier, Desk, Options, Report};
#[cfg(feature = "email")]
pub use email::check_address;
pub use group::{Pace, Plan, due};
pub use message::{Item, Message};
pub use outbox::{Batch, Claim, Queued, Record, Settled, Standing, claim, enqueue, release, settle, standings};
pub use secret::Secret;
#[cfg(feature = "notify")]
pub use send::{LIMIT, SendError, send};
pub use text::{figure, lines, subject};

#[cfg(test)]
#[cfg(feature = "email")]
mod tests;
