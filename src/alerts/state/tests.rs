//! Every edge of the state of a group, as scripts of minutes.

use super::*;

/// Judges minute after minute: `T` true, `F` false, `?` unknown, `s` before it silenced, `a` somebody
/// acknowledges before it. Gives what happened as `minute:what`, with `!` where it is told.
fn run(rule: &Rule, minutes: &str) -> String {
    let mut state = Instance::new(vec![("provider".into(), "openai".into())]);
    let (mut minute, mut silenced, mut out) = (0, false, Vec::new());
    for c in minutes.chars() {
        let truth = match c {
            's' => {
                silenced = true;
                continue;
            }
            'a' => {
                state.episode.as_mut().unwrap().acknowledged = Some(Acknowledged::default());
                continue;
            }
            'T' => Some(true),
            'F' => Some(false),
            '?' => None,
            _ => continue,
        };
        let evaluation = Evaluation { truth, silenced: std::mem::take(&mut silenced), ..Evaluation::default() };
        let (next, all) = step(rule, state, &evaluation, minute * 60_000);
        state = next;
        for t in all {
            let reason = t.reason.filter(|r| *r != Reason::Over).map(|r| format!("({})", r.word())).unwrap_or_default();
            let word = if t.outcome == Outcome::Reminder { "again" } else { t.outcome.word() };
            out.push(format!("{minute}:{word}{reason}{}", if t.told { "!" } else { "" }));
        }
        minute += 1;
    }
    out.join(" ")
}

fn rule(hold: u64, keep: u64, again: u64) -> Rule {
    Rule {
        hold_ms: hold * 60_000,
        keep_firing_ms: keep * 60_000,
        renotify_ms: (again > 0).then_some(again * 60_000),
        ..Rule::new("r", "errors > 5").unwrap()
    }
}

#[test]
fn every_edge_of_the_state_is_taken_when_it_should_be() {
    let check = |(hold, keep, again), minutes: &str, expected: &str| {
        assert_eq!(
            run(&rule(hold, keep, again), minutes),
            expected,
            "for {hold}, keep {keep}, again {again}: {minutes}"
        );
    };
    // Without `for` it fires at once, and is over at once.
    check((0, 0, 0), "F T T F T", "1:firing! 3:resolved! 4:firing!");
    // With it, it is pending first; the whole length must be true.
    check((2, 0, 0), "F T T T F", "1:pending 3:firing! 4:resolved!");
    check((2, 0, 0), "T T F T T T", "0:pending 2:inactive 3:pending 5:firing!");
    // It is not over before it was not true for long enough; a true minute starts that anew.
    check((0, 2, 0), "T F F F F", "0:firing! 3:resolved!");
    check((0, 2, 0), "T F F T F F F", "0:firing! 6:resolved!");
    // Unknown for two minutes keeps any state, longer is no data.
    check((0, 0, 0), "T ? ? T F", "0:firing! 4:resolved!");
    check((0, 0, 0), "T ? ? ?", "0:firing! 3:resolved(no_data)!");
    check((0, 0, 0), "F ? ? ? ? F ?", "3:no_data 5:inactive");
    check((2, 0, 0), "T ? T F", "0:pending 2:firing! 3:resolved!");
    // Or as long as `for`.
    check((5, 0, 0), "T ? ? ? ? ? ?", "0:pending 6:no_data");
    check((5, 0, 0), "T ? ? ? ? ? T", "0:pending 6:firing!");
    // Out of no data it may fire.
    check((0, 0, 0), "? ? ? T", "2:no_data 3:firing!");
    check((1, 0, 0), "? ? ? T T", "2:no_data 3:pending 4:firing!");
    // Unknown is not true, but does not end an episode by itself.
    check((0, 3, 0), "T F ? F F", "0:firing! 4:resolved!");
}

#[test]
fn what_is_silenced_moves_on_and_is_told_when_the_silence_ends_while_it_fires() {
    assert_eq!(run(&rule(0, 0, 0), "F sT sT T F"), "1:firing 3:again! 4:resolved!");
    assert_eq!(run(&rule(0, 0, 0), "sT sT sF"), "0:firing 2:resolved");
    // Nobody heard of it, so nobody hears that it is over.
    assert_eq!(run(&rule(0, 0, 0), "sT sT F"), "0:firing 2:resolved");
    assert_eq!(run(&rule(0, 0, 0), "T sF"), "0:firing! 1:resolved");
}

#[test]
fn it_is_told_again_until_somebody_has_seen_it() {
    assert_eq!(run(&rule(0, 0, 2), "T T T T T F"), "0:firing! 2:again! 4:again! 5:resolved!");
    assert_eq!(run(&rule(0, 0, 2), "T T T aT T T F T"), "0:firing! 2:again! 6:resolved! 7:firing!");
    assert_eq!(run(&rule(0, 0, 2), "T sT sT T T T"), "0:firing! 3:again! 5:again!");
}

#[test]
fn an_episode_keeps_its_id_and_its_peak() {
    let rule = rule(1, 0, 0);
    let mut state = Instance::new(Vec::new());
    let mut ids = Vec::new();
    for (minute, value) in [6_u64, 9, 7, 1, 8, 8].into_iter().enumerate() {
        let evidence = Evidence {
            value: Some(Number::Whole(value.into())),
            threshold: Some(Number::Whole(5)),
            ..Evidence::default()
        };
        let now = Evaluation { truth: Some(value > 5), evidence, silenced: false };
        let (next, all) = step(&rule, state, &now, minute as u64 * 60_000);
        state = next;
        ids.extend(all.into_iter().map(|t| (t.outcome.word(), t.id, t.peak)));
    }
    let peaks: Vec<_> = ids.iter().map(|(word, _, peak)| (*word, *peak)).collect();
    let whole = |n| Some(Number::Whole(n));
    assert_eq!(
        peaks,
        [("pending", None), ("firing", whole(9)), ("resolved", whole(9)), ("pending", None), ("firing", whole(8))]
    );
    assert!(ids[0].1 == ids[1].1 && ids[1].1 == ids[2].1 && ids[3].1 == ids[4].1 && ids[0].1 != ids[3].1);
    assert_eq!(ids[0].1, episode_id("r", &Vec::new(), 0));
}
