//! The shape of the code: which part may use which, no circles, and a first line in every file
//! that says what it is for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Parts of the program and the parts each may use, beside the engine's public door.
const PROGRAM: &[(&str, &[&str])] = &[
    ("aggregator", &["alerts", "calendar", "costs", "metric"]),
    ("alerts", &["answer", "calendar", "error", "metric", "query", "words"]),
    ("analysis", &["calendar"]),
    ("answer", &["analysis", "calendar", "metric", "query"]),
    ("calendar", &[]),
    (
        "cli",
        &[
            "aggregator",
            "alerts",
            "answer",
            "calendar",
            "collector",
            "costs",
            "dashboard",
            "demo",
            "error",
            "export",
            "import",
            "metric",
            "pricing",
            "projection",
            "query",
            "render",
            "words",
        ],
    ),
    ("collector", &["pricing"]),
    ("dashboard", &["alerts", "answer", "calendar", "costs", "error", "metric", "pricing", "projection", "query"]),
    ("costs", &["calendar", "metric", "pricing", "projection", "query", "words"]),
    ("demo", &[]),
    ("error", &["words"]),
    ("export", &["import", "words"]),
    ("import", &["error", "pricing", "words"]),
    ("metric", &[]),
    ("pricing", &[]),
    ("projection", &["analysis", "calendar"]),
    ("query", &["calendar", "metric", "words"]),
    ("render", &["alerts", "costs", "dashboard", "error", "metric", "projection", "words"]),
    ("store", &["answer", "calendar", "costs", "query"]),
    ("words", &[]),
];

/// Parts of the engine and the parts each may use, beside the plain data.
const ENGINE: &[(&str, &[&str])] = &[
    ("backup", &["identity", "journal", "query", "rollup", "store", "tier"]),
    ("bucket", &["histogram"]),
    ("compaction", &["bucket", "identity", "journal", "query", "raw", "retention", "rollup", "store", "table", "tier"]),
    ("histogram", &[]),
    ("import", &["bucket", "identity", "journal", "raw", "rollup", "store", "tier"]),
    ("identity", &[]),
    ("journal", &["identity"]),
    ("query", &["bucket", "histogram", "raw"]),
    ("raw", &["identity"]),
    ("retention", &["bucket", "store", "tier"]),
    ("rollup", &["bucket", "histogram", "journal", "query", "raw", "retention", "store", "tier"]),
    ("store", &["bucket", "histogram", "identity", "journal", "query", "raw", "tier"]),
    ("table", &["store", "tier"]),
    ("tier", &["bucket", "identity"]),
    ("verify", &["bucket", "journal", "query", "raw", "rollup", "store", "table", "tier"]),
];

/// Plain data and thin wrappers: everybody may use them, they use only each other.
const ENGINE_BASE: &[&str] =
    &["clock", "divisor", "event", "fs", "memory", "numbers", "paths", "row", "threads", "time"];

#[test]
fn every_file_says_what_it_is_for() {
    for file in sources(&["src", "storage", "tests", "benches", "fuzz/fuzz_targets", "fuzz/src"]) {
        let text = read(&file);
        assert!(text.starts_with("//! "), "{} does not open with a //! line", file.display());
    }
}

#[test]
fn parts_of_the_program_use_only_what_they_may() {
    check("src", PROGRAM, &[]);
}

#[test]
fn parts_of_the_engine_use_only_what_they_may() {
    check("storage/src", ENGINE, ENGINE_BASE);
}

#[test]
fn the_allowed_arrows_have_no_circle() {
    for table in [PROGRAM, ENGINE] {
        let mut left: BTreeMap<&str, BTreeSet<&str>> =
            table.iter().map(|(part, uses)| (*part, uses.iter().copied().collect())).collect();
        while !left.is_empty() {
            let free: Vec<&str> = left.iter().filter(|(_, uses)| uses.is_empty()).map(|(part, _)| *part).collect();
            assert!(!free.is_empty(), "a circle among {:?}", left.keys());
            for part in free {
                left.remove(part);
                for uses in left.values_mut() {
                    uses.remove(part);
                }
            }
        }
    }
}

#[test]
fn only_the_command_line_prints_or_ends_the_process() {
    for file in sources(&["src", "storage/src"]) {
        let name = file.display().to_string();
        // Unit tests in folders of their own may say what they measured.
        if name.contains("/cli") || name.contains("/tests/") || name.ends_with("src/main.rs") {
            continue;
        }
        let text = code(&read(&file));
        for word in ["println!(", "eprintln!(", "process::exit("] {
            assert!(!text.contains(word), "{name} uses {word}");
        }
    }
}

#[test]
fn the_journal_never_sees_the_database_and_screens_never_see_the_store() {
    let forbidden = [
        ("storage/src/journal", "redb"),
        ("src/render", "ax_storage::Store"),
        ("src/render", "ax_storage::query"),
        ("src/query", "ax_storage::Store"),
    ];
    for (folder, word) in forbidden {
        for file in sources(&[folder]) {
            assert!(!code(&read(&file)).contains(word), "{} uses {word}", file.display());
        }
    }
}

fn check(root: &str, allowed: &[(&str, &[&str])], base: &[&str]) {
    for file in sources(&[root]) {
        let inside = file.strip_prefix(workspace().join(root)).unwrap();
        let part = inside.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
        if ["lib", "main"].contains(&part.as_str()) {
            continue;
        }
        let uses: &[&str] = match allowed.iter().find(|(name, _)| *name == part) {
            Some((_, uses)) => uses,
            None if base.contains(&part.as_str()) => &[],
            None => panic!("{} is in no list of tests/tidy.rs", file.display()),
        };
        for used in used_parts(&code(&read(&file))) {
            let fine = used == part || base.contains(&used.as_str()) || uses.contains(&used.as_str());
            assert!(fine, "{} uses crate::{used}, which {part} may not", file.display());
        }
    }
}

/// First names after `crate::` in lower case: modules, not re-exported types.
fn used_parts(text: &str) -> BTreeSet<String> {
    let first = |rest: &str| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    text.split("crate::")
        .skip(1)
        .flat_map(|rest| match rest.strip_prefix('{').and_then(|r| r.split_once('}')) {
            Some((list, _)) => list.split(',').map(|item| first(item.trim())).collect(),
            None => vec![first(rest)],
        })
        .filter(|name| name.starts_with(|c: char| c.is_ascii_lowercase()))
        .collect()
}

/// The text without its unit tests and comments.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    text.lines().filter(|l| !l.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap()
}

fn workspace() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Source files below the folders; those with unit tests alone (`tests.rs`) are left out.
fn sources(folders: &[&str]) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders: Vec<PathBuf> = folders.iter().map(|f| workspace().join(f)).collect();
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() && path.file_name().is_some_and(|n| n != "target") {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") && path.file_name().is_some_and(|n| n != "tests.rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}
