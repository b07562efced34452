//! See `foreign::logs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ax_monitor_fuzz::foreign::logs(data));
