//! What somebody else put in the place of something of ours: never followed, never waited for. And what
//! we make is ours alone.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use crate::world::{Done, World};

/// The directory of the store.
const STORE: &str = ".local/share/ax/monitor";
/// Longest that a command may take: far more than it does, far less than for ever.
const SECONDS_MAX: u32 = 60;

const EVENTS: &str = "{\"ts\":1763320000000,\"provider\":\"a\",\"model\":\"m\",\"input_tokens\":5}\n";

/// Everything that writes, and the readers that open most.
const COMMANDS: [&str; 9] = [
    "status",
    "record --quiet < events",
    "import ndjson events --quiet",
    "tick --at 2025-11-20T03:00:00Z",
    "prices set m --provider a --input 1 --output 2",
    "budgets set all --limit 5 --period daily",
    "compact",
    "store verify",
    "store backup copy",
];

/// Runs `ax monitor …` in a shell, at most so long.
fn run(world: &World, args: &str) -> Done {
    let bin = Path::new(env!("CARGO_BIN_EXE_ax")).parent().unwrap().display();
    world.shell(&format!("timeout -s KILL {SECONDS_MAX} ax monitor {args}"), &format!("{bin}:/usr/bin:/bin"))
}

/// A store with everything in it, and how its files and folders are called.
fn full() -> (World, Vec<PathBuf>) {
    let world = World::new();
    world.write("events", EVENTS);
    for args in ["import ndjson events --quiet", "prices set m --provider a --input 1 --output 2"] {
        let done = run(&world, args);
        assert_eq!(done.code, Some(0), "{done}");
    }
    let done = run(&world, "record --quiet < events");
    assert_eq!(done.code, Some(0), "{done}");
    let names = walk(&world.path(STORE)).into_keys().collect();
    (world, names)
}

/// All below a folder, by relative name: mode, contents.
fn walk(root: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    fn go(root: &Path, at: &Path, found: &mut BTreeMap<PathBuf, (u32, Vec<u8>)>) {
        for entry in fs::read_dir(at).unwrap().map(Result::unwrap) {
            let (path, about) = (entry.path(), entry.metadata().unwrap());
            let bytes = if about.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
            found.insert(path.strip_prefix(root).unwrap().to_owned(), (about.mode(), bytes));
            if about.is_dir() {
                go(root, &path, found);
            }
        }
    }
    let mut found = BTreeMap::new();
    go(root, root, &mut found);
    found
}

#[derive(Clone, Copy, Debug)]
enum Plant {
    /// A symlink to what was there, moved out of the store.
    Link,
    /// A symlink to nothing.
    Dangling,
    Pipe,
    /// A folder in place of a file, a file in place of a folder.
    OtherSort,
}

fn plant(world: &World, name: &Path, what: Plant) {
    let (place, outside) = (world.path(STORE).join(name), world.path("outside"));
    fs::create_dir(&outside).unwrap();
    let moved = outside.join("moved");
    let was_file = fs::metadata(&place).unwrap().is_file();
    fs::rename(&place, &moved).unwrap();
    match what {
        Plant::Link => symlink(&moved, &place).unwrap(),
        Plant::Dangling => symlink(outside.join("nothing"), &place).unwrap(),
        Plant::OtherSort if was_file => fs::create_dir(&place).unwrap(),
        Plant::OtherSort => fs::write(&place, "not a folder").unwrap(),
        Plant::Pipe => {
            let path = std::ffi::CString::new(place.to_str().unwrap()).unwrap();
            // SAFETY: a path that ends with a zero byte.
            assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
        }
    }
}

fn check(what: Plant) {
    let names = full().1;
    assert!(names.len() >= 8, "{names:?}");
    for at in 0..names.len() {
        let (world, names) = full();
        plant(&world, &names[at], what);
        let before = walk(&world.path("outside"));
        for args in COMMANDS {
            let done = run(&world, args);
            let case = format!("{what:?} as {}: {args}: {done}", names[at].display());
            assert!(matches!(done.code, Some(0 | 1 | 5)), "{case}");
            assert!(!done.err.contains("panicked") && !done.err.contains("made a mistake"), "{case}");
            assert_eq!(before, walk(&world.path("outside")), "{case}");
        }
    }
}

#[test]
fn a_symlink_in_place_of_something_of_ours_is_not_followed() {
    check(Plant::Link);
}

#[test]
fn a_symlink_to_nothing_makes_nothing_elsewhere() {
    check(Plant::Dangling);
}

#[test]
fn a_pipe_in_place_of_something_of_ours_is_not_waited_for() {
    check(Plant::Pipe);
}

#[test]
fn a_folder_in_place_of_a_file_is_an_error() {
    check(Plant::OtherSort);
}

#[test]
fn what_is_in_the_way_is_named() {
    let (world, _) = full();
    plant(&world, Path::new("journal"), Plant::Link);
    insta::assert_snapshot!(run(&world, "status"), @"
    exit 1
    --- stderr
    error: cannot read ~/.local/share/ax/monitor/journal: it is a symlink, and those are not followed here
    hint: move it away, or choose another place with --store
    ");
    let (world, _) = full();
    plant(&world, Path::new("store.id"), Plant::Pipe);
    insta::assert_snapshot!(run(&world, "status"), @"
    exit 1
    --- stderr
    error: cannot open ~/.local/share/ax/monitor/store.id: it is a pipe, a socket or a device
    hint: move it away, or choose another place with --store
    ");
}

/// Names that anybody could guess before we make them.
#[test]
fn a_file_that_is_to_be_made_replaces_and_follows_nothing() {
    let world = World::new();
    world.write("events", EVENTS);
    world.write("victim", "precious");
    symlink(world.path("victim"), world.path("out.csv")).unwrap();
    symlink(world.path("nothing"), world.path("copy")).unwrap();
    fs::create_dir_all(world.path(".config/ax")).unwrap();
    symlink(world.path("nothing"), world.path(".config/ax/monitor.toml")).unwrap();
    assert_eq!(run(&world, "import ndjson events --quiet").code, Some(0));
    for args in ["export --format csv -o out.csv", "store backup copy", "config init"] {
        let done = run(&world, args);
        assert!(matches!(done.code, Some(1 | 2)), "{args}: {done}");
    }
    assert_eq!(fs::read_to_string(world.path("victim")).unwrap(), "precious");
    assert!(!world.path("nothing").exists());
}

#[test]
fn nobody_else_may_read_what_is_made_whatever_the_umask() {
    for umask in ["000", "022", "0777"] {
        let world = World::new();
        world.write("events", EVENTS);
        // A folder of the user's that is open to all becomes private with the store in it.
        fs::DirBuilder::new().recursive(true).mode(0o755).create(world.path(STORE)).unwrap();
        let bin = Path::new(env!("CARGO_BIN_EXE_ax")).parent().unwrap().display();
        for args in COMMANDS.iter().chain(&["export --format csv -o out.csv", "tick --at 2025-12-20T00:00:00Z"]) {
            let line = format!("umask {umask}; ax monitor {args}");
            let done = world.shell(&line, &format!("{bin}:/usr/bin:/bin"));
            assert_eq!(done.code, Some(0), "{umask} {args}: {done}");
        }
        let mut roots = vec![(PathBuf::from(STORE), fs::metadata(world.path(STORE)).unwrap().mode())];
        for made in [STORE, "copy"] {
            roots.extend(walk(&world.path(made)).into_iter().map(|(name, (mode, _))| (name, mode)));
        }
        roots.push(("copy".into(), fs::metadata(world.path("copy")).unwrap().mode()));
        // This one is the user's, who may take rights from himself.
        assert_eq!(fs::metadata(world.path("out.csv")).unwrap().mode() & 0o7177, 0, "{umask}");
        assert!(roots.len() > 12, "{roots:?}");
        for (name, mode) in roots {
            let wanted = if mode & libc::S_IFMT == libc::S_IFDIR { 0o700 } else { 0o600 };
            assert_eq!(mode & 0o7777, wanted, "{umask}: {} has {mode:o}", name.display());
        }
    }
}

/// Who owns a folder can put anything in place of what lies in it.
#[test]
fn a_store_is_not_made_in_a_folder_of_somebody_else() {
    let world = World::new();
    world.write("events", EVENTS);
    let theirs = world.path("theirs");
    fs::create_dir(&theirs).unwrap();
    fs::set_permissions(&theirs, fs::Permissions::from_mode(0o777)).unwrap();
    fs::set_permissions(world.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    if std::os::unix::fs::chown(&theirs, Some(12_345), None).is_err() {
        eprintln!("skipped: only root may give a folder away");
        return;
    }
    let bin = Path::new(env!("CARGO_BIN_EXE_ax")).parent().unwrap().display();
    let line = "setpriv --reuid 54321 --clear-groups ax monitor record --store theirs --provider a";
    let done = world.shell(line, &format!("{bin}:/usr/bin:/bin"));
    insta::assert_snapshot!(done, @"
    exit 1
    --- stderr
    error: cannot open theirs: the directory belongs to another user, number 12345; a store needs one of your own
    hint: move it away, or choose another place with --store
    ");
    assert_eq!(fs::read_dir(&theirs).unwrap().count(), 0);
}
