//! A life of a store, stopped at each step on a file, and with each step refused.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ax_storage::fs::Step;
use ax_storage::journal::JournalKind;

use crate::scenario::Life;
use crate::support::{End, Hooked, Page, alone, die, folder, fork, soak};

pub(crate) fn changes(step: Step<'_>) -> bool {
    !matches!(step, Step::Open(_) | Step::Read(_))
}

/// Kills the process before its step `n` for every `stride`-th `n`, until it lives to the end.
fn killed_at_every_step(kind: JournalKind, stride: usize) {
    for n in (1..).step_by(stride) {
        let (root, page) = (folder(), Page::new());
        let dir = root.path().join("store");
        let end = fork(|| {
            let steps = AtomicU64::new(0);
            let _hooked = Hooked::new(move |step| {
                if changes(step) && steps.fetch_add(1, Ordering::SeqCst) + 1 == n {
                    die();
                }
                Ok(())
            });
            Life::new(&dir, kind, &page[..]).live().unwrap();
        })
        .wait();
        assert!(matches!(end, End::Done | End::Signal(libc::SIGKILL)), "step {n}: {end:?}");
        let checked = catch_unwind(AssertUnwindSafe(|| Life::new(&dir, kind, &page[..]).check(true)));
        assert!(checked.is_ok(), "{kind:?}, killed before step {n}");
        if end == End::Done {
            println!("{kind:?}: {} steps", n - 1);
            assert!(n > 100);
            return;
        }
    }
}

#[test]
fn killed_at_every_step_written() {
    alone("steps::killed_at_every_step_written", || killed_at_every_step(JournalKind::Written, 1));
}

#[test]
fn killed_at_every_step_mapped() {
    // Most steps are those of the other kind.
    let stride = if soak() { 1 } else { 3 };
    alone("steps::killed_at_every_step_mapped", || killed_at_every_step(JournalKind::Mapped, stride));
}

/// What the system says to a step, as far as it can.
fn refusal(step: Step<'_>, turn: u64) -> i32 {
    match (step, turn % 3) {
        (Step::Open(_) | Step::Create(_), 0) => libc::EMFILE,
        (Step::Create(_) | Step::MakeDir(_) | Step::Write(_) | Step::Resize(_) | Step::Rename(..), 1) => libc::ENOSPC,
        _ => libc::EIO,
    }
}

/// Refuses every `stride`-th of the steps that are `wanted`, once or from then on, until none is left.
fn refused(wanted: fn(Step<'_>) -> bool, stride: u64, forever: bool) {
    let mut n = 1;
    let mut refused = 0;
    loop {
        let (root, page) = (folder(), Page::new());
        let dir = root.path().join("store");
        let life = Life::new(&dir, JournalKind::Written, &page[..]);
        let steps = Arc::new(AtomicU64::new(0));
        let said = {
            let steps = Arc::clone(&steps);
            let _hooked = Hooked::new(move |step| {
                if !wanted(step) {
                    return Ok(());
                }
                let at = steps.fetch_add(1, Ordering::SeqCst) + 1;
                if at == n || (forever && at > n) {
                    return Err(io::Error::from_raw_os_error(refusal(step, n)));
                }
                Ok(())
            });
            catch_unwind(AssertUnwindSafe(|| life.live()))
        };
        match said {
            Err(_) => panic!("a panic after step {n} was refused"),
            Ok(Err(error)) => {
                refused += 1;
                let text = error.to_string();
                let named = text.contains(root.path().to_str().unwrap());
                assert!(named, "step {n}: which file? {text}");
                assert!(!text.contains("damaged"), "step {n}: nothing is damaged: {text}");
            }
            Ok(Ok(())) => {}
        }
        let checked = catch_unwind(AssertUnwindSafe(|| life.check(false)));
        assert!(checked.is_ok(), "step {n} was refused {}", if forever { "for ever" } else { "once" });
        if steps.load(Ordering::SeqCst) < n {
            println!("{n} steps, {refused} errors");
            return;
        }
        n += stride;
    }
}

/// Steps that only read are many, and much alike.
fn strides(ci: u64) -> u64 {
    if soak() { 1 } else { ci }
}

#[test]
fn refused_once_at_every_step() {
    alone("steps::refused_once_at_every_step", || refused(|_| true, strides(5), false));
}

#[test]
fn refused_for_ever_from_every_step() {
    alone("steps::refused_for_ever_from_every_step", || refused(|_| true, strides(7), true));
}

/// A journal that cannot be opened for a moment is not forgotten.
#[test]
fn refused_once_at_every_opening_of_an_event_file() {
    let events = |step: Step<'_>| match step {
        Step::Open(path) => path.extension().is_some_and(|e| e == "axj" || e == "axs"),
        _ => false,
    };
    alone("steps::refused_once_at_every_opening_of_an_event_file", || refused(events, 1, false));
}
