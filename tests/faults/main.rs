//! What each promise must stand up to: processes killed at every step, media that refuse, power
//! that goes, bytes that flip. `tests/README.md` lists the promises; `AX_SOAK=1` runs the large numbers.

mod backups;
mod flips;
mod journals;
mod kills;
mod medium;
mod outage;
mod power;
mod processes;
mod promises;
mod scenario;
mod steps;
mod support;
mod transitions;
mod witness;
