//! Claude Code's sessions: a line a content block, each with the usage of the whole answer.
//!
//! `{"timestamp":"…","sessionId":"…","requestId":"…","message":{"id":"…","model":"…","usage":{…}}, …}`
//!
//! The usage counts what was read from and written to the prompt cache beside `input_tokens`; events count
//! it within. How long a call took is not in the log.

use std::path::Path;

use ax_storage::event::{NanoUsd, Tokens};
use ax_storage::row::NameId;
use memchr::memmem::Finder;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::{Call, CallKind, Calls, Habits, Keep, Parser, is_cut, last_part, timestamp};
use crate::import::LineError;
use crate::import::fields::nanos;
use crate::import::key::Key;
use crate::import::ndjson::{Text, plain};

/// What calls are filed under. It is the name that prices and screens know Anthropic's API by.
const PROVIDER: &str = "claude";
/// The model of messages that the tool wrote itself.
const SYNTHETIC: &str = "<synthetic>";
/// The folder that holds a folder a project.
const PROJECTS: &str = "projects";

/// Reads one session.
pub(crate) struct Sessions {
    usage: Finder<'static>,
    /// The project's folder as the tool writes it: `-home-alice-work-api`.
    folder: String,
    /// The project that the last working folder belongs to.
    project: Option<(String, NameId)>,
}

/// A line, as far as it is about a call. All fields may be absent or null.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    #[serde(borrow)]
    timestamp: Option<Text<'a>>,
    request_id: Option<Text<'a>>,
    is_sidechain: Option<bool>,
    is_api_error_message: Option<bool>,
    #[serde(rename = "costUSD")]
    cost: Option<&'a RawValue>,
    cwd: Option<Text<'a>>,
    message: Option<Message<'a>>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    model: Option<Text<'a>>,
    usage: Option<Usage<'a>>,
}

#[derive(Deserialize)]
struct Usage<'a> {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_creation: Option<Written>,
    #[serde(borrow)]
    speed: Option<Text<'a>>,
    service_tier: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Written {
    ephemeral_5m_input_tokens: Option<u64>,
    ephemeral_1h_input_tokens: Option<u64>,
}

impl Sessions {
    /// A parser of the session at `path`.
    pub(crate) fn new(path: Option<&Path>) -> Self {
        let parts: Vec<_> = path.into_iter().flat_map(Path::iter).map(|part| part.to_string_lossy()).collect();
        let at = parts.iter().rposition(|part| part == PROJECTS);
        // The last part is the file.
        let folder = at.and_then(|at| parts.get(at + 1).filter(|_| at + 2 < parts.len()));
        Self {
            usage: Finder::new(b"\"usage\""),
            folder: folder.map_or_else(String::new, ToString::to_string),
            project: None,
        }
    }

    /// The project's own name: the part of the working folder that the project's folder is named after,
    /// so that it stays the same in whatever folder below it a command ran.
    fn project(&mut self, cwd: &str, calls: &mut Calls<'_>) -> NameId {
        if let Some((known, name)) = &self.project
            && known == cwd
        {
            return *name;
        }
        let mut path = cwd;
        let found = loop {
            if path.is_empty() || self.folder.is_empty() {
                break None;
            }
            if written_as(path, &self.folder) {
                break Some(last_part(path));
            }
            path = path.rfind(['/', '\\']).map_or("", |at| &path[..at]);
        };
        let name = match found {
            Some(name) => name,
            None if self.folder.is_empty() => last_part(cwd),
            None => &self.folder,
        };
        let name = calls.names.intern(name);
        self.project = Some((cwd.to_owned(), name));
        name
    }

    fn call(&mut self, line: &Line<'_>, message: &Message<'_>, usage: &Usage<'_>, calls: &mut Calls<'_>) -> Found {
        let text = |text: &Option<Text<'_>>| text.as_ref().map_or_else(String::new, |t| t.0.to_string());
        if message.model.as_ref().is_some_and(|m| m.0 == SYNTHETIC) {
            return Ok(None);
        }
        let mut call = Call::at(timestamp(line.timestamp.as_ref())?);
        call.tokens = usage.tokens();
        call.cost = line.cost.and_then(|c| (c.get() != "null").then(|| cost(c.get()))).transpose()?;
        call.user = self.project(&text(&line.cwd), calls);
        let names = &mut *calls.names;
        call.provider = names.intern(PROVIDER);
        call.model = names.intern(message.model.as_ref().map_or("", |m| &m.0));
        let fast = usage.speed.as_ref().filter(|s| s.0 == "fast");
        call.service_tier = names.intern(fast.or(usage.service_tier.as_ref()).map_or("", |t| &t.0));
        call.aside = line.is_sidechain.unwrap_or(false);
        if line.is_api_error_message.unwrap_or(false) {
            call.kind = CallKind::Request { error: Some(names.intern("api_error")) };
        }
        if let Some(id) = message.id.as_ref().filter(|id| !id.0.is_empty()) {
            call.message = names.intern(&id.0);
            if let Some(request) = line.request_id.as_ref().filter(|id| !id.0.is_empty()) {
                call.id = names.intern(&format!("{}:{}", id.0, request.0));
            }
        }
        Ok(Some(call))
    }
}

type Found = Result<Option<Call>, LineError>;

impl Parser for Sessions {
    fn value(&mut self, json: &[u8], calls: &mut Calls<'_>) -> Result<(), LineError> {
        if self.usage.find(json).is_none() {
            // Most lines, and the longest. Only one that was cut is worth a word.
            return is_cut(json);
        }
        let line: Line<'_> = match serde_json::from_slice(json) {
            Ok(line) => line,
            Err(error) => return other(json, &error),
        };
        let Some(message) = &line.message else { return Ok(()) };
        let Some(usage) = &message.usage else { return Ok(()) };
        if let Some(call) = self.call(&line, message, usage, calls)? {
            calls.list.push(call);
        }
        Ok(())
    }

    fn habits(&self) -> Habits {
        Habits { keep: Keep::Largest, partial: true, stateless: true }
    }
}

impl Usage<'_> {
    fn tokens(&self) -> Tokens {
        let n = |count: Option<u64>| count.unwrap_or(0);
        let (cached, input) = (n(self.cache_read_input_tokens), n(self.input_tokens));
        let (short, hour) = self
            .cache_creation
            .as_ref()
            .map_or((0, 0), |w| (n(w.ephemeral_5m_input_tokens), n(w.ephemeral_1h_input_tokens)));
        let cache_write = self.cache_creation_input_tokens.unwrap_or(short.saturating_add(hour));
        Tokens {
            input: input.saturating_add(cached).saturating_add(cache_write),
            cached,
            cache_write,
            cache_write_1h: hour.min(cache_write),
            output: n(self.output_tokens),
            reasoning: 0,
        }
    }
}

/// A line with the word in it that is of another form: another kind of line, or a damaged one.
#[cold]
fn other(json: &[u8], error: &serde_json::Error) -> Result<(), LineError> {
    #[derive(Deserialize)]
    struct WithUsage {
        message: InMessage,
    }
    #[derive(Deserialize)]
    struct InMessage {
        #[serde(rename = "usage")]
        _usage: IgnoredAny,
    }
    if serde_json::from_slice::<IgnoredAny>(json).is_err() {
        return Err(LineError::NotJson(error.to_string().replace("at line 1 column", "at column")));
    }
    match serde_json::from_slice::<WithUsage>(json) {
        Ok(WithUsage { message: InMessage { .. } }) => Err(LineError::Form(error.to_string())),
        Err(_) => Ok(()),
    }
}

fn cost(text: &str) -> Result<NanoUsd, LineError> {
    nanos(Key::Cost, &plain(text)?).map(NanoUsd::from_nanos)
}

/// Whether the tool names the folder of a project at `path` so: all but letters and digits become `-`.
fn written_as(path: &str, folder: &str) -> bool {
    let mut written = path.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' });
    folder.chars().all(|c| written.next() == Some(c)) && written.next().is_none()
}
