//! Prices: what a call without a cost gets, from which list, and what has none.

use insta::assert_snapshot;

use crate::world::World;

/// A call at an hour of 16 November, of a thousand tokens in and a hundred out.
fn call(hour: u32, provider: &str, model: &str) -> String {
    format!(
        "{{\"ts\":\"2025-11-16T{hour:02}:00:00Z\",\"provider\":\"{provider}\",\"model\":\"{model}\",\
         \"input_tokens\":1000,\"output_tokens\":100}}\n"
    )
}

/// Cost and its source of the newest call of `model` that was exported.
fn cost(world: &World, model: &str) -> (String, String) {
    let all = world.run("export --format ndjson").good();
    let line = all.lines().rfind(|l| l.contains(&format!("\"model\":\"{model}\""))).unwrap();
    let event: serde_json::Value = serde_json::from_str(line).unwrap();
    (event["cost_usd"].to_string(), event["cost_source"].as_str().unwrap().to_owned())
}

fn priced(amount: &str) -> (String, String) {
    (amount.to_owned(), "computed".to_owned())
}

#[test]
fn prices_of_ones_own_win_and_count_from_their_day_on() {
    let world = World::new().with("COLUMNS", "80");
    assert_eq!(world.feed("import ndjson -", call(1, "openai", "house-model").as_bytes()).code, Some(0));
    assert_eq!(cost(&world, "house-model"), ("null".to_owned(), "unpriced".to_owned()));
    let unpriced = world.run("prices unpriced").good();
    assert!(unpriced.contains("house-model") && unpriced.contains("ax monitor prices set"), "{unpriced}");

    for query in ["cost [1d]", "cost [1d] / requests", "avg(cost [1d]) > $1", "daily_spend"] {
        let json = world.run_args(&["metrics", "-q", query, "--json"]).json();
        let told = json["warnings"].as_array().unwrap().iter().any(|w| w["code"] == "unpriced");
        assert!(told, "{query} hides that a call has no price: {json}");
    }

    world.run("prices set house-model --input 2 --output 10").good();
    world.run("prices set house-model --input 4 --output 20 --from 2025-11-16T12:00:00Z").good();
    assert_snapshot!(world.run("prices list house"), @"
    exit 0
    --- stdout
    PRICES  US dollars a million tokens

    PROVIDER MODEL       INPUT CACHED WRITE OUTPUT HOLDS                 ORIGIN
    any      house-model     2      2     2     10                       override
    any      house-model     4      4     4     20 from 2025-11-16 12:00 override
    ");
    for (hour, amount) in [(2, "0.003"), (13, "0.006")] {
        assert_eq!(world.feed("import ndjson -", call(hour, "openai", "house-model").as_bytes()).code, Some(0));
        assert_eq!(cost(&world, "house-model"), priced(amount), "{hour} o'clock");
    }
    let json = world.run("costs --json").json();
    assert_eq!(json["total_usd"].to_string(), "0.009", "what had no price is not priced afterwards");
    assert_eq!(json["unpriced_requests"], 1);

    world.run("prices unset house-model").good();
    assert_eq!(world.run("prices unset house-model").code, Some(1));
    assert_snapshot!(world.run("prices set house-model --input 2,5 --output 10"), @"
    exit 2
    --- stderr
    error: input is '2,5': a price is a number of at most 9 figures and 6 decimals
    hint: US dollars a million tokens, such as 0.075
    ");
}

#[test]
fn price_files_of_two_tools_are_read() {
    let world = World::new().with("COLUMNS", "80");
    world.write(
        "litellm.json",
        r#"{"sample_spec": {"mode": "chat"},
            "acme/large": {"litellm_provider": "acme", "mode": "chat", "input_cost_per_token": 3e-06,
                           "output_cost_per_token": 1.5e-05, "cache_read_input_token_cost": 3e-07}}"#,
    );
    assert_snapshot!(world.run("prices import litellm.json"), @"
    exit 0
    --- stdout
    Took the prices of 1 model from litellm.json (litellm).
    Calls from now on are priced by them; what was recorded keeps its cost.
    ");
    assert_eq!(world.feed("import ndjson -", call(3, "acme", "large").as_bytes()).code, Some(0));
    assert_eq!(cost(&world, "large"), priced("0.0045"));

    world.write(
        "data.json",
        r#"[{"id": "acme", "name": "Acme", "api_pattern": "acme", "models": [
            {"id": "small", "match": {"starts_with": "small"},
             "prices": [{"prices": {"input_mtok": 1, "output_mtok": 5}},
                        {"constraint": {"start_date": "2025-11-10"}, "prices": {"input_mtok": 2, "output_mtok": 6}}]}]}]"#,
    );
    assert_snapshot!(world.run("prices import data.json"), @"
    exit 0
    --- stdout
    Took the prices of 1 model from data.json (genai-prices).
    Calls from now on are priced by them; what was recorded keeps its cost.
    ");
    assert_eq!(world.feed("import ndjson -", call(4, "acme", "small-2025").as_bytes()).code, Some(0));
    assert_eq!(cost(&world, "small-2025"), priced("0.0026"));

    world.write("cut.json", r#"{"acme/large": {"input_cost"#);
    assert_snapshot!(world.run("prices import cut.json"), @"
    exit 2
    --- stderr
    error: cut.json: is no JSON: EOF while parsing a string at line 1 column 27
    ");
}

#[test]
fn what_tells_two_prices_of_a_model_apart_is_shown_at_any_width() {
    for columns in ["60", "80", "120"] {
        let world = World::new().with("COLUMNS", columns);
        let listed = world.run("prices list claude-sonnet-4-5").good();
        assert!(listed.contains("input > 200,000"), "{listed}");
        assert!(listed.lines().all(|l| l.chars().count() <= columns.parse().unwrap()), "{listed}");
    }
}
