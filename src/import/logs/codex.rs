//! Codex' sessions: a line an event, of which `token_count` tells what the last call used.
//!
//! ```text
//! {"type":"turn_context","payload":{"model":"…"}}
//! {"type":"event_msg","payload":{"type":"token_count","info":{"last_token_usage":{…},"total_token_usage":{…}}}}
//! ```
//! The totals only grow: a count that leaves them as they were repeats the one before. The session of an
//! agent that another one started begins with the counts of that one, all written at once.

use std::path::Path;

use ax_storage::event::Tokens;
use ax_storage::row::NameId;
use ax_storage::time::Timestamp;
use memchr::memmem::Finder;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Call, Calls, Habits, Keep, Parser, form, is_cut, last_part, timestamp};
use crate::import::LineError;
use crate::import::ndjson::Text;

/// What calls are filed under.
const PROVIDER: &str = "openai";
/// What a started agent repeats of the other's session is written within so long.
const REPLAY_MS: u64 = 1000;

/// Reads one session.
pub(crate) struct Sessions {
    finders: [Finder<'static>; 3],
    session: String,
    /// The session's own description came.
    described: bool,
    /// Started by another session, and when.
    child_since: Option<Timestamp>,
    model: NameId,
    user: NameId,
    total: Option<Counts>,
    counts: u64,
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    timestamp: Option<Text<'a>>,
    #[serde(rename = "type")]
    kind: Option<Text<'a>>,
    payload: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Description<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    cwd: Option<Text<'a>>,
    source: Option<&'a RawValue>,
    forked_from_id: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Turn<'a> {
    #[serde(borrow)]
    model: Option<Text<'a>>,
    cwd: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Count<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Text<'a>>,
    model: Option<Text<'a>>,
    info: Option<Info<'a>>,
}

#[derive(Deserialize)]
struct Info<'a> {
    #[serde(borrow)]
    model: Option<Text<'a>>,
    last_token_usage: Option<Counts>,
    total_token_usage: Option<Counts>,
}

/// Cached input is part of the input, reasoning of the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Counts {
    input_tokens: Option<u64>,
    #[serde(alias = "cache_read_input_tokens")]
    cached_input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    reasoning_output_tokens: Option<u64>,
}

impl Counts {
    fn tokens(self) -> Tokens {
        let n = |count: Option<u64>| count.unwrap_or(0);
        let (input, output) = (n(self.input_tokens), n(self.output_tokens));
        Tokens {
            input,
            cached: n(self.cached_input_tokens).min(input),
            output,
            reasoning: n(self.reasoning_output_tokens).min(output),
            ..Tokens::default()
        }
    }

    /// What was added since `before`; all of it when the count began anew.
    fn since(self, before: Self) -> Self {
        let minus = |now: Option<u64>, then: Option<u64>| now.unwrap_or(0).checked_sub(then.unwrap_or(0));
        let less = || {
            Some(Self {
                input_tokens: Some(minus(self.input_tokens, before.input_tokens)?),
                cached_input_tokens: Some(minus(self.cached_input_tokens, before.cached_input_tokens)?),
                output_tokens: Some(minus(self.output_tokens, before.output_tokens)?),
                reasoning_output_tokens: Some(minus(self.reasoning_output_tokens, before.reasoning_output_tokens)?),
            })
        };
        less().unwrap_or(self)
    }
}

impl Sessions {
    /// A parser of the session at `path`.
    pub(crate) fn new(path: Option<&Path>) -> Self {
        let stem = path.and_then(Path::file_stem).map(|stem| stem.to_string_lossy().into_owned());
        Self {
            finders: ["\"token_count\"", "\"turn_context\"", "\"session_meta\""].map(Finder::new),
            session: stem.unwrap_or_default(),
            described: false,
            child_since: None,
            model: 0,
            user: 0,
            total: None,
            counts: 0,
        }
    }

    /// The first description is the session's own; others came with what it repeats.
    fn describe(&mut self, line: &Line<'_>, payload: &str, calls: &mut Calls<'_>) -> Result<(), LineError> {
        if std::mem::replace(&mut self.described, true) {
            return Ok(());
        }
        let about: Description<'_> = serde_json::from_str(payload).map_err(form)?;
        if let Some(id) = about.id.filter(|id| !id.0.is_empty()) {
            self.session = id.0.into_owned();
        }
        if let Some(cwd) = about.cwd {
            self.user = calls.names.intern(last_part(&cwd.0));
        }
        if about.forked_from_id.is_some() || about.source.is_some_and(|s| s.get().contains("subagent")) {
            self.child_since = Some(timestamp(line.timestamp.as_ref())?);
        }
        Ok(())
    }

    fn count(&mut self, line: &Line<'_>, payload: &str, calls: &mut Calls<'_>) -> Result<(), LineError> {
        let count: Count<'_> = serde_json::from_str(payload).map_err(form)?;
        if count.kind.is_none_or(|kind| kind.0 != "token_count") {
            return Ok(());
        }
        let Some(info) = count.info else { return Ok(()) };
        self.counts += 1;
        let before = self.total;
        self.total = info.total_token_usage.or(before);
        if info.total_token_usage.is_some() && info.total_token_usage == before {
            return Ok(());
        }
        let used = match (info.last_token_usage, info.total_token_usage) {
            (Some(last), _) => last,
            (None, Some(total)) => total.since(before.unwrap_or_default()),
            (None, None) => return Ok(()),
        };
        let ts = timestamp(line.timestamp.as_ref())?;
        let repeated = self.child_since.is_some_and(|since| ts.since(since) < REPLAY_MS);
        let tokens = used.tokens();
        if repeated || tokens == Tokens::default() {
            return Ok(());
        }
        let names = &mut *calls.names;
        let named = info.model.or(count.model).filter(|m| !m.0.is_empty());
        calls.list.push(Call {
            id: names.intern(&format!("{}:{}", self.session, self.counts)),
            provider: names.intern(PROVIDER),
            model: named.map_or(self.model, |m| names.intern(&m.0)),
            user: self.user,
            tokens,
            ..Call::at(ts)
        });
        Ok(())
    }
}

impl Parser for Sessions {
    fn value(&mut self, json: &[u8], calls: &mut Calls<'_>) -> Result<(), LineError> {
        if self.finders.iter().all(|finder| finder.find(json).is_none()) {
            return is_cut(json);
        }
        let line: Line<'_> = serde_json::from_slice(json).map_err(form)?;
        let (Some(kind), Some(payload)) = (&line.kind, line.payload) else { return Ok(()) };
        match &*kind.0 {
            "session_meta" => self.describe(&line, payload.get(), calls),
            "turn_context" => {
                let turn: Turn<'_> = serde_json::from_str(payload.get()).map_err(form)?;
                if let Some(model) = turn.model {
                    self.model = calls.names.intern(&model.0);
                }
                if let Some(cwd) = turn.cwd.filter(|_| self.user == 0) {
                    self.user = calls.names.intern(last_part(&cwd.0));
                }
                Ok(())
            }
            "event_msg" => self.count(&line, payload.get(), calls),
            _ => Ok(()),
        }
    }

    fn habits(&self) -> Habits {
        Habits { keep: Keep::Last, partial: false, stateless: false }
    }
}
