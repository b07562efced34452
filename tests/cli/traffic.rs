//! An hour of plain traffic in a world: the same every time.

use std::fmt::Write;

use crate::world::World;

/// Start of the hour before [`crate::world::NOW`] in epoch milliseconds.
const START_MS: u64 = 1_763_316_900_000;

/// A world whose store holds an hour of three providers, a cache and a limiter; times are Berlin's.
pub(crate) fn world() -> World {
    let world = World::new().with("AX_MONITOR_TZ", "Europe/Berlin");
    let done = world.feed("import ndjson -", lines().as_bytes());
    assert_eq!((done.code, done.err.as_str()), (Some(0), ""), "{done}");
    world
}

/// 60 minutes of NDJSON: openai fails for 20 minutes and ends slow.
fn lines() -> String {
    let mut out = String::new();
    for minute in 0..60_u64 {
        let at = |second: u64| START_MS + minute * 60_000 + second * 1000;
        for call in 0..4_u64 {
            let ms = 400 + (minute * 37 + call * 211) % 900;
            let model = if call == 3 { "claude-haiku-4-5" } else { "claude-sonnet-4-5" };
            let user = ["alice", "bob"][(call % 2) as usize];
            let _ = writeln!(
                out,
                r#"{{"ts":{},"provider":"claude","model":"{model}","user":"{user}","latency_ms":{ms},"ttft_ms":{},"input_tokens":1200,"output_tokens":{},"cost_usd":0.0081}}"#,
                at(call * 10 + 5),
                ms / 3,
                100 + call
            );
        }
        for call in 0..2_u64 {
            let bad = (35..55).contains(&minute) && call == 1;
            let ms = if minute >= 40 { 2600 } else { 900 } + minute * 10 + call * 333;
            let end = if bad { r#","error":"rate_limited","cost_usd":0"# } else { r#","cost_usd":"0.0125""# };
            let _ = writeln!(
                out,
                r#"{{"ts":{},"provider":"openai","model":"gpt-5","user":"batch-7","latency_ms":{ms},"input_tokens":800,"output_tokens":60{end}}}"#,
                at(call * 20 + 7)
            );
        }
        let _ = writeln!(
            out,
            r#"{{"ts":{},"provider":"gemini","model":"gemini-2.5-flash","latency_ms":{},"cost_usd":0.0006}}"#,
            at(31),
            250 + minute % 7
        );
        let event = if minute % 3 == 0 { r#""miss""# } else { r#""hit","saved_cost_usd":0.004"# };
        let _ = writeln!(out, r#"{{"type":"cache","ts":{},"provider":"claude","event":{event}}}"#, at(40));
        let event = if minute % 10 == 0 { "denied" } else { "allowed" };
        let _ = writeln!(
            out,
            r#"{{"type":"rate_limit","ts":{},"provider":"openai","event":"{event}","key":"team","remaining":5,"limit":60}}"#,
            at(50)
        );
    }
    out
}

/// A screen without the line that tells how long it took, which is the last one where there is one.
pub(crate) fn steady(screen: &str) -> String {
    match screen.find("\nquery  ") {
        Some(at) => format!("{}\nquery …\n", &screen[..at]),
        None => screen.to_owned(),
    }
}
