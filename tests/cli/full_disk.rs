//! Media that are full or read-only, and limits on files: errors that say what to do, nothing lost, nothing
//! twice, and all is well once there is room.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::world::{Done, World};

/// Set in a process that may mount.
const INNER: &str = "AX_TEST_MOUNTS";

/// Runs a test where it may mount: here as root, else in namespaces of its own, else not at all.
fn mounting(test: &str, body: impl FnOnce()) {
    // SAFETY: a system call that cannot fail.
    if unsafe { libc::geteuid() } == 0 || std::env::var_os(INNER).is_some() {
        return body();
    }
    let here = std::env::current_exe().unwrap();
    let may = Command::new("unshare").args(["-Urm", "true"]).output().is_ok_and(|done| done.status.success());
    if !may {
        eprintln!("skipped: only root may mount a small file system");
        return;
    }
    let mut inner = Command::new("unshare");
    let output = inner.arg("-Urm").arg(here).args([test, "--exact", "--nocapture"]).env(INNER, "1").output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}

/// A file system of 3 MiB, unmounted in the end.
struct Small(PathBuf);

impl Small {
    fn mount(at: &Path) -> Self {
        std::fs::create_dir_all(at).unwrap();
        let small = Self(at.to_owned());
        small.run(&["-t", "tmpfs", "-o", "size=3m", "tmpfs"]);
        small
    }

    fn run(&self, args: &[&str]) {
        assert!(Command::new("mount").args(args).arg(&self.0).status().unwrap().success(), "mount {args:?}");
    }

    /// Leaves so many bytes free.
    fn fill(&self, free: u64) {
        let path = self.0.join("filler");
        let _ = std::fs::remove_file(&path);
        std::fs::write(&path, vec![1; 4 << 20]).unwrap_err();
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        let bytes = file.metadata().unwrap().len();
        file.set_len(bytes.saturating_sub(free)).unwrap();
    }

    /// Makes room for anything.
    fn grow(&self) {
        self.run(&["-o", "remount,size=256m"]);
    }

    fn clear(&self) {
        std::fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Events of a provider, each of a model of its own: they take much room in the tiers.
fn events(provider: &str, count: u64) -> String {
    let ts = |i: u64| 1_763_300_000_000 + i * 100;
    let line = |i: u64| {
        let latency = i * 7 % 999_983;
        format!(
            "{{\"ts\":{},\"provider\":\"{provider}{}\",\"model\":\"m{i}\",\"latency_ms\":{latency}}}\n",
            ts(i),
            i % 50
        )
    };
    (0..count).map(line).collect()
}

fn requests(world: &World) -> u64 {
    let done = world.run("metrics requests --range 7d --json --store disk/store");
    done.json()["data"][0]["value"].as_u64().unwrap_or_else(|| panic!("{done}"))
}

/// It went well, or says which file, why, and what to do.
fn clear(done: &Done, why: &str, way_out: &str, what: &str) {
    assert!(!done.err.contains("panicked") && !done.err.contains("made a mistake"), "{what}: {done}");
    if done.code == Some(0) {
        return;
    }
    assert_eq!(done.code, Some(1), "{what}: {done}");
    for part in ["disk/", why, way_out] {
        assert!(done.err.contains(part), "{what}: it does not say {part}: {done}");
    }
}

#[test]
fn recording_and_importing_onto_a_full_disk_costs_no_event_that_was_taken() {
    mounting("full_disk::recording_and_importing_onto_a_full_disk_costs_no_event_that_was_taken", || {
        let world = World::new();
        let disk = Small::mount(&world.path("disk"));
        let lines = events("p", 120_000);
        let first = world.feed("record --store disk/store --quiet", b"{\"ts\":1763319000000,\"provider\":\"first\"}\n");
        assert_eq!(first.code, Some(0), "{first}");

        let done = world.feed("import ndjson - --store disk/store", lines.as_bytes());
        assert_eq!(done.code, Some(1), "{done}");
        clear(&done, "No space left", "free some space", "import");
        // Whole chunks of it may be in the store.
        let taken = requests(&world) - 1;
        assert!(taken < 120_000, "{taken}");

        let done = world.feed("record --store disk/store --json", lines.as_bytes());
        let json = done.json();
        let dropped: u64 = json["dropped"].as_object().unwrap().values().filter_map(serde_json::Value::as_u64).sum();
        assert_eq!((done.code, json["dropped"]["disk_full"].as_u64()), (Some(1), Some(dropped)), "{done}");
        let recorded = json["recorded"].as_u64().unwrap();
        assert_eq!(recorded + dropped, 120_000, "{done}");
        assert_eq!(requests(&world), recorded + taken + 1);

        disk.grow();
        let done = world.feed("import ndjson - --store disk/store --json", lines.as_bytes());
        assert_eq!(done.json()["imported"], 120_000 - taken, "{done}");
        assert_eq!(requests(&world), recorded + 120_000 + 1);
    });
}

/// Everything that writes, with more and less room, so that it ends at different steps.
#[test]
fn upkeep_on_a_full_disk_loses_and_doubles_nothing() {
    mounting("full_disk::upkeep_on_a_full_disk_loses_and_doubles_nothing", || {
        for free_kib in [0, 4, 16, 64, 160, 320, 640] {
            let world = World::new();
            let disk = Small::mount(&world.path("disk"));
            world.write("more.ndjson", &events("q", 2000));
            let done = world.feed("record --store disk/store --quiet", events("p", 2000).as_bytes());
            assert_eq!(done.code, Some(0), "{done}");
            assert_eq!(requests(&world), 2000);
            let mut imported = 0;
            for args in [
                "tick --at 2025-11-17T03:00:00Z",
                "import ndjson more.ndjson",
                "compact",
                "prices set m1 --provider p1 --input 1 --output 2",
                "budgets set all --limit 5 --period daily",
                "alerts create --name busy --when requests>5",
                "store backup disk/copy",
                "export --format csv -o disk/out.csv",
                "store set-retention raw=30d",
                "status",
                "events",
                "store info",
            ] {
                disk.fill(free_kib << 10);
                let done = world.run(&format!("{args} --store disk/store"));
                clear(&done, "No space left", "free some space", &format!("{free_kib} KiB: {args}"));
                imported += if args.starts_with("import") && done.code == Some(0) { 2000 } else { 0 };
                assert_eq!(requests(&world), 2000 + imported, "{free_kib} KiB: after {args}: {done}");
                for left in ["copy", "out.csv"] {
                    let path = world.path("disk").join(left);
                    let _ = std::fs::remove_dir_all(&path).or_else(|_| std::fs::remove_file(&path));
                }
            }
            disk.clear();
            for args in
                ["tick --at 2025-11-17T03:00:00Z", "import ndjson more.ndjson", "compact", "store verify --deep"]
            {
                let done = world.run(&format!("{args} --store disk/store"));
                assert_eq!(done.code, Some(0), "{free_kib} KiB: {args}: {done}");
            }
            assert_eq!(requests(&world), 4000, "{free_kib} KiB");
        }
    });
}

#[test]
fn a_read_only_medium_answers_and_says_what_it_cannot_do() {
    mounting("full_disk::a_read_only_medium_answers_and_says_what_it_cannot_do", || {
        let world = World::new();
        let disk = Small::mount(&world.path("disk"));
        world.write("more.ndjson", &events("q", 10));
        assert_eq!(
            world.feed("import ndjson - --store disk/store --quiet", events("p", 1000).as_bytes()).code,
            Some(0)
        );
        disk.run(&["-o", "remount,ro"]);
        for args in ["status", "events", "costs", "export", "store info", "store verify --deep", "alerts", "budgets"] {
            let done = world.run(&format!("{args} --store disk/store"));
            assert_eq!(done.code, Some(0), "{args}: {done}");
        }
        assert_eq!(requests(&world), 1000);
        for args in [
            "tick",
            "import ndjson more.ndjson",
            "compact",
            "prices set m --provider p --input 1 --output 2",
            "budgets set all --limit 5 --period daily",
            "store set-retention raw=30d",
            "store backup disk/copy",
        ] {
            let done = world.run(&format!("{args} --store disk/store"));
            assert_eq!(done.code, Some(1), "{args}: {done}");
            clear(&done, "Read-only file system", "the file system is read-only", args);
        }
        let done = world.feed("record --store disk/store --json", events("q", 10).as_bytes());
        assert_eq!((done.code, done.json()["dropped"]["read_only"].as_u64()), (Some(1), Some(10)), "{done}");
        disk.run(&["-o", "remount,rw"]);
        assert_eq!(world.run("import ndjson more.ndjson --store disk/store --quiet").code, Some(0));
        assert_eq!(requests(&world), 1010);
    });
}

/// Runs a command under a limit, such as `--nofile=8`.
fn limited(world: &World, limit: &str, args: &str) -> Done {
    let bin = Path::new(env!("CARGO_BIN_EXE_ax")).parent().unwrap().display();
    let line = format!("prlimit {limit} ax monitor {args} --store disk/store");
    world.shell(&line, &format!("{bin}:/usr/bin:/bin"))
}

const LIMITED: [&str; 8] = [
    "record --quiet < more.ndjson",
    "tick --at 2025-11-17T03:00:00Z",
    "import ndjson more.ndjson --quiet",
    "compact",
    "status",
    "metrics latency --by model --range 7d",
    "store verify --deep",
    "prices set m --provider p --input 1 --output 2",
];

/// To write beyond the limit is a deadly signal where nobody minds it.
#[test]
fn a_limit_on_file_sizes_is_an_error_and_no_signal() {
    for kib in [0, 1, 4, 32, 256, 1024] {
        let world = World::new();
        world.write("more.ndjson", &events("q", 2000));
        assert_eq!(world.feed("record --store disk/store --quiet", events("p", 2000).as_bytes()).code, Some(0));
        for args in LIMITED {
            let done = limited(&world, &format!("--fsize={}", kib << 10), args);
            let what = format!("{kib} KiB: {args}: {done}");
            assert!(matches!(done.code, Some(0 | 1)), "{what}");
            assert!(!done.err.contains("panicked") && !done.err.contains("made a mistake"), "{what}");
            assert!(
                done.code == Some(0) || done.err.contains("File too large") || done.err.contains("ulimit -f"),
                "{what}"
            );
        }
        for args in ["tick --at 2025-11-17T03:00:00Z", "store verify --deep"] {
            let done = world.run(&format!("{args} --store disk/store"));
            assert_eq!(done.code, Some(0), "{kib} KiB: {args}: {done}");
        }
        assert!(requests(&world) >= 2000, "{kib} KiB");
    }
}

#[test]
fn a_limit_on_open_files_is_an_error_that_says_so() {
    let world = World::new();
    world.write("more.ndjson", &events("q", 2000));
    assert_eq!(world.feed("record --store disk/store --quiet", events("p", 2000).as_bytes()).code, Some(0));
    for files in 4..16 {
        for args in LIMITED {
            let done = limited(&world, &format!("--nofile={files}"), args);
            let what = format!("{files} files: {args}: {done}");
            assert!(matches!(done.code, Some(0 | 1)), "{what}");
            assert!(!done.err.contains("panicked") && !done.err.contains("made a mistake"), "{what}");
            let said = done.err.contains("Too many open files") || done.err.contains("ulimit -n");
            assert!(done.code == Some(0) || said, "{what}");
        }
    }
    for args in ["tick --at 2025-11-17T03:00:00Z", "store verify --deep"] {
        let done = world.run(&format!("{args} --store disk/store"));
        assert_eq!(done.code, Some(0), "{args}: {done}");
    }
    assert!(requests(&world) >= 2000);
}
