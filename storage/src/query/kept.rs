//! The groups of an answer that a plan keeps, chosen while they come; all others are added up.

use super::plan::Keep;
use super::series::{Group, Rest};
use crate::bucket::OTHER;

/// Groups so far.
pub(super) struct Kept<'k> {
    keep: Option<&'k Keep>,
    /// Up to twice as many as are kept.
    groups: Vec<Group>,
    rest: Option<Rest>,
    /// The group of events whose names were not kept.
    other: Option<Group>,
}

impl<'k> Kept<'k> {
    /// None yet of `all` that will come.
    pub(super) fn new(keep: Option<&'k Keep>, all: usize) -> Self {
        let room = keep.map_or(all, |keep| all.min(2 * keep.groups + 1));
        Self { keep, groups: Vec::with_capacity(room), rest: None, other: None }
    }

    /// Takes a group.
    pub(super) fn push(&mut self, group: Group) {
        let Some(keep) = self.keep else { return self.groups.push(group) };
        if !group.labels.is_empty() && group.labels.iter().all(|name| **name == *OTHER) {
            self.other = Some(group);
            return;
        }
        self.groups.push(group);
        // Choosing takes a look at each, so it is done once for many.
        if self.groups.len() > 2 * keep.groups {
            self.choose(keep);
        }
    }

    fn choose(&mut self, keep: &Keep) {
        if self.groups.len() <= keep.groups {
            return;
        }
        self.groups.select_nth_unstable_by(keep.groups, |a, b| keep.order.order(a, b));
        let rest = self.rest.get_or_insert_default();
        for group in self.groups.drain(keep.groups..) {
            rest.groups += 1;
            rest.group.merge(&group);
        }
    }

    /// Those that are kept, and the rest if there is one. What counts as `(other)` anyway is part of it then, and
    /// else a group like any.
    pub(super) fn finish(mut self) -> (Vec<Group>, Option<Rest>) {
        if let Some(keep) = self.keep {
            self.choose(keep);
        }
        match (&mut self.rest, self.other) {
            (_, None) => {}
            (Some(rest), Some(other)) => {
                rest.groups += 1;
                rest.group.merge(&other);
            }
            (None, Some(other)) => self.groups.push(other),
        }
        (self.groups, self.rest)
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::{Ordering, Reverse};
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::query::plan::GroupOrder;

    /// Most calls first.
    #[derive(Debug)]
    struct Most;

    impl GroupOrder for Most {
        fn order(&self, a: &Group, b: &Group) -> Ordering {
            let key = |g: &Group| (Reverse(g.total.counts.requests), g.labels.clone());
            key(a).cmp(&key(b))
        }
    }

    fn group(name: &str, requests: u64) -> Group {
        let mut group = Group { labels: vec![name.into()], ..Group::default() };
        group.total.counts.requests = requests;
        group
    }

    proptest! {
        /// What it guards: the groups that come first are kept, whatever the order they come in, and all others are
        /// in the rest, that of names which were not kept too if there is a rest.
        #[test]
        fn the_first_are_kept_and_nothing_is_lost(
            counts in prop::collection::vec(1..50_u64, 0..40),
            most in 0..12_usize,
            other in prop::option::of((0..40_usize, 1..50_u64)),
        ) {
            let mut groups: Vec<Group> =
                counts.iter().enumerate().map(|(i, n)| group(&format!("user {i}"), *n)).collect();
            let mut expected = groups.clone();
            expected.sort_by(|a, b| Most.order(a, b));
            if let Some((at, n)) = other {
                groups.insert(at.min(groups.len()), group(OTHER, n));
            }
            let keep = Keep { groups: most, order: Arc::new(Most) };
            let mut kept = Kept::new(Some(&keep), groups.len());
            groups.iter().for_each(|g| kept.push(g.clone()));
            let (mut kept, rest) = kept.finish();
            prop_assert_eq!(rest.is_some(), counts.len() > most);
            let sum = |groups: &[Group]| groups.iter().map(|g| g.total.counts.requests).sum::<u64>();
            let of_rest = rest.as_ref().map_or((0, 0), |r| (r.groups, r.group.total.counts.requests));
            prop_assert_eq!((kept.len() + of_rest.0, sum(&kept) + of_rest.1), (groups.len(), sum(&groups)));
            kept.retain(|g| *g.labels[0] != *OTHER);
            kept.sort_by(|a, b| Most.order(a, b));
            let names = |groups: &[Group]| groups.iter().map(|g| g.labels.clone()).collect::<Vec<_>>();
            prop_assert_eq!(names(&kept), names(&expected[..most.min(expected.len())]));
        }
    }
}
