//! The settings a service works by, and whether their file has changed since.

use std::os::unix::fs::MetadataExt;

use crate::aggregator;
use crate::alerts::notify::Channel;
use crate::cli::channels;
use crate::cli::context::Context;
use crate::error::{Result, escaped};

/// What the service needs of the settings.
pub(super) struct Settings {
    /// For the pass.
    pub upkeep: aggregator::Config,
    /// For deliveries.
    pub channels: Vec<Channel>,
}

impl Settings {
    /// Reads them. What is wrong with single rules and channels is told, the others work.
    ///
    /// # Errors
    /// When the file cannot be understood as a whole.
    pub(super) fn load(context: &Context) -> Result<Self> {
        let upkeep = context.upkeep()?;
        let file = context.config_path().map(|(path, _)| path).unwrap_or_default();
        let (channels, bad) = channels::of_file(context.config()?, &file);
        for failure in bad {
            let hint = failure.hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
            context.warn("channel", format!("{}{hint}", failure.message));
        }
        for rule in upkeep.rules.iter().flatten() {
            for name in &rule.channels {
                if name != "terminal" && !channels.iter().any(|channel| channel.name == *name) {
                    context.warn(
                        "channel",
                        format!("rule {} names channel {}, which is not there", rule.name, escaped(name)),
                    );
                }
            }
        }
        context.show_warnings();
        Ok(Self { upkeep, channels })
    }

    /// Reads them again, with the same flags.
    ///
    /// # Errors
    /// As [`Settings::load`].
    pub(super) fn reload(context: &Context) -> Result<Self> {
        Self::load(&Context::new(context.flags().clone())?)
    }
}

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stamp(Option<(u64, u64, i64, i64)>);

impl Stamp {
    /// Of the settings file now.
    pub(super) fn now(context: &Context) -> Self {
        let path = context.config_path().map(|(path, _)| path).unwrap_or_default();
        let state = std::fs::metadata(path).ok();
        Self(state.map(|m| (m.ino(), m.len(), m.mtime(), m.mtime_nsec())))
    }
}
