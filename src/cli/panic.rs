//! What a panic looks like: one sentence, never a screen of Rust.
//!
//! A panic inside the database library means that its file is damaged; the engine catches it and
//! makes a proper error of it, so the hook stays silent there. Any other is a mistake of ours.

use std::io::Write;
use std::panic::PanicHookInfo;

use ax_storage::tier::db::in_database;

use crate::error::escaped;

/// Puts the hook in place.
pub(crate) fn install() {
    std::panic::set_hook(Box::new(hook));
}

fn hook(info: &PanicHookInfo<'_>) {
    if in_database() {
        return;
    }
    let payload = info.payload();
    let what = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no reason given");
    let place = info.location().map(|l| format!(" ({}:{})", l.file(), l.line())).unwrap_or_default();
    let _ = writeln!(
        std::io::stderr(),
        "error: ax monitor made a mistake: {}{place}\nhint: please report it; what was recorded is safe",
        escaped(what)
    );
    if std::env::var_os("RUST_BACKTRACE").is_some() {
        let _ = writeln!(std::io::stderr(), "{}", std::backtrace::Backtrace::force_capture());
    }
}
