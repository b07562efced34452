//! How the program is linked.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(own_unwinder)");
    let target = |what: &str| std::env::var(format!("CARGO_CFG_TARGET_{what}")).unwrap_or_default();
    // At a fixed address nothing has to be relocated when it starts: 26,000 addresses on 120 pages, 0.3 ms of
    // the 2 ms that a question takes. The program reads its own user's files and is safe code but for the
    // mapped journal, so an address that cannot be guessed is worth less here than in a server.
    if target("OS") == "linux" && target("ENV") == "gnu" && target("ARCH") == "x86_64" {
        println!("cargo::rustc-link-arg-bins=-no-pie");
        // What unwinds a panic comes as a library of its own, which takes 0.1 ms to load; the compiler that
        // links the program has it as an archive too.
        if has_archive("libgcc_eh.a") {
            println!("cargo::rustc-cfg=own_unwinder");
        }
    }
}

/// Whether the linker has this archive among its own.
fn has_archive(name: &str) -> bool {
    let linker = std::env::var_os("RUSTC_LINKER").unwrap_or_else(|| "cc".into());
    let found = Command::new(linker).arg(format!("-print-file-name={name}")).output();
    // One that it does not have comes back as it was asked for.
    found.is_ok_and(|found| Path::new(String::from_utf8_lossy(&found.stdout).trim()).is_absolute())
}
