//! Views computed from made-up series.
