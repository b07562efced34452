//! Tests of the judgement as a whole.

mod simulated;
