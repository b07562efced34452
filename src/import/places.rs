//! Where tools keep their logs on this machine, and which files of a folder are theirs.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use ax_storage::time::{DAY_MS, Timestamp};

use super::Format;

/// Folders below a folder that are looked into.
const DEPTH_MAX: usize = 12;
/// The folder of sessions that Codex put away, and the one of those in use.
const ARCHIVED: (&str, &str) = ("archived_sessions", "sessions");

/// The folders that decide where tools keep their logs.
#[derive(Clone, Debug, Default)]
pub struct Home {
    /// The user's own folder.
    pub home: Option<PathBuf>,
    /// `CLAUDE_CONFIG_DIR`: a list with commas.
    pub claude: Option<String>,
    /// `CODEX_HOME`.
    pub codex: Option<String>,
}

/// The logs of one tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logs {
    /// Whose.
    pub format: Format,
    /// Folders that they are in.
    pub folders: Vec<PathBuf>,
    /// The files, in the order of their names.
    pub files: Vec<PathBuf>,
    /// There are more files than that.
    pub more: bool,
    /// When the first and the last of them were written.
    pub written: Option<(Timestamp, Timestamp)>,
}

impl Logs {
    /// Days from the first file to the last one, both counted; 0 without files.
    pub fn days(&self) -> u64 {
        self.written.map_or(0, |(first, last)| last.utc_day().since(first.utc_day()) / DAY_MS + 1)
    }
}

impl Home {
    /// The folders of a tool that are there.
    pub fn folders(&self, format: Format) -> Vec<PathBuf> {
        let below_home = |path: &str| self.home.iter().map(|home| home.join(path)).collect::<Vec<_>>();
        let folders: Vec<PathBuf> = match format {
            Format::ClaudeCode => match &self.claude {
                Some(list) => list.split(',').map(|part| claude_projects(Path::new(part.trim()))).collect(),
                None => [below_home(".config/claude/projects"), below_home(".claude/projects")].concat(),
            },
            Format::Codex => {
                let home = self.codex.as_ref().map_or_else(|| below_home(".codex"), |home| vec![PathBuf::from(home)]);
                home.iter().flat_map(|home| [home.join(ARCHIVED.1), home.join(ARCHIVED.0)]).collect()
            }
            Format::Gemini => below_home(".gemini/tmp"),
            Format::Ndjson | Format::Csv | Format::LiteLlm => Vec::new(),
        };
        // One may be a link to the other.
        let mut seen = HashSet::new();
        let mut is_new = |folder: &PathBuf| folder.canonicalize().is_ok_and(|real| real.is_dir() && seen.insert(real));
        folders.into_iter().filter(|folder| !folder.as_os_str().is_empty() && is_new(folder)).collect()
    }

    /// The logs of a tool, at most `max` files.
    pub fn logs(&self, format: Format, max: usize) -> Logs {
        logs(format, &self.folders(format), max)
    }
}

fn claude_projects(folder: &Path) -> PathBuf {
    if folder.ends_with("projects") || folder.as_os_str().is_empty() {
        folder.to_owned()
    } else {
        folder.join("projects")
    }
}

/// The files below the folders that may be logs of the format, at most `max` of them.
pub fn logs(format: Format, folders: &[PathBuf], max: usize) -> Logs {
    let mut walk = Walk { format: Some(format), max, files: Vec::new(), more: false, written: None };
    folders.iter().for_each(|folder| walk.folder(folder, 0));
    let Walk { mut files, more, written, .. } = walk;
    files.sort();
    if format == Format::Codex {
        leave_out_archived(&mut files);
    }
    Logs { format, folders: folders.to_vec(), files, more, written }
}

/// The files below a folder that may be of any format, at most `max` of them, and whether there are more.
pub fn any_files(folder: &Path, max: usize) -> (Vec<PathBuf>, bool) {
    let mut walk = Walk { format: None, max, files: Vec::new(), more: false, written: None };
    walk.folder(folder, 0);
    walk.files.sort();
    leave_out_archived(&mut walk.files);
    (walk.files, walk.more)
}

struct Walk {
    format: Option<Format>,
    max: usize,
    files: Vec<PathBuf>,
    more: bool,
    written: Option<(Timestamp, Timestamp)>,
}

impl Walk {
    fn folder(&mut self, folder: &Path, depth: usize) {
        // What cannot be read is none of our business here.
        let Ok(entries) = std::fs::read_dir(folder) else { return };
        for entry in entries.flatten() {
            let (path, Ok(kind)) = (entry.path(), entry.file_type()) else { continue };
            if kind.is_dir() && depth < DEPTH_MAX {
                self.folder(&path, depth + 1);
            } else if kind.is_file() && self.is_wanted(&path) {
                if self.files.len() >= self.max {
                    self.more = true;
                    return;
                }
                if let Some(written) = entry.metadata().ok().and_then(|about| about.modified().ok()).and_then(moment) {
                    let (first, last) = self.written.unwrap_or((written, written));
                    self.written = Some((first.min(written), last.max(written)));
                }
                self.files.push(path);
            }
        }
    }

    fn is_wanted(&self, path: &Path) -> bool {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = name.strip_suffix(".gz").unwrap_or(&name);
        let kind = Path::new(name).extension().unwrap_or_default().to_string_lossy();
        let kinds: &[&str] = match self.format {
            Some(Format::ClaudeCode | Format::Codex) => &["jsonl"],
            Some(Format::Gemini) => {
                return (kind == "json" || kind == "jsonl") && path.iter().any(|part| part == "chats");
            }
            Some(Format::Csv) => &["csv"],
            Some(Format::Ndjson | Format::LiteLlm) => &["json", "jsonl", "ndjson"],
            None => &["json", "jsonl", "ndjson", "csv"],
        };
        kinds.contains(&&*kind)
    }
}

fn moment(time: SystemTime) -> Option<Timestamp> {
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    Some(Timestamp::from_millis(u64::try_from(since.as_millis()).ok()?))
}

/// Of a session that is put away and in use the one in use counts.
fn leave_out_archived(files: &mut Vec<PathBuf>) {
    let active: HashSet<PathBuf> = files.iter().cloned().collect();
    files.retain(|file| {
        let renamed: PathBuf =
            file.iter().map(|part| if part == ARCHIVED.0 { OsStr::new(ARCHIVED.1) } else { part }).collect();
        renamed == *file || !active.contains(&renamed)
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, name: &str, days_old: u64) -> PathBuf {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "{}\n").unwrap();
        let written = UNIX_EPOCH + std::time::Duration::from_millis(1_780_272_000_000 - days_old * DAY_MS);
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(written).unwrap();
        path
    }

    #[test]
    fn each_tools_logs_are_found_in_its_own_places() {
        let root = tempfile::tempdir().unwrap();
        let at = root.path();
        let home = Home { home: Some(at.to_owned()), ..Home::default() };
        assert!(home.logs(Format::ClaudeCode, 10).files.is_empty());
        let claude = [
            write(at, ".claude/projects/-a/s.jsonl", 30),
            write(at, ".claude/projects/-a/sub/agents/t.jsonl", 0),
            write(at, ".config/claude/projects/-b/s.jsonl", 3),
        ];
        write(at, ".claude/projects/-a/notes.txt", 90);
        write(at, ".claude/history.jsonl", 90);
        let found = home.logs(Format::ClaudeCode, 10);
        assert_eq!(found.files, [claude[0].clone(), claude[1].clone(), claude[2].clone()]);
        assert_eq!((found.days(), found.more), (31, false));
        let found = home.logs(Format::ClaudeCode, 2);
        assert_eq!((found.files.len(), found.more), (2, true));
        let gemini = write(at, ".gemini/tmp/shop/chats/a.json", 0);
        write(at, ".gemini/tmp/shop/logs.json", 0);
        assert_eq!(home.logs(Format::Gemini, 10).files, [gemini]);
        let elsewhere = write(at, "one/projects/-c/s.jsonl", 0);
        let more = write(at, "two/projects/-c/s.jsonl", 0);
        let list = format!("{}, {}", at.join("one").display(), at.join("two/projects").display());
        let home = Home { claude: Some(list), ..home };
        assert_eq!(home.logs(Format::ClaudeCode, 10).files, [elsewhere, more]);
    }

    #[test]
    fn a_codex_session_in_use_wins_over_its_archived_copy() {
        let root = tempfile::tempdir().unwrap();
        let at = root.path();
        let active = write(at, "sessions/2026/a.jsonl", 0);
        write(at, "archived_sessions/2026/a.jsonl", 0);
        let archived = write(at, "archived_sessions/2026/b.jsonl", 0);
        let home = Home { codex: Some(at.display().to_string()), ..Home::default() };
        assert_eq!(home.logs(Format::Codex, 10).files, [archived.clone(), active.clone()]);
        assert_eq!(any_files(at, 10).0, [archived, active]);
    }

    #[cfg(unix)]
    #[test]
    fn folders_that_are_one_are_looked_into_once() {
        let root = tempfile::tempdir().unwrap();
        let at = root.path();
        write(at, ".claude/projects/-a/s.jsonl", 0);
        std::fs::create_dir(at.join(".config")).unwrap();
        std::os::unix::fs::symlink(at.join(".claude"), at.join(".config/claude")).unwrap();
        let home = Home { home: Some(at.to_owned()), ..Home::default() };
        assert_eq!(home.logs(Format::ClaudeCode, 10).files.len(), 1);
    }
}
