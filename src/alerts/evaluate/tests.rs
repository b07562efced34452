//! The pass over all rules, over a store on a manual clock.
