//! See `foreign::prices`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ax_monitor_fuzz::foreign::prices(data));
