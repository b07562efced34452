//! The `ax` program: everything is in the library's `cli`.

// Links the unwinder into the program; see `build.rs`.
#[cfg(own_unwinder)]
#[link(name = "gcc_eh")]
unsafe extern "C" {}

/// Powers for the one library that asks the C library for them (indicatif): without it that library's
/// mathematics need not be loaded, which takes 0.1 ms.
#[unsafe(no_mangle)]
extern "C" fn pow(base: f64, exponent: f64) -> f64 {
    libm::pow(base, exponent)
}

fn main() -> std::process::ExitCode {
    ax_monitor::cli::main()
}
