//! Replays the seeds of the fuzz targets of files that others write: logs and price lists, whole, cut and changed.

#[path = "../fuzz/src/foreign.rs"]
#[expect(unreachable_pub, reason = "a library for the fuzzer")]
mod foreign;

use std::path::Path;

/// Every seed as it is, cut short at many places, and with a byte changed there.
fn replay(target: &str, seeds_min: usize, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let entries = std::fs::read_dir(folder).expect("seeds are in the repository");
    let seeds: Vec<Vec<u8>> = entries.map(|entry| std::fs::read(entry.unwrap().path()).unwrap()).collect();
    assert!(seeds.len() >= seeds_min, "seeds of {target} are gone");
    for seed in seeds {
        run(&seed);
        // A step that shares no factor with the length of lines reaches all places of them.
        for at in (0..seed.len()).step_by(13) {
            run(&seed[..at]);
            let mut changed = seed.clone();
            changed[at] ^= 0x0d;
            run(&changed);
        }
    }
}

#[test]
fn any_log_is_read_or_refused() {
    assert_eq!(b'0' % foreign::FORMATS.len() as u8, 0, "seeds begin with a digit: the format's place");
    replay("logs", 10, foreign::logs);
}

#[test]
fn any_price_file_is_read_or_refused() {
    replay("prices", 5, foreign::prices);
}
