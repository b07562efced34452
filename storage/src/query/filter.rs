//! A plan's filter, made ready for one kind of events.
//!
//! Some labels are the same for every event of a kind (a call has no cache key), so a filter is first
//! simplified for the kind: what is left tells which labels and numbers must be known, and so which
//! source can answer. Names are then judged once each: the answer is kept by the name's id.

use std::collections::HashSet;

use foldhash::fast::RandomState;

use super::names::{LabelNames, LabelSet, Labels};
use super::plan::{Compare, Filter, Label, NameTest};
use crate::bucket::Measure;
use crate::row::NameId;

/// Kinds of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Request,
    Cache,
    Rate,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Request, Self::Cache, Self::Rate];

    /// Labels that events of the kind can have.
    pub(crate) const fn labels(self) -> LabelSet {
        const COMMON: LabelSet = LabelSet::of(&[Label::Provider, Label::Model, Label::User]);
        COMMON.and(match self {
            Self::Request => LabelSet::of(&[Label::Status, Label::Error, Label::ServiceTier]),
            Self::Cache => LabelSet::of(&[Label::Key]),
            Self::Rate => LabelSet::of(&[Label::Key, Label::Kind]),
        })
    }

    /// Whether events of the kind can have the number.
    pub(crate) const fn measures(self, measure: Measure) -> bool {
        match self {
            Self::Request => (measure as usize) < Measure::IN_REQUESTS,
            Self::Cache => matches!(measure, Measure::SavedCost | Measure::SavedTokens),
            Self::Rate => matches!(measure, Measure::Utilization),
        }
    }
}

/// A filter for one kind of events.
#[derive(Debug)]
pub(crate) struct Condition<'p> {
    node: Node,
    leaves: Vec<Leaf<'p>>,
}

/// A tree of conditions; constants occur only at its root.
#[derive(Clone, Debug, PartialEq)]
enum Node {
    Const(bool),
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    Name(Label, usize),
    /// The names of these labels together.
    Among(Vec<Label>, usize),
    Number(Measure, Compare, u64),
}

/// A condition on names with its answers so far.
#[derive(Debug)]
struct Leaf<'p> {
    test: Test<'p>,
    /// By id: 0 not asked yet, 1 no, 2 yes.
    answers: Vec<u8>,
}

#[derive(Debug)]
enum Test<'p> {
    In(HashSet<&'p str, RandomState>),
    Passes(&'p dyn NameTest),
    Among(HashSet<Texts<'p>, RandomState>),
}

/// Names by [`Label`] as a number; empty where nobody asks.
type Texts<'a> = [&'a str; Label::ALL.len()];

impl Test<'_> {
    fn holds(&self, name: &str) -> bool {
        match self {
            Self::In(set) => set.contains(name),
            Self::Passes(test) => test.test(name),
            // These are not asked name by name.
            Self::Among(_) => false,
        }
    }
}

impl<'p> Condition<'p> {
    /// `filter` for events of `kind`.
    pub(crate) fn new(filter: &'p Filter, kind: Kind) -> Self {
        let mut leaves = Vec::new();
        let node = simplify(filter, kind, &mut leaves);
        Self { node, leaves }
    }

    /// No event of the kind matches.
    pub(crate) fn is_never(&self) -> bool {
        self.node == Node::Const(false)
    }

    /// Labels it asks for.
    pub(crate) fn labels(&self) -> LabelSet {
        let mut set = LabelSet::default();
        self.node.visit(&mut |node| match node {
            Node::Name(label, _) => set = set.with(*label),
            Node::Among(labels, _) => set = set.and(LabelSet::of(labels)),
            _ => {}
        });
        set
    }

    /// The numbers it asks for.
    pub(crate) fn numbers(&self) -> Vec<Measure> {
        let mut list = Vec::new();
        self.node.visit(&mut |node| {
            if let Node::Number(measure, ..) = node {
                list.push(*measure);
            }
        });
        list
    }

    /// Comparisons that must all hold.
    pub(crate) fn comparisons(&self) -> Vec<(Measure, Compare, u64)> {
        let parts = self.parts().iter();
        parts.filter_map(|n| if let Node::Number(m, c, v) = n { Some((*m, *c, *v)) } else { None }).collect()
    }

    /// Labels whose names alone can decide against an event, with what [`Condition::accepts`] takes.
    pub(crate) fn name_tests(&self) -> Vec<(Label, usize)> {
        let parts = self.parts().iter();
        parts.filter_map(|n| if let Node::Name(label, leaf) = n { Some((*label, *leaf)) } else { None }).collect()
    }

    /// Whether name test number `leaf` accepts a name.
    pub(crate) fn accepts(&mut self, names: &LabelNames, leaf: usize, id: NameId) -> bool {
        self.leaves[leaf].holds(names, id)
    }

    /// Nothing but comparisons and name tests that must all hold.
    pub(crate) fn is_plain(&self) -> bool {
        self.parts().iter().all(|n| matches!(n, Node::Number(..) | Node::Name(..)))
    }

    /// The parts of a conjunction.
    fn parts(&self) -> &[Node] {
        match &self.node {
            Node::And(list) => list,
            Node::Const(true) => &[],
            other => std::slice::from_ref(other),
        }
    }

    /// Whether an event with these labels and numbers matches.
    #[inline]
    pub(crate) fn holds(
        &mut self,
        names: &LabelNames,
        labels: &Labels,
        number: &impl Fn(Measure) -> Option<u64>,
    ) -> bool {
        match &self.node {
            Node::Const(always) => *always,
            node => node.holds(&mut self.leaves, names, labels, number),
        }
    }

    /// Whether an event can match when only the labels in `known` are known.
    pub(crate) fn may_hold(&mut self, names: &LabelNames, labels: &Labels, known: LabelSet) -> bool {
        self.node.may_hold(&mut self.leaves, names, labels, known) != Some(false)
    }
}

/// Whether `value` compares so with `with`.
#[inline]
pub(crate) fn compares(value: u64, compare: Compare, with: u64) -> bool {
    match compare {
        Compare::Equal => value == with,
        Compare::NotEqual => value != with,
        Compare::Less => value < with,
        Compare::LessOrEqual => value <= with,
        Compare::Greater => value > with,
        Compare::GreaterOrEqual => value >= with,
    }
}

impl Leaf<'_> {
    /// Whether the names of several labels together pass.
    fn holds_together(&self, names: &LabelNames, labels: &[Label], ids: &Labels) -> bool {
        let Test::Among(set) = &self.test else { return false };
        let mut texts = Texts::default();
        for label in labels {
            texts[*label as usize] = names.get(ids[*label as usize]);
        }
        set.contains(&texts)
    }

    #[inline]
    fn holds(&mut self, names: &LabelNames, id: NameId) -> bool {
        let at = id as usize;
        if let Some(&answer) = self.answers.get(at)
            && answer != 0
        {
            return answer == 2;
        }
        if self.answers.len() <= at {
            self.answers.resize(at + 1, 0);
        }
        let yes = self.test.holds(names.get(id));
        self.answers[at] = if yes { 2 } else { 1 };
        yes
    }
}

impl Node {
    fn visit(&self, each: &mut impl FnMut(&Self)) {
        each(self);
        match self {
            Self::And(list) | Self::Or(list) => list.iter().for_each(|n| n.visit(each)),
            Self::Not(inner) => inner.visit(each),
            Self::Const(_) | Self::Name(..) | Self::Among(..) | Self::Number(..) => {}
        }
    }

    fn holds(
        &self,
        leaves: &mut [Leaf<'_>],
        names: &LabelNames,
        labels: &Labels,
        number: &impl Fn(Measure) -> Option<u64>,
    ) -> bool {
        match self {
            Self::Const(always) => *always,
            Self::And(list) => list.iter().all(|n| n.holds(leaves, names, labels, number)),
            Self::Or(list) => list.iter().any(|n| n.holds(leaves, names, labels, number)),
            Self::Not(inner) => !inner.holds(leaves, names, labels, number),
            Self::Name(label, leaf) => leaves[*leaf].holds(names, labels[*label as usize]),
            Self::Among(of, leaf) => leaves[*leaf].holds_together(names, of, labels),
            Self::Number(measure, compare, with) => number(*measure).is_some_and(|v| compares(v, *compare, *with)),
        }
    }

    /// `None` = it depends on what is not known.
    fn may_hold(&self, leaves: &mut [Leaf<'_>], names: &LabelNames, labels: &Labels, known: LabelSet) -> Option<bool> {
        let mut all = |list: &[Self], deciding: bool| {
            let mut open = false;
            for node in list {
                match node.may_hold(leaves, names, labels, known) {
                    Some(answer) if answer == deciding => return Some(deciding),
                    Some(_) => {}
                    None => open = true,
                }
            }
            if open { None } else { Some(!deciding) }
        };
        match self {
            Self::Const(always) => Some(*always),
            Self::And(list) => all(list, false),
            Self::Or(list) => all(list, true),
            Self::Not(inner) => inner.may_hold(leaves, names, labels, known).map(|answer| !answer),
            Self::Name(label, leaf) if known.has(*label) => Some(leaves[*leaf].holds(names, labels[*label as usize])),
            Self::Among(of, leaf) if of.iter().all(|label| known.has(*label)) => {
                Some(leaves[*leaf].holds_together(names, of, labels))
            }
            Self::Name(..) | Self::Among(..) | Self::Number(..) => None,
        }
    }
}

fn simplify<'p>(filter: &'p Filter, kind: Kind, leaves: &mut Vec<Leaf<'p>>) -> Node {
    let mut name = |label: &Label, test: Test<'p>| {
        if !kind.labels().has(*label) {
            return Node::Const(test.holds(""));
        }
        leaves.push(Leaf { test, answers: Vec::new() });
        Node::Name(*label, leaves.len() - 1)
    };
    match filter {
        Filter::All => Node::Const(true),
        Filter::In(label, list) => name(label, Test::In(list.iter().map(|n| &**n).collect())),
        Filter::Among(labels, list) => among(labels, list, kind, leaves),
        Filter::Test(label, test) => name(label, Test::Passes(&**test)),
        Filter::Number(measure, compare, with) if kind.measures(*measure) => Node::Number(*measure, *compare, *with),
        Filter::Number(..) => Node::Const(false),
        Filter::Not(inner) => match simplify(inner, kind, leaves) {
            Node::Const(always) => Node::Const(!always),
            node => Node::Not(Box::new(node)),
        },
        Filter::And(list) => join(list, kind, leaves, false),
        Filter::Or(list) => join(list, kind, leaves, true),
    }
}

/// Labels that the kind cannot have are empty.
fn among<'p>(labels: &[Label], list: &'p [Vec<Box<str>>], kind: Kind, leaves: &mut Vec<Leaf<'p>>) -> Node {
    let texts = |one: &'p Vec<Box<str>>| {
        let mut texts = Texts::default();
        labels.iter().zip(one).for_each(|(label, name)| texts[*label as usize] = name);
        texts
    };
    let set: HashSet<Texts<'p>, RandomState> = list.iter().map(texts).collect();
    let asked: Vec<Label> = labels.iter().copied().filter(|label| kind.labels().has(*label)).collect();
    if asked.is_empty() {
        return Node::Const(set.contains(&Texts::default()));
    }
    leaves.push(Leaf { test: Test::Among(set), answers: Vec::new() });
    Node::Among(asked, leaves.len() - 1)
}

/// A conjunction (`deciding` = false) or disjunction (true) without constants in it.
fn join<'p>(list: &'p [Filter], kind: Kind, leaves: &mut Vec<Leaf<'p>>, deciding: bool) -> Node {
    let mut nodes = Vec::new();
    for filter in list {
        match simplify(filter, kind, leaves) {
            Node::Const(answer) if answer == deciding => return Node::Const(deciding),
            Node::Const(_) => {}
            Node::And(inner) if !deciding => nodes.extend(inner),
            Node::Or(inner) if deciding => nodes.extend(inner),
            node => nodes.push(node),
        }
    }
    match nodes.len() {
        0 => Node::Const(!deciding),
        1 => nodes.remove(0),
        _ if deciding => Node::Or(nodes),
        _ => Node::And(nodes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(label: Label, name: &str) -> Filter {
        Filter::In(label, vec![name.into()])
    }

    #[test]
    fn what_a_kind_cannot_have_is_decided_beforehand() {
        let key = is(Label::Key, "k");
        assert!(Condition::new(&key, Kind::Request).is_never());
        assert!(!Condition::new(&key, Kind::Cache).is_never());
        let always = |filter: &Filter, kind| Condition::new(filter, kind).node == Node::Const(true);
        let ok = is(Label::Status, "ok");
        assert!(Condition::new(&ok, Kind::Cache).is_never());
        assert!(always(&is(Label::Status, ""), Kind::Rate));
        let slow = Filter::Number(Measure::Latency, Compare::Greater, 5);
        assert!(Condition::new(&slow, Kind::Cache).is_never());
        let not_slow = Filter::Not(Box::new(slow));
        assert!(always(&not_slow, Kind::Cache));
        let both = Filter::And(vec![is(Label::Provider, "p"), Filter::Or(vec![Filter::All, key])]);
        assert_eq!(Condition::new(&both, Kind::Request).labels(), LabelSet::of(&[Label::Provider]));
    }

    #[test]
    fn a_name_is_judged_by_its_text_and_a_missing_number_fails() {
        let mut names = LabelNames::new();
        let (a, b) = (names.intern("a"), names.intern("b"));
        let filter = Filter::Or(vec![is(Label::Model, "a"), Filter::Number(Measure::Latency, Compare::NotEqual, 5)]);
        let mut condition = Condition::new(&filter, Kind::Request);
        let labels = |model| {
            let mut labels = Labels::default();
            labels[Label::Model as usize] = model;
            labels
        };
        for (model, latency, expected) in
            [(a, None, true), (b, None, false), (b, Some(5), false), (b, Some(6), true), (a, Some(5), true)]
        {
            assert_eq!(condition.holds(&names, &labels(model), &|_| latency), expected, "{model} {latency:?}");
        }
    }

    #[test]
    fn several_labels_are_judged_together() {
        let pairs = [("a", "x"), ("b", "")].map(|(p, u)| vec![p.into(), u.into()]).to_vec();
        let filter = Filter::Among(vec![Label::Provider, Label::User], pairs);
        let mut names = LabelNames::new();
        let mut labels = |provider, user| {
            let mut labels = Labels::default();
            labels[Label::Provider as usize] = names.intern(provider);
            labels[Label::User as usize] = names.intern(user);
            labels
        };
        let cases = [("a", "x", true), ("a", "", false), ("b", "", true), ("b", "x", false), ("c", "x", false)];
        let cases = cases.map(|(p, u, holds)| (labels(p, u), holds));
        let mut condition = Condition::new(&filter, Kind::Request);
        assert_eq!(condition.labels(), LabelSet::of(&[Label::Provider, Label::User]));
        for (labels, holds) in cases {
            assert_eq!(condition.holds(&names, &labels, &|_| None), holds);
            assert!(condition.may_hold(&names, &labels, LabelSet::of(&[Label::Provider])));
            assert_eq!(condition.may_hold(&names, &labels, condition.labels()), holds);
        }
        // What a kind cannot have is empty.
        let status = |name: &str| Filter::Among(vec![Label::Status], vec![vec![name.into()]]);
        assert!(Condition::new(&status("ok"), Kind::Cache).is_never());
        assert!(!Condition::new(&status(""), Kind::Cache).is_never());
    }

    #[test]
    fn what_is_not_known_keeps_an_answer_open() {
        let mut names = LabelNames::new();
        let a = names.intern("a");
        let mut labels = Labels::default();
        labels[Label::Provider as usize] = a;
        let known = LabelSet::of(&[Label::Provider]);
        for (filter, may) in [
            (is(Label::Provider, "b"), false),
            (is(Label::User, "u"), true),
            (Filter::And(vec![is(Label::User, "u"), is(Label::Provider, "b")]), false),
            (Filter::Or(vec![is(Label::User, "u"), is(Label::Provider, "b")]), true),
            (Filter::Not(Box::new(is(Label::Provider, "a"))), false),
        ] {
            assert_eq!(Condition::new(&filter, Kind::Request).may_hold(&names, &labels, known), may, "{filter:?}");
        }
    }
}
