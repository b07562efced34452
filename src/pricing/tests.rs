//! Names found, times told apart, and amounts right to the last figure.

use ax_storage::event::Tokens;
use proptest::prelude::*;

use super::*;

fn at(date: &str) -> Timestamp {
    Timestamp::from_jiff(format!("{date}T12:00:00Z").parse().unwrap())
}

/// Dollars a million tokens of input and output, of the list that comes with the program.
fn known(provider: &str, model: &str, date: &str) -> Option<(f64, f64)> {
    let found = PriceList::embedded().find(provider, model, at(date))?;
    let usd = |pico: u64| pico as f64 / PICO_PER_USD_MTOK as f64;
    Some((usd(found.price.rates.input), usd(found.price.rates.output)))
}

#[test]
fn the_list_that_comes_along_can_be_read_and_is_plausible() {
    let text = include_str!("prices.tsv");
    let list = PriceList::parse(text).unwrap();
    assert!(list.len() > 250, "{}", list.len());
    for (provider, model) in text.lines().filter(|l| !l.starts_with('#')).map(|l| {
        let mut fields = l.split('\t');
        (fields.next().unwrap(), fields.next().unwrap())
    }) {
        let found = list.find(provider, model, at("2026-10-01")).unwrap_or_else(|| panic!("{provider} {model}"));
        let rates = found.price.rates;
        assert!(rates.cached <= rates.input && rates.cache_write_1h >= rates.cache_write, "{provider} {model}");
    }
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
        // No other model stands in for an unknown one.
        ("openai", "gpt-4.9", None),
        ("openai", "gpt-4-shiny", None),
        ("openai", "gpt-4-9", None),
        ("openai", "ft:gpt-4o-2024-08-06:org::id", None),
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
    let found = PriceList::embedded().find("openai", "o3", at("2025-06-01")).unwrap();
    assert_eq!(found.until, Some(Timestamp::from_jiff("2025-06-10T00:00:00Z".parse().unwrap())));
    let list = PriceList::parse("p\tm\t2025-01-01\t1\t-\t-\t-\t2\n").unwrap();
    assert!(list.find("p", "m", at("2024-12-31")).is_none(), "before the first price none is known");
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
        let price = list.find("p", model, at("2025-01-01")).unwrap().price;
        assert_eq!(cost(price, &tokens, discount).nanos(), nanos, "{model} {tokens:?}");
    }
    assert_eq!(["batch", "", "priority"].map(Discount::of_tier), [Some(Discount::Half), Some(Discount::None), None]);
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
    fn any_name_and_count_is_answered(provider in ".{0,12}", model in "[a-z0-9.:@/-]{0,40}|.{0,20}", ms in any::<u64>(), counts in any::<[u64; 5]>()) {
        if let Some(found) = PriceList::embedded().find(&provider, &model, Timestamp::from_millis(ms)) {
            prop_assert!(found.price.from.millis() <= ms);
        }
        let list = PriceList::parse("p\tm\t-\t999999999\t1\t2\t3\t999999999\n").unwrap();
        let [input, cached, cache_write, cache_write_1h, output] = counts;
        let tokens = Tokens { input, cached, cache_write, cache_write_1h, output, reasoning: 0 };
        let price = list.find("p", "m", Timestamp::MIN).unwrap().price;
        let (whole, half) = (cost(price, &tokens, Discount::None).nanos(), cost(price, &tokens, Discount::Half).nanos());
        prop_assert!(half <= whole);
    }
}
