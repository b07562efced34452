//! What each promise must stand up to: processes killed at every step, media that refuse, power
//! that goes, bytes that flip. `tests/README.md` lists the promises; `AX_SOAK=1` runs the large numbers.

#![expect(dead_code, reason = "tests that use the rest are on their way")]

mod flips;
mod medium;
mod power;
mod scenario;
mod steps;
mod support;
mod witness;
