//! Fuzzes `segment`, see `src/files.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ax_monitor_fuzz::files::segment(data));
