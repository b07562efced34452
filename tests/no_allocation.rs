//! Recording allocates nothing once its names are known. In a binary of its own: it counts.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

use ax_monitor::collector::{JournalKind, Options};
use ax_monitor::{Cache, Collector, Event, Measurement, NanoUsd, Outcome, RateLimit, Request, Tokens};

struct Counting;

thread_local! {
    /// Allocations of this thread; the helper may have its own.
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    let _ = COUNT.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: everything is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        count();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(ptr, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn recording_allocates_nothing() {
    for kind in [JournalKind::Mapped, JournalKind::Written] {
        let dir = tempfile::tempdir().unwrap();
        let mut options = Options::default();
        options.journal = kind;
        let collector = Collector::open_with(dir.path(), options).unwrap();
        let series = collector.series("claude", "sonnet", "alice");
        let request = Request {
            provider: "openai",
            model: "gpt",
            user: "bob",
            latency: Some(Duration::from_millis(3)),
            cost: Some(NanoUsd::from_nanos(5)),
            tokens: Tokens { input: 4, ..Tokens::default() },
            ..Request::default()
        };
        let failed = Request { outcome: Outcome::Error("timeout"), service_tier: "batch", ..request };
        let tokens = Tokens { input: 1200, cached: 500, output: 300, ..Tokens::default() };
        let model = "claude-sonnet-4-5-20250929";
        let priced = Request { provider: "claude", model, tokens, service_tier: "batch", cost: None, ..request };
        let priced_series = collector.series("claude", model, "alice");
        let cache = Cache { provider: "openai", hit: true, key: "k", ..Cache::default() };
        let limit = RateLimit { user: "bob", allowed: true, key: "k", limit_type: "rpm", ..RateLimit::default() };
        let round = || {
            series.record(&Measurement::default());
            collector.record(&Event::Request(request));
            collector.record(&Event::Request(failed));
            collector.record(&Event::Request(priced));
            priced_series.record(&Measurement { tokens, ..Measurement::default() });
            collector.record(&Event::Cache(cache));
            collector.record(&Event::RateLimit(limit));
            collector.start("openai", "gpt").ok();
        };
        round();
        let before = COUNT.get();
        // About 10 MiB: many pieces of space, one file.
        (0..20_000).for_each(|_| round());
        assert_eq!(COUNT.get() - before, 0, "{kind:?}");
        let health = collector.health();
        assert_eq!((health.recorded, health.dropped_by_reason), (20_001 * 8, vec![]), "{kind:?}");
    }
}
