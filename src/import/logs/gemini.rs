//! Gemini CLI's chats (one document, or a line a message) and its telemetry (objects over many lines).
//!
//! `{"sessionId":"…","messages":[{"id":"…","type":"gemini","model":"…","tokens":{…}}]}`
//!
//! Thoughts come on top of the output, what tools put into the prompt on top of the input. A message may be
//! written again under the same id: the last one counts. Only telemetry tells how long a call took.

use std::path::Path;
use std::time::Duration;

use ax_storage::event::Tokens;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Call, CallKind, Calls, Habits, Keep, Parser, form, timestamp};
use crate::import::LineError;
use crate::import::fields::{Value, micros};
use crate::import::key::Key;
use crate::import::ndjson::{Text, plain};

/// What calls are filed under.
const PROVIDER: &str = "gemini";
/// The folder that holds a folder a project.
const PROJECTS: &str = "tmp";

/// Reads one chat, or one file of telemetry.
pub(crate) struct Chats {
    session: String,
    project: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part<'a> {
    #[serde(borrow)]
    session_id: Option<Text<'a>>,
    messages: Option<Vec<&'a RawValue>>,
    #[serde(rename = "$set")]
    set: Option<&'a RawValue>,
    attributes: Option<&'a RawValue>,
    id: Option<Text<'a>>,
    timestamp: Option<Text<'a>>,
    #[serde(rename = "type")]
    kind: Option<Text<'a>>,
    model: Option<Text<'a>>,
    tokens: Option<Counts>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Counts {
    input: Option<u64>,
    output: Option<u64>,
    cached: Option<u64>,
    thoughts: Option<u64>,
    tool: Option<u64>,
}

#[derive(Deserialize)]
struct Telemetry<'a> {
    #[serde(borrow, rename = "event.name")]
    name: Option<Text<'a>>,
    #[serde(rename = "event.timestamp")]
    timestamp: Option<Text<'a>>,
    #[serde(rename = "session.id")]
    session: Option<Text<'a>>,
    prompt_id: Option<Text<'a>>,
    model: Option<Text<'a>>,
    duration_ms: Option<&'a RawValue>,
    input_token_count: Option<u64>,
    output_token_count: Option<u64>,
    cached_content_token_count: Option<u64>,
    thoughts_token_count: Option<u64>,
    tool_token_count: Option<u64>,
    error_type: Option<Text<'a>>,
    #[serde(rename = "error.type")]
    error_kind: Option<Text<'a>>,
}

impl Counts {
    fn tokens(&self) -> Tokens {
        let n = |count: Option<u64>| count.unwrap_or(0);
        let input = n(self.input).saturating_add(n(self.tool));
        let reasoning = n(self.thoughts);
        Tokens {
            input,
            cached: n(self.cached).min(input),
            output: n(self.output).saturating_add(reasoning),
            reasoning,
            ..Tokens::default()
        }
    }
}

impl Chats {
    /// A parser of the file at `path`.
    pub(crate) fn new(path: Option<&Path>) -> Self {
        let stem = path.and_then(Path::file_stem).map(|stem| stem.to_string_lossy().into_owned());
        let parts: Vec<_> = path.into_iter().flat_map(Path::iter).map(|part| part.to_string_lossy()).collect();
        let at = parts.iter().rposition(|part| part == "chats");
        let project = at.filter(|at| *at > 1 && parts[at - 2] == PROJECTS).map_or("", |at| &parts[at - 1]);
        // Older versions name the folder by a hash, which says nothing to anybody.
        let hash = project.len() == 64 && project.bytes().all(|b| b.is_ascii_hexdigit());
        let project = if hash { String::new() } else { project.to_owned() };
        Self { session: stem.unwrap_or_default(), project }
    }

    fn part(&mut self, json: &[u8], depth: usize, calls: &mut Calls<'_>) -> Result<(), LineError> {
        let part: Part<'_> = serde_json::from_slice(json).map_err(form)?;
        if let Some(attributes) = part.attributes {
            return self.telemetry(attributes.get(), calls);
        }
        if let Some(session) = part.session_id.filter(|s| !s.0.is_empty()) {
            self.session = session.0.into_owned();
        }
        let parts = part.messages.into_iter().flatten().chain(part.set).filter(|_| depth < 3);
        for inner in parts {
            self.part(inner.get().as_bytes(), depth + 1, calls)?;
        }
        let Some(counts) = part.tokens.filter(|_| part.kind.is_none_or(|kind| kind.0 == "gemini")) else {
            return Ok(());
        };
        let names = &mut *calls.names;
        let id = part.id.filter(|id| !id.0.is_empty());
        calls.list.push(Call {
            id: id.map_or(0, |id| names.intern(&format!("{}:{}", self.session, id.0))),
            provider: names.intern(PROVIDER),
            model: names.intern(part.model.as_ref().map_or("", |m| &m.0)),
            user: names.intern(&self.project),
            tokens: counts.tokens(),
            ..Call::at(timestamp(part.timestamp.as_ref())?)
        });
        Ok(())
    }

    fn telemetry(&self, attributes: &str, calls: &mut Calls<'_>) -> Result<(), LineError> {
        let t: Telemetry<'_> = serde_json::from_str(attributes).map_err(form)?;
        let text = |text: &Option<Text<'_>>| text.as_ref().map_or_else(String::new, |t| t.0.to_string());
        let failed = match text(&t.name).as_str() {
            "gemini_cli.api_response" => false,
            "gemini_cli.api_error" => true,
            _ => return Ok(()),
        };
        let counts = Counts {
            input: t.input_token_count,
            output: t.output_token_count,
            cached: t.cached_content_token_count,
            thoughts: t.thoughts_token_count,
            tool: t.tool_token_count,
        };
        let latency = t.duration_ms.map(|raw| match plain(raw.get())? {
            Value::Null => Ok(None),
            value => micros(Key::Latency, &value).map(|us| Some(Duration::from_micros(us))),
        });
        let ts = timestamp(t.timestamp.as_ref())?;
        let names = &mut *calls.names;
        let error = names.intern(&text(&t.error_type.or(t.error_kind)));
        calls.list.push(Call {
            id: names.intern(&format!("{}:{}:{}", text(&t.session), text(&t.prompt_id), ts.millis())),
            provider: names.intern(PROVIDER),
            model: names.intern(&text(&t.model)),
            user: names.intern(&self.project),
            tokens: counts.tokens(),
            latency: latency.transpose()?.flatten(),
            kind: CallKind::Request { error: failed.then_some(error) },
            ..Call::at(ts)
        });
        Ok(())
    }
}

impl Parser for Chats {
    fn value(&mut self, json: &[u8], calls: &mut Calls<'_>) -> Result<(), LineError> {
        self.part(json, 0, calls)
    }

    fn habits(&self) -> Habits {
        Habits { keep: Keep::Last, partial: true, stateless: false }
    }
}
