//! Fuzzes `journal`, see `src/lib.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ax_monitor_fuzz::journal(data));
