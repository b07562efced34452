//! Names found, times told apart, and amounts right to the last figure.

use ax_storage::event::{NanoUsd, Tokens};
use proptest::prelude::*;

use super::*;

fn at(date: &str) -> Timestamp {
    Timestamp::from_jiff(format!("{date}T12:00:00Z").parse().unwrap())
}

/// Dollars a million tokens of input and output, of the list that comes with the program.
fn known(provider: &str, model: &str, date: &str) -> Option<(f64, f64)> {
    let found = Book::embedded().resolve(provider, model);
    let usd = |pico: u64| pico as f64 / PICO_PER_USD_MTOK as f64;
    found.at(at(date)).map(|p| (usd(p.price.rates.input), usd(p.price.rates.output)))
}

#[test]
fn the_list_that_comes_along_can_be_read_and_is_plausible() {
    let list = PriceList::parse(include_str!("prices.tsv")).unwrap();
    let mut models = 0;
    for (provider, model, prices) in list.rows() {
        models += 1;
        assert_eq!(list.find(provider, model), Some(prices), "{provider} {model}");
        for price in prices {
            let rates = price.rates;
            assert!(rates.cached <= rates.input && rates.cache_write_1h >= rates.cache_write, "{provider} {model}");
        }
        assert!(prices.iter().any(|price| price.when.holds(at("2026-10-01"))), "{provider} {model}");
    }
    assert!(models > 250, "{models}");
}

#[test]
fn names_are_found_however_they_are_dressed() {
    for (provider, model, expected) in [
        ("anthropic", "claude-sonnet-4-5", Some((3.0, 15.0))),
        ("claude", "claude-sonnet-4-5-20250929", Some((3.0, 15.0))),
        ("Claude", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", Some((3.0, 15.0))),
        ("google", "claude-sonnet-4-5@20250929", Some((3.0, 15.0))),
        ("anthropic", "anthropic/claude-3.5-sonnet", Some((3.0, 15.0))),
        ("anthropic", "claude-3-5-sonnet-20241022", Some((3.0, 15.0))),
        ("anthropic", "claude-3-opus-latest", Some((15.0, 75.0))),
        ("anthropic", "claude-instant-1.2", Some((0.163, 0.551))),
        ("openai", "gpt-4o", Some((2.5, 10.0))),
        ("openai", "gpt-4o-2024-05-13", Some((5.0, 15.0))),
        ("openai", "gpt-4o-2024-08-06", Some((2.5, 10.0))),
        ("openai", "gpt-4", Some((30.0, 60.0))),
        ("openai", "gpt-4-0613", Some((30.0, 60.0))),
        ("openai", "gpt-4-1106-preview", Some((10.0, 30.0))),
        ("openai", "gpt-4.1-mini-2025-04-14", Some((0.4, 1.6))),
        ("gemini", "models/gemini-2.5-pro-preview-05-06", Some((1.25, 10.0))),
        ("gemini", "gemini-1.5-pro-002", Some((1.25, 5.0))),
        ("groq", "meta-llama/llama-4-scout-17b-16e-instruct", Some((0.11, 0.34))),
        ("openai", "ft:gpt-4o-2024-08-06:org::id", Some((3.75, 15.0))),
        ("openai", "ft:gpt-4.1-mini-2025-04-14:org:name:id", Some((0.8, 3.2))),
        ("openai", "text-embedding-3-small", Some((0.02, 0.0))),
        ("gemini", "gemini-pro-latest", Some((2.0, 12.0))),
        ("gemini", "gemini-2.5-flash-preview-09-2025", Some((0.3, 2.5))),
        // No other model stands in for an unknown one.
        ("openai", "gpt-4.9", None),
        ("openai", "gpt-4-shiny", None),
        ("openai", "gpt-4-9", None),
        ("openai", "ft:gpt-9:org::id", None),
        ("anthropic", "ft:claude-sonnet-4-5:org::id", None),
        ("openai", "claude-sonnet-4-5", None),
        ("nobody", "gpt-4o", None),
        ("openai", "", None),
        ("", "gpt-4o", None),
    ] {
        assert_eq!(known(provider, model, "2025-11-16"), expected, "{provider} {model}");
    }
}

#[test]
fn the_price_is_that_of_the_time_of_the_call() {
    assert_eq!(known("openai", "o3", "2025-06-09"), Some((10.0, 40.0)));
    assert_eq!(known("openai", "o3", "2025-06-10"), Some((2.0, 8.0)));
    let list = PriceList::parse("p\tm\t2025-01-01\t1\t-\t-\t-\t2\n").unwrap();
    let [price] = list.find("p", "m").unwrap() else { panic!() };
    assert!(!price.when.holds(at("2024-12-31")), "before the first price none is known");
    let daily = |from_ms, to_ms| When::Daily { from_ms, to_ms }.holds(Timestamp::from_millis(5 * DAY_MS + 1000));
    assert_eq!([daily(1000, 1001), daily(0, 1000), daily(5000, 1001), daily(1001, 1000)], [true, false, true, false]);
}

/// Lists disagree about this one; the provider's own has the higher price.
#[test]
fn long_calls_of_sonnet_cost_more_at_google_too() {
    for provider in ["google", "vertex_ai", "anthropic"] {
        let resolved = Book::embedded().resolve(provider, "claude-sonnet-4-5@20250929");
        let price = &resolved.at(at("2026-08-20")).unwrap().price;
        assert_eq!(
            (price.rates_for(200_000).input, price.rates_for(200_001).input),
            (3_000_000, 6_000_000),
            "{provider}"
        );
    }
}

#[test]
fn amounts_are_exact() {
    let list = PriceList::parse(
        "p\tm\t-\t3\t0.3\t3.75\t6\t15\t200000\t6\t0.6\t7.5\t12\t22.5\np\tbare\t-\t0.0375\t-\t-\t-\t0.15\np\tfree\t-\t0\t-\t-\t-\t0\n",
    )
    .unwrap();
    let tokens = |input, cached, cache_write, cache_write_1h, output| Tokens {
        input,
        cached,
        cache_write,
        cache_write_1h,
        output,
        reasoning: 0,
    };
    for (model, tokens, discount, nanos) in [
        ("m", tokens(26_447, 0, 0, 0, 528), Discount::None, 87_261_000),
        ("m", tokens(26_447, 0, 0, 0, 528), Discount::Half, 43_630_500),
        (
            "m",
            tokens(1000, 400, 300, 100, 10),
            Discount::None,
            300 * 3000 + 400 * 300 + 200 * 3750 + 100 * 6000 + 10 * 15_000,
        ),
        // The whole call at the higher price, from one token more on.
        ("m", tokens(200_000, 0, 0, 0, 1), Discount::None, 600_015_000),
        ("m", tokens(200_001, 0, 0, 0, 1), Discount::None, 1_200_028_500),
        // Halves go to the even neighbour: 37.5, 112.5, and 18.75 of a half price.
        ("bare", tokens(1, 0, 0, 0, 0), Discount::None, 38),
        ("bare", tokens(3, 0, 0, 0, 0), Discount::None, 112),
        ("bare", tokens(1, 0, 0, 0, 0), Discount::Half, 19),
        // A class without a price costs as its parent, and no token twice.
        ("bare", tokens(1000, 500, 900, 900, 0), Discount::None, 37_500),
        ("free", tokens(1_000_000, 5, 5, 5, 1_000_000), Discount::None, 0),
        ("m", tokens(u64::MAX, 0, 0, 0, u64::MAX), Discount::None, u64::MAX),
    ] {
        let price = &list.find("p", model).unwrap()[0];
        assert_eq!(cost(price, &tokens, discount).nanos(), nanos, "{model} {tokens:?}");
    }
    let free = Resolved::default();
    assert_eq!(free.cost(at("2025-01-01"), &tokens(1, 0, 0, 0, 1), "", false), None, "unpriced is not free");
}

#[test]
fn service_tiers_cost_what_their_provider_takes_for_them() {
    let tokens = Tokens { input: 2_000_000, cached: 1_000_000, ..Tokens::default() };
    for (provider, model, tier, nanos) in [
        ("anthropic", "claude-sonnet-4-6", "", Some(3_300_000_000)),
        ("anthropic", "claude-sonnet-4-6", "standard", Some(3_300_000_000)),
        ("anthropic", "claude-sonnet-4-6", "batch", Some(1_650_000_000)),
        ("anthropic", "claude-sonnet-4-6", "priority", None),
        ("openai", "gpt-4o", "flex", Some(1_875_000_000)),
        ("gemini", "gemini-2.5-flash", "", Some(330_000_000)),
        ("gemini", "gemini-2.5-flash", "batch", Some(180_000_000)),
        ("groq", "llama-3.1-8b-instant", "flex", Some(100_000_000)),
        ("groq", "llama-3.1-8b-instant", "batch", Some(50_000_000)),
    ] {
        let cost = Book::embedded().resolve(provider, model).cost(at("2026-10-01"), &tokens, tier, false);
        assert_eq!(cost.map(NanoUsd::nanos), nanos, "{provider} {model} {tier}");
    }
}

#[test]
fn a_call_without_tokens_is_free_only_when_it_failed() {
    let prices = Book::embedded().resolve("openai", "gpt-4o");
    let none = Tokens::default();
    assert_eq!(prices.cost(at("2026-10-01"), &none, "", true), Some(NanoUsd::from_nanos(0)));
    assert_eq!(prices.cost(at("2026-10-01"), &none, "", false), None);
}

#[test]
fn rows_that_are_none_say_where_and_why() {
    for (text, expected) in [
        ("# fine\n\np\tm\n", "line 3: a row has 8 or 14 fields"),
        ("p\tm\t-\t1\t-\t-\t-\n", "line 1: a row has 8 or 14 fields"),
        ("p\tm\t2025-13-01\t1\t-\t-\t-\t1\n", "line 1: the date is none"),
        ("p\tm\t-\t-\t-\t-\t-\t1\n", "line 1: input and output need a price"),
        ("p\tm\t-\t-1\t-\t-\t-\t1\n", "line 1: a price is a number of at most 9 figures and 6 decimals"),
        ("p\tm\t-\t1e3\t-\t-\t-\t1\n", "line 1: a price is a number of at most 9 figures and 6 decimals"),
    ] {
        assert_eq!(PriceList::parse(text).unwrap_err().to_string(), expected);
    }
}

proptest! {
    #[test]
    fn any_name_and_time_is_answered(provider in ".{0,12}", model in "[a-z0-9.:@/-]{0,40}|.{0,20}", ms in any::<u64>()) {
        let found = Book::embedded().resolve(&provider, &model);
        if let Some(p) = found.at(Timestamp::from_millis(ms)) {
            prop_assert!(p.price.when.holds(Timestamp::from_millis(ms)));
        }
    }

    /// Against sums of single digits, which know no overflow and no rounding but their own.
    #[test]
    fn costs_are_those_of_a_calculation_with_digits(
        rates in any::<[u32; 6]>(), longer in any::<[u32; 6]>(), above in 0_u64..2_000_000,
        input in 0_u64..2_000_000, shares in any::<[u8; 4]>(), output in 0_u64..1_000_000, half in 0_usize..3,
    ) {
        let part = |of: u64, share: u8| of * u64::from(share) / 255;
        let cached = part(input, shares[0]);
        let cache_write = part(input - cached, shares[1]);
        let cache_write_1h = part(cache_write, shares[2]);
        let tokens = Tokens { input, cached, cache_write, cache_write_1h, output, reasoning: part(output, shares[3]) };
        let made = |r: [u32; 6]| {
            let [input, cached, cache_write, cache_write_1h, output, reasoning] = r.map(u64::from);
            Rates { input, cached, cache_write, cache_write_1h, output, reasoning }
        };
        let price = Price { when: When::ALWAYS, rates: made(rates), long: vec![Long { above, rates: made(longer) }] };
        let discount = [Discount::None, Discount::Half, Discount::HalfButCached][half];
        let r = if input > above { longer } else { rates };
        let counts = [
            input - cached - cache_write, cached, cache_write - cache_write_1h, cache_write_1h,
            output - tokens.reasoning, tokens.reasoning,
        ];
        // In half pico-dollars.
        let mut sum = digits::Number::default();
        for (i, (count, rate)) in counts.into_iter().zip(r).enumerate() {
            let whole = discount == Discount::None || (discount == Discount::HalfButCached && i == 1);
            for _ in 0..if whole { 2 } else { 1 } {
                sum.add(&digits::product(count, u64::from(rate)));
            }
        }
        prop_assert_eq!(cost(&price, &tokens, discount).nanos().to_string(), sum.rounded_2000ths());
    }
}

/// Numbers as decimal digits, the lowest first.
mod digits {
    #[derive(Clone, Default)]
    pub(super) struct Number(Vec<u8>);

    impl Number {
        fn of(text: &str) -> Self {
            Self(text.bytes().rev().map(|b| b - b'0').collect())
        }

        pub(super) fn add(&mut self, other: &Self) {
            let mut carry = 0;
            for i in 0..self.0.len().max(other.0.len()) + 1 {
                if i == self.0.len() {
                    self.0.push(0);
                }
                let sum = self.0[i] + other.0.get(i).copied().unwrap_or(0) + carry;
                (self.0[i], carry) = (sum % 10, sum / 10);
            }
        }

        /// Divided by 2000, halves to the even neighbour.
        pub(super) fn rounded_2000ths(&self) -> String {
            let thousandths: Vec<u8> = self.0.iter().copied().chain([0; 4]).collect();
            let (low, high) = thousandths.split_at(3);
            let mut odd = 0;
            let mut halves: Vec<u8> = high
                .iter()
                .rev()
                .map(|d| {
                    let now = odd * 10 + d;
                    odd = now % 2;
                    now / 2
                })
                .collect();
            let rest = u32::from(odd) * 1000 + low.iter().rev().fold(0, |n, d| n * 10 + u32::from(*d));
            let even = halves.last().is_none_or(|d| d % 2 == 0);
            if rest > 1000 || (rest == 1000 && !even) {
                halves.reverse();
                let mut up = Self(halves);
                up.add(&Self::of("1"));
                halves = up.0.into_iter().rev().collect();
            }
            let text: String = halves.iter().map(|d| char::from(b'0' + d)).collect();
            match text.trim_start_matches('0') {
                "" => "0".into(),
                text => text.into(),
            }
        }
    }

    /// As one multiplies on paper.
    pub(super) fn product(a: u64, b: u64) -> Number {
        let (a, b) = (Number::of(&a.to_string()), Number::of(&b.to_string()));
        let mut sum = Number::default();
        for (place, digit) in b.0.iter().enumerate() {
            let mut shifted = vec![0; place];
            shifted.extend(&a.0);
            (0..*digit).for_each(|_| sum.add(&Number(shifted.clone())));
        }
        sum
    }
}
