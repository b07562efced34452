//! `[privacy]` of the settings: what is kept of users' names.

use ax_storage::Store;
use ring::hmac;
use serde::Deserialize;

use crate::cli::context::Context;
use crate::collector::Event;
use crate::error::Result;

/// Bytes of the hash that a name becomes: a billion users hardly ever share one.
const HASH_BYTES: usize = 12;

/// `[privacy]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Privacy {
    /// What becomes of users' names.
    pub users: Policy,
}

/// What becomes of users' names that events bring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Policy {
    /// They are stored.
    #[default]
    Keep,
    /// A hash is stored: users can be told apart, but their names are not there to be read.
    Hash,
    /// Nothing is stored.
    Drop,
}

impl Policy {
    /// As users write it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Hash => "hash",
            Self::Drop => "drop",
        }
    }
}

/// Names for users as the settings want them.
pub(crate) struct Users {
    /// `None` = no names at all.
    key: Option<hmac::Key>,
}

impl Users {
    /// What the settings want; `None` = names stay as they are. Hashes of one name differ between stores.
    ///
    /// # Errors
    /// When the settings cannot be read.
    pub(crate) fn of(store: Option<&Store>, context: &Context) -> Result<Option<Self>> {
        let key = || hmac::Key::new(hmac::HMAC_SHA256, &store.map_or(0, Store::uuid).to_le_bytes());
        Ok(match context.config()?.privacy.users {
            Policy::Keep => None,
            Policy::Hash => Some(Self { key: Some(key()) }),
            Policy::Drop => Some(Self { key: None }),
        })
    }

    /// The name to store for a user; that of nobody stays.
    pub(crate) fn name(&self, user: &str) -> String {
        let Some(key) = self.key.as_ref().filter(|_| !user.is_empty()) else { return String::new() };
        let tag = hmac::sign(key, user.as_bytes());
        tag.as_ref().iter().take(HASH_BYTES).fold("u-".to_owned(), |text, byte| text + &format!("{byte:02x}"))
    }

    /// Hands on an event with the name to store for its user.
    pub(crate) fn renamed(&self, event: Event<'_>, then: impl FnOnce(&Event<'_>)) {
        let name = match &event {
            Event::Request(r) => self.name(r.user),
            Event::Cache(c) => self.name(c.user),
            Event::RateLimit(l) => self.name(l.user),
        };
        let mut event: Event<'_> = event;
        match &mut event {
            Event::Request(r) => r.user = &name,
            Event::Cache(c) => c.user = &name,
            Event::RateLimit(l) => l.user = &name,
        }
        then(&event);
    }
}
