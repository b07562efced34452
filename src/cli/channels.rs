//! Channels as the settings file writes them, with their secrets fetched from where it says.

use std::io::Read;
use std::path::Path;

use serde::Deserialize;

use crate::alerts::notify::{Channel, ChannelKind, Email, Format, Secret, Tls, Webhook, is_name, origin};
use crate::cli::config::Config;
use crate::cli::context::variable;
use crate::cli::rules::ALL_CHANNELS;
use crate::error::{Failure, Result, plain};
use crate::words::nearest;

/// Longest file with a secret, in bytes: longer ones are something else.
const SECRET_BYTES_MAX: u64 = 8192;
/// The sorts of channels.
const TYPES: &[&str] = &["webhook", "slack", "discord", "email", "command", "terminal"];

/// One `[[channel]]` of the settings file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ChannelTable {
    /// Its line in the file.
    #[serde(skip)]
    pub line: usize,
    name: String,
    #[serde(rename = "type")]
    kind: String,
    url: Option<Secret>,
    url_env: Option<String>,
    url_file: Option<String>,
    format: Option<String>,
    secret_env: Option<String>,
    secret_file: Option<String>,
    host: Option<String>,
    port: Option<u16>,
    tls: Option<String>,
    user: Option<String>,
    password_env: Option<String>,
    password_file: Option<String>,
    from: Option<String>,
    to: Option<Receivers>,
    command: Option<Vec<String>>,
}

/// One address or several.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum Receivers {
    One(String),
    Many(Vec<String>),
}

/// What `config init` writes about channels.
pub(crate) const TEMPLATE: &str = "
# Where alerts go. Keys and passwords come from a variable (_env) or a file (_file), never from here.
# Try one: ax monitor alerts channels test ops

# [[channel]]
# name = \"ops\"
# type = \"webhook\"                 # as Alertmanager sends it; slack and discord are types too
# url_env = \"OPS_WEBHOOK_URL\"
# secret_env = \"OPS_WEBHOOK_KEY\"   # signs the body

# [[channel]]
# name = \"mail\"
# type = \"email\"
# host = \"smtp.example.com\"
# user = \"alerts\"
# password_file = \"/run/secrets/smtp\"
# from = \"Alerts <alerts@example.com>\"
# to = [\"ops@example.com\"]

# [[channel]]
# name = \"pager\"
# type = \"command\"                 # gets the JSON on stdin; no shell
# command = [\"/usr/local/bin/page\", \"--urgent\"]
";

/// The channels of the settings file called `file` that make sense, and what is wrong with the others.
pub(crate) fn of_file(config: &Config, file: &Path) -> (Vec<Channel>, Vec<Failure>) {
    let (mut channels, mut bad): (Vec<Channel>, Vec<Failure>) = Default::default();
    for table in &config.channels {
        let table = table.get_ref();
        let channel = table.channel(file.parent().unwrap_or(Path::new(".")));
        let channel = channel.and_then(|c| match channels.iter().any(|other| other.name == c.name) {
            true => Err(Failure::usage("another one has the same name")),
            false => Ok(c),
        });
        match channel {
            Ok(channel) => channels.push(channel),
            Err(failure) => bad.push(Failure {
                message: format!(
                    "{}, line {}: channel {}: {}",
                    crate::error::escaped(&file.display().to_string()),
                    table.line,
                    crate::error::escaped(&table.name),
                    failure.message
                ),
                ..failure
            }),
        }
    }
    (channels, bad)
}

impl ChannelTable {
    /// The channel. Files with secrets are looked for beside the settings file, in `folder`.
    fn channel(&self, folder: &Path) -> Result<Channel> {
        if !is_name(&self.name) {
            return Err(Failure::usage("its name must be letters, digits, '-', '_' and '.'").hint("name = \"ops\""));
        }
        if self.name == ALL_CHANNELS {
            return Err(Failure::usage(format!("'{ALL_CHANNELS}' means every channel")).hint("choose another name"));
        }
        let kind = match self.kind.as_str() {
            "webhook" | "slack" | "discord" => ChannelKind::Webhook(self.webhook(folder)?),
            "email" => ChannelKind::Email(self.email(folder)?),
            "command" => ChannelKind::Command { argv: self.argv()? },
            "terminal" => ChannelKind::Terminal,
            other => return Err(unknown("type", other, TYPES)),
        };
        self.nothing_else()?;
        Ok(Channel { name: self.name.clone(), kind })
    }

    fn webhook(&self, folder: &Path) -> Result<Webhook> {
        let url = match &self.url {
            Some(_) if self.url_env.is_some() || self.url_file.is_some() => {
                return Err(Failure::usage("url, url_env and url_file exclude each other"));
            }
            Some(url) => Some(url.clone()),
            None => secret("url", self.url_env.as_deref(), self.url_file.as_deref(), folder)?,
        };
        let url = url.ok_or_else(|| needs("url, url_env or url_file"))?;
        if origin(url.reveal()).is_none() || url.reveal().parse::<ureq::http::Uri>().is_err() {
            return Err(Failure::usage("its URL is none of http or https, or has a name or password before the host"));
        }
        let format = match (self.kind.as_str(), self.format.as_deref()) {
            ("slack", None) | ("webhook", Some("slack")) => Format::Slack,
            ("discord", None) | ("webhook", Some("discord")) => Format::Discord,
            ("webhook", None | Some("alertmanager")) => Format::Alertmanager,
            ("webhook", Some(other)) => return Err(unknown("format", other, &["alertmanager", "slack", "discord"])),
            _ => return Err(Failure::usage("its type says the format already")),
        };
        let secret = secret("secret", self.secret_env.as_deref(), self.secret_file.as_deref(), folder)?;
        Ok(Webhook { url, format, secret })
    }

    fn email(&self, folder: &Path) -> Result<Email> {
        let tls = match self.tls.as_deref() {
            None | Some("starttls") => Tls::Starttls,
            Some("tls") => Tls::Tls,
            Some("none") => Tls::None,
            Some(other) => return Err(unknown("tls", other, &["starttls", "tls", "none"])),
        };
        let password = secret("password", self.password_env.as_deref(), self.password_file.as_deref(), folder)?;
        let login = match (&self.user, password) {
            (Some(user), Some(password)) => Some((user.clone(), password)),
            (None, None) => None,
            (Some(_), None) => return Err(needs("password_env or password_file for its user")),
            (None, Some(_)) => return Err(needs("user for its password")),
        };
        let host = self.host.clone().ok_or_else(|| needs("host"))?;
        if login.is_some() && tls == Tls::None && !matches!(host.as_str(), "localhost" | "127.0.0.1" | "::1") {
            return Err(Failure::usage("a password is never sent without TLS").hint("leave tls = \"none\" out"));
        }
        let from = self.from.clone().ok_or_else(|| needs("from"))?;
        let to = match &self.to {
            Some(Receivers::One(to)) => vec![to.clone()],
            Some(Receivers::Many(to)) if !to.is_empty() => to.clone(),
            _ => return Err(needs("to")),
        };
        #[cfg(feature = "email")]
        for address in to.iter().chain([&from]) {
            crate::alerts::notify::check_address(address).map_err(Failure::usage)?;
        }
        if !cfg!(feature = "email") {
            return Err(Failure::usage("this build cannot send mail").hint("build with the feature email"));
        }
        Ok(Email { host, port: self.port, tls, login, from, to })
    }

    fn argv(&self) -> Result<Vec<String>> {
        match &self.command {
            Some(argv) if argv.first().is_some_and(|program| !program.is_empty()) => Ok(argv.clone()),
            _ => Err(needs("command").hint("command = [\"/usr/local/bin/page\", \"--urgent\"]")),
        }
    }

    /// Refuses keys that the type has no use for: they are meant for something.
    fn nothing_else(&self) -> Result<()> {
        let web = ["webhook", "slack", "discord"].contains(&self.kind.as_str());
        let mail = self.kind == "email";
        let given = [
            ("url", self.url.is_some(), web),
            ("url_env", self.url_env.is_some(), web),
            ("url_file", self.url_file.is_some(), web),
            ("format", self.format.is_some(), web),
            ("secret_env", self.secret_env.is_some(), web),
            ("secret_file", self.secret_file.is_some(), web),
            ("host", self.host.is_some(), mail),
            ("port", self.port.is_some(), mail),
            ("tls", self.tls.is_some(), mail),
            ("user", self.user.is_some(), mail),
            ("password_env", self.password_env.is_some(), mail),
            ("password_file", self.password_file.is_some(), mail),
            ("from", self.from.is_some(), mail),
            ("to", self.to.is_some(), mail),
            ("command", self.command.is_some(), self.kind == "command"),
        ];
        match given.iter().find(|(_, given, used)| *given && !used) {
            Some((key, ..)) => Err(Failure::usage(format!("{key} means nothing for type {}", self.kind))),
            None => Ok(()),
        }
    }
}

fn needs(what: &str) -> Failure {
    Failure::usage(format!("it needs {what}"))
}

fn unknown(key: &str, word: &str, known: &[&str]) -> Failure {
    let failure = match word {
        "" => Failure::usage(format!("it needs a {key}")),
        _ => Failure::usage(format!("unknown {key} '{word}'")),
    };
    match nearest(word, known.iter().copied()) {
        Some(near) => failure.hint(format!("did you mean {near}?")),
        None => failure.hint(format!("one of {}", known.join(", "))),
    }
}

/// A secret from a variable or a file.
fn secret(key: &str, env: Option<&str>, file: Option<&str>, folder: &Path) -> Result<Option<Secret>> {
    match (env, file) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(Failure::usage(format!("{key}_env and {key}_file exclude each other"))),
        (Some(name), None) => match variable(name) {
            Some(text) => Ok(Some(Secret::new(text))),
            None => Err(Failure::usage(format!("the variable {name} of {key}_env is not set"))),
        },
        (None, Some(path)) => {
            let path = folder.join(path);
            let mut text = String::new();
            std::fs::File::open(&path)
                .and_then(|file| file.take(SECRET_BYTES_MAX + 1).read_to_string(&mut text))
                .map_err(|e| Failure::usage(format!("cannot read {} of {key}_file: {}", path.display(), plain(&e))))?;
            let text = text.trim_end_matches(['\r', '\n']);
            match text.len() {
                0 => Err(Failure::usage(format!("{} of {key}_file is empty", path.display()))),
                n if n as u64 > SECRET_BYTES_MAX => {
                    Err(Failure::usage(format!("{} of {key}_file is too long for a secret", path.display())))
                }
                _ => Ok(Some(Secret::new(text))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::config::parse;

    /// The channels of a file as they are debugged, or what is wrong with them.
    fn read(text: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("key"), "hunter2\n").unwrap();
        std::fs::write(dir.path().join("url"), "https://hooks.example.com/hunter2\n").unwrap();
        std::fs::write(dir.path().join("empty"), "\n").unwrap();
        let file = dir.path().join("f");
        let config = match parse(text, "f") {
            Ok(config) => config,
            Err(e) => return format!("{} | {}", e.message, e.hint.unwrap_or_default()),
        };
        let (channels, bad) = of_file(&config, &file);
        let good = channels.iter().map(|c| format!("{} {} {c:?}\n", c.kind_name(), c.target()));
        let bad = bad.iter().map(|e| format!("{} | {}\n", e.message, e.hint.clone().unwrap_or_default()));
        let all: String = good.chain(bad).collect();
        assert!(!all.contains("hunter2"), "{all}");
        all.replace(&format!("{}/", dir.path().display()), "")
    }

    #[test]
    fn channels_are_read_with_their_secrets_and_show_none() {
        let text = "
            [[channel]]\nname = 'ops'\ntype = 'webhook'\nurl_file = 'url'\nsecret_file = 'key'
            [[channel]]\nname = 'chat'\ntype = 'slack'\nurl = 'https://hooks.example.com/hunter2'
            [[channel]]\nname = 'page'\ntype = 'command'\ncommand = ['/bin/page', '-u']
            [[channel]]\nname = 'mail'\ntype = 'email'\nhost = 'h'\nuser = 'u'\npassword_file = 'key'\nfrom = 'a@b.example'\nto = 'c@d.example'
            [[channel]]\nname = 'here'\ntype = 'terminal'\n";
        let all = read(text);
        let lines: Vec<&str> = all.lines().collect();
        assert_eq!(lines.len(), 5, "{all}");
        assert!(lines[0].starts_with("webhook https://hooks.example.com Channel"), "{all}");
        assert!(lines[0].contains("format: Alertmanager, secret: Some(***)"), "{all}");
        assert!(lines[1].starts_with("slack https://hooks.example.com "), "{all}");
        assert!(lines[3].contains("login: Some((\"u\", ***))"), "{all}");
    }

    #[test]
    fn a_bad_channel_is_named_with_its_line_and_leaves_the_others_alone() {
        let good = "[[channel]]\nname = 'here'\ntype = 'terminal'\n";
        for (keys, expected) in [
            ("type = 'webhook'", "it needs url, url_env or url_file | "),
            ("type = 'webhok'\nurl = 'http://h'", "unknown type 'webhok' | did you mean webhook?"),
            ("", "it needs a type | one of webhook, slack, discord, email, command, terminal"),
            (
                "type = 'webhook'\nurl = 'h/hunter2'",
                "its URL is none of http or https, or has a name or password before the host | ",
            ),
            ("type = 'webhook'\nurl_env = 'AX_TEST_NOT_SET'", "the variable AX_TEST_NOT_SET of url_env is not set | "),
            ("type = 'webhook'\nurl_file = 'gone'", "cannot read gone of url_file: No such file or directory | "),
            ("type = 'webhook'\nurl_file = 'url'\nsecret_file = 'empty'", "empty of secret_file is empty | "),
            ("type = 'webhook'\nurl = 'http://h'\nformat = 'slak'", "unknown format 'slak' | did you mean slack?"),
            ("type = 'command'\ncommand = []", "it needs command | command = [\"/usr/local/bin/page\", \"--urgent\"]"),
            ("type = 'terminal'\nurl = 'http://h'", "url means nothing for type terminal | "),
            ("type = 'email'\nhost = 'h'\nfrom = 'a@b.example'\nto = 'nobody'", "'nobody' is no mail address | "),
            ("type = 'email'\nhost = 'h'\nuser = 'u'", "it needs password_env or password_file for its user | "),
            (
                "type = 'email'\nhost = 'h'\ntls = 'none'\nuser = 'u'\npassword_file = 'key'",
                "a password is never sent without TLS | leave tls = \"none\" out",
            ),
        ] {
            let all = read(&format!("{good}\n[[channel]]\nname = 'bad'\n{keys}\n"));
            let mut lines = all.lines();
            assert!(lines.next().unwrap().starts_with("terminal "), "{all}");
            assert_eq!(lines.next().unwrap(), format!("f, line 5: channel bad: {expected}"));
        }
        let twice = read(&format!("{good}{good}"));
        assert!(twice.ends_with("f, line 4: channel here: another one has the same name | \n"), "{twice}");
    }

    #[test]
    fn an_unknown_key_is_an_error_with_the_right_one() {
        let text = "[[channel]]\nname = 'ops'\ntype = 'webhook'\nurl_evn = 'X'\n";
        assert_eq!(read(text), "f, line 4: unknown setting 'url_evn' | did you mean url_env?");
        let text = "[[channel]]\nname = 'ops'\ntype = 'webhook'\nsecret = 'hunter2'\n";
        assert_eq!(
            read(text),
            "f, line 4: unknown setting 'secret' | secrets do not stand here: secret_env names a variable, secret_file a file"
        );
    }
}
