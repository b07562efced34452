//! One message to one channel, within a limit of time: delivered, or why not.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use ax_storage::time::Timestamp;

use super::body::body;
use super::channel::{Channel, ChannelKind, Format};
use super::message::Message;
use super::{command, webhook};

/// A delivery may take so long, all in all.
pub const LIMIT: Duration = Duration::from_secs(10);

/// Why a message was not delivered. No text in it comes from a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The receiver answered with another code than 2xx.
    #[error("the receiver answered {code}{said}")]
    Status {
        /// HTTP status.
        code: u16,
        /// The begin of the answer, after a colon and a space, or nothing.
        said: String,
    },
    /// It took too long.
    #[error("no answer within {}", seconds(*.0))]
    Timeout(Duration),
    /// It never came to an answer.
    #[error("cannot reach {host}: {why}")]
    Unreachable {
        /// Scheme, host and port.
        host: String,
        /// In words.
        why: String,
    },
    /// The receiver points to somebody else, who must not learn of it.
    #[error("the receiver redirects to another host, which is refused")]
    Redirect,
    /// The mail server, or a mail that cannot be.
    #[error("{0}")]
    Mail(String),
    /// The program failed.
    #[error("{program} {how}")]
    Command {
        /// Its name.
        program: String,
        /// What it did.
        how: String,
    },
    /// This build or this process cannot do it.
    #[error("{0}")]
    Unable(&'static str),
    /// The process ends; another one will deliver it.
    #[error("stopped before it was delivered")]
    Stopped,
}

fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}

/// Delivers `message` to `channel`. Returns early with [`SendError::Stopped`] when `stop` is set and
/// that does no harm.
///
/// # Errors
/// See [`SendError`].
pub fn send(
    channel: &Channel,
    message: &Message,
    now: Timestamp,
    limit: Duration,
    stop: &AtomicBool,
) -> Result<(), SendError> {
    match &channel.kind {
        ChannelKind::Terminal => Err(SendError::Unable("only `ax monitor serve` prints to a terminal")),
        ChannelKind::Webhook(hook) => webhook::post(hook, &body(message, hook.format), now, limit),
        ChannelKind::Command { argv } => command::run(argv, &body(message, Format::Alertmanager), limit, stop),
        #[cfg(feature = "email")]
        ChannelKind::Email(email) => super::email::send(email, message, now, limit),
        #[cfg(not(feature = "email"))]
        ChannelKind::Email(_) => Err(SendError::Unable("this build has no `email` feature")),
    }
}
