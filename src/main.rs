//! The `ax` program: everything is in the library's `cli`.

// Links the unwinder into the program; see `build.rs`.
#[cfg(own_unwinder)]
#[link(name = "gcc_eh")]
unsafe extern "C" {}

fn main() -> std::process::ExitCode {
    ax_monitor::cli::main()
}
