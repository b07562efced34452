//! The `ax` program: everything is in the library's `cli`.

fn main() -> std::process::ExitCode {
    ax_monitor::cli::main()
}
