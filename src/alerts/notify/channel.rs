//! Channels: where messages go, and with which secrets.

use std::fmt;

use super::secret::Secret;

/// Longest name of a channel, in bytes.
pub const NAME_MAX: usize = 64;

/// One place that messages go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// As rules name it.
    pub name: String,
    /// What it is.
    pub kind: ChannelKind,
}

/// What a channel is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelKind {
    /// Printed by `serve`.
    Terminal,
    /// An HTTP POST.
    Webhook(Webhook),
    /// A mail.
    Email(Email),
    /// A program that reads JSON on its stdin.
    Command {
        /// The program and its arguments; no shell is involved.
        argv: Vec<String>,
    },
}

/// An HTTP receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Where to; chat services put a key into it.
    pub url: Secret,
    /// What the body looks like.
    pub format: Format,
    /// Key of the signature in the headers.
    pub secret: Option<Secret>,
}

/// What the body of a webhook looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// That of Prometheus's Alertmanager, version 4, with more in it.
    #[default]
    Alertmanager,
    /// An incoming webhook of Slack, or of what is compatible.
    Slack,
    /// A webhook of Discord.
    Discord,
}

/// A mail account and who gets the mails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email {
    /// The SMTP server.
    pub host: String,
    /// Its port; `None` = what `tls` uses.
    pub port: Option<u16>,
    /// How the connection is kept from others.
    pub tls: Tls,
    /// Name and password at the server.
    pub login: Option<(String, Secret)>,
    /// The sender: `Alerts <alerts@example.com>`.
    pub from: String,
    /// The receivers.
    pub to: Vec<String>,
}

/// How an SMTP connection is kept from others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tls {
    /// It begins in the open and must change to TLS: port 587.
    #[default]
    Starttls,
    /// TLS from the start: port 465.
    Tls,
    /// Not at all: for a server on this machine, port 25.
    None,
}

impl Channel {
    /// The sort of channel, in a word.
    pub const fn kind_name(&self) -> &'static str {
        match &self.kind {
            ChannelKind::Terminal => "terminal",
            ChannelKind::Webhook(webhook) => match webhook.format {
                Format::Alertmanager => "webhook",
                Format::Slack => "slack",
                Format::Discord => "discord",
            },
            ChannelKind::Email(_) => "email",
            ChannelKind::Command { .. } => "command",
        }
    }

    /// Where it goes, without what is secret: host, receivers, program.
    pub fn target(&self) -> String {
        match &self.kind {
            ChannelKind::Terminal => "printed by serve".to_owned(),
            ChannelKind::Webhook(webhook) => origin(webhook.url.reveal()).unwrap_or("***").to_owned(),
            ChannelKind::Email(email) => email.to.join(", "),
            ChannelKind::Command { argv } => argv.first().cloned().unwrap_or_default(),
        }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Scheme, host and port of a URL: without name, password, path and query, which may be secrets.
pub fn origin(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // Whoever puts a password before the host wants it hidden, and us to send it some other way.
    let plain = ["http", "https"].contains(&scheme) && !host.is_empty() && !host.contains('@');
    plain.then(|| &url[..scheme.len() + 3 + host.len()])
}

/// Whether `name` can be the name of a channel: letters, digits and `-`, `_`, `.`.
pub fn is_name(name: &str) -> bool {
    let letter = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    !name.is_empty() && name.len() <= NAME_MAX && name.chars().all(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_scheme_host_and_port_of_a_url_are_shown() {
        for (url, shown) in [
            ("https://hooks.slack.com/services/T0/B0/key", Some("https://hooks.slack.com")),
            ("http://127.0.0.1:9093?token=key", Some("http://127.0.0.1:9093")),
            ("https://name:key@host/", None),
            ("https://", None),
            ("ftp://host/key", None),
            ("key", None),
        ] {
            assert_eq!(origin(url), shown, "{url}");
        }
    }

    #[test]
    fn no_way_of_printing_a_channel_shows_its_secrets() {
        let key = || Secret::new("hunter2");
        let webhook = Webhook { url: Secret::new("https://h/hunter2"), format: Format::Slack, secret: Some(key()) };
        let email = Email {
            host: "h".into(),
            port: None,
            tls: Tls::Tls,
            login: Some(("me".into(), key())),
            from: "a@b".into(),
            to: vec!["c@d".into()],
        };
        for kind in [ChannelKind::Webhook(webhook), ChannelKind::Email(email)] {
            let channel = Channel { name: "ops".into(), kind };
            let all = format!("{channel:?} {channel:#?} {channel} {} {}", channel.target(), channel.kind_name());
            assert!(!all.contains("hunter2"), "{all}");
        }
    }
}
