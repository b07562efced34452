//! One JSON object a line to an event.
//!
//! Two readers with one answer. `flat` takes the line that nearly every program writes: known keys, no
//! escapes, nothing nested. It gives up at anything else, errors included, and `thorough` (serde_json)
//! reads the line again and has the last word. Both hand the digits of numbers over as they stand, so no
//! float is involved. The property tests hold the two against each other. An import asks the quick way
//! (see `quick`) first, which takes only what is usual in every respect.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use ax_storage::row::Batch;
use ax_storage::time::Timestamp;

use super::decimal::is_number;
use super::error::{LineError, shown};
use super::fields::{Fields, Parsed, Rules, Value};
use super::key::{Key, Keys};
use super::quick::{Guesses, Usual};

/// Reads lines by one set of rules.
#[derive(Clone, Debug, Default)]
pub struct LineParser {
    rules: Rules,
    keys: Keys,
}

impl LineParser {
    /// A parser with the fields' own names and their aliases.
    pub fn new(rules: Rules) -> Self {
        Self { rules, keys: Keys::default() }
    }

    pub(crate) fn with_keys(rules: Rules, keys: Keys) -> Self {
        Self { rules, keys }
    }

    /// Adds the event of a usual line to `batch`. Whether it was one; all others are for [`LineParser::parse`].
    #[inline]
    pub(crate) fn push_usual(&self, guesses: &mut Guesses, line: &[u8], now: Timestamp, batch: &mut Batch) -> bool {
        let mut usual = Usual::default();
        guesses.read(line, &self.keys, &mut usual).is_some() && usual.push(&self.rules, now, batch).is_some()
    }

    /// The event of one line (without its line end), at the time `now`.
    ///
    /// # Errors
    /// Why the line is refused.
    #[inline]
    pub fn parse<'a>(&self, line: &'a [u8], now: Timestamp) -> Result<Parsed<'a>, LineError> {
        let line = std::str::from_utf8(line).map_err(|_| LineError::NotUtf8)?;
        if let Some(fields) = self.flat(line)
            && let Ok(parsed) = fields.finish(&self.rules, now)
        {
            return Ok(parsed);
        }
        self.thorough(line)?.finish(&self.rules, now)
    }

    /// The quick reader; `None` = ask the thorough one.
    fn flat<'a>(&self, line: &'a str) -> Option<Box<Fields<'a>>> {
        let mut at = Cursor { text: line, at: 0 };
        // Boxed: it is several hundred bytes and passed on twice.
        let mut fields = Box::<Fields<'_>>::default();
        at.space();
        at.expect(b'{')?;
        loop {
            at.space();
            let name = at.string()?;
            at.space();
            at.expect(b':')?;
            at.space();
            let value = at.scalar()?;
            match self.keys.find(name.as_bytes()) {
                Some(key) => fields.set(key, value, self.rules.zone.as_ref()).ok()?,
                None if name == "tokens" => return None,
                None if matches!(value, Value::Number(digits) if !is_number(digits)) => return None,
                None => fields.unknown.push(Cow::Borrowed(name)),
            }
            at.space();
            match at.next()? {
                b',' => {}
                b'}' => break,
                _ => return None,
            }
        }
        at.space();
        at.is_at_end().then_some(fields)
    }

    /// The thorough reader: everything that JSON allows.
    fn thorough<'a>(&self, line: &'a str) -> Result<Box<Fields<'a>>, LineError> {
        let mut fields = Box::<Fields<'_>>::default();
        let zone = self.rules.zone.as_ref();
        for (name, value) in members(line)? {
            match self.keys.find(name.as_bytes()) {
                Some(key) => fields.set(key, plain(value)?, zone)?,
                None if name != "tokens" => fields.unknown.push(name),
                None if value == "null" => {}
                None if value.starts_with('{') => {
                    for (name, value) in members(value)? {
                        match Key::find_in_tokens(name.as_bytes()) {
                            Some(key) => fields.set(key, plain(value)?, zone)?,
                            None => fields.unknown.push(format!("tokens.{name}").into()),
                        }
                    }
                }
                None => {
                    let found = shown(value);
                    return Err(LineError::Wrong { key: "tokens", wanted: "an object", found });
                }
            }
        }
        Ok(fields)
    }
}

/// Whether `line` is a JSON object from end to end, whatever it means.
pub(crate) fn is_object(line: &[u8]) -> bool {
    std::str::from_utf8(line).is_ok_and(|line| members(line).is_ok())
}

/// A place in a line.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[inline]
    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    #[inline]
    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    #[inline]
    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn is_at_end(&self) -> bool {
        self.at == self.text.len()
    }

    /// A string without escapes.
    #[inline]
    fn string(&mut self) -> Option<&'a str> {
        self.expect(b'"')?;
        let len = plain_len(&self.text.as_bytes()[self.at..])?;
        let text = self.text.get(self.at..self.at + len)?;
        self.at += len;
        self.expect(b'"')?;
        Some(text)
    }

    /// A value that is neither array nor object. Digits are not judged here.
    #[inline]
    fn scalar(&mut self) -> Option<Value<'a>> {
        match self.peek()? {
            b'"' => Some(Value::Text(Cow::Borrowed(self.string()?))),
            b'-' | b'0'..=b'9' => {
                let rest = &self.text.as_bytes()[self.at..];
                let len = rest.iter().position(|b| !matches!(b, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E'))?;
                let digits = self.text.get(self.at..self.at + len)?;
                self.at += len;
                Some(Value::Number(digits))
            }
            b't' => self.word("true", Value::Bool(true)),
            b'f' => self.word("false", Value::Bool(false)),
            b'n' => self.word("null", Value::Null),
            _ => None,
        }
    }

    fn word(&mut self, word: &str, value: Value<'a>) -> Option<Value<'a>> {
        self.text.as_bytes()[self.at..].starts_with(word.as_bytes()).then(|| {
            self.at += word.len();
            value
        })
    }
}

/// A one in each byte.
pub(crate) const ONES: u64 = u64::from_ne_bytes([1; 8]);
const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);

/// Marks the bytes of `x` that are zero by their top bits; the lowest one is never wrong (Mycroft's test).
#[inline]
pub(crate) const fn zeros(x: u64) -> u64 {
    x.wrapping_sub(ONES) & !x & HIGH
}

/// How many bytes come before the first quote, backslash or control character. Eight at a time:
/// `x - 0x20` borrows where a byte is below 0x20.
#[inline]
pub(crate) fn plain_len(bytes: &[u8]) -> Option<usize> {
    let mut len = 0;
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let x = u64::from_le_bytes(chunk.try_into().ok()?);
        let control = x.wrapping_sub(ONES * 0x20) & !x & HIGH;
        let found = zeros(x ^ (ONES * u64::from(b'"'))) | zeros(x ^ (ONES * u64::from(b'\\'))) | control;
        if found != 0 {
            return Some(len + found.trailing_zeros() as usize / 8);
        }
        len += 8;
    }
    let end = chunks.remainder().iter().position(|b| matches!(b, b'"' | b'\\' | 0..0x20))?;
    Some(len + end)
}

/// The members of an object, the values as they stand in the text.
fn members(text: &str) -> Result<Vec<(Cow<'_, str>, &str)>, LineError> {
    let members: Members<'_> = serde_json::from_str(text).map_err(|e| not_json(text, &e))?;
    Ok(members.0)
}

struct Members<'a>(Vec<(Cow<'a, str>, &'a str)>);

/// A string that is borrowed where it has no escapes.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(Text(name)) = map.next_key()? {
                    let value: &RawValue = map.next_value()?;
                    members.push((name, value.get()));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// A value's own text to the value.
pub(crate) fn plain(text: &str) -> Result<Value<'_>, LineError> {
    Ok(match text.as_bytes() {
        b"null" => Value::Null,
        b"true" => Value::Bool(true),
        b"false" => Value::Bool(false),
        [b'"', ..] => {
            let Text(text) = serde_json::from_str(text).map_err(|e| not_json(text, &e))?;
            Value::Text(text)
        }
        [b'{' | b'[', ..] => Value::Other,
        _ => Value::Number(text),
    })
}

/// serde_json's reason, with the column only (every text is one line).
#[cold]
pub(crate) fn not_json(text: &str, error: &serde_json::Error) -> LineError {
    let at = error.column().saturating_sub(1);
    let rest = text.get(at..).unwrap_or_default();
    if let Some(word) = ["NaN", "Infinity", "-Infinity"].into_iter().find(|w| rest.starts_with(w)) {
        return LineError::NotJson(format!("{word} at column {} is no number in JSON", error.column()));
    }
    let reason = error.to_string();
    LineError::NotJson(shown(&reason.replace("at line 1 column", "at column")))
}

#[cfg(test)]
mod tests;
