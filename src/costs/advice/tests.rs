//! The arithmetic of advice, checked by hand; and that nothing is said without ground.

use ax_storage::event::Tokens;
use ax_storage::time::{DAY_MS, HOUR_MS, TimeRange, Timestamp};

use super::usage::{ModelUsage, Part};
use super::*;

const DOLLAR: i128 = 1_000_000_000;

fn start() -> Timestamp {
    Timestamp::from_jiff("2026-02-01T00:00:00Z".parse().unwrap())
}

fn tokens(input: u64, cached: u64, output: u64) -> Tokens {
    Tokens { input, cached, output, ..Tokens::default() }
}

/// `days` days of calls of a model that cost `dollars` a day and used so many tokens in all.
fn model(provider: &str, model: &str, days: u64, calls: u64, dollars: i128, tokens: Tokens) -> ModelUsage {
    let part = |day: u64| Part {
        start: start().plus_ms(day * DAY_MS),
        calls,
        cost: Money(dollars * DOLLAR),
        tokens,
        longest: tokens.input / calls.max(1),
        ..Part::default()
    };
    ModelUsage {
        provider: provider.to_owned(),
        model: model.to_owned(),
        calls: calls * days,
        daily: vec![Money(dollars * DOLLAR); usize::try_from(days).unwrap()],
        parts: (0..days).map(part).collect(),
        ..ModelUsage::default()
    }
}

fn usage(models: Vec<ModelUsage>) -> Usage {
    let days = models.iter().map(|m| m.daily.len()).max().unwrap_or(0);
    Usage {
        range: Some(TimeRange::new(start(), start().plus_ms(days as u64 * DAY_MS))),
        days: u32::try_from(days).unwrap(),
        spent: Money(models.iter().flat_map(|m| &m.daily).map(|m| m.0).sum()),
        models,
    }
}

fn advice(models: Vec<ModelUsage>) -> Vec<Advice> {
    advise(&usage(models), Book::embedded())
}

#[test]
fn the_same_tokens_are_priced_at_a_smaller_model_of_the_provider() {
    // 3 M input, 1 M of it cached, 1 M output a day: at haiku 2 x 1 + 1 x 0.1 + 1 x 5 = 7.1 dollars.
    let of = |dollars| {
        model("claude", "claude-sonnet-4-5-20250929", 10, 100, dollars, tokens(3_000_000, 1_000_000, 1_000_000))
    };
    let kind =
        |marked_up| Kind::CheaperModel { instead: "claude-haiku-4-5".to_owned(), class: Class::Smaller, marked_up };
    let [one] = advice(vec![of(20)]).try_into().unwrap();
    assert_eq!(one.kind, kind(false));
    assert_eq!((one.calls, one.spent, one.would_be), (1000, Money(200 * DOLLAR), Money(71 * DOLLAR)));
    // 129 dollars in 10 days are 387 in 30; a tenth of the calls, three tenths, all.
    let shares = [38_700_000_000, 116_100_000_000, 387_000_000_000].map(Money);
    assert_eq!((one.shares, one.saving, one.sure), (shares, shares[1], Sure::Calculated));
    // At list price it is 2 x 3 + 1 x 0.3 + 1 x 15 = 21.3 a day. Who pays twice that does so there too.
    let mut dear = of(0);
    dear.parts.iter_mut().for_each(|part| part.cost = Money(42_600_000_000));
    dear.daily.fill(Money(42_600_000_000));
    let [one] = advice(vec![dear]).try_into().unwrap();
    assert_eq!((one.kind, one.would_be, one.sure), (kind(true), Money(142 * DOLLAR), Sure::AtLeast));
}

#[test]
fn a_newer_model_of_the_same_class_counts_for_all_calls() {
    let old = model("openai", "gpt-4-turbo", 30, 50, 40, tokens(1_000_000, 0, 1_000_000));
    let all = advice(vec![old]);
    let kind = Kind::CheaperModel { instead: "gpt-4.1".to_owned(), class: Class::Same, marked_up: false };
    assert_eq!(all[0].kind, kind);
    // 2 + 8 dollars a day instead of 40.
    assert_eq!((all[0].would_be, all[0].saving), (Money(300 * DOLLAR), Money(900 * DOLLAR)));
}

#[test]
fn days_with_a_long_call_are_taken_at_the_higher_price() {
    // On one of ten days a call is so long that it costs twice as much there.
    let mut resold = model("openrouter", "claude-sonnet-4-5", 10, 100, 50, tokens(1_000_000, 0, 0));
    resold.parts[3].longest = 250_000;
    let own = model("claude", "claude-sonnet-4-5", 10, 100, 3, tokens(1_000_000, 0, 0));
    let all = advice(vec![resold, own]);
    let other = all.iter().find(|a| a.provider == "openrouter").unwrap();
    assert!(matches!(&other.kind, Kind::OtherProvider { instead, .. } if instead == "claude"), "{other:?}");
    assert_eq!((other.would_be, other.sure), (Money((9 * 3 + 6) * DOLLAR), Sure::AtLeast));
}

#[test]
fn calls_without_a_price_are_left_out_with_their_tokens() {
    let mut sonnet = model("claude", "claude-sonnet-4-5", 10, 100, 18, tokens(1_000_000, 0, 1_000_000));
    sonnet.parts[0].unpriced = 1;
    let [one] = advice(vec![sonnet]).try_into().unwrap();
    assert_eq!((one.calls, one.spent, one.would_be), (900, Money(162 * DOLLAR), Money(54 * DOLLAR)));
}

#[test]
fn prompts_are_cached_as_much_as_those_of_another_model() {
    // Each 4 M tokens of input a day; of one half is cached, of the other nothing.
    let good = model("openai", "gpt-5", 10, 1000, 3, tokens(4_000_000, 2_000_000, 0));
    let bad = model("openai", "gpt-5.1", 10, 1000, 5, tokens(4_000_000, 0, 0));
    let all = advice(vec![good, bad]);
    let cache = all.iter().find(|a| matches!(a.kind, Kind::PromptCache { .. })).unwrap();
    assert_eq!((cache.model.as_str(), cache.sure), ("gpt-5.1", Sure::Depends));
    // 2 M tokens a day at 0.125 instead of 1.25 dollars a million.
    assert_eq!(cache.spent.0 - cache.would_be.0, 10 * 2_250_000_000);
}

#[test]
fn failures_cost_what_they_cost() {
    let mut failing = model("x", "y", 30, 1000, 10, tokens(10, 0, 10));
    (failing.failed_calls, failing.failed_cost) = (300, Money(30 * DOLLAR));
    let [one] = advice(vec![failing.clone()]).try_into().unwrap();
    assert_eq!((one.kind, one.calls, one.saving), (Kind::PaidFailures, 300, Money(30 * DOLLAR)));
    failing.failed_calls = FAILURES_MIN - 1;
    assert!(advice(vec![failing]).is_empty());
}

#[test]
fn growth_is_told_beyond_the_dearest_of_the_weeks_before() {
    let grown = |last: i128| {
        let mut m = model("x", "y", 28, 100, 10, tokens(10, 0, 10));
        m.daily[21..].fill(Money(last * DOLLAR));
        advice(vec![m])
    };
    assert!(grown(12).is_empty(), "a fifth more is no news");
    let [one] = grown(20).try_into().unwrap();
    let (week, usual) = (Money(140 * DOLLAR), Money(70 * DOLLAR));
    assert_eq!(one.kind, Kind::Growth { week, usual, highest: usual, weeks: 3 });
    assert!(!one.is_a_saving());
    assert_eq!(saving(&[one]), Money(0));
}

#[test]
fn nothing_is_said_without_enough_calls_days_or_money() {
    let rich = tokens(3_000_000, 0, 1_000_000);
    assert!(advice(vec![]).is_empty());
    assert!(advice(vec![model("claude", "claude-sonnet-4-5", 6, 1000, 50, rich)]).is_empty(), "six days");
    assert!(advice(vec![model("claude", "claude-sonnet-4-5", 9, 11, 50, rich)]).is_empty(), "99 calls");
    assert!(advice(vec![model("claude", "claude-nobody-knows", 9, 1000, 50, rich)]).is_empty(), "no price");
    assert!(
        advice(vec![model("claude", "claude-sonnet-4-5", 9, 1000, 1, rich)]).is_empty(),
        "it was cheaper than that"
    );
    let rest = model("x", "y", 9, 1000, 100_000, rich);
    assert!(advice(vec![model("claude", "claude-sonnet-4-5", 9, 1000, 50, rich), rest]).is_empty(), "not worth a word");
}

#[test]
fn the_sum_counts_no_call_twice() {
    let sonnet = |provider: &str, dollars| {
        model(provider, "claude-sonnet-4-5", 10, 100, dollars, tokens(3_000_000, 0, 1_000_000))
    };
    let mut dear = sonnet("google", 100);
    (dear.failed_calls, dear.failed_cost) = (100, Money(30 * DOLLAR));
    let all = advice(vec![dear, sonnet("claude", 24)]);
    let of = |kind: fn(&Kind) -> bool, provider: &str| {
        all.iter().find(|a| kind(&a.kind) && a.provider == provider).unwrap().saving.0
    };
    let moved = of(|k| matches!(k, Kind::OtherProvider { .. }), "google");
    let smaller = of(|k| matches!(k, Kind::CheaperModel { .. }), "claude");
    let failed = of(|k| *k == Kind::PaidFailures, "google");
    assert_eq!(saving(&all).0, moved + smaller + failed, "{all:#?}");
}

#[test]
fn longer_lives_find_what_came_again() {
    // Each key is asked for every two hours: an entry that lives five minutes never serves.
    let look_up = |i: u64| LookUp {
        at: start().plus_ms(i * HOUR_MS / 60),
        key: i % 120,
        hit: i.is_multiple_of(10),
        saved: i.is_multiple_of(10).then_some(2_000_000_000),
    };
    let look_ups: Vec<LookUp> = (0..12_000).map(look_up).collect();
    let advice = repeats(&look_ups, 9).unwrap();
    let Kind::ResponseCache { found, curve, life_ms } = &advice.kind else { panic!("{advice:?}") };
    assert_eq!((*found, *life_ms), (0.1, 6 * HOUR_MS));
    assert_eq!(curve[..2], [(5 * 60_000, 0.1), (HOUR_MS, 0.1)]);
    // All but the first of each key, of those that found nothing: 10,800 less 108.
    assert_eq!((advice.calls, advice.spent), (10_692, Money(2 * 10_692 * DOLLAR)));
    assert!(repeats(&look_ups[..90], 9).is_none(), "too few");
    let silent: Vec<LookUp> = look_ups.iter().map(|l| LookUp { saved: None, ..*l }).collect();
    assert!(repeats(&silent, 9).is_none(), "nobody says what a hit saves");
}
