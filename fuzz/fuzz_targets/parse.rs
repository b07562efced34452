//! Fuzzes `parse`, see `src/queries.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ax_monitor_fuzz::queries::parse(data));
