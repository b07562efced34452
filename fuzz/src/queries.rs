//! Hostile texts for the query language; `tests/fuzz_queries.rs` replays the seeds.

use std::fmt::Display;

use ax_monitor::query::{ParseError, SOURCE_MAX, parse as parse_query, parse_condition, parse_filter};

/// Any bytes, as a query, a filter and a condition: what is refused names a place in the text and can
/// be drawn, what is accepted is the same after it was printed and read again.
pub fn parse(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    read(text, parse_query);
    read(text, parse_filter);
    read(text, parse_condition);
}

fn read<T: PartialEq + std::fmt::Debug + Clone + Display>(text: &str, parse: impl Fn(&str) -> Result<T, ParseError>) {
    let tree = match parse(text) {
        Ok(tree) => tree,
        Err(error) => return refused(text, &error),
    };
    let printed = tree.to_string();
    // The canonical form may be longer than what was written.
    if printed.len() > SOURCE_MAX {
        return;
    }
    let again = parse(&printed).unwrap_or_else(|e| panic!("{text:?} is printed as {printed:?}: {e}"));
    assert_eq!(again, tree, "{text:?} is printed as {printed:?}");
    assert_eq!(again.to_string(), printed, "{text:?}");
    assert!(!printed.chars().any(char::is_control), "{printed:?}");
}

fn refused(text: &str, error: &ParseError) {
    assert!(text.get(error.span.range()).is_some(), "{text:?}: {error:?}");
    let said = [Some(&error.message), error.hint.as_ref()];
    assert!(!said.into_iter().flatten().any(|s| s.chars().any(ax_monitor::words::is_hidden)), "{error:?}");
    let drawn = error.render(text, false);
    assert!(drawn.contains('^') || drawn.contains('|'), "{drawn}");
    assert!(!drawn.chars().any(|c| c != '\n' && ax_monitor::words::is_hidden(c)), "{drawn:?}");
}
