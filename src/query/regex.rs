//! Regular expressions of `=~` and `!~`: bounded in size, matched against whole values.

use std::fmt;

use ax_storage::query::plan::NameTest;

/// Longest expression in bytes.
pub const PATTERN_MAX: usize = 1024;
/// Largest compiled form: `\w{1000}` would take 145 ms and 10 MiB with the crate's own limit.
const COMPILED_MAX: usize = 256 * 1024;
const NEST_MAX: u32 = 64;

/// A compiled expression with its source.
#[derive(Clone)]
pub struct Pattern {
    source: Box<str>,
    compiled: regex::Regex,
}

impl Pattern {
    /// Compiles `source`; it must match a whole value.
    ///
    /// # Errors
    /// What is wrong with it, and how to write it right.
    pub fn new(source: &str) -> Result<Self, (String, String)> {
        if source.len() > PATTERN_MAX {
            return Err(("the regex is too large".to_owned(), format!("at most {PATTERN_MAX} bytes")));
        }
        // Alone first: `a)(b` would be right between the anchors, but mean something else.
        regex_syntax::ast::parse::ParserBuilder::new()
            .nest_limit(NEST_MAX)
            .build()
            .parse(source)
            .map_err(|e| (format!("bad regex: {}", e.kind()), advice(e.kind()).to_owned()))?;
        let compiled = regex::RegexBuilder::new(&format!("^(?:{source})$"))
            .size_limit(COMPILED_MAX)
            .dfa_size_limit(COMPILED_MAX)
            .nest_limit(NEST_MAX + 2)
            .build()
            .map_err(|e| match e {
                regex::Error::CompiledTooBig(_) => {
                    ("the regex is too large".to_owned(), "repeat fewer times".to_owned())
                }
                other => {
                    let text = other.to_string();
                    let last = text.lines().last().unwrap_or_default();
                    let what = super::error::shortened(last.trim_start_matches("error: "));
                    (format!("bad regex: {what}"), "put \\ before signs such as . [ ( that mean themselves".to_owned())
                }
            })?;
        Ok(Self { source: source.into(), compiled })
    }

    /// As written, escapes of the quoted text resolved.
    pub fn source(&self) -> &str {
        &self.source
    }
}

fn advice(kind: &regex_syntax::ast::ErrorKind) -> &'static str {
    use regex_syntax::ast::ErrorKind as E;
    match kind {
        E::ClassUnclosed => "[ needs ] or write \\[",
        E::GroupUnclosed => "( needs ) or write \\(",
        E::GroupUnopened => ") needs ( or write \\)",
        E::RepetitionMissing => "write .* for anything, or \\* for the sign",
        E::UnsupportedLookAround | E::UnsupportedBackreference => "use !~ for what must not match",
        E::NestLimitExceeded(_) => "use fewer parentheses within each other",
        _ => "put \\ before signs such as . [ ( that mean themselves",
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}/", self.source)
    }
}

impl NameTest for Pattern {
    fn test(&self, name: &str) -> bool {
        self.compiled.is_match(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_values_match() {
        let pattern = Pattern::new("gpt-4|claude").unwrap();
        assert!(pattern.test("gpt-4") && pattern.test("claude"));
        assert!(!pattern.test("gpt-4o") && !pattern.test("x-claude"));
    }

    #[test]
    fn a_bad_or_huge_expression_is_refused() {
        for (source, message) in [
            ("gpt[", "bad regex: unclosed character class"),
            ("a)(b", "bad regex: unopened group"),
            ("(a{1000}){1000}", "the regex is too large"),
            ("\\w{1000}", "the regex is too large"),
            (
                &format!("{}a{}", "(".repeat(200), ")".repeat(200)),
                "bad regex: exceed the maximum number of nested parentheses/brackets (64)",
            ),
        ] {
            assert_eq!(Pattern::new(source).unwrap_err().0, message, "{source}");
        }
    }
}
