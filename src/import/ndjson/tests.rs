//! Refusals by table, and the two readers held against each other.

use super::*;
