//! Fuzzes queries over a store that is made once a process, see `src/answers.rs`.
#![no_main]

use std::sync::LazyLock;

use ax_monitor::Store;
use ax_monitor_fuzz::answers::Stage;

static STAGE: LazyLock<(Stage, Store)> = LazyLock::new(|| {
    let stage = Stage::new();
    stage.pass();
    let store = stage.store();
    (stage, store)
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (stage, store) = &*STAGE;
    drop(stage.ask(store, &Stage::text(data), data));
});
