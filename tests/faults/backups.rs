//! A backup killed before each of its steps, and with each of them refused: the copy is whole or not
//! there, and the store is as it was.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ax_storage::Store;

use crate::flips::small_store;
use crate::scenario::{Totals, ask};
use crate::steps::changes;
use crate::support::{End, Hooked, alone, copy as copy_folder, die, folder, fork};

fn whole(store: &Store, all: Totals) {
    assert_eq!(ask(store), all);
    assert_eq!(store.verify(&mut |_| ()).unwrap().problems, []);
}

/// Whether there is a copy; if there is, it is whole.
fn copied(copy: &Path, all: Totals) -> bool {
    let there = copy.exists();
    if there {
        whole(&Store::open(copy).unwrap(), all);
    }
    there
}

#[test]
fn a_backup_killed_at_every_step() {
    alone("backups::a_backup_killed_at_every_step", || {
        let root = folder();
        let store = small_store(&root.path().join("store"));
        let all = ask(&store);
        for n in 1.. {
            let copies = folder();
            let copy = copies.path().join("copy");
            let end = fork(|| {
                let steps = AtomicU64::new(0);
                let _hooked = Hooked::new(move |step| {
                    if changes(step) && steps.fetch_add(1, Ordering::SeqCst) + 1 == n {
                        die();
                    }
                    Ok(())
                });
                store.backup(&copy, &mut |_, _| ()).unwrap();
            })
            .wait();
            assert!(matches!(end, End::Done | End::Signal(libc::SIGKILL)), "step {n}: {end:?}");
            let there = copied(&copy, all);
            if end == End::Done {
                println!("{} steps", n - 1);
                assert!(there && n > 50);
                // To restore is to copy.
                let restored = copies.path().join("restored");
                copy_folder(&copy, &restored);
                assert!(copied(&restored, all));
                break;
            }
        }
        whole(&store, all);
    });
}

#[test]
fn a_backup_refused_at_every_step() {
    alone("backups::a_backup_refused_at_every_step", || {
        let root = folder();
        let store = small_store(&root.path().join("store"));
        let all = ask(&store);
        for n in 1.. {
            let copies = folder();
            let copy = copies.path().join("copy");
            let steps = Arc::new(AtomicU64::new(0));
            let said = {
                let steps = Arc::clone(&steps);
                let _hooked = Hooked::new(move |_| {
                    let refused = steps.fetch_add(1, Ordering::SeqCst) + 1 == n;
                    if refused { Err(io::Error::from_raw_os_error(libc::ENOSPC)) } else { Ok(()) }
                });
                store.backup(&copy, &mut |_, _| ())
            };
            let there = copy.exists();
            match said {
                // Nothing is damaged, so nothing may be left out.
                Ok(backup) => assert!(backup.problems.is_empty() && copied(&copy, all), "step {n}: {backup:?}"),
                Err(error) => {
                    copied(&copy, all);
                    let text = error.to_string();
                    let named = [root.path(), copies.path()].iter().any(|dir| text.contains(dir.to_str().unwrap()));
                    assert!(named, "step {n}: which file? {text}");
                }
            }
            let left = std::fs::read_dir(copies.path()).unwrap().count();
            assert_eq!(left, usize::from(there), "step {n}: something was left");
            if steps.load(Ordering::SeqCst) < n {
                println!("{} steps", n - 1);
                break;
            }
        }
        whole(&store, all);
    });
}
